"""The demo, on a stack that is up: `demo.py` starts it among the pinned tools.

Every run is a tenant of its own, so that all its events are new whatever was sent before: the identity of an
event is `source` and `id` within its tenant.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import paths
import stack
from demo_figures import Delivered, Identity, Logged, Row, Run, problems, row, rows
from processes import NotReadyError, last_lines, wait_until
from webhooks import as_json, cloud_events

SUBSCRIPTION = "example"
TYPES = "com.github.*"
CONCURRENCY = 8
DELIVERY_LIMIT_SECONDS = 60
TABLE_WIDTH = 80
SHOWN_ERRORS = 5


class DemoError(Exception):
    """A step failed, so that there are no figures; its text says which."""


class Bus:
    """The stack as the demo uses it: the operator's command, and a look into its tables."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        session = boto3.Session("test", "test", region_name=variables["AWS_REGION"])
        self.dynamodb = session.client("dynamodb", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.sqs = session.client("sqs", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.logs = session.client("logs", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.tenant = f"demo-{secrets.token_hex(3)}"

    def add_tenant(self) -> None:
        """Register the tenant, and act with its key from here on."""
        self.variables["PILLARBOX_API_KEY"] = self.variables["PILLARBOX_ADMIN_KEY"]
        self.pillarbox("tenants", "add", self.tenant)
        key = self.pillarbox(
            *("keys", "add", "--tenant", self.tenant, "--scope", "publish", "--scope", "operate", "--print")
        )
        self.variables["PILLARBOX_API_KEY"] = key.strip()

    def subscribe(self) -> None:
        """Let the example subscriber have the tenant's events."""
        queue = self.variables["PILLARBOX_SUBSCRIBER_QUEUE_URL"]
        self.pillarbox("subscriptions", "add", SUBSCRIPTION, "--types", TYPES, "--queue-url", queue)

    def publish(self, file: str) -> dict[str, Any]:
        """Publish every line, and return the command's summary, which it gives also when a line was refused."""
        command = ["publish", "--json", "--concurrency", str(CONCURRENCY), file]
        return json.loads(self.pillarbox(*command, refusable=True))

    def pillarbox(self, *arguments: str, refusable: bool = False) -> str:
        """Run the command and return what it prints; what it has to say besides goes to the terminal."""
        environment = {**os.environ, **self.variables}
        done = subprocess.run([stack.PILLARBOX, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0 and not (refusable and done.stdout):
            raise DemoError(f"pillarbox {' '.join(arguments[:2])}: exit code {done.returncode}")
        return done.stdout

    def log(self) -> dict[Identity, Logged]:
        """What the event log has of this tenant."""
        prefix = f"T#{self.tenant}#K#"
        return {
            identity_of(item["pk"]["S"].removeprefix(prefix)): Logged(item["event_id"]["S"], item["type"]["S"])
            for item in self.items("PILLARBOX_EVENT_LOG_TABLE", prefix, "pk", "event_id", "type")
        }

    def delivered(self) -> dict[str, Delivered]:
        """What the example subscriber has done of this tenant, by event id; a claim without a result is not done."""
        prefix = f"T#{self.tenant}#S#"
        results = {
            item["pk"]["S"].removeprefix(f"{prefix}{SUBSCRIPTION}#"): json.loads(item["result"]["S"])
            for item in self.items("PILLARBOX_INBOX_TABLE", prefix, "pk", "result")
            if "result" in item
        }
        return {event_id: Delivered(result["type"], result["latency_ms"]) for event_id, result in results.items()}

    def items(self, table: str, prefix: str, *attributes: str) -> Iterator[dict[str, Any]]:
        """The items of one of the stack's tables whose key begins so. A scan: fit for a demo, not for a service."""
        names = {f"#{place}": name for place, name in enumerate(attributes)}
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.variables[table],
            ConsistentRead=True,
            FilterExpression="begins_with(#0, :prefix)",
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":prefix": {"S": prefix}},
        )
        return (item for page in pages for item in page["Items"])

    def dead_letters(self) -> int:
        """How many messages are in the dead letter queue, of whatever tenant."""
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        queue = self.variables["PILLARBOX_DEAD_LETTER_QUEUE_URL"]
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=counts)["Attributes"]
        return sum(int(found[count]) for count in counts)

    def last_errors(self) -> list[str]:
        """The last lines in which a function reported an error."""
        groups = self.logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
        pages = (
            page
            for group in groups
            for page in self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], filterPattern="ERROR"
            )
        )
        found = sorted((event["timestamp"], event["message"].strip()) for page in pages for event in page["events"])
        return [message for _, message in found[-SHOWN_ERRORS:]]


def main() -> int:
    """Run the demo; 1 with what was expected and what was seen when anything is off."""
    named = stack.Stack(stack.DEFAULT_NAME)
    bus = Bus(named.variables())
    try:
        run = send_twice(bus)
    except DemoError as problem:
        return fail(named, bus, [str(problem)])
    show(run)
    off = problems(run)
    if off:
        return fail(named, bus, off)
    print(NEXT)
    return 0


def send_twice(bus: Bus) -> Run:
    """Everything the demo does; what it found is not judged here."""
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
    await_the_end(lambda: len(bus.delivered()) + bus.dead_letters() - dead_letters_before >= len(events))
    run.delivered = bus.delivered()
    run.dead_letters = bus.dead_letters() - dead_letters_before
    return run


def await_the_end(is_over: Callable[[], bool]) -> None:
    """Wait until every event is delivered or given up on; if that is not in time, the figures tell what is missing."""
    try:
        wait_until(is_over, DELIVERY_LIMIT_SECONDS, "every delivery")
    except NotReadyError as problem:
        report(str(problem))


def identity_of(encoded: str) -> Identity:
    """The `source` and `id` in the key of an event."""
    source, event_id = (part.replace("%23", "#").replace("%25", "%") for part in encoded.split("#"))
    return source, event_id


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


def report(state: str) -> None:
    """One line of progress."""
    print(f"demo: {state}", file=sys.stderr, flush=True)


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
