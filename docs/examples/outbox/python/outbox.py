"""The transactional outbox of Pillarbox: an event that is stored if, and only if, your transaction is.

Copy this file into your program. What it writes is specified in docs/outbox-item.md; it needs `rfc8785` and
`uuid-utils` (`uuid.uuid7` does as well, from Python 3.14 on), and whichever AWS client you have.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import rfc8785
import uuid_utils

Item = dict[str, dict[str, Any]]
"""An item as DynamoDB has it: `{"pk": {"S": "…"}}`."""

MAX_ITEM_BYTES = 400_000
MAX_KEY_BYTES = 1_900
MAX_TYPE_BYTES = 256
MAX_CORRELATION_ID_BYTES = 512
MAX_CONTEXT_BYTES = 32_768
MIN_RETENTION_DAYS, MAX_RETENTION_DAYS = 7, 3_650
MAX_LOG_SHARDS = 64
MAX_SAFE_INTEGER = 2**53 - 1

REQUIRED = ("id", "source", "type")
RESERVED = {"pbattempt", "pbeventid", "pbjob", "pboutbox", "pbsubscription", "pk"}
TEXT_ONLY = {
    *("causationid", "correlationid", "datacontenttype", "dataschema", "partitionkey", "subject", "time"),
    "traceparent",
}
RENEWED_BY_A_RETRY = ("time", "traceparent")
NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
NOT_ALLOWED = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{NONCHARACTERS}]")
URI_CHARACTERS = r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
PATTERNS = {
    "source": re.compile(f"{URI_CHARACTERS}+"),
    "dataschema": re.compile(f"[A-Za-z][A-Za-z0-9+.-]*:{URI_CHARACTERS}*"),
    "subject": re.compile(".+"),
    "datacontenttype": re.compile(".+"),
    "time": re.compile(
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
        r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
    ),
}


class InvalidEventError(ValueError):
    """The event breaks rules that the bus could no longer refuse: the item would be put away as malformed."""


@dataclass(frozen=True)
class OutboxPut:
    """An event, ready to go into a transaction."""

    event_id: str
    """Under which the bus will know it."""
    item: Item
    write: dict[str, Any]
    """An element of `TransactItems`."""


@dataclass(frozen=True)
class Cancelled:
    """What a cancelled transaction says about its event."""

    kind: Literal["committed", "duplicate", "conflict", "busy", "not_ours"]
    """
    committed: a transaction with this very put was made before, and its answer was lost; there is nothing to do.
    duplicate: the log has this event already; leave the put out, the rest may go on.
    conflict: the key is taken by an event with other content; a person or a rule has to decide.
    busy: another transaction was at the item, or there was too much to do; try the same again later.
    not_ours: another element of the transaction cancelled it.
    """
    event_id: str | None = None
    """Of the event that is in the log."""
    differing: tuple[str, ...] = ()
    """Of a conflict: the attributes that are known to differ, and `data`."""


class Outbox:
    """Makes the items of one tenant's events, for the table that is the log."""

    def __init__(
        self, table: str, tenant: str, *, retention_days: int = 90, log_shards: int = 1, dispatch: bool = True
    ) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", tenant):
            raise ValueError(f"{tenant!r} is not a tenant: 1 to 63 of a-z, 0-9 and -, not beginning with -")
        if not MIN_RETENTION_DAYS <= retention_days <= MAX_RETENTION_DAYS:
            raise ValueError(f"retention_days must be {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS}")
        if not 1 <= log_shards <= MAX_LOG_SHARDS:
            raise ValueError(f"log_shards must be 1 to {MAX_LOG_SHARDS}")
        self.table = table
        self.tenant = tenant
        self.retention_days = retention_days
        self.log_shards = log_shards
        self.dispatch = dispatch

    def put(self, event: Mapping[str, Any], *, event_id: str | None = None) -> OutboxPut:
        """Make the element that adds this CloudEvent, in structured form, to a transaction.

        Make a new one for each transaction. An event id is only given by tests.
        """
        found = faults(event)
        if found:
            raise InvalidEventError("; ".join(found))
        event_id = event_id or str(uuid_utils.uuid7())
        item = self.item(event, event_id)
        size = item_bytes(item)
        if size > MAX_ITEM_BYTES:
            raise InvalidEventError(
                f"the item has {size} bytes; {MAX_ITEM_BYTES} is the most: publish the event instead"
            )
        write = {
            "TableName": self.table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk) OR expires_at < :now",
            "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return OutboxPut(event_id, item, {"Put": write})

    def item(self, event: Mapping[str, Any], event_id: str) -> Item:
        """All attributes of the item."""
        given = without_nulls(event)
        milliseconds = uuid.UUID(event_id).int >> 80
        seconds = milliseconds // 1000
        hour = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y%m%d%H")
        shard = (uuid.UUID(event_id).int & 0xFFFF_FFFF) % self.log_shards
        own: Item = {
            "pk": {"S": f"T#{self.tenant}#K#{escape(given['source'])}#{escape(given['id'])}"},
            "event_id": {"S": event_id},
            "log_pk": {"S": f"T#{self.tenant}#{hour}#{shard}"},
            "content_sha256": {"B": fingerprint(event)},
            "expires_at": {"N": str(seconds + self.retention_days * 24 * 60 * 60)},
        }
        if given.get("correlationid"):
            own["corr_pk"] = {"S": f"T#{self.tenant}#C#{given['correlationid']}"}
        if not self.dispatch:
            own["outbox_mode"] = {"S": "none"}
        if "data" in given:
            own["data_json"] = {"S": json_text(given["data"])}
        if "data_base64" in given:
            own["data_binary"] = {"B": base64.b64decode(given["data_base64"])}
        return own | {name: attribute(value) for name, value in context(given).items()}


