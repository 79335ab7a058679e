"""What a run of the demo should have come to, and what it came to: counts by kind, latencies, and all that is off."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhooks import kind_of

Identity = tuple[str, str]
"""`source` and `id`, which name an event within its tenant."""

PERCENTILES = (50, 95, 99, 100)
ERROR_CLASS = "ExampleFault"
"""What the example subscriber calls the failure that it was told to have."""
ATTEMPTS = 6
"""`maxReceiveCount` of the example subscriber's queue: template.yaml."""
SHOWN = 5
"""How many of a long list of names an error shows."""


@dataclass(frozen=True)
class Logged:
    """An event as the log has it."""

    event_id: str
    event_type: str


@dataclass(frozen=True)
class Delivered:
    """What the subscriber kept of an event whose effect is done."""

    event_type: str
    latency_ms: int
    """From acceptance to the subscriber's handler."""


@dataclass
class Run:
    """Everything that was sent, answered and found."""

    sent: dict[Identity, str]
    """The type of every event that was published."""
    first_answers: dict[str, Any] = field(default_factory=dict)
    first_log: dict[Identity, Logged] = field(default_factory=dict)
    second_answers: dict[str, Any] = field(default_factory=dict)
    second_log: dict[Identity, Logged] = field(default_factory=dict)
    delivered: dict[str, Delivered] = field(default_factory=dict)
    """By event id."""
    dead_letters: int = 0


@dataclass(frozen=True)
class Letter:
    """A dead letter, as the command lists it."""

    event_id: str
    state: str
    error_class: str
    attempts: int | None
    dead_after_ms: int
    """From acceptance of its event."""


@dataclass
class Failure:
    """What became of events that their subscriber failed on until it was mended, and of those beside them."""

    failing_type: str
    sent: dict[Identity, str]
    """The type of every event that was published."""
    answers: dict[str, Any] = field(default_factory=dict)
    log: dict[Identity, Logged] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    delivered_meanwhile: dict[str, Delivered] = field(default_factory=dict)
    """By event id, before the subscriber was mended."""
    redriven: int = 0
    letters_in_the_end: list[Letter] = field(default_factory=list)
    delivered: dict[str, Delivered] = field(default_factory=dict)
    """By event id, in the end."""
    left_in_queue: int = 0
    journey: dict[str, Any] = field(default_factory=dict)
    """Of the traveller, in the end."""

    @property
    def failing(self) -> set[str]:
        """The ids of the events that the subscriber failed on."""
        return {one.event_id for one in self.log.values() if one.event_type == self.failing_type}

    @property
    def sound(self) -> set[str]:
        """The ids of the others."""
        return {one.event_id for one in self.log.values()} - self.failing

    @property
    def traveller(self) -> str | None:
        """The id of the event whose journey is shown: the first that failed."""
        return min(self.failing, default=None)


@dataclass(frozen=True)
class Row:
    """One kind of event, or all of them."""

    name: str
    accepted: int
    duplicates: int
    delivered: int
    latencies_ms: list[int]

    @property
    def percentiles(self) -> list[int | None]:
        """Of the latencies, as `PERCENTILES` has them; none where nothing was delivered."""
        return [nearest_rank(self.latencies_ms, percent) for percent in PERCENTILES]


def rows(run: Run) -> list[Row]:
    """A row per kind of event, by name."""
    kinds = sorted({kind_of(event_type) for event_type in run.sent.values()})
    return [row(run, kind, [key for key, of_type in run.sent.items() if kind_of(of_type) == kind]) for kind in kinds]


def row(run: Run, name: str, identities: Iterable[Identity]) -> Row:
    """The row of these events.

    The answers are counted by the command, for a whole pass; which of them were which is read from the log:
    accepted is what the first pass put there, a duplicate is what had the same event id after the second.
    """
    first = {identity: run.first_log[identity] for identity in identities if identity in run.first_log}
    delivered = [run.delivered[logged.event_id] for logged in first.values() if logged.event_id in run.delivered]
    return Row(
        name,
        accepted=len(first),
        duplicates=sum(run.second_log.get(identity) == logged for identity, logged in first.items()),
        delivered=len(delivered),
        latencies_ms=[one.latency_ms for one in delivered],
    )


def problems(run: Run) -> list[str]:
    """All that is off, each as what was expected and what was seen; empty when the run is as it should be."""
    return [
        *answer_problems("first pass", run.first_answers, {"accepted": len(run.sent), "duplicates": 0}),
        *answer_problems("second pass", run.second_answers, {"accepted": 0, "duplicates": len(run.sent)}),
        *log_problems(run),
        *delivery_problems(run),
        *unequal("new dead letters", 0, run.dead_letters),
    ]


def answer_problems(name: str, answers: dict[str, Any], expected: dict[str, int]) -> list[str]:
    """Where the answers of a pass are not as expected; nothing may be refused in any."""
    wanted = {**expected, "rejected": 0, "gave_up": 0}
    return [
        problem for count, value in wanted.items() for problem in unequal(f"{name}, {count}", value, answers.get(count))
    ]


