"""Real webhook deliveries of GitHub, each as a CloudEvent.

They come with the npm package `@octokit/webhooks-examples`: 329 payloads of 58 kinds, 1 to 27 KB. Some
payloads are there twice, so that an event's id is its place in the package and not only its content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paths

EXAMPLES = paths.WEBHOOK_EXAMPLES / "api.github.com" / "index.json"
API = "https://api.github.com"
SUBJECTS = {"pull_request": "pulls", "issue": "issues", "discussion": "discussions"}
"""What in a payload is numbered within its repository, and where the API has it."""


def cloud_events(examples: Path = EXAMPLES) -> Iterator[dict[str, Any]]:
    """Every delivery, in the package's order; the same events, with the same identity, each time."""
    for kind in json.loads(examples.read_text()):
        for place, payload in enumerate(kind["examples"], start=1):
            yield cloud_event(kind["name"], place, payload)


def cloud_event(kind: str, place: int, payload: dict[str, Any]) -> dict[str, Any]:
    """One delivery; its payload is the data, unchanged."""
    subject = subject_of(payload)
    return {
        "specversion": "1.0",
        "id": f"{kind}-{place}-{hashlib.sha256(as_json(payload).encode()).hexdigest()[:12]}",
        "source": source_of(payload),
        "type": ".".join(["com.github", kind, *([payload["action"]] if "action" in payload else [])]),
        **({"subject": subject} if subject else {}),
        "datacontenttype": "application/json",
        "data": payload,
    }


def source_of(payload: dict[str, Any]) -> str:
    """Where it happened: the repository, else the organisation, else with the account that did it."""
    if "repository" in payload:
        return f"{API}/repos/{payload['repository']['full_name']}"
    if "organization" in payload:
        return f"{API}/orgs/{payload['organization']['login']}"
    if "sender" in payload:
        return f"{API}/users/{payload['sender']['login']}"
    return API


def subject_of(payload: dict[str, Any]) -> str | None:
    """What it is about within its source, where the payload has a name for that."""
    for name, collection in SUBJECTS.items():
        if name in payload:
            return f"{collection}/{payload[name]['number']}"
    return payload.get("ref")


def kind_of(event_type: str) -> str:
    """An event type without its action: `com.github.issues.opened` becomes `com.github.issues`."""
    return ".".join(event_type.split(".")[:3])


def as_json(value: object) -> str:
    """On one line, as it is sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
