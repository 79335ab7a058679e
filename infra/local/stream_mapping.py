"""The event source mapping of a DynamoDB stream, as AWS documents it.

The emulator hands a batch to the function and then moves on, whatever the function said of single
records. Here a mapping honours:

- `ReportBatchItemFailures`: processing goes on from the lowest failed sequence number. An empty
  answer is a success; an identifier that is empty, missing or not of this batch fails the batch.
- a function error: the same batch again, or with `BisectBatchOnFunctionError` its two halves.
- `MaximumRetryAttempts` (-1: no limit). Splitting takes nothing from the quota, nor does throttling,
  which happens before the invocation.
- `MaximumRecordAgeInSeconds` (-1: no limit): older records are not sent any more.
- `DestinationConfig.OnFailure` to an SQS queue, sent with the function's own role: a role that may
  not send loses the record there, as on AWS.

Not modelled: parallelisation factor, tumbling and batching windows, several shards (there is one),
SNS and S3 destinations.
Source: "Using AWS Lambda with Amazon DynamoDB" in the AWS Lambda developer guide, its sections on
partial batch responses and on discarded records.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
Mapping = dict[str, Any]

logger = logging.getLogger("stream_mapping")

FIRST_RETRY_PAUSE_SECONDS = 0.1
LONGEST_RETRY_PAUSE_SECONDS = 5.0
ONLY_SHARD_ID = "shardId-00000000000000000000-00000000"


@dataclass(frozen=True)
class Policy:
    """What a mapping was told to do when its function fails."""

    reports_item_failures: bool
    bisects: bool
    max_retries: int
    max_age_seconds: int

    @classmethod
    def of(cls, mapping: Mapping) -> Policy:
        """Read the policy of a mapping; what it does not say has AWS's default."""
        return cls(
            reports_item_failures="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
            bisects=bool(mapping.get("BisectBatchOnFunctionError")),
            max_retries=_limit(mapping.get("MaximumRetryAttempts")),
            max_age_seconds=_limit(mapping.get("MaximumRecordAgeInSeconds")),
        )


@dataclass(frozen=True)
class Batch:
    """Records to hand over together, and what was already tried with them."""

    records: list[Record]
    invocations: int = 0
    retries: int = 0


@dataclass(frozen=True)
class Outcome:
    """What an invocation did with a batch: records before `handled` are done with."""

    handled: int
    function_error: bool = False
    throttled: bool = False


@dataclass(frozen=True)
class GivenUp:
    """Records that will not be sent again, and why."""

    batch: Batch
    condition: str
    function_error: bool = False


def read_outcome(result: dict[str, Any], records: list[Record], policy: Policy) -> Outcome:
    """Judge an invocation's result as the mapping does."""
    if result.get("throttle"):
        return Outcome(handled=0, throttled=True)
    if result.get("error"):
        return Outcome(handled=0, function_error=True)
    if policy.reports_item_failures:
        return Outcome(handled=first_failed(result.get("body"), records))
    return Outcome(handled=len(records))


def first_failed(answer: Any, records: list[Record]) -> int:
    """The index of the first record that the function reported; the batch's length if none."""
    if answer is None:
        return len(records)
    if not isinstance(answer, dict):
        return 0
    places = {sequence_number(record): place for place, record in enumerate(records)}
    failures = answer.get("batchItemFailures") or []
    return min((places.get(_identifier(failure), 0) for failure in failures), default=len(records))


def plan_retries(batch: Batch, outcome: Outcome, policy: Policy) -> tuple[list[Batch], GivenUp | None]:
    """Say what is sent again after an invocation, in order, or what is given up."""
    records = batch.records[outcome.handled :]
    if not records:
        return [], None
    if outcome.throttled:
        return [Batch(records, batch.invocations, batch.retries)], None
    invocations = batch.invocations + 1
    if outcome.function_error and policy.bisects and len(records) > 1:
        middle = len(records) // 2
        return [Batch(half, invocations, batch.retries) for half in (records[:middle], records[middle:])], None
    if 0 <= policy.max_retries <= batch.retries:
        spent = Batch(records, invocations, batch.retries)
        return [], GivenUp(spent, "RetryAttemptsExhausted", outcome.function_error)
    return [Batch(records, invocations, batch.retries + 1)], None