def explain(put: OutboxPut, reason: Mapping[str, Any]) -> Cancelled:
    """What the put's own reason says, the one at its place in `CancellationReasons` of the client's exception."""
    match reason.get("Code"):
        case None | "None":
            return Cancelled("not_ours")
        case "TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError":
            return Cancelled("busy")
        case "ConditionalCheckFailed":
            pass
        case code:
            raise RuntimeError(f"the event was refused, {code}: {reason.get('Message')}")
    first: Item = reason["Item"]
    event_id = first["event_id"]["S"]
    if event_id == put.event_id:
        return Cancelled("committed", event_id)
    if bytes(first["content_sha256"]["B"]) == put.item["content_sha256"]["B"]:
        return Cancelled("duplicate", event_id)
    return Cancelled("conflict", event_id, differing(first, put.item))


def fingerprint(event: Mapping[str, Any]) -> bytes:
    """SHA-256 of what two publishes of one event have in common, however they spell it."""
    content = {name: value for name, value in without_nulls(event).items() if name not in RENEWED_BY_A_RETRY}
    large: list[int] = []
    if "data" in content:
        content["data"] = with_doubles(json.loads(json_text(content["data"])), large)
    if "data_base64" in content:
        content["data_base64"] = base64.b64encode(base64.b64decode(content["data_base64"])).decode()
    digits = "".join(f"\n{integer}" for integer in large)
    return hashlib.sha256(rfc8785.dumps(content) + digits.encode()).digest()


def with_doubles(value: Any, large: list[int]) -> Any:
    """Take each integer that RFC 8785 has no digits for as the nearest double, and note it down, in order."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return {name: with_doubles(member, large) for name, member in members}
    if isinstance(value, list):
        return [with_doubles(element, large) for element in value]
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        large.append(value)
        return float(value)
    return value


def differing(first: Item, other: Item) -> tuple[str, ...]:
    """Name what differs between an item of the log and one that is to be.

    Data that the log holds compressed, or elsewhere, are not looked at: they are named when nothing else differs.
    """

    def counting(item: Item) -> Item:
        return {name: value for name, value in item.items() if not is_own(name) and name not in RENEWED_BY_A_RETRY}

    one, two = counting(first), counting(other)
    names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    same_data = data_of(first) == data_of(other) if is_readable(first) else bool(names)
    return tuple(names if same_data else sorted([*names, "data"]))


def data_of(item: Item) -> bytes | None:
    """The data of an item, so that equal ones are equal; none when it has none."""
    if "data_json" in item:
        large: list[int] = []
        canonical = rfc8785.dumps(with_doubles(json.loads(item["data_json"]["S"]), large))
        return b"json" + canonical + repr(large).encode()
    return b"binary" + bytes(item["data_binary"]["B"]) if "data_binary" in item else None


def is_readable(item: Item) -> bool:
    """Whether the data stand in the item, uncompressed."""
    return not any(name.endswith("_zstd") or name == "data_object" for name in item)


def is_own(name: str) -> bool:
    """Whether an attribute is the bus's own: no name of CloudEvents has an underscore."""
    return name == "pk" or "_" in name


