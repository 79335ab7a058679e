"""Starting, awaiting and ending the programs that the local stack is made of."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

LOOPBACK = "127.0.0.1"


class NotReadyError(Exception):
    """Something was awaited and did not come in time."""


def free_port() -> int:
    """A loopback port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def start_detached(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a program that outlives this one, as the leader of its own process group, writing to the log."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def wait_until(ready: Callable[[], bool], limit_seconds: float, what: str) -> None:
    """Return as soon as `ready` holds; raise `NotReadyError` when it does not within the limit."""
    deadline = time.monotonic() + limit_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not within {limit_seconds:g} s")
        time.sleep(0.05)


def wait_for_service(process: subprocess.Popen[bytes], url: str, limit_seconds: float, log: Path) -> None:
    """Wait until a program that was just started answers; if it does not, end it and show its log."""
    try:
        wait_until(lambda: process.poll() is not None or answers(url), limit_seconds, url)
        if process.poll() is not None:
            raise NotReadyError(f"{url}: its process ended with {process.returncode}")
    except NotReadyError as problem:
        end_group(process.pid)
        raise NotReadyError(f"{problem}; the end of its log:\n{last_lines(log)}") from None


def answers(url: str, status: int | None = None) -> bool:
    """Whether the address answers over HTTP; with this status, if one is given."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return status in (None, response.status)
    except urllib.error.HTTPError as error:
        return status in (None, error.code)
    except OSError:
        return False


def group_runs(group_id: int, words: str) -> bool:
    """Whether a process of the group runs with these words in its command line: ids are used again."""
    return any(words in command for command in _commands_of(group_id))


def end_group(group_id: int, limit_seconds: float = 10) -> None:
    """End every process of a group and wait until none is left: first asked, then killed."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group_id, request)
            wait_until(lambda: not _commands_of(group_id), limit_seconds, f"the end of process group {group_id}")
        except ProcessLookupError:
            return
        except NotReadyError:
            if request == signal.SIGKILL:
                raise
        else:
            return


def last_lines(file: Path, count: int = 20) -> str:
    """The end of a log, to show when what writes it has failed."""
    return "\n".join(file.read_text(errors="replace").splitlines()[-count:]) if file.exists() else ""


def _commands_of(group_id: int) -> list[str]:
    """The command lines of a group's processes; one that ended and was not collected yet is none."""
    done = subprocess.run(["ps", "-A", "-ww", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    members = (line.split(maxsplit=2) for line in done.stdout.splitlines())
    return [command for group, state, command in members if int(group) == group_id and state[0] != "Z"]
