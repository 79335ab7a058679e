"""The function that the tests of the stream mapping deploy: it fails what it is told to fail.

`SCRIPT` is a JSON object: the ids that fail, how often each (-1: always), and whether by a report or by
raising. Each invocation adds the ids it was given, with their sequence numbers, to the file `INVOCATIONS`.
"""

import json
import os
from pathlib import Path
from typing import Any

SCRIPT = json.loads(os.environ["SCRIPT"])
INVOCATIONS = Path(os.environ["INVOCATIONS"])
failures_left = dict(SCRIPT["failures"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Note the batch, then fail as the script says."""
    batch = [
        (record["dynamodb"]["Keys"]["pk"]["S"], record["dynamodb"]["SequenceNumber"]) for record in event["Records"]
    ]
    with INVOCATIONS.open("a") as notes:
        notes.write(json.dumps(batch) + "\n")
    failed = [number for item_id, number in batch if takes_failure(item_id)]
    if failed and SCRIPT["raises"]:
        raise RuntimeError("as the script says")
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def takes_failure(item_id: str) -> bool:
    """Whether the item fails this time."""
    left = failures_left.get(item_id, 0)
    failures_left[item_id] = left - 1 if left > 0 else left
    return left != 0
