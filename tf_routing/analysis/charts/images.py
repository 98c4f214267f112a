"""Small images in charts."""

from typing import Any

import numpy as np


def show_image(axes: Any, image: np.ndarray, title: str = "", letters: int | None = None) -> None:
    """Draws an image into axes, without ticks and frame.

    Args:
        axes: The axes.
        image: Array `(height, width, channels)`, floats in [0, 1] or bytes.
        title: What stands above it.
        letters: Integer, the most letters of the title; a longer one is cut.
    """
    # Black and white are the same in all images, whatever else is in one.
    axes.imshow(_prepare(image), cmap="gray", vmin=0, vmax=1)
    if title:
        axes.set_title(title if letters is None or len(title) <= letters else f"{title[: letters - 1]}…")
    # Not `axis("off")`, which would take a label of the row away too.
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _prepare(image: np.ndarray) -> np.ndarray:
    """The image without the axis of a single channel, its floats cut to [0, 1]."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        image = image / 255
    return np.squeeze(np.clip(image, 0, 1))
