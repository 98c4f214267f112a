"""The identity shortcut keeps every strides-th position and pads channels with zeros."""

from typing import Any

import numpy as np
import pytest

from tf_routing.layers import IdentityShortcut


@pytest.mark.parametrize(("size", "strides", "kept"), [(4, 2, [0, 2]), (5, 2, [0, 2, 4]), (7, 3, [0, 3, 6])])
def test_positions_and_padding(size: int, strides: int, kept: list[int]) -> None:
    x = np.random.default_rng(6).normal(size=(2, size, size, 3))
    outputs = np.asarray(IdentityShortcut(filters=5, strides=strides, dtype="float64")(x))
    assert outputs.shape == (2, len(kept), len(kept), 5)
    np.testing.assert_array_equal(outputs[..., :3], x[:, kept][:, :, kept])
    assert not outputs[..., 3:].any()


def test_without_stride_and_with_all_channels_it_is_the_identity() -> None:
    x = np.random.default_rng(6).normal(size=(2, 4, 4, 3))
    np.testing.assert_array_equal(np.asarray(IdentityShortcut(filters=3, strides=1, dtype="float64")(x)), x)


def test_it_has_no_weights() -> None:
    layer = IdentityShortcut(filters=5)
    layer.build((None, 4, 4, 3))
    assert layer.weights == []


@pytest.mark.parametrize("argument", ["filters", "strides"])
@pytest.mark.parametrize("value", [0, -1, 2.0])
def test_a_count_that_is_no_positive_integer_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}={value!r}"):
        IdentityShortcut(**{"filters": 8, argument: value})


@pytest.mark.parametrize("shape", [(2, 4, 4, 9), (2, 8)])
def test_too_many_channels_and_vectors_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="filters=8 channels. Received: inputs.shape=") as caught:
        IdentityShortcut(filters=8)(np.ones(shape))
    assert str(shape) in str(caught.value)
