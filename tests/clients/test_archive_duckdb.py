"""The archive as DuckDB reads it: with the views of docs/archive.md, in a folder that is a copy of the bucket."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import outbox
import paths
from bus import Bus, Tenant, eventually, fresh

VIEWS = paths.ROOT / "docs" / "examples" / "archive" / "duckdb.sql"

HOURS_AGO = 30
EVENTS = 250
MAX_TRANSACTION_PUTS = 100
TYPES = ("order.created", "order.paid", "stock.counted")

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Archived:
    """An hour of a tenant, copied out of the archive."""

    folder: Path
    manifest: Manifest
    logged: dict[str, dict[str, Any]]
    """What was put into the log, by event id."""

    def views(self) -> duckdb.DuckDBPyConnection:
        """DuckDB with the views of the documentation over the copy."""
        connection = duckdb.connect()
        connection.execute(f"SET VARIABLE archive = '{self.folder}'")
        connection.execute(VIEWS.read_text())
        return connection


def hour_ago() -> datetime:
    """The first second of an hour that is closed, and that the bus can seal."""
    return (datetime.now(UTC) - timedelta(hours=HOURS_AGO)).replace(minute=0, second=0, microsecond=0)


def event_id_at(at: datetime) -> str:
    """A UUIDv7 of this time."""
    milliseconds = int(at.timestamp() * 1000)
    random = uuid.uuid4().int & (1 << 74) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | random >> 62 << 64 | 2 << 62 | random & (1 << 62) - 1))


def event(number: int) -> dict[str, Any]:
    """One of the events: some with data over several lines, in other letters, or that are no JSON."""
    members: dict[str, Any] = {
        "specversion": "1.0",
        "id": fresh(f"n{number}"),
        "source": "/archive",
        "type": TYPES[number % len(TYPES)],
        "subject": "Zürich → 😀",
    }
    match number % 5:
        case 0:
            return members | {"data_base64": "AAEC/w=="}
        case 1:
            return members | {"data": {"n": number, "Note": 'a\n"b"', "note": None}}
        case _:
            return members | {"data": {"n": number}}


def put_events(stack: Bus, tenant: Tenant, hour: datetime) -> dict[str, dict[str, Any]]:
    """Put events into the log as a producer's own transactions do, with ids of that hour."""
    log = outbox.Outbox(stack.variables["PILLARBOX_EVENT_LOG_TABLE"], tenant.id)
    events = {event_id_at(hour + timedelta(seconds=number)): event(number) for number in range(EVENTS)}
    puts = [log.put(event, event_id=event_id).write for event_id, event in events.items()]
    dynamodb = stack.aws("dynamodb")
    for first in range(0, len(puts), MAX_TRANSACTION_PUTS):
        dynamodb.transact_write_items(TransactItems=puts[first : first + MAX_TRANSACTION_PUTS])
    return events


def seal(stack: Bus) -> dict[str, Any]:
    """Have the bus seal what is closed, as its schedule does each hour, without waiting for the index to follow."""
    name = f"{stack.variables['PILLARBOX_STACK_NAME']}-sweep"
    call = json.dumps({"task": "seal", "settle_seconds": 0})
    answer = stack.aws("lambda").invoke(FunctionName=name, Payload=call)
    said = answer["Payload"].read()
    assert "FunctionError" not in answer, said
    return json.loads(said)


def copy(stack: Bus, tenant: Tenant, folder: Path) -> None:
    """Copy what the archive has of a tenant."""
    s3, bucket = stack.aws("s3"), stack.variables["PILLARBOX_ARCHIVE_BUCKET"]
    keys = []
    for kind in ("events", "receipts", "manifests"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{kind}/tenant={tenant.id}/"):
            keys += [found["Key"] for found in page.get("Contents", [])]
    for key in keys:
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(file))


def latest_manifest(folder: Path) -> Manifest | None:
    """The last revision of the one hour that is there."""
    found = sorted(folder.glob("manifests/*/*/*/*.json"))
    return json.loads(found[-1].read_text()) if found else None


@pytest.fixture(scope="module")
def archived(stack: Bus, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """An hour of a new tenant, sealed and copied."""
    tenant, folder = stack.tenant(), tmp_path_factory.mktemp("archive")
    tenant.subscribe("billing", "order.*")
    logged = put_events(stack, tenant, hour_ago())

    def whole() -> Manifest | None:
        seal(stack)
        copy(stack, tenant, folder)
        manifest = latest_manifest(folder)
        if manifest is None or manifest["events"] < EVENTS:
            time.sleep(0.5)
            return None
        return manifest

    manifest = eventually(f"{EVENTS} events are archived", whole)
    return Archived(folder, manifest, logged)


def test_duckdb_counts_as_the_manifest_does(archived: Archived) -> None:
    counted = archived.views().sql("SELECT type, count(*) FROM events GROUP BY type").fetchall()
    assert dict(counted) == archived.manifest["types"] == Counter(event["type"] for event in archived.logged.values())
    assert sum(count for _, count in counted) == archived.manifest["events"] == EVENTS


def test_every_event_is_there_once_as_it_was_logged(archived: Archived) -> None:
    query = "SELECT pbeventid::VARCHAR, id, source, type, subject, data::VARCHAR, data_base64 FROM events"
    rows = archived.views().sql(query).fetchall()
    found = {row[0]: row[1:] for row in rows}
    assert len(rows) == len(found) == EVENTS
    for event_id, event in archived.logged.items():
        *attributes, data, data_base64 = found[event_id]
        assert attributes == [event[name] for name in ("id", "source", "type", "subject")]
        assert (json.loads(data) if data else None) == event.get("data")
        assert data_base64 == event.get("data_base64")


def test_every_event_has_its_receipts(archived: Archived) -> None:
    query = "SELECT event_id::VARCHAR, type, subscriptions FROM receipts"
    rows = archived.views().sql(query).fetchall()
    assert {row[0] for row in rows} == archived.logged.keys()
    for event_id, event_type, subscriptions in rows:
        assert event_type == archived.logged[event_id]["type"]
        assert subscriptions == (["billing"] if event_type.startswith("order.") else [])


@pytest.mark.parametrize("kind", ["objects", "receipts"])
def test_objects_are_what_their_manifest_says(archived: Archived, kind: str) -> None:
    assert archived.manifest[kind]
    for named in archived.manifest[kind]:
        file = archived.folder / named["key"]
        stored = file.read_bytes()
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (named["stored_bytes"], named["sha256"])
        lines = f"SELECT count(*) FROM read_json_objects('{file}', format = 'newline_delimited', compression = 'zstd')"
        assert archived.views().sql(lines).fetchall() == [(named["lines"],)]


def test_an_hour_is_found_by_its_tenant_day_and_hour(archived: Archived) -> None:
    at = datetime.fromisoformat(archived.manifest["hour"])
    condition = f"tenant = '{archived.manifest['tenant']}' AND dt = DATE '{at.date()}' AND hh = {at.hour}"
    views = archived.views()
    assert views.sql(f"SELECT count(*) FROM events WHERE {condition}").fetchall() == [(EVENTS,)]
    assert views.sql(f"SELECT count(*) FROM events WHERE hh <> {at.hour}").fetchall() == [(0,)]
