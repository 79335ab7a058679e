"""The corrected emulator reads an expression once, and holds it against each item as Amazon's engine does."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

PART = "part = :part AND place BETWEEN :from AND :to"


@pytest.fixture(params=["corrected", "amazons"])
def dynamodb(request: pytest.FixtureRequest) -> Any:
    """Each engine: the same is asked of both."""
    return request.getfixturevalue(request.param)("dynamodb")


def make_table(dynamodb: Any, table: str) -> None:
    keys = [("part", "HASH"), ("place", "RANGE")]
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
    )
    for part in "ab":
        for place in range(5):
            dynamodb.put_item(TableName=table, Item={"part": {"S": part}, "place": {"S": str(place)}})


def found(dynamodb: Any, table: str, part: str, first: int, last: int) -> list[str]:
    values = {":part": {"S": part}, ":from": {"S": str(first)}, ":to": {"S": str(last)}}
    answer = dynamodb.query(TableName=table, KeyConditionExpression=PART, ExpressionAttributeValues=values)
    return [item["part"]["S"] + item["place"]["S"] for item in answer["Items"]]


def test_one_text_finds_by_the_values_and_names_of_each_call(dynamodb: Any, name: str) -> None:
    make_table(dynamodb, name)
    assert found(dynamodb, name, "a", 1, 3) == ["a1", "a2", "a3"]
    assert found(dynamodb, name, "b", 4, 9) == ["b4"]
    for attribute, place in (("part", "a"), ("place", "3")):
        answer = dynamodb.scan(
            TableName=name,
            FilterExpression="#it = :it",
            ExpressionAttributeNames={"#it": attribute},
            ExpressionAttributeValues={":it": {"S": place}},
        )
        assert {item[attribute]["S"] for item in answer["Items"]} == {place}


def test_what_cannot_be_read_is_refused_each_time(dynamodb: Any, name: str) -> None:
    make_table(dynamodb, name)
    for _ in range(2):
        with pytest.raises(ClientError, match="ValidationException"):
            dynamodb.put_item(
                TableName=name,
                Item={"part": {"S": "a"}, "place": {"S": "0"}},
                ConditionExpression="attribute_not_exists(part) AND AND size(place)",
            )
