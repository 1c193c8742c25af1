"""A queue behind an EventBridge rule, as the product sets one up."""

from __future__ import annotations

import json
from typing import Any

from .harness import Sim, eventually


class Queue:
    """Hears the events that match the pattern; those heard are kept in `heard`."""

    def __init__(self, sim: Sim, pattern: dict[str, Any], **credentials: str) -> None:
        self._sqs = sim.client("sqs", **credentials)
        events = sim.client("events", **credentials)
        self._url = self._sqs.create_queue(QueueName="interruptions")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        events.put_rule(Name="interruptions", EventPattern=json.dumps(pattern))
        events.put_targets(
            Rule="interruptions", Targets=[{"Id": "q", "Arn": arn["Attributes"]["QueueArn"]}]
        )
        self.heard: list[dict[str, Any]] = []

    def poll(self, seconds: int = 0) -> None:
        answer = self._sqs.receive_message(
            QueueUrl=self._url, WaitTimeSeconds=seconds, MaxNumberOfMessages=10
        )
        for message in answer.get("Messages", []):
            self.heard.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def wait(self, kind: str, instance_id: str, **detail: str) -> dict[str, Any]:
        """The event of that detail-type about that instance."""

        def found() -> Any:
            for event in self.heard:
                wanted = {"instance-id": instance_id, **detail}
                if event["detail-type"] == kind and wanted.items() <= event["detail"].items():
                    return event
            self.poll()
            return None

        event: dict[str, Any] = eventually(found)
        return event
