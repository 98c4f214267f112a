"""Values of images: which range is far from light between black and white, and which images are broken."""

import numpy as np
import pytest

from tf_routing.core.pixel_values import HIGHEST, LOWEST, find_broken_image, find_far_range


def images(*values: float) -> np.ndarray:
    """One image of two pixels per value, the second of which is 0.5."""
    return np.array([[[[value], [0.5]]] for value in values], "float32")


@pytest.mark.parametrize("values", [(0.0, 1.0), (LOWEST, HIGHEST), (np.nan, np.inf), (np.nan, 1.0)])
def test_what_may_be_augmented_light_is_not_far(values: tuple[float, ...]) -> None:
    assert find_far_range(images(*values)) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.0, 255.0), (0.0, 255.0)), ((-2.5, 1.0), (-2.5, 1.0)), ((np.nan, -np.inf, 3.0), (0.5, 3.0))],
)
def test_the_range_is_that_of_finite_values(values: tuple[float, ...], expected: tuple[float, float]) -> None:
    assert find_far_range(images(*values)) == expected


def test_no_images_are_not_far() -> None:
    assert find_far_range(np.zeros((0, 2, 2, 3), "float32")) is None


def test_half_precision_is_measured_too() -> None:
    assert find_far_range(images(0.0, 300.0).astype("float16")) == (0.0, 300.0)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_first_broken_image_is_found(broken: float, place: int) -> None:
    values = [0.1, 0.2, 0.3, 0.4]
    values[place] = values[3] = broken
    assert find_broken_image(images(*values)) == place


def test_finite_images_and_none_are_whole() -> None:
    assert find_broken_image(images(0.0, 255.0, -1e30)) is None
    assert find_broken_image(np.zeros((0, 2, 2, 3), "float32")) is None
