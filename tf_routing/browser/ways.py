"""Draws the ways through a network that a page fills in, and says which decisions switch each of their marks on."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage
from tf_routing.report.diagrams import Diagram, block_diagram, tree_diagram

Choices = list[tuple[str, int]]
"""Decisions by name, and which of their switches: a mark is on where all of these are."""


class Way(NamedTuple):
    """A diagram of what images may take and leave out.

    Args:
        diagram: The empty diagram.
        marks: For each of its marks what it stands for, of which kind it is (`"exit"`, `"column"` or `"part"`), and
            `when`, the decisions that switch it on.
    """

    diagram: Diagram
    marks: list[dict[str, Any]]


def find_ways(choices: Mapping[str, int], tree: Stage | Exit | None) -> list[Way]:
    """Returns the diagrams of a network: its exits where it has some, and its parts that images may skip.

    Args:
        choices: Number of switches by name of the decision, as ONNX files name them.
        tree: The tree of a network with exits, else `None`.

    Example:

    >>> tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    >>> (way,) = find_ways({"junction_1": 2}, tree)
    >>> [(mark["label"], mark["when"]) for mark in way.marks][1:3]
    [('exit 1', [('junction_1', 0)]), ('column 2', [('junction_1', 1)])]
    """
    ways: list[Way] = []
    junctions: set[str] = set()
    if tree is not None:
        junctions = set(map(_as_output, exit_tree.junctions(tree)))
        ways.append(_join(tree_diagram(tree), list(_walk(tree, []))))
    parts = {name: count for name, count in choices.items() if name not in junctions}
    if parts:
        switches: list[tuple[str, Choices]] = [
            ("part", [(name, number)]) for name, count in parts.items() for number in range(count)
        ]
        ways.append(_join(block_diagram(parts), switches))
    return ways


def _join(diagram: Diagram, conditions: list[tuple[str, Choices]]) -> Way:
    both = zip(diagram.marks, conditions, strict=True)
    return Way(diagram, [{"label": mark.label, "kind": kind, "when": when} for mark, (kind, when) in both])


def _walk(part: Stage | Exit, when: Choices) -> Iterator[tuple[str, Choices]]:
    """Yields the kind of each mark of a `tree_diagram`, in its order, and the choices that lead there."""
    if isinstance(part, Exit):
        yield "exit", when
        return
    for _ in exit_tree.steps(part):
        yield "column", when
    for number, sink in enumerate(part.sinks):
        step = [] if part.junction is None else [(_as_output(part.junction), number)]
        yield from _walk(sink, when + step)


def _as_output(name: str) -> str:
    """Returns what ONNX files call a decision."""
    return name.replace("/", "_")
