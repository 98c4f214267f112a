"""The graph of a single-path net, drawn again with several paths."""

from typing import Any

import keras

from tf_routing.core.graph import layer_calls
from tf_routing.layers import CrossConnection, CrossPrediction
from tf_routing.models import RoutedModel
from tf_routing.transforms.widening_places import Places
from tf_routing.zoo.builders.parts.paths import path_prefix


class WidenedGraph:
    """A single-path net with its layers copied onto parallel paths, and routing layers between them.

    Args:
        model: The single-path net.
        places: Where routing layers stand in it.
        paths: Number of paths.
        hidden: Hidden units of each gate.

    Attributes:
        copies: Pairs of a layer of the new net and the layer that it is a copy of.
        routes: The routing layers, each with the layer that it takes the place of, or with `None`.
    """

    def __init__(self, model: keras.Model, places: Places, paths: int, hidden: int) -> None:
        self.model, self.places, self.paths, self.hidden = model, places, paths, hidden
        self.policy = model.get_layer(places.scaled).dtype_policy
        self.copies: list[tuple[Any, Any]] = []
        self.routes: list[tuple[Any, Any]] = []
        # The parallel tensors that stand for each tensor of the single-path net: one of them before the first route.
        self._tensors: dict[int, list[Any]] = {}
        self._image = keras.layers.InputLayer.from_config(model.get_layer("image").get_config()).output

    def build(self, name: str) -> RoutedModel:
        """Returns the multi-path net, its weights fresh."""
        for call in layer_calls(self.model):
            outputs = self._outputs(call)
            route = self.places.connected.get(call.operation.name)
            if route is not None:
                outputs = self._connected(outputs, route)
            self._tensors[id(call.output_tensors[0])] = outputs
        return RoutedModel(self._image, self._tensors[id(self.model.outputs[0])][0], name=name)

    def _outputs(self, call: Any) -> list[Any]:
        layer = call.operation
        if isinstance(layer, keras.layers.InputLayer):
            return [self._image]
        inputs = [self._tensors[id(tensor)] for tensor in call.input_tensors]
        if layer.name in self.places.dropped:
            return inputs[0]
        if layer.name in self.places.predicted:
            return self._predicted(inputs[0], layer)
        if layer.name == "logits":
            return [keras.layers.Average(name="logits", dtype=layer.dtype_policy)(inputs[0])]
        return [self._copied(call, path, len(inputs[0])) for path in range(1, len(inputs[0]) + 1)]

    def _copied(self, call: Any, path: int, paths: int) -> Any:
        layer = call.operation
        copy = type(layer).from_config({**layer.get_config(), "name": path_prefix(path, paths) + layer.name})
        self.copies.append((copy, layer))
        tensors = {id(tensor): self._tensors[id(tensor)][path - 1] for tensor in call.input_tensors}
        args, kwargs = call.arguments.fill_in(tensors)
        return copy(*args, **kwargs)

    def _connected(self, tensors: list[Any], route: int) -> list[Any]:
        layer = CrossConnection(self.paths, self.hidden, "zeros", name=f"route_{route}", dtype=self.policy)
        self.routes.append((layer, None))
        return layer(tensors, return_gates=True)[0]

    def _predicted(self, tensors: list[Any], replaced: Any) -> list[Any]:
        normalization = self.model.get_layer(f"{replaced.name}_bn")
        dense = isinstance(replaced, keras.layers.Dense)
        layer = CrossPrediction(
            self.paths,
            hidden=self.hidden,
            choice_initializer="zeros",
            use_bias=replaced.use_bias,
            momentum=normalization.momentum,
            epsilon=normalization.epsilon,
            name=f"route_{self.places.predicted[replaced.name]}",
            dtype=self.policy,
            **({"units": replaced.units} if dense else {"filters": replaced.filters}),
        )
        self.routes.append((layer, replaced))
        return layer(tensors, return_gates=True)[0]
