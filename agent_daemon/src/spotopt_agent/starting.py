"""The first things the agent does: find out which machine it is on, and open that machine's state."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Optional

from spotopt_agent import identity as identities
from spotopt_agent.backoff import Backoff
from spotopt_agent.identity import Identity
from spotopt_agent.metadata import Metadata, MetadataError, Throttled
from spotopt_agent.settings import Settings
from spotopt_agent.statedir import StateDir, StateDirError
from spotopt_agent.stopping import FAILED, METADATA_BROKEN, Stop

ATTEMPTS = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machine:
    """The machine the agent is on, and what it keeps there."""

    metadata: Metadata
    identity: Identity
    statedir: StateDir


def settle_in(settings: Settings, stop: Stop) -> Optional[Machine]:
    """Identity first, then the state folder of that identity, without those of other machines.

    None where that cannot be done; the reason is logged, and ``stop`` has the exit code.
    """
    metadata = Metadata(settings.metadata_endpoint)
    identity = identify(metadata, stop)
    if identity is None:
        return None
    try:
        statedir = StateDir(settings.state_dir, identity.instance_id)
    except StateDirError as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        stop.request(FAILED)
        return None
    for instance_id in statedir.discard_others():
        log.warning("discarded the state of %s: this is another machine", instance_id)
    return Machine(metadata, identity, statedir)


def identify(metadata: Metadata, stop: Stop) -> Optional[Identity]:
    """The machine's identity; None if stopped, or after three failures that are not throttling."""
    backoff = Backoff(first=0.5, cap=10.0)
    failures = 0
    while failures < ATTEMPTS:
        try:
            return identities.read(metadata)
        except MetadataError as error:
            failures += 0 if isinstance(error, Throttled) else 1
            log.warning("this machine's identity is not known yet: %s", error)
        if failures < ATTEMPTS and stop.pause(backoff.next()):
            return None
    log.error("the metadata service does not tell which machine this is")
    stop.request(METADATA_BROKEN)
    return None
