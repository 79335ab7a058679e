"""Starting the local AWS (`engine.py`) as a process of its own, and reaching it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import paths
from processes import LOOPBACK, free_port, start_detached, wait_for_service

REGION = "us-east-1"
START_LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """A local AWS that was started: where it is, and which build was deployed to it last."""

    process_id: int
    """Also the id of the process group that the engine and its functions are."""
    port: int
    deployed: str = ""

    @property
    def url(self) -> str:
        """The address of every service."""
        return f"http://{LOOPBACK}:{self.port}"

    def client_variables(self) -> dict[str, str]:
        """What any AWS client needs to reach it as the account's root, whose key it does not check."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }


def start_local_aws(folder: Path) -> Engine:
    """Start an empty local AWS that keeps its log and its files in the folder; return when it is ready."""
    scratch_of(folder).mkdir(parents=True, exist_ok=True)
    engine_port = free_port()
    command = [
        *(str(paths.python_of(paths.ENGINE_ENVIRONMENT)), str(paths.HERE / "engine.py")),
        *("--port", str(engine_port), "--scratch", str(scratch_of(folder))),
    ]
    process = start_detached(command, log_of(folder), dict(os.environ))
    engine = Engine(process.pid, engine_port)
    wait_for_service(process, f"{engine.url}/_ministack/ready", START_LIMIT_SECONDS, log_of(folder))
    return engine


def log_of(folder: Path) -> Path:
    """What the engine and the functions say."""
    return folder / "engine.log"


def scratch_of(folder: Path) -> Path:
    """Where the functions are unpacked and run."""
    return folder / "scratch"
