"""Takes weights of PyTorch for the networks of the zoo whose layers agree with those of torchvision and timm.

A state dict comes as tensors or arrays: what reads the file is up to its owner (`torch.load(file, weights_only=True)`,
`safetensors.numpy.load_file(file)`), and this library needs no PyTorch. PyTorch pads strided convolutions on both
sides, where `"same"` pads an even side at its end only: the networks are built with `padding="symmetric"`. Their
batch normalisation has our epsilon, 1e-5.

Importing this module does not import Keras.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tf_routing.support.validation import first_few

# Means and deviations of ImageNet's images in [0, 1], which torchvision's networks and most of timm's were trained on.
IMAGENET_STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# Weights of a layer of Keras, in its order, by their names in PyTorch.
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")
# Of no use at inference, or names of wrappers.
_COUNTERS, _WRAPPER = "num_batches_tracked", "module."


class _Source(NamedTuple):
    """Names that a network has in PyTorch.

    Args:
        stem: Name of its first weight, which tells it from others.
        module: Function from the name of a layer of ours, without `_bn`, to the names of the convolution or dense layer
            and of the normalisation behind it.
    """

    stem: str
    module: Callable[[str], tuple[str, str]]


def _name_in_resnet(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"stage_(\d)_block_(\d+)_(?:conv_(\d)|shortcut)", name)
    if found is None:
        return {"stem": ("conv1", "bn1"), "head": ("fc", "")}[name]
    stage, number, convolution = found.groups()
    block = f"layer{stage}.{int(number) - 1}"
    if convolution is None:
        return f"{block}.downsample.0", f"{block}.downsample.1"
    return f"{block}.conv{convolution}", f"{block}.bn{convolution}"


def _name_in_torchvision_mobilenet(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"block_(\d+)_([a-z]+)", name)
    if found is None:
        ends = {"stem": "features.0", "last": "features.18"}
        return (f"{ends[name]}.0", f"{ends[name]}.1") if name in ends else ("classifier.1", "")
    block, part = f"features.{found[1]}.conv", found[2]
    # The first block widens nothing, so that the others count one further.
    place = {"expand": 0, "depthwise": 1, "project": 2}[part] - (found[1] == "1")
    if part == "project":
        return f"{block}.{place}", f"{block}.{place + 1}"
    return f"{block}.{place}.0", f"{block}.{place}.1"


# How many of the 17 blocks the seven stages have.
_STAGES = (1, 2, 3, 4, 3, 3, 1)
_TIMM_PLACES = [f"blocks.{stage}.{block}" for stage, count in enumerate(_STAGES) for block in range(count)]


def _name_in_timm_mobilenet(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"block_(\d+)_([a-z]+)", name)
    if found is None:
        return {"stem": ("conv_stem", "bn1"), "last": ("conv_head", "bn2"), "head": ("classifier", "")}[name]
    block, part = _TIMM_PLACES[int(found[1]) - 1], found[2]
    if found[1] == "1":
        # Without an expansion: the numbers are one less, and what is linear elsewhere has the plain name.
        return {
            "depthwise": (f"{block}.conv_dw", f"{block}.bn1"),
            "project": (f"{block}.conv_pw", f"{block}.bn2"),
        }[part]
    parts = {"expand": ("conv_pw", "bn1"), "depthwise": ("conv_dw", "bn2"), "project": ("conv_pwl", "bn3")}
    convolution, normalization = parts[part]
    return f"{block}.{convolution}", f"{block}.{normalization}"


_RESNET = (_Source("conv1.weight", _name_in_resnet),)
_MOBILENET = (
    _Source("features.0.0.weight", _name_in_torchvision_mobilenet),
    _Source("conv_stem.weight", _name_in_timm_mobilenet),
)
_SOURCES = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "wideresnet50_2"), _RESNET),
    "mobilenetv2": _MOBILENET,
}

TORCH_NAMES = tuple(_SOURCES)


def match_arguments(
    architecture: str, state: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the arguments with which our network agrees with that of PyTorch.

    Args:
        architecture: A name of the zoo.
        state: The state dict.
        given: The family's arguments that the user gave; `standardize` is up to them.
        defaults: The family's arguments by default.

    Raises:
        ValueError: If the network has no counterpart, the state dict is of another, or an argument does not fit.
    """
    _find_source(architecture, _unwrap(state))
    needed = {"padding": "symmetric", "standardize": IMAGENET_STATISTICS}
    for argument, value in given.items():
        expected = needed.get(argument, defaults[argument])
        if argument not in ("standardize", "width_multiplier") and value != expected:
            raise ValueError(
                f"`{argument}` must be {expected!r} with weights of PyTorch. Received: {argument}={value!r}"
            )
    return {argument: value for argument, value in needed.items() if argument not in given}


