"""Adds exits to a network as it is drawn again: behind a stage a junction, and a head of its own."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_routing import exit_tree
from tf_routing.layers import ConfidenceJunction, ExitMixture, Junction
from tf_routing.transforms.routing.exit_places import Stage
from tf_routing.transforms.routing.skip_graph import SkipGraph

LEARNED, CONFIDENCE = "learned", "confidence"
_GO_ON = math.log(0.9 / 0.1)
# More than log-odds of confidence can be.
_NEVER_SURE = 20.0


class ExitGraph:
    """The exits of a network.

    Args:
        drawn: The network as it is drawn.
        kind: `"learned"`, junctions read maps as heads do; or `"confidence"`, they read what their head says.
        hidden: Integer, hidden units of learned junctions.
    """

    def __init__(self, drawn: SkipGraph, kind: str = LEARNED, hidden: int = 16) -> None:
        self.drawn, self.kind, self.hidden = drawn, kind, hidden
        self._junctions: list[Any] = []
        self._names: list[str] = []
        self._logits: list[Any] = []
        self._reaches: list[Any] = []

    def draw(self, stages: Sequence[Stage]) -> Any:
        """Draws the network in stages, and returns its answer, the tensor of probabilities."""
        reach, columns = None, []
        for number, stage in enumerate(stages, 1):
            layers = [layer.name for call in stage.calls for layer in self.drawn.draw_call(call)]
            if number < len(stages):
                reach, read = self._leave(self.drawn.tensors[stage.result], reach, number)
                layers += read
            columns.append(tuple(layers))
        self._add_exit(self.drawn.end.logits.name, self.drawn.draw_logits(), reach)
        tree = exit_tree.chain(columns, [junction.name for junction in self._junctions], self._names)
        name, policy = self.drawn.free_name("probabilities"), self.drawn.end_policy
        return ExitMixture(tree, "softmax", dtype=policy, name=name)(self._logits, self._reaches)[0]

    def _leave(self, maps: Any, reach: Any, number: int) -> tuple[Any, list[str]]:
        """Adds a junction and a head, and returns the probability of going on, and the layers that all images run."""
        name, came = self.drawn.free_name(f"exit_{number}"), [] if reach is None else [reach]
        junction = self.drawn.free_name(f"junction_{number}")
        pool = keras.layers.GlobalAveragePooling2D(name=self.drawn.free_name(f"{name}_pool"))
        head = keras.layers.Dense(self.drawn.graph.output.shape[-1], name=name)
        if self.kind == LEARNED:
            router: Any = Junction(2, self.hidden, pooling=True, name=junction)
            leaves, goes_on = router(maps, *came)[2:]
            self._add_exit(name, head(pool(maps)), leaves)
            read = []
        else:
            router = ConfidenceJunction(name=junction)
            logits = head(pool(maps))
            leaves, goes_on = router(logits, *came)[2:]
            leaf = keras.layers.Identity(name=self.drawn.free_name(f"{name}_logits"), dtype=self.drawn.end_policy)
            self._add_exit(leaf.name, leaf(logits), leaves)
            read = [pool.name, name]
        self._junctions.append(router)
        return goes_on, read

    def _add_exit(self, name: str, logits: Any, reach: Any) -> None:
        self._names.append(name)
        self._logits.append(logits)
        self._reaches.append(reach)

    def open(self) -> None:
        """Lets all images go on at every junction."""
        for junction in self._junctions:
            if self.kind == LEARNED:
                junction.scores_layer.bias.assign(np.array([0.0, _GO_ON]))
            else:
                junction.threshold.assign(np.array([_NEVER_SURE]))
