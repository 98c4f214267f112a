"""A trained network as a function of images, wherever it comes from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tf_routing.core.pixel_values import UNIT, scale_to
from tf_routing.data.images.decoding.framing import Framing


class Answers(NamedTuple):
    """What a network says of a batch.

    Args:
        probabilities: Array `(count, classes)`.
        switches: 0/1 arrays `(count, choices)` by the name of the decision, in order of depth; empty for a network that
            leaves nothing out.
        macs: Integer array `(count,)`, multiply-accumulates executed for each image; `None` where it is not told.
    """

    probabilities: np.ndarray
    switches: Mapping[str, np.ndarray]
    macs: np.ndarray | None


@dataclass(frozen=True)
class Classifier:
    """A trained network that classifies images.

    Args:
        run: Function of images `(count, height, width, channels)`, float32 in the network's range, that returns
            `Answers`.
        framing: Size of the images, and which part of a picture they show.
        channels: Integer, 1 for grey images or 3.
        class_names: Names by class index; the numbers, where nobody knows names.
        input_range: Pair of floats, what black and white are to the network.
    """

    run: Callable[[np.ndarray], Answers]
    framing: Framing
    channels: int
    class_names: Sequence[str]
    input_range: tuple[float, float] = UNIT

    def answer(self, images: np.ndarray) -> Answers:
        """Returns what the network says of images `(count, height, width, channels)`, float32 in [0, 1]."""
        return self.run(scale_to(images, self.input_range, 1))
