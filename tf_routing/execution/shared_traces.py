"""Traces blocks that compute the same once, however many of them a network has. TensorFlow only.

Tracing is most of what the first call of a network costs: every operation is made in Python. Networks that skip repeat
a block dozens of times, each with a condition, two branches and a function per part. Here the weights are arguments of
the block's function, so that blocks that differ in nothing else are calls of one function.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_routing.core.private_apis import in_stateless_scope, stored_value
from tf_routing.execution.likeness import describe


class SharedTraces:
    """The functions of one model's blocks and their parts, each traced for the first of those that are alike.

    Kept as long as the model: what is traced for `predict` is there for another size of batch.
    """

    def __init__(self) -> None:
        self._functions: dict[Hashable, Any] = {}
        # Whether what runs is traced with the variables of another block in the place of its own.
        self._is_inside = False

    def run(
        self,
        layer: Any,
        run: Callable[..., Any],
        options: Hashable,
        *tensors: Any,
        otherwise: Callable[..., Any] | None = None,
    ) -> Any:
        """Returns `run(layer, *tensors)`, as a call of the function that all layers alike have in common.

        A layer runs by itself outside of graphs, where its weights are read from elsewhere (constants of a frozen
        function, values of a stateless call), where replicas have weights of their own, and where not all that it
        consists of is known to depend on nothing but configuration and weights.

        Args:
            layer: A block, as `core.protocols.RunsSubBlocks`, or one of its parts.
            run: Function of a layer and tensors, which depends on nothing else.
            options: What else tells functions apart.
            *tensors: Tensors of the graph that is traced.
            otherwise: Function of the tensors for a layer that runs by itself; `run` of it where not given.
        """
        likeness = None if self._reads_elsewhere() else describe(layer)
        values = [] if likeness is None else [self._find_value(variable) for variable in likeness.variables]
        if likeness is None or not all(map(_is_plain, values)):
            return run(layer, *tensors) if otherwise is None else otherwise(*tensors)
        # By shapes too: a function is traced where it is made, so that it is one of the layer as it is now.
        key = likeness.text, options, tuple((str(tensor.shape), tensor.dtype) for tensor in tensors)
        if key not in self._functions:
            # Before a graph first runs, TensorFlow puts functions in the place of their calls, conditions included, and
            # optimises the whole: thousands of operations. Left as calls, blocks are made ready once per function. A
            # call takes some 40 microseconds, which only a batch of one image notices.
            stays = not self._is_inside and tensors[0].shape[0] is None
            attributes = {"_noinline": True} if stays else None
            function = self._with_values(layer, run, likeness.variables)
            self._functions[key] = tf.function(function, autograph=False, experimental_attributes=attributes)
        return self._functions[key](values, *tensors)

    def _with_values(
        self, layer: Any, run: Callable[..., Any], variables: Sequence[keras.Variable]
    ) -> Callable[..., Any]:
        def run_with(values: Sequence[Any], *tensors: Any) -> Any:
            """Runs the layer with the variables of another one in the place of its own."""
            before, self._is_inside = self._is_inside, True
            try:
                with keras.StatelessScope(list(zip(variables, values, strict=True))):
                    return run(layer, *tensors)
            finally:
                self._is_inside = before

        return run_with

    def reads_scope(self) -> bool:
        """Whether weights are what a scope around the model has for them, such as constants of a frozen function."""
        return in_stateless_scope() and not self._is_inside

    def _reads_elsewhere(self) -> bool:
        return tf.executing_eagerly() or tf.distribute.has_strategy() or self.reads_scope()

    def _find_value(self, variable: keras.Variable) -> Any:
        # Not always `value`, which casts where a block computes in half precision.
        return variable.value if self._is_inside else stored_value(variable)


def _is_plain(value: Any) -> bool:
    return isinstance(value, tf.Variable) and not isinstance(value, tf.distribute.DistributedValues)
