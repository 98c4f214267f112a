"""The figure of a dataset: some of its training images, drawn by a seed."""

from pathlib import Path

import numpy as np

from tf_routing import data
from tf_routing.analysis import draw_image_grid
from tf_routing.data import ImageSet
from tf_routing.support.validation import not_negative_integer

_SAMPLES = 60


def samples(output: Path, dataset: str = "hybrid", data_dir: str | None = None, seed: int = 0) -> None:
    """Draws some training images of a dataset.

    Args:
        output: Picture to write.
        dataset: Name of a dataset in memory, see `data.load`.
        data_dir: Folder of TensorFlow Datasets.
        seed: Integer, seed of what is drawn.

    Raises:
        ValueError: If an argument is wrong.
        FileNotFoundError: If the dataset is not prepared.
    """
    not_negative_integer("seed", seed)
    found = data.load(dataset, data_dir)
    if not isinstance(found.train, ImageSet):
        names = ", ".join(data.list_datasets())
        raise ValueError(f"`dataset` must be one in memory: {names}. Received: dataset={dataset!r}")
    count = found.train.image_count
    drawn = np.random.default_rng(seed).choice(count, min(_SAMPLES, count), replace=False)
    titles = [found.class_names[label] for label in found.train.labels[drawn]]
    draw_image_grid(found.train.images[drawn] / 255, titles, output, title=f"Training images of {dataset}")