def log_problems(run: Run) -> list[str]:
    """Where the log is not what was published, or the second pass changed it."""
    kept = {identity for identity, logged in run.first_log.items() if run.second_log.get(identity) == logged}
    return [
        *differences("in the log", set(run.sent), set(run.first_log)),
        *differences("in the log, unchanged by the second pass", set(run.first_log), kept),
        *differences("in the log after the second pass", set(run.first_log), set(run.second_log)),
        *wrong_types("log", {logged.event_id: logged.event_type for logged in run.first_log.values()}, types_sent(run)),
    ]


def delivery_problems(run: Run) -> list[str]:
    """Where the subscriber does not have exactly what was published, each as it was."""
    types = types_sent(run)
    return [
        *differences("delivered", set(types), set(run.delivered)),
        *wrong_types("subscriber", {key: one.event_type for key, one in run.delivered.items()}, types),
    ]


def failure_problems(failure: Failure) -> list[str]:
    """All that is off in how the failure went and was mended."""
    failing = sum(event_type == failure.failing_type for event_type in failure.sent.values())
    return [
        *answer_problems("third act", failure.answers, {"accepted": len(failure.sent), "duplicates": 0}),
        *differences("third act, in the log", set(failure.sent), set(failure.log)),
        *letter_problems(failure, failing),
        *differences("delivered before the first dead letter", failure.sound, delivered_in_time(failure)),
        *unequal("redriven", failing, failure.redriven),
        *unequal("states of the dead letters in the end", {"REDRIVEN": failing}, states(failure.letters_in_the_end)),
        *differences("delivered after its dead letter", failure.failing, delivered_after_all(failure)),
        *differences("delivered in the end", failure.failing | failure.sound, set(failure.delivered)),
        *unequal("messages left in the subscriber's queue", 0, failure.left_in_queue),
        *journey_problems(failure),
    ]


def letter_problems(failure: Failure, count: int) -> list[str]:
    """Where the dead letters are not one of each failing event, with the subscriber's own error after all attempts."""
    wanted = {"state": "OPEN", "error_class": ERROR_CLASS, "attempts": ATTEMPTS}
    return [
        *unequal("dead letters", count, len(failure.letters)),
        *differences("dead letters' events", failure.failing, {letter.event_id for letter in failure.letters}),
        *(
            problem
            for letter in failure.letters
            for name, value in wanted.items()
            for problem in unequal(f"dead letter of {letter.event_id}, {name}", value, getattr(letter, name))
        ),
    ]


def delivered_in_time(failure: Failure) -> set[str]:
    """What was delivered while the failing events were still tried."""
    first = min((letter.dead_after_ms for letter in failure.letters), default=math.inf)
    return {event_id for event_id, one in failure.delivered_meanwhile.items() if one.latency_ms < first}


def delivered_after_all(failure: Failure) -> set[str]:
    """What was delivered that had been given up."""
    dead_after_ms = {letter.event_id: letter.dead_after_ms for letter in failure.letters}
    return {
        event_id
        for event_id, one in failure.delivered.items()
        if one.latency_ms > dead_after_ms.get(event_id, math.inf)
    }


def journey_problems(failure: Failure) -> list[str]:
    """Where the journey does not tell of one dead letter, and that it was redriven."""
    told = [
        (letter["event_id"], letter["state"])
        for delivery in failure.journey.get("deliveries", [])
        for letter in delivery["dead_letters"]
    ]
    return unequal("dead letters in the journey", [(failure.traveller, "REDRIVEN")], told)


def states(letters: Iterable[Letter]) -> dict[str, int]:
    """How many letters are in each state."""
    return dict(Counter(letter.state for letter in letters))


def types_sent(run: Run) -> dict[str, str]:
    """The type of every published event, by the event id that the log gave it."""
    return {logged.event_id: run.sent[key] for key, logged in run.first_log.items() if key in run.sent}


def wrong_types(where: str, found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """The events that have another type than they were published with."""
    return [
        f"type of {event_id} at the {where}: expected {expected[event_id]}, saw {event_type}"
        for event_id, event_type in found.items()
        if event_id in expected and event_type != expected[event_id]
    ]


def unequal(what: str, expected: object, seen: object) -> list[str]:
    """One problem when the two differ."""
    return [] if expected == seen else [f"{what}: expected {expected}, saw {seen}"]


def differences(what: str, expected: set[Any], seen: set[Any]) -> list[str]:
    """What is missing, and what is there and was not published."""
    return [
        f"{what}: expected {len(expected)}, saw {len(seen)}; {len(some)} {fault}: {listed(some)}"
        for fault, some in [("missing", expected - seen), ("too many", seen - expected)]
        if some
    ]


def listed(some: set[Any]) -> str:
    """The first few of them."""
    names = sorted(" ".join(one) if isinstance(one, tuple) else str(one) for one in some)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def nearest_rank(values: Sequence[int], percent: int) -> int | None:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1] if values else None
