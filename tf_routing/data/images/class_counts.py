"""Counts the records of each class in TFRecord files, once: the numbers are cached."""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.support.files import whole_file

_READ_SIDE_BY_SIDE = 16
_BATCH = 1024


def class_counts(files: Sequence[str]) -> np.ndarray:
    """Returns the number of records of each class.

    The first call reads the files from end to end, for ImageNet 150 gigabytes. What it found is kept in
    `~/.cache/tf_routing` (or below `XDG_CACHE_HOME`), by names, lengths and times of the files, so that no later run
    waits for it.

    Args:
        files: Paths of TFRecord files whose records have a `label`.

    Returns:
        Integer array by class index, as long as the highest one asks for.
    """
    return np.array(_count_or_recall(files)["images_by_class"], "int64")


def has_negative_labels(files: Sequence[str]) -> bool:
    """Returns whether a record has a label below zero, as images without one do; remembered as `class_counts` is."""
    return _count_or_recall(files)["negative_labels"] > 0


def _count_or_recall(files: Sequence[str]) -> dict[str, Any]:
    file = _cache_folder() / f"{_fingerprint(files)}.json"
    # A file that cannot be read or written costs time, and nothing else.
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(file.read_text("utf-8"))
        if known.keys() >= {"images_by_class", "negative_labels"}:
            return known
    counts, negative = _count(files)
    known = {"files": list(files), "images_by_class": counts.tolist(), "negative_labels": negative}
    with contextlib.suppress(OSError), whole_file(file) as temporary:
        temporary.write_text(json.dumps(known), "utf-8")
    return known


def _cache_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "tf_routing", "class_counts")


def _fingerprint(files: Sequence[str]) -> str:
    from tensorflow.io import gfile

    # TensorFlow's file functions read cloud storage too.
    states = [(file, each.length, each.mtime_nsec) for file in files for each in [gfile.stat(file)]]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:32]


def _count(files: Sequence[str]) -> tuple[np.ndarray, int]:
    from rich.console import Console
    from rich.progress import track

    counts, negative = np.zeros(0, "int64"), 0
    # On a terminal, and gone when it is through: small sets take no time.
    console = Console(stderr=True)
    progress = partial(track, console=console, transient=True, disable=not console.is_terminal)
    for labels in progress(_label_batches(files), "Counting images by class, once"):
        found = np.bincount(labels[labels >= 0], minlength=len(counts))
        counts = np.pad(counts, (0, len(found) - len(counts))) + found
        negative += int((labels < 0).sum())
    return counts, negative


def _label_batches(files: Sequence[str]) -> Any:
    import tensorflow as tf

    feature = {"label": tf.io.FixedLenFeature((), tf.int64)}
    records = tf.data.TFRecordDataset(list(files), num_parallel_reads=min(_READ_SIDE_BY_SIDE, len(files)))
    labels = records.batch(_BATCH).map(lambda batch: tf.io.parse_example(batch, feature)["label"])
    return labels.prefetch(1).as_numpy_iterator()
