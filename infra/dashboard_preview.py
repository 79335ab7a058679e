"""Draws the dashboard of `observability.yaml` with made-up figures, so that it can be looked at without a stack.

`python infra/dashboard_preview.py` writes the picture that docs/observability.md shows; `--check` fails when it is not
what would be written. The figures are of one morning: at 10:50 the subscriber `billing` gets a bug, at 11:20 it is
mended and its dead letters are redriven.
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "infra" / "observability.yaml"
PICTURE = ROOT / "docs" / "pictures" / "dashboard.svg"

COLUMN, ROW, GAP = 50, 30, 5
"""Pixels of a dashboard's grid, and between two widgets."""
POINTS = 60
"""Of a line: two hours, one in two minutes."""
BUG, MENDED = 0.42, 0.67
"""When the story begins and ends, in parts of the time that is shown."""
COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b"),
    *("#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#393b79"),
)
EXAMPLES = {
    "TypeFamily": ("order", "payment", "com.github"),
    "Subscription": ("billing", "mailer", "search"),
    "Function": ("ingest", "dispatch", "dead_letter"),
    "QueueName": ("pillarbox-sub-billing", "pillarbox-sub-mailer", "pillarbox-sub-search"),
}


@dataclass(frozen=True)
class Line:
    """A metric in a graph."""

    label: str
    values: list[float]
    is_right: bool


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _short_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def widgets() -> list[dict[str, Any]]:
    """What is on the dashboard, with the defaults of the template's parameters."""
    template = yaml.load(TEMPLATE.read_text(), Loader=_Loader)  # noqa: S506 -- a safe loader with tags of its own
    names = {name: str(about.get("Default")) for name, about in template["Parameters"].items()}
    body, own = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    names |= {name: name for name in own} | {"AWS::Region": "eu-west-1"}
    filled = re.sub(r"\$\{([^!}][^}]*)\}", lambda found: names[found[1]], body)
    return json.loads(filled)["widgets"]


# ----------------------------------------------------------------------------------------------------------------------
# Figures
# ----------------------------------------------------------------------------------------------------------------------


def hump(at: float, width: float = 0.06) -> float:
    """1 in the midst of the trouble, 0 outside of it."""
    return 1 / (1 + math.exp((BUG - at) / width * 3)) * 1 / (1 + math.exp((at - MENDED) / width * 3))


def load(at: float) -> float:
    """How busy it is, around 1."""
    return 1 + 0.25 * math.sin(at * 5) + 0.1 * math.sin(at * 23)


PROFILES: dict[str, Callable[[float], float]] = {
    "EventsAccepted": lambda at: 5800 * load(at),
    "EventsDuplicate": lambda at: 60 * load(at),
    "EventsConflict": lambda at: 1.5 * load(at),
    "EventsRejected": lambda at: 9 * load(at),
    "EventsDispatched": lambda at: 5800 * load(at),
    "EventsUnrouted": lambda at: 240 * load(at),
    "DeliveriesSent": lambda at: 9300 * load(at),
    "DispatchLatency": lambda at: 180 + 60 * load(at),
    "EndToEndLatency": lambda at: 310 + 80 * load(at),
    "DeliveryRetries": lambda at: 6 + 190 * hump(at),
    "DeliveriesRetrying": lambda at: 2 + 40 * hump(at),
    "DeliveriesDeadLettered": lambda at: 45 * hump(at),
    "DeadLettersOpen": lambda at: 4 + 210 * hump(at, 0.12),
    "OldestDeadLetterAge": lambda at: 7200 * min(1, 0.4 + at),
    "OutboxPending": lambda at: 25 * load(at),
    "OldestPendingAge": lambda _: 1.0,
    "ApproximateAgeOfOldestMessage": lambda at: 2 + 60 * hump(at),
    "SealLag": lambda _: 90_000,
    "WriteUnits": lambda at: 60_000 * load(at),
    "ConsumedWriteCapacityUnits": lambda at: 30_000 * load(at),
    "ConsumedReadCapacityUnits": lambda at: 4_000 * load(at),
    "JobEvents": lambda at: 2_400 * hump(at - 0.25, 0.02),
    "BatchSize": lambda at: 24 * load(at),
    "ColdStart": lambda at: 3 * load(at),
    "Count": lambda at: 900 * load(at),
    "4xx": lambda at: 11 * load(at),
    "5xx": lambda _: 0.0,
    "Latency": lambda at: 42 * load(at),
    "IteratorAge": lambda at: 260 * load(at),
    "Duration": lambda at: 90 * load(at),
    "ConcurrentExecutions": lambda at: 34 * load(at),
    "ApproximateNumberOfMessagesNotVisible": lambda at: 5 * hump(at - 0.25, 0.02),
}
STATISTICS = {"p50": 0.6, "p95": 1.5, "p99": 2.2, "Maximum": 2.6}
"""A latency by a statistic, against its profile."""
LEVELS = {"SealLag", "OldestPendingAge", "OldestDeadLetterAge", "DeadLettersOpen", "BatchSize"}
"""Whose maximum is no extreme."""
SHARES = {
    "replays": 0,
    "OutboxTable": 0.06,
    "JobTable": 0.01,
    "DeadLetterTable": 0.02,
    "RegistryTable": 0.15,
    "authorizer": 0.2,
    "retry": 0.7,
    "replay": 0.1,
    "sweep": 3.5,
    "dead_letter": 0.4,
    "metrics": 2.5,
    "ops": 0.9,
    "registration": 0.05,
    "subscriber_example": 1.2,
}
"""What a thing of this label has of what the profile says; everything that is not named has all of it."""


