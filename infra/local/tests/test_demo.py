"""The demo sends what GitHub sent, counts by the book, and lets nothing that is off pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from demo_figures import Delivered, Logged, Run, nearest_rank, problems, row, rows
from webhooks import EXAMPLES, cloud_events, kind_of

OPENED = ("/repo", "issues-1")
CLOSED = ("/repo", "issues-2")
PUSHED = ("/repo", "push-1")
TYPES = {OPENED: "com.github.issues.opened", CLOSED: "com.github.issues.closed", PUSHED: "com.github.push"}


def a_run() -> Run:
    """Three events, as they should fare."""
    log = {key: Logged(f"event of {key[1]}", event_type) for key, event_type in TYPES.items()}
    counts = {"accepted": 0, "duplicates": 0, "rejected": 0, "gave_up": 0}
    return Run(
        sent=dict(TYPES),
        first_answers={**counts, "accepted": 3},
        first_log=log,
        second_answers={**counts, "duplicates": 3},
        second_log=dict(log),
        delivered={one.event_id: Delivered(one.event_type, 10 * n) for n, one in enumerate(log.values(), start=1)},
    )


def test_every_delivery_is_an_event_with_its_payload_unchanged() -> None:
    payloads = [payload for kind in json.loads(EXAMPLES.read_text()) for payload in kind["examples"]]
    assert [event["data"] for event in cloud_events()] == payloads
    assert len(payloads) == 329


def test_every_event_has_its_own_identity_and_keeps_it() -> None:
    identities = [(event["source"], event["id"]) for event in cloud_events()]
    assert len(set(identities)) == 329
    assert identities == [(event["source"], event["id"]) for event in cloud_events()]
    assert identities[0] == ("https://api.github.com/repos/octo-org/octo-repo", "branch_protection_rule-1-bb22adec6802")


def test_there_are_58_kinds() -> None:
    assert len({kind_of(event["type"]) for event in cloud_events()}) == 58


@pytest.mark.parametrize(("percent", "value"), [(50, 20), (95, 40), (99, 40), (100, 40), (25, 10), (26, 20)])
def test_a_percentile_is_the_nearest_rank(percent: int, value: int) -> None:
    assert nearest_rank([40, 10, 30, 20], percent) == value


def test_nothing_has_no_percentile() -> None:
    assert nearest_rank([], 50) is None


def test_a_run_as_it_should_be_has_no_problem_and_adds_up() -> None:
    run = a_run()
    assert problems(run) == []
    assert [(one.name, one.accepted, one.duplicates, one.delivered) for one in rows(run)] == [
        ("com.github.issues", 2, 2, 2),
        ("com.github.push", 1, 1, 1),
    ]
    assert row(run, "all", run.sent).percentiles == [20, 30, 30, 30]


def not_accepted(run: Run) -> None:
    run.first_answers["accepted"] = 2


def rejected(run: Run) -> None:
    run.first_answers["rejected"] = 1


def accepted_again(run: Run) -> None:
    run.second_answers |= {"accepted": 1, "duplicates": 2}


def answered_and_not_logged(run: Run) -> None:
    del run.first_log[PUSHED]


def logged_again(run: Run) -> None:
    run.second_log[PUSHED] = replace(run.second_log[PUSHED], event_id="another")


def logged_and_not_published(run: Run) -> None:
    run.second_log["/elsewhere", "1"] = Logged("some event", "com.github.push")


def not_delivered(run: Run) -> None:
    del run.delivered["event of push-1"]


def delivered_and_not_published(run: Run) -> None:
    run.delivered["some event"] = Delivered("com.github.push", 1)


def delivered_as_another_type(run: Run) -> None:
    run.delivered["event of push-1"] = Delivered("com.github.fork", 1)


def dead_letter(run: Run) -> None:
    run.dead_letters = 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (not_accepted, "first pass, accepted: expected 3, saw 2"),
        (rejected, "first pass, rejected: expected 0, saw 1"),
        (accepted_again, "second pass, duplicates: expected 3, saw 2"),
        (answered_and_not_logged, "in the log: expected 3, saw 2; 1 missing: /repo push-1"),
        (logged_again, "unchanged by the second pass: expected 3, saw 2; 1 missing: /repo push-1"),
        (logged_and_not_published, "after the second pass: expected 3, saw 4; 1 too many: /elsewhere 1"),
        (not_delivered, "delivered: expected 3, saw 2; 1 missing: event of push-1"),
        (delivered_and_not_published, "delivered: expected 3, saw 4; 1 too many: some event"),
        (delivered_as_another_type, "at the subscriber: expected com.github.push, saw com.github.fork"),
        (dead_letter, "dead letter queue: expected 0, saw 1"),
    ],
)
def test_a_fault_is_a_problem_that_says_what_was_expected(fault: Callable[[Run], None], words: str) -> None:
    run = a_run()
    fault(run)
    assert words in "\n".join(problems(run))
