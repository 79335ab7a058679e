/**
 * The transactional outbox of Pillarbox: an event that is stored if, and only if, your transaction is.
 *
 * Copy this file into your program. What it writes is specified in docs/outbox-item.md; it needs `canonicalize`
 * and `uuid`, and from the AWS SDK the types only.
 */

import { createHash } from "node:crypto";

import type { AttributeValue, CancellationReason, TransactWriteItem } from "@aws-sdk/client-dynamodb";
import canonicalize from "canonicalize";
import { parse as uuidBytes, v7 as uuidV7 } from "uuid";

/** Any JSON value. Integers beyond ±(2^53 − 1) are better sent as strings: a `number` does not hold their digits. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A CloudEvent in structured form. */
export interface Event {
  specversion: "1.0";
  source: string;
  id: string;
  type: string;
  data?: Json;
  data_base64?: string;
  /** Optional attributes and extensions; integers have 32 bits. `undefined` and `null` mean: not set. */
  [attribute: string]: Json | undefined;
}

/** An event, ready to go into a transaction. */
export interface OutboxPut {
  /** Under which the bus will know it. */
  eventId: string;
  item: Item;
  /** An element of `TransactItems`. */
  write: TransactWriteItem;
}

/** What a cancelled transaction says about its event. */
export type Cancelled =
  /** A transaction with this very put was made before, and its answer was lost; there is nothing to do. */
  | { kind: "committed"; eventId: string }
  /** The log has this event already, under this id; leave the put out, the rest may go on. */
  | { kind: "duplicate"; eventId: string }
  /**
   * The key is taken by an event with other content; a person or a rule has to decide. `differing` are the
   * attributes that are known to differ, and `data`.
   */
  | { kind: "conflict"; eventId: string; differing: string[] }
  /** Another transaction was at the item, or there was too much to do; try the same again later. */
  | { kind: "busy" }
  /** Another element of the transaction cancelled it. */
  | { kind: "notOurs" };

/** The event breaks rules that the bus could no longer refuse: the item would be put away as malformed. */
export class InvalidEventError extends Error {}

export type Item = Record<string, AttributeValue>;

export interface OutboxOptions {
  /** How long events are kept: 7 to 3,650. */
  retentionDays?: number;
  /** What the bus has for this tenant, or less. */
  logShards?: number;
  /** False for events that are logged, and not dispatched. */
  dispatch?: boolean;
}

const MAX_ITEM_BYTES = 400_000;
const MAX_KEY_BYTES = 1_900;
const MAX_TYPE_BYTES = 256;
const MAX_CORRELATION_ID_BYTES = 512;
const MAX_CONTEXT_BYTES = 32_768;
const MAX_LOG_SHARDS = 64;
const MIN_RETENTION_DAYS = 7;
const MAX_RETENTION_DAYS = 3_650;

const RESERVED = ["pbattempt", "pbeventid", "pbjob", "pboutbox", "pbsubscription", "pk"];
const ELSEWHERE = ["specversion", "source", "id", "data", "data_base64"];
const RENEWED_BY_A_RETRY = ["time", "traceparent"];
const TEXT_ONLY = [
  ...["specversion", "id", "source", "type", "causationid", "correlationid", "datacontenttype", "dataschema"],
  ...["partitionkey", "subject", "time", "traceparent"],
];
const NOT_ALLOWED = /[\p{Cc}\p{Noncharacter_Code_Point}]|\p{Surrogate}/u;
const URI_CHARACTERS = "(?:[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})";
const FORMS: Record<string, RegExp> = {
  source: new RegExp(`^${URI_CHARACTERS}+$`),
  dataschema: new RegExp(`^[A-Za-z][A-Za-z0-9+.-]*:${URI_CHARACTERS}*$`),
  subject: /./,
  datacontenttype: /./,
  time: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/,
};

/** Makes the items of one tenant's events, for the table that is the log. */
export class Outbox {
  readonly #table: string;
  readonly #tenant: string;
  readonly #options: Required<OutboxOptions>;

