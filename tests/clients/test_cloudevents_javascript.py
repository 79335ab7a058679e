"""The official CloudEvents SDK for JavaScript publishes, and reads what is delivered: nothing is lost between."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import paths
from bus import Tenant
from conftest import RunNode
from events import (
    BATCHED,
    BINARY,
    BYTES_OF_NO_TYPE,
    CASES,
    LETTERS,
    STRUCTURED,
    TYPED_EXTENSIONS,
    Case,
    of_bytes,
    without_bus_attributes,
)

Ask = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]

PROGRAM = "cloudevents_client.mjs"


@pytest.fixture
def ask(tenant: Tenant, node_folder: Path, run_node: RunNode) -> Ask:
    """Runs the program on these requests, as the tenant; its answers."""
    shutil.copy(paths.CLIENT_SOURCES / PROGRAM, node_folder)

    def ask(requests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        output = run_node(node_folder, PROGRAM, text=lines, variables={"PILLARBOX_API_KEY": tenant.key})
        return [json.loads(line) for line in output.rstrip("\n").split("\n")]

    return ask


def event_of(case: Case) -> dict[str, Any]:
    """The event as the program takes it."""
    attributes = case.all_attributes()
    if isinstance(case.data, bytes):
        return {**attributes, **of_bytes(case.data)}
    return attributes if case.data is None else {**attributes, "data": case.data}


# What the SDK cannot say in binary mode: it writes headers as they are, unencoded, so that Node refuses what is not
# Latin-1; and data without a media type it sends as application/json, which bytes are not (answered with 400).
MODES = {
    STRUCTURED: [*CASES, TYPED_EXTENSIONS, LETTERS],
    BINARY: [case for case in [*CASES, TYPED_EXTENSIONS] if case is not BYTES_OF_NO_TYPE],
}


@pytest.mark.parametrize("mode", MODES)
def test_what_the_sdk_reads_is_what_it_sent(tenant: Tenant, ask: Ask, mode: str) -> None:
    queue = tenant.subscribe("all", "*")
    cases = MODES[mode]
    answers = ask({"publish": mode, "event": event_of(case)} for case in cases)
    assert [answer["status"] for answer in answers] == [httpx.codes.CREATED] * len(cases), answers
    sent = {answer["answer"]["event_id"]: answer["sent"] for answer in answers}
    deliveries = queue.deliveries(len(cases))
    for event_id, seen in zip(deliveries, ask({"read": body} for body in deliveries.values()), strict=True):
        assert without_bus_attributes(seen["event"]) == expected(sent[event_id], mode)


def test_events_that_the_sdk_writes_make_a_batch(tenant: Tenant, ask: Ask) -> None:
    queue = tenant.subscribe("all", "*")
    cases = MODES[STRUCTURED]
    [answer] = ask([{"publish": BATCHED, "events": [event_of(case) for case in cases]}])
    assert answer["status"] == httpx.codes.CREATED, answer
    ids = [result["event_id"] for result in answer["answer"]["results"]]
    sent = dict(zip(ids, answer["sent"], strict=True))
    deliveries = queue.deliveries(len(cases))
    for event_id, seen in zip(deliveries, ask({"read": body} for body in deliveries.values()), strict=True):
        assert without_bus_attributes(seen["event"]) == expected(sent[event_id], BATCHED)


def expected(sent: dict[str, Any], mode: str) -> dict[str, Any]:
    """What has to come out: what went in, less what the SDK or the form cannot tell.

    The SDK writes every time in UTC with milliseconds. Headers know no types: an extension is the text that the SDK
    made of it; and data that are not JSON come as the bytes that they are.
    """
    moment = datetime.fromisoformat(sent["time"]).astimezone(UTC)
    expected = {**sent, "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if mode != BINARY:
        return expected
    expected = {name: value if name == "data" else as_header(value) for name, value in expected.items()}
    # The SDK sends no event without a media type.
    expected.setdefault("datacontenttype", "application/json; charset=utf-8")
    if isinstance(expected.get("data"), str):
        expected |= of_bytes(expected.pop("data").encode())
    return expected


def as_header(value: str | int | bool) -> str:
    """The value as JavaScript writes it into a header."""
    return json.dumps(value) if isinstance(value, bool) else str(value)
