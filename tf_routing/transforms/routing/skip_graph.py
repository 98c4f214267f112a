"""Draws the graph of a network anew, with residual blocks that images can bypass."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.core.pixel_values import UNIT
from tf_routing.layers import SkipBlock, SkipRouter
from tf_routing.transforms.routing.classifier_end import ClassifierEnd
from tf_routing.transforms.routing.flat_calls import FlatCall, FlatGraph
from tf_routing.transforms.routing.layer_copies import copy_layer, copy_state
from tf_routing.transforms.routing.residual_blocks import ResidualBlock


class SkipGraph:
    """A network as it is drawn again: copies of its layers, and blocks with routers.

    Args:
        graph: The network.
        end: How it ends.
        blocks: The blocks that can be bypassed, in order of depth, none inside of another.
        router: A router, of which every block gets a copy, where there are blocks.
        rescaled: The range to which a first layer brings floats in [0, 1].

    Attributes:
        image: The symbolic tensor of the images.
        routers: The routers, by the name of the block that they are for.
    """

    def __init__(
        self,
        graph: FlatGraph,
        end: ClassifierEnd,
        blocks: Sequence[ResidualBlock],
        router: SkipRouter | None,
        rescaled: tuple[float, float] = UNIT,
    ) -> None:
        self.graph, self.end, self.router, self.rescaled = graph, end, router, rescaled
        self.image: Any = None
        self.routers: dict[str, Any] = {}
        self._last = {block.last: block for block in blocks}
        self._inside = {call for block in blocks for call in (*block.branch, block.sum)} - set(self._last)
        self._copies: dict[Any, Any] = {}
        self._blocks: list[Any] = []
        self._names = {call.name for call in graph.calls}
        # What stands for a tensor of the network.
        self.tensors: dict[Any, Any] = {}

    def draw(self) -> None:
        """Draws all layers but the end."""
        for call in self.graph.calls:
            if call not in (self.end.logits, self.end.last):
                self.draw_call(call)

    def draw_call(self, call: FlatCall) -> list[Any]:
        """Draws a call, unless it is inside of a block, and returns the layers that it became."""
        if call in self._inside:
            return []
        if call in self._last:
            return self._draw_block(self._last[call])
        copy = self._copy(call)
        self._run(call, self.tensors)
        if not _is_input(copy):
            return [copy]
        return [copy, *self.begin(self.tensors[call.outputs[0]], self.free_name("to_input_range"))]

    def begin(self, image: Any, name: str) -> list[Any]:
        """Notes the images, and brings them to the network's range.

        Args:
            image: The symbolic tensor of the images.
            name: Name of the layer that does so.

        Returns:
            List of that layer, empty where they are in that range.
        """
        self.image = self.tensors[self.graph.image] = image
        if self.rescaled == UNIT:
            return []
        low, high = self.rescaled
        layer = keras.layers.Rescaling(high - low, low, name=name)
        self.tensors[self.graph.image] = layer(image)
        return [layer]

    def _draw_block(self, block: ResidualBlock) -> list[Any]:
        source = self.tensors[block.source]
        router = self._copy_router(len(self.routers) + 1)
        self.routers[block.name] = router
        # The precision in which the network adds.
        policy = _policy_of(block.sum)
        layer = SkipBlock(
            self._build_branch(block, source), "identity", block.activation, name=block.name, dtype=policy
        )
        self._blocks.append(layer)
        self.tensors[block.last.outputs[0]] = layer(source, router(source))
        return [router, layer]

    def _build_branch(self, block: ResidualBlock, source: Any) -> keras.Model:
        maps = keras.Input(source.shape[1:], dtype=source.dtype, name="maps")
        values = {block.source: maps}
        for call in block.branch:
            self._copy(call)
            self._run(call, values)
        result = values[block.result]
        if block.scale != 1:
            result = keras.layers.Rescaling(block.scale, name="scale", dtype=result.dtype)(result)
        return keras.Model(maps, result, name="branch")

    def _copy(self, call: FlatCall) -> Any:
        layer = call.operation
        if layer not in self._copies:
            self._copies[layer] = self._copy_input(call) if _is_input(layer) else copy_layer(layer, call.name)
        return self._copies[layer]

    def _copy_input(self, call: FlatCall) -> Any:
        dtype = image_dtype(call.operation.dtype, self.rescaled)
        return type(call.operation).from_config({**call.operation.get_config(), "name": call.name, "dtype": dtype})

    def _run(self, call: FlatCall, values: dict[Any, Any]) -> None:
        """Calls the copy of a layer on what stands for its inputs, and adds what stands for its outputs."""
        copy = self._copies[call.operation]
        if _is_input(copy):
            outputs = [copy.output]
        else:
            args, kwargs = keras.tree.map_structure(
                lambda each: values[each] if isinstance(each, keras.KerasTensor) else each, (call.args, call.kwargs)
            )
            outputs = keras.tree.flatten(copy(*args, **kwargs))
        values.update(zip(call.outputs, outputs, strict=True))

    def _copy_router(self, number: int) -> SkipRouter:
        assert self.router is not None, "blocks that are bypassed need a router"
        config = {**self.router.get_config(), "name": self.free_name(f"router_{number}")}
        return SkipRouter.from_config(config)

    def free_name(self, name: str) -> str:
        """Returns a name that no layer of the network has."""
        while name in self._names:
            name += "_added"
        self._names.add(name)
        return name

    def draw_logits(self) -> Any:
        """Draws the end up to the logits, and returns them."""
        call = self.end.logits
        if self.end.is_split:
            config = {**call.operation.get_config(), "name": call.name, "activation": "linear"}
            self._copies[call.operation] = type(call.operation).from_config(config)
            self._run(call, self.tensors)
        else:
            self.draw_call(call)
        return self.tensors[call.outputs[0]]

    def draw_probabilities(self, logits: Any) -> Any:
        """Draws what follows the logits, and returns the answer of the network."""
        last, end = self.end.last, self.end
        policy = self.end_policy
        logits = keras.layers.Identity(name=self.free_name("logits"), dtype=policy)(logits)
        if end.is_split or end.is_logits:
            return keras.layers.Activation("softmax", name=self.free_name("probabilities"), dtype=policy)(logits)
        self._copy(last)
        self._run(last, {**self.tensors, last.inputs[0]: logits})
        return self._copies[last.operation].output

    @property
    def end_policy(self) -> str:
        """The dtype policy of the layer that answers."""
        return _policy_of(self.end.last)

    def copy_weights(self) -> None:
        """Gives the copies the weights of the network, and opens all routers."""
        for layer, copy in self._copies.items():
            copy_state(layer, copy)
        for router in self.routers.values():
            open_router(router)

    def freeze(self) -> None:
        """Lets nothing train but the routers."""
        for layer in [*self._copies.values(), *self._blocks]:
            if isinstance(layer, keras.Layer):
                layer.trainable = False


def image_dtype(dtype: str, rescaled: tuple[float, float]) -> str:
    """Returns the type of images that a first layer brings from [0, 1] to a network's range, or leaves as they are.

    Args:
        dtype: That of the network's images, which may be integers.
        rescaled: The network's range, or [0, 1].
    """
    return dtype if rescaled == UNIT or "float" in dtype else "float32"


def _is_input(layer: Any) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


def _policy_of(call: FlatCall) -> str:
    # By name: an `Identity` of a policy that is an object has no configuration.
    operation = call.operation
    return operation.dtype_policy.name if isinstance(operation, keras.Layer) else call.outputs[0].dtype


def open_router(router: SkipRouter) -> None:
    """Makes a router's score a constant, that of its biases, whatever the image."""
    kernel = router.scores_layer.kernel
    kernel.assign(np.zeros(kernel.shape))
