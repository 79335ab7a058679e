"""The local AWS: the pinned emulator with `corrections`, on loopback only, permissions enforced.

    python infra/local/engine.py --port 4566 --scratch .local/by-hand

Runs in the foreground, in the engine's own virtual environment, until it is told to stop. SIGUSR1 takes the records
that streams hold away, as on AWS when nothing read them for a day.
`stack.py` starts and stops it; run it by hand only to look at it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from corrections import WrongEngineError, apply_corrections, require_corrected_version
from stream_mapping import let_a_day_pass

LOOPBACK = "127.0.0.1"
ROOT_KEY_ID = "test"
"""The emulator takes this access key, whatever its secret, for the account's root."""


def main() -> int:
    """Serve until stopped; 2 when the installed emulator is not the pinned one."""
    arguments = parse_arguments()
    try:
        require_corrected_version()
    except WrongEngineError as problem:
        print(f"engine: {problem}", file=sys.stderr)
        return 2
    forget_aws_environment()
    os.environ.update(engine_environment(arguments.port, arguments.scratch))
    poller = apply_corrections()
    signal.signal(signal.SIGUSR1, lambda *_: let_a_day_pass(poller))
    serve()
    return 0


def parse_arguments() -> argparse.Namespace:
    """What the caller chooses."""
    parser = argparse.ArgumentParser(description="The local AWS that Pillarbox runs on.")
    parser.add_argument("--port", type=int, required=True, help="the loopback port of every service")
    parser.add_argument("--scratch", type=Path, required=True, help="a folder for the functions' files")
    return parser.parse_args()


def forget_aws_environment() -> None:
    """Drop the caller's own AWS settings: functions inherit this environment, and must not see a real key."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def engine_environment(port: int, scratch: Path) -> dict[str, str]:
    """The emulator's settings. It reads them while it is imported, so they come first."""
    return {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": ROOT_KEY_ID,
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "MINISTACK_HOST": LOOPBACK,
        "SFTP_ENABLED": "0",
        "TMPDIR": str(scratch.resolve()),
    }


def serve() -> None:
    """Hand over to the emulator, which parses `sys.argv` itself."""
    from ministack.app import main as serve_emulator

    sys.argv = [sys.argv[0]]
    serve_emulator()


if __name__ == "__main__":
    sys.exit(main())