def figures(name: str, statistic: str, label: str, share: float) -> list[float]:
    """Values of a metric, the same in every run; `share` is its part of what all of its kind have."""
    dice = random.Random(f"{name} {statistic} {label}")  # noqa: S311 -- figures of a picture
    profile = PROFILES.get(name, lambda _: 0.0)
    scale = share * (1 if name in LEVELS or "Latency" not in name else STATISTICS.get(statistic, 1))
    times = (number / (POINTS - 1) for number in range(POINTS))
    noise = 0.0 if name in LEVELS else 0.12
    return [max(0.0, profile(at) * scale * dice.uniform(1 - noise, 1 + noise)) for at in times]


def lines(graph: dict[str, Any]) -> list[Line]:
    """Every metric of a graph."""
    found: list[Line] = []
    before: list[str] = []
    for parts in graph["metrics"]:
        options = parts[-1] if isinstance(parts[-1], dict) else {}
        texts = [part for part in parts if isinstance(part, str)]
        if texts:
            before = written_out(texts, before)
        if options.get("visible", True):
            found.extend(searched(options) if not texts else [listed(graph, before, options)])
    return found


def written_out(texts: list[str], before: list[str]) -> list[str]:
    """`...` stands for the beginning of the metric before, `.` for what is in its place."""
    if texts[0] == "...":
        return before[: len(before) - len(texts) + 1] + texts[1:]
    return [before[place] if text == "." else text for place, text in enumerate(texts)]


def listed(graph: dict[str, Any], parts: list[str], options: dict[str, Any]) -> Line:
    """A metric that is named."""
    statistic = options.get("stat", graph["stat"])
    label = options.get("label", parts[-1])
    return Line(label, figures(parts[1], statistic, label, SHARES.get(label, 1)), options.get("yAxis") == "right")


def searched(options: dict[str, Any]) -> Iterator[Line]:
    """What a search finds, or what an expression comes to."""
    found = re.match(r"""SEARCH\('\{"[^"]+",(\w+)\} MetricName="(\w+)"[^']*', '(\w+)'""", options["expression"])
    if not found:
        yield Line(options["label"], [2.05 + 0.02 * math.sin(number / 5) for number in range(POINTS)], is_right=False)
        return
    dimension, name, statistic = found.groups()
    is_trouble = name.startswith(("Delivery", "Deliveries", "ApproximateAge"))
    shares = (0.9, 0.03, 0.05) if is_trouble else (0.6, 0.3, 0.1)
    for value, share in zip(EXAMPLES[dimension], shares, strict=True):
        share_of_latency = 0.8 + share / 2
        yield Line(
            value, figures(name, statistic, value, share_of_latency if "Latency" in name else share), is_right=False
        )


