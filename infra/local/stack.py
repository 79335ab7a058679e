"""The whole of Pillarbox on this machine: `python3 infra/local/stack.py up|down|env|status`.

`up` builds the functions, starts the local AWS (`engine.py`), deploys template.yaml to it as to AWS,
and makes a first tenant with a key. It can be repeated: what runs and is unchanged is left alone.
Each stack has a name and keeps its state in `.local/<name>/`:

    engine.log    what the local AWS and, through it, the functions had to say
    engine.json   its process, its port, and the build that is deployed to it
    admin.key     the administrator's API key, kept from one run to the next
    stack.env     addresses and keys, to be read by a shell: `. .local/stack.env`
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import paths
import tools
from local_aws import Engine, log_of, scratch_of, start_local_aws
from processes import NotReadyError, answers, end_group, group_runs, last_lines, wait_until

DEFAULT_NAME = "dev"
STACK_NAME = "pillarbox"
QUICK_BUILD = {
    "CARGO_LAMBDA_COMPILER": "cargo",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}
"""The same optimised binaries as for AWS, but for link-time optimisation: it is a minute or two for each function."""
FIRST_TENANT = "demo"
TENANT_SCOPES = ("publish", "read", "operate")
KEY_SECRET_BYTES = 32
HEALTH_LIMIT_SECONDS = 30
HEARTBEAT_SECONDS = 20
BUILD = paths.LOCAL / "build"
TARGET = paths.ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
PILLARBOX = TARGET / "debug" / "pillarbox"
"""The operator's command; the tests build it with the same profile, so that it is compiled once."""


class StackError(Exception):
    """The stack cannot be brought up; its text says which step failed and what it printed."""


@dataclass(frozen=True)
class Stack:
    """A named stack and its files."""

    name: str

    @property
    def folder(self) -> Path:
        """Everything this stack keeps."""
        return paths.LOCAL / self.name

    @property
    def engine_log(self) -> Path:
        """What the engine printed since it was started last."""
        return log_of(self.folder)

    @property
    def environment_files(self) -> list[Path]:
        """Where the addresses and keys are written; the default stack's also where the README says."""
        own = self.folder / "stack.env"
        return [own, paths.LOCAL / "stack.env"] if self.name == DEFAULT_NAME else [own]

    def variables(self) -> dict[str, str]:
        """The addresses and keys, as a shell that reads the file has them."""
        exports = (shlex.split(line) for line in self.environment_files[0].read_text().splitlines())
        return dict(assignment.split("=", 1) for _export, assignment in exports)

    def engine(self) -> Engine | None:
        """The engine that runs for this stack; none when it was never started or has died."""
        engine = self.last_engine()
        return engine if engine and group_runs(engine.process_id, "engine.py") else None

    def last_engine(self) -> Engine | None:
        """The engine that was started last, whether it still runs or not."""
        record = self.folder / "engine.json"
        return Engine(**json.loads(record.read_text())) if record.exists() else None

    def remember(self, engine: Engine) -> None:
        """Keep what `engine` is to find again."""
        write_privately(self.folder / "engine.json", json.dumps(asdict(engine)))

    def clear(self) -> bool:
        """End the last engine and its functions and drop what was true of it; the log and admin key stay.

        True when something still ran. When the engine itself was killed, its functions are found by the
        folder they run in.
        """
        engine = self.last_engine()
        runs = engine is not None and group_runs(engine.process_id, str(scratch_of(self.folder)))
        if engine and runs:
            end_group(engine.process_id)
        for file in [self.folder / "engine.json", *self.environment_files]:
            file.unlink(missing_ok=True)
        shutil.rmtree(scratch_of(self.folder), ignore_errors=True)
        return runs


