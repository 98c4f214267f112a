"""Encoded images in TFRecord files, as TensorFlow Datasets prepares them."""

import dataclasses
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tf_routing.data.images.class_counts import class_counts, has_negative_labels
from tf_routing.data.images.encoded_images import EncodedImages

# Files read side by side, records in a row from each, and records that the order is drawn from: about one gigabyte of
# ImageNet. All three decide the order, so they do not depend on the machine.
_FILES, _IN_A_ROW, _SHUFFLED = 16, 16, 8192
_WORKERS = os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class ImageStream(EncodedImages):
    """Encoded images of any sizes with their class indices, in TFRecord files.

    Each record is a `tf.train.Example` with `image`, an encoded picture, and `label`.

    Args:
        files: Paths of the files.
        image_count: Integer, images in all files, of the kept classes.
        image_size: As for `EncodedImages`.
        random_size_crop: As for `EncodedImages`.
        resize: As for `EncodedImages`.
        crop: As for `EncodedImages`.
        new_labels: By class index of the records, that of the images, negative for classes that are left out; `None`
            for those of the records.
    """

    new_labels: tuple[int, ...] | None = None

    @cached_property
    def labels(self) -> np.ndarray:
        """All class indices in the order of the files. Reads the files from end to end, once."""
        batches = self.in_order().map(self._label).batch(256)
        return np.concatenate(list(batches.as_numpy_iterator()))

    def distinct_labels(self) -> np.ndarray:
        """Returns every label that an image has; counted once, see `class_counts`."""
        found = np.flatnonzero(class_counts(self.files))
        if self.new_labels is not None:
            table = np.array(self.new_labels)
            # What is behind the table is an error when it is read, and stays one here.
            found = np.unique(np.concatenate([table[found[found < len(table)]], found[found >= len(table)]]))
            found = found[found >= 0]
        unlabelled = not self._leaves_out and has_negative_labels(self.files)
        return np.concatenate([[-1], found]) if unlabelled else found

    @property
    def _leaves_out(self) -> bool:
        return self.new_labels is not None and min(self.new_labels) < 0

    @property
    def first_label(self) -> int:
        """The class index of the first image, negative where TensorFlow Datasets has no labels."""
        return int(next(self.in_order().map(self._label).as_numpy_iterator()))

    def first_classes(self, count: int) -> "ImageStream":
        """Returns the images whose class index is below `count`.

        The files are read from end to end for how many there are, once: the numbers are kept, see `class_counts`. Each
        epoch reads all records too, and decodes those of the kept classes.
        """
        counts = class_counts(self.files)
        known = len(counts) if self.new_labels is None else 1 + max(self.new_labels)
        # One more than there are, which says that some are left out: those without a label then are too.
        return self.relabelled([label if label < count else None for label in range(max(known, count) + 1)])

    def relabelled(self, new_labels: Sequence[int | None]) -> "ImageStream":
        """Returns the images with other class indices, those of `None` left out; see `first_classes`."""
        before = range(len(new_labels)) if self.new_labels is None else self.new_labels
        found = [None if label < 0 else new_labels[label] for label in before]
        table = tuple(-1 if label is None else label for label in found)
        count = self.image_count
        if -1 in table:
            counts = class_counts(self.files)
            count = sum(int(found) for found, label in zip(counts, table, strict=False) if label >= 0)
        return dataclasses.replace(self, image_count=count, new_labels=table)

    def in_order(self) -> Any:
        """Returns the records of all images, in the order of the files."""
        import tensorflow as tf

        return self._kept(tf.data.TFRecordDataset(list(self.files)))

    def shuffled(self, seed: Any) -> Any:
        """Returns the records of all images: files in another order, and records drawn from a buffer."""
        import tensorflow as tf

        # Called in a graph that belongs to one epoch. The shuffle mixes the graph's seed, by default the global
        # one, into what it is given: fixed here, so that the order depends on nothing else.
        tf.random.set_seed(1)
        file_seed, record_seed = tf.unstack(tf.random.split(seed, 2))
        order = tf.argsort(tf.random.stateless_uniform((len(self.files),), file_seed))
        files = tf.data.Dataset.from_tensor_slices(tf.gather(tf.constant(self.files), order))
        records = files.interleave(
            lambda file: self._kept(tf.data.TFRecordDataset(file)),
            cycle_length=_FILES,
            block_length=_IN_A_ROW,
            num_parallel_calls=min(_FILES, _WORKERS),
            deterministic=True,
        )
        return records.shuffle(min(self.image_count, _SHUFFLED), record_seed[0], reshuffle_each_iteration=False)

    def _kept(self, records: Any) -> Any:
        # Before anything is shuffled or decoded: the label alone is read.
        return records.filter(lambda each: self._label(each) >= 0) if self._leaves_out else records

    def read(self, record: Any) -> tuple[Any, Any]:
        """Returns the encoded picture of a record, and its class index."""
        import tensorflow as tf

        features = {"image": tf.io.FixedLenFeature((), tf.string), "label": tf.io.FixedLenFeature((), tf.int64)}
        example = tf.io.parse_single_example(record, features)
        return example["image"], self._relabel(example["label"])

    def _label(self, record: Any) -> Any:
        import tensorflow as tf

        label = tf.io.parse_single_example(record, {"label": tf.io.FixedLenFeature((), tf.int64)})["label"]
        return self._relabel(label)

    def _relabel(self, label: Any) -> Any:
        import tensorflow as tf

        if self.new_labels is None:
            return label
        # Negative where there is no label: that is of no class before and after.
        return tf.where(label < 0, label, tf.gather(tf.constant(self.new_labels, tf.int64), tf.maximum(label, 0)))
