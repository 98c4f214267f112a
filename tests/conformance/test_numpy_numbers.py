"""Layers and nets take NumPy's numbers as Python's, and their configuration holds Python's."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import LAYERS, MODELS, small
from tf_routing import layers


def _as_numpy(value: Any) -> Any:
    """Returns a value with its numbers as NumPy's, also inside lists, tuples and dicts."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return np.int64(value)
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(_as_numpy, value))
    return {key: _as_numpy(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_them(name: str) -> None:
    subject = LAYERS[name]
    seed = {"seed": 3} if "seed" in subject.build().get_config() else {}
    arguments = {**subject.arguments, **seed}
    layer = getattr(layers, subject.layer)(**subject.parts(), **_as_numpy(arguments))
    config = layer.get_config()
    # What JSON cannot hold is refused when a file is saved, and NumPy's integers are among it.
    assert json.loads(json.dumps({key: config[key] for key in arguments})) == json.loads(json.dumps(arguments))


# One net per builder: what a builder makes of its arguments does not depend on the table's line.
_NETS = ("basecnn_2cc", "basecnn_ensemble3", "short_cifar_resnet", "short_imagenet_resnet", "short_split_mobilenetv2")
_NETS += ("short_split_resnet", "short_skip_resnet", "short_chain", "mobilenetv2")


@pytest.mark.parametrize("name", _NETS)
def test_a_net_takes_them(name: str) -> None:
    standardize = {"standardize": (np.array([0.5, 0.4, 0.3]), np.array([0.25, 0.2, 0.1], "float32"))}
    seed = {"seed": np.int64(3)} if name in ("short_split_resnet", "short_skip_resnet", "short_chain") else {}
    zoos = MODELS.get(name, {"classes": 5, "input_shape": (32, 32, 3), "width_multiplier": 0.125})
    model = small(name, **_as_numpy(zoos), **standardize, **seed)
    again = keras.Model.from_config.__func__(type(model), json.loads(json.dumps(model.get_config())))
    assert again.output_shape == model.output_shape == (None, 5)
