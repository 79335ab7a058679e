"""The third act: a subscriber that fails on a type of event, its dead letters, the redrive, and one journey."""

from __future__ import annotations

import json
import shlex
import uuid
from datetime import datetime
from typing import Any

import paths
from demo_bus import Bus, DemoError, await_the_end, report
from demo_figures import ATTEMPTS, Delivered, Failure, Letter, states
from webhooks import as_json

FAILING_TYPE = "com.example.demo.refund"
SOUND_TYPE = "com.example.demo.order"
NONE = ""
FAILING = 5
SOUND = 3
ONLY_FAILING = ("--type", FAILING_TYPE)
WAITS = "1, 2, 4, 8 and 16 s"
"""The subscriber's back-off; jitter takes up to a fifth away."""


def run(bus: Bus) -> Failure:
    """Everything the third act does; what it found is not judged here."""
    events = [event_of(SOUND_TYPE, n) for n in range(1, SOUND + 1)]
    events += [event_of(FAILING_TYPE, n) for n in range(1, FAILING + 1)]
    failure = Failure(FAILING_TYPE, {(event["source"], event["id"]): event["type"] for event in events})
    # What the local AWS deploys anew loses the invocation that it is in.
    await_the_end(lambda: bus.queued() == 0, lambda: f"{bus.queued()} messages in the subscriber's queue")
    try:
        fail(bus, failure, events)
    finally:
        report("deploying the fix")
        bus.deploy_subscriber(NONE)
    mend(bus, failure)
    return failure


def fail(bus: Bus, failure: Failure, events: list[dict[str, Any]]) -> None:
    """Deploy the bug, and publish what it fails on and what it does not, until the former is given up."""
    report(f"deploying a bug: the subscriber now fails on {FAILING_TYPE}")
    bus.deploy_subscriber(FAILING_TYPE)
    report(f"publishing {FAILING} refunds, and {SOUND} orders that nothing is wrong with")
    file = paths.LOCAL / "orders.jsonl"
    file.write_text("".join(f"{as_json(event)}\n" for event in events))
    failure.answers = bus.publish(str(file))
    failure.log = {key: logged for key, logged in bus.log().items() if key in failure.sent}
    report(f"each refund is tried {ATTEMPTS} times, {WAITS} apart or a little less; then it is a dead letter")
    await_the_end(
        lambda: bus.own_dead_letters() >= FAILING,
        lambda: f"orders delivered: {len(delivered(bus, failure))} of {SOUND}, dead letters: {bus.own_dead_letters()}",
    )
    failure.delivered_meanwhile = delivered(bus, failure)
    failure.letters = letters(bus)
    bus.show("dead-letters", "ls", *ONLY_FAILING)


def mend(bus: Bus, failure: Failure) -> None:
    """Have what was given up handed over again, and see what became of it."""
    failure.redriven = redrive(bus)
    report("waiting for the subscriber")
    await_the_end(
        lambda: len(delivered(bus, failure)) >= len(failure.sent) and bus.queued() == 0,
        lambda: f"delivered: {len(delivered(bus, failure))} of {len(failure.sent)}",
    )
    failure.delivered = delivered(bus, failure)
    failure.left_in_queue = bus.queued()
    failure.letters_in_the_end = letters(bus)
    if failure.traveller is None:
        raise DemoError(f"nothing of type {FAILING_TYPE} is in the log")
    failure.journey = json.loads(bus.pillarbox("journey", failure.traveller, "--json"))
    bus.show("journey", failure.traveller)


def event_of(event_type: str, number: int) -> dict[str, Any]:
    """An event of the demo's own."""
    name = event_type.rsplit(".", 1)[-1]
    return {
        "specversion": "1.0",
        "id": f"{name}-{number}",
        "source": "/demo/shop",
        "type": event_type,
        "data": {name: number, "total": 12.5},
    }


def delivered(bus: Bus, failure: Failure) -> dict[str, Delivered]:
    """What the subscriber has done of this act's events."""
    ids = {logged.event_id for logged in failure.log.values()}
    return {event_id: one for event_id, one in bus.delivered().items() if event_id in ids}


def letters(bus: Bus) -> list[Letter]:
    """The tenant's dead letters."""
    lines = bus.pillarbox("dead-letters", "ls", "--all", "--json").splitlines()
    return [letter_of(json.loads(line)) for line in lines]


def letter_of(listed: dict[str, Any]) -> Letter:
    """A dead letter as the figures need it."""
    dead_ms = datetime.fromisoformat(listed["dead_at"]).timestamp() * 1000
    return Letter(
        listed["event_id"],
        listed["state"],
        listed["error"]["class"],
        listed["attempts"],
        round(dead_ms) - accepted_ms(listed["event_id"]),
    )


def accepted_ms(event_id: str) -> int:
    """When an event was accepted: the first 48 bits of its id are the milliseconds since 1970."""
    return uuid.UUID(event_id).int >> 80


def redrive(bus: Bus) -> int:
    """Redrive what failed, and return how many the command says it redrove."""
    command = ("dead-letters", "redrive", "--all", *ONLY_FAILING)
    told = bus.pillarbox(*command, refusable=True)
    print(f"\n$ pillarbox {shlex.join(command)}\n{told}", flush=True)
    counts = dict(line.split() for line in told.splitlines())
    return int(counts["redriven"])


def show(failure: Failure) -> None:
    """Print what the act came to."""
    slowest = max((one.latency_ms for one in failure.delivered_meanwhile.values()), default=0)
    last = max((letter.dead_after_ms for letter in failure.letters), default=0)
    left = states(failure.letters_in_the_end).get("OPEN", 0)
    print(
        f"\nThird act:   {len(failure.letters)} refunds failed {ATTEMPTS} times each, the last dead after "
        f"{last / 1000:.1f} s; {len(failure.delivered_meanwhile)} orders among them took {slowest} ms at most.",
        f"             After the fix: redriven {failure.redriven}, delivered once "
        f"{len(failure.failing & set(failure.delivered))}, dead letters open {left}.",
        sep="\n",
        flush=True,
    )
