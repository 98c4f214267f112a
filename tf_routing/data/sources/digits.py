"""Loads scikit-learn's handwritten digits, the dataset that needs no download."""

import numpy as np
from PIL import Image
from sklearn import datasets, model_selection

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet

_TEST_SHARE = 0.25
_SPLIT_SEED = 0


def load_digits() -> Dataset:
    """Returns 1,797 real digits, 8x8 grey images enlarged to 32x32x3, a quarter of them held out."""
    bunch = datasets.load_digits()
    images = np.stack([_enlarge(image) for image in bunch.images])
    train_images, test_images, train_labels, test_labels = model_selection.train_test_split(
        images, bunch.target, test_size=_TEST_SHARE, stratify=bunch.target, random_state=_SPLIT_SEED
    )
    names = [str(name) for name in bunch.target_names]
    return Dataset(
        "digits", ImageSet(train_images, train_labels), ImageSet(test_images, test_labels), names, mirrors=False
    )


def _enlarge(image: np.ndarray) -> np.ndarray:
    # The digits hold 17 grey levels, 0 to 16.
    grey = Image.fromarray(np.round(image * (255 / 16)).astype("uint8")).resize((32, 32), Image.Resampling.BILINEAR)
    return np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
