"""Which policy decides: `seed`, the rules, for as long as no trained model is active."""

from collections.abc import Callable
from dataclasses import dataclass

from mlengine import gates, policy
from mlengine.situation import Situation, Verdict


@dataclass(frozen=True)
class Policy:
    """`choose` decides as if the slot might be moved. Rows keep the name and the model's version."""

    name: str
    model_version: str
    choose: Callable[[Situation], Verdict]

    def decide(self, situation: Situation) -> Verdict:
        """Stay, switch or go on demand, within the rails that bind every policy."""
        why = gates.shut(situation)
        if why:
            return Verdict("stay", why, terms=situation.present)
        return gates.hold(situation, self.choose(situation))


SEED = Policy(policy.NAME, "", policy.choose)


def active() -> Policy:
    """The one that decides now."""
    return SEED
