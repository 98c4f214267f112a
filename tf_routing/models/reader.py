"""A model that shows what is computed inside another one."""

from typing import Any

import keras

from tf_routing.models.inputs.checked_inputs import CheckedInputs
from tf_routing.models.inputs.images import at_edge


class Reader(CheckedInputs, keras.Model):
    """A functional model from a routed model's inputs to tensors of its graph, which takes the same images.

    Args:
        inputs: The model's `input`.
        outputs: Symbolic tensors of its graph, in any structure.
        name: Optional name.
        **kwargs: As for `keras.Model`.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        # The routed model looks at the images, and says what there is to say of them.
        self.__dict__["_told_far"] = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        def run(x: Any) -> Any:
            """The plain forward pass."""
            return super(Reader, self).call(x, training=training, mask=mask)

        return at_edge(self, run, inputs, training)
