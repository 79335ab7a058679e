"""What a run of the demo should have come to, and what it came to: counts by kind, latencies, and all that is off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhooks import kind_of

Identity = tuple[str, str]
"""`source` and `id`, which name an event within its tenant."""

PERCENTILES = (50, 95, 99, 100)
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
        *unequal("new messages in the dead letter queue", 0, run.dead_letters),
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
