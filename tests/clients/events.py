"""Events that the official SDKs send, and how the delivered ones are held against them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

BUS_ATTRIBUTES = {"pbeventid", "pbsubscription", "pbattempt"}
STRUCTURED = "structured"
BINARY = "binary"
BATCHED = "batched"


@dataclass(frozen=True)
class Case:
    """An event, by what is special about it."""

    name: str
    data: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def all_attributes(self) -> dict[str, Any]:
        """The attributes that it is sent with."""
        required = {"specversion": "1.0", "id": self.name, "source": "/clients", "type": "client.sent"}
        return {**required, "time": "2026-11-23T08:00:00+00:00", **self.attributes}


JSON = {"datacontenttype": "application/json"}

BYTES_OF_NO_TYPE = Case("bytes-of-no-type", b"\x00\xff\x00")

CASES = [
    Case("no-data"),
    Case("json", {"total": 12.5, "lines": [{"sku": "a", "n": 1}], "gift": False, "note": None}, JSON),
    Case("json-by-suffix", {"n": 1}, {"datacontenttype": "application/vnd.shop.order+json; charset=utf-8"}),
    Case("json-in-many-letters", {"grüße": 'Zürich € 😀 \u2028 \\ " \u0007'}, JSON),
    Case("text", "Grüße aus Zürich, 100 %\n", {"datacontenttype": "text/plain; charset=utf-8"}),
    Case("xml", '<?xml version="1.0"?><order total="12.50"/>', {"datacontenttype": "application/xml"}),
    Case("bytes", bytes(range(256)), {"datacontenttype": "application/octet-stream"}),
    BYTES_OF_NO_TYPE,
    Case(
        "every-attribute",
        {"n": 1},
        {
            **JSON,
            "subject": "order 7",
            "dataschema": "https://shop.example/schemas/order/1",
            "correlationid": "sync-42",
            "causationid": "0199-1",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "partitionkey": "customer-3",
            "dataversion": "2",
        },
    ),
    Case("time-with-offset", None, {"time": "2026-11-23T09:30:15.123456+01:00"}),
]

TYPED_EXTENSIONS = Case("typed-extensions", {"n": 1}, {**JSON, "priority": 7, "negative": -2147483648, "express": True})

LETTERS = Case(
    "letters-in-attributes",
    {"n": 1},
    {
        **JSON,
        "id": "Bestellung-№-7",
        "type": "bestellung.geändert",
        "subject": 'Zürich → "Genf" 100% 😀',
        "comment": "a%20b c",
    },
)


def of_bytes(data: bytes) -> dict[str, str]:
    """Data as they are told in JSON when they are bytes."""
    return {"data_base64": base64.b64encode(data).decode()}


def without_bus_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """A delivered event's attributes, less those that the bus adds; it has to add them all."""
    assert attributes.keys() >= BUS_ATTRIBUTES
    return {name: value for name, value in attributes.items() if name not in BUS_ATTRIBUTES}
