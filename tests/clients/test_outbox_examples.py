"""The examples of docs/outbox-item.md, as a team would run them: an order and its event in one transaction.

Each language's program does the same, so each test is run with each; and since all of them have to write the same
item, what one has placed is a duplicate for the others and for `POST /v1/events`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import outbox
import paths
from bus import Bus, Tenant, fresh
from conftest import RunNode
from stack import PILLARBOX, TARGET

EXAMPLES = paths.ROOT / "docs" / "examples" / "outbox"
VECTORS = json.loads((EXAMPLES / "vectors.json").read_text())["vectors"]
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
LANGUAGES = ["python", "typescript", "rust"]

Programs = dict[str, list[str]]
Place = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def rust_program() -> Path:
    """The example of the SDK."""
    subprocess.run(["cargo", "build", "--quiet", "--package", "pillarbox", "--example", "outbox"], check=True)
    return TARGET / "debug" / "examples" / "outbox"


@pytest.fixture
def compiled(node_folder: Path, run_node: RunNode, tsc: str) -> Path:
    """A folder with the example in TypeScript, compiled."""
    example = EXAMPLES / "typescript"
    shutil.copytree(example / "src", node_folder / "src")
    for file in ["package.json", "tsconfig.json"]:
        shutil.copy(example / file, node_folder)
    run_node(node_folder, tsc, "--project", ".")
    return node_folder


@pytest.fixture
def orders_table(stack: Bus) -> Iterator[str]:
    """The table of orders, which is the shop's own."""
    dynamodb, name = stack.aws("dynamodb"), fresh("orders")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def place(
    stack: Bus, tenant: Tenant, orders_table: str, rust_program: Path, compiled: Path, run_node: RunNode
) -> Place:
    """Runs a language's program; what it says became of the order."""
    own = {"PILLARBOX_TENANT": tenant.id, "ORDERS_TABLE": orders_table}
    programs = {
        "python": [sys.executable, str(EXAMPLES / "python" / "order.py")],
        "rust": [str(rust_program)],
    }

    def place(language: str, order_id: str, total_cents: int = 1250, voucher: str | None = None) -> dict[str, Any]:
        words = [order_id, "--total-cents", str(total_cents), *(["--voucher", voucher] if voucher else [])]
        if language == "typescript":
            return json.loads(run_node(compiled, "dist/order.js", *words, variables=own))
        environment = {**os.environ, **stack.variables, **own, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([*programs[language], *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return place


def row_of(stack: Bus, orders_table: str, order_id: str) -> dict[str, Any] | None:
    """An order as it is stored."""
    key = {"order_id": {"S": order_id}}
    return stack.aws("dynamodb").get_item(TableName=orders_table, Key=key, ConsistentRead=True).get("Item")


def logged(stack: Bus, tenant: Tenant, order_id: str) -> dict[str, Any] | None:
    """The item of an order's event, in the JSON that the AWS command line prints."""
    key = {"pk": {"S": f"T#{tenant.id}#K#/shop#{order_id}%23placed"}}
    table = stack.variables["PILLARBOX_EVENT_LOG_TABLE"]
    item = stack.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return item and in_json(item)


def in_json(item: dict[str, Any]) -> dict[str, Any]:
    """An item of boto3's as JSON has it."""
    return {
        name: {"B": base64.b64encode(bytes(value["B"])).decode()} if "B" in value else value
        for name, value in item.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_event_of_a_committed_transaction_is_delivered_as_it_was_made(
    language: str, place: Place, stack: Bus, tenant: Tenant, orders_table: str
) -> None:
    queue = tenant.subscribe("orders", "order.*")
    placed = place(language, "o-1")
    assert placed["outcome"] == "placed"
    delivered = queue.deliveries(1)
    bus_attributes = {"pbeventid": placed["event_id"], "pbsubscription": "orders", "pbattempt": 1}
    assert json.loads(delivered[placed["event_id"]]) == placed["event"] | bus_attributes
    assert row_of(stack, orders_table, "o-1") == {"order_id": {"S": "o-1"}, "total_cents": {"N": "1250"}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_item_that_a_program_wrote_has_no_faults(language: str, place: Place, stack: Bus, tenant: Tenant) -> None:
    place(language, "o-1")
    item = json.dumps({"Item": logged(stack, tenant, "o-1")})
    checked = subprocess.run([PILLARBOX, "outbox", "check"], input=item, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_event_of_a_transaction_that_is_rolled_back_never_exists(
    language: str, place: Place, stack: Bus, tenant: Tenant, orders_table: str
) -> None:
    queue = tenant.subscribe("orders", "order.*")
    refused = place(language, "o-1", voucher="unknown")
    assert refused["outcome"] == "rejected"
    assert row_of(stack, orders_table, "o-1") is None
    assert logged(stack, tenant, "o-1") is None
    # The stream is in order: had there been a first event, it would be there before the second.
    placed = place(language, "o-2")
    assert queue.deliveries(1).keys() == {placed["event_id"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_duplicate_and_a_conflict_are_told_apart_and_change_nothing(
    language: str, place: Place, stack: Bus, tenant: Tenant, orders_table: str
) -> None:
    queue = tenant.subscribe("orders", "order.*")
    placed = place(language, "o-1")
    item = logged(stack, tenant, "o-1")
    again = place(language, "o-1")
    assert (again["outcome"], again["event_id"]) == ("duplicate", placed["event_id"])
    other = place(language, "o-1", total_cents=9900)
    assert (other["outcome"], other["event_id"]) == ("conflict", placed["event_id"])
    assert list(other["differing"]) == ["data"]
    assert logged(stack, tenant, "o-1") == item
    assert row_of(stack, orders_table, "o-1")["total_cents"] == {"N": "1250"}
    assert queue.deliveries(1).keys() == {placed["event_id"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_over_http_the_same_event_is_a_duplicate_and_another_a_conflict(
    language: str, place: Place, tenant: Tenant
) -> None:
    placed = place(language, "o-1")
    same = tenant.send(json.dumps(placed["event"]), STRUCTURED)
    assert same.status_code == httpx.codes.OK, same.text
    assert same.json() == {"event_id": placed["event_id"], "duplicate": True}
    other = tenant.send(json.dumps(placed["event"] | {"data": {"total_cents": 1}}), STRUCTURED)
    assert other.status_code == httpx.codes.CONFLICT, other.text
    assert placed["event_id"] in other.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_published_over_http_is_a_duplicate_or_a_conflict_in_a_transaction(
    language: str, place: Place, tenant: Tenant
) -> None:
    event = place(language, "o-1")["event"]

    def placed_before(order_id: str, note: str = "") -> dict[str, Any]:
        data = event["data"] | {"order_id": order_id} | ({"note": note} if note else {})
        own = {"id": f"{order_id}#placed", "subject": order_id, "correlationid": order_id, "data": data}
        return event | own

    event_id = tenant.publish(placed_before("o-2"))
    found = place(language, "o-2")
    assert (found["outcome"], found["event_id"]) == ("duplicate", event_id)
    # The log compresses data as long as these.
    event_id = tenant.publish(placed_before("o-3", note="x" * 1_000))
    found = place(language, "o-3")
    assert (found["outcome"], found["event_id"], list(found["differing"])) == ("conflict", event_id, ["data"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_order_that_one_language_placed_is_a_duplicate_in_every_other(language: str, place: Place) -> None:
    placed = place(language, "o-1")
    for other in LANGUAGES:
        again = place(other, "o-1")
        assert (again["outcome"], again["event_id"]) == ("duplicate", placed["event_id"]), other


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_vector_is_what_the_library_in_python_writes(vector: dict[str, Any]) -> None:
    given = vector["given"]
    event = json.loads(vector["event"])
    library = outbox.Outbox(
        *("log", given["tenant"]),
        retention_days=given["retention_days"],
        log_shards=given["log_shards"],
        dispatch=given["dispatch"],
    )
    item = in_json(library.put(event, event_id=given["event_id"]).item)
    assert_same_item(item, vector["item"])


def test_every_vector_is_what_the_library_in_typescript_writes(compiled: Path, run_node: RunNode) -> None:
    shutil.copy(paths.CLIENT_SOURCES / "outbox_vectors.mjs", compiled)
    vectors = [vector for vector in VECTORS if not vector.get("exact_numbers")]
    items = json.loads(run_node(compiled, "outbox_vectors.mjs", text=json.dumps(vectors)))
    assert len(items) == len(vectors)
    for item, vector in zip(items, vectors, strict=True):
        assert_same_item(item, vector["item"])


def assert_same_item(item: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fail unless all attributes are equal, but for the spelling of JSON data."""

    def spelt_alike(item: dict[str, Any]) -> dict[str, Any]:
        return item | ({"data_json": json.loads(item["data_json"]["S"])} if "data_json" in item else {})

    assert spelt_alike(item) == spelt_alike(expected)


INVALID = {
    "source": {"source": "/my shop"},
    "id": {"id": ""},
    "type": {"type": "x" * 257},
    "specversion": {"specversion": "0.3"},
    "source and id": {"id": "#" * 700},
    "time": {"time": "yesterday"},
    "dataschema": {"dataschema": "order"},
    "subject": {"subject": "bell \u0007"},
    "partitionkey": {"partitionkey": "\ud800"},
    "correlationid": {"correlationid": "x" * 513},
    "pbjob": {"pbjob": "x"},
    "Upper": {"Upper": "x"},
    "priority": {"priority": 1.5},
    "data_base64": {"data_base64": "not base64"},
    "context attributes": {"note": "x" * 32_768},
    "item": {"data": "x" * 400_000},
    "together": {"data": 1, "data_base64": "AAH/"},
}


@pytest.mark.parametrize("named", INVALID)
def test_an_event_that_the_bus_would_put_away_gets_no_item(named: str, compiled: Path, run_node: RunNode) -> None:
    event = {"specversion": "1.0", "source": "/shop", "id": "1", "type": "order.placed"} | INVALID[named]
    with pytest.raises(outbox.InvalidEventError, match=named):
        outbox.Outbox("log", "demo").put(event)
    shutil.copy(paths.CLIENT_SOURCES / "outbox_vectors.mjs", compiled)
    given = {"tenant": "demo", "retention_days": 90, "log_shards": 1, "dispatch": True}
    vector = {"event": json.dumps(event), "given": given | {"event_id": "01a20846-fe00-7000-8000-000000000001"}}
    [refused] = json.loads(run_node(compiled, "outbox_vectors.mjs", text=json.dumps([vector])))
    assert named in refused["InvalidEventError"]
