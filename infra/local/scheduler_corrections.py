"""Where the pinned emulator's EventBridge Scheduler differs from AWS, put right; `corrections.py` calls it.

Not corrected: `cron(…)` is taken for UTC whatever the schedule's time zone is, a call is made without asking the
schedule's role, and one that the target refuses is not made again.
"""

from __future__ import annotations

import json
import uuid
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

Schedule = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

DEFAULT_GROUP = "default"
SCHEDULES = "/schedules/"
LARGEST_PAGE = 100
PASSED_TO_SCHEDULER = {"iam:PassedToService": "scheduler.amazonaws.com"}
FORBIDDEN = 403


def correct_scheduler(scheduler: ModuleType, eventbridge: ModuleType, iam_actions: ModuleType) -> None:
    """Put every correction of it in place."""
    fill_in_context_attributes(scheduler, eventbridge)
    refuse_what_is_no_schedule(scheduler, eventbridge)
    list_page_by_page(scheduler)
    authorize_by_the_schedules_group(iam_actions)
    ask_whether_the_role_may_be_passed(scheduler)


def fill_in_context_attributes(scheduler: ModuleType, eventbridge: ModuleType) -> None:
    """Put what they stand for in the place of keywords such as `<aws.scheduler.scheduled-time>` in a target's input.

    Source: "Adding context attributes in EventBridge Scheduler", EventBridge Scheduler user guide.
    """
    invoke: Callable[..., None] = eventbridge._invoke_target

    def invoke_filled_in(target: dict, event: dict, rule: dict, *rest: Any) -> None:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            due = scheduled_time(scheduler, eventbridge, rule, event["Time"])
            target = {**target, "Input": filled_in(target["Input"], rule["Arn"], due)}
        invoke(target, event, rule, *rest)

    eventbridge._invoke_target = invoke_filled_in


def scheduled_time(scheduler: ModuleType, eventbridge: ModuleType, schedule: Schedule, now: float) -> datetime:
    """The time of a schedule that a call at this moment is for: the moment itself is some seconds later."""
    expression = schedule["ScheduleExpression"]
    at = scheduler._at_time_epoch(expression)
    interval = eventbridge._parse_rate_seconds(expression)
    if at is not None:
        due = at
    elif interval is not None:
        due = now - (now - schedule["CreationDate"]) % interval
    else:
        due = now - now % 60
    return datetime.fromtimestamp(due, UTC)


def filled_in(text: str, schedule_arn: str, due: datetime) -> str:
    """A target's input with the context of one call."""
    context = {
        "schedule-arn": schedule_arn,
        "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": uuid.uuid4().hex[:16],
        "attempt-number": "1",
    }
    for name, value in context.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def refuse_what_is_no_schedule(scheduler: ModuleType, eventbridge: ModuleType) -> None:
    """Refuse a schedule whose expression or time zone is none, instead of never calling it.

    Source: `ValidationException` of CreateSchedule and UpdateSchedule, EventBridge Scheduler API reference.
    """
    zones = zoneinfo.available_timezones()

    def fault_of(request: dict) -> str | None:
        expression = request.get("ScheduleExpression", "")
        readers = (scheduler._at_time_epoch, eventbridge._parse_rate_seconds, eventbridge._parse_cron_fields)
        zone = request.get("ScheduleExpressionTimezone", "UTC")
        if expression and all(read(expression) is None for read in readers):
            return f"Invalid Schedule Expression {expression}."
        # A machine without a database of time zones knows none.
        return f"Invalid ScheduleExpressionTimezone {zone}." if zones and zone not in zones else None

    def checked(make: Callable[[str, dict], Response]) -> Callable[[str, dict], Response]:
        def make_if_sound(name: str, request: dict) -> Response:
            fault = fault_of(request)
            return scheduler._error(400, "ValidationException", fault) if fault else make(name, request)

        return make_if_sound

    scheduler._create_schedule = checked(scheduler._create_schedule)
    scheduler._update_schedule = checked(scheduler._update_schedule)


def list_page_by_page(scheduler: ModuleType) -> None:
    """Answer a list with `NextToken` where there is more than a page of it; the emulator leaves out the rest.

    Source: ListSchedules, EventBridge Scheduler API reference.
    """
    list_all: Callable[[dict], Response] = scheduler._list_schedules

    def list_page(query: dict) -> Response:
        status, headers, body = list_all({**query, "MaxResults": len(scheduler._schedules) + 1})
        schedules = json.loads(body)["Schedules"]
        start = int(query.get("NextToken") or 0)
        end = start + int(query.get("MaxResults") or LARGEST_PAGE)
        page = {"Schedules": schedules[start:end], "NextToken": str(end) if end < len(schedules) else None}
        return status, headers, json.dumps(page).encode()

    scheduler._list_schedules = list_page


def authorize_by_the_schedules_group(iam_actions: ModuleType) -> None:
    """Ask for the permission on the schedule of the group that it is in; the emulator takes any for the default one.

    Source: "Actions, resources, and condition keys for Amazon EventBridge Scheduler", Service Authorization Reference.
    """
    resource_of: Callable[..., str] = iam_actions.extract_resource_arn

    def resource_in_group(
        service: str, method: str, path: str, headers: dict, body: bytes, query: dict, *at: str
    ) -> str:
        resource = resource_of(service, method, path, headers, body, query, *at)
        if service != "scheduler" or not path.startswith(SCHEDULES):
            return resource
        group = group_of(body, query)
        return resource.replace(f":schedule/{DEFAULT_GROUP}/", f":schedule/{group}/", 1)

    iam_actions.extract_resource_arn = resource_in_group


def group_of(body: bytes, query: dict) -> str:
    """The group that a request about one schedule names, in its body or in its query."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = {}
    named = query.get("groupName") or request.get("GroupName") or DEFAULT_GROUP
    return named[0] if isinstance(named, list) else named


def ask_whether_the_role_may_be_passed(scheduler: ModuleType) -> None:
    """Make a schedule need `iam:PassRole` on the role that its calls are made in.

    Source: "Actions, resources, and condition keys for Amazon EventBridge Scheduler", Service Authorization Reference.
    """
    handle: Callable[..., Any] = scheduler.handle_request

    async def handle_if_passed(method: str, path: str, headers: dict, body: bytes, query: dict) -> Response:
        role_arn = passed_role(method, path, body)
        if role_arn and not may_pass(role_arn, headers, query):
            told = f"User is not authorized to perform: iam:PassRole on resource: {role_arn}"
            return scheduler._error(FORBIDDEN, "AccessDeniedException", told)
        return await handle(method, path, headers, body, query)

    scheduler.handle_request = handle_if_passed


def passed_role(method: str, path: str, body: bytes) -> str | None:
    """The role that a request gives to a schedule, if it makes or changes one."""
    if method not in ("POST", "PUT") or not path.startswith(SCHEDULES):
        return None
    try:
        return json.loads(body)["Target"]["RoleArn"]
    except (ValueError, KeyError, TypeError):
        return None


def may_pass(role_arn: str, headers: dict, query: dict) -> bool:
    """Whether whoever sends a request may give this role to schedules."""
    from ministack.core.iam_evaluator import enforce
    from ministack.core.responses import get_region
    from ministack.core.router import extract_access_key_id

    access_key = extract_access_key_id(headers, query)
    action = ("iam:PassRole", "iam", get_region())
    return enforce(access_key, *action, resource_arn=role_arn, service_context=PASSED_TO_SCHEDULER) is None
