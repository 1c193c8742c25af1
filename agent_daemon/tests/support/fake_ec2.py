"""EC2's answer to DescribeSpotPriceHistory."""

from __future__ import annotations

from urllib.parse import parse_qs

from .http_fake import Answer, HttpFake, Request

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


class FakeEc2(HttpFake):
    """``points`` are (zone, price, timestamp); ``refusal`` is (status, error code)."""

    def __init__(self) -> None:
        self.points = [("us-east-1a", "0.012500", "2025-11-21T10:00:00.000Z")]
        self.refusal: tuple[int, str] | None = None
        super().__init__()

    def answer(self, request: Request) -> Answer:
        if self.refusal is not None:
            status, code = self.refusal
            return Answer(
                status,
                f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error>"
                "</Errors><RequestID>1</RequestID></Response>",
            )
        items = "".join(
            f"<item><instanceType>t3.medium</instanceType><productDescription>Linux/UNIX"
            f"</productDescription><spotPrice>{price}</spotPrice><timestamp>{at}</timestamp>"
            f"<availabilityZone>{zone}</availabilityZone></item>"
            for zone, price, at in self.points
        )
        return Answer(
            200,
            f'<?xml version="1.0"?><DescribeSpotPriceHistoryResponse xmlns="{NAMESPACE}">'
            f"<spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken/>"
            "</DescribeSpotPriceHistoryResponse>",
        )

    def parameters(self) -> dict[str, str]:
        """Of the last request."""
        return {key: values[0] for key, values in parse_qs(self.requests[-1].raw.decode()).items()}
