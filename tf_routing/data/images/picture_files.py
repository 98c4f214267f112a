"""Encoded images, one per file, with a class index for each."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tf_routing.data.images.encoded_images import EncodedImages
from tf_routing.support.validation import first_few

# In an error of TensorFlow: the values of a failed assertion, or else the line before the name of an operation, which
# comes after all places in the code, or what comes after the name of a function.
_SAID = re.compile(r"(?<=assertion failed: )\[.*\]|^(?!assertion)[^\n]+(?=\n\t \[\[\{\{)|(?<=\}\} )[^\n\[]+", re.M)


@dataclasses.dataclass(frozen=True)
class PictureFiles(EncodedImages):
    """Pictures of any sizes, one per file, with their class indices.

    Args:
        files: Paths of the pictures: JPEG, PNG, GIF, BMP or WebP.
        image_count: Integer, number of files.
        image_size: As for `EncodedImages`.
        random_size_crop: As for `EncodedImages`.
        resize: As for `EncodedImages`.
        crop: As for `EncodedImages`.
        file_labels: Class index of each file.
    """

    file_labels: tuple[int, ...] = ()

    @property
    def labels(self) -> np.ndarray:
        """The class index of each file."""
        return np.array(self.file_labels, "int64")

    def first_classes(self, count: int) -> "PictureFiles":
        """Returns the pictures whose class index is below `count`."""
        return self.relabelled([label if label < count else None for label in range(max(self.file_labels) + 1)])

    def relabelled(self, new_labels: Sequence[int | None]) -> "PictureFiles":
        """Returns the pictures with other class indices, those of `None` left out."""
        pairs = [(file, new_labels[label]) for file, label in zip(self.files, self.file_labels, strict=True)]
        kept = [(file, label) for file, label in pairs if label is not None]
        files, labels = tuple(file for file, _ in kept), tuple(label for _, label in kept)
        return dataclasses.replace(self, files=files, image_count=len(files), file_labels=labels)

    def in_order(self) -> Any:
        """Returns path and class index of each picture, a dict, in the order of the files."""
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(self._tensors())

    def shuffled(self, seed: Any) -> Any:
        """Returns path and class index of each picture, a dict, in one of all orders."""
        import tensorflow as tf

        # Outside of an epoch's graph, which would else hold a copy of every path.
        with tf.init_scope():
            pictures = self._tensors()
        order = tf.argsort(tf.random.stateless_uniform((self.image_count,), seed))
        return tf.data.Dataset.from_tensor_slices({name: tf.gather(each, order) for name, each in pictures.items()})

    def _tensors(self) -> dict[str, Any]:
        import tensorflow as tf

        return {"path": tf.constant(self.files, tf.string), "label": tf.constant(self.file_labels, tf.int64)}

    def read(self, record: Any) -> tuple[Any, Any]:
        """Returns the encoded picture of a record, and its class index."""
        import tensorflow as tf

        return tf.io.read_file(record["path"]), record["label"]

    def unreadable(self) -> dict[str, str]:
        """Returns what is wrong with the files that cannot be decoded, by path. Decodes all of them."""
        return {path: damage for path in self.files if (damage := find_damage(path))}


@contextlib.contextmanager
def name_broken_files(*image_sets: Any) -> Iterator[None]:
    """Turns the error of a pipeline that meets a broken picture into one that names the file.

    TensorFlow does not say which picture it was; all are decoded once more then, and only then.

    Args:
        *image_sets: What the pipeline reads; those that are not `PictureFiles` are left out.

    Raises:
        ValueError: If files cannot be decoded; names the first ones.
    """
    pictures = [each for each in image_sets if isinstance(each, PictureFiles)]
    if not pictures:
        yield
        return
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        broken = {path: reason for each in pictures for path, reason in each.unreadable().items()}
        if not broken:
            raise
        first = next(iter(broken.values()))
        raise ValueError(
            f"These pictures cannot be read; repair or remove them: {first_few(list(broken))}. Of the first: {first}"
        ) from error


def find_damage(path: str) -> str:
    """Returns why a picture cannot be read, nothing where it can. Decodes it."""
    import tensorflow as tf

    from tf_routing.data.images.decoding.decoder import ImageDecoder

    try:
        # By itself: of a graph around it the error would tell all operations.
        ImageDecoder(tf.io.read_file(path)).decode()
    except tf.errors.OpError as error:
        return _describe(error)
    return ""


def _describe(error: Any) -> str:
    """Returns what TensorFlow says, without the names of its operations."""
    found = _SAID.search(error.message)
    said = " ".join(found[0].replace("] [", " ").strip("[]").split()) if found else error.message
    # Of a file that was copied in part TensorFlow speaks of a crop window, which nobody gave it.
    return f"The file is damaged, or ends too early: {said}" if "Invalid JPEG data" in said else said
