"""BaseCNN and ResNet-20, with one path and with two behind cross-connections, written plainly in PyTorch.

The layouts are those of `zoo.get("basecnn")`, `"basecnn_2cc"`, `"resnet20"` and `"resnet20_2cc"`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CLASSES, _HIDDEN = 10, 16


class Mixed(nn.Module):
    """A cross-connection: gates of each input say how much of it goes to each of the paths."""

    def __init__(self, inputs: int, paths: int, channels: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, paths), nn.Softmax(dim=1))
            for _ in range(inputs)
        )
        self.paths = paths

    def forward(self, tensors: list[Tensor]) -> list[Tensor]:
        gates = [gate(x.mean((2, 3)) if x.dim() == 4 else x) for gate, x in zip(self.gates, tensors, strict=True)]
        shape = (-1, *(1,) * (tensors[0].dim() - 1))
        return [
            sum(gate[:, path].view(shape) * x for gate, x in zip(gates, tensors, strict=True))
            for path in range(self.paths)
        ]


class Parallel(nn.Module):
    """The same part on each path, with weights of its own."""

    def __init__(self, part: Callable[[], nn.Module], paths: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(part() for _ in range(paths))

    def forward(self, tensors: list[Tensor]) -> list[Tensor]:
        return [part(x) for part, x in zip(self.parts, tensors, strict=True)]


class Network(nn.Module):
    """Parts one behind the other; each takes and returns a list with a tensor per path, whose last are averaged."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, images: Tensor) -> Tensor:
        tensors = [images]
        for part in self.parts:
            tensors = part(tensors)
        return sum(tensors) / len(tensors)


def _convolved(inputs: int, outputs: int, stride: int = 1, bias: bool = True, relu: bool = True) -> nn.Sequential:
    parts = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*parts, *([nn.ReLU()] if relu else []))


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU())


def basecnn(paths: int) -> Network:
    """Returns BaseCNN for images of 32 pixels, with one path or with several behind cross-connections."""
    mixed = paths > 1
    parts: list[nn.Module] = [Mixed(1, paths, 3)] if mixed else []
    inputs = 3
    for outputs, pooled in ((32, True), (64, True), (128, False)):

        def stage(inputs: int = inputs, outputs: int = outputs, pooled: bool = pooled) -> nn.Module:
            """Two convolutions, and a pool."""
            pool = [nn.MaxPool2d(2)] if pooled else []
            return nn.Sequential(_convolved(inputs, outputs), _convolved(outputs, outputs), *pool)

        parts += [Parallel(stage, paths), *([Mixed(paths, paths, outputs)] if mixed else [])]
        inputs = outputs
    parts.append(Parallel(lambda: nn.Sequential(nn.Flatten(), _dense(8 * 8 * 128, 32)), paths))
    parts += [Mixed(paths, paths, 32)] if mixed else []
    parts.append(Parallel(lambda: nn.Sequential(_dense(32, 32), nn.Linear(32, _CLASSES)), paths))
    return Network(*parts)


class Block(nn.Module):
    """Two convolutions around a shortcut without parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.stride, self.more = stride, outputs - inputs
        self.first = _convolved(inputs, outputs, stride, bias)
        self.second = _convolved(outputs, outputs, 1, bias, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.second(self.first(x))
        if self.more:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return F.relu(x + residual)


def resnet20(paths: int) -> Network:
    """Returns ResNet-20 for images of 32 pixels, with one path or with several behind cross-connections."""
    mixed = paths > 1
    stem = Parallel(lambda: _convolved(3, 16, bias=mixed), 1)
    parts: list[nn.Module] = [stem, *([Mixed(1, paths, 16)] if mixed else [])]
    inputs = 16
    for outputs in (16, 32, 64):

        def stack(inputs: int = inputs, outputs: int = outputs) -> nn.Module:
            """Three blocks."""
            first = Block(inputs, outputs, 1 if inputs == outputs else 2, mixed)
            return nn.Sequential(first, *(Block(outputs, outputs, 1, mixed) for _ in range(2)))

        parts += [Parallel(stack, paths), *([Mixed(paths, paths, outputs)] if mixed else [])]
        inputs = outputs
    head = Parallel(lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, _CLASSES)), paths)
    return Network(*parts, head)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "basecnn": lambda: basecnn(1),
    "basecnn_2cc": lambda: basecnn(2),
    "resnet20": lambda: resnet20(1),
    "resnet20_2cc": lambda: resnet20(2),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, _CLASSES)),
}


def decayed_sgd(network: nn.Module, learning_rate: float, momentum: float, kernel_decay: float) -> torch.optim.SGD:
    """Returns SGD with momentum whose decay is that of kernels alone, as that of our recipes."""
    kernels = [each for each in network.parameters() if each.dim() > 1]
    others = [each for each in network.parameters() if each.dim() == 1]
    groups = [{"params": kernels, "weight_decay": kernel_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum)
