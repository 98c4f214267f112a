"""The sparse executor of networks that leave early: only undecided samples are carried on. TensorFlow only.

The graph that trains runs every column on every sample. Here it is cut at the junctions, and what follows one runs on
the rows that go there, if there are any; the rest of the network is inside that condition.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage


class _Rows(NamedTuple):
    """Rows that are carried on: a column's maps, finest first, and the cost that junctions are conditioned on."""

    maps: list[Any]
    cost: Any


class SparseExits:
    """A model that leaves early, cut into the functions between its junctions.

    Args:
        model: The `RoutedModel`.
        mixture: Its `layers.ExitMixture`.
    """

    def __init__(self, model: Any, mixture: Any) -> None:
        self.mixture, self.tree, self.exits = mixture, mixture.tree, exit_tree.exits(mixture.tree)
        self.layers = {layer.name: layer for layer in model.layers}
        self.functions: dict[Stage | Exit, keras.Function] = {}
        self.read_cost: Any = None
        image = model.input
        if isinstance(model.input, dict):
            image, first = model.input["image"], next(iter(exit_tree.junctions(self.tree)))
            self.read_cost = keras.Function(model.input["cost"], self.layers[first].input[-1])
        self._cut(self.tree, [image])

    def _cut(self, part: Stage | Exit, inputs: list[Any]) -> None:
        """Makes the function of a part, which reads the last of the inputs, and those of all parts after it."""
        if isinstance(part, Exit):
            self.functions[part] = keras.Function(inputs[-1:], self.layers[part.layer].output)
            return
        first, last = self.layers[part.columns[0]], self.layers[part.columns[-1]]
        # The first stage begins at the image, not at the pyramid that its column reads.
        given = inputs if part is self.tree else keras.tree.flatten(first.input)
        outputs = keras.tree.flatten(last.output)
        self.functions[part] = keras.Function(given, outputs)
        for sink in part.sinks:
            self._cut(sink, outputs)

    def __call__(self, inputs: Any) -> dict[str, Any]:
        """Returns `probabilities` and the decisions by name."""
        image, cost = inputs, None
        if self.read_cost is not None:
            image, cost = inputs["image"], self.read_cost(tf.reshape(inputs["cost"], (-1, 1)))
        logits, taken = self._run(self.tree, _Rows([image], cost))
        # In the precision of the graph's end.
        logits = tf.cast(logits, self.mixture.compute_dtype)
        return {"probabilities": self.mixture.activation(logits), **self._find_decisions(taken)}

    def _run(self, part: Stage | Exit, rows: _Rows) -> list[Any]:
        """Returns the logits of rows that came to a part, and the number of the exit that each of them takes."""
        function = self.functions[part]
        outputs = function(rows.maps[-len(function.inputs) :])
        if isinstance(part, Exit):
            return [outputs, tf.fill((tf.shape(outputs)[0],), self.exits.index(part))]
        rows = rows._replace(maps=keras.tree.flatten(outputs))
        if part.junction is None:
            return self._run(part.sinks[0], rows)
        scores = self.layers[part.junction].scores(rows.maps[-1], rows.cost, training=False)
        # As the decision: of equal scores the first.
        return self._split(part, rows, tf.argmax(scores, axis=-1, output_type=tf.int32))

    def _split(self, stage: Stage, rows: _Rows, choice: Any) -> list[Any]:
        """Carries every row on to the sink of its choice."""
        if choice.shape[0] == 1:
            # Nothing to gather and nothing to stitch.
            return tf.switch_case(choice[0], [lambda sink=sink: self._run(sink, rows) for sink in stage.sinks])
        chosen = tf.dynamic_partition(tf.range(tf.size(choice)), choice, len(stage.sinks))
        answers = [
            tf.cond(
                tf.size(took) > 0, lambda sink=sink, took=took: self._run(sink, _gather(rows, took)), self._run_none
            )
            for sink, took in zip(stage.sinks, chosen, strict=True)
        ]
        return [tf.dynamic_stitch(chosen, list(parts)) for parts in zip(*answers, strict=True)]

    def _run_none(self) -> list[Any]:
        """What `_run` returns for no rows: no convolution may see them."""
        logits = self.layers[self.exits[0].layer].output
        return [tf.zeros((0, logits.shape[-1]), logits.dtype), tf.zeros((0,), tf.int32)]

    def _find_decisions(self, taken: Any) -> dict[str, Any]:
        """Returns the 0/1 switches of every junction: zeros for rows that left before it."""
        return {
            name: tf.gather(tf.cast(by_exit, self.mixture.compute_dtype), taken)
            for name, by_exit in exit_tree.switches_by_exit(self.tree).items()
        }


def _gather(rows: _Rows, chosen: Any) -> _Rows:
    cost = None if rows.cost is None else tf.gather(rows.cost, chosen)
    return _Rows([tf.gather(maps, chosen) for maps in rows.maps], cost)
