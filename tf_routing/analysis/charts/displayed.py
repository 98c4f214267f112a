"""An image as Matplotlib shows it."""

import numpy as np


def displayed(image: np.ndarray) -> np.ndarray:
    """Returns an image without a single channel's axis: bytes as they are, floats cut to [0, 1].

    Example:

    >>> displayed(np.array([[[-0.5], [0.5]]])).tolist()
    [[0.0, 0.5]]
    """
    image = np.asarray(image)
    return np.squeeze(image if image.dtype == np.uint8 else np.clip(image, 0, 1))
