"""SQS: what EventBridge has put into a queue."""

from collections.abc import Sequence
from dataclasses import dataclass

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account

WAIT_SECONDS = 20  # SQS's longest poll
BATCH = 10  # SQS's largest batch
# Handled within this time, or somebody else gets it; well below the two minutes of a notice.
VISIBILITY_SECONDS = 30


@dataclass(frozen=True)
class Message:
    """One message, and what to show to have it deleted."""

    message_id: str
    receipt: str
    body: str


def receive(
    account: Account, region: str, queue_url: str, *, wait: int = WAIT_SECONDS
) -> list[Message]:
    """Up to ten messages, waiting up to `wait` seconds for the first. Raises CloudError."""
    sqs = session.client(account, "sqs", region)
    with errors.sorted_out():
        answer = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait,
            VisibilityTimeout=VISIBILITY_SECONDS,
        )
    return [
        Message(told.get("MessageId", ""), told.get("ReceiptHandle", ""), told.get("Body", ""))
        for told in answer.get("Messages", [])
    ]


def delete(account: Account, region: str, queue_url: str, messages: Sequence[Message]) -> int:
    """Delete what was handled; how many SQS refused, which come again. Raises CloudError."""
    if not messages:
        return 0
    sqs = session.client(account, "sqs", region)
    with errors.sorted_out():
        answer = sqs.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message.receipt}
                for number, message in enumerate(messages[:BATCH])
            ],
        )
    return len(answer.get("Failed", []))
