"""The demo sends what GitHub sent, counts by the book, and lets nothing that is off pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import call, create_autospec

import pytest

import demo_failure
import paths
from demo_bus import Bus, DemoError
from demo_failure import letter_of
from demo_figures import (
    Delivered,
    Failure,
    Letter,
    Logged,
    Run,
    failure_problems,
    nearest_rank,
    problems,
    row,
    rows,
)
from webhooks import EXAMPLES, cloud_events, kind_of

OPENED = ("/repo", "issues-1")
CLOSED = ("/repo", "issues-2")
PUSHED = ("/repo", "push-1")
REFUNDS = [("/shop", f"refund-{n}") for n in (1, 2)]
ORDER = ("/shop", "order-1")
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
        (dead_letter, "new dead letters: expected 0, saw 1"),
    ],
)
def test_a_fault_is_a_problem_that_says_what_was_expected(fault: Callable[[Run], None], words: str) -> None:
    run = a_run()
    fault(run)
    assert words in "\n".join(problems(run))


def a_failure() -> Failure:
    """Two events that failed and were brought there in the end, and one that was not in their way."""
    sent = {**dict.fromkeys(REFUNDS, "refund"), ORDER: "order"}
    log = {key: Logged(f"event of {key[1]}", event_type) for key, event_type in sent.items()}
    letters = [Letter(log[key].event_id, "OPEN", "ExampleFault", 6, 31_000 + n) for n, key in enumerate(REFUNDS)]
    order = {log[ORDER].event_id: Delivered("order", 90)}
    return Failure(
        "refund",
        sent,
        answers={"accepted": 3, "duplicates": 0, "rejected": 0, "gave_up": 0},
        log=log,
        letters=letters,
        delivered_meanwhile=order,
        redriven=2,
        letters_in_the_end=[replace(letter, state="REDRIVEN") for letter in letters],
        delivered={**order, **{letter.event_id: Delivered("refund", 33_000) for letter in letters}},
        journey=journey_of("event of refund-1", "REDRIVEN"),
    )


def journey_of(event_id: str, *states: str) -> dict[str, Any]:
    letters = [{"event_id": event_id, "state": state} for state in states]
    return {"event_id": event_id, "deliveries": [{"subscription": "example", "dead_letters": letters}]}


def test_a_failure_that_was_mended_has_no_problem() -> None:
    failure = a_failure()
    assert failure_problems(failure) == []
    assert (failure.failing, failure.sound) == ({"event of refund-1", "event of refund-2"}, {"event of order-1"})


def sent_and_not_accepted(failure: Failure) -> None:
    failure.answers["accepted"] = 2


def sent_and_not_logged(failure: Failure) -> None:
    del failure.log[ORDER]


def no_letter(failure: Failure) -> None:
    failure.letters.pop()


def two_letters_of_one_event(failure: Failure) -> None:
    failure.letters.append(failure.letters[0])


def letter_of_a_sound_event(failure: Failure) -> None:
    failure.letters.append(replace(failure.letters[0], event_id="event of order-1"))


def given_up_early(failure: Failure) -> None:
    failure.letters[0] = replace(failure.letters[0], attempts=5)


def letter_without_the_subscriber_s_error(failure: Failure) -> None:
    failure.letters[0] = replace(failure.letters[0], error_class="Unknown", attempts=None)


def sound_event_held_up(failure: Failure) -> None:
    failure.delivered_meanwhile["event of order-1"] = Delivered("order", 31_000)


def failing_event_delivered_meanwhile(failure: Failure) -> None:
    failure.delivered_meanwhile["event of refund-1"] = Delivered("refund", 90)


def one_not_redriven(failure: Failure) -> None:
    failure.redriven = 1


def letter_still_open(failure: Failure) -> None:
    failure.letters_in_the_end[0] = replace(failure.letters_in_the_end[0], state="OPEN")


def dead_again(failure: Failure) -> None:
    failure.letters_in_the_end.append(failure.letters[0])


def redriven_and_not_delivered(failure: Failure) -> None:
    del failure.delivered["event of refund-1"]


def effect_before_the_dead_letter(failure: Failure) -> None:
    failure.delivered["event of refund-1"] = Delivered("refund", 500)


def still_in_the_queue(failure: Failure) -> None:
    failure.left_in_queue = 1


def journey_of_an_open_letter(failure: Failure) -> None:
    failure.journey = journey_of("event of refund-1", "OPEN")


def journey_without_a_letter(failure: Failure) -> None:
    failure.journey = journey_of("event of refund-1")


def journey_of_another_event(failure: Failure) -> None:
    failure.journey = journey_of("event of order-1", "REDRIVEN")


def no_journey(failure: Failure) -> None:
    failure.journey = {}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (sent_and_not_accepted, "third act, accepted: expected 3, saw 2"),
        (sent_and_not_logged, "third act, in the log: expected 3, saw 2; 1 missing: /shop order-1"),
        (no_letter, "dead letters: expected 2, saw 1\n"),
        (no_letter, "dead letters' events: expected 2, saw 1; 1 missing: event of refund-2"),
        (two_letters_of_one_event, "dead letters: expected 2, saw 3"),
        (letter_of_a_sound_event, "dead letters' events: expected 2, saw 3; 1 too many: event of order-1"),
        (given_up_early, "dead letter of event of refund-1, attempts: expected 6, saw 5"),
        (letter_without_the_subscriber_s_error, "error_class: expected ExampleFault, saw Unknown"),
        (letter_without_the_subscriber_s_error, "attempts: expected 6, saw None"),
        (sound_event_held_up, "before the first dead letter: expected 1, saw 0; 1 missing: event of order-1"),
        (failing_event_delivered_meanwhile, "first dead letter: expected 1, saw 2; 1 too many: event of refund-1"),
        (one_not_redriven, "redriven: expected 2, saw 1"),
        (letter_still_open, "in the end: expected {'REDRIVEN': 2}, saw {'OPEN': 1, 'REDRIVEN': 1}"),
        (dead_again, "in the end: expected {'REDRIVEN': 2}, saw {'REDRIVEN': 2, 'OPEN': 1}"),
        (redriven_and_not_delivered, "in the end: expected 3, saw 2; 1 missing: event of refund-1"),
        (effect_before_the_dead_letter, "after its dead letter: expected 2, saw 1; 1 missing: event of refund-1"),
        (still_in_the_queue, "messages left in the subscriber's queue: expected 0, saw 1"),
        (journey_of_an_open_letter, "in the journey: expected [('event of refund-1', 'REDRIVEN')], saw"),
        (journey_without_a_letter, "in the journey: expected [('event of refund-1', 'REDRIVEN')], saw []"),
        (journey_of_another_event, "saw [('event of order-1', 'REDRIVEN')]"),
        (no_journey, "in the journey: expected [('event of refund-1', 'REDRIVEN')], saw []"),
    ],
)
def test_a_fault_of_the_failure_is_a_problem_too(fault: Callable[[Failure], None], words: str) -> None:
    failure = a_failure()
    fault(failure)
    assert words in "\n".join(failure_problems(failure))


def test_a_letter_tells_how_long_its_event_was_tried() -> None:
    listed = {
        "event_id": "01a207a4-78eb-71a1-b142-3d3bf61d7f76",
        "state": "OPEN",
        "error": {"class": "ExampleFault", "message": "to fail"},
        "attempts": 6,
        "dead_at": "2026-11-23T08:00:31.420Z",
    }
    accepted_ms = int("01a207a478eb", 16)
    dead_ms = datetime(2026, 11, 23, 8, 0, 31, 420_000, tzinfo=UTC).timestamp() * 1000
    expected = Letter(listed["event_id"], "OPEN", "ExampleFault", 6, round(dead_ms) - accepted_ms)
    assert letter_of(listed) == expected


def test_the_subscriber_is_mended_whatever_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LOCAL", tmp_path)
    bus = create_autospec(Bus, instance=True)
    bus.queued.return_value = 0
    bus.publish.side_effect = DemoError("pillarbox publish: exit code 1")
    with pytest.raises(DemoError, match="exit code 1"):
        demo_failure.run(bus)
    assert bus.deploy_subscriber.mock_calls == [call("com.example.demo.refund"), call("")]
    sent = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert len({(event["source"], event["id"]) for event in sent}) == 8
