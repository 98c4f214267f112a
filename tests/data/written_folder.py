"""Small datasets in the form that TensorFlow Datasets prepares, written for a test."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_routing.data.images.decoding.center_crop import center_crop
from tf_routing.data.images.decoding.framing import PHOTOGRAPH_CROP, Framing

Examples = Sequence[tuple[bytes, int]]

_FEATURES = "tensorflow_datasets.core.features"
IMAGE = {
    "pythonClassName": f"{_FEATURES}.image_feature.Image",
    "image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}},
}
LABEL = {"pythonClassName": f"{_FEATURES}.class_label_feature.ClassLabel", "classLabel": {"numClasses": "5"}}


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype("uint8")


def png(image: np.ndarray) -> bytes:
    return tf.io.encode_png(image).numpy()


def central_view(encoded: Any, image_size: int, resize: int | None = None) -> tf.Tensor:
    """What evaluation sees of a picture."""
    return center_crop(tf.convert_to_tensor(encoded), Framing(image_size, image_size, PHOTOGRAPH_CROP, resize))


def numbered(count: int) -> Examples:
    """Pictures of several sizes, each one's label its index."""
    return [(png(noise(8 + i % 3, 9 + i % 4, seed=i)), i) for i in range(count)]


def write_records(path: Path, examples: Examples) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image, label in examples:
            writer.write(_example(image, label).SerializeToString())
    return str(path)


def _example(image: bytes, label: int) -> tf.train.Example:
    values = {
        # Some datasets have an identifier; others do not read it.
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"picture"])),
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        # CIFAR-100's.
        "coarse_label": tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
    }
    return tf.train.Example(features=tf.train.Features(feature=values))


def write_folder(
    data_dir: Path, name: str, splits: dict[str, Sequence[Examples]], features: dict[str, Any] | None = None
) -> Path:
    """Writes `name/version` or `name/config/version` with one file per list of examples, and returns its folder."""
    folder = data_dir / name
    folder.mkdir(parents=True)
    dataset, *config, version = name.split("/")
    for split, shards in splits.items():
        for i, examples in enumerate(shards):
            write_records(folder / f"{dataset}-{split}.tfrecord-{i:05d}-of-{len(shards):05d}", examples)
    features = {"image": IMAGE, "label": LABEL} if features is None else features
    tree = {"pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict", "featuresDict": {"features": features}}
    (folder / "features.json").write_text(json.dumps(tree), "utf-8")
    info = {
        "name": dataset,
        "version": version,
        "fileFormat": "tfrecord",
        **({"configName": config[0]} if config else {}),
        "splits": [
            {
                "name": split,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "numBytes": "1",
                "shardLengths": [str(len(examples)) for examples in shards],
            }
            for split, shards in splits.items()
        ],
    }
    (folder / "dataset_info.json").write_text(json.dumps(info), "utf-8")
    return folder
