"""Classifies pictures in files, batch by batch; a damaged one is told, and stops nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tf_routing.prediction.classifier import Answers, Classifier
from tf_routing.support.validation import positive_integer

__all__ = ["PictureAnswer", "predict_pictures"]


class PictureAnswer(NamedTuple):
    """What a network says of a picture.

    Args:
        path: The picture's file.
        probabilities: Array `(classes,)`; `None` for a picture that cannot be read.
        switches: 0/1 arrays `(choices,)` by the name of the decision, in order of depth.
        macs: Multiply-accumulates that were executed; `None` where it is not told.
        error: Why the picture cannot be read; empty where it can.
    """

    path: str
    probabilities: np.ndarray | None = None
    switches: Mapping[str, np.ndarray] = {}
    macs: int | None = None
    error: str = ""


def predict_pictures(classifier: Classifier, paths: Sequence[str], batch_size: int = 32) -> Iterator[PictureAnswer]:
    """Yields the answers for pictures, in their order.

    Args:
        classifier: The network, see `load_classifier`.
        paths: Files of pictures: JPEG, PNG, GIF, BMP or WebP, of any size.
        batch_size: Positive integer, pictures that are read and classified at once.

    Returns:
        Iterator of a `PictureAnswer` for every path; for a picture that cannot be read it tells why.

    Raises:
        ValueError: If `batch_size` is not possible.

    Example:

    >>> import tempfile
    >>> import tensorflow as tf
    >>> from tf_routing import prediction, zoo
    >>> folder = tempfile.mkdtemp()
    >>> zoo.get("drn_resnet32", width_multiplier=0.25).save(f"{folder}/net.keras")
    >>> tf.io.write_file(f"{folder}/white.png", tf.io.encode_png(tf.fill((50, 40, 3), tf.constant(255, tf.uint8))))
    >>> tf.io.write_file(f"{folder}/damaged.png", "no picture")
    >>> classifier = prediction.load_classifier(f"{folder}/net.keras")
    >>> pictures, _ = prediction.find_pictures([folder])
    >>> for answer in predict_pictures(classifier, pictures):
    ...     print(answer.path.removeprefix(folder), answer.macs is not None, answer.error[:8])
    /damaged.png False `images`
    /white.png True
    """
    return _predict(classifier, paths, positive_integer("batch_size", batch_size))


def _predict(classifier: Classifier, paths: Sequence[str], batch_size: int) -> Iterator[PictureAnswer]:
    # Here: it needs TensorFlow, which reads pictures.
    from tf_routing.prediction.picture_reading import read_picture

    for first in range(0, len(paths), batch_size):
        batch = paths[first : first + batch_size]
        images, errors = {}, {}
        for path in batch:
            try:
                images[path] = read_picture(path, classifier.framing, classifier.channels)
            except ValueError as error:
                errors[path] = str(error)
        answers = _split(classifier.answer(np.stack(list(images.values()))), list(images)) if images else {}
        for path in batch:
            yield answers[path] if path in answers else PictureAnswer(path, error=errors[path])


def _split(answers: Answers, paths: Sequence[str]) -> dict[str, PictureAnswer]:
    return {
        path: PictureAnswer(
            path,
            answers.probabilities[row],
            {name: each[row] for name, each in answers.switches.items()},
            None if answers.macs is None else int(answers.macs[row]),
        )
        for row, path in enumerate(paths)
    }
