"""Each format is read as the image library reads it, or refused in a sentence; headers are looked at first."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.written_images import decoded, encoded, opened, photograph
from tf_routing.data.images.decoding.decoder import MOST_PIXELS
from tf_routing.exporting.decoding import decoded_images

_COLOURS = photograph().quantize(200)


def _transparent() -> Image.Image:
    picture = photograph().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


# Files by what is special about them, and how far libraries may differ from one another.
_FILES: dict[str, tuple[bytes, int]] = {
    "bmp of 1 bit": (encoded(photograph().convert("1"), "BMP"), 0),
    "bmp of 8 bits, colours": (encoded(_COLOURS, "BMP"), 0),
    "bmp of 8 bits, grey": (encoded(photograph().convert("L"), "BMP"), 0),
    "bmp of 24 bits": (encoded(photograph(), "BMP"), 0),
    "bmp of 32 bits": (encoded(_transparent(), "BMP"), 0),
    "gif": (encoded(_COLOURS, "GIF"), 0),
    "jpeg, grey": (encoded(photograph().convert("L"), "JPEG", quality=95), 12),
    "jpeg of four colours": (encoded(photograph().convert("CMYK"), "JPEG", quality=95), 12),
    "jpeg, progressive": (encoded(photograph(), "JPEG", quality=95, progressive=True, subsampling=0), 12),
    "png of 1 bit": (encoded(photograph().convert("1"), "PNG"), 0),
    "png, colours": (encoded(_COLOURS, "PNG"), 0),
    "png, transparent": (encoded(_transparent(), "PNG"), 0),
    "png, transparent grey": (encoded(photograph().convert("LA"), "PNG"), 0),
    "png, transparent colour": (encoded(_COLOURS, "PNG", transparency=3), 0),
    "webp": (encoded(photograph(), "WEBP"), 0),
    "webp, lossless": (encoded(photograph(), "WEBP", lossless=True), 0),
    "webp, transparent": (encoded(_transparent(), "WEBP", lossless=True, exact=True), 0),
    "webp, transparent and lossy": (encoded(_transparent(), "WEBP", exact=True), 0),
}


@pytest.mark.parametrize("name", _FILES)
def test_a_file_is_seen_as_the_image_library_sees_it(name: str) -> None:
    file, most = _FILES[name]
    expected = np.asarray(opened(file).convert("RGB"), int)
    assert np.abs(decoded(file) - expected).max() <= most


def test_serving_sees_what_training_sees_of_every_format() -> None:
    files = [file for file, _ in _FILES.values()]
    served = decoded_images(tf.constant(files), (20, 33, 3))
    expected = np.stack([decoded(file) for file in files])
    np.testing.assert_allclose(255 * served, expected, atol=1e-3)
    grey = decoded_images(tf.constant(files), (20, 33, 1))
    np.testing.assert_allclose(255 * grey[..., 0], expected @ [0.299, 0.587, 0.114], atol=1e-2)


def test_a_palette_of_four_bits() -> None:
    indices = np.arange(3 * 5).reshape(3, 5) % 16
    palette = np.random.default_rng(0).integers(0, 256, (16, 3))
    packed = np.pad(indices, ((0, 0), (0, 3)))
    rows = (packed[::-1, ::2] * 16 + packed[::-1, 1::2]).astype("uint8").tobytes()
    entries = b"".join(bytes([blue, green, red, 0]) for red, green, blue in palette.tolist())
    np.testing.assert_array_equal(decoded(_bmp(5, 3, 4, rows, entries)), palette[indices])
    # A negative height says that the upper row is the first.
    np.testing.assert_array_equal(decoded(_bmp(5, -3, 4, rows, entries)), palette[indices][::-1])


def _bmp(width: int, height: int, bits: int, rows: bytes, palette: bytes = b"", compression: int = 0) -> bytes:
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows


def test_two_pictures_that_differ_in_their_palettes_alone_differ() -> None:
    indices = Image.fromarray(np.zeros((4, 4), "uint8"), "P")
    found = []
    for colour in ([200, 30, 10], [10, 30, 200]):
        indices.putpalette(colour)
        found.append(decoded(encoded(indices, "BMP")))
        np.testing.assert_array_equal(found[-1], np.broadcast_to(colour, (4, 4, 3)))
    assert (found[0] != found[1]).any()


def test_sixteen_bits_are_seen_as_their_upper_eight() -> None:
    values = np.arange(20, dtype="uint16").reshape(4, 5) * 3000
    file = tf.io.encode_png(values[..., None]).numpy()
    np.testing.assert_array_equal(decoded(file)[..., 0], values >> 8)


def test_of_an_animated_gif_the_first_picture_counts_and_the_others_are_not_decoded() -> None:
    others = [_COLOURS.rotate(180), _COLOURS]
    file = encoded(_COLOURS, "GIF", save_all=True, append_images=others, duration=100, loop=0)
    np.testing.assert_array_equal(decoded(file), np.asarray(opened(file).convert("RGB")))
    # Another picture of the largest sides that the format has: twelve gigabytes for whoever decodes it.
    second = file.rindex(b"\x2c\0\0\0\0" + struct.pack("<HH", *_COLOURS.size))
    large = file[: second + 5] + struct.pack("<HH", 2**16 - 1, 2**16 - 1) + file[second + 9 :]
    np.testing.assert_array_equal(decoded(large), decoded(file))


def _changed(file: bytes, place: int, new: bytes) -> bytes:
    return file[:place] + new + file[place + len(new) :]


def _large_gif() -> bytes:
    file = encoded(_COLOURS, "GIF")
    descriptor = file.index(b"\x2c\0\0\0\0" + struct.pack("<HH", *_COLOURS.size))
    # The canvas stays small: it is the picture's own sides that take memory.
    return _changed(file, descriptor + 5, struct.pack("<HH", 60_000, 60_000))


_WEBP_ANIMATION = encoded(photograph(), "WEBP", save_all=True, append_images=[photograph().rotate(180)], lossless=True)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (_changed(encoded(photograph(), "BMP"), 18, struct.pack("<ii", 20_000, -20_000)), "20000"),
        (_changed(encoded(photograph(), "BMP"), 18, struct.pack("<ii", 2**31 - 1, -(2**31))), "2147483648"),
        (_large_gif(), "60000"),
        (_changed(encoded(photograph(), "WEBP"), 26, struct.pack("<HH", 16_000, 16_000)), "16000"),
        (_changed(encoded(photograph(), "WEBP", lossless=True), 21, struct.pack("<I", 2**28 - 1)), "16384"),
        (_changed(encoded(_transparent(), "WEBP"), 24, b"\xff" * 6), "16777216"),
    ],
    ids=["bmp", "largest bmp", "gif", "webp", "webp, lossless", "webp, extended"],
)
def test_what_a_header_says_larger_is_refused_unread(file: bytes, words: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"pictures of 1 to {MOST_PIXELS} pixels.*{words}"):
        decoded(file)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (_WEBP_ANIMATION, "an animated WebP file"),
        (_bmp(2, 2, 8, bytes([2, 7, 0, 0, 2, 9, 0, 1]), b"\0" * 1024, compression=1), "a BMP file that is compressed"),
        (_bmp(2, 2, 16, b"\0" * 8), "a BMP file .* other than 1, 4, 8, 24 or 32 bits"),
        (encoded(photograph(), "TIFF"), "must hold whole JPEG, PNG, GIF, BMP or WebP files"),
        (b"\xff\x0a" + b"\0" * 60, "must hold whole JPEG, PNG, GIF, BMP or WebP files"),
    ],
    ids=["animated webp", "compressed bmp", "bmp of 16 bits", "tiff", "jpeg xl"],
)
def test_what_is_not_read_is_refused_by_name(file: bytes, words: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        decoded(file)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "WEBP"])
def test_a_file_that_ends_early_is_an_error_wherever_it_ends(kind: str) -> None:
    file = encoded(_COLOURS if kind in ("BMP", "GIF") else photograph(), kind)
    for length in np.linspace(0, len(file) * 0.8, 9).astype(int):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decoded(file[:length])
