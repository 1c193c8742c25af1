import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotopt.cloud import errors, prices
from spotopt.cloud.account import Account

REGION = "us-east-1"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def page(rows: str, token: str = "") -> str:
    return (
        "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet>"
        f"{rows}</spotPriceHistorySet><nextToken>{token}</nextToken>"
        "</DescribeSpotPriceHistoryResponse>"
    )


def row(price: str, extra: str = "") -> str:
    return (
        "<item><instanceType>t3.medium</instanceType><productDescription>Linux/UNIX"
        f"</productDescription><spotPrice>{price}</spotPrice><timestamp>2026-05-01T11:00:00.000Z"
        f"</timestamp><availabilityZone>us-east-1a</availabilityZone>{extra}</item>"
    )


def history(types: tuple[str, ...] = ("t3.medium",)) -> list[prices.PricePoint]:
    return list(
        prices.spot_history(
            Account(), REGION, instance_types=types, since=NOW - timedelta(hours=1), until=NOW
        )
    )


def test_prices_are_decimal_times_are_utc_and_pages_are_followed(script):
    script.say(200, page(row("0.012500"), "more")).say(
        200, page(row("0.0130", "<availabilityZoneId>use1-az6</availabilityZoneId>"))
    )
    first, second = history()
    assert first == prices.PricePoint(
        instance_type="t3.medium",
        az_name="us-east-1a",
        az_id=None,
        product="Linux/UNIX",
        price=Decimal("0.0125"),
        at=datetime(2026, 5, 1, 11, tzinfo=UTC),
    )
    assert second.price == Decimal("0.0130")
    assert second.az_id == "use1-az6"
    assert script.asked[0]["StartTime"] == "2026-05-01T11:00:00Z"
    assert script.asked[0]["EndTime"] == "2026-05-01T12:00:00Z"
    assert {script.asked[0][f"ProductDescription.{n}"] for n in (1, 2)} == set(prices.LINUX)
    assert script.asked[1]["NextToken"] == "more"


@pytest.mark.parametrize("price", ["", "0", "-1", "NaN", "Infinity", "free"])
def test_what_is_no_price_is_left_out(script, price):
    script.say(200, page(row(price) + row("0.01")))
    assert [point.price for point in history()] == [Decimal("0.01")]


def test_no_types_is_no_call(script):
    script.refuse("AuthFailure")
    assert history(types=()) == []
    assert script.asked == []


def test_a_refusal_halfway_is_sorted(script):
    script.say(200, page(row("0.01"), "more")).refuse("RequestLimitExceeded", status=503)
    with pytest.raises(errors.ThrottleError):
        history()


def test_against_a_whole_simulated_ec2(aws):
    points = history()
    assert points
    assert {point.instance_type for point in points} == {"t3.medium"}
    assert all(point.price > 0 and point.at.tzinfo for point in points)


def listed(*prices_: str, date: str = "2026-04-01T00:00:00Z", unit: str = "Hrs") -> str:
    entry = {
        "terms": {
            "OnDemand": {
                "T": {
                    "effectiveDate": date,
                    "priceDimensions": {
                        str(n): {"unit": unit, "pricePerUnit": {"USD": price}}
                        for n, price in enumerate(prices_)
                    },
                }
            }
        }
    }
    return json.dumps(entry)


def answer(*entries: str) -> str:
    return json.dumps({"FormatVersion": "aws_v1", "PriceList": list(entries)})


def test_an_on_demand_price_comes_with_its_date(script):
    script.say(200, answer(listed("0.0416000000")), "application/x-amz-json-1.1")
    offers = prices.on_demand_offers(instance_types=["t3.medium"], region=REGION)
    assert offers == {
        "t3.medium": prices.OnDemandOffer(Decimal("0.0416"), datetime(2026, 4, 1, tzinfo=UTC))
    }
    filters = {f["Field"]: f["Value"] for f in json.loads(script.bodies[0])["Filters"]}
    assert filters == {
        "instanceType": "t3.medium",
        "regionCode": REGION,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
    }


@pytest.mark.parametrize(
    "entry",
    ["not json", "{}", listed("0.0000000000"), listed("5", unit="Quantity"), listed()],
)
def test_what_is_no_hourly_price_is_left_out(script, entry):
    script.say(200, answer(entry, listed("0.05", date="soon")), "application/x-amz-json-1.1")
    offers = prices.on_demand_offers(instance_types=["t3.medium"], region=REGION)
    assert offers == {"t3.medium": prices.OnDemandOffer(Decimal("0.05"), None)}


def test_types_that_are_not_listed_are_absent(script):
    script.say(200, answer(), "application/x-amz-json-1.1")
    assert prices.on_demand_prices(instance_types=["x9.huge"], region=REGION) == {}


def test_each_type_is_asked_for_once(script):
    script.say(200, answer(listed("0.05")), "application/x-amz-json-1.1")
    found = prices.on_demand_prices(instance_types=["a.b", "a.b", "c.d"], region=REGION)
    assert found == {"a.b": Decimal("0.05"), "c.d": Decimal("0.05")}
    assert len(script.asked) == 2


def test_html_in_place_of_json_is_no_answer(script):
    script.say(500, "<html>oops</html>", "text/html")
    with pytest.raises(errors.UnreachableError):
        prices.on_demand_prices(instance_types=["t3.medium"], region=REGION)
