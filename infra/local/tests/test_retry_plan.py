"""What the stream mapping decides after an invocation, where a real stream would take too long to show it."""

from __future__ import annotations

from typing import Any

import pytest

from stream_mapping import Batch, Outcome, Policy, drop_aged, failure_record, first_failed, plan_retries, read_outcome

PATIENT = Policy.of({})
REPORTING = Policy.of({"FunctionResponseTypes": ["ReportBatchItemFailures"]})
NOW = 1_000_000.0


def records(*ages: float) -> list[dict[str, Any]]:
    """Records as old as given, in seconds, numbered from 0."""
    return [
        {"dynamodb": {"SequenceNumber": str(place), "ApproximateCreationDateTime": NOW - age}}
        for place, age in enumerate(ages)
    ]


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        (None, 3),
        ({}, 3),
        ({"batchItemFailures": None}, 3),
        ({"batchItemFailures": []}, 3),
        ({"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "1"}]}, 1),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
        ({"batchItemFailures": [{"identifier": "2"}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": "of another batch"}]}, 0),
        ("no object", 0),
    ],
)
def test_an_answer_is_read_as_aws_documents_it(answer: Any, place: int) -> None:
    assert first_failed(answer, records(0, 0, 0)) == place


def test_a_throttled_invocation_is_no_retry() -> None:
    batch = Batch(records(0, 0), invocations=3, retries=2)
    outcome = read_outcome({"throttle": True, "error": True}, batch.records, REPORTING)
    assert plan_retries(batch, outcome, Policy.of({"MaximumRetryAttempts": 0})) == ([batch], None)


def test_without_a_limit_a_failure_is_retried_for_ever() -> None:
    batch = Batch(records(0), invocations=10_001, retries=10_000)
    left, given_up = plan_retries(batch, Outcome(handled=0), PATIENT)
    assert (left, given_up) == ([Batch(batch.records, 10_002, 10_001)], None)


def test_progress_within_a_batch_does_not_renew_its_retries() -> None:
    batch = Batch(records(0, 0, 0), invocations=2, retries=1)
    left, given_up = plan_retries(batch, Outcome(handled=1), Policy.of({"MaximumRetryAttempts": 1}))
    assert left == []
    assert given_up is not None
    assert given_up.batch.records == batch.records[1:]


def test_aged_records_at_the_head_are_given_up_and_the_rest_is_sent() -> None:
    batch = Batch(records(90, 61, 60, 5))
    rest, aged = drop_aged(batch, Policy.of({"MaximumRecordAgeInSeconds": 60}), NOW)
    assert rest.records == batch.records[2:]
    assert aged is not None
    record = failure_record(aged, {"FunctionArn": "f", "EventSourceArn": "s"}, NOW)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["DDBStreamBatchInfo"]["batchSize"] == 2
    assert record["DDBStreamBatchInfo"]["approximateArrivalOfFirstRecord"] == "1970-01-12T13:45:10Z"
    assert record["timestamp"] == "1970-01-12T13:46:40.000Z"


def test_without_a_limit_no_record_is_too_old() -> None:
    batch = Batch(records(86_000))
    assert drop_aged(batch, PATIENT, NOW) == (batch, None)
