"""How the local AWS starts, listens, answers and ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import paths
from conftest import Clients, clients_at
from local_aws import Engine, start_local_aws
from processes import answers, end_group, group_runs
from test_stream_mapping import FUNCTION, make_role, zipped

LISTENING = "0A"
LOOPBACK_ADDRESSES = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def test_another_version_of_the_emulator_is_refused(tmp_path: Path) -> None:
    described = tmp_path / "ministack-1.5.34.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 1.5.34\n")
    command = [sys.executable, paths.HERE / "engine.py", "--port", "1", "--scratch", tmp_path]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("engine: the corrections are for ministack 1.5.33, installed is 1.5.34")
    assert done.stderr.count("\n") == 1


def test_it_listens_on_loopback_only(engine: Engine) -> None:
    addresses = listening_addresses(engine.process_id)
    assert f"0100007F:{engine.port:04X}" in addresses
    assert [address for address in addresses if not address.startswith(LOOPBACK_ADDRESSES)] == []


def test_a_function_without_a_log_line_answers_at_once(corrected: Clients, name: str, tmp_path: Path) -> None:
    functions = corrected("lambda")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="function.handler",
        Role=make_role(corrected("iam"), name, "sqs:SendMessage", "*"),
        Code={"ZipFile": zipped(FUNCTION)},
        Environment={"Variables": {"SCRIPT": '{"failures": {}}', "INVOCATIONS": str(tmp_path / "invocations")}},
    )
    milliseconds = []
    for _ in range(20):
        start = time.perf_counter()
        functions.invoke(FunctionName=name, Payload=json.dumps({"Records": []}))
        milliseconds.append((time.perf_counter() - start) * 1000)
    assert min(milliseconds) < 40, "uncorrected, no answer comes before 50 ms"


def test_its_end_is_the_end_of_its_functions(name: str, tmp_path: Path) -> None:
    engine = start_local_aws(tmp_path)
    try:
        test_a_function_without_a_log_line_answers_at_once(clients_at(engine.url), name, tmp_path)
        assert group_runs(engine.process_id, "_worker.py")
    finally:
        end_group(engine.process_id)
    assert not group_runs(engine.process_id, "")
    assert not answers(engine.url)


def listening_addresses(process_id: int) -> list[str]:
    """The addresses that a process listens on, as Linux lists them: `<address>:<port>` in hex."""
    links = Path(f"/proc/{process_id}/fd").iterdir()
    own = {target.removeprefix("socket:[").rstrip("]") for link in links if (target := str(link.readlink()))}
    sockets = [line.split() for kind in ("tcp", "tcp6") for line in table_of(process_id, kind)]
    return [fields[1] for fields in sockets if fields[3] == LISTENING and fields[9] in own]


def table_of(process_id: int, kind: str) -> list[str]:
    return Path(f"/proc/{process_id}/net/{kind}").read_text().splitlines()[1:]
