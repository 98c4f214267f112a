"""A network that leaves early, cut at its junctions into functions, which executors run on some of the samples."""

from functools import partial
from typing import Any, NamedTuple

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.core.graph import run_function, trace_back
from tf_routing.execution.layer_calls import call_layer
from tf_routing.execution.run import Run
from tf_routing.exit_tree import Exit, Stage


class Rows(NamedTuple):
    """Rows that are carried on: what is read of them later, and the cost that junctions are conditioned on.

    A stage hands on what its junction reads last, and before it all else that parts behind the junction read: maps of
    several scales, or the images anew.
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
        # Which of the outputs of the stage before each part reads.
        self.reads: dict[Stage | Exit, tuple[int, ...]] = {}
        self.read_cost: Any = None
        image = model.input
        if isinstance(model.input, dict):
            image, first = model.input["image"], next(iter(exit_tree.junctions(self.tree)))
            self.read_cost = keras.Function(model.input["cost"], self.layers[first].input[-1])
        self._cut(self.tree, [image], {image: None})

    def _cut(self, part: Stage | Exit, inputs: list[Any], known: dict[Any, None]) -> None:
        """Makes the function of a part, and those of all parts after it.

        Args:
            part: The part.
            inputs: What is carried to it: the outputs of the stage before.
            known: All tensors that were made on the way to it.
        """
        if isinstance(part, Exit):
            self._define(part, inputs, self._ends(part), known)
            return
        ends = self._ends(part)
        made = known | trace_back(ends, known)[0]
        later = [tensor for sink in part.sinks for each in exit_tree.parts(sink) for tensor in self._ends(each)]
        # However many tensors are read behind the junction, the maps of several scales or images anew, they go on.
        read = trace_back(later, made)[1]
        decided = [] if part.junction is None else ends
        outputs = [*(tensor for tensor in made if tensor in read and tensor not in decided), *decided]
        self._define(part, inputs, outputs, known)
        for sink in part.sinks:
            self._cut(sink, outputs, made)

    def _ends(self, part: Stage | Exit) -> list[Any]:
        """Returns what a part is there for: the logits of an exit, what a junction reads, or what the columns make."""
        if isinstance(part, Exit):
            return [self.layers[part.layer].output]
        if part.junction is None:
            return keras.tree.flatten(self.layers[part.columns[-1]].output)
        return keras.tree.flatten(self.layers[part.junction].input)[:1]

    def _define(self, part: Stage | Exit, inputs: list[Any], outputs: list[Any], known: dict[Any, None]) -> None:
        read = trace_back(outputs, known)[1]
        self.reads[part] = tuple(number for number, tensor in enumerate(inputs) if tensor in read)
        self.functions[part] = keras.Function([inputs[number] for number in self.reads[part]], outputs)

    def __call__(self, inputs: Any) -> dict[str, Any]:
        """Returns `probabilities` and the decisions by name."""
        image, cost = inputs, None
        if self.read_cost is not None:
            image, cost = inputs["image"], self.read_cost(ops.reshape(inputs["cost"], (-1, 1)))
        logits, taken = self.leave(Rows([image], cost))
        return {"probabilities": self.mixture.activation(logits), **self._find_decisions(taken)}

    def leave(self, rows: Rows) -> list[Any]:
        """Returns the logits of all samples, and the number of the exit that each of them takes."""
        raise NotImplementedError

    def run_part(self, part: Stage | Exit, maps: list[Any]) -> list[Any]:
        """Returns what comes out of a part for what it reads, see `select`."""
        function = self.functions[part]
        # Not the function itself: it lets layers such as `RandomFlip` train, as they do where nobody says otherwise.
        outputs = run_function(function, maps, partial(call_layer, self.run, False))
        if isinstance(part, Exit):
            # In the precision of the graph's end, which may be another than that of this exit.
            return [ops.cast(logits, self.mixture.compute_dtype) for logits in outputs]
        return outputs

    def select(self, part: Stage | Exit, rows: Rows) -> Rows:
        """Returns rows with what a part reads of what the stage before hands on: before they are gathered."""
        return rows._replace(maps=[rows.maps[number] for number in self.reads[part]])

    def score(self, stage: Stage, rows: Rows) -> Any:
        """Returns the scores of a stage's sinks, of which the largest is taken, and of equal ones the first."""
        return self.layers[stage.junction].scores(rows.maps[-1], rows.cost, training=False)

    def answer_nothing(self, count: Any) -> list[Any]:
        """Returns what `leave` does, in zeros, for so many samples."""
        classes = self.layers[self.exits[0].layer].output.shape[-1]
        return [ops.zeros((count, classes), self.mixture.compute_dtype), ops.zeros((count,), "int32")]

    def take(self, tensor: Any, rows: Any) -> Any:
        """Returns these rows of a tensor."""
        raise NotImplementedError

    def _find_decisions(self, taken: Any) -> dict[str, Any]:
        """Returns the 0/1 switches of every junction: zeros for rows that left before it."""
        return {
            name: self.take(ops.cast(ops.convert_to_tensor(by_exit), self.mixture.compute_dtype), taken)
            for name, by_exit in exit_tree.switches_by_exit(self.tree).items()
        }
