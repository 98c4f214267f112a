"""The tree of an early-exit network: columns in a row, junctions that choose what follows, and exits that classify.

This is the one form of a tree inside the package. Layers are named, not held, so that objectives, executors, the cost
model and figures read the same tree. Files hold it as nested dicts (`to_config`, `from_config`); `zoo.get` takes a
description with channels instead of names, which `zoo.builders.exit_trees` turns into it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tf_routing.core.protocols import HasExitTree


class Exit(NamedTuple):
    """A leaf of the tree: the layer that classifies there."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that a sample runs through here."""
        return (self.layer,)


class Stage(NamedTuple):
    """An inner node of the tree: columns that run one after the other, and what follows them.

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
        """The layers that a sample runs through here before it goes on."""
        return self.columns if self.junction is None else (*self.columns, self.junction)


class Route(NamedTuple):
    """A path through the tree.

    Args:
        exit: Name of the exit at its end.
        layers: Names of all layers on it.
        choices: The sink that is taken at a junction, by name of the junction.
    """

    exit: str
    layers: tuple[str, ...]
    choices: Mapping[str, int]


def parts(tree: Stage | Exit) -> Iterator[Stage | Exit]:
    """Yields the stages and exits of a tree, depth first: a stage comes before what follows it."""
    yield tree
    for sink in sinks(tree):
        yield from parts(sink)


def sinks(part: Stage | Exit) -> tuple[Stage | Exit, ...]:
    """Returns what may follow; nothing follows an exit."""
    return part.sinks if isinstance(part, Stage) else ()


def chain(columns: Sequence[tuple[str, ...]], junctions: Sequence[str], exits: Sequence[str]) -> Stage:
    """Returns the tree of stages in a row, with a junction and an exit behind each but the last, which has an exit.

    Args:
        columns: Names of the columns of each stage.
        junctions: Name of the junction behind each stage but the last.
        exits: Name of the exit behind each stage.

    Example:

    >>> chain([("column_1",), ("column_2",)], ["junction_1"], ["exit_1", "exit_2"]).sinks[1]
    Stage(columns=('column_2',), junction=None, sinks=(Exit(layer='exit_2'),))
    """
    *before, last = map(Exit, exits)
    tree = Stage(columns[-1], None, (last,))
    for layers, junction, leaf in reversed(list(zip(columns[:-1], junctions, before, strict=True))):
        tree = Stage(layers, junction, (leaf, tree))
    return tree


def steps(stage: Stage) -> tuple[str, ...]:
    """Returns the names of what a stage runs, as drawings show it: its columns, or all of its layers as one.

    A column holds layers. Other networks name the layers themselves, hundreds of them, which lead to an exit.

    Example:

    >>> steps(Stage(("column_1", "column_2"), None, (Exit("exit_1"),)))
    ('column_1', 'column_2')
    >>> steps(Stage(("conv_1", "conv_2", "head"), None, (Exit("exit_1"),)))
    ('layers_up_to_exit_1',)
    """
    if len(stage.columns) == 1 or all(name.startswith("column") for name in stage.columns):
        return stage.columns
    return (f"layers_up_to_{exits(stage)[0].layer}",)


def exits(tree: Stage | Exit) -> list[Exit]:
    """Returns the leaves, in the order of `parts`."""
    return [part for part in parts(tree) if isinstance(part, Exit)]


def junctions(tree: Stage | Exit) -> dict[str, int]:
    """Returns the number of sinks of each junction, in the order of `parts`."""
    stages = [part for part in parts(tree) if isinstance(part, Stage)]
    return {stage.junction: len(stage.sinks) for stage in stages if stage.junction is not None}


def routes(tree: Stage | Exit) -> list[Route]:
    """Returns the route to every exit, in the order of `exits`."""
    if isinstance(tree, Exit):
        return [Route(tree.layer, tree.layers, {})]
    return [
        Route(rest.exit, (*tree.layers, *rest.layers), {**_choice(tree, number), **rest.choices})
        for number, sink in enumerate(tree.sinks)
        for rest in routes(sink)
    ]


def switches_by_exit(tree: Stage | Exit) -> dict[str, list[list[bool]]]:
    """Returns which sinks are taken on the way to each exit, by junction: none where the way does not come there.

    Example:

    >>> switches_by_exit(Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2"))))
    {'junction_1': [[True, False], [False, True]]}
    """
    ways = routes(tree)
    return {
        name: [[route.choices.get(name) == sink for sink in range(count)] for route in ways]
        for name, count in junctions(tree).items()
    }


def _choice(stage: Stage, number: int) -> dict[str, int]:
    return {} if stage.junction is None else {stage.junction: number}


def gates_by_layer(tree: Stage | Exit, gate: tuple[str, int] | None = None) -> dict[str, tuple[str, int]]:
    """Returns what lets samples through to a layer, by layer: the last junction before it, and the sink it is in.

    Args:
        tree: The tree, or a part of it.
        gate: What lets samples through to this part, where that is not all of the tree.
    """
    gates = {} if gate is None else dict.fromkeys(tree.layers, gate)
    for number, sink in enumerate(sinks(tree)):
        gates |= gates_by_layer(sink, (tree.junction, number) if isinstance(tree, Stage) and tree.junction else gate)
    return gates


def decisions_reached(decisions: Mapping[str, Any], gates: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    """Returns decisions, those behind a junction times the decision that leads to them: 0 where nobody comes.

    Args:
        decisions: Arrays or tensors `(batch, choices)` by name, junctions among them.
        gates: The junction and the sink behind which a decision lies, by its name.
    """
    reached = {name: decisions[junction][:, sink : sink + 1] for name, (junction, sink) in gates.items()}
    return {name: each * reached[name] if name in reached else each for name, each in decisions.items()}


def find_tree(model: Any) -> Stage | None:
    """Returns the tree of an early-exit network, `None` for other networks.

    Args:
        model: A `keras.Model`; models inside it do not count.
    """
    mixture = find_mixture(model)
    return None if mixture is None else mixture.tree


def find_mixture(model: Any) -> Any:
    """Returns the layer in which the exits of a model come together, `None` for one that has no exits."""
    return next((layer for layer in model.layers if isinstance(layer, HasExitTree)), None)


def to_config(tree: Stage | Exit) -> dict[str, Any]:
    """Returns a tree as nested dicts and lists, which files and configurations of layers hold."""
    if isinstance(tree, Exit):
        return {"exit": tree.layer}
    below = [to_config(sink) for sink in tree.sinks]
    return {"columns": list(tree.columns), "junction": tree.junction, "sinks": below}


def from_config(config: Stage | Exit | Mapping[str, Any]) -> Stage | Exit:
    """Returns the tree that `to_config` described; a tree is returned unchanged.

    Args:
        config: What `to_config` returned, or a tree: layers and objectives take either.

    Example:

    >>> from_config({"columns": ["column_1"], "junction": None, "sinks": [{"exit": "exit_1"}]})
    Stage(columns=('column_1',), junction=None, sinks=(Exit(layer='exit_1'),))
    """
    if isinstance(config, (Stage, Exit)):
        return config
    if "exit" in config:
        return Exit(config["exit"])
    return Stage(tuple(config["columns"]), config["junction"], tuple(from_config(sink) for sink in config["sinks"]))
