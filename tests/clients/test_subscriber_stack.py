"""A team's own stack, `infra/subscriber.yaml`: deployed, changed and deleted by CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import paths
from bus import Bus, Queue, Tenant, eventually, fresh
from stack import STACK_NAME

TEMPLATE = paths.ROOT / "infra" / "subscriber.yaml"
GONE = "DELETE_COMPLETE"
ROLES = ("DISPATCH", "RETRY", "OPS", "REPLAY", "SWEEP")
"""Who of the bus sends to a subscriber's queue."""


class Deployed:
    """A stack of the test's own, which holds one subscription."""

    def __init__(self, cloudformation: Any) -> None:
        self.cloudformation = cloudformation
        self.name = fresh("subscriber")
        self.stack_id = ""

    def create(self, **parameters: str) -> str:
        """Deploy it; how that ended."""
        made = self.cloudformation.create_stack(
            StackName=self.name, TemplateBody=TEMPLATE.read_text(), Parameters=in_words(parameters)
        )
        self.stack_id = made["StackId"]
        return self.settled()

    def update(self, **parameters: str) -> str:
        """Deploy it with other parameters; how that ended."""
        self.cloudformation.update_stack(
            StackName=self.name, TemplateBody=TEMPLATE.read_text(), Parameters=in_words(parameters)
        )
        return self.settled()

    def delete(self) -> str:
        """Take it down; how that ended."""
        self.cloudformation.delete_stack(StackName=self.name)
        return self.settled()

    def settled(self) -> str:
        """The stack's state, once nothing is in progress."""

        def state() -> str | None:
            [found] = self.cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"]
            return None if found["StackStatus"].endswith("IN_PROGRESS") else found["StackStatus"]

        return eventually(f"{self.name} has settled", state)

    def outputs(self) -> dict[str, str]:
        """What it tells."""
        [found] = self.cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def reasons(self) -> str:
        """What went wrong on the way, in one text."""
        events = self.cloudformation.describe_stack_events(StackName=self.stack_id)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)


def in_words(parameters: dict[str, str]) -> list[dict[str, str]]:
    """Parameters as CloudFormation takes them."""
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]


@pytest.fixture
def team(stack: Bus) -> Iterator[Deployed]:
    """A team that has deployed nothing yet, and leaves nothing behind."""
    deployed = Deployed(stack.aws("cloudformation"))
    yield deployed
    if deployed.stack_id:
        deployed.delete()


def parameters(tenant: Tenant, name: str, **others: str) -> dict[str, str]:
    """What a team of this tenant says of its subscription."""
    return {"BusStack": STACK_NAME, "SubscriptionId": name, "ApiKey": tenant.key, **others}


def registered(stack: Bus, tenant: Tenant, name: str) -> dict[str, Any] | None:
    """The subscription as the API shows it; none when there is none."""
    answer = stack.request("GET", f"/v1/subscriptions/{name}", tenant.key)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


def event(event_type: str, data: Any = None) -> dict[str, Any]:
    """A new event of this type."""
    return {"specversion": "1.0", "source": "/shop", "id": fresh("e"), "type": event_type, "data": data}


def arrives(tenant: Tenant, queue: Queue, event_type: str, data: Any = None) -> dict[str, Any]:
    """The first of such events that comes: a change of a subscription takes effect within ten seconds."""

    def came() -> dict[str, Any] | None:
        tenant.publish(event(event_type, data))
        bodies = (json.loads(message["Body"]) for message in queue.take())
        return next((body for body in bodies if body["type"] == event_type), None)

    return eventually(f"an event of type {event_type} is in {queue.url}", came)


