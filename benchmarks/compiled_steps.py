"""What do many steps in one call save on JAX? Our loop with one and with many steps a call, against Keras's `fit`.

    KERAS_BACKEND=jax python benchmarks/compiled_steps.py --output benchmarks/compiled_steps.json

The same batches, images of 32 pixels in memory, shifted and mirrored: by NumPy for Keras, which sends them to the
device one by one, and on the device for ours. All loops are in one process and take turns, some steps each; ratios are
medians over rounds. Steps of `linear`, one dense layer on few images, are so short that most of them is what loops do
around them. `convolution` has one convolution before, whose gradient XLA runs slowly in loops on CPUs.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from taking_turns import Loop, callback

from tf_routing.evaluation.timing import Timing, median_ratio, ratio_quartiles, time_in_turn

NETWORKS = ("linear", "convolution")
FIT, ONE, MANY = "model.fit", "one step a call", "all steps of a round in a call"
BATCH, SIZE, CLASSES, SEED, _WARM_UP = 16, 32, 10, 0, 1
_FILTERS = 8
_OPTIMIZER = {"learning_rate": 0.01, "momentum": 0.9, "kernel_decay": 5e-4}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count")
    parser.add_argument("--steps", type=int, default=20, help="steps of each loop in a round")
    parser.add_argument("--output", default="benchmarks/compiled_steps.json")
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = "jax"
    from tf_routing.support.files import write_json
    from tf_routing.support.hardware import hardware

    rows: list[dict[str, Any]] = []
    for name in NETWORKS:
        rows += _measured(name, arguments.rounds, arguments.steps)
        settings = {"rounds": arguments.rounds, "steps_per_round": arguments.steps, "batch": BATCH}
        write_json(Path(arguments.output), {"hardware": hardware(), "settings": settings, "rows": rows})


def _measured(network: str, rounds: int, steps: int) -> list[dict[str, Any]]:
    loops = _loops(network, rounds + _WARM_UP, steps)
    times = time_in_turn({name: loop.turn for name, loop in loops.items()}, rounds, _WARM_UP)
    for loop in loops.values():
        loop.join()
    rows = [_row(network, name, times) for name in times]
    for row in rows:
        print(f"{network:12} {row['loop']:32} {row['processor_ratio']:6.2f} of model.fit's processor time", flush=True)
    return rows


def _row(network: str, loop: str, times: dict[str, list[Timing]]) -> dict[str, Any]:
    pair = times[loop], times[FIT]
    return {
        "network": network,
        "loop": loop,
        "wall_ratio": round(median_ratio(*pair), 3),
        "wall_quartiles": [round(each, 3) for each in ratio_quartiles(*pair)],
        "processor_ratio": round(median_ratio(*pair, "processor"), 3),
        "seconds_per_round": [round(each.wall, 4) for each in times[loop]],
    }


def _loops(network: str, epochs: int, steps: int) -> dict[str, Loop]:
    from tf_routing.data import ImageSet
    from tf_routing.data.batching.batch_plan import BatchPlan
    from tf_routing.data.batching.device_batches import DeviceBatches
    from tf_routing.data.batching.numpy_batches import TrainingArrays
    from tf_routing.train.compiled_loop import train
    from tf_routing.train.epochs import EpochRange

    random = np.random.default_rng(SEED)
    images = random.integers(0, 256, (BATCH * steps, SIZE, SIZE, 3)).astype("uint8")
    image_set = ImageSet(images, random.integers(0, CLASSES, len(images)))
    plan = BatchPlan(batch_size=BATCH, seed=SEED, epochs=epochs, shift=4, mirror=True)

    def fit(loop: Loop) -> None:
        """Keras's loop."""
        batches, span = TrainingArrays(image_set, plan), {"epochs": epochs, "steps_per_epoch": steps}
        _compiled(network).fit(batches, callbacks=_callbacks(loop), shuffle=False, verbose=0, **span)

    def ours(size: int) -> Loop:
        """Our loop, with so many steps in a call."""
        span, batches = EpochRange(epochs, steps), DeviceBatches(image_set, plan)
        model = _compiled(network)
        return Loop(lambda loop: train(model, batches, span, steps_per_execution=size, callbacks=_callbacks(loop)))

    return {FIT: Loop(fit), ONE: ours(1), MANY: ours(steps)}


def _callbacks(loop: Loop) -> list[Any]:
    import keras

    def read(epoch: int, logs: dict[str, Any]) -> None:
        """Waits for the device, as a log would."""
        for value in logs.values():
            float(value)

    return [keras.callbacks.LambdaCallback(on_epoch_end=read), callback(loop)]


def _compiled(network: str) -> Any:
    import keras

    from tf_routing.models import RoutedModel
    from tf_routing.optimizers import DecayedSGD

    keras.utils.set_random_seed(SEED)
    x = image = keras.Input((SIZE, SIZE, 3))
    if network == "convolution":
        x = keras.layers.Conv2D(_FILTERS, 3, strides=2, activation="relu")(x)
    logits = keras.layers.Dense(CLASSES, name="logits")(keras.layers.Flatten()(x))
    model = RoutedModel(image, keras.layers.Softmax(name="probabilities")(logits))
    model.compile(DecayedSGD(**_OPTIMIZER), metrics=["accuracy"])
    return model


if __name__ == "__main__":
    main()
