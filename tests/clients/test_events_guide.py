"""The calls in `docs/events.md` are answered as it shows."""

from __future__ import annotations

import os
import re
import subprocess

import paths
from bus import UUID, Tenant

GUIDE = paths.ROOT / "docs" / "events.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown() -> list[tuple[str, str]]:
    """The commands of the guide, in their order, and what is shown as the answer of each: its last line."""
    blocks = BLOCK.findall(GUIDE.read_text())
    calls = [call for block in blocks for call in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [tuple(call.rstrip("\n").rsplit("\n", 1)) for call in calls]


def test_every_call_of_the_guide_is_answered_as_it_shows(tenant: Tenant) -> None:
    variables = {**os.environ, "PILLARBOX_URL": tenant.bus.url, "PILLARBOX_API_KEY": tenant.key}
    ids: dict[str, str] = {}
    calls = shown()
    assert len(calls) > 1
    for command, answer in calls:
        # What was answered before stands in later calls.
        known = UUID.sub(lambda found: ids.get(found.group(), found.group()), command)
        done = subprocess.run(["bash", "-c", known], env=variables, capture_output=True, text=True)
        for of_guide, of_answer in zip(UUID.findall(answer), UUID.findall(done.stdout), strict=False):
            assert ids.setdefault(of_guide, of_answer) == of_answer, command
        assert done.stdout == UUID.sub(lambda found: ids.get(found.group(), found.group()), answer), command
