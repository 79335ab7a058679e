"""The running stack as its clients see it: producers and operators over HTTP, subscribers over SQS.

Plain HTTP and boto3, and nothing of ours: what passes here is what any client may rely on.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
import httpx
import uuid_utils

LIMIT_SECONDS = 30
LOOK_SECONDS = 1
LOOK_MESSAGES = 10
SCOPES = ("publish", "read", "operate")

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Found = TypeVar("Found")


@dataclass(frozen=True)
class Queue:
    """A subscriber's queue."""

    url: str
    sqs: Any

    def take(self) -> list[dict[str, Any]]:
        """The next messages, taken off the queue: none when none came within a second."""
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=LOOK_MESSAGES,
            WaitTimeSeconds=LOOK_SECONDS,
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def deliveries(self, count: int) -> dict[str, str]:
        """So many different events, by event id: each as the JSON text of its message. A repeat counts once."""
        found: dict[str, str] = {}

        def enough() -> bool:
            for message in self.take():
                found[message["MessageAttributes"]["event_id"]["StringValue"]] = message["Body"]
            return len(found) >= count

        eventually(f"{count} events are in {self.url}", lambda: enough() or None)
        assert len(found) == count, f"{len(found)} events came, not {count}"
        return found


@dataclass(frozen=True)
class Tenant:
    """A tenant that was made for one test, with a key of every scope that a tenant may have."""

    id: str
    key: str = field(repr=False)
    bus: Bus = field(repr=False)

    def send(
        self, content: bytes | str, headers: Mapping[str, str], query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Post to `/v1/events` exactly this, with the tenant's key."""
        return self.bus.request("POST", "/v1/events", self.key, headers=headers, content=content, params=query)

    def accepted(self, content: bytes | str, headers: Mapping[str, str]) -> str:
        """Post an event that has to be accepted as new; its event id."""
        answer = self.send(content, headers)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        assert answer.json()["duplicate"] is False
        return answer.json()["event_id"]

    def publish(self, event: Mapping[str, Any]) -> str:
        """Publish an event in structured mode; its event id."""
        return self.accepted(json.dumps(event), {"Content-Type": "application/cloudevents+json"})

    def subscribe(self, name: str, *types: str) -> Queue:
        """Subscribe a new queue to these types.

        What the tenant publishes from now on is seen by it: `dispatch` reads a tenant's subscriptions when its
        first event comes.
        """
        queue = self.bus.subscriber_queue()
        self.subscribe_queue(name, queue, *types)
        return queue

    def subscribe_queue(self, name: str, queue: Queue, *types: str) -> None:
        """Subscribe a queue that is there to these types."""
        subscription = {"id": name, "types": list(types), "queue_url": queue.url}
        answer = self.bus.request("POST", "/v1/subscriptions", self.key, json=subscription)
        assert answer.status_code == httpx.codes.CREATED, answer.text


class Bus:
    """The stack that the variables describe."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.url = variables["PILLARBOX_URL"]
        self.admin_key = variables["PILLARBOX_ADMIN_KEY"]
        # The API behind a gateway answers cold once, while a function is started.
        self.http = httpx.Client(timeout=LIMIT_SECONDS)
        self.sqs = self.aws("sqs")

    def aws(self, service: str) -> Any:
        """A client of one of the stack's AWS services, with the account's root credentials."""
        session = boto3.Session("test", "test", region_name=self.variables["AWS_REGION"])
        return session.client(service, endpoint_url=self.variables["AWS_ENDPOINT_URL"])

    def request(self, method: str, path: str, key: str | None, **content: Any) -> httpx.Response:
        """A request to the API; `key` is the API key that goes with it, if any does."""
        headers = dict(content.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.http.request(method, self.url + path, headers=headers, **content)

    def tenant(self) -> Tenant:
        """A new tenant."""
        name = fresh("clients")
        added = self.request("POST", "/v1/tenants", self.admin_key, json={"tenant": name})
        assert added.status_code == httpx.codes.CREATED, added.text
        made = self.request("POST", f"/v1/tenants/{name}/keys", self.admin_key, json={"scopes": list(SCOPES)})
        assert made.status_code == httpx.codes.CREATED, made.text
        return Tenant(name, made.json()["key"], self)

    def subscriber_queue(self) -> Queue:
        """A new queue that subscriptions may name: `<stack>-sub-…`."""
        example = self.variables["PILLARBOX_SUBSCRIBER_QUEUE_URL"].rsplit("/", 1)[1]
        made = self.sqs.create_queue(QueueName=fresh(example.removesuffix("example") + "clients"))
        return Queue(made["QueueUrl"], self.sqs)


def of_process() -> Iterator[Bus]:
    """The stack that this process is told of; an error that says what to do when it is told of none."""
    if "PILLARBOX_URL" not in os.environ:
        raise RuntimeError("PILLARBOX_URL is not set: start a stack by `make up`, and `. .local/stack.env`")
    bus = Bus(os.environ)
    yield bus
    bus.http.close()


def fresh(prefix: str) -> str:
    """A name that nothing else has."""
    return f"{prefix}-{uuid_utils.uuid7().hex[-16:]}"


def eventually(what: str, found: Callable[[], Found | None]) -> Found:
    """What is found as soon as it is there; an error when it is not within the limit."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        result = found()
        if result is not None:
            return result
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {LIMIT_SECONDS} s")
