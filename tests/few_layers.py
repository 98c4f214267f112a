"""BaseCNN with few layers, for tests of what is done with a network, whatever it is."""

import pytest

from tf_routing.zoo.architectures import ARCHITECTURES

NAMES = ("basecnn", "basecnn_2cc", "basecnn_2cp")


def few_layers(patch: pytest.MonkeyPatch) -> None:
    """Gives `NAMES` two convolutions and a hidden dense layer: two routers and half the time to compile."""
    for name in NAMES:
        line = ARCHITECTURES[name]
        few = {"stages": ((32,), (64,)), "pools": 1, "dense": (32,)}
        patch.setitem(ARCHITECTURES, name, line._replace(arguments={**line.arguments, **few}))