def find_classes(architecture: str, state: Mapping[str, Any]) -> dict[str, int]:
    """Returns the `classes` of a state dict's head; nothing where it has none.

    Args:
        architecture: A name of the zoo.
        state: The state dict.

    Raises:
        ValueError: If the network has no counterpart, or the state dict is of another.
    """
    state = _unwrap(state)
    head = state.get(f"{_find_source(architecture, state).module('head')[0]}.weight")
    return {} if head is None else {"classes": int(head.shape[0])}


def transfer(model: Any, state: Mapping[str, Any], architecture: str) -> list[str]:
    """Gives a network of ours the weights of one of PyTorch.

    Args:
        model: Our network, built with `match_arguments`.
        state: The state dict: names to tensors or arrays.
        architecture: Our network's name in the zoo.

    Returns:
        Names of the layers that stay fresh: the head, where it has other classes or the state dict has none.

    Raises:
        ValueError: If weights are missing, left over, or of other shapes.
    """
    state = _unwrap(state)
    return transfer_by_name(model, state, _find_source(architecture, state).module, architecture)


def transfer_by_name(
    model: Any, state: Mapping[str, Any], module: Callable[[str], tuple[str, str]], network: str, head: str = "head"
) -> list[str]:
    """Gives a network the weights of one of PyTorch whose layers have other names.

    Args:
        model: The network.
        state: The state dict: names to tensors or arrays.
        module: Function from the name of a layer, without `_bn`, to the names of the convolution or dense layer and of
            the normalisation behind it in PyTorch.
        network: What the network is called in errors.
        head: Name of the layer that classifies.

    Returns:
        Names of the layers that stay fresh: the head, where it has other classes or the state dict has none.

    Raises:
        ValueError: If weights are missing, left over, or of other shapes.
    """
    import keras

    left, fresh, chosen = set(state), [], []
    for layer in (layer for layer in model.layers if layer.weights and layer.name != "standardize"):
        convolution, normalization = module(layer.name.removesuffix("_bn"))
        if isinstance(layer, keras.layers.BatchNormalization):
            names = [f"{normalization}.{part}" for part in _NORMALIZATION]
        else:
            names = [f"{convolution}.{part}" for part in ("weight", "bias")][: len(layer.weights)]
        missing = [name for name in names if name not in state]
        if layer.name == head and (missing or len(state[names[0]]) != model.output_shape[-1]):
            fresh.append(layer.name)
            continue
        if missing:
            raise ValueError(_describe_names(network, "lacks", missing))
        chosen.append((layer, names, _read_weights(layer, names, state)))
        left -= set(names)
    classifier = f"{module(head)[0]}."
    left = {name for name in left if not name.startswith(classifier) and not name.endswith(_COUNTERS)}
    if left:
        raise ValueError(_describe_names(network, "holds, and the network does not,", sorted(left)))
    for layer, _, weights in chosen:
        layer.set_weights(weights)
    return fresh


def _read_weights(layer: Any, names: list[str], state: Mapping[str, Any]) -> list[np.ndarray]:
    """Returns weights as the layer has them, axes in its order."""
    arrays = []
    for weight, name in zip(layer.weights, names, strict=True):
        array = _to_array(state[name])
        if array.ndim == 4:
            # (out, in, height, width); a depthwise one has a single input each, and Keras counts its outputs as inputs.
            depthwise = type(layer).__name__ == "DepthwiseConv2D"
            array = array.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        elif array.ndim == 2:
            array = array.T
        if array.shape != tuple(weight.shape):
            raise ValueError(
                f"Layer {layer.name!r} has weights of shape {tuple(weight.shape)}; {name!r} of the state dict brings "
                f"{array.shape}: it is of another network or width."
            )
        arrays.append(array)
    return arrays


def _to_array(value: Any) -> np.ndarray:
    # A tensor may need a gradient, lie on an accelerator, or have half the precision, which NumPy may not know.
    return np.asarray(value.detach().cpu().float() if hasattr(value, "detach") else value, "float32")


def _unwrap(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the state dict without the name that training on several devices puts before all others."""
    if state and all(str(name).startswith(_WRAPPER) for name in state):
        return {name.removeprefix(_WRAPPER): value for name, value in state.items()}
    return state


def _find_source(architecture: str, state: Mapping[str, Any]) -> _Source:
    if architecture not in _SOURCES:
        raise ValueError(
            f"Weights of PyTorch are for {', '.join(TORCH_NAMES)}, whose layers agree with those of torchvision and "
            f"timm; several paths start from one of them: tf_routing.widen_paths. Received: {architecture!r}"
        )
    for source in _SOURCES[architecture]:
        if source.stem in state:
            return source
    stems = " or ".join(repr(source.stem) for source in _SOURCES[architecture])
    raise ValueError(
        f"`weights` must be the state dict of a {architecture} of torchvision or timm, with {stems}; a checkpoint "
        f"often holds it as one of its items. Received: a dict of {first_few([str(name) for name in state], 3)}"
    )


def _describe_names(network: str, verb: str, names: list[str]) -> str:
    return f"The state dict is of another network than {network}: it {verb} {first_few(names, 3)}."
