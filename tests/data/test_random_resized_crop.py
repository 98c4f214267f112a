"""Views of pictures, against plain NumPy, and the bounds of the parts drawn at random."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.written_folder import central_view, noise, png
from tf_routing.data.images.random_resized_crop import draw_box, random_resized_crop

_SEEDS = 3000


def boxes(height: int, width: int) -> np.ndarray:
    """The boxes of many seeds, as rows of top, left, height and width."""
    drawn = tf.data.Dataset.range(_SEEDS).map(lambda seed: draw_box(height, width, tf.stack([seed, seed // 7])))
    return next(drawn.batch(_SEEDS).as_numpy_iterator())


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, and averaging with a triangle as wide as two output pixels where the picture shrinks; in [0, 1]."""
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.einsum("yh,xw,hwc->yxc", rows, columns, image / 255)


def weights(length: int, new_length: int) -> np.ndarray:
    scale = length / new_length
    centres = (np.arange(new_length) + 0.5) * scale
    distances = np.abs(centres[:, None] - (np.arange(length) + 0.5)) / max(scale, 1)
    triangle = np.maximum(0, 1 - distances)
    return triangle / triangle.sum(axis=1, keepdims=True)


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], axis=-1).astype("uint8")


@pytest.mark.parametrize(("height", "width"), [(375, 500), (224, 224), (300, 180)])
def test_boxes_keep_their_bounds_and_reach_them(height: int, width: int) -> None:
    top, left, tall, wide = boxes(height, width).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + tall <= height).all() and (left + wide <= width).all()
    # Each side is rounded by up to half a pixel.
    assert ((tall + 0.5) * (wide + 0.5) >= 0.08 * height * width).all()
    assert ((wide + 0.5) / (tall - 0.5) >= 3 / 4).all()
    assert ((wide - 0.5) / (tall + 0.5) <= 4 / 3).all()
    areas, ratios = tall * wide / (height * width), wide / tall
    assert areas.min() < 0.1
    assert areas.max() > 0.7
    assert (ratios.min(), ratios.max()) == pytest.approx((3 / 4, 4 / 3), abs=0.02)


def test_areas_are_drawn_evenly() -> None:
    _, _, tall, wide = boxes(400, 400).T
    # In a square, every drawn ratio fits while the area is below three quarters, so nothing is drawn again there.
    small = tall * wide / 400**2
    shares = np.histogram(small, bins=np.linspace(0.08, 0.72, 9))[0]
    np.testing.assert_allclose(shares / shares.mean(), 1, atol=0.25)
    assert abs(np.log(wide / tall).mean()) < 0.02


def test_boxes_lie_anywhere() -> None:
    top, left, tall, wide = boxes(300, 400).T
    loose = (tall < 250) & (wide < 350)
    assert (top[loose] == 0).any() and (left[loose] == 0).any()
    assert (top + tall == 300)[loose].any() and (left + wide == 400)[loose].any()
    places = top[loose] / (300 - tall[loose]), left[loose] / (400 - wide[loose])
    for place in places:
        np.testing.assert_allclose(np.quantile(place, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.05)


@pytest.mark.parametrize(("height", "width", "sides"), [(10, 1000, (10, 13)), (1000, 10, (13, 10)), (1, 1, (1, 1))])
def test_a_picture_that_no_drawn_box_fits_gives_its_largest(height: int, width: int, sides: tuple[int, int]) -> None:
    assert {(tall, wide) for _, _, tall, wide in boxes(height, width)} == {sides}


def test_a_seed_gives_one_box_and_another_another() -> None:
    np.testing.assert_array_equal(boxes(300, 200), boxes(300, 200))
    assert len({tuple(box) for box in boxes(300, 200)}) > 0.99 * _SEEDS


@pytest.mark.parametrize("image", [gradient(100, 140), noise(97, 61), noise(40, 40), noise(9, 12)])
def test_the_central_view_equals_numpy(image: np.ndarray) -> None:
    view = central_view(png(image), 35).numpy()
    # 35 * 256 / 224 = 40, the shorter side.
    height, width = (round(side * 40 / min(image.shape[:2])) for side in image.shape[:2])
    top, left = (height - 35) // 2, (width - 35) // 2
    expected = resized(image, height, width)[top : top + 35, left : left + 35]
    np.testing.assert_allclose(view, expected, atol=1e-5)


def test_the_central_view_of_a_square_leaves_a_sixteenth_on_each_side() -> None:
    image = np.zeros((256, 256, 3), "uint8")
    image[16:240, 16:240] = 255
    np.testing.assert_array_equal(central_view(png(image), 224), np.ones((224, 224, 3)))
    image[16, 100] = 0
    assert central_view(png(image), 224).numpy()[0, 84].tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_the_random_view_is_the_part_in_the_box(seed: int) -> None:
    image = noise(60, 90)
    top, left, tall, wide = draw_box(60, 90, (seed, 1)).numpy()
    expected = resized(image[top : top + tall, left : left + wide], 24, 24)
    np.testing.assert_allclose(random_resized_crop(png(image), 24, (seed, 1)), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_jpeg_is_seen_as_what_it_decodes_to(seed: int) -> None:
    encoded = tf.io.encode_jpeg(gradient(60, 90), chroma_downsampling=False)
    decoded = png(tf.io.decode_jpeg(encoded).numpy())
    np.testing.assert_allclose(
        random_resized_crop(encoded, 24, (seed, 1)), random_resized_crop(decoded, 24, (seed, 1)), atol=1e-6
    )
    np.testing.assert_allclose(central_view(encoded, 24), central_view(decoded, 24), atol=1e-6)


@pytest.mark.parametrize("encode", [tf.io.encode_png, tf.io.encode_jpeg])
def test_grey_pictures_get_three_equal_channels(encode: object) -> None:
    grey = encode(gradient(50, 70)[..., 2:])  # type: ignore[operator]
    for view in (central_view(grey, 28).numpy(), random_resized_crop(grey, 28, (0, 1)).numpy()):
        assert view.shape == (28, 28, 3)
        assert np.ptp(view[..., 0]) > 0.05
        np.testing.assert_array_equal(view[..., 0], view[..., 1])
        np.testing.assert_array_equal(view[..., 0], view[..., 2])


def test_values_lie_between_zero_and_one() -> None:
    image = png(np.where(noise(50, 70) < 128, 0, 255).astype("uint8"))
    for view in (central_view(image, 64).numpy(), random_resized_crop(image, 64, (0, 1)).numpy()):
        assert view.dtype == np.float32
        assert (view.min(), view.max()) == (0, 1)