def test_a_stack_is_a_queue_that_gets_the_events_it_asked_for_until_it_is_deleted(
    stack: Bus, tenant: Tenant, team: Deployed
) -> None:
    name = fresh("team")
    assert team.create(**parameters(tenant, name, Types="order.*,price.changed")) == "CREATE_COMPLETE", team.reasons()
    told = team.outputs()
    queue = Queue(told["QueueUrl"], stack.sqs)
    assert told["Tenant"] == tenant.id
    assert told["QueueArn"].endswith(f":{STACK_NAME}-sub-{name}")
    there = registered(stack, tenant, name)
    assert there["queue_url"] == queue.url
    assert there["retry"]["retries"] == 5

    delivered = arrives(tenant, queue, "order.created", {"total": 12.5})
    assert delivered["pbsubscription"] == name
    assert delivered["data"] == {"total": 12.5}

    pattern = '{"type": ["stock.low"], "data": {"left": [{"numeric": ["<", 3.0]}]}}'
    changed = parameters(tenant, name, Pattern=pattern, Types="", Retries="7")
    assert team.update(**changed) == "UPDATE_COMPLETE", team.reasons()
    there = registered(stack, tenant, name)
    assert there["pattern"] == json.loads(pattern)
    assert there["retry"]["retries"] == 7
    assert arrives(tenant, queue, "stock.low", {"left": 2})["data"] == {"left": 2}

    assert team.delete() == GONE, team.reasons()
    assert registered(stack, tenant, name) is None


def test_the_queue_gives_up_into_the_bus_s_dead_letters_and_is_reached_by_tls_only(
    stack: Bus, tenant: Tenant, team: Deployed
) -> None:
    name = fresh("team")
    own = {"MaxReceives": "3", "VisibilityTimeoutSeconds": "60"}
    assert team.create(**parameters(tenant, name, Types="*", **own)) == "CREATE_COMPLETE", team.reasons()
    url = team.outputs()["QueueUrl"]
    found = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == stack.variables["PILLARBOX_DEAD_LETTER_QUEUE_ARN"]
    assert int(redrive["maxReceiveCount"]) == 3
    assert found["VisibilityTimeout"] == "60"
    denied, allowed = json.loads(found["Policy"])["Statement"]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    roles = {stack.variables[f"PILLARBOX_{role}_ROLE_ARN"] for role in ROLES}
    assert set(allowed["Principal"]["AWS"]) == roles


def test_a_subscription_of_another_name_takes_the_place_of_the_old_one(
    stack: Bus, tenant: Tenant, team: Deployed
) -> None:
    old, new = fresh("team"), fresh("team")
    assert team.create(**parameters(tenant, old, Types="order.*")) == "CREATE_COMPLETE", team.reasons()
    assert team.update(**parameters(tenant, new, Types="order.*")) == "UPDATE_COMPLETE", team.reasons()
    assert registered(stack, tenant, old) is None
    assert registered(stack, tenant, new)["queue_url"] == team.outputs()["QueueUrl"]


REFUSED = {
    "another bus's key": ({"ApiKey": "pbk_demo_" + "a" * 52}, "ApiKey is not a key of this bus"),
    "a type with a star inside": ({"Types": "order.*,*.created"}, "Types[1] must be"),
    "neither types nor a pattern": ({"Types": ""}, "Pattern is missing"),
    "too many retries": ({"Retries": "21"}, "Retries retries must be"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_stack_that_says_something_wrong_fails_with_the_reason_and_leaves_nothing(
    wrong: str, stack: Bus, tenant: Tenant, team: Deployed
) -> None:
    name = fresh("team")
    others, reason = REFUSED[wrong]
    ended = team.create(**parameters(tenant, name, **{"Types": "order.*", **others}))
    assert ended == "ROLLBACK_COMPLETE", ended
    assert reason in team.reasons()
    assert "pbk_" not in team.reasons()
    assert registered(stack, tenant, name) is None


def test_an_update_that_says_something_wrong_is_rolled_back(stack: Bus, tenant: Tenant, team: Deployed) -> None:
    name = fresh("team")
    assert team.create(**parameters(tenant, name, Types="order.*")) == "CREATE_COMPLETE", team.reasons()
    before = registered(stack, tenant, name)
    ended = team.update(**parameters(tenant, name, Types="", Pattern='{"type": "order.created"}'))
    assert ended == "UPDATE_ROLLBACK_COMPLETE", ended
    assert "Pattern" in team.reasons()
    assert registered(stack, tenant, name) == before


def test_a_stack_of_one_tenant_does_not_touch_what_another_calls_by_the_same_name(
    stack: Bus, tenant: Tenant, team: Deployed
) -> None:
    name = fresh("team")
    other = stack.tenant()
    other.subscribe(name, "order.*")
    before = registered(stack, other, name)
    assert team.create(**parameters(tenant, name, Types="*")) == "CREATE_COMPLETE", team.reasons()
    assert team.delete() == GONE, team.reasons()
    assert registered(stack, other, name) == before
