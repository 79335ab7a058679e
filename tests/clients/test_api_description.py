"""What `infra/openapi.yaml` says is what the API does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from jsonschema import ValidationError

import api
import paths
from bus import UUID, Bus, Tenant

# Of these three, publishing and the schemas have as many cases as all the rest.
SCHEMAS = "^/v1/schemas"
PARTS = [
    ("--include-operation-id", "publish"),
    ("--include-path-regex", SCHEMAS),
    ("--exclude-operation-id", "publish", "--exclude-path-regex", SCHEMAS),
]

# These requests are shown because they are wrong.
NOT_VALID = {"invalid", "batch_in_part", "atomic_invalid"}


@pytest.mark.parametrize("example", list(api.examples()), ids=lambda example: f"{example.place}:{example.name}")
def test_an_example_is_what_its_schema_says(example: api.Example) -> None:
    if example.name in NOT_VALID and "/requestBody/" in example.place:
        with pytest.raises(ValidationError):
            example.check()
    else:
        example.check()


def test_every_route_is_described_and_everything_described_is_a_route(stack: Bus) -> None:
    routes = stack.aws("apigatewayv2").get_routes(ApiId=stack.variables["PILLARBOX_API_ID"])["Items"]
    deployed = {route["RouteKey"] for route in routes} - {"$default"}
    assert deployed == {f"{method} {path}" for method, path, _ in api.operations()}


def test_every_request_that_is_shown_gets_the_answer_that_is_shown(tenant: Tenant) -> None:
    [publish] = [operation for _, _, operation in api.operations() if operation["operationId"] == "publish"]
    ids: dict[str, str] = {}
    for call in api.calls(publish):
        answer = tenant.send(json.dumps(call.body), call.headers, call.query)
        assert answer.status_code == call.status, f"{call.name}: {answer.text}"
        assert answer.json() == json.loads(with_these_ids(call.answer, answer.text, ids)), call.name


def with_these_ids(shown: object, text: str, ids: dict[str, str]) -> str:
    """The answer that is shown, with the ids of the one that came: the same id stands for the same event throughout."""
    shown_text = json.dumps(shown)
    for of_shown, of_answer in zip(UUID.findall(shown_text), UUID.findall(text), strict=True):
        assert ids.setdefault(of_shown, of_answer) == of_answer
    return UUID.sub(lambda found: ids[found.group()], shown_text)


def test_whatever_is_sent_is_answered_as_described(stack: Bus) -> None:
    """Hundreds of requests, valid and not, made from the description; what is set for it is in `schemathesis.toml`."""
    # All at the same time, each on a tenant of its own: a type that has a schema is published otherwise. Several
    # threads of one process disturb each other.
    running = [schemathesis(stack, *part) for part in PARTS]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(PARTS), "\n".join(outputs)


def schemathesis(stack: Bus, *part: str) -> subprocess.Popen[str]:
    """Start it on a part of the API."""
    variables = {
        **os.environ,
        "PILLARBOX_TENANT_KEY": stack.tenant().key,
        "PYTHONPATH": str(paths.CLIENT_SOURCES),
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
    }
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(paths.CLIENT_SOURCES / "schemathesis.toml")),
        *("run", str(api.FILE), "--url", stack.url, *part),
    ]
    return subprocess.Popen(command, cwd=paths.CLIENTS, env=variables, stdout=subprocess.PIPE, text=True)
