"""Folders of finished runs of every family: networks so small that nothing takes long, on 24 images of four classes."""

from pathlib import Path

import keras
import numpy as np

from tests import exit_net, skip_net
from tf_routing import layers
from tf_routing.data import Dataset, ImageSet
from tf_routing.models import RoutedModel
from tf_routing.support.files import write_json

CLASSES = ["<cat>", "dog & co", "hen", "ox"]
KINDS = ("paths", "skip", "exits", "tree", "static")
_SHAPE, _COUNT = exit_net.SHAPE, 24


def dataset() -> Dataset:
    """Returns test images of unlike colours, so that routers tell them apart, and their classes."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (_COUNT, *_SHAPE)) * random.uniform(0, 1, (_COUNT, 1, 1, 3)) ** 2
    images = ImageSet(pixels.astype("uint8"), np.arange(_COUNT) % len(CLASSES))
    return Dataset("noise", images, images, CLASSES, mirrors=False)


def build(kind: str) -> RoutedModel:
    """Returns a network of a family whose images take different ways, if it has any."""
    keras.utils.set_random_seed(3)
    if kind in ("exits", "tree"):
        return exit_net.exit_model(exit_net.CHAIN if kind == "exits" else exit_net.BRANCHES)
    if kind == "skip":
        # The first network whose images differ in what they cost: an untrained router may send all of them one way.
        models = (skip_net.skip_model(seed, shape=_SHAPE) for seed in range(50))
        return next(model for model in models if len(set(model.cost(dataset().test.images).tolist())) > 2)
    image = keras.Input(_SHAPE)
    paths: list = [keras.layers.Conv2D(4, 3, activation="relu")(image)]
    if kind == "paths":
        for number in (1, 2):
            route = layers.CrossConnection(paths=2, name=f"route_{number}")
            paths, _ = route(paths if number > 1 else paths[0], return_gates=True)
    means = [keras.layers.GlobalAveragePooling2D()(path) for path in paths]
    x = keras.layers.Average()(means) if len(means) > 1 else means[0]
    return RoutedModel(image, keras.layers.Dense(len(CLASSES), "softmax")(x), name=kind)


def write_run(folder: Path, kind: str, finished: bool = True) -> Path:
    """Writes the folder of a run, and returns it."""
    model = build(kind)
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    arguments = {"model": kind, "dataset": "noise", "model_arguments": {"width": 1}, "seed": 0, "recipe": {"name": "x"}}
    record = {"arguments": arguments, "versions": {"keras": keras.__version__}, "seconds": 90.0, "class_names": CLASSES}
    if finished:
        record["final"] = {"accuracy": 0.5, "macs": model.static_cost, "parameters": model.count_params()}
    write_json(folder / "run.json", record)
    rows = ["epoch,step,loss,val_loss,val_accuracy,val_exit_1_share", "1,4,2.0,2.5,0.25,0.5", "2,8,1.5,2.25,0.5,"]
    (folder / "log.csv").write_text("\n".join(rows) + "\n")
    return folder
