"""What runs when. Nothing with a deadline is here: the scheduler may be half a minute late."""

from dataclasses import dataclass

from django_q.models import Schedule


@dataclass(frozen=True)
class Periodic:
    """One function, named by its path, every so many minutes."""

    name: str
    func: str
    minutes: int


SCHEDULES = (
    Periodic("sef cycle", "replicas.tasks.sef_cycle", 1),
    Periodic("ml cycle", "mlengine.tasks.ml_cycle", 15),
    Periodic("images", "replicas.tasks.refresh_images", 60),
    Periodic("spot prices", "agents.tasks.collect_prices", 5),
    Periodic("on-demand prices", "agents.tasks.collect_on_demand_prices", 24 * 60),
    Periodic("price gaps", "pricing.tasks.fill_gaps", 15),
)


def ensure() -> None:
    """Make the table what `SCHEDULES` says: the name is the identity, what is not listed goes."""
    for periodic in SCHEDULES:
        Schedule.objects.update_or_create(
            name=periodic.name,
            defaults={
                "func": periodic.func,
                "schedule_type": Schedule.MINUTES,
                "minutes": periodic.minutes,
                "repeats": -1,
            },
        )
    known = [periodic.name for periodic in SCHEDULES]
    Schedule.objects.exclude(name__in=known).delete()
