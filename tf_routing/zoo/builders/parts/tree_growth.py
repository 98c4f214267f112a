"""Grows the layers of a network that leaves early from the description of its tree: columns, junctions and exits.

McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, arXiv:1703.06217,
section 3.1.
"""

from typing import Any

import keras

from tf_routing import exit_tree, layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.zoo.builders import exit_trees
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head


class TreeGrower:
    """Adds the layers of a tree of columns, and collects its exits.

    Layers are named by their level, and where a level has several columns by their number in it.

    Args:
        tree: The columns and what may follow each, see `exit_trees`.
        head: How the network ends: with its top, junctions stand between columns and every exit classifies.
        width: Float that scales the channels of columns.
        hidden: Integer, hidden units of the junctions.
        seed: Integer or `None`, seed of the kernels.
    """

    def __init__(self, tree: dict[str, Any], head: Head, width: float, hidden: int, seed: int | None) -> None:
        self.head, self.width, self.hidden, self.seed = head, width, hidden, seed
        self.sizes = exit_trees.level_sizes(tree)
        self.counts = [0] * len(self.sizes)
        self.cost: Any = None
        self.grown = 0
        self.logits: list[Any] = []
        self.reaches: list[Any] = []
        self.left: list[Any] = []

    def grow(self, column: dict[str, Any], maps: list[Any], reach: Any = None, level: int = 1) -> exit_tree.Stage:
        """Adds a column and all that follows it, and returns their shape.

        Args:
            column: The column and what may follow it.
            maps: What it may read, maps `(B, H, W, C)`, finest first.
            reach: Probability `(B, 1)` that an image comes here, or `None` where every image does.
            level: Integer, columns on the way here, this one included.
        """
        suffix = self._name_column(level)
        sinks = column["sinks"]
        read = [1 if sink == exit_trees.CLASSIFY else len(sink["channels"]) for sink in sinks]
        channels = [blocks.scale_width(count, self.width) for count in column["channels"]]
        layer = layers.PyramidColumn(channels, max(read), seed=self._draw_seed(), name=f"column{suffix}")
        maps = layer(maps[-len(channels) :])
        maps = maps if isinstance(maps, list) else [maps]
        reaches_below = self._add_junction(maps[-1], reach, len(sinks), f"junction{suffix}")
        grown = tuple(
            self._add_exit(maps[-1], below, f"exit{suffix}")
            if sink == exit_trees.CLASSIFY
            else self.grow(sink, maps, below, level + 1)
            for sink, below in zip(sinks, reaches_below, strict=True)
        )
        if len(sinks) == 1 and isinstance(grown[0], exit_tree.Stage):
            return grown[0]._replace(columns=(layer.name, *grown[0].columns))
        return exit_tree.Stage((layer.name,), f"junction{suffix}" if len(sinks) > 1 else None, grown)

    def _name_column(self, level: int) -> str:
        self.counts[level - 1] += 1
        return f"_{level}_{self.counts[level - 1]}" if self.sizes[level - 1] > 1 else f"_{level}"

    def _draw_seed(self) -> int | None:
        self.grown += 1
        return distinct_seed(self.seed, self.grown)

    def _add_junction(self, maps: Any, reach: Any, sinks: int, name: str) -> list[Any]:
        if sinks == 1 or not self.head.include_top:
            return [reach] * sinks
        router = layers.Junction(sinks, self.hidden, seed=self._draw_seed(), name=name)
        # By position, as `calibrate` hands them on.
        conditions = [reach, self.cost] if self.cost is not None else [] if reach is None else [reach]
        return list(router(maps, *conditions))[2:]

    def _add_exit(self, maps: Any, reach: Any, name: str) -> exit_tree.Exit:
        self.left.append(maps)
        if self.head.include_top:
            flat = keras.layers.Flatten(name=f"{name}_features")(maps)
            initializer = keras.initializers.VarianceScaling(
                1.0, "fan_in", "untruncated_normal", seed=self._draw_seed()
            )
            self.logits.append(keras.layers.Dense(self.head.classes, kernel_initializer=initializer, name=name)(flat))
            self.reaches.append(reach)
        return exit_tree.Exit(name)

    def join_exits(self, shape: exit_tree.Stage) -> Any:
        """Returns the probabilities `(B, classes)` of the exits that images take."""
        activation = self.head.classifier_activation
        # Predictions are at least float32 under mixed precision, and float64 where everything is.
        dtype = keras.config.dtype_policy().variable_dtype
        if len(self.logits) > 1:
            mixture = layers.ExitMixture(shape, activation, dtype=dtype, name="probabilities")
            return mixture(self.logits, self.reaches)[0]
        logits = keras.layers.Identity(name="logits", dtype=dtype)(self.logits[0])
        return keras.layers.Activation(activation, name="probabilities", dtype=dtype)(logits)
