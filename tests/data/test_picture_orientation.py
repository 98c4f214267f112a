"""Pictures that a camera turned are seen upright, in whole and in part; damaged EXIF never raises."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tests.data.written_images import decoded, encoded, opened, photograph
from tf_routing.data.images.decoding.decoder import ImageDecoder, _read_headers
from tf_routing.data.images.decoding.exif import may_hold_exif
from tf_routing.exporting.decoding import decoded_images

_KINDS = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}}
_ORIENTATION = 0x0112


def exif(turned: int, order: str) -> bytes:
    """An EXIF block of a camera: the orientation among other entries, in one of both byte orders."""
    block = Image.Exif()
    block.endian = order
    block[0x0110], block[_ORIENTATION], block[0x0131] = "a camera", turned, "its software"
    return block.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", _KINDS)
def test_all_orientations_are_seen_as_the_image_library_sees_them(kind: str, order: str) -> None:
    for turned in range(1, 9):
        file = encoded(photograph(), kind, exif=exif(turned, order), **_KINDS[kind])
        expected = np.asarray(ImageOps.exif_transpose(opened(file)).convert("RGB"), int)
        found = decoded(file)
        assert found.shape == expected.shape, turned
        # Libraries round a JPEG's colours differently; from corner to corner the picture changes by 250.
        assert np.abs(found - expected).max() <= (12 if kind == "JPEG" else 0), turned


def test_training_and_serving_see_the_same_upright_picture() -> None:
    for turned in (3, 6):
        file = encoded(photograph(32, 32), "PNG", exif=exif(turned, ">"))
        upright = np.asarray(ImageOps.exif_transpose(opened(file)))
        served = decoded_images(tf.constant([file]), (32, 32, 3))[0]
        np.testing.assert_allclose(served, upright / 255, atol=1e-6)


def test_a_part_is_a_slice_of_the_upright_picture() -> None:
    for turned in range(1, 9):
        file = encoded(photograph(), "PNG", exif=exif(turned, "<"))
        part = ImageDecoder(file).decode_part(tf.constant([2, 3, 7, 9]))
        np.testing.assert_array_equal(part, decoded(file)[2:9, 3:12], err_msg=str(turned))


def test_a_part_of_a_turned_jpeg_is_the_part_of_its_decoded_picture() -> None:
    for turned in (2, 6, 7):
        file = encoded(photograph(48, 64), "JPEG", exif=exif(turned, ">"), subsampling=0, quality=95)
        part = ImageDecoder(file).decode_part(tf.constant([8, 16, 24, 16])).numpy()
        assert np.abs(part.astype(int) - decoded(file)[8:32, 16:32]).max() <= 2, turned


@pytest.mark.parametrize("kind", _KINDS)
def test_without_exif_the_bytes_are_those_of_the_decoder(kind: str) -> None:
    file = encoded(photograph(), kind, **_KINDS[kind])
    np.testing.assert_array_equal(decoded(file), tf.io.decode_image(file, expand_animations=False))


def test_damaged_exif_is_upright_and_never_an_error() -> None:
    stored = decoded(encoded(photograph(), "JPEG", **_KINDS["JPEG"]))
    whole = exif(6, "<")
    cut = [whole[:length] for length in range(len(b"Exif\0\0"), len(whole), 3)]
    entry = whole.index(struct.pack("<H", _ORIENTATION))
    far = whole[:10] + struct.pack("<I", 2**32 - 1) + whole[14:]
    many = whole[:14] + struct.pack("<H", 2**16 - 1) + whole[16:]
    values = [whole[: entry + 8] + struct.pack("<H", value) + whole[entry + 10 :] for value in (0, 9, 2**16 - 1)]
    kinds = [whole[: entry + 2] + struct.pack("<H", kind) + whole[entry + 4 :] for kind in (0, 2, 12)]
    several = whole[: entry + 4] + struct.pack("<I", 2) + whole[entry + 8 :]
    unordered = whole.replace(b"II*\0", b"IM*\0")
    for block in (far, several, unordered, *values, *kinds):
        np.testing.assert_array_equal(decoded(encoded(photograph(), "JPEG", exif=block, **_KINDS["JPEG"])), stored)
    # Cut off, it may still tell the orientation: the picture is whole in any case.
    for block in (*cut, many):
        assert decoded(encoded(photograph(), "JPEG", exif=block, **_KINDS["JPEG"])).size == stored.size


def test_the_segment_is_found_behind_others_and_not_inside_pixels() -> None:
    file = encoded(photograph(), "JPEG", exif=exif(8, ">"), comment=b"by hand", icc_profile=b"\1" * 70_000)
    assert decoded(file).shape == (33, 20, 3)
    # Behind the scan begins no segment any more.
    behind = encoded(photograph(), "JPEG")
    segment = exif(6, ">")
    behind = behind[:-2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + behind[-2:]
    assert decoded(behind).shape == (20, 33, 3)


def test_nobody_looks_for_a_block_where_the_file_names_none() -> None:
    for kind, options in _KINDS.items():
        assert not may_hold_exif(encoded(photograph(), kind, **options)), kind
        assert may_hold_exif(encoded(photograph(), kind, exif=exif(6, "<"), **options)), kind
    # What reads an orientation stands in a branch: most pictures have none, and small ones are decoded in less time.
    operations = _read_headers.get_concrete_function().graph.get_operations()
    assert "AddN" not in {each.type for each in operations}


def test_a_png_tells_its_orientation_behind_the_pixels_too() -> None:
    file = encoded(photograph(), "PNG", exif=exif(6, "<"))
    start = file.index(b"eXIf") - 4
    block = file[start : start + 12 + int.from_bytes(file[start : start + 4], "big")]
    rest, end = file.replace(block, b"")[:-12], file[-12:]
    assert decoded(rest + block + end).shape == decoded(file).shape == (33, 20, 3)
