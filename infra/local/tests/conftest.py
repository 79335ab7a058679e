"""The two real engines that the tests hold against each other: the corrected one and Amazon's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

import paths
from dynamodb_local import dynamodb_local
from local_aws import REGION, Engine, start_local_aws
from processes import end_group

Clients = Callable[[str], Any]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The corrected emulator, empty."""
    engine = start_local_aws(paths.LOCAL / "engine-tests")
    yield engine
    end_group(engine.process_id)


@pytest.fixture(scope="session")
def corrected(engine: Engine) -> Clients:
    """Clients of the corrected emulator, as root."""
    return clients_at(engine.url)


@pytest.fixture(scope="session")
def amazons() -> Iterator[Clients]:
    """Clients of Amazon's own DynamoDB engine."""
    with dynamodb_local() as url:
        yield clients_at(url)


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for whatever a test makes."""
    return f"t{uuid.uuid4().hex[:12]}"


def clients_at(url: str) -> Clients:
    """Make clients of the services at an address."""
    session = boto3.Session("test", "test", region_name=REGION)
    return lambda service: session.client(service, endpoint_url=url)
