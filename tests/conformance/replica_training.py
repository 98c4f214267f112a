"""Trains one small network of each family the way `strategy` says, and writes down all that came of it.

python -m tests.conformance.replica_training FOLDER STEPS LEARNING_RATE NET=STRATEGY[:DEVICES],... ...
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests import exit_net, gated_net, skip_net
from tf_routing import layers
from tf_routing.data.batching.extra_inputs import add_drawn_inputs
from tf_routing.models import RoutedModel
from tf_routing.optimizers import DecayedSGD
from tf_routing.train.distribution.replica_batches import distribute
from tf_routing.train.distribution.strategies import is_chief, open_strategy, synchronize_batch_norm
from tf_routing.train.epochs import EpochRange
from tf_routing.train.loop import train

BATCH, CLASSES, EPOCHS = 8, 4, 2
_COPIES = 2


def paths() -> RoutedModel:
    """Two paths, with batch normalisation where they meet."""
    image = keras.Input((8, 8, 3))
    tensors = layers.CrossPrediction(2, filters=4, name="route_1")(image, return_gates=True)[0]
    tensors = [keras.layers.Conv2D(4, 3, activation="relu", name=f"conv_{n}")(x) for n, x in enumerate(tensors)]
    tensors = layers.CrossConnection(2, name="route_2")(tensors, return_gates=True)[0]
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Average()(tensors))
    return RoutedModel(image, keras.layers.Dense(CLASSES, "softmax", name="probabilities")(pooled))


_RANDOM = np.random.default_rng(9)
_SMALL_IMAGES = _RANDOM.uniform(size=(5 * BATCH, 8, 8, 3)).astype("float32")
_LABELS = np.arange(5 * BATCH) % CLASSES
_TREE = {"channels": [3, 4], "sinks": ["classify", {"channels": [4], "sinks": ["classify"]}]}

# Each with images; those that draw noise draw it, and copies of an image are neighbours.
NETS: dict[str, tuple[Callable[[], RoutedModel], np.ndarray, np.ndarray]] = {
    "paths": (paths, _SMALL_IMAGES, _LABELS),
    "gated": (gated_net.gated_model, gated_net.images(5 * BATCH), _LABELS),
    "skipping": (
        lambda: skip_net.skip_model(copies=_COPIES, diversity_margin=2.0, target=0.3),
        skip_net.images(5 * BATCH),
        np.repeat(_LABELS, _COPIES)[: 5 * BATCH],
    ),
    "actor": (
        lambda: exit_net.exit_model(_TREE, dynamic_cost=True, computation_cost=[1e-8, 6e-8]),
        _SMALL_IMAGES,
        _LABELS,
    ),
    "critic": (
        lambda: exit_net.exit_model(_TREE, strategy="pragmatic_critic", temperature_half_life=10),
        _SMALL_IMAGES,
        _LABELS,
    ),
}


class Recorder(keras.callbacks.Callback):
    """Keeps the running means after every step, those of the loss and of all terms."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.rows.append({name: float(value) for name, value in (logs or {}).items()})


def trained(
    net: str, strategy: Any, steps: int, callbacks: Sequence[Any] = (), learning_rate: float = 0.02
) -> dict[str, np.ndarray]:
    """Trains a net for some steps in each of two epochs; returns what was logged, all weights and all states."""
    # Names count up, and the same net must have the same.
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    build, x, y = NETS[net]
    with strategy.scope():
        model = build()
        synchronize_batch_norm(model)
        model.compile(DecayedSGD(learning_rate, kernel_decay=0.01), metrics=["accuracy"])
    before = [np.asarray(weight) for weight in model.trainable_variables]
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH, drop_remainder=True).repeat()
    batches = add_drawn_inputs(batches, model.default_objective().drawn_inputs, seed=4)
    recorder = Recorder()
    train(
        model,
        distribute(batches, strategy, BATCH, _COPIES if net == "skipping" else 1),
        EpochRange(EPOCHS, steps),
        callbacks=[recorder, *callbacks],
    )
    moved = [np.abs(np.asarray(now) - was).max() for now, was in zip(model.trainable_variables, before, strict=True)]
    everything = [*model.variables, *model.objective_variables, *model.objective_state, *model.optimizer.variables]
    logged = {f"log {name}": np.array([row[name] for row in recorder.rows]) for name in recorder.rows[0]}
    numbered = {f"{number} {each.path}": np.asarray(each) for number, each in enumerate(everything)}
    return {**logged, **numbered, "moved": np.array(moved)}


def main(folder: str, steps: str, learning_rate: str, *asked: str) -> None:
    """Writes `{net}_{strategy}.npz` for each net and each of its strategies."""
    runs = [(net, kind) for net, _, kinds in (each.partition("=") for each in asked) for kind in kinds.split(",")]
    # The most devices first: parts of the CPU are there before TensorFlow starts, or not at all.
    opened = {kind: open_strategy(*_arguments(kind)) for kind in sorted({kind for _, kind in runs}, reverse=True)}
    for net, kind in runs:
        results = trained(net, opened[kind], int(steps), learning_rate=float(learning_rate))
        if is_chief(opened[kind]):
            np.savez(Path(folder, f"{net}_{kind}.npz"), **results)


def _arguments(kind: str) -> tuple[Any, ...]:
    name, _, devices = kind.partition(":")
    return (name, int(devices)) if devices else (name,)


if __name__ == "__main__":
    main(*sys.argv[1:])
