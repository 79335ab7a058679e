"""What a role may do in the corrected emulator is what the same policy allows on AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from conftest import Clients
from local_aws import REGION, Engine
from test_partiql_streams import insert, make_table
from test_schedules import make_schedule
from test_stream_mapping import make_role, queue_arn


@pytest.fixture
def as_role(engine: Engine, corrected: Clients, name: str) -> Callable[..., Clients]:
    """Clients that act in a role which allows one action on one resource."""

    def assume(action: str, resource: str) -> Clients:
        role_arn = make_role(corrected("iam"), name, action, resource)
        session = corrected("sts").assume_role(RoleArn=role_arn, RoleSessionName=name)["Credentials"]
        own = boto3.Session(
            session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"], region_name=REGION
        )
        return lambda service: own.client(service, endpoint_url=engine.url)

    return assume


def test_sending_a_batch_needs_the_permission_to_send(
    corrected: Clients, as_role: Callable[..., Clients], name: str
) -> None:
    url, other_url = (corrected("sqs").create_queue(QueueName=queue)["QueueUrl"] for queue in (name, f"{name}-other"))
    sqs = as_role("sqs:SendMessage", queue_arn(name))("sqs")
    entry = {"Id": "1", "MessageBody": "hello", "MessageGroupId": "demo"}
    assert not sqs.send_message_batch(QueueUrl=url, Entries=[entry]).get("Failed")
    assert_denied(lambda: sqs.send_message_batch(QueueUrl=other_url, Entries=[entry]))
    assert_denied(lambda: sqs.receive_message(QueueUrl=url))


@pytest.mark.parametrize(("transport", "is_denied"), [("false", False), ("true", True)])
def test_a_policy_that_denies_all_but_tls_lets_in_what_would_come_by_tls(
    transport: str, is_denied: bool, corrected: Clients, as_role: Callable[..., Clients], name: str
) -> None:
    url = corrected("sqs").create_queue(QueueName=name)["QueueUrl"]
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue_arn(name),
        "Condition": {"Bool": {"aws:SecureTransport": transport}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    corrected("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sqs = as_role("sqs:SendMessage", queue_arn(name))("sqs")
    if is_denied:
        assert_denied(lambda: sqs.send_message(QueueUrl=url, MessageBody="hello"))
    else:
        sqs.send_message(QueueUrl=url, MessageBody="hello")


@pytest.mark.parametrize(("may", "may_not"), [("Get", "Update"), ("Update", "Get")])
def test_looking_at_a_mapping_and_changing_it_are_permissions_of_their_own(
    may: str, may_not: str, as_role: Callable[..., Clients]
) -> None:
    """The mapping is not there: whoever may ask for it is told so, anybody else that they may not."""
    mapping_id = "00000000-0000-4000-8000-000000000000"
    arn = f"arn:aws:lambda:{REGION}:000000000000:event-source-mapping:{mapping_id}"
    client = as_role(f"lambda:{may}EventSourceMapping", arn)("lambda")
    calls = {
        "Get": lambda: client.get_event_source_mapping(UUID=mapping_id),
        "Update": lambda: client.update_event_source_mapping(UUID=mapping_id, Enabled=False),
    }
    with pytest.raises(ClientError) as refusal:
        calls[may]()
    assert refusal.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert_denied(calls[may_not])
    assert_denied(client.list_event_source_mappings)


@pytest.mark.parametrize(
    ("action", "may"),
    [
        ("scheduler:CreateSchedule", "create"),
        ("scheduler:GetSchedule", "get"),
        ("scheduler:DeleteSchedule", "delete"),
    ],
)
def test_a_schedule_needs_the_permission_on_its_group(
    corrected: Clients, as_role: Callable[..., Clients], name: str, action: str, may: str
) -> None:
    for group in (name, f"{name}-other"):
        corrected("scheduler").create_schedule_group(Name=group)
    own = f"arn:aws:scheduler:{REGION}:000000000000:schedule/{name}/*"
    scheduler = as_role(action, own)("scheduler")
    passed = f"arn:aws:iam::000000000000:role/{name}"
    allow(corrected, name, "iam:PassRole", passed)
    calls = calls_about_a_schedule(scheduler, passed)
    with pytest.raises(ClientError) as refused:
        calls.pop(may)(f"{name}-other")
    assert refused.value.response["Error"]["Code"].startswith("AccessDenied")
    for call in calls.values():
        assert_denied(lambda call=call: call(name))
    if may != "create":
        make_schedule(corrected, "a.b", GroupName=name)
    calls_about_a_schedule(scheduler, passed)[may](name)
    assert_denied(lambda: scheduler.list_schedules(GroupName=name))


def test_lists_of_schedules_are_a_permission_on_all(
    corrected: Clients, as_role: Callable[..., Clients], name: str
) -> None:
    corrected("scheduler").create_schedule_group(Name=name)
    scheduler = as_role("scheduler:ListSchedules", "*")("scheduler")
    assert scheduler.list_schedules(GroupName=name)["Schedules"] == []


def test_a_role_is_given_to_a_schedule_by_who_may_pass_it(
    corrected: Clients, as_role: Callable[..., Clients], name: str
) -> None:
    corrected("scheduler").create_schedule_group(Name=name)
    scheduler = as_role("scheduler:CreateSchedule", f"arn:aws:scheduler:{REGION}:000000000000:schedule/{name}/*")(
        "scheduler"
    )
    passed, other = (f"arn:aws:iam::000000000000:role/{role}" for role in (name, f"{name}-other"))
    assert_denied(lambda: calls_about_a_schedule(scheduler, passed)["create"](name))
    condition = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    allow(corrected, name, "iam:PassRole", passed, condition)
    assert_denied(lambda: calls_about_a_schedule(scheduler, passed)["create"](name))
    allow(corrected, name, "iam:PassRole", passed, {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}})
    assert_denied(lambda: calls_about_a_schedule(scheduler, other)["create"](name))
    calls_about_a_schedule(scheduler, passed)["create"](name)


def calls_about_a_schedule(scheduler: Any, role_arn: str) -> dict[str, Callable[[str], Any]]:
    """What can be done with the schedule `a.b` of a group."""
    make = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    target = {"Arn": queue_arn("any"), "RoleArn": role_arn}
    return {
        "create": lambda group: scheduler.create_schedule(Name="a.b", GroupName=group, Target=target, **make),
        "get": lambda group: scheduler.get_schedule(Name="a.b", GroupName=group),
        "delete": lambda group: scheduler.delete_schedule(Name="a.b", GroupName=group),
    }


def allow(clients: Clients, role: str, action: str, resource: str, condition: dict | None = None) -> None:
    """Let a role do one more thing, whatever it was before."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource} | (
        {"Condition": condition} if condition else {}
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    clients("iam").put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=document)


