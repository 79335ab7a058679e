"""The stream mapping of the corrected emulator does what AWS documents; a real function runs in it."""

from __future__ import annotations

import io
import json
import os
import signal
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import Clients
from local_aws import Engine
from processes import wait_until
from test_partiql_streams import make_table

LIMIT_SECONDS = 30
ALWAYS = -1
FUNCTION = Path(__file__).with_name("function.py")


@dataclass
class Scene:
    """A table with a stream, a function that reads it, and the queue of its failures."""

    clients: Clients
    name: str
    notes: Path
    stream_arn: str = ""
    queue_url: str = ""
    role_arn: str = ""

    def put(self, *item_ids: str) -> None:
        """Write items, in this order."""
        for item_id in item_ids:
            self.clients("dynamodb").put_item(TableName=self.name, Item={"pk": {"S": item_id}})

    def map_stream(self, failures: dict[str, int], raises: bool = False, **options: Any) -> str:
        """Deploy the function with its script and let it read the stream from its beginning."""
        deploy_function(self, {"failures": failures, "raises": raises})
        mapping = self.clients("lambda").create_event_source_mapping(
            FunctionName=self.name,
            EventSourceArn=self.stream_arn,
            StartingPosition="TRIM_HORIZON",
            DestinationConfig={"OnFailure": {"Destination": queue_arn(self.name)}},
            **{"FunctionResponseTypes": ["ReportBatchItemFailures"], **options},
        )
        return mapping["UUID"]

    def batches(self) -> list[str]:
        """The ids that each invocation got, as one word."""
        return ["".join(item_id for item_id, _ in batch) for batch in self.invocations()]

    def invocations(self) -> list[list[tuple[str, str]]]:
        """The ids and sequence numbers that each invocation got."""
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait until the scene is as expected; its invocations tell what was there instead."""
        try:
            wait_until(ready, LIMIT_SECONDS, "the expected invocations")
        except Exception as late:
            raise AssertionError(f"{late}; the batches were {self.batches()}") from None

    def failure_records(self) -> list[dict[str, Any]]:
        """What the failure destination holds."""
        received = self.clients("sqs").receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [json.loads(message["Body"]) for message in received.get("Messages", [])]


@pytest.fixture
def scene(corrected: Clients, name: str, tmp_path: Path) -> Scene:
    scene = Scene(corrected, name, notes=tmp_path / "invocations")
    scene.stream_arn = make_table(corrected("dynamodb"), name, "NEW_IMAGE")
    scene.queue_url = corrected("sqs").create_queue(QueueName=name)["QueueUrl"]
    scene.role_arn = make_role(corrected("iam"), name, "sqs:SendMessage", queue_arn(name))
    return scene


def test_a_reported_failure_is_sent_again_with_what_follows_it_until_it_succeeds(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({"c": 2})
    scene.wait_for(lambda: scene.batches() == ["abcd", "cd", "cd"])
    scene.put("e")
    scene.wait_for(lambda: scene.batches() == ["abcd", "cd", "cd", "e"])
    assert scene.failure_records() == []


def test_the_lowest_reported_failure_counts(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({"b": 1, "d": 1})
    scene.wait_for(lambda: scene.batches() == ["abcd", "bcd"])


def test_a_report_is_ignored_unless_the_mapping_takes_reports(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({"b": ALWAYS}, FunctionResponseTypes=[])
    scene.wait_for(lambda: scene.batches() == ["abcd"])
    scene.put("e")
    scene.wait_for(lambda: scene.batches() == ["abcd", "e"])


def test_a_function_error_sends_the_same_batch_again(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({"b": 2}, raises=True)
    scene.wait_for(lambda: scene.batches() == ["abcd", "abcd", "abcd"])


def test_what_is_left_of_a_batch_is_given_up_after_the_last_retry_and_its_place_is_sent_on(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({"c": ALWAYS}, MaximumRetryAttempts=2)
    scene.wait_for(lambda: scene.batches() == ["abcd", "cd", "cd"])
    scene.wait_for(lambda: len(scene.failure_records()) == 1)
    scene.put("e")
    scene.wait_for(lambda: scene.batches() == ["abcd", "cd", "cd", "e"])

    (record,) = scene.failure_records()
    places = dict(scene.invocations()[0])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].endswith(f":function:{scene.name}")
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert record["version"] == "1.0"
    batch = record["DDBStreamBatchInfo"]
    assert batch["startSequenceNumber"] == places["c"]
    assert batch["endSequenceNumber"] == places["d"]
    assert batch["batchSize"] == 2
    assert batch["streamArn"] == scene.stream_arn
    assert set(batch) - {"approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord", "shardId"} == {
        "startSequenceNumber",
        "endSequenceNumber",
        "batchSize",
        "streamArn",
    }


def test_bisecting_finds_the_one_record_that_fails(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({"c": ALWAYS}, raises=True, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    scene.wait_for(lambda: scene.batches() == ["abcd", "ab", "cd", "c", "d"])
    scene.wait_for(lambda: len(scene.failure_records()) == 1)
    (record,) = scene.failure_records()
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert record["DDBStreamBatchInfo"]["startSequenceNumber"] == dict(scene.invocations()[0])["c"]


def test_a_role_that_may_not_send_loses_the_failure_record_and_the_stream_goes_on(scene: Scene) -> None:
    scene.role_arn = make_role(scene.clients("iam"), f"{scene.name}-mute", "sqs:ReceiveMessage", queue_arn(scene.name))
    scene.put("a")
    scene.map_stream({"a": ALWAYS}, MaximumRetryAttempts=0)
    scene.wait_for(lambda: scene.batches() == ["a"])
    scene.put("b")
    scene.wait_for(lambda: scene.batches() == ["a", "b"])
    assert scene.failure_records() == []


def test_filtered_records_are_not_sent(scene: Scene) -> None:
    scene.put(*"abcd")
    scene.map_stream({}, FilterCriteria={"Filters": [{"Pattern": '{"dynamodb": {"Keys": {"pk": {"S": ["c"]}}}}'}]})
    scene.wait_for(lambda: scene.batches() == ["c"])
    scene.put("d", "c")
    scene.wait_for(lambda: "".join(scene.batches()) == "c")


def test_batches_keep_their_size_and_order(scene: Scene) -> None:
    scene.put(*"abcdefg")
    scene.map_stream({"e": 1}, BatchSize=3)
    scene.wait_for(lambda: scene.batches() == ["abc", "def", "ef", "g"])


def deploy_function(scene: Scene, script: dict[str, Any]) -> None:
    scene.clients("lambda").create_function(
        FunctionName=scene.name,
        Runtime="python3.12",
        Handler="function.handler",
        Role=scene.role_arn,
        Code={"ZipFile": zipped(FUNCTION)},
        Environment={"Variables": {"SCRIPT": json.dumps(script), "INVOCATIONS": str(scene.notes)}},
    )


def make_role(iam: Any, name: str, action: str, resource: str) -> str:
    """A role that allows one action on one resource."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="test", PolicyDocument=policy(allowed))
    return role["Role"]["Arn"]


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:000000000000:{name}"


