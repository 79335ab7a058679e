"""Schedules in the corrected emulator do what AWS documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import Clients
from local_aws import REGION
from processes import wait_until
from scheduler_corrections import scheduled_time
from test_stream_mapping import make_role, queue_arn

LIMIT_SECONDS = 30
KEYWORD = "<aws.scheduler.scheduled-time>"


def make_schedule(clients: Clients, name: str, **options: Any) -> dict[str, Any]:
    """A schedule that would send to a queue of its name."""
    target = {"Arn": queue_arn(name), "RoleArn": "arn:aws:iam::000000000000:role/any", "Input": "{}"}
    defaults = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    target |= options.pop("Target", {})
    return clients("scheduler").create_schedule(Name=name, Target=target, **{**defaults, **options})


def test_a_call_tells_the_time_that_it_was_scheduled_for(corrected: Clients, name: str) -> None:
    url = corrected("sqs").create_queue(QueueName=name)["QueueUrl"]
    due = (datetime.now(UTC) - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%S")
    written = {"scheduled_at": KEYWORD, "arn": "<aws.scheduler.schedule-arn>", "other": "<aws.scheduler.nothing> <"}
    make_schedule(corrected, name, ScheduleExpression=f"at({due})", Target={"Input": json.dumps(written)})

    received = []

    def is_there() -> bool:
        received.extend(corrected("sqs").receive_message(QueueUrl=url).get("Messages", []))
        return bool(received)

    wait_until(is_there, LIMIT_SECONDS, "the schedule's message")
    body = json.loads(received[0]["Body"])
    assert body["scheduled_at"] == f"{due}Z"
    assert body["arn"] == f"arn:aws:scheduler:{REGION}:000000000000:schedule/default/{name}"
    assert body["other"] == written["other"]
    kept = corrected("scheduler").get_schedule(Name=name)
    assert json.loads(kept["Target"]["Input"]) == written, "what is kept has the keywords"


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(5 minutes)", 1_000 + 600), ("cron(0 3 * * ? *)", 1_620), ("at(1970-01-01T00:10:00)", 600)],
)
def test_a_late_call_is_for_the_time_before_it(expression: str, seconds: int) -> None:
    """The schedule was made in second 1,000, and is called in second 1,654."""
    scheduler = SimpleNamespace(_at_time_epoch=lambda text: 600.0 if text.startswith("at") else None)
    eventbridge = SimpleNamespace(_parse_rate_seconds=lambda text: 300 if text.startswith("rate") else None)
    schedule = {"ScheduleExpression": expression, "CreationDate": 1_000.0}
    assert scheduled_time(scheduler, eventbridge, schedule, 1_654.5).timestamp() == seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ScheduleExpression": "cron(0 3 * * *)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "rate(5 weeks)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "hourly"}, "Invalid Schedule Expression"),
        ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "Timezone"),
    ],
)
def test_what_is_no_schedule_is_refused(corrected: Clients, name: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        make_schedule(corrected, name, **options)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="does not exist"):
        corrected("scheduler").get_schedule(Name=name)


def test_schedules_are_listed_page_by_page_by_group_and_beginning(corrected: Clients, name: str) -> None:
    scheduler = corrected("scheduler")
    for group in (name, f"{name}-other"):
        scheduler.create_schedule_group(Name=group)
    for n in range(5):
        make_schedule(corrected, f"a.{n}", GroupName=name)
    make_schedule(corrected, "b.0", GroupName=name)
    make_schedule(corrected, "a.5", GroupName=f"{name}-other")

    paginator = scheduler.get_paginator("list_schedules")
    pages = list(paginator.paginate(GroupName=name, NamePrefix="a.", MaxResults=2))
    assert [len(page["Schedules"]) for page in pages] == [2, 2, 1]
    found = sorted(schedule["Name"] for page in pages for schedule in page["Schedules"])
    assert found == [f"a.{n}" for n in range(5)]


def test_a_schedule_that_is_there_is_not_made_again(corrected: Clients, name: str) -> None:
    make_schedule(corrected, name)
    with pytest.raises(ClientError) as refused:
        make_schedule(corrected, name, ScheduleExpression="rate(2 days)")
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    corrected("scheduler").delete_schedule(Name=name)
    with pytest.raises(ClientError) as refused:
        corrected("scheduler").delete_schedule(Name=name)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_the_times_of_a_schedule_come_back_in_whole(corrected: Clients, name: str) -> None:
    role_arn = make_role(corrected("iam"), name, "sqs:SendMessage", queue_arn(name))
    options = {"ScheduleExpression": "cron(0 3 * * ? *)", "ScheduleExpressionTimezone": "Europe/Vienna"}
    make_schedule(corrected, name, Target={"RoleArn": role_arn}, **options)
    kept = corrected("scheduler").get_schedule(Name=name)
    assert {member: kept[member] for member in options} == options
    assert kept["State"] == "ENABLED"
    assert kept["CreationDate"] <= datetime.now(UTC)