def main() -> int:
    """Do what was asked; 1 with a message when it cannot be done, or for `status` when nothing runs."""
    parser = argparse.ArgumentParser(description="Pillarbox on this machine.")
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--name", default=DEFAULT_NAME, help="which stack (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        return ACTIONS[arguments.action](Stack(arguments.name))
    except (StackError, NotReadyError, tools.SetupError) as problem:
        print(f"stack: {problem}", file=sys.stderr)
        return 1


def up(stack: Stack) -> int:
    """Build, start, deploy and furnish the stack, as far as that is not done."""
    tools.install()
    stack.folder.mkdir(parents=True, exist_ok=True)
    build()
    engine = stack.engine() or start_engine(stack)
    built = digest_of(BUILD)
    if engine.deployed == built and all(file.exists() for file in stack.environment_files):
        report("deployed already")
    else:
        furnish(stack, engine, deploy(stack, engine))
        stack.remember(Engine(engine.process_id, engine.port, built))
    report(f"up at {engine.url}: . {stack.environment_files[-1].relative_to(paths.ROOT)}")
    return 0


def down(stack: Stack) -> int:
    """End the engine with every function process it started, and wait until they are gone."""
    report("down" if stack.clear() else "was not up")
    return 0


def env(stack: Stack) -> int:
    """Print the addresses and keys as shell commands."""
    own = stack.environment_files[0]
    if not own.exists():
        raise StackError(f"{stack.name} is not up")
    print(own.read_text(), end="")
    return 0


def status(stack: Stack) -> int:
    """Say whether the stack runs."""
    engine = stack.engine()
    print(f"{stack.name}: up at {engine.url}, process {engine.process_id}" if engine else f"{stack.name}: down")
    return 0 if engine else 1


def build() -> None:
    """Build the functions as for AWS, but for this machine and with its own compiler, and the operator's command."""
    report("building the functions (minutes the first time, seconds when they are unchanged)")
    run(
        [paths.tool("sam"), "build", "--no-cached", "--build-dir", BUILD, *parameters(Architecture=machine())],
        {**tool_environment(), **QUICK_BUILD},
    )
    report("building the command pillarbox")
    run(["cargo", "build", "--package", "pillarbox-cli"], tool_environment())


def start_engine(stack: Stack) -> Engine:
    """Start an empty local AWS in place of the last one."""
    stack.clear()
    report("starting the local AWS")
    engine = start_local_aws(stack.folder)
    stack.remember(engine)
    return engine


def deploy(stack: Stack, engine: Engine) -> dict[str, str]:
    """Deploy the build, and return the stack's outputs."""
    report("deploying")
    admin_key_hash = hashlib.sha256(admin_key(stack).encode()).hexdigest()
    sam = paths.tool("sam")
    run(
        [
            *(sam, "deploy", "--template-file", BUILD / "template.yaml", "--stack-name", STACK_NAME),
            *("--resolve-s3", "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
            *("--capabilities", "CAPABILITY_IAM"),
            *parameters(Architecture=machine(), AdminKeySha256=admin_key_hash),
        ],
        aws_environment(engine),
    )
    listed = run(
        [sam, "list", "stack-outputs", "--stack-name", STACK_NAME, "--output", "json"], aws_environment(engine)
    )
    return {output["OutputKey"]: output["OutputValue"] for output in json.loads(listed)}


def furnish(stack: Stack, engine: Engine, outputs: dict[str, str]) -> None:
    """Wait for the API, make the first tenant and its key, and write down what a client needs."""
    url = f"{engine.url}/_aws/execute-api/{outputs['ApiId']}/$default"
    try:
        wait_until(lambda: answers(f"{url}/v1/health", 200), HEALTH_LIMIT_SECONDS, f"{url}/v1/health")
    except NotReadyError as problem:
        raise StackError(f"{problem}; the end of the engine's log:\n{last_lines(stack.engine_log)}") from None
    report(f"making the tenant {FIRST_TENANT}")
    variables = {name_of(output): value for output, value in outputs.items()}
    variables |= engine.client_variables()
    variables["PILLARBOX_URL"] = url
    variables["PILLARBOX_STACK_NAME"] = STACK_NAME
    variables["PILLARBOX_ENGINE_PROCESS_ID"] = str(engine.process_id)
    variables["PILLARBOX_ADMIN_KEY"] = admin_key(stack)
    variables["PILLARBOX_API_KEY"] = tenant_key(url, admin_key(stack))
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    for file in stack.environment_files:
        write_privately(file, text)


def tenant_key(url: str, key_of_admin: str) -> str:
    """Make the first tenant, if it is not there, and a key that may do all a tenant may."""
    as_admin = {**os.environ, "PILLARBOX_URL": url, "PILLARBOX_API_KEY": key_of_admin}
    scopes = [word for scope in TENANT_SCOPES for word in ("--scope", scope)]
    run([PILLARBOX, "tenants", "add", FIRST_TENANT], as_admin)
    return run([PILLARBOX, "keys", "add", "--tenant", FIRST_TENANT, *scopes, "--print"], as_admin).strip()


def admin_key(stack: Stack) -> str:
    """The administrator's API key, made when there is none yet."""
    file = stack.folder / "admin.key"
    if not file.exists():
        secret = base64.b32encode(secrets.token_bytes(KEY_SECRET_BYTES)).decode().rstrip("=").lower()
        write_privately(file, f"pbk__bus_{secret}")
    return file.read_text()


def parameters(**values: str) -> list[str]:
    """Template parameters, as the SAM CLI takes them."""
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]


def machine() -> str:
    """This machine's architecture in AWS's words: the local AWS runs the functions as processes."""
    return "arm64" if os.uname().machine in ("arm64", "aarch64") else "x86_64"


def name_of(output: str) -> str:
    """The variable of a stack output: `SubscriberQueueUrl` becomes `PILLARBOX_SUBSCRIBER_QUEUE_URL`."""
    return "PILLARBOX_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output).upper()


def aws_environment(engine: Engine) -> dict[str, str]:
    """The environment of a tool that talks to the local AWS; the caller's own AWS settings stay out."""
    own = {name: value for name, value in tool_environment().items() if not name.startswith("AWS_")}
    return {**own, **engine.client_variables()}


def tool_environment() -> dict[str, str]:
    """The environment of a tool: the pinned ones come first, and none reports home."""
    path = os.pathsep.join([str(paths.tool("")), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def run(command: list[str | Path], environment: dict[str, str]) -> str:
    """Run a step's command and return what it prints; what it said is the error when it fails.

    A step that takes long says so from time to time.
    """
    words = [str(word) for word in command]
    started = time.time()
    with subprocess.Popen(
        words, cwd=paths.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while True:
            try:
                output, complaints = process.communicate(timeout=HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                report(heartbeat(started))
    if process.returncode != 0:
        raise StackError(f"{' '.join(words[:3])} failed:\n{output}{complaints}")
    return output


def heartbeat(started: float) -> str:
    """What a step that is not done has done in this time."""
    crates = crates_compiled_since(started)
    progress = f", crates compiled: {crates}" if crates else ""
    return f"... {time.time() - started:.0f} s{progress}"


def crates_compiled_since(moment: float) -> int:
    """How many crates Cargo has begun to compile: each has a file with what it depends on."""
    notes = chain(TARGET.glob("*/deps/*.d"), TARGET.glob("*/*/deps/*.d"))
    return sum(1 for note in notes if modified_at(note) >= moment)


def modified_at(file: Path) -> float:
    """When the file was written; long ago, if it was removed since it was listed, as a build does with its own."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0


def digest_of(folder: Path) -> str:
    """One hash over every file of a folder and its name."""
    whole = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        whole.update(str(file.relative_to(folder)).encode())
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def write_privately(file: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def report(state: str) -> None:
    """One line of progress; standard output is left to `env` and `status`."""
    print(f"stack: {state}", file=sys.stderr, flush=True)


ACTIONS = {"up": up, "down": down, "env": env, "status": status}

if __name__ == "__main__":
    sys.exit(main())