def zipped(file: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(file, file.name)
    return packed.getvalue()


def test_what_nothing_read_for_a_day_is_lost_and_what_comes_after_it_is_not(scene: Scene, engine: Engine) -> None:
    mapping_id = scene.map_stream({})
    scene.put("a")
    scene.wait_for(lambda: scene.batches() == ["a"])
    switch(scene, mapping_id, enabled=False)
    scene.put("b", "c")
    os.kill(engine.process_id, signal.SIGUSR1)
    wait_until(lambda: shown(scene) == "", LIMIT_SECONDS, "the stream is empty")
    scene.put("d")
    switch(scene, mapping_id, enabled=True)
    scene.wait_for(lambda: scene.batches() == ["a", "d"])


def switch(scene: Scene, mapping_id: str, enabled: bool) -> None:
    """Let the function read the stream, or not."""
    lambda_client = scene.clients("lambda")
    lambda_client.update_event_source_mapping(UUID=mapping_id, Enabled=enabled)
    wanted = "Enabled" if enabled else "Disabled"
    wait_until(
        lambda: lambda_client.get_event_source_mapping(UUID=mapping_id)["State"] == wanted, LIMIT_SECONDS, wanted
    )


def shown(scene: Scene) -> str:
    """The ids that the stream still holds, as one word."""
    streams = scene.clients("dynamodbstreams")
    shard = streams.describe_stream(StreamArn=scene.stream_arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=scene.stream_arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    return "".join(record["dynamodb"]["Keys"]["pk"]["S"] for record in records)
