// The items that the library in TypeScript makes of the vectors on standard input, or why it makes none.

import { text } from "node:stream/consumers";

import { InvalidEventError, Outbox } from "./dist/outbox.js";

const inJson = (value) => ("B" in value ? { B: Buffer.from(value.B).toString("base64") } : value);

function item({ event, given }) {
  const { tenant, event_id: eventId, retention_days: retentionDays, log_shards: logShards, dispatch } = given;
  const outbox = new Outbox("log", tenant, { retentionDays, logShards, dispatch });
  try {
    const entries = Object.entries(outbox.put(JSON.parse(event), eventId).item);
    return Object.fromEntries(entries.map(([name, value]) => [name, inJson(value)]));
  } catch (error) {
    if (!(error instanceof InvalidEventError)) {
      throw error;
    }
    return { InvalidEventError: error.message };
  }
}

const vectors = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(vectors.map(item)));
