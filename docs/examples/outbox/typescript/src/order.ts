/**
 * Place an order: its row and its event are stored in one transaction, or neither is.
 *
 *     export AWS_REGION=…  PILLARBOX_EVENT_LOG_TABLE=…  PILLARBOX_TENANT=…  ORDERS_TABLE=…
 *     node dist/order.js o-1001 --total-cents 1250                    # placed
 *     node dist/order.js o-1001 --total-cents 1250                    # the same again: duplicate
 *     node dist/order.js o-1001 --total-cents 9900                    # the same order, another total: conflict
 *     node dist/order.js o-1002 --total-cents 1250 --voucher unknown  # the voucher's condition fails: nothing is stored
 *
 * `ORDERS_TABLE` is the shop's own: its partition key is `order_id`, and vouchers stand in it as `voucher#<code>`.
 */

import { parseArgs } from "node:util";

import {
  DynamoDBClient,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type TransactWriteItem,
} from "@aws-sdk/client-dynamodb";

import { explain, Outbox, type Cancelled, type Event } from "./outbox.js";

/** What the shop sells. */
interface Order {
  orderId: string;
  totalCents: number;
  voucher?: string | undefined;
}

/** What became of it. */
interface Placed {
  outcome: "placed" | "duplicate" | "conflict" | "busy" | "rejected";
  event: Event;
  event_id?: string;
  differing?: string[];
}

/** The event. Its id is made of the order's: however often the order is placed, there is one event. */
function orderPlaced({ orderId, totalCents }: Order): Event {
  return {
    specversion: "1.0",
    source: "/shop",
    id: `${orderId}#placed`,
    type: "order.placed",
    subject: orderId,
    time: new Date().toISOString(),
    correlationid: orderId,
    data: { order_id: orderId, total_cents: totalCents, currency: "EUR" },
  };
}

/** Stores the order and its event, unless the order was placed before or its voucher is not there. */
async function placeOrder(
  dynamodb: DynamoDBClient,
  ordersTable: string,
  outbox: Outbox,
  order: Order,
): Promise<Placed> {
  const event = orderPlaced(order);
  const put = outbox.put(event);
  const writes: TransactWriteItem[] = [
    put.write,
    {
      Put: {
        TableName: ordersTable,
        Item: { order_id: { S: order.orderId }, total_cents: { N: String(order.totalCents) } },
        ConditionExpression: "attribute_not_exists(order_id)",
      },
    },
  ];
  if (order.voucher !== undefined) {
    const voucherExists = {
      TableName: ordersTable,
      Key: { order_id: { S: `voucher#${order.voucher}` } },
      ConditionExpression: "attribute_exists(order_id)",
    };
    writes.push({ ConditionCheck: voucherExists });
  }
  try {
    await dynamodb.send(new TransactWriteItemsCommand({ TransactItems: writes }));
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) {
      throw error;
    }
    const reason = error.CancellationReasons?.[writes.indexOf(put.write)];
    return notPlaced(explain(put, reason), event);
  }
  return { outcome: "placed", event, event_id: put.eventId };
}

/** In the words of orders, why the transaction was cancelled. */
function notPlaced(cancelled: Cancelled, event: Event): Placed {
  switch (cancelled.kind) {
    case "committed":
      return { outcome: "placed", event, event_id: cancelled.eventId };
    case "duplicate":
      return { outcome: "duplicate", event, event_id: cancelled.eventId };
    case "conflict":
      return { outcome: "conflict", event, event_id: cancelled.eventId, differing: cancelled.differing };
    case "busy":
      return { outcome: "busy", event };
    case "notOurs":
      return { outcome: "rejected", event };
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set`);
  }
  return value;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { "total-cents": { type: "string" }, voucher: { type: "string" } },
});
const [orderId] = positionals;
const totalCents = Number(values["total-cents"]);
if (orderId === undefined || !Number.isSafeInteger(totalCents)) {
  throw new Error("usage: order.js ORDER_ID --total-cents N [--voucher CODE]");
}
const outbox = new Outbox(required("PILLARBOX_EVENT_LOG_TABLE"), required("PILLARBOX_TENANT"));
const order = { orderId, totalCents, voucher: values.voucher };
const placed = await placeOrder(new DynamoDBClient(), required("ORDERS_TABLE"), outbox, order);
console.log(JSON.stringify(placed));
