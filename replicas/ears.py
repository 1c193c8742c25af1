"""Listens to the clients' queues: one thread each, long polls, restarted when something breaks."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, close_old_connections, connection

from clients import connection as accounts
from clients.models import Client
from replicas import eventbridge
from replicas.leases import Clock
from spotopt.cloud import errors, queues
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

PAUSE = 5.0  # seconds after a failure
LOOK_FOR_QUEUES = timedelta(seconds=10)


@dataclass(frozen=True)
class Queue:
    """Whose, where."""

    client_id: UUID
    region: str
    url: str


def configured() -> set[Queue]:
    """Every queue that a client's connection names."""
    rows = Client.objects.exclude(aws_queues={}).values_list("pk", "aws_queues")
    return {
        Queue(client_id, str(region), str(url))
        for client_id, by_region in rows
        for region, url in by_region.items()
        if url
    }


def drain(queue: Queue, *, clock: Clock, wait: int = queues.WAIT_SECONDS) -> int:
    """Receive once, act, delete what was dealt with; how many messages came. Raises CloudError.

    A message that cannot be read is deleted and logged, never left to poison the queue. One whose
    handling failed comes again after its visibility runs out; acting twice on it has no second effect.
    """
    client = Client.objects.get(pk=queue.client_id)
    account = accounts.account_for(client)
    messages = queues.receive(account, queue.region, queue.url, wait=wait)
    dealt_with = []
    for message in messages:
        try:
            eventbridge.handle(eventbridge.parse(message.body), client=client, clock=clock)
        except eventbridge.Unreadable as error:
            log.warning("message %s of %s dropped: %s", message.message_id, queue.region, error)
        except (errors.CloudError, Refused, DatabaseError):
            log.exception("message %s of %s comes again", message.message_id, queue.region)
            continue
        dealt_with.append(message)
    if left := queues.delete(account, queue.region, queue.url, dealt_with):
        log.warning("%d messages of %s could not be deleted; they come again", left, queue.region)
    return len(messages)


class Ears:
    """A thread for each configured queue; new ones are found, removed ones end."""

    def __init__(
        self, *, clock: Clock, stop: threading.Event, find: Callable[[], set[Queue]] = configured
    ) -> None:
        self.clock = clock
        self.stop = stop
        self.find = find
        self.wanted: set[Queue] = set()
        self.threads: dict[Queue, threading.Thread] = {}

    def look(self) -> None:
        """Start a thread for what is new: the guard calls this now and then."""
        self.wanted = self.find()
        for queue in self.wanted:
            thread = self.threads.get(queue)
            if thread is None or not thread.is_alive():
                self.threads[queue] = threading.Thread(
                    target=self._listen, args=(queue,), name=f"ear {queue.region}", daemon=True
                )
                self.threads[queue].start()
        self.threads = {q: t for q, t in self.threads.items() if t.is_alive()}

    def _listen(self, queue: Queue) -> None:
        while not self.stop.is_set() and queue in self.wanted:
            try:
                drain(queue, clock=self.clock)
            except Client.DoesNotExist:
                return
            except (errors.CloudError, Refused) as error:
                log.warning("queue in %s of %s: %s", queue.region, queue.client_id, error)
                self.stop.wait(PAUSE)
            except DatabaseError as error:
                log.warning("queue in %s: the database (%s)", queue.region, type(error).__name__)
                connection.close()
                self.stop.wait(PAUSE)
            except Exception:
                log.exception("queue in %s of %s", queue.region, queue.client_id)
                self.stop.wait(PAUSE)
            finally:
                close_old_connections()
