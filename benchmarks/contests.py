"""The contests of `skipping.py`: which networks run against each other, on which batches, and how each is built."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from networks import (
    SMALL,
    calibrated,
    calibrated_to_skip,
    executed_share,
    photographs,
    runner,
    shortened,
    slimmed,
    torch_runner,
    with_offsets,
)

TORCH = "torchvision.models.resnet50"
SHARES = {f"resnet110 on {rate} of the images": rate for rate in (0.3, 0.5)}


class Contest(NamedTuple):
    """Networks that are compared, the first of which the others are measured by."""

    networks: tuple[str, ...]
    batches: tuple[int, ...]
    build: Callable[[np.ndarray], dict[str, Any]]
    image_size: int
    ways: tuple[str, ...] = ("whole", "chunks", "frozen")
    by_image: bool = True
    one_thread: bool = False
    warm_up: int = 1


def build_split(images: np.ndarray) -> dict[str, Any]:
    """Builds the networks for photographs."""
    import keras

    from tf_routing import fold_batch_norm, zoo

    networks = {"resnet50": fold_batch_norm(zoo.get("resnet50"))}
    networks["keras.applications.ResNet50"] = fold_batch_norm(keras.applications.ResNet50(weights=None))
    for rate in (0.5, 0.7):
        networks[f"dmnn50_n2 at {rate}"] = gated = calibrated(2, rate, images)
        networks[f"static of the same MACs as {rate}"] = slimmed(executed_share(gated, images))
    return networks


def build_skipping(images: np.ndarray) -> dict[str, Any]:
    """Builds the networks for small images."""
    from tf_routing import fold_batch_norm, zoo

    static = fold_batch_norm(with_offsets(zoo.get("resnet110")))
    networks = {"resnet110": static, **dict.fromkeys(SHARES, static)}
    for rate in SHARES.values():
        networks[f"drn_resnet110 at {rate}"] = gated = calibrated_to_skip(rate, images)
        networks[f"static of the same MACs as {rate}"] = shortened(gated, images)
    return networks


def _beside(name: str, *rates: float) -> tuple[str, ...]:
    return tuple(each.format(rate) for rate in rates for each in (f"{name} at {{}}", "static of the same MACs as {}"))


CONTESTS = {
    "dmnn50": Contest(
        ("resnet50", "keras.applications.ResNet50", *_beside("dmnn50_n2", 0.5, 0.7)), (1, 8, 32), build_split, 224
    ),
    "drn_resnet110": Contest(
        ("resnet110", *_beside("drn_resnet110", 0.3, 0.5), *SHARES),
        (1, 32, 128),
        build_skipping,
        SMALL,
        ("whole", "frozen"),
        by_image=False,
        # The operations of a small network are so short that threads wait for each other.
        one_thread=True,
        # oneDNN prepares itself for each number of rows that it meets: a server has met them all.
        warm_up=16,
    ),
}


def load_keras(contest: str, ways: tuple[str, ...]) -> dict[str, Any]:
    """Builds the Keras networks of one worker, once per way."""
    images = photographs(CONTESTS[contest].image_size)
    networks = CONTESTS[contest].build(images)
    return {
        f"{name}, {way}": _shared(name, runner(model, images, way)) for name, model in networks.items() for way in ways
    }


def _shared(name: str, ready: Callable[[int], Any]) -> Callable[[int], Any]:
    share = SHARES.get(name, 1)
    return lambda batch: ready(round(share * batch))


def load_torch() -> dict[str, Any]:
    """Builds the network of the PyTorch worker."""
    # Before TensorFlow, which reads the photographs: the other way round the two end the process.
    import torchvision  # noqa: F401

    return {f"{TORCH}, whole": torch_runner(photographs())}
