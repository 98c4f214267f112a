"""Adds exits to a network as it is drawn again: behind a stage a junction, and a head of its own."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_routing import exit_tree
from tf_routing.layers import ExitMixture, Junction
from tf_routing.transforms.routing.exit_places import Stage
from tf_routing.transforms.routing.skip_graph import SkipGraph

_GO_ON = math.log(0.9 / 0.1)


class ExitGraph:
    """The exits of a network.

    Args:
        drawn: The network as it is drawn.
        hidden: Integer, hidden units of the junctions.
    """

    def __init__(self, drawn: SkipGraph, hidden: int = 16) -> None:
        self.drawn, self.hidden = drawn, hidden
        self._junctions: list[Any] = []
        self._names: list[str] = []
        self._logits: list[Any] = []
        self._reaches: list[Any] = []

    def draw(self, stages: Sequence[Stage]) -> Any:
        """Draws the network in stages, and returns its answer, the tensor of probabilities."""
        reach, columns = None, []
        for number, stage in enumerate(stages, 1):
            columns.append(tuple(layer.name for call in stage.calls for layer in self.drawn.draw_call(call)))
            if number < len(stages):
                reach = self._leave(self.drawn.tensors[stage.result], reach, number)
        self._add_exit(self.drawn.end.logits.name, self.drawn.draw_logits(), reach)
        name, policy = self.drawn.free_name("probabilities"), self.drawn.end_policy
        return ExitMixture(self._chain(columns), "softmax", dtype=policy, name=name)(self._logits, self._reaches)[0]

    def _leave(self, maps: Any, reach: Any, number: int) -> Any:
        """Adds a junction and the head behind it, and returns the probability of going on."""
        router = Junction(2, self.hidden, pooling=True, name=self.drawn.free_name(f"junction_{number}"))
        self._junctions.append(router)
        leaves, goes_on = router(maps, *([] if reach is None else [reach]))[2:]
        name = self.drawn.free_name(f"exit_{number}")
        pooled = keras.layers.GlobalAveragePooling2D(name=self.drawn.free_name(f"{name}_pool"))(maps)
        self._add_exit(name, keras.layers.Dense(self.drawn.graph.output.shape[-1], name=name)(pooled), leaves)
        return goes_on

    def _add_exit(self, name: str, logits: Any, reach: Any) -> None:
        self._names.append(name)
        self._logits.append(logits)
        self._reaches.append(reach)

    def _chain(self, columns: Sequence[tuple[str, ...]]) -> exit_tree.Stage:
        """Returns the tree of stages in a row with an exit behind each."""
        *exits, last = map(exit_tree.Exit, self._names)
        tree = exit_tree.Stage(columns[-1], None, (last,))
        for layers, junction, leaf in reversed(list(zip(columns, self._junctions, exits, strict=False))):
            tree = exit_tree.Stage(layers, junction.name, (leaf, tree))
        return tree

    def open(self) -> None:
        """Lets all images go on at every junction."""
        for junction in self._junctions:
            junction.scores_layer.bias.assign(np.array([0.0, _GO_ON]))