def drop_aged(batch: Batch, policy: Policy, now: float) -> tuple[Batch, GivenUp | None]:
    """Split off the records at the batch's head that are too old to be sent."""
    if policy.max_age_seconds < 0:
        return batch, None
    fresh = next(
        (i for i, record in enumerate(batch.records) if now - created_at(record) <= policy.max_age_seconds),
        len(batch.records),
    )
    if fresh == 0:
        return batch, None
    aged = Batch(batch.records[:fresh], batch.invocations, batch.retries)
    rest = Batch(batch.records[fresh:], batch.invocations, batch.retries)
    return rest, GivenUp(aged, "RecordAgeExceeded")


def failure_record(given_up: GivenUp, mapping: Mapping, now: float) -> dict[str, Any]:
    """AWS's invocation record for an on-failure destination: where the records are, not what."""
    batch = given_up.batch
    response_context = {"statusCode": 200, "executedVersion": "$LATEST"}
    if given_up.function_error:
        response_context["functionError"] = "Unhandled"
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": mapping["FunctionArn"],
            "condition": given_up.condition,
            "approximateInvokeCount": batch.invocations,
        },
        "responseContext": response_context,
        "version": "1.0",
        "timestamp": _iso_millis(now),
        "DDBStreamBatchInfo": {
            "shardId": ONLY_SHARD_ID,
            "startSequenceNumber": sequence_number(batch.records[0]),
            "endSequenceNumber": sequence_number(batch.records[-1]),
            "approximateArrivalOfFirstRecord": _iso_seconds(created_at(batch.records[0])),
            "approximateArrivalOfLastRecord": _iso_seconds(created_at(batch.records[-1])),
            "batchSize": len(batch.records),
            "streamArn": mapping["EventSourceArn"],
        },
    }


def sequence_number(record: Record) -> str:
    """The record's place in its shard."""
    return record["dynamodb"]["SequenceNumber"]


def created_at(record: Record) -> float:
    """When the change was made, in seconds since 1970."""
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def let_a_day_pass(poller: StreamPoller) -> None:
    """Lose whatever streams hold, as when a day went by: a stream keeps a record for 24 hours.

    What a mapping has read and not handed over yet is lost with it, as a shard's iterator is. Records are taken
    away here, not made older: writers and readers would trim them at one moment, and one of them too many.
    """
    from ministack.services import dynamodb

    for (account, region, table), records in list(dynamodb._stream_records.all_items()):
        lost = len(records)
        del records[:lost]
        trimmed = dynamodb._stream_trimmed.get_scoped(account, region, table, 0)
        dynamodb._stream_trimmed.set_scoped(account, region, table, trimmed + lost)
    poller.forget()


class StreamPoller:
    """Takes the place of the emulator's own poller of DynamoDB streams.

    A batch that was read is kept here until it is done with, in the pieces that are left of it;
    only then is the next one read. Each mapping works off the poll thread, one batch at a time.
    """

    def __init__(self) -> None:
        self._pieces: dict[str, deque[Batch]] = {}

    def poll(self) -> bool:
        """Give each idle mapping its next batch; true when one got work."""
        from ministack.services import lambda_svc

        got_work = [self._poll_mapping(*scoped) for scoped in lambda_svc._iter_all_esms()]
        return any(got_work)

    def forget(self) -> None:
        """Drop what was read and is not being handed over at this moment."""
        from ministack.services import lambda_svc

        for mapping_id, pieces in self._pieces.items():
            if mapping_id not in lambda_svc._esm_inflight:
                pieces.clear()

    def _poll_mapping(self, account: str, region: str, mapping: Mapping) -> bool:
        from ministack.services import lambda_svc

        mapping_id = mapping["UUID"]
        if not mapping.get("Enabled", True) or mapping_id in lambda_svc._esm_inflight:
            return False
        with _scope(account, region):
            function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
            batch = self._next_batch(mapping) if function else None
            if batch is None:
                return False
            lambda_svc._dispatch_esm_batch(mapping_id, self._deliver, mapping, function, batch)
            return True

    def _next_batch(self, mapping: Mapping) -> Batch | None:
        pieces = self._pieces.setdefault(mapping["UUID"], deque())
        if not pieces:
            records = _read_stream(mapping)
            if records:
                pieces.append(Batch(records))
        return pieces[0] if pieces else None

    def _deliver(self, mapping: Mapping, function: dict[str, Any], batch: Batch) -> None:
        """Invoke the function once, keep what is left, and pause after a failure."""
        from ministack.services import lambda_svc

        policy = Policy.of(mapping)
        batch, aged = drop_aged(batch, policy, time.time())
        left, given_up = [], None
        if batch.records:
            result = lambda_svc._execute_function(function, {"Records": batch.records})
            left, given_up = plan_retries(batch, read_outcome(result, batch.records, policy), policy)
        for discarded in filter(None, (aged, given_up)):
            _send_to_destination(discarded, mapping, function)
        pieces = self._pieces[mapping["UUID"]]
        pieces.popleft()
        pieces.extendleft(reversed(left))
        _note(mapping, batch, left, given_up)
        if left:
            time.sleep(_pause_seconds(left[0]))