def escape(text: str) -> str:
    """Keep a source or id from reaching beyond its part of the key."""
    return text.replace("%", "%25").replace("#", "%23")


def json_text(value: Any) -> str:
    """JSON data as they are stored, with the digits that they have."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def without_nulls(event: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are set: null is no value, except of data."""
    return {name: value for name, value in event.items() if value is not None or name == "data"}


def context(event: Mapping[str, Any]) -> dict[str, str | int | bool]:
    """The attributes that stand in the item under their own names."""
    elsewhere = ("specversion", "source", "id", "data", "data_base64")
    return {name: value for name, value in event.items() if name not in elsewhere}


def attribute(value: str | int | bool) -> dict[str, Any]:
    """A context attribute's value in DynamoDB's words."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def value_bytes(value: str | int | bool) -> int:
    """The size of a context attribute's value; numbers and booleans count as the longest there is."""
    return len(value.encode()) if isinstance(value, str) else len("-2147483648")


def item_bytes(item: Item) -> int:
    """The size of an item as DynamoDB counts it."""

    def stored_bytes(value: dict[str, Any]) -> int:
        match value:
            case {"S": text}:
                return len(text.encode())
            case {"N": number}:
                return (len(number) + 1) // 2 + 1
            case {"B": data}:
                return len(data)
        return 1

    return sum(len(name.encode()) + stored_bytes(value) for name, value in item.items())


def faults(event: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with an event: a transaction's events reach nobody who could still refuse them."""
    given = without_nulls(event)
    found = [] if given.get("specversion") == "1.0" else ['specversion must be "1.0"']
    found += [f"{name} must not be empty" for name in REQUIRED if not given.get(name)]
    for name, value in given.items():
        found += [f"{name} {fault}" for fault in member_faults(name, value)]
    if found:
        return found
    key_bytes = len((escape(given["source"]) + escape(given["id"])).encode())
    context_bytes = sum(len(name) + value_bytes(value) for name, value in context(given).items() if name != "type")
    for what, size, limit in [
        ("source and id", key_bytes, MAX_KEY_BYTES),
        ("type", len(given["type"].encode()), MAX_TYPE_BYTES),
        ("correlationid", len(given.get("correlationid", "").encode()), MAX_CORRELATION_ID_BYTES),
        ("context attributes", context_bytes, MAX_CONTEXT_BYTES),
    ]:
        if size > limit:
            found.append(f"{what} must be {limit} bytes at most, and has {size}")
    if "data" in given and "data_base64" in given:
        found.append("data_base64 cannot be given together with data")
    return found


def member_faults(name: str, value: Any) -> list[str]:
    """What is wrong with one member of an event."""
    if name == "data":
        return []
    if name == "data_base64":
        return [] if is_base64(value) else ["must be base64 text"]
    if not re.fullmatch("[a-z0-9]{1,64}", name):
        return ["is not an attribute name: only a-z and 0-9, at most 64"]
    if name in RESERVED:
        return ["is set by the bus"]
    if isinstance(value, str):
        bad = NOT_ALLOWED.search(value)
        if bad:
            return [f"must not hold the character U+{ord(bad.group()):04X}"]
        form = PATTERNS.get(name)
        return [] if form is None or form.fullmatch(value) else ["is not of its form"]
    if name in TEXT_ONLY or name in (*REQUIRED, "specversion"):
        return ["must be a string"]
    is_integer = isinstance(value, int) and -(2**31) <= value < 2**31
    return [] if is_integer else ["must be a string, boolean or 32-bit integer"]


def is_base64(value: Any) -> bool:
    """Whether a member is base64, padded."""
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False
