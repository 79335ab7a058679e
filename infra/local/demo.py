"""The main job on real input: `python3 infra/local/demo.py`.

Brings the stack up (`stack.py`), then sends 329 real webhook deliveries through it, twice, and prints what
was accepted, recognised as a duplicate and delivered (`demo_run.py`). Then it breaks a subscriber, mends it,
and redrives what could not be delivered meanwhile (`demo_failure.py`). Anything that is off is an error.
"""

from __future__ import annotations

import subprocess
import sys

import paths
import processes
import stack
import tools


def main() -> int:
    """Bring the stack up, and run the demo where its libraries are: among the pinned tools."""
    try:
        stack.up(stack.Stack(stack.DEFAULT_NAME))
    except (stack.StackError, processes.NotReadyError, tools.SetupError) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    demo = [str(paths.python_of(paths.TOOLS_ENVIRONMENT)), str(paths.HERE / "demo_run.py")]
    return subprocess.run(demo).returncode


if __name__ == "__main__":
    sys.exit(main())
