"""The stack as the demo uses it: the operator's command, a look into its tables, and a function's deployment."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3

import stack
from demo_figures import Delivered, Identity, Logged
from processes import NotReadyError, wait_until

SUBSCRIPTION = "example"
SUBSCRIBER = f"{stack.STACK_NAME}-subscriber_example"
TYPES = ("com.github.*", "com.example.demo.*")
SCOPES = ("publish", "read", "operate")
CONCURRENCY = 8
DELIVERY_LIMIT_SECONDS = 60
DEPLOYMENT_LIMIT_SECONDS = 30
HEARTBEAT_SECONDS = 5
SHOWN_ERRORS = 5


class DemoError(Exception):
    """A step failed, so that there are no figures; its text says which."""


class Bus:
    """The stack as the demo uses it: the operator's command, and a look into its tables."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        session = boto3.Session("test", "test", region_name=variables["AWS_REGION"])
        self.dynamodb = session.client("dynamodb", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.logs = session.client("logs", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.functions = session.client("lambda", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.queues = session.client("sqs", endpoint_url=variables["AWS_ENDPOINT_URL"])
        self.tenant = f"demo-{secrets.token_hex(3)}"

    def add_tenant(self) -> None:
        """Register the tenant, and act with its key from here on."""
        self.variables["PILLARBOX_API_KEY"] = self.variables["PILLARBOX_ADMIN_KEY"]
        self.pillarbox("tenants", "add", self.tenant)
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        key = self.pillarbox("keys", "add", "--tenant", self.tenant, *scopes, "--print")
        self.variables["PILLARBOX_API_KEY"] = key.strip()

    def subscribe(self) -> None:
        """Let the example subscriber have the tenant's events."""
        queue = self.variables["PILLARBOX_SUBSCRIBER_QUEUE_URL"]
        types = [word for one in TYPES for word in ("--types", one)]
        self.pillarbox("subscriptions", "add", SUBSCRIPTION, *types, "--queue-url", queue)

    def publish(self, file: str) -> dict[str, Any]:
        """Publish every line, and return the command's summary, which it gives also when a line was refused."""
        command = ["publish", "--json", "--concurrency", str(CONCURRENCY), file]
        return json.loads(self.pillarbox(*command, refusable=True))

    def pillarbox(self, *arguments: str, refusable: bool = False) -> str:
        """Run the command and return what it prints; what it has to say besides goes to the terminal."""
        done = self.run(arguments, stdout=subprocess.PIPE)
        if done.returncode != 0 and not (refusable and done.stdout):
            raise failed(arguments, done)
        return done.stdout

    def show(self, *arguments: str) -> None:
        """Run the command as a user would see it: itself, and what it prints, as it prints it on a terminal."""
        print(f"\n$ pillarbox {shlex.join(arguments)}", flush=True)
        done = self.run(arguments, stdout=None)
        if done.returncode != 0:
            raise failed(arguments, done)

    def run(self, arguments: Sequence[str], stdout: int | None) -> subprocess.CompletedProcess[str]:
        """Run the command with the addresses and the key."""
        environment = {**os.environ, **self.variables}
        return subprocess.run([stack.PILLARBOX, *arguments], env=environment, stdout=stdout, text=True)

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

    def dead_letters(self, whose: str = "T#") -> int:
        """How many dead letters are kept, of whatever tenant; only a letter's own item has a state."""
        found = self.items("PILLARBOX_DEAD_LETTER_TABLE", whose, "pk", "state")
        return sum(1 for item in found if "state" in item)

    def own_dead_letters(self) -> int:
        """How many dead letters are kept of this tenant."""
        return self.dead_letters(f"T#{self.tenant}")

    def queued(self) -> int:
        """How many messages the example subscriber's queue has, those included that are being handled or wait."""
        queue = self.variables["PILLARBOX_SUBSCRIBER_QUEUE_URL"]
        counts = self.queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return sum(int(count) for name, count in counts.items() if name.startswith("ApproximateNumberOfMessages"))

    def deploy_subscriber(self, failing_types: str) -> None:
        """Have the example subscriber fail on these types, and return once it does."""
        environment = self.functions.get_function_configuration(FunctionName=SUBSCRIBER)["Environment"]
        variables = {**environment["Variables"], "FAILING_TYPES": failing_types}
        self.functions.update_function_configuration(FunctionName=SUBSCRIBER, Environment={"Variables": variables})
        try:
            wait_until(self.is_deployed, DEPLOYMENT_LIMIT_SECONDS, f"the deployment of {SUBSCRIBER}")
        except NotReadyError as problem:
            raise DemoError(str(problem)) from None

    def is_deployed(self) -> bool:
        """Whether the example subscriber runs as it was configured last."""
        found = self.functions.get_function_configuration(FunctionName=SUBSCRIBER)
        return found["LastUpdateStatus"] == "Successful" and found["State"] == "Active"

    def last_errors(self) -> list[str]:
        """The last lines in which a function reported an error of its own, not one of an event's."""
        groups = self.logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
        pages = (
            page
            for group in groups
            for page in self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], filterPattern="ERROR"
            )
        )
        found = sorted((event["timestamp"], event["message"].strip()) for page in pages for event in page["events"])
        own = [message for _, message in found if '"level":"INFO"' not in message]
        return own[-SHOWN_ERRORS:]


def identity_of(encoded: str) -> Identity:
    """The `source` and `id` in the key of an event."""
    source, event_id = (part.replace("%23", "#").replace("%25", "%") for part in encoded.split("#"))
    return source, event_id


def failed(arguments: Sequence[str], done: subprocess.CompletedProcess[str]) -> DemoError:
    """The error of a command that did not do what it was to do."""
    return DemoError(f"pillarbox {' '.join(arguments[:2])}: exit code {done.returncode}")


def await_the_end(is_over: Callable[[], bool], state: Callable[[], str]) -> None:
    """Wait until it is over, and tell the state now and then; if that is not in time, the figures tell what is off."""
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < DELIVERY_LIMIT_SECONDS:
        try:
            return wait_until(is_over, min(HEARTBEAT_SECONDS, DELIVERY_LIMIT_SECONDS - elapsed), "the end")
        except NotReadyError:
            report(f"... {time.monotonic() - started:2.0f} s: {state()}")
    return None


def report(state: str) -> None:
    """One line of progress."""
    print(f"demo: {state}", file=sys.stderr, flush=True)