  constructor(table: string, tenant: string, options: OutboxOptions = {}) {
    const { retentionDays = 90, logShards = 1, dispatch = true } = options;
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant)) {
      throw new RangeError(`"${tenant}" is not a tenant: 1 to 63 of a-z, 0-9 and -, not beginning with -`);
    }
    if (!isIntegerWithin(retentionDays, MIN_RETENTION_DAYS, MAX_RETENTION_DAYS)) {
      throw new RangeError(`retentionDays must be ${MIN_RETENTION_DAYS} to ${MAX_RETENTION_DAYS}`);
    }
    if (!isIntegerWithin(logShards, 1, MAX_LOG_SHARDS)) {
      throw new RangeError(`logShards must be 1 to ${MAX_LOG_SHARDS}`);
    }
    this.#table = table;
    this.#tenant = tenant;
    this.#options = { retentionDays, logShards, dispatch };
  }

  /**
   * The element that adds an event to a transaction. Make a new one for each transaction.
   * An event id is only given by tests.
   */
  put(event: Event, eventId: string = uuidV7()): OutboxPut {
    const found = faults(event);
    if (found.length > 0) {
      throw new InvalidEventError(found.join("; "));
    }
    const item = this.item(event, eventId);
    const size = itemBytes(item);
    if (size > MAX_ITEM_BYTES) {
      throw new InvalidEventError(
        `the item has ${size} bytes; ${MAX_ITEM_BYTES} is the most: publish the event instead`,
      );
    }
    const write: TransactWriteItem = {
      Put: {
        TableName: this.#table,
        Item: item,
        ConditionExpression: "attribute_not_exists(pk) OR expires_at < :now",
        ExpressionAttributeValues: { ":now": { N: String(Math.floor(Date.now() / 1000)) } },
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      },
    };
    return { eventId, item, write };
  }

  /** All attributes of the item. */
  item(event: Event, eventId: string): Item {
    const { retentionDays, logShards, dispatch } = this.#options;
    const id = Buffer.from(uuidBytes(eventId));
    const milliseconds = id.readUIntBE(0, 6);
    const hour = new Date(milliseconds).toISOString().replace(/\D/g, "").slice(0, "yyyymmddhh".length);
    const shard = id.readUInt32BE(12) % logShards;
    const seconds = Math.floor(milliseconds / 1000);
    const item: Item = {
      pk: { S: `T#${this.#tenant}#K#${escape(event.source)}#${escape(event.id)}` },
      event_id: { S: eventId },
      log_pk: { S: `T#${this.#tenant}#${hour}#${shard}` },
      content_sha256: { B: fingerprint(event) },
      expires_at: { N: String(seconds + retentionDays * 24 * 60 * 60) },
    };
    for (const [name, value] of context(event)) {
      item[name] = attribute(value);
    }
    if (event["correlationid"]) {
      item["corr_pk"] = { S: `T#${this.#tenant}#C#${event["correlationid"]}` };
    }
    if (!dispatch) {
      item["outbox_mode"] = { S: "none" };
    }
    if (event.data !== undefined) {
      item["data_json"] = { S: JSON.stringify(event.data) };
    }
    if (typeof event.data_base64 === "string") {
      item["data_binary"] = { B: Buffer.from(event.data_base64, "base64") };
    }
    return item;
  }
}

/** What the put's own reason says: the one at its place in `CancellationReasons` of the exception. */
export function explain(put: OutboxPut, reason: CancellationReason | undefined): Cancelled {
  switch (reason?.Code) {
    case "None":
      return { kind: "notOurs" };
    case "TransactionConflict":
    case "ProvisionedThroughputExceeded":
    case "ThrottlingError":
      return { kind: "busy" };
    case "ConditionalCheckFailed":
      break;
    default:
      throw new Error(`the event was refused, ${reason?.Code}: ${reason?.Message}`);
  }
  const first: Item = reason.Item ?? {};
  const eventId = first["event_id"]?.S;
  if (eventId === undefined) {
    throw new Error("the item that holds the key has no event_id");
  }
  if (eventId === put.eventId) {
    return { kind: "committed", eventId };
  }
  if (isEqual(first["content_sha256"], put.item["content_sha256"])) {
    return { kind: "duplicate", eventId };
  }
  return { kind: "conflict", eventId, differing: differing(first, put.item) };
}

/** SHA-256 of what two publishes of one event have in common, however they spell it. */
export function fingerprint(event: Event): Buffer {
  const content: Record<string, Json> = { specversion: "1.0", source: event.source, id: event.id };
  for (const [name, value] of context(event)) {
    if (!RENEWED_BY_A_RETRY.includes(name)) {
      content[name] = value;
    }
  }
  if (event.data !== undefined) {
    content["data"] = stored(event.data);
  }
  if (typeof event.data_base64 === "string") {
    content["data_base64"] = Buffer.from(event.data_base64, "base64").toString("base64");
  }
  const digits = largeIntegers(content["data"]).map((integer) => `\n${integer}`);
  return createHash("sha256").update(canonicalize(content) + digits.join("")).digest();
}

/** The integers of JSON data that RFC 8785 has no digits for, in order, as `JSON.stringify` writes them. */
function largeIntegers(value: Json | undefined): string[] {
  if (typeof value === "number") {
    const text = JSON.stringify(value);
    return !Number.isSafeInteger(value) && /^-?\d+$/.test(text) ? [text] : [];
  }
  if (Array.isArray(value)) {
    return value.flatMap(largeIntegers);
  }
  if (typeof value === "object" && value !== null) {
    // As RFC 8785 does, `sort` goes by UTF-16 code units.
    return Object.keys(value).sort().flatMap((name) => largeIntegers(value[name]));
  }
  return [];
}

/**
 * What differs between an item of the log and one that is to be. Data that the log holds compressed, or elsewhere,
 * are not looked at: they are named when nothing else differs.
 */
function differing(first: Item, other: Item): string[] {
  const counts = (name: string) => !isOwn(name) && !RENEWED_BY_A_RETRY.includes(name);
  const names = [...new Set([...Object.keys(first), ...Object.keys(other)])].filter(
    (name) => counts(name) && !isEqual(first[name], other[name]),
  );
  const isReadable = !Object.keys(first).some((name) => name.endsWith("_zstd") || name === "data_object");
  const sameData = isReadable ? dataOf(first) === dataOf(other) : names.length > 0;
  return (sameData ? names : [...names, "data"]).sort();
}

