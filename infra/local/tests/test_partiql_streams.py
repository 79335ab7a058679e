"""A PartiQL INSERT is on the stream of the corrected emulator exactly as on that of Amazon's engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import Clients
from processes import wait_until

LIMIT_SECONDS = 20
END = {"pk": {"S": "end of the test"}}

Calls = Callable[[Any, str], None]


def insert(table: str, item_id: str) -> dict[str, Any]:
    return {
        "Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'tags': ?, 'size': ?}}",
        "Parameters": [{"S": item_id}, {"M": {"colour": {"S": "red"}, "raw": {"B": b"\x00\xff"}}}, {"N": "12"}],
    }


def insert_one(dynamodb: Any, table: str) -> None:
    dynamodb.execute_statement(**insert(table, "a"))


def insert_one_twice(dynamodb: Any, table: str) -> None:
    insert_one(dynamodb, table)
    with pytest.raises(ClientError, match="Duplicate primary key exists in table"):
        insert_one(dynamodb, table)


def insert_full_batch_with_a_duplicate(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "item 07"}})
    statements = [insert(table, f"item {number:02}") for number in range(25)]
    answer = dynamodb.batch_execute_statement(Statements=statements)
    codes = [response.get("Error", {}).get("Code") for response in answer["Responses"]]
    assert codes == [None] * 7 + ["DuplicateItem"] + [None] * 17


def insert_in_transaction(dynamodb: Any, table: str) -> None:
    dynamodb.execute_transaction(TransactStatements=[insert(table, "a"), insert(table, "b")])


def insert_in_cancelled_transaction(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "b"}})
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        insert_in_transaction(dynamodb, table)


@pytest.mark.parametrize("view", ["NEW_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"])
@pytest.mark.parametrize(
    "calls",
    [
        insert_one,
        insert_one_twice,
        insert_full_batch_with_a_duplicate,
        insert_in_transaction,
        insert_in_cancelled_transaction,
    ],
)
def test_inserts_are_on_the_stream_as_amazons_engine_puts_them(
    corrected: Clients, amazons: Clients, name: str, calls: Calls, view: str
) -> None:
    records = records_of(amazons, name, calls, view)
    assert records, "nothing is no proof"
    assert records_of(corrected, name, calls, view) == records


def test_an_insert_is_on_the_stream_as_the_same_put_is(corrected: Clients, name: str) -> None:
    def put_one(dynamodb: Any, table: str) -> None:
        _, tags, size = insert(table, "a")["Parameters"]
        dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}, "tags": tags, "size": size})

    inserted = records_of(corrected, f"{name}-insert", insert_one, "NEW_IMAGE")
    assert inserted == records_of(corrected, f"{name}-put", put_one, "NEW_IMAGE")


def records_of(clients: Clients, table: str, calls: Calls, view: str) -> list[dict[str, Any]]:
    """What an engine has on the stream of a new table after the calls."""
    dynamodb = clients("dynamodb")
    stream_arn = make_table(dynamodb, table, view)
    calls(dynamodb, table)
    dynamodb.put_item(TableName=table, Item=END)
    return records_before_end(clients("dynamodbstreams"), stream_arn)


def make_table(dynamodb: Any, table: str, view: str) -> str:
    description = dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )
    return description["TableDescription"]["LatestStreamArn"]


def records_before_end(streams: Any, stream_arn: str) -> list[dict[str, Any]]:
    """The stream's records up to the marker, by key: a transaction's order is not defined."""
    records: list[dict[str, Any]] = []

    def all_are_there() -> bool:
        records[:] = read_stream(streams, stream_arn)
        return any(record["dynamodb"]["Keys"] == END for record in records)

    wait_until(all_are_there, LIMIT_SECONDS, "the last record of the stream")
    compared = [comparable(record) for record in records if record["dynamodb"]["Keys"] != END]
    return sorted(compared, key=lambda record: record["Keys"]["pk"]["S"])


def read_stream(streams: Any, stream_arn: str) -> list[dict[str, Any]]:
    records = []
    for shard in streams.describe_stream(StreamArn=stream_arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += streams.get_records(ShardIterator=iterator)["Records"]
    return records


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record is the change itself: the rest is the engine's (ids, sequence numbers, sizes)."""
    change = record["dynamodb"]
    return {
        "eventName": record["eventName"],
        "StreamViewType": change["StreamViewType"],
        "Keys": change["Keys"],
        "NewImage": change.get("NewImage"),
        "OldImage": change.get("OldImage"),
    }
