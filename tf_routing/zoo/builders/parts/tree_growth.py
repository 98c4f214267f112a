"""Grows the layers of an early-exit network along its tree: columns, junctions and exits.

McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, arXiv:1703.06217,
section 3.1.
"""

from typing import Any

import keras

from tf_routing import exit_tree, layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.zoo.builders.exit_trees import NamedTree
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head


class TreeGrower:
    """Adds the layers of a tree of columns, and collects its exits.

    Args:
        tree: The tree, with the channels of its columns.
        head: How the network ends: with its top, junctions stand between columns and every exit classifies.
        width: Float that scales the channels of columns.
        hidden: Integer, hidden units of the junctions.
        seed: Integer or `None`, seed of the kernels.
    """

    def __init__(self, tree: NamedTree, head: Head, width: float, hidden: int, seed: int | None) -> None:
        self.head, self.width, self.hidden, self.seed = head, width, hidden, seed
        self.tree = tree
        self.cost: Any = None
        self.grown = 0
        self.logits: list[Any] = []
        self.reaches: list[Any] = []
        self.left: list[Any] = []

    def grow(self, maps: list[Any]) -> None:
        """Adds all layers of the tree.

        Args:
            maps: What the first column may read, maps `(B, H, W, C)`, finest first.
        """
        self._add_stage(self.tree.shape, maps, None)

    def _add_stage(self, stage: exit_tree.Stage, maps: list[Any], reach: Any) -> None:
        """Adds a stage and all that follows it; `reach` `(B, 1)` is `None` where every image comes here."""
        behind = tuple(sink.columns[0] for sink in stage.sinks if isinstance(sink, exit_tree.Stage))
        for number, column in enumerate(stage.columns, 1):
            readers = stage.columns[number : number + 1] or behind
            # Exits read the coarsest scale alone.
            scales = max((len(self.tree.channels[reader]) for reader in readers), default=1)
            maps = self._add_column(column, maps, scales)
        reaches = self._add_junction(stage, maps[-1], reach)
        for sink, sink_reach in zip(stage.sinks, reaches, strict=True):
            if isinstance(sink, exit_tree.Exit):
                self._add_exit(sink.layer, maps[-1], sink_reach)
            else:
                self._add_stage(sink, maps, sink_reach)

    def _add_column(self, name: str, maps: list[Any], scales: int) -> list[Any]:
        channels = [blocks.scale_width(count, self.width) for count in self.tree.channels[name]]
        column = layers.PyramidColumn(channels, scales, seed=self._draw_seed(), name=name)
        maps = column(maps[-len(channels) :])
        return maps if isinstance(maps, list) else [maps]

    def _draw_seed(self) -> int | None:
        self.grown += 1
        return distinct_seed(self.seed, self.grown)

    def _add_junction(self, stage: exit_tree.Stage, maps: Any, reach: Any) -> list[Any]:
        """Adds the junction of a stage, if it has one, and returns with which probability images go to its sinks."""
        if stage.junction is None or not self.head.include_top:
            return [reach] * len(stage.sinks)
        router = layers.Junction(len(stage.sinks), self.hidden, seed=self._draw_seed(), name=stage.junction)
        # By position, as `calibrate` hands them on.
        conditions = [reach, self.cost] if self.cost is not None else [] if reach is None else [reach]
        return list(router(maps, *conditions))[2:]

    def _add_exit(self, name: str, maps: Any, reach: Any) -> None:
        self.left.append(maps)
        if self.head.include_top:
            flat = keras.layers.Flatten(name=f"{name}_features")(maps)
            initializer = keras.initializers.VarianceScaling(
                1.0, "fan_in", "untruncated_normal", seed=self._draw_seed()
            )
            self.logits.append(keras.layers.Dense(self.head.classes, kernel_initializer=initializer, name=name)(flat))
            self.reaches.append(reach)

    def join_exits(self) -> Any:
        """Returns the probabilities `(B, classes)` of the exits that images take."""
        activation = self.head.classifier_activation
        # Predictions are at least float32 under mixed precision, and float64 where everything is.
        dtype = keras.config.dtype_policy().variable_dtype
        if len(self.logits) > 1:
            mixture = layers.ExitMixture(self.tree.shape, activation, dtype=dtype, name="probabilities")
            return mixture(self.logits, self.reaches)[0]
        logits = keras.layers.Identity(name="logits", dtype=dtype)(self.logits[0])
        return keras.layers.Activation(activation, name="probabilities", dtype=dtype)(logits)