def test_inserting_needs_the_permission_to_insert_whatever_the_call(
    corrected: Clients, as_role: Callable[..., Clients], name: str
) -> None:
    for table in (name, f"{name}-other"):
        make_table(corrected("dynamodb"), table, "NEW_IMAGE")
    dynamodb = as_role("dynamodb:PartiQLInsert", f"arn:aws:dynamodb:{REGION}:000000000000:table/{name}")("dynamodb")

    dynamodb.execute_statement(**insert(name, "a"))
    dynamodb.batch_execute_statement(Statements=[insert(name, "b")])
    dynamodb.execute_transaction(TransactStatements=[insert(name, "c")])

    mixed = [insert(name, "d"), insert(f"{name}-other", "d")]
    assert_denied(lambda: dynamodb.batch_execute_statement(Statements=mixed))
    assert_denied(lambda: dynamodb.execute_transaction(TransactStatements=mixed))
    assert_denied(lambda: dynamodb.execute_statement(Statement=f"SELECT * FROM \"{name}\" WHERE pk = 'a'"))
    assert_denied(lambda: dynamodb.execute_statement(Statement=f"DELETE FROM \"{name}\" WHERE pk = 'a'"))
    assert_denied(lambda: dynamodb.execute_statement(Statement="no statement at all"))


def assert_denied(call: Callable[[], Any]) -> None:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["Error"]["Code"].startswith("AccessDenied")
