"""Run a command beside Amazon's own DynamoDB engine.

    python3 infra/local/dynamodb_local.py -- cargo test -p pillarbox-aws

The command finds the engine at `DYNAMODB_LOCAL_URL`; any credentials will do. The engine is empty at
the start, keeps everything in memory, listens on loopback only, sends no telemetry, and is gone when
the command ends, whose exit code is passed on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import paths
import tools
from processes import LOOPBACK, NotReadyError, end_group, free_port, start_detached, wait_for_service

START_LIMIT_SECONDS = 60


def main(arguments: list[str]) -> int:
    """Run the command given after `--`; 2 when there is none, 1 when the engine cannot be had."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python3 infra/local/dynamodb_local.py -- <command>", file=sys.stderr)
        return 2
    try:
        with dynamodb_local() as url:
            return subprocess.run(command, env={**os.environ, "DYNAMODB_LOCAL_URL": url}).returncode
    except (tools.SetupError, NotReadyError) as problem:
        print(f"dynamodb_local: {problem}", file=sys.stderr)
        return 1


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Start the engine and give its address; it ends with the block."""
    tools.install()
    port = free_port()
    log = paths.LOCAL / f"dynamodb-local-{port}.log"
    process = start_detached(command_line(port), log, {**os.environ, "DDB_LOCAL_TELEMETRY": "0"})
    try:
        url = f"http://{LOOPBACK}:{port}"
        wait_for_service(process, url, START_LIMIT_SECONDS, log)
        yield url
    finally:
        end_group(process.pid)
        process.wait()
        log.unlink()


def command_line(port: int) -> list[str]:
    """Java, the engine's libraries, and the configuration that binds it to loopback."""
    libraries = paths.DYNAMODB_LOCAL / "DynamoDBLocal_lib"
    return [
        str(tools.find_java()),
        f"-Djava.library.path={libraries}",
        f"-Dhost={LOOPBACK}",
        f"-Dport={port}",
        "-cp",
        os.pathsep.join([str(paths.DYNAMODB_LOCAL / "DynamoDBLocal.jar"), str(libraries / "*")]),
        "org.eclipse.jetty.xml.XmlConfiguration",
        str(paths.HERE / "dynamodb-local.xml"),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
