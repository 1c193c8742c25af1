"""How long a replica takes to be ready, from what the latest ones took."""

from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from replicas.models import Replica

# A pre-baked image boots in about half a minute, a plain one in two: the careful guess without any data.
UNKNOWN = timedelta(seconds=120)
LATEST = 20


def time_to_ready(*, client_id: UUID) -> timedelta:
    """Median from launch to ready over the client's latest replicas; `UNKNOWN` while there is none."""
    rows = (
        Replica.objects.filter(client_id=client_id)
        .exclude(ready_at=None)
        .exclude(launched_at=None)
        .order_by("-ready_at")
        .values_list("launched_at", "ready_at")[:LATEST]
    )
    spans = [(ready - launched).total_seconds() for launched, ready in rows if ready and launched]
    return timedelta(seconds=median(spans)) if spans else UNKNOWN


def ready_by(replica: Replica, *, now: datetime) -> datetime | None:
    """When it will probably be ready; never in the past; None once it cannot be any more."""
    if replica.ready_at is not None or replica.status not in Replica.LIVE:
        return replica.ready_at
    start = replica.launched_at or now
    return max(now, start + time_to_ready(client_id=replica.client_id))