@contextmanager
def _scope(account: str, region: str) -> Iterator[None]:
    """The account and Region that the emulator's tables of resources are read in."""
    from ministack.services import lambda_svc

    account_token = lambda_svc._request_account_id.set(account)
    region_token = lambda_svc._request_region.set(region)
    try:
        yield
    finally:
        lambda_svc._request_account_id.reset(account_token)
        lambda_svc._request_region.reset(region_token)


def _read_stream(mapping: Mapping) -> list[Record]:
    """The next records that pass the mapping's filter; what is read is not read again."""
    from ministack.services import dynamodb, lambda_svc

    table_name = _streamed_table(mapping["EventSourceArn"])
    if table_name is None:
        return []
    lambda_svc._init_stream_position(
        mapping["UUID"], mapping["EventSourceArn"], mapping.get("StartingPosition", "LATEST")
    )
    with lambda_svc._dynamodb_stream_positions_lock:
        positions = lambda_svc._dynamodb_stream_positions
        position = max(positions[mapping["UUID"]], dynamodb.stream_start_position(table_name))
        records = dynamodb.stream_records_since(table_name, position, mapping.get("BatchSize", 100))
        positions[mapping["UUID"]] = position + len(records)
    return lambda_svc._apply_filter_criteria(records, mapping)


def _streamed_table(stream_arn: str) -> str | None:
    """The table whose current stream this is; none for other sources and for old streams."""
    from ministack.services import dynamodb

    if ":dynamodb:" not in stream_arn or "/stream/" not in stream_arn:
        return None
    table_name = stream_arn.split("/stream/")[0].rsplit("/", 1)[-1]
    table = dynamodb._tables.get(table_name)
    return table_name if table and table.get("LatestStreamArn") == stream_arn else None


def _send_to_destination(given_up: GivenUp, mapping: Mapping, function: dict[str, Any]) -> None:
    """Send the failure record, if the mapping has a queue for it; a refusal is logged, not raised."""
    import boto3
    from botocore.exceptions import ClientError

    queue_arn = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if not queue_arn:
        return
    _, _, _, region, account, queue_name = queue_arn.split(":")
    sqs = boto3.client("sqs", region_name=region, **_role_session(function))
    queue_url = f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{queue_name}"
    body = json.dumps(failure_record(given_up, mapping, time.time()))
    try:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    except ClientError as refusal:
        logger.error("the failure record of %s was not delivered to %s: %s", mapping["UUID"], queue_name, refusal)


def _role_session(function: dict[str, Any]) -> dict[str, str]:
    """The session of the function's role, as arguments of a client."""
    from ministack.core import lambda_runtime

    credentials = lambda_runtime.execution_credentials(function.get("config") or function)
    return {name.lower(): value for name, value in credentials.items()}


def _note(mapping: Mapping, batch: Batch, left: list[Batch], given_up: GivenUp | None) -> None:
    """Keep the outcome where `GetEventSourceMapping` shows it, and log what went wrong."""
    remaining = sum(len(piece.records) for piece in left)
    mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if left or given_up else "OK"
    if left:
        logger.warning("%d of %d records are retried by %s", remaining, len(batch.records), mapping["UUID"])
    if given_up:
        logger.error("%d records are given up by %s", len(given_up.batch.records), mapping["UUID"])


def _pause_seconds(batch: Batch) -> float:
    """AWS backs off between retries and does not say how; doubling, from a tenth of a second."""
    return min(FIRST_RETRY_PAUSE_SECONDS * 2 ** min(batch.retries, 10), LONGEST_RETRY_PAUSE_SECONDS)


def _limit(value: Any) -> int:
    return -1 if value is None else int(value)


def _identifier(failure: Any) -> str | None:
    return failure.get("itemIdentifier") if isinstance(failure, dict) else None


def _iso_millis(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _iso_seconds(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
