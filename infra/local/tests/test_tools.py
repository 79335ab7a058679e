"""The set-up verifies what it fetches, and the names and keys that the stack makes have their form."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

import paths
import stack
import tools


def test_a_tarball_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    tarball = tmp_path / "package.tgz"
    tarball.write_bytes(b"something else")
    with pytest.raises(tools.SetupError, match="has SHA-512"):
        tools.verify(tools.NPM_PACKAGES[0], tarball)


def test_a_missing_program_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(tools.SetupError, match=r"cargo was not found: install the Rust toolchain"):
        tools.require_programs()


def test_the_version_of_a_missing_program_is_none() -> None:
    assert tools.major_version(["/nowhere/java", "-version"]) is None


@pytest.mark.parametrize(
    ("output", "variable"),
    [
        ("InboxTable", "PILLARBOX_INBOX_TABLE"),
        ("SubscriberQueueUrl", "PILLARBOX_SUBSCRIBER_QUEUE_URL"),
        ("ApiId", "PILLARBOX_API_ID"),
    ],
)
def test_a_stack_output_has_a_variable(output: str, variable: str) -> None:
    assert stack.name_of(output) == variable


def test_the_admin_key_has_its_form_and_stays_and_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "LOCAL", tmp_path)
    named = stack.Stack("some")
    named.folder.mkdir()
    key = stack.admin_key(named)
    assert re.fullmatch(r"pbk__bus_[a-z2-7]{52}", key)
    assert stack.admin_key(named) == key
    assert stat.S_IMODE((named.folder / "admin.key").stat().st_mode) == 0o600


def test_a_digest_changes_with_a_files_content_and_name(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap"
    file.write_bytes(b"one")
    first = stack.digest_of(tmp_path)
    file.write_bytes(b"two")
    second = stack.digest_of(tmp_path)
    file.rename(tmp_path / "other")
    assert len({first, second, stack.digest_of(tmp_path)}) == 3


def test_the_variables_are_those_that_a_shell_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "LOCAL", tmp_path)
    named = stack.Stack("some")
    named.folder.mkdir()
    named.environment_files[0].write_text("export PILLARBOX_URL='http://127.0.0.1:1/$default'\nexport A=b=c\n")
    assert named.variables() == {"PILLARBOX_URL": "http://127.0.0.1:1/$default", "A": "b=c"}


def test_a_step_that_takes_long_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(stack, "HEARTBEAT_SECONDS", 0.05)
    assert (
        stack.run(["bash", "-c", "echo before; sleep 0.2; echo after"], {"PATH": "/usr/bin:/bin"}) == "before\nafter\n"
    )
    assert "stack: ... 0 s" in capsys.readouterr().err


def test_a_step_that_fails_shows_what_it_said() -> None:
    with pytest.raises(stack.StackError, match=r"(?s)bash -c .* failed:\nout\nwhy"):
        stack.run(["bash", "-c", "echo out; echo why >&2; exit 3"], {"PATH": "/usr/bin:/bin"})


@pytest.fixture
def npm_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What npm was asked for; it does nothing."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(tools, "run_npm", lambda *arguments: calls.append(arguments))
    return calls


def test_node_modules_are_installed_from_the_lock_file_and_run_nothing(
    tmp_path: Path, npm_calls: list[tuple[str, ...]]
) -> None:
    target = tmp_path / "clients"
    tools.ensure_node_modules(paths.CLIENT_SOURCES, target)
    assert npm_calls == [("ci", "--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund")]
    assert {file.name for file in target.iterdir()} == {"package.json", "package-lock.json", ".pillarbox-stamp"}


def test_node_modules_are_installed_again_only_when_a_pin_changes(
    tmp_path: Path, npm_calls: list[tuple[str, ...]]
) -> None:
    sources, target = tmp_path / "sources", tmp_path / "clients"
    sources.mkdir()
    for name in ("package.json", "package-lock.json"):
        (sources / name).write_text("{}")
    for _ in range(2):
        tools.ensure_node_modules(sources, target)
    assert len(npm_calls) == 1
    (sources / "package-lock.json").write_text('{"packages":{}}')
    tools.ensure_node_modules(sources, target)
    assert len(npm_calls) == 2


def test_node_modules_that_npm_could_not_install_are_not_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: str) -> None:
        raise tools.SetupError("npm ci failed")

    monkeypatch.setattr(tools, "run_npm", fail)
    with pytest.raises(tools.SetupError):
        tools.ensure_node_modules(paths.CLIENT_SOURCES, tmp_path / "clients")
    assert not (tmp_path / "clients" / ".pillarbox-stamp").exists()


def test_the_demo_does_without_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for step in ("ensure_environment", "ensure_node_modules", "ensure_npm_package"):
        monkeypatch.setattr(tools, step, lambda *what: done.append(str(what)))
    monkeypatch.setattr(tools, "find_java", lambda: "java")
    tools.install()
    assert not any("clients" in what for what in done)
    tools.install_clients()
    assert any("requirements-clients.txt" in what for what in done)


def test_every_version_of_the_clients_is_exact_and_names_no_registry() -> None:
    requirements = (paths.HERE / "requirements-clients.txt").read_text().splitlines()
    pins = [line for line in requirements if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[0-9a-z.]+", pin) for pin in pins), pins
    lock = json.loads((paths.CLIENT_SOURCES / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all("integrity" in package and "resolved" not in package for package in packages.values())
