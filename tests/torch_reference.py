"""Networks of torchvision and timm in plain NumPy, channels first, written from PyTorch's documentation.

They draw the weights of their state dict as they go: a normalisation's statistics are near those of what it gets, so
that answers of deep networks differ between images.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.numpy_reference import relu


class State:
    """A state dict, and layers that draw what they need into it.

    Args:
        epsilon: Added to variances.
        at_the_end: Whether even maps are padded at their end, as in TensorFlow, where a convolution has a stride of 2.
    """

    def __init__(self, epsilon: float = 1e-5, at_the_end: bool = False) -> None:
        self.weights: dict[str, np.ndarray] = {}
        self._random, self._epsilon, self._at_the_end = np.random.default_rng(5), epsilon, at_the_end

    def convolve(
        self, x: np.ndarray, name: str, filters: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> np.ndarray:
        """A convolution without bias, padded by half its kernel on every side unless said otherwise."""
        depth = x.shape[1] // groups
        drawn = self._random.normal(0, (2 / (depth * kernel**2)) ** 0.5, (filters, depth, kernel, kernel))
        self.weights[f"{name}.weight"] = drawn.astype("float32")
        x = _windows(x, kernel, stride, 0.0, self._at_the_end)
        parts = zip(np.split(x, groups, 1), np.split(self.weights[f"{name}.weight"], groups), strict=True)
        return np.concatenate([np.einsum("bchwij,ocij->bohw", part, each, optimize=True) for part, each in parts], 1)

    def normalize(self, x: np.ndarray, name: str) -> np.ndarray:
        """Batch normalisation at inference."""
        random, channels = self._random, x.shape[1]
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
        values = {
            "weight": random.uniform(0.7, 1.4, channels),
            "bias": random.uniform(-0.2, 0.2, channels),
            "running_mean": mean + random.uniform(-0.02, 0.02, channels),
            # Far from zero: of few positions some vary hardly, and rounding would count.
            "running_var": (variance + variance.mean()) * random.uniform(0.8, 1.3, channels),
        }
        self.weights |= {f"{name}.{key}": value.astype("float32") for key, value in values.items()}
        self.weights[f"{name}.num_batches_tracked"] = np.array(7)
        scale, shift, mean, variance = (self.weights[f"{name}.{key}"][:, None, None] for key in values)
        return (x - mean) / np.sqrt(variance.astype("float64") + self._epsilon) * scale + shift

    def classify(self, x: np.ndarray, name: str, classes: int) -> np.ndarray:
        """The mean over positions, and a dense layer."""
        self.weights[f"{name}.weight"] = self._random.normal(0, 0.3, (classes, x.shape[1])).astype("float32")
        self.weights[f"{name}.bias"] = self._random.normal(0, 0.3, classes).astype("float32")
        return x.mean((2, 3)) @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]


def _windows(x: np.ndarray, kernel: int, stride: int, fill: float, at_the_end: bool = False) -> np.ndarray:
    sides = [(kernel // 2 - (at_the_end and stride == 2 and size % 2 == 0), kernel // 2) for size in x.shape[2:]]
    x = np.pad(x, ((0, 0), (0, 0), *sides), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def resnet(state: State, x: np.ndarray, layout: dict[str, Any], classes: int) -> np.ndarray:
    """A ResNet's logits; both libraries name its layers alike.

    `layout` has `blocks` of the stages, the first stage's `width`, and whether blocks are a `bottleneck`.
    """
    width, expansion = layout["width"], 4 if layout["bottleneck"] else 1
    x = relu(state.normalize(state.convolve(x, "conv1", width, 7, 2), "bn1"))
    x = _windows(x, 3, 2, -np.inf).max((4, 5))
    for stage, blocks in enumerate(layout["blocks"]):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _residual(state, x, f"layer{stage + 1}.{block}", width * 2**stage, stride, expansion)
    return state.classify(x, "fc", classes)


def _residual(state: State, x: np.ndarray, name: str, width: int, stride: int, expansion: int) -> np.ndarray:
    kernels = ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1))
    if expansion == 1:
        kernels = ((width, 3, stride), (width, 3, 1))  # type: ignore[assignment]
    y = x
    for number, (filters, kernel, each) in enumerate(kernels, 1):
        y = state.normalize(state.convolve(y, f"{name}.conv{number}", filters, kernel, each), f"{name}.bn{number}")
        y = relu(y) if number < len(kernels) else y
    if stride > 1 or x.shape[1] != y.shape[1]:
        x = state.normalize(
            state.convolve(x, f"{name}.downsample.0", y.shape[1], stride=stride), f"{name}.downsample.1"
        )
    return relu(x + y)


# Expansion, channels, blocks and stride of the first block.
_MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenetv2(state: State, x: np.ndarray, scale: Callable[[int], int], names: str, classes: int) -> np.ndarray:
    """MobileNetV2's logits, its channels scaled; `names` are those of `"torchvision"` or of `"timm"`."""
    timm = names == "timm"

    def add(x: np.ndarray, convolution: str, normalization: str, *sizes: int) -> np.ndarray:
        return np.clip(state.normalize(state.convolve(x, convolution, *sizes), normalization), 0, 6)

    x = add(x, *(("conv_stem", "bn1") if timm else ("features.0.0", "features.0.1")), scale(32), 3, 2)
    number = 0
    for stage, (expansion, channels, blocks, strides) in enumerate(_MOBILENET):
        for block in range(blocks):
            number += 1
            pairs = _name_timm(stage, block) if timm else _name_torchvision(number)
            y, wide = x, expansion * x.shape[1]
            if expansion > 1:
                y = add(y, *pairs[0], wide)
            y = add(y, *pairs[-2], wide, 3, 1 if block else strides, wide)
            y = state.normalize(state.convolve(y, pairs[-1][0], scale(channels)), pairs[-1][1])
            x = x + y if x.shape == y.shape else y
    x = add(x, *(("conv_head", "bn2") if timm else ("features.18.0", "features.18.1")), scale(1280))
    return state.classify(x, "classifier" if timm else "classifier.1", classes)


def _name_timm(stage: int, block: int) -> list[tuple[str, str]]:
    convolutions = ("conv_pw", "conv_dw", "conv_pwl") if stage else ("conv_dw", "conv_pw")
    place = f"blocks.{stage}.{block}"
    return [(f"{place}.{name}", f"{place}.bn{number}") for number, name in enumerate(convolutions, 1)]


def _name_torchvision(number: int) -> list[tuple[str, str]]:
    place = f"features.{number}.conv"
    if number == 1:
        return [(f"{place}.0.0", f"{place}.0.1"), (f"{place}.1", f"{place}.2")]
    return [(f"{place}.0.0", f"{place}.0.1"), (f"{place}.1.0", f"{place}.1.1"), (f"{place}.2", f"{place}.3")]
