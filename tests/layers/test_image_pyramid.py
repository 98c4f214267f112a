"""A pyramid shows images at several sizes, and photographs turn into light."""

from typing import Any

import numpy as np
import pytest

from tf_routing.layers import Gamma, ImagePyramid


def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(2, 16, 8, 3)).astype("float32")


def test_strided_takes_every_second_fourth_and_eighth_pixel() -> None:
    x = images()
    found = [np.asarray(each) for each in ImagePyramid(4)(x)]
    for each, factor in zip(found, (1, 2, 4, 8), strict=True):
        np.testing.assert_array_equal(each, x[:, ::factor, ::factor])


def test_average_takes_the_means_of_squares() -> None:
    x = images()
    found = [np.asarray(each) for each in ImagePyramid(3, "average")(x)]
    for each, factor in zip(found, (1, 2, 4), strict=True):
        squares = x.reshape(2, 16 // factor, factor, 8 // factor, factor, 3)
        np.testing.assert_allclose(each, squares.mean(axis=(2, 4)), rtol=1e-5)


@pytest.mark.parametrize("method", ["strided", "average"])
def test_one_scale_is_the_image(method: str) -> None:
    (found,) = ImagePyramid(1, method)(images())
    np.testing.assert_array_equal(np.asarray(found), images())


@pytest.mark.parametrize("method", ["strided", "average"])
def test_sides_must_be_divisible_by_the_last_factor(method: str) -> None:
    message = r"ImagePyramid of 3 scales takes sides that 4 divides. Received: inputs.shape=\(2, 8, 6, 3\)"
    with pytest.raises(ValueError, match=message):
        ImagePyramid(3, method)(np.zeros((2, 8, 6, 3), "float32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": 0}, "`scales` must be a positive integer. Received: scales=0"),
        ({"scales": True}, "`scales` must be a positive integer. Received: scales=True"),
        ({"method": "bilinear"}, "`method` must be one of 'strided', 'average'. Received: method='bilinear'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImagePyramid(**arguments)


@pytest.mark.parametrize("exponent", [1.0, 2.2, 3])
def test_gamma_raises_to_a_power(exponent: float) -> None:
    x = images()
    found = np.asarray(Gamma(exponent)(x))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, x.astype("float64") ** exponent, rtol=1e-5)
    # Black and white stay.
    np.testing.assert_array_equal(np.asarray(Gamma(exponent)(np.array([0.0, 1.0], "float32"))), [0.0, 1.0])


@pytest.mark.parametrize("exponent", [0, -1.0, "2", True])
def test_a_wrong_exponent_is_named(exponent: Any) -> None:
    with pytest.raises(ValueError, match=f"`exponent` must be a positive number. Received: exponent={exponent!r}"):
        Gamma(exponent)
