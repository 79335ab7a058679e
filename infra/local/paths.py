"""Where things are. Everything that is made on a machine lies below `.local/`, which is never committed."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCAL = ROOT / ".local"

ENGINE_ENVIRONMENT = LOCAL / "venv-engine"
TOOLS_ENVIRONMENT = LOCAL / "venv-tools"
JAVA_ENVIRONMENT = LOCAL / "venv-java"
NODE_ENVIRONMENT = LOCAL / "venv-node"
CLIENTS_ENVIRONMENT = LOCAL / "venv-clients"
NPM_PACKAGES = LOCAL / "npm"
CLIENT_SOURCES = ROOT / "tests" / "clients"
CLIENTS = LOCAL / "clients"
"""Node looks for modules from a program's own folder upwards: the clients' programs run in folders below this one."""

DYNAMODB_LOCAL = NPM_PACKAGES / "amplify-dynamodb-simulator" / "emulator"
WEBHOOK_EXAMPLES = NPM_PACKAGES / "@octokit" / "webhooks-examples"


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / "bin" / "python"


def tool(name: str) -> Path:
    """A program of the tools' environment, by its name."""
    return TOOLS_ENVIRONMENT / "bin" / name
