"""The shape of a network that leaves early: columns in a row, junctions that choose what follows, exits that classify.

Layers are named, not held: objectives, executors and the cost model read the same tree from data.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Exit(NamedTuple):
    """A leaf: the layer that classifies there."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that a sample here runs through."""
        return (self.layer,)


class Stage(NamedTuple):
    """Columns that run one behind the other, and what follows them.

    Args:
        columns: Names of the columns.
        junction: Name of the layer that chooses among the sinks, `None` where there is one sink.
        sinks: What may follow, stages and exits.

    Example:

    >>> chain = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    >>> [leaf.layer for leaf in exits(chain)]
    ['exit_1', 'exit_2']
    """

    columns: tuple[str, ...]
    junction: str | None
    sinks: tuple["Stage | Exit", ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that a sample here runs through, before it goes on."""
        return self.columns if self.junction is None else (*self.columns, self.junction)


class Route(NamedTuple):
    """A way through the tree: its exit, the layers on it, and the choice that is taken at each junction met."""

    exit: str
    layers: tuple[str, ...]
    choices: Mapping[str, int]


def parts(tree: Stage | Exit) -> Iterator[Stage | Exit]:
    """Yields a tree's stages and exits, each before what follows it."""
    yield tree
    for sink in sinks(tree):
        yield from parts(sink)


def sinks(part: Stage | Exit) -> tuple[Stage | Exit, ...]:
    """Returns what may follow; nothing follows an exit."""
    return part.sinks if isinstance(part, Stage) else ()


def exits(tree: Stage | Exit) -> list[Exit]:
    """Returns the leaves, in the order of `parts`."""
    return [part for part in parts(tree) if isinstance(part, Exit)]


def junctions(tree: Stage | Exit) -> dict[str, int]:
    """Returns the number of sinks of each junction, in the order of `parts`."""
    stages = [part for part in parts(tree) if isinstance(part, Stage)]
    return {stage.junction: len(stage.sinks) for stage in stages if stage.junction is not None}


def routes(tree: Stage | Exit) -> list[Route]:
    """Returns the way to each exit, in the order of `exits`."""
    if isinstance(tree, Exit):
        return [Route(tree.layer, tree.layers, {})]
    return [
        Route(rest.exit, (*tree.layers, *rest.layers), {**_choice(tree, number), **rest.choices})
        for number, sink in enumerate(tree.sinks)
        for rest in routes(sink)
    ]


def _choice(stage: Stage, number: int) -> dict[str, int]:
    return {} if stage.junction is None else {stage.junction: number}


def waits(tree: Stage | Exit, gate: tuple[str, int] | None = None) -> dict[str, tuple[str, int]]:
    """Returns for each layer behind a junction the last junction before it, and which of its sinks the layer is in."""
    waiting = {} if gate is None else dict.fromkeys(tree.layers, gate)
    for number, sink in enumerate(sinks(tree)):
        waiting |= waits(sink, (tree.junction, number) if isinstance(tree, Stage) and tree.junction else gate)
    return waiting


def to_config(tree: Stage | Exit) -> dict[str, Any]:
    """Returns the tree as nested dicts and lists."""
    if isinstance(tree, Exit):
        return {"exit": tree.layer}
    below = [to_config(sink) for sink in tree.sinks]
    return {"columns": list(tree.columns), "junction": tree.junction, "sinks": below}


def from_config(config: Mapping[str, Any]) -> Stage | Exit:
    """Returns the tree that `to_config` described."""
    if "exit" in config:
        return Exit(config["exit"])
    return Stage(tuple(config["columns"]), config["junction"], tuple(from_config(sink) for sink in config["sinks"]))
