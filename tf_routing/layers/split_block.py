"""A block divided into sub-blocks, each of which runs only for the samples that chose it."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tf_routing import execution
from tf_routing.validation import one_of


@keras.saving.register_keras_serializable(package="tf_routing")
class SplitBlock(keras.layers.Layer):
    """Adds the outputs of the sub-blocks that are switched on to a shortcut.

    `activation(shortcut(inputs) + sum_n switches[:, n] * sub_blocks[n](inputs))`. In training every sub-block runs on
    every sample (masked). At inference a sub-block runs only on the samples whose switch is on (sparse), where the
    backend can; `execution` chooses, and the numbers are the same.

    Args:
        sub_blocks: Functional models of one input and one output, all of the same shapes.
        shortcut: A functional model with the sub-blocks' shapes, `"identity"`, or `None` for no shortcut.
        activation: Activation of the sum.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, sub_blocks)` of 0 and 1.
        training: Boolean.

    Returns:
        Tensor of the sub-blocks' output shape.

    Raises:
        ValueError: If there is no sub-block, or two differ in shapes.

    Example:

    >>> x = keras.Input((8, 8, 4))
    >>> sub_blocks = [keras.Model(x, keras.layers.Conv2D(4, 3, padding="same")(x)) for _ in range(2)]
    >>> block = SplitBlock(sub_blocks, shortcut="identity", activation="relu")
    >>> float(keras.ops.max(block(keras.ops.ones((1, 8, 8, 4)), keras.ops.zeros((1, 2)))))
    1.0

    Reference: Su et al., *Dynamic Multi-path Neural Network*, Eq. 4.
    """

    def __init__(
        self,
        sub_blocks: Sequence[keras.Model],
        shortcut: keras.Model | str | None = "identity",
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        shapes = {(part.input_shape, part.output_shape) for part in sub_blocks}
        if len(shapes) != 1:
            raise ValueError(
                f"`sub_blocks` must be models of the same input and output shapes. Received: {sorted(shapes, key=str)}"
            )
        if not isinstance(shortcut, keras.Model):
            one_of("shortcut", shortcut, ("identity", None))
        self.sub_blocks, self.shortcut = list(sub_blocks), shortcut
        self.activation = keras.activations.get(activation)
        self.execution, self.method = "auto", "auto"
        # Keras compiles with XLA on a GPU unless a layer says no.
        self.supports_jit = execution.supports_jit(self.execution)
        # Of the images that the whole model sees, which tells how best to run; the model sets it.
        self.image_size = 224

    def build(self, inputs_shape: Any, switches_shape: Any) -> None:
        if switches_shape[-1] != len(self.sub_blocks):
            raise ValueError(
                f"SplitBlock of {len(self.sub_blocks)} sub-blocks takes as many switches. "
                f"Received: switches.shape={tuple(switches_shape)}"
            )

    def call(self, inputs: Any, switches: Any, training: bool | None = None) -> Any:
        return execution.execute(self, inputs, switches, training)

    def shortcut_terms(self, inputs: Any, training: bool | None = None) -> list[Any]:
        """Returns the shortcut's output in a list, which is empty where there is no shortcut."""
        if self.shortcut is None:
            return []
        return [inputs if isinstance(self.shortcut, str) else self.shortcut(inputs, training=training)]

    def finish(self, inputs: Any, terms: Sequence[Any]) -> Any:
        """Returns the activated sum of `terms`, zeros where there are none; `inputs` tells how many samples."""
        if not terms:
            shape = (ops.shape(inputs)[0], *self.output_map)
            return self.activation(ops.zeros(shape, dtype=self.compute_dtype))
        return self.activation(sum(terms[1:], start=terms[0]))

    @property
    def output_map(self) -> tuple[int, ...]:
        """The shape of one sample's output."""
        return self.sub_blocks[0].output_shape[1:]

    def compute_output_spec(self, inputs: Any, switches: Any, training: bool | None = None) -> Any:
        return keras.KerasTensor((inputs.shape[0], *self.output_map), dtype=self.compute_dtype)

    def rebuilt(self, transform: Callable[[keras.Model], keras.Model]) -> "SplitBlock":
        """Returns a new block whose parts are `transform(part)`, of the same name and configuration."""
        shortcut = transform(self.shortcut) if isinstance(self.shortcut, keras.Model) else self.shortcut
        parts = [transform(part) for part in self.sub_blocks]
        # The flag by argument: set later, it would overwrite those of the parts.
        own = {"name": self.name, "dtype": self.dtype_policy, "trainable": self.trainable}
        block = SplitBlock(parts, shortcut, self.activation, **own)
        block.supports_jit = self.supports_jit
        block.execution, block.method, block.image_size = self.execution, self.method, self.image_size
        return block

    def get_config(self) -> dict[str, Any]:
        config = {
            "sub_blocks": [keras.saving.serialize_keras_object(part) for part in self.sub_blocks],
            "shortcut": keras.saving.serialize_keras_object(self.shortcut),
            "activation": keras.activations.serialize(self.activation),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SplitBlock":
        parts = [keras.saving.deserialize_keras_object(part) for part in config.pop("sub_blocks")]
        shortcut = keras.saving.deserialize_keras_object(config.pop("shortcut"))
        return cls(parts, shortcut, **config)