# ----------------------------------------------------------------------------------------------------------------------
# Drawing
# ----------------------------------------------------------------------------------------------------------------------


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """A line of text."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{style}">{escape(words)}</text>'


def drawn(widget: dict[str, Any]) -> str:
    """A widget in its place."""
    x, y = widget["x"] * COLUMN + GAP / 2, widget["y"] * ROW + GAP / 2
    width, height = widget["width"] * COLUMN - GAP, widget["height"] * ROW - GAP
    draw = {"text": heading, "alarm": alarms, "metric": graph}[widget["type"]]
    return f'<g transform="translate({x:g} {y:g})">\n{draw(widget["properties"], width, height)}\n</g>'


def frame(width: float, height: float) -> str:
    """What a widget stands on."""
    return f'<rect width="{width:g}" height="{height:g}" rx="4" class="card"/>'


def heading(properties: dict[str, Any], width: float, height: float) -> str:
    """A text widget: a title and a line."""
    title, _, about = properties["markdown"].partition("\n")
    return "\n".join([frame(width, height), text(12, 24, title.lstrip("# "), "h"), text(12, 44, about)])


def alarms(properties: dict[str, Any], width: float, height: float) -> str:
    """The alarms, as the story has them at 11:10."""
    names = [arn.split(":")[-1].partition("-")[2] for arn in properties["alarms"]]
    names = [name for name in names if not name.startswith("function-")] + ["function-errors …", "function-throttles …"]
    columns = 6
    wide = (width - 16) / columns
    parts = [frame(width, height), text(12, 20, properties["title"], "t")]
    for place, name in enumerate(names):
        x, y = 12 + place % columns * wide, 30 + place // columns * 28
        state = "on" if name in ("dead-letters-growing", "dead-letters-open") else "off"
        parts.append(f'<rect x="{x:g}" y="{y:g}" width="{wide - 6:g}" height="23" rx="3" class="{state}"/>')
        parts.append(text(x + 8, y + 16, name))
    return "\n".join(parts)


def graph(properties: dict[str, Any], width: float, height: float) -> str:
    """A graph with its axes, thresholds and legend."""
    all_lines = lines(properties)
    left, top, right, bottom = 46, 30, width - 46, height - 40
    marks = properties.get("annotations", {}).get("horizontal", [])
    most = nice(max((max(line.values) for line in all_lines if not line.is_right), default=0))
    shown = [mark for mark in marks if mark["value"] <= most * 4]
    most = max([most, *(nice(mark["value"]) for mark in shown)])
    most_right = nice(max((max(line.values) for line in all_lines if line.is_right), default=0))
    parts = [frame(width, height), text(12, 20, properties["title"], "t")]
    parts += axes(left, top, right, bottom, most, most_right)
    for mark in shown:
        y = bottom - mark["value"] / most * (bottom - top)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" class="mark"/>')
        parts.append(text(right, y - 3, f"{mark['label']}: {short(mark['value'])}", "m", "end"))
    for number, line in enumerate(all_lines):
        path = plotted(line.values, most_right if line.is_right else most, (left, top, right, bottom))
        parts.append(f'<path d="{path}" stroke="{COLOURS[number % len(COLOURS)]}" class="line"/>')
    parts += legend(all_lines, left, height - 10, right)
    return "\n".join(parts)


def axes(left: float, top: float, right: float, bottom: float, most: float, most_right: float) -> Iterator[str]:
    """Grid, numbers and times."""
    for part in (0, 0.5, 1):
        y = bottom - part * (bottom - top)
        yield f'<path d="M{left} {y:g}H{right}" class="grid"/>'
        yield text(left - 5, y + 3, short(part * most), "n", "end")
        if most_right > 1:
            yield text(right + 5, y + 3, short(part * most_right), "n")
    for number, time in enumerate(("10:00", "10:30", "11:00", "11:30")):
        yield text(left + number * (right - left) / 4, bottom + 13, time, "n")


def plotted(values: list[float], most: float, within: tuple[float, float, float, float]) -> str:
    """The path of a line."""
    left, top, right, bottom = within
    step = (right - left) / (len(values) - 1)
    heights = (bottom - value / most * (bottom - top) for value in values)
    points = (f"{left + number * step:.0f} {y:.1f}" for number, y in enumerate(heights))
    return "M" + "L".join(points)


def legend(all_lines: list[Line], x: float, y: float, right: float) -> Iterator[str]:
    """As many labels as there is room for."""
    for number, line in enumerate(all_lines):
        needed = 18 + 5.6 * len(line.label)
        if x + needed > right + 36:
            yield text(x, y, "…", "n")
            return
        yield f'<rect x="{x:g}" y="{y - 7:g}" width="8" height="8" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield text(x + 11, y, line.label, "n")
        x += needed


def nice(value: float) -> float:
    """The next number that ends an axis well."""
    if value <= 1:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 3, 5, 10) if step * magnitude >= value)


def short(value: float) -> str:
    """A number as an axis has room for."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


STYLE = """
text { font: 11px sans-serif; fill: #414d5c }
.h { font-size: 17px; font-weight: 600 } .t { font-size: 13px; font-weight: 600 }
.n { font-size: 9.5px } .m { font-size: 9.5px; fill: #c33 }
.card { fill: #fff; stroke: #d5dbdb } .grid { stroke: #e9ebed }
.line { fill: none; stroke-width: 1.4 } .mark { stroke: #c33; stroke-dasharray: 4 3 }
.on { fill: #fde5e5; stroke: #c33 } .off { fill: #e8f5e9; stroke: #6a9f6d }
"""


def picture() -> str:
    """The whole dashboard."""
    all_widgets = widgets()
    width = 24 * COLUMN
    height = max(widget["y"] + widget["height"] for widget in all_widgets) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>',
        *(drawn(widget) for widget in all_widgets),
        "</svg>\n",
    ]
    return "\n".join(parts)


def main() -> int:
    """Writes the picture, or says whether it is as it would be written."""
    if sys.argv[1:] == ["--check"]:
        if PICTURE.exists() and PICTURE.read_text() == picture():
            return 0
        print(f"{PICTURE.relative_to(ROOT)} is not of this dashboard: run `make dashboard-preview`", file=sys.stderr)
        return 1
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture())
    return 0


if __name__ == "__main__":
    sys.exit(main())
