// Publishes and reads events with the official CloudEvents SDK for JavaScript: each line of standard input is a
// request in JSON, each line of standard output its answer.
//
//   {"publish": "structured" | "binary", "event": {…}}  ->  {"status", "answer", "sent": {…}}
//   {"publish": "batched", "events": [{…}, …]}          ->  {"status", "answer", "sent": [{…}, …]}
//   {"read": "<a delivered message>"}                   ->  {"event": {…}}
//
// Events are given and told with `data_base64` where their data are bytes.

import { createInterface } from "node:readline";
import { CloudEvent, HTTP, Mode, emitterFor } from "cloudevents";

const url = `${process.env.PILLARBOX_URL}/v1/events`;
const authorization = `Bearer ${process.env.PILLARBOX_API_KEY}`;

async function post({ headers, body }) {
  const response = await fetch(url, { method: "POST", headers: { ...headers, authorization }, body });
  return { status: response.status, answer: await response.json() };
}

const emit = {
  structured: emitterFor(post, { mode: Mode.STRUCTURED }),
  binary: emitterFor(post, { mode: Mode.BINARY }),
};

function eventOf({ data_base64, ...rest }) {
  const data = data_base64 === undefined ? rest.data : new Uint8Array(Buffer.from(data_base64, "base64"));
  return new CloudEvent({ ...rest, data });
}

// The SDK keeps bytes in more than one kind of array.
function told(event) {
  const { data, data_base64, ...attributes } = event;
  if (ArrayBuffer.isView(data)) {
    attributes.data_base64 = Buffer.from(Array.from(data)).toString("base64");
  } else {
    attributes.data = data;
  }
  return attributes;
}

async function publish(mode, request) {
  if (mode === "batched") {
    const events = request.events.map(eventOf);
    const headers = { "content-type": "application/cloudevents-batch+json" };
    return { ...(await post({ headers, body: JSON.stringify(events) })), sent: events.map(told) };
  }
  const event = eventOf(request.event);
  return { ...(await emit[mode](event)), sent: told(event) };
}

function read(body) {
  return { event: told(HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body })) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = "read" in request ? read(request.read) : await publish(request.publish, request);
  console.log(JSON.stringify(answer));
}
