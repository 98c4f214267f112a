"""A network that leaves early, cut at its junctions into functions, which executors run on some of the samples."""

from functools import partial
from typing import Any, NamedTuple

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.core.graph import run_function
from tf_routing.execution.layer_calls import call_layer
from tf_routing.execution.run import Run
from tf_routing.exit_tree import Exit, Stage


class Rows(NamedTuple):
    """Rows that are carried on: a column's maps, finest first, and the cost that junctions are conditioned on.

    Before the maps stand images, where a later part reads these anew.
    """

    maps: list[Any]
    cost: Any


class ExitFunctions:
    """A model that leaves early, cut into the functions between its junctions (base of executors).

    Args:
        model: The `RoutedModel`.
        mixture: Its `layers.ExitMixture`.
        run: What its layers are handed; how blocks run is up to them where not given.
    """

    def __init__(self, model: Any, mixture: Any, run: Run | None = None) -> None:
        self.run = run or Run()
        self.mixture, self.tree, self.exits = mixture, mixture.tree, exit_tree.exits(mixture.tree)
        # Operations without weights too: a stage may begin or end with one.
        self.layers = {operation.name: operation for operation in model.operations}
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
        last = self.layers[part.columns[-1]]
        # The first stage begins at the image, not at the pyramid that its column reads.
        given = inputs if part is self.tree else inputs[self._first_read(part, inputs) :]
        outputs = [*self._carried(part, inputs), *self._made_for_later(part), *keras.tree.flatten(last.output)]
        self.functions[part] = keras.Function(given, outputs)
        for sink in part.sinks:
            self._cut(sink, outputs)

    def _reads(self, part: Stage | Exit) -> list[Any]:
        """Returns what the first column of a stage reads."""
        return keras.tree.flatten(self.layers[part.columns[0]].input) if isinstance(part, Stage) else []

    def _first_read(self, part: Stage, inputs: list[Any]) -> int:
        """Returns the number of the first input that a stage or what follows it reads."""
        read = [*self._reads(part), *self._carried(part, inputs)]
        return min(number for number, tensor in enumerate(inputs) if any(tensor is each for each in read))

    def _carried(self, stage: Stage, inputs: list[Any]) -> list[Any]:
        """Returns the inputs that parts behind a stage read anew, as the networks of a cascade read the image."""
        later = [tensor for sink in stage.sinks for part in exit_tree.parts(sink) for tensor in self._reads(part)]
        return [tensor for tensor in inputs if any(tensor is each for each in later)]

    def _made_for_later(self, stage: Stage) -> list[Any]:
        """Returns what parts behind a stage read of it but its end: maps, where it ends in the logits of an exit."""
        # Folded normalisations are no layers any more.
        columns = [self.layers[name] for name in stage.columns[:-1] if name in self.layers]
        return self._carried(stage, [tensor for layer in columns for tensor in keras.tree.flatten(layer.output)])

    def __call__(self, inputs: Any) -> dict[str, Any]:
        """Returns `probabilities` and the decisions by name."""
        image, cost = inputs, None
        if self.read_cost is not None:
            image, cost = inputs["image"], self.read_cost(ops.reshape(inputs["cost"], (-1, 1)))
        logits, taken = self.leave(Rows([image], cost))
        # In the precision of the graph's end.
        logits = ops.cast(logits, self.mixture.compute_dtype)
        return {"probabilities": self.mixture.activation(logits), **self._find_decisions(taken)}

    def leave(self, rows: Rows) -> list[Any]:
        """Returns the logits of all samples, and the number of the exit that each of them takes."""
        raise NotImplementedError

    def run_part(self, part: Stage | Exit, maps: list[Any]) -> list[Any]:
        """Returns what comes out of a part, which reads the last of these maps."""
        function = self.functions[part]
        # Not the function itself: it lets layers such as `RandomFlip` train, as they do where nobody says otherwise.
        return run_function(function, maps[-len(function.inputs) :], partial(call_layer, self.run, False))

    def score(self, stage: Stage, rows: Rows) -> Any:
        """Returns the scores of a stage's sinks, of which the largest is taken, and of equal ones the first."""
        return self.layers[stage.junction].scores(rows.maps[-1], rows.cost, training=False)

    def answer_nothing(self, count: Any) -> list[Any]:
        """Returns what `leave` does, in zeros, for so many samples."""
        logits = self.layers[self.exits[0].layer].output
        return [ops.zeros((count, logits.shape[-1]), logits.dtype), ops.zeros((count,), "int32")]

    def take(self, tensor: Any, rows: Any) -> Any:
        """Returns these rows of a tensor."""
        raise NotImplementedError

    def _find_decisions(self, taken: Any) -> dict[str, Any]:
        """Returns the 0/1 switches of every junction: zeros for rows that left before it."""
        return {
            name: self.take(ops.cast(ops.convert_to_tensor(by_exit), self.mixture.compute_dtype), taken)
            for name, by_exit in exit_tree.switches_by_exit(self.tree).items()
        }
