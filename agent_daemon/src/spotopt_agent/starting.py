"""The first thing the agent does: find out which machine it is on."""

from __future__ import annotations

import logging
from typing import Optional

from spotopt_agent import identity as identities
from spotopt_agent.backoff import Backoff
from spotopt_agent.identity import Identity
from spotopt_agent.metadata import Metadata, MetadataError, Throttled
from spotopt_agent.stopping import Stop

ATTEMPTS = 3

log = logging.getLogger(__name__)


def identify(url: str, stop: Stop) -> Optional[tuple[Metadata, Identity]]:
    """The machine's identity; None if stopped, or after three failures that are not throttling."""
    metadata = Metadata(url)
    backoff = Backoff(first=0.5, cap=10.0)
    failures = 0
    while failures < ATTEMPTS:
        try:
            return metadata, identities.read(metadata)
        except MetadataError as error:
            failures += 0 if isinstance(error, Throttled) else 1
            log.warning("this machine's identity is not known yet: %s", error)
        if stop.pause(backoff.next()):
            return None
    log.error("the metadata service at %s does not tell which machine this is", url)
    return None