/** The data of an item as a text, so that equal ones are equal. */
function dataOf(item: Item): string | undefined {
  const { data_json: json, data_binary: binary } = item;
  if (json?.S !== undefined) {
    const value: Json = JSON.parse(json.S);
    return `json ${canonicalize(value)} ${largeIntegers(value)}`;
  }
  return binary?.B && `binary ${Buffer.from(binary.B).toString("base64")}`;
}

function isEqual(one: AttributeValue | undefined, other: AttributeValue | undefined): boolean {
  if (one?.B && other?.B) {
    return Buffer.from(one.B).equals(other.B);
  }
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Whether an attribute is the bus's own: no name of CloudEvents has an underscore. */
function isOwn(name: string): boolean {
  return name === "pk" || name.includes("_");
}

/** Keeps a source or id from reaching beyond its part of the key. */
function escape(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("#", "%23");
}

/** JSON data as they are read again: without what JSON has no word for. */
function stored(data: Json): Json {
  return JSON.parse(JSON.stringify(data));
}

/** The attributes that stand in the item under their own names. */
function context(event: Event): [string, Json][] {
  return Object.entries(event).filter(
    (entry): entry is [string, Json] => entry[1] != null && !ELSEWHERE.includes(entry[0]),
  );
}

/** A context attribute's value in DynamoDB's words. */
function attribute(value: Json): AttributeValue {
  switch (typeof value) {
    case "boolean":
      return { BOOL: value };
    case "number":
      return { N: String(value) };
    default:
      return { S: String(value) };
  }
}

/** The size of an item as DynamoDB counts it. */
function itemBytes(item: Item): number {
  const sizes = Object.entries(item).map(([name, { S, N, B }]) => {
    const value = S !== undefined ? Buffer.byteLength(S) : N !== undefined ? Math.ceil(N.length / 2) + 1 : B?.length;
    return Buffer.byteLength(name) + (value ?? 1);
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Everything that is wrong with an event: a transaction's events reach nobody who could still refuse them. */
function faults(event: Event): string[] {
  const members = Object.entries(event).filter(([name, value]) => name === "data" || value != null);
  const found = ["specversion", "id", "source", "type"].filter((name) => !event[name]).map((name) => `${name} is required`);
  found.push(...members.flatMap(([name, value]) => memberFaults(name, value).map((fault) => `${name} ${fault}`)));
  if (found.length > 0) {
    return found;
  }
  const keyBytes = Buffer.byteLength(escape(event.source) + escape(event.id));
  const optional = context(event).filter(([name]) => name !== "type");
  const contextBytes = optional.reduce((sum, [name, value]) => sum + name.length + valueBytes(value), 0);
  const sizes: [string, number, number][] = [
    ["source and id", keyBytes, MAX_KEY_BYTES],
    ["type", valueBytes(event.type), MAX_TYPE_BYTES],
    ["correlationid", valueBytes(event["correlationid"] ?? ""), MAX_CORRELATION_ID_BYTES],
    ["context attributes", contextBytes, MAX_CONTEXT_BYTES],
  ];
  for (const [what, size, limit] of sizes) {
    if (size > limit) {
      found.push(`${what} must be ${limit} bytes at most, and has ${size}`);
    }
  }
  if (event.data !== undefined && event.data_base64 != null) {
    found.push("data_base64 cannot be given together with data");
  }
  return found;
}

/** What is wrong with one member of an event. */
function memberFaults(name: string, value: Json | undefined): string[] {
  if (name === "data") {
    return [];
  }
  if (name === "data_base64") {
    const isBase64 = typeof value === "string" && Buffer.from(value, "base64").toString("base64") === value;
    return isBase64 ? [] : ["must be base64 text"];
  }
  if (!/^[a-z0-9]{1,64}$/.test(name)) {
    return ["is not an attribute name: only a-z and 0-9, at most 64"];
  }
  if (RESERVED.includes(name)) {
    return ["is set by the bus"];
  }
  if (name === "specversion" && value !== "1.0") {
    return ['must be "1.0"'];
  }
  if (typeof value === "string") {
    const bad = NOT_ALLOWED.exec(value);
    if (bad) {
      return [`must not hold the character U+${bad[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}`];
    }
    return FORMS[name]?.test(value) === false ? ["is not of its form"] : [];
  }
  if (TEXT_ONLY.includes(name)) {
    return ["must be a string"];
  }
  const isInteger = typeof value === "number" && isIntegerWithin(value, -(2 ** 31), 2 ** 31 - 1);
  return isInteger || typeof value === "boolean" ? [] : ["must be a string, boolean or 32-bit integer"];
}

/** The size of a context attribute's value; numbers and booleans count as the longest there is. */
function valueBytes(value: Json): number {
  return Buffer.byteLength(typeof value === "string" ? value : "-2147483648");
}

function isIntegerWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
