"""The stack that is up, a tenant for each test, and programs of other languages that run against them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bus
import paths
import tools
from bus import Bus, Tenant

NodeProgram = Callable[..., Path]
RunNode = Callable[..., str]


@pytest.fixture(scope="session")
def stack() -> Iterator[Bus]:
    """The stack that this process is told of."""
    yield from bus.of_process()


@pytest.fixture
def tenant(stack: Bus) -> Tenant:
    """A tenant of this test's own."""
    return stack.tenant()


@pytest.fixture
def node_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder from which Node finds the pinned modules: programs are copied into it to be run."""
    folder = paths.CLIENTS / "programs" / request.node.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def run_node(stack: Bus) -> RunNode:
    """Runs a program on Node and returns what it prints; a failure shows what it said.

    Words are those of the command: `"program.mjs"`, or `"node_modules/.bin/tsc"` of the pinned modules.
    """
    node = str(tools.find_npm().parent / "node")

    def run(folder: Path, *words: str, text: str = "", variables: dict[str, str] | None = None) -> str:
        environment = {**os.environ, **stack.variables, **(variables or {})}
        done = subprocess.run([node, *words], cwd=folder, env=environment, input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def tsc() -> str:
    """The pinned TypeScript compiler, as a program for `run_node`."""
    return str(paths.CLIENTS / "node_modules" / "typescript" / "bin" / "tsc")
