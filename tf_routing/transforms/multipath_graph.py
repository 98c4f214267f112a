"""Draws the graph of a single-path net anew with parallel paths, and routing layers between them."""

from typing import Any

import keras

from tf_routing.core.graph import call_arguments, layer_calls
from tf_routing.layers import CrossConnection, CrossPrediction
from tf_routing.models import RoutedModel
from tf_routing.transforms.routing_places import RoutingPlaces
from tf_routing.zoo.builders.parts.paths import path_prefix


class MultipathGraph:
    """A multi-path net as it is drawn: the layers of a single-path net, once per path.

    Args:
        model: The single-path net.
        places: Where routing layers stand in it.
        paths: Integer, number of paths.
        hidden: Integer, hidden units of the gates.

    Attributes:
        copies: Pairs of a layer of the multi-path net, and the layer of the single-path net that it is a copy of.
        routes: Pairs of a routing layer, and the layer that it takes the place of, `None` where it takes none.
    """

    def __init__(self, model: keras.Model, places: RoutingPlaces, paths: int, hidden: int) -> None:
        self.model, self.places, self.paths, self.hidden = model, places, paths, hidden
        self.policy = model.get_layer(places.scaled).dtype_policy
        self.copies: list[tuple[Any, Any]] = []
        self.routes: list[tuple[Any, Any]] = []
        # The parallel tensors that stand for a tensor of the single-path net; before the first route there is one.
        self._tensors: dict[Any, list[Any]] = {}
        self._image = keras.layers.InputLayer.from_config(model.get_layer("image").get_config()).output

    def build(self, name: str) -> RoutedModel:
        """Draws the graph, and returns the multi-path net with fresh weights."""
        for call in layer_calls(self.model):
            tensors = self._draw(call)
            route = self.places.connected.get(call.operation.name)
            if route is not None:
                tensors = self._add_connection(tensors, route)
            self._tensors[call.output_tensors[0]] = tensors
        return RoutedModel(self._image, self._tensors[self.model.outputs[0]][0], name=name)

    def _draw(self, call: Any) -> list[Any]:
        """Returns what stands for the output of a call."""
        layer = call.operation
        if isinstance(layer, keras.layers.InputLayer):
            return [self._image]
        inputs = [self._tensors[tensor] for tensor in call.input_tensors]
        if layer.name in self.places.dropped:
            return inputs[0]
        if layer.name in self.places.predicted:
            return self._add_prediction(inputs[0], layer)
        if layer.name == "logits":
            # The paths share the last layer's place: their answers are averaged, as those of the zoo's nets.
            return [keras.layers.Average(name="logits", dtype=layer.dtype_policy)(inputs[0])]
        return [self._copy(call, path, len(inputs[0])) for path in range(1, len(inputs[0]) + 1)]

    def _copy(self, call: Any, path: int, paths: int) -> Any:
        layer = call.operation
        copy = type(layer).from_config({**layer.get_config(), "name": path_prefix(path, paths) + layer.name})
        self.copies.append((copy, layer))
        args, kwargs = call_arguments(call, {tensor: self._tensors[tensor][path - 1] for tensor in call.input_tensors})
        return copy(*args, **kwargs)

    def _add_connection(self, tensors: list[Any], route: int) -> list[Any]:
        # A last kernel of zeros makes gates uniform, so that every path reads the mean of all.
        layer = CrossConnection(self.paths, self.hidden, "zeros", name=f"route_{route}", dtype=self.policy)
        self.routes.append((layer, None))
        return layer(tensors, return_gates=True)[0]

    def _add_prediction(self, tensors: list[Any], replaced: Any) -> list[Any]:
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
