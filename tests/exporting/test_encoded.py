"""Encoded pictures are decoded, resized and cut inside the graph, and refused there by their headers."""

import struct
import sys
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.test_random_resized_crop import resized
from tests.exporting.exported import jpeg, picture, png
from tf_routing.exporting.decoding import MOST_PIXELS, decoded_images

SHAPE = (16, 16, 3)


@cache
def decoder(shape: tuple[int, int, int], crop: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """The graph that decodes, traced once."""
    return tf.function(
        lambda encoded: decoded_images(encoded, shape, crop), input_signature=[tf.TensorSpec((None,), tf.string)]
    )


def decode(*files: bytes, shape: tuple[int, int, int] = SHAPE, crop: float = 1.0) -> np.ndarray:
    return decoder(shape, crop)(tf.constant(files, tf.string, shape=(len(files),))).numpy()


def png_header(width: int, height: int) -> bytes:
    """The first bytes of a PNG file of this size, and of its data."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (header, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG file whose header tells another size."""
    file = bytearray(jpeg(picture(8, 8)))
    start = file.index(b"\xff\xc0")
    file[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    pictures = [picture(16, 16, seed=seed) for seed in range(3)]
    np.testing.assert_allclose(decode(*map(png, pictures)), np.stack(pictures) / 255, atol=1e-6)


def test_sizes_mix_and_the_centre_is_seen() -> None:
    wide, high = picture(40, 80), picture(64, 32)
    expected = [resized(wide, 16, 32)[:, 8:24], resized(high, 32, 16)[8:24]]
    np.testing.assert_allclose(decode(png(wide), png(high)), expected, atol=1e-5)


def test_a_crop_is_a_share_of_height_and_width() -> None:
    image = picture(32, 32)
    np.testing.assert_allclose(decode(png(image), crop=0.8)[0], resized(image, 20, 20)[2:18, 2:18], atol=1e-5)


def test_images_that_are_no_squares() -> None:
    image = picture(48, 48)
    expected = resized(image, 16, 16)[4:12]
    np.testing.assert_allclose(decode(png(image), shape=(8, 16, 3))[0], expected, atol=1e-5)


def test_one_pixel_fills_the_image() -> None:
    pixel = np.array([[[255, 51, 0]]], "uint8")
    np.testing.assert_allclose(decode(png(pixel))[0], np.broadcast_to([1, 0.2, 0], SHAPE), atol=1e-6)


def test_jpeg_is_png_but_for_its_losses() -> None:
    image = picture(50, 60)
    np.testing.assert_allclose(decode(jpeg(image)), decode(png(image)), atol=0.03)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_are_seen_in_colour(channels: int) -> None:
    image = picture(20, 20, channels)
    expected = np.repeat(image, 3, axis=-1) if channels == 1 else image[..., :3]
    np.testing.assert_allclose(decode(png(image)), decode(png(expected)), atol=1e-6)


def test_a_network_may_see_grey() -> None:
    image = picture(20, 20, channels=1)
    expected = resized(image, 8, 8)
    np.testing.assert_allclose(decode(png(image), shape=(8, 8, 1))[0], expected, atol=1e-5)


def test_no_files_are_no_images() -> None:
    assert decode().shape == (0, *SHAPE)


_NEITHER = "`images` must hold whole JPEG, PNG, GIF, BMP or WebP files. Received none of these"
_SIZE = f"`images` must be pictures of 1 to {MOST_PIXELS} pixels. Received height and width"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param(b"", _NEITHER, id="empty"),
        pytest.param(b"\xff", _NEITHER, id="one byte"),
        pytest.param(b"Not a picture, but a text of some length.\n" * 20, _NEITHER, id="text"),
        pytest.param(tf.io.encode_png(np.zeros((9, 9, 3), "uint8")).numpy()[:14], _NEITHER, id="beginning of a PNG"),
        pytest.param(tf.io.encode_png(np.zeros((9, 9, 3), "uint8")).numpy()[:20], _SIZE, id="header of a PNG"),
        pytest.param(b"GIF89a" + b"\0" * 40, _SIZE, id="header of a GIF"),
        pytest.param(png_header(20_000, 20_000), _SIZE, id="large PNG"),
        pytest.param(png_header(2**31 - 1, 2**31 - 1), _SIZE, id="largest PNG"),
        pytest.param(png_header(2**32 - 1, 2**32 - 1), _SIZE, id="PNG of negative size"),
        pytest.param(png_header(0, 8), _SIZE, id="empty PNG"),
        pytest.param(jpeg_of_size(20_000, 20_000), _SIZE, id="large JPEG"),
        pytest.param(png_header(16, 16), "(?i)png", id="damaged PNG"),
        pytest.param(jpeg(picture(64, 64))[:300], "(?i)jpeg", id="truncated JPEG"),
        pytest.param(jpeg(picture(64, 64))[:4], "(?i)jpeg", id="four bytes of a JPEG"),
        pytest.param(jpeg(picture(64, 64))[:-300], "(?i)jpeg", id="JPEG without its end"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(file: bytes, message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode(png(picture(8, 8)), file)


def test_a_large_header_costs_no_memory() -> None:
    """The size is looked at before anything is decoded: 1.2 GB would show."""
    resource = pytest.importorskip("resource")

    def peak() -> int:
        """The most memory that this process ever held, in MiB."""
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit

    decode(png(picture(8, 8)))
    before = peak()
    for file in (png_header(20_000, 20_000), jpeg_of_size(20_000, 20_000)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=_SIZE):
            decode(file)
    assert peak() - before < 200


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_cannot_be_decoded_to(channels: Any) -> None:
    with pytest.raises(ValueError, match="`channels` must be one of 1, 3"):
        decode(png(picture(8, 8)), shape=(8, 8, channels))
