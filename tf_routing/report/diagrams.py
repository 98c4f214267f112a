"""Diagrams of networks whose marks take the values of an image that one clicks: blocks, trees of exits, and flows.

A diagram is drawn once, empty. For every image there is a list of values, one per mark, and the page's script fills
them in.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing import exit_tree
from tf_routing.analysis.routing_flow import RouteFlow
from tf_routing.exit_tree import Exit, Stage
from tf_routing.report.markup import escape, readable, scrolling

# Of a flow: widths and heights in units, which are about pixels.
_PATH, _PERIOD, _DEPTH, _MARGIN, _BOX = 92, 156, 92, 70, (54, 28)


class Mark(NamedTuple):
    """A part of a diagram that shows a value in [0, 1].

    Args:
        label: What it stands for.
        on: Word for what runs, empty where the value is shown as a number.
        off: Word for what does not.
    """

    label: str
    on: str = ""
    off: str = ""


class Diagram(NamedTuple):
    """An empty diagram.

    Args:
        markup: HTML, with an element for each mark.
        marks: What its marks stand for, in the order of the values.
        about: How to read it, a sentence.
    """

    markup: str
    marks: tuple[Mark, ...]
    about: str


def fill_mark(number: int, mark: Mark, tag: str = "span", kind: str = "", shows: bool = False) -> str:
    """Returns an element that the page's script gives the value of an image.

    Args:
        number: Integer, which value.
        mark: What it stands for.
        tag: Name of the element.
        kind: Class for the style sheet.
        shows: Boolean, whether the value is seen as text; screen readers read it in any case.
    """
    words = f' data-on="{mark.on}" data-off="{mark.off}"' if mark.on else ""
    state = f'<span class="state{"" if shows else " hidden"}"></span>'
    return f'<{tag} class="mark {kind}" data-mark="{number}"{words}>{state}</{tag}>'


def block_diagram(choices: Mapping[str, int]) -> Diagram:
    """Returns the diagram of a network that skips: its blocks in order of depth, a box for each part that may be off.

    Args:
        choices: Number of switches by name of the decision.

    Example:

    >>> [mark.label for mark in block_diagram({"router_1": 1, "router_2": 2}).marks]
    ['router 1', 'router 2, part 1', 'router 2, part 2']
    """
    marks, items = [], ""
    for place, (name, count) in enumerate(choices.items(), 1):
        boxes = ""
        for part in range(1, count + 1):
            label = readable(name) if count == 1 else f"{readable(name)}, part {part}"
            marks.append(Mark(label, "ran", "left out"))
            boxes += fill_mark(len(marks) - 1, marks[-1], kind="box")
        number = re.search(r"\d+$", name)
        said = f'<span class="hidden">{escape(readable(name))}: </span>'
        items += (
            f'<li>{said}{boxes}<span class="number" aria-hidden="true">{number[0] if number else place}</span></li>'
        )
    about = "Each box is a part that images may skip, first to last: filled is what ran, dashed what was left out."
    return Diagram(f'<ol class="blocks">{items}</ol>', tuple(marks), about)


def tree_diagram(tree: Stage | Exit) -> Diagram:
    """Returns the diagram of a network that is left early: its columns and exits from top to bottom, branches indented.

    Args:
        tree: The network's shape.

    Example:

    >>> chain = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    >>> [mark.label for mark in tree_diagram(chain).marks]
    ['column 1', 'exit 1', 'column 2', 'exit 2']
    """
    marks: list[Mark] = []
    rows: list[str] = []

    def add(name: str, level: int, mark: Mark, kind: str) -> None:
        """Adds a row for a layer."""
        marks.append(mark)
        dot = fill_mark(len(marks) - 1, mark, kind=f"node {kind}", shows=True)
        rows.append(f'<li style="--level:{level}"><span class="name">{escape(readable(name))}</span>{dot}</li>')

    def lay(part: Stage | Exit, level: int) -> None:
        """Adds a part of the tree and what follows it; the last that may follow goes on below, others to the side."""
        if isinstance(part, Exit):
            add(part.layer, level, Mark(readable(part.layer), "left here", ""), "exit")
            return
        for step in exit_tree.steps(part):
            add(step, level, Mark(readable(step), "ran", "not reached"), "column")
        for sink in part.sinks[:-1]:
            lay(sink, level + 1)
        lay(part.sinks[-1], level)

    lay(tree, 0)
    about = (
        "Columns run from top to bottom; what is indented branches off from the column above it. Bold is the way that "
        "the image took."
    )
    return Diagram(f'<ol class="tree">{"".join(rows)}</ol>', tuple(marks), about)


def tree_values(tree: Stage | Exit, taken: str) -> list[float]:
    """Returns the values of a `tree_diagram` for an image that leaves at an exit."""
    way = next(set(route.layers) for route in exit_tree.routes(tree) if route.exit == taken)
    values: list[float] = []

    def walk(part: Stage | Exit) -> None:
        """Adds the values of a part, in the order of its marks."""
        count = 1 if isinstance(part, Exit) else len(exit_tree.steps(part))
        values.extend([float(not way.isdisjoint(part.layers))] * count)
        for sink in exit_tree.sinks(part):
            walk(sink)

    walk(tree)
    return values


def flow_diagram(flow: Sequence[RouteFlow]) -> Diagram:
    """Returns the diagram of a multi-path network: tensors as boxes, gates as lines between them, from top to bottom.

    Args:
        flow: The flow of any image through it, for its shape.
    """
    marks: list[Mark] = []
    width = _MARGIN + _PATH * max(max(route.gates.shape) for route in flow)
    height = _PERIOD * (len(flow) - 1) + _DEPTH + 2 * _BOX[1]
    drawn = ""
    for number, route in enumerate(flow):
        top = _BOX[1] + number * _PERIOD
        inputs, outputs = route.gates.shape
        starts, ends = (_spread(count, width) for count in (inputs, outputs))
        name = readable(route.name)
        boxes = "".join(_draw_box(marks, x, top, f"{name}, input {i}") for i, x in enumerate(starts, 1))
        gates = "".join(
            _draw_gate(marks, (start, top), (end, top + _DEPTH), f"{name}, gate {i} to {j}")
            for i, start in enumerate(starts, 1)
            for j, end in enumerate(ends, 1)
        )
        boxes += "".join(_draw_box(marks, x, top + _DEPTH, f"{name}, output {j}") for j, x in enumerate(ends, 1))
        if number:
            links = "".join(
                f'<path class="link" d="M{x:.0f} {top - _PERIOD + _DEPTH + _BOX[1] / 2:.0f}V{top - _BOX[1] / 2:.0f}"/>'
                for x in starts
            )
            gates = links + gates
        drawn += gates + boxes + f'<text x="0" y="{top + _DEPTH / 2 + 4:.0f}">{escape(name)}</text>'
    about = (
        "Red boxes are tensors, with their shares of the activation at that place; blue circles and lines are "
        "gates, the stronger the more they let through."
    )
    said = f"Routing flow, {len(flow)} layers; the table below has its numbers"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    svg = f'<svg role="img" aria-label="{said}" {size}>{drawn}</svg>'
    return Diagram(scrolling("Routing flow", svg, "flow"), tuple(marks), about)


def flow_values(flow: Sequence[RouteFlow]) -> list[float]:
    """Returns the values of a `flow_diagram` for the flow of an image."""
    return [
        float(value)
        for route in flow
        for part in (route.inputs, route.gates.ravel(), route.outputs)
        for value in np.asarray(part)
    ]


def _spread(count: int, width: int) -> list[float]:
    """Returns the middles of so many boxes side by side, all together in the middle of the diagram."""
    middle = (_MARGIN + width) / 2
    return [middle + _PATH * (number - (count - 1) / 2) for number in range(count)]


def _draw_box(marks: list[Mark], x: float, y: float, label: str) -> str:
    marks.append(Mark(label))
    place = f'x="{x - _BOX[0] / 2:.0f}" y="{y - _BOX[1] / 2:.0f}" width="{_BOX[0]}" height="{_BOX[1]}" rx="3"'
    return (
        f'<g class="mark share" data-mark="{len(marks) - 1}"><title>{escape(label)}</title>'
        f'<rect class="paper" {place}/><rect class="value" {place}/>'
        f'<text class="state middle" x="{x:.0f}" y="{y + 4:.0f}"></text></g>'
    )


def _draw_gate(marks: list[Mark], start: tuple[float, float], end: tuple[float, float], label: str) -> str:
    marks.append(Mark(label))
    # So far along the line those of one input have parted, and those of two have not yet crossed.
    x, y = (a + 0.28 * (b - a) for a, b in zip(start, end, strict=True))
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="6.5"'
    return (
        f'<g class="mark gate" data-mark="{len(marks) - 1}"><title>{escape(label)}</title>'
        f'<path class="value" d="M{start[0]:.0f} {start[1]:.0f}L{end[0]:.0f} {end[1]:.0f}"/>'
        f'<circle class="paper" {place}/><circle class="value" {place}/></g>'
    )


def list_choices(routes: Mapping[str, Any]) -> dict[str, int]:
    """Returns the number of switches by name of the decision."""
    return {name: each.shape[1] for name, each in routes.items()}
