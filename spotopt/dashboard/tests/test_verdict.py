"""Are we safe? As a table."""

import pytest

from spotopt.dashboard.reads.verdict import Facts, judge


@pytest.mark.parametrize(
    ("facts", "level", "sentence"),
    [
        (Facts(agents=0), "empty", "No machines are under management yet."),
        (Facts(agents=0, stopped_here=True), "empty", "No machines are under management yet."),
        (Facts(agents=1), "safe", "Yes: the agent is online"),
        (Facts(agents=3), "safe", "Yes: all 3 agents are online"),
        (Facts(agents=3, dry_run=True), "safe", "Yes: all 3 agents are online"),
        (Facts(agents=3, exposed=3), "safe", "Yes: all 3 agents are online"),
        (Facts(agents=3, open=1), "watch", "Almost: 1 interruption being handled"),
        (Facts(agents=3, disabled=["a"]), "watch", "Not all: 1 agent disabled"),
        (Facts(agents=3, silent=["a"]), "danger", "No: 1 of 3 agents is silent (a)."),
        (Facts(agents=3, silent=["a", "b"]), "danger", "No: 2 of 3 agents are silent (a, b)."),
        (Facts(agents=1, silent=["a"]), "danger", "No: 1 of 1 agent is silent (a)."),
        (Facts(agents=3, unanswered=2), "danger", "No: 2 interruptions in the last 24 hours"),
        (Facts(agents=3, stopped_here=True), "danger", "No: automation is stopped for this client"),
        (
            Facts(agents=3, stopped_everywhere=True),
            "danger",
            "No: automation is stopped for this whole",
        ),
    ],
)
def test_the_gravest_makes_the_sentence(facts, level, sentence):
    verdict = judge(facts)
    assert verdict.level == level
    assert verdict.sentence.startswith(sentence)


def test_everything_else_is_listed_below_in_order_of_gravity():
    facts = Facts(agents=9, silent=["a"], unanswered=1, open=1, covered=2, stopped_here=True)
    verdict = judge(facts)
    starts = [text.split(":")[0].split(" agents")[0] for text in verdict.reasons]
    assert starts == ["No", "No", "Almost", "2"]
    assert "automation is stopped for this client" in verdict.sentence


def test_a_safe_fleet_still_tells_what_a_notice_would_mean():
    assert judge(Facts(agents=4, covered=1, exposed=2, on_demand=1)).reasons == (
        "1 agent has a ready standby and would move within seconds.",
        "2 agents run on spot without one: on a two-minute notice a replacement is launched first.",
        "1 agent runs on demand, which AWS does not interrupt.",
    )


def test_many_names_are_cut():
    facts = Facts(agents=9, silent=["a", "b", "c", "d", "e"])
    assert judge(facts).sentence == "No: 5 of 9 agents are silent (a, b, c and 2 more)."


def test_one_stop_is_told_once():
    facts = Facts(agents=1, stopped_here=True, stopped_everywhere=True)
    verdict = judge(facts)
    assert "whole installation" in verdict.sentence
    assert verdict.reasons == ()
