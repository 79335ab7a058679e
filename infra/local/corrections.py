"""Where the pinned emulator differs from AWS in what Pillarbox relies on, put right.

Product code never bends to an emulator, so the emulator bends here. Each correction is held
against Amazon's own engine, or AWS's documented behaviour, by a test in `tests/`. The emulator's
private names are used, so exactly one version is accepted: after an upgrade, read the corrected
functions again, run the tests, and only then change `CORRECTED_VERSION`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache, partialmethod
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from scheduler_corrections import correct_scheduler
from stream_mapping import StreamPoller

CORRECTED_VERSION = "1.5.33"
FIRST_LOG_LINE_SECONDS = 0.005
NEXT_LOG_LINE_SECONDS = 0.002
KNOWN_EXPRESSIONS = 1_024
PARTIQL_CALLS = ("dynamodb:ExecuteStatement", "dynamodb:BatchExecuteStatement", "dynamodb:ExecuteTransaction")
PARTIQL_OPERATIONS = {"INSERT": "Insert", "UPDATE": "Update", "DELETE": "Delete", "SELECT": "Select"}

MAPPING_OPERATIONS = {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}

Item = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


class WrongEngineError(Exception):
    """The installed emulator is not the one these corrections were written for."""


def require_corrected_version() -> None:
    """Raise `WrongEngineError` unless the installed emulator is the pinned one."""
    try:
        installed = version("ministack")
    except PackageNotFoundError:
        installed = "none"
    if installed != CORRECTED_VERSION:
        raise WrongEngineError(
            f"the corrections are for ministack {CORRECTED_VERSION}, installed is {installed}: "
            "run infra/local/tools.py, or see infra/local/corrections.py to move to another version"
        )


def apply_corrections() -> StreamPoller:
    """Put every correction in place, once, before the emulator serves; what polls streams is returned."""
    require_corrected_version()
    from ministack.core import iam_actions, iam_evaluator, lambda_runtime
    from ministack.services import dynamodb, eventbridge, lambda_svc, scheduler

    put_partiql_inserts_on_the_stream(dynamodb)
    read_expressions_once(dynamodb)
    authorize_batches_as_single_calls(iam_actions)
    authorize_single_source_mappings(iam_actions)
    authorize_partiql_by_statement(iam_actions, dynamodb)
    count_loopback_as_tls(iam_evaluator)
    answer_before_the_log_is_quiet(lambda_runtime)
    correct_scheduler(scheduler, eventbridge, iam_actions)
    poller = StreamPoller()
    lambda_svc._poll_dynamodb_streams = poller.poll
    return poller


def read_expressions_once(dynamodb: ModuleType) -> None:
    """Read the text of an expression once, and not again for each item that it is held against.

    What it means stays the same. A page of an index takes a third of the time, which is what a job of 100,000 events
    needs to get its pages before it gives up on them.
    """
    tokens = lru_cache(KNOWN_EXPRESSIONS)(dynamodb._tokenize)
    dynamodb._tokenize = lambda expression: list(tokens(expression))
    dynamodb._condition_syntax_error = lru_cache(KNOWN_EXPRESSIONS)(dynamodb._condition_syntax_error)


def put_partiql_inserts_on_the_stream(dynamodb: ModuleType) -> None:
    """Make a PartiQL `INSERT` appear on the table's stream, as the same `PutItem` would.

    Alone and in a batch it appears at once. In a transaction it appears when the transaction
    has succeeded: a cancelled one leaves nothing on the stream.
    """
    insert: Callable[[dict, dict], Response] = dynamodb._partiql_insert
    transact: Callable[[dict], Response] = dynamodb._execute_transaction
    uncommitted: ContextVar[list[tuple[str, Item]] | None] = ContextVar("uncommitted", default=None)

    def emit(table_name: str, item: Item) -> None:
        dynamodb._emit_stream_event(table_name, "INSERT", None, item)

    def insert_and_emit(table: dict, statement: dict) -> Response:
        response = insert(table, statement)
        if _succeeded(response):
            inserts = uncommitted.get()
            record = (table["TableName"], _inserted_item(statement))
            emit(*record) if inserts is None else inserts.append(record)
        return response

    def transact_and_emit(request: dict) -> Response:
        inserts: list[tuple[str, Item]] = []
        token = uncommitted.set(inserts)
        try:
            response = transact(request)
        finally:
            uncommitted.reset(token)
        if _succeeded(response):
            for record in inserts:
                emit(*record)
        return response

    dynamodb._partiql_insert = insert_and_emit
    dynamodb._execute_transaction = transact_and_emit


def authorize_batches_as_single_calls(iam_actions: ModuleType) -> None:
    """Make the batch calls of SQS need the permission of the single call, which is all that AWS knows.

    Source: "Actions, resources, and condition keys for Amazon SQS", Service Authorization Reference.
    """
    extract: Callable[..., str | None] = iam_actions.extract_iam_action

    def extract_single(*request: Any) -> str | None:
        action = extract(*request)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract_single


def authorize_single_source_mappings(iam_actions: ModuleType) -> None:
    """Make looking at one event source mapping and changing it need the permissions that AWS asks for.

    The emulator takes a look at one for a list of all, and asks for nothing when one is changed or deleted.
    Source: "Actions, resources, and condition keys for AWS Lambda", Service Authorization Reference.
    """
    action_of: Callable[[str, str], str | None] = iam_actions._lambda_action

    def action_of_mapping(method: str, path: str) -> str | None:
        *_, collection, mapping_id = ("", *path.strip("/").split("/"))
        operation = MAPPING_OPERATIONS.get(method)
        is_single = collection == "event-source-mappings" and mapping_id
        return f"{operation}EventSourceMapping" if is_single and operation else action_of(method, path)

    iam_actions._lambda_action = action_of_mapping


def authorize_partiql_by_statement(iam_actions: ModuleType, dynamodb: ModuleType) -> None:
    """Make a PartiQL call need `dynamodb:PartiQLInsert` and its like on each statement's table.

    The emulator asks for the name of the call (`dynamodb:BatchExecuteStatement`), which is no action on AWS.
    Source: "IAM security policies with PartiQL for DynamoDB", Amazon DynamoDB developer guide.
    """
    checks_of_items: Callable[..., list[tuple[str, str]]] = iam_actions.dynamodb_transaction_checks

    def checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
        if action not in PARTIQL_CALLS:
            return checks_of_items(action, body, region, account)
        return [_partiql_check(dynamodb, statement, region, account) for statement in _statements(json.loads(body))]

    iam_actions.dynamodb_transaction_checks = checks


def count_loopback_as_tls(iam_evaluator: ModuleType) -> None:
    """Let a policy's `aws:SecureTransport` be true, though the emulator serves plain HTTP, on loopback only.

    On AWS it is: every SDK uses TLS unless it is told not to, and a queue policy that denies anything else is good
    practice. Source: "Amazon SQS security best practices", Amazon SQS developer guide.
    """
    resolve: Callable[[str, Any], Any] = iam_evaluator._resolve_condition_key

    def resolve_over_tls(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_over_tls


def _statements(request: dict) -> list[dict]:
    """The statements of any of the three PartiQL calls."""
    return request.get("Statements") or request.get("TransactStatements") or [request]


def _partiql_check(dynamodb: ModuleType, statement: dict, region: str, account: str) -> tuple[str, str]:
    """The permission of one statement; one that cannot be read needs a permission that no policy gives."""
    try:
        parsed = dynamodb._parse_partiql(statement.get("Statement", ""), statement.get("Parameters", []))
    except ValueError:
        return "dynamodb:PartiQLUnreadable", "*"
    operation = PARTIQL_OPERATIONS.get(parsed["op"], "Select")
    table = (parsed.get("select") or parsed)["table"]
    index = f"/index/{parsed['index']}" if parsed.get("index") else ""
    return f"dynamodb:PartiQL{operation}", f"arn:aws:dynamodb:{region}:{account}:table/{table}{index}"


def answer_before_the_log_is_quiet(lambda_runtime: ModuleType) -> None:
    """Shorten the wait for log lines that holds back a function's answer.

    The emulator waits 50 ms for a first line after each invocation; AWS does not wait. A line that
    comes later than this is kept for the next invocation's log.
    """
    drain = lambda_runtime.Worker._drain_stderr_bounded
    lambda_runtime.Worker._drain_stderr_bounded = partialmethod(
        drain, first_line_wait=FIRST_LOG_LINE_SECONDS, idle_confirm=NEXT_LOG_LINE_SECONDS
    )


def _succeeded(response: Response) -> bool:
    return response[0] == 200


def _inserted_item(statement: dict) -> Item:
    """The statement's item; a tuple given as a parameter comes wrapped in a map value."""
    item = statement["item"]
    return item["M"] if set(item) == {"M"} else item
