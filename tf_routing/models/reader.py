"""A model over the graph of another one, which returns tensors from inside of it."""

from typing import Any

import keras

from tf_routing.execution.graph_executor import GraphExecutor
from tf_routing.models.inputs.batches import image_input
from tf_routing.models.inputs.checked_inputs import CheckedInputs
from tf_routing.models.inputs.images import run_on_images


class Reader(CheckedInputs, keras.Model):
    """A functional model from a routed model's inputs to tensors of its graph, which takes the same images.

    Args:
        inputs: The model's `input`.
        outputs: Symbolic tensors of its graph, in any structure.
        name: Optional name.
        executor: The `execution.GraphExecutor` of the model, whose settings and traces count here too.
        **kwargs: As for `keras.Model`.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        name: str | None = None,
        executor: GraphExecutor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        # The routed model looks at the images, and says what there is to say of them.
        self.input_watch.has_warned = True
        size = image_input(self).shape[1]
        self.executor = GraphExecutor(self, size) if executor is None else executor.with_graph(self)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        def run(x: Any) -> Any:
            """Runs the graph on images that were checked."""
            otherwise = super(Reader, self).call
            return self.executor.run(x, training, lambda images: otherwise(images, training=training, mask=mask))

        return run_on_images(self, run, inputs, training)
