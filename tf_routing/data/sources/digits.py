"""Loads handwritten digits from a file of this package: the dataset that needs no download and no further package."""

from pathlib import Path

import numpy as np
from PIL import Image

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet

# Those of scikit-learn, parted as its `train_test_split` parts them; LICENSE.md beside it says whose they are.
_FILE = Path(__file__).parent / "handwritten_digits" / "digits.npz"


def load_digits() -> Dataset:
    """Returns 1,797 real digits, 8x8 grey images enlarged to 32x32x3, a quarter of them held out."""
    with np.load(_FILE) as stored:
        train, test = (_read(stored, part) for part in ("train", "test"))
    return Dataset("digits", train, test, [str(digit) for digit in range(10)], mirrors=False)


def _read(stored: "np.lib.npyio.NpzFile", part: str) -> ImageSet:
    images = np.stack([_enlarge(image) for image in stored[f"{part}_images"]])
    return ImageSet(images, stored[f"{part}_labels"].astype("int64"))


def _enlarge(image: np.ndarray) -> np.ndarray:
    # The digits hold 17 grey levels, 0 to 16.
    grey = Image.fromarray(np.round(image * (255 / 16)).astype("uint8")).resize((32, 32), Image.Resampling.BILINEAR)
    return np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
