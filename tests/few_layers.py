"""BaseCNN with few layers, for tests of what is done with a network, whatever it is."""

from collections.abc import Sequence

import pytest

from tf_routing.zoo.architectures import ARCHITECTURES

NAMES = ("basecnn", "basecnn_2cc", "basecnn_2cp")


def few_layers(patch: pytest.MonkeyPatch, names: Sequence[str] = NAMES) -> None:
    """Gives nets two convolutions and a hidden dense layer: two routers and half the time to compile."""
    for name in names:
        line = ARCHITECTURES[name]
        few = {"stages": ((32,), (64,)), "pools": 1, "dense": (32,)}
        patch.setitem(ARCHITECTURES, name, line._replace(arguments={**line.arguments, **few}))
