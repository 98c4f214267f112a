"""Base class of blocks whose parts a router switches on and off: the parts, the shortcut, and how they are saved."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.execution.block_executor import execute
from tf_routing.execution.run import Run
from tf_routing.execution.settings import METHODS, possible, supports_jit
from tf_routing.support.validation import one_of


class SwitchedBlock(keras.layers.Layer):
    """Owns sub-blocks and a shortcut as models, and runs them as switches say (base class).

    Executors see it as a `core.protocols.RunsSubBlocks`.

    Args:
        sub_blocks: Functional models of one input and one output, all of the same shapes.
        shortcut: A functional model with the sub-blocks' shapes, or a word that stands for a shortcut without layers.
        activation: Activation of the sum.
        execution: How the parts run, one of `execution.EXECUTIONS`, where the model that the block is part of leaves it
            at `"auto"`, and where it is part of no `RoutedModel`.
        method: How sparse execution goes about it, one of `execution.METHODS`; as `execution`.
        **kwargs: As for every `keras.layers.Layer`.

    Raises:
        ValueError: If there is no sub-block, or two differ in shapes.
    """

    takes_run = True

    def __init__(
        self,
        sub_blocks: Sequence[keras.Model],
        shortcut: Any,
        activation: Any = None,
        execution: str = "auto",
        method: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        shapes = {(part.input_shape, part.output_shape) for part in sub_blocks}
        if len(shapes) != 1:
            raise ValueError(
                f"`sub_blocks` must be models of the same input and output shapes. Received: {sorted(shapes, key=str)}"
            )
        self.sub_blocks, self.shortcut = list(sub_blocks), shortcut
        self.activation = keras.activations.get(activation)
        self.execution, self.method = possible(execution), one_of("method", method, METHODS)
        # Keras compiles with XLA on a GPU unless a layer says no. It asks the layers, not the model: so this is the one
        # setting that a `RoutedModel` cannot hand over with a batch, and writes onto its blocks.
        self.supports_jit = supports_jit(self.execution)

    def build(self, inputs_shape: Any, switches_shape: Any) -> None:
        if switches_shape[-1] != len(self.sub_blocks):
            raise ValueError(
                f"{type(self).__name__} of {len(self.sub_blocks)} sub-blocks takes as many switches. "
                f"Received: switches.shape={tuple(switches_shape)}"
            )

    def call(self, inputs: Tensor, switches: Tensor, training: bool | None = None, run: Run | None = None) -> Tensor:
        return execute(self, inputs, switches, training, run)

    def shortcut_terms(self, inputs: Tensor, training: bool | None = None) -> list[Any]:
        """Returns the shortcut's output in a list, which is empty where there is no shortcut."""
        if self.shortcut is None:
            return []
        return [inputs if isinstance(self.shortcut, str) else self.shortcut(inputs, training=training)]

    def finish(self, inputs: Tensor, terms: Sequence[Any]) -> Tensor:
        """Returns the block's output for samples that all made the same choice.

        Args:
            inputs: The block's input, whose first axis gives the number of samples.
            terms: The shortcut's output, where there is one, and those of the chosen sub-blocks.
        """
        raise NotImplementedError

    def weighted(self, inputs: Tensor, terms: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> Tensor:
        """Returns the block's output with every sub-block run and weighted by its switch.

        Args:
            inputs: The block's input.
            terms: The shortcut's output, where there is one.
            outputs: The sub-blocks' outputs.
            weights: Their switches, of the outputs' rank.
        """
        raise NotImplementedError

    @property
    def keeps_what_it_bypasses(self) -> bool:
        """Whether samples that chose no sub-block leave exactly as they came."""
        return False

    @property
    def output_map(self) -> tuple[int, ...]:
        """The shape of the output for one sample, without the batch; `None` for sizes that depend on the images."""
        return self.sub_blocks[0].output_shape[1:]

    def map_shape(self, inputs: Tensor) -> tuple[Any, ...]:
        """Returns the shape of the output for one sample of these, without the batch.

        Where the block was built for maps of any size, one sample tells, through the shortcut if there is one.
        """
        if None not in self.output_map:
            return self.output_map
        one = inputs[:1]
        (term,) = self.shortcut_terms(one, training=False) or [self.sub_blocks[0](one, training=False)]
        return tuple(ops.shape(term)[1:])

    def compute_output_spec(
        self, inputs: Any, switches: Any, training: bool | None = None, run: Run | None = None
    ) -> Any:
        return keras.KerasTensor((inputs.shape[0], *self.output_map), dtype=self.compute_dtype)

    @classmethod
    def of_parts(cls, sub_blocks: Sequence[keras.Model], shortcut: Any, activation: Any, **kwargs: Any) -> Self:
        """Builds a block from the attributes `sub_blocks`, `shortcut` and `activation` of another one."""
        return cls(sub_blocks, shortcut, activation, **kwargs)

    def rebuilt(self, transform: Callable[[keras.Model], keras.Model]) -> Self:
        """Returns a new block whose parts are `transform(part)`, of the same name and configuration."""
        shortcut = transform(self.shortcut) if isinstance(self.shortcut, keras.Model) else self.shortcut
        parts = [transform(part) for part in self.sub_blocks]
        # The flag by argument: set later, it would overwrite those of the parts.
        own = {"name": self.name, "dtype": self.dtype_policy, "trainable": self.trainable}
        how = {"execution": self.execution, "method": self.method}
        return self.of_parts(parts, shortcut, self.activation, **how, **own, **self.own_settings())

    def own_settings(self) -> dict[str, Any]:
        """Returns the settings that a kind of block has beside its parts, shortcut and activation."""
        return {}

    def get_config(self) -> dict[str, Any]:
        config = {
            "sub_blocks": [keras.saving.serialize_keras_object(part) for part in self.sub_blocks],
            "shortcut": keras.saving.serialize_keras_object(self.shortcut),
            "activation": keras.activations.serialize(self.activation),
            "execution": self.execution,
            "method": self.method,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        # A copy, and a deep one: Keras takes the configurations of models inside apart while it reads them.
        config = copy.deepcopy(config)
        parts = [keras.saving.deserialize_keras_object(part) for part in config.pop("sub_blocks")]
        shortcut = keras.saving.deserialize_keras_object(config.pop("shortcut"))
        return cls.of_parts(parts, shortcut, **config)
