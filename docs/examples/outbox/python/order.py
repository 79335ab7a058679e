"""Place an order: its row and its event are stored in one transaction, or neither is.

    export AWS_REGION=…  PILLARBOX_EVENT_LOG_TABLE=…  PILLARBOX_TENANT=…  ORDERS_TABLE=…
    python order.py o-1001 --total-cents 1250                    # placed
    python order.py o-1001 --total-cents 1250                    # the same again: duplicate
    python order.py o-1001 --total-cents 9900                    # the same order with another total: conflict
    python order.py o-1002 --total-cents 1250 --voucher unknown  # the voucher's condition fails: nothing is stored

`ORDERS_TABLE` is the shop's own: its partition key is `order_id`, and vouchers stand in it as `voucher#<code>`.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import boto3

from outbox import Cancelled, Outbox, explain


@dataclass(frozen=True)
class Order:
    """What the shop sells."""

    order_id: str
    total_cents: int
    voucher: str | None = None


@dataclass(frozen=True)
class Placed:
    """What became of it."""

    outcome: Literal["placed", "duplicate", "conflict", "busy", "rejected"]
    event: dict[str, Any]
    event_id: str | None = None
    differing: tuple[str, ...] = ()


def order_placed(order: Order) -> dict[str, Any]:
    """The event. Its id is made of the order's: however often the order is placed, there is one event."""
    return {
        "specversion": "1.0",
        "source": "/shop",
        "id": f"{order.order_id}#placed",
        "type": "order.placed",
        "subject": order.order_id,
        "time": datetime.now(UTC).isoformat(),
        "correlationid": order.order_id,
        "data": {"order_id": order.order_id, "total_cents": order.total_cents, "currency": "EUR"},
    }


def place_order(dynamodb: Any, orders_table: str, outbox: Outbox, order: Order) -> Placed:
    """Store the order and its event, unless the order was placed before or its voucher is not there."""
    event = order_placed(order)
    put = outbox.put(event)
    row = {"order_id": {"S": order.order_id}, "total_cents": {"N": str(order.total_cents)}}
    writes = [
        put.write,
        {
            "Put": {
                "TableName": orders_table,
                "Item": row,
                "ConditionExpression": "attribute_not_exists(order_id)",
            }
        },
    ]
    if order.voucher:
        key = {"order_id": {"S": f"voucher#{order.voucher}"}}
        voucher_exists = {
            "TableName": orders_table,
            "Key": key,
            "ConditionExpression": "attribute_exists(order_id)",
        }
        writes.append({"ConditionCheck": voucher_exists})
    try:
        dynamodb.transact_write_items(TransactItems=writes)
    except dynamodb.exceptions.TransactionCanceledException as cancelled:
        reasons = cancelled.response["CancellationReasons"]
        return not_placed(explain(put, reasons[writes.index(put.write)]), event)
    return Placed("placed", event, put.event_id)


def not_placed(cancelled: Cancelled, event: dict[str, Any]) -> Placed:
    """In the words of orders, why the transaction was cancelled."""
    match cancelled.kind:
        case "committed":
            return Placed("placed", event, cancelled.event_id)
        case "not_ours":
            return Placed("rejected", event)
        case kind:
            return Placed(kind, event, cancelled.event_id, cancelled.differing)


def main() -> None:
    """Place the order that the command line tells, and print what became of it."""
    parser = argparse.ArgumentParser(description="Place an order.")
    parser.add_argument("order_id")
    parser.add_argument("--total-cents", type=int, required=True)
    parser.add_argument("--voucher")
    order = Order(**vars(parser.parse_args()))
    outbox = Outbox(os.environ["PILLARBOX_EVENT_LOG_TABLE"], os.environ["PILLARBOX_TENANT"])
    placed = place_order(boto3.client("dynamodb"), os.environ["ORDERS_TABLE"], outbox, order)
    print(json.dumps(asdict(placed)))


if __name__ == "__main__":
    main()
