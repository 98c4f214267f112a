"""Squeeze-and-excitation scales channels by `sigmoid(V2 ReLU(V1 GAP(x)))`."""

from typing import Any

import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing.layers import SqueezeExcite


@pytest.mark.parametrize("arguments", [{"hidden": 4}, {"ratio": 2}])
def test_values_are_those_of_the_equation(arguments: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    layer = SqueezeExcite(dtype="float64", **arguments)
    layer.build((None, 3, 4, 6))
    reference.randomise(layer, rng)
    x = rng.normal(size=(2, 3, 4, 6))
    squeeze_kernel, squeeze_bias, excite_kernel, excite_bias = layer.get_weights()
    hidden = reference.relu(x.mean(axis=(1, 2)) @ squeeze_kernel + squeeze_bias)
    factors = reference.sigmoid(hidden @ excite_kernel + excite_bias)
    np.testing.assert_allclose(np.asarray(layer(x)), x * factors[:, None, None, :], rtol=1e-10)


@pytest.mark.parametrize(("arguments", "units"), [({"hidden": 5}, 5), ({"ratio": 4}, 3), ({"ratio": 32}, 1)])
def test_hidden_units(arguments: dict[str, int], units: int) -> None:
    layer = SqueezeExcite(**arguments)
    layer.build((None, 4, 4, 12))
    assert [weight.shape for weight in layer.weights] == [(12, units), (units,), (units, 12), (12,)]


def test_both_hidden_and_ratio_are_named() -> None:
    with pytest.raises(ValueError, match="`hidden` and `ratio`.*Received: hidden=4, ratio=2"):
        SqueezeExcite(hidden=4, ratio=2)


def test_neither_hidden_nor_ratio_are_named() -> None:
    with pytest.raises(ValueError, match="`hidden` and `ratio`.*Received: hidden=None, ratio=None"):
        SqueezeExcite()


@pytest.mark.parametrize("argument", ["hidden", "ratio"])
@pytest.mark.parametrize("value", [0, -1, 2.0])
def test_a_count_that_is_no_positive_integer_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}={value!r}"):
        SqueezeExcite(**{argument: value})


def test_a_vector_is_named() -> None:
    with pytest.raises(ValueError, match=r"SqueezeExcite takes.*Received: inputs.shape=\(2, 12\)"):
        SqueezeExcite(hidden=4)(np.ones((2, 12)))
