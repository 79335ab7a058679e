"""The demo, on a stack that is up: `demo.py` starts it among the pinned tools.

Every run is a tenant of its own, so that all its events are new whatever was sent before: the identity of an
event is `source` and `id` within its tenant.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import demo_failure
import paths
import stack
from demo_bus import CONCURRENCY, Bus, DemoError, await_the_end, report
from demo_figures import Row, Run, failure_problems, problems, row, rows
from processes import last_lines
from webhooks import as_json, cloud_events

TABLE_WIDTH = 80


def main() -> int:
    """Run the demo; 1 with what was expected and what was seen when anything is off."""
    named = stack.Stack(stack.DEFAULT_NAME)
    bus = Bus(named.variables())
    for act in (webhooks_twice, failure_mended):
        try:
            off = act(bus)
        except DemoError as problem:
            off = [str(problem)]
        if off:
            return fail(named, bus, off)
    print(NEXT)
    return 0


def webhooks_twice(bus: Bus) -> list[str]:
    """Real webhooks, and the same again; what was off."""
    run = send_twice(bus)
    show(run)
    return problems(run)


def failure_mended(bus: Bus) -> list[str]:
    """A subscriber that fails, and what gets its events there all the same; what was off."""
    failure = demo_failure.run(bus)
    demo_failure.show(failure)
    return failure_problems(failure)


def send_twice(bus: Bus) -> Run:
    """Everything that the first two passes do; what they found is not judged here."""
    events = list(cloud_events())
    file = paths.LOCAL / "webhooks.jsonl"
    file.write_text("".join(f"{as_json(event)}\n" for event in events))
    run = Run({(event["source"], event["id"]): event["type"] for event in events})

    report(f"this run is the new tenant {bus.tenant}, to which every event is new: identity is per tenant")
    bus.add_tenant()
    bus.subscribe()
    dead_letters_before = bus.dead_letters()
    report(f"publishing {len(events)} events, {CONCURRENCY} at a time")
    run.first_answers = bus.publish(str(file))
    run.first_log = bus.log()
    report("publishing the same events again")
    run.second_answers = bus.publish(str(file))
    run.second_log = bus.log()
    report("waiting for the subscriber")
    await_the_end(
        lambda: len(bus.delivered()) + bus.dead_letters() - dead_letters_before >= len(events),
        lambda: f"{len(bus.delivered())} of {len(events)} delivered",
    )
    run.delivered = bus.delivered()
    run.dead_letters = bus.dead_letters() - dead_letters_before
    return run


def show(run: Run) -> None:
    """Print the table, and how fast the two passes were."""
    table = Table(box=SIMPLE, padding=0, show_edge=False, show_footer=True)
    kinds = rows(run)
    total = row(run, f"all {len(kinds)} kinds", run.sent)
    headings = ("com.github.", "accepted", "duplicates", "delivered", "p50", "p95", "p99", "max")
    for place, (heading, footer) in enumerate(zip(headings, cells(total), strict=True)):
        table.add_column(heading, footer=footer, justify="right" if place else "left", no_wrap=True)
    for kind in kinds:
        table.add_row(*cells(kind))
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    console.print(table)
    print(
        "\np50 to max: milliseconds from acceptance to the subscriber's handler, by nearest rank.",
        f"First pass:  {pass_of(run.first_answers)}",
        f"Second pass: {pass_of(run.second_answers)}",
        sep="\n",
        flush=True,
    )


def cells(of: Row) -> list[str]:
    """A row as it is printed."""
    counts = [str(count) for count in (of.accepted, of.duplicates, of.delivered)]
    latencies = ["-" if value is None else str(value) for value in of.percentiles]
    return [of.name.removeprefix("com.github."), *counts, *latencies]


def pass_of(answers: dict[str, Any]) -> str:
    """How fast a pass was, as the command saw it."""
    counts = f"accepted {answers['accepted']}, duplicates {answers['duplicates']}"
    pace = f"{answers['elapsed_ms'] / 1000:.1f} s, {answers['events_per_second']:.0f}/s"
    latency = answers["latency_ms"] or {}
    return f"{counts}; {pace}, answers p50 {latency.get('p50')} ms, p99 {latency.get('p99')} ms"


def fail(named: stack.Stack, bus: Bus, off: list[str]) -> int:
    """Say what is off, and what the local AWS and the functions had to say."""
    parts = {
        f"The end of {named.engine_log.relative_to(paths.ROOT)}:": last_lines(named.engine_log).splitlines(),
        "The last errors of the functions:": bus.last_errors() or ["none"],
        "The demo failed:": off,
    }
    for heading, lines in parts.items():
        print(f"\n{heading}", *lines, sep="\n  ", file=sys.stderr, flush=True)
    return 1


COMMAND = os.path.relpath(stack.PILLARBOX, paths.ROOT)
NEXT = f"""
Next, try:

  # one event of your own: 201; the same command again: 200, duplicate, the same event id
  . .local/stack.env && curl -i "$PILLARBOX_URL/v1/events" -H "Authorization: Bearer $PILLARBOX_API_KEY" \\
    -H 'Content-Type: application/cloudevents+json' \\
    -d '{{"specversion":"1.0","id":"1","source":"/try","type":"com.example.hello","data":{{"hello":"world"}}}}'

  # the same webhooks as another tenant, demo: to it they are new, once
  . .local/stack.env && {COMMAND} publish .local/webhooks.jsonl

  # stop everything
  make down
"""

if __name__ == "__main__":
    sys.exit(main())
