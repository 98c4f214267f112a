"""Positions of the exits of a tree in a drawing of it."""

import math
from itertools import combinations
from typing import NamedTuple

from tf_routing.exit_tree import Exit, Stage, sinks, steps

Point = tuple[float, float]
_FAN = math.radians(150)


class Layout(NamedTuple):
    """A network as circles and lines: the place of each exit by name, and pairs of places that follow each other."""

    exits: dict[str, Point]
    links: list[tuple[Point, Point]]


def exit_layout(tree: Stage | Exit, height: float = 0.0) -> Layout:
    """Lays a tree out as a fan: levels go outward from the first step, one unit each, and branches spread.

    A chain, which has one branch, becomes a row from left to right.

    Args:
        tree: The network's shape, see `exit_tree`.
        height: Float, where the first step is.

    Returns:
        A `Layout`.

    Example:

    >>> chain = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    >>> exit_layout(chain).exits
    {'exit_1': (0.0, 0.0), 'exit_2': (1.0, 0.0)}

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, Fig. 6 and 7.
    """
    layout = Layout({}, [])

    def lay(part: Stage | Exit, level: int, start: float, end: float, before: Point | None) -> None:
        """Places a part of the tree, and all that follows it, in a sector of the fan behind `level` steps."""
        level += len(steps(part)) if isinstance(part, Stage) else 1
        radius, angle = level - 1, (start + end) / 2
        own = (radius * math.cos(angle), height + radius * math.sin(angle))
        if before is not None:
            layout.links.append((before, own))
        layout.exits.update({leaf.layer: own for leaf in (part, *sinks(part)) if isinstance(leaf, Exit)})
        width = (end - start) / branches(part)
        for sink in _list_next_stages(part):
            end = start + width * branches(sink)
            lay(sink, level, start, end, own)
            start = end

    lay(tree, 0, -_FAN / 2, _FAN / 2, None)
    return layout


def branches(tree: Stage | Exit) -> int:
    """Returns how many ways through the columns there are; a chain has one, though it can be left early."""
    return max(1, sum(branches(sink) for sink in _list_next_stages(tree)))


def _list_next_stages(tree: Stage | Exit) -> list[Stage]:
    return [sink for sink in sinks(tree) if isinstance(sink, Stage)]


def least_distance(layout: Layout) -> float:
    """Returns the distance of the two exits that are closest, 1 where there is one exit."""
    return min((math.dist(*pair) for pair in combinations(layout.exits.values(), 2)), default=1.0)
