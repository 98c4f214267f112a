"""Classifies images with a SavedModel, with TensorFlow and nothing else.

The demo runs this file as a program of its own to show that an export needs neither Keras nor this library.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tensorflow as tf


def main() -> None:
    """Reads images from an `.npy` file of bytes, prints class names and probabilities as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("saved_model")
    parser.add_argument("images")
    arguments = parser.parse_args()
    names = Path(arguments.saved_model, "assets", "labels.txt").read_text("utf-8").split("\n")
    classify = tf.saved_model.load(arguments.saved_model).signatures["serve_uint8"]
    outputs = classify(tf.constant(np.load(arguments.images, allow_pickle=False)))
    indices, probabilities = outputs["classes"].numpy(), outputs["probabilities"].numpy()
    predictions = [[names[i], float(row[i])] for i, row in zip(indices, probabilities, strict=True)]
    print(json.dumps(predictions))


if __name__ == "__main__":
    main()
