"""The official CloudEvents SDK for Python publishes, and reads what is delivered: nothing is lost between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.bindings.http import HTTPMessage
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import http as http_of_v1
from cloudevents.v1.conversion import to_binary as to_binary_of_v1
from cloudevents.v1.conversion import to_structured as to_structured_of_v1

from bus import Tenant
from events import BATCHED, BINARY, CASES, LETTERS, STRUCTURED, TYPED_EXTENSIONS, Case, without_bus_attributes

Message = tuple[dict[str, str], bytes]
Seen = tuple[dict[str, Any], Any]
"""Attributes and data of an event, as an SDK gives them."""

ALL = [*CASES, TYPED_EXTENSIONS, LETTERS]
# The first version writes header values as they are: no numbers, and nothing but ASCII.
CASES_OF_V1 = {STRUCTURED: ALL, BINARY: CASES}
DELIVERED = {"content-type": "application/cloudevents+json"}


def event_of(case: Case) -> CloudEvent:
    """The event of the current API, whose time is a moment."""
    attributes = case.all_attributes()
    return CloudEvent({**attributes, "time": datetime.fromisoformat(attributes["time"])}, case.data)


def written(case: Case, mode: str) -> Message:
    """The event as the current API writes it."""
    write = {STRUCTURED: http.to_structured_event, BINARY: http.to_binary_event}[mode]
    message = write(event_of(case))
    return message.headers, message.body


def read(body: str) -> Seen:
    """A delivered event as the current API reads it; its time becomes the text again that it was."""
    event = http.from_http_event(HTTPMessage(DELIVERED, body.encode()))
    attributes = event.get_attributes()
    return {**attributes, "time": attributes["time"].isoformat()}, event.get_data()


def written_by_v1(case: Case, mode: str) -> Message:
    """The event as the API of the SDK's first version writes it."""
    write = {STRUCTURED: to_structured_of_v1, BINARY: to_binary_of_v1}[mode]
    headers, body = write(http_of_v1.CloudEvent(case.all_attributes(), case.data))
    return dict(headers), body


def read_by_v1(body: str) -> Seen:
    """A delivered event as the API of the first version reads it."""
    event = http_of_v1.from_http(DELIVERED, body)
    return dict(event.get_attributes()), event.get_data()


@dataclass(frozen=True)
class Api:
    """One of the SDK's two, and what it can write."""

    write: Callable[[Case, str], Message]
    read: Callable[[str], Seen]
    cases: dict[str, list[Case]]


CURRENT = Api(written, read, {STRUCTURED: ALL, BINARY: ALL})
FIRST = Api(written_by_v1, read_by_v1, CASES_OF_V1)


@pytest.mark.parametrize("mode", [STRUCTURED, BINARY])
@pytest.mark.parametrize("api", [CURRENT, FIRST], ids=["core", "v1"])
def test_what_the_sdk_reads_is_what_it_sent(tenant: Tenant, api: Api, mode: str) -> None:
    queue = tenant.subscribe("all", "*")
    sent = {}
    for case in api.cases[mode]:
        headers, body = api.write(case, mode)
        sent[tenant.accepted(body, headers)] = case
    for event_id, body in queue.deliveries(len(sent)).items():
        attributes, data = api.read(body)
        assert attributes["pbeventid"] == event_id
        seen = without_bus_attributes(attributes), as_received(data, mode)
        assert seen == expected(sent[event_id], mode)


def expected(case: Case, mode: str) -> Seen:
    """What has to come out: what went in, less what its form cannot tell.

    Headers know no types: an extension is the text that the SDK made of it.
    """
    attributes = case.all_attributes()
    if mode == BINARY:
        attributes = {name: str(value) for name, value in attributes.items()}
    return attributes, as_received(case.data, mode)


def as_received(data: Any, mode: str) -> Any:
    """Data as a receiver of that mode has them: headers do not tell text from bytes either.

    What is not JSON is delivered as bytes; the SDK's first version makes text of bytes that may be text.
    """
    return data.encode() if mode == BINARY and isinstance(data, str) else data


def test_events_that_the_sdk_writes_make_a_batch(tenant: Tenant) -> None:
    queue = tenant.subscribe("all", "*")
    events = [json.loads(written(case, STRUCTURED)[1]) for case in ALL]
    answer = tenant.send(json.dumps(events), {"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    results = answer.json()["results"]
    sent = {result["event_id"]: case for result, case in zip(results, ALL, strict=True)}
    for event_id, body in queue.deliveries(len(ALL)).items():
        attributes, data = read(body)
        assert (without_bus_attributes(attributes), data) == expected(sent[event_id], BATCHED)


@pytest.mark.parametrize("mode", [STRUCTURED, BINARY])
def test_the_event_sent_again_is_a_duplicate_even_with_another_time(tenant: Tenant, mode: str) -> None:
    case = Case("again", {"n": 1}, {"datacontenttype": "application/json"})
    first = tenant.accepted(*reversed(written(case, mode)))
    later = Case(case.name, case.data, {**case.attributes, "time": "2027-01-01T00:00:00+00:00"})
    headers, body = written(later, mode)
    answer = tenant.send(body, headers)
    assert (answer.status_code, answer.json()) == (httpx.codes.OK, {"event_id": first, "duplicate": True})


def test_both_modes_of_one_event_are_the_same_event(tenant: Tenant) -> None:
    case = Case("modes", {"total": 12.5}, {"datacontenttype": "application/json", "subject": "Zürich"})
    first = tenant.accepted(*reversed(written(case, STRUCTURED)))
    headers, body = written(case, BINARY)
    answer = tenant.send(body, headers)
    assert (answer.status_code, answer.json()["event_id"]) == (httpx.codes.OK, first)
