"""Parts of a resized picture are computed alone: the same numbers, and no more memory than they need."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.written_images import encoded, photograph
from tf_routing.data.images.decoding.center_crop import center_crop
from tf_routing.data.images.decoding.decoder import MOST_PIXELS
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.data.images.decoding.resampling import Resampled


@pytest.mark.parametrize("sides", [(40, 66), (13, 21), (20, 33), (31, 12)])
def test_a_part_is_a_slice_of_the_whole(sides: tuple[int, int]) -> None:
    picture = np.asarray(photograph())
    whole = tf.image.resize(picture, sides, antialias=True) / 255
    part = Resampled(tf.constant(picture), tf.constant(sides)).part(tf.constant([3, 2]), (9, 10))
    np.testing.assert_allclose(part, whole[3:12, 2:12], atol=1e-5)


def most_bytes(framing: Framing, file: bytes) -> tuple[np.ndarray, int]:
    """What is seen of a file, and the largest tensor that is made on the way there, temporary ones included."""
    traced = tf.function(lambda each: center_crop(each, framing), input_signature=[tf.TensorSpec((), tf.string)])
    concrete = traced.get_concrete_function()
    with tf.Graph().as_default() as graph:
        names = [concrete.inputs[0].name, concrete.outputs[0].name]
        given, image = tf.compat.v1.import_graph_def(concrete.graph.as_graph_def(), return_elements=names, name="")
    metadata, options = tf.compat.v1.RunMetadata(), tf.compat.v1.RunOptions(trace_level=3)
    with tf.compat.v1.Session(graph=graph) as session:
        found = session.run(image, {given: file}, options=options, run_metadata=metadata)
    nodes = [node for device in metadata.step_stats.dev_stats for node in device.node_stats]
    return found, max(memory.peak_bytes for node in nodes for memory in node.memory)


@pytest.mark.parametrize("framing", [Framing(224, 224, 0.875), Framing(224, 224, resize=256)])
@pytest.mark.parametrize("shape", [(2, 20_000), (20_000, 2)])
def test_a_thin_picture_takes_no_more_memory_than_a_part_of_it(shape: tuple[int, int], framing: Framing) -> None:
    file = encoded(Image.fromarray(np.full(shape, 200, "uint8")), "PNG")
    assert len(file) < 200
    image, largest = most_bytes(framing, file)
    np.testing.assert_allclose(image, 200 / 255, atol=1e-5)
    # The decoded picture, and an image of floats for each of its sides. Resized first, it were 8 GB.
    assert largest <= 3 * 20_000 * 2 + 4 * 3 * 224 * (224 + 32) * 4


@pytest.mark.parametrize("shape", [(1, 65_000), (65_000, 1)])
@pytest.mark.parametrize("framing", [Framing(32, 32), Framing(32, 32, resize=40)])
def test_the_thinnest_pictures_too(shape: tuple[int, int], framing: Framing) -> None:
    file = encoded(Image.fromarray(np.full(shape, 100, "uint8")), "JPEG")
    image, largest = most_bytes(framing, file)
    np.testing.assert_allclose(image, 100 / 255, atol=0.01)
    assert largest < 4 * 2**20 < 3 * MOST_PIXELS


def test_the_middle_of_a_long_picture_is_its_middle() -> None:
    row = np.zeros((1, 60_001), "uint8")
    row[0, 30_000] = 255
    image = center_crop(tf.constant(encoded(Image.fromarray(row), "PNG")), Framing(3, 3)).numpy()
    # Three times as large, so its neighbours in the image lie a third of a pixel away.
    np.testing.assert_allclose(image, np.broadcast_to([[2 / 3], [1], [2 / 3]], (3, 3, 3)), atol=0.01)
