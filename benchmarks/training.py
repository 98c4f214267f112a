"""How many training steps a second? Our loop against `model.fit`, and against a plain loop in PyTorch.

    python benchmarks/training.py --output benchmarks/training.json

The same networks (their parameters are counted), batches of 128 images of 32 pixels that lie in memory, SGD with
momentum and decay, loss and accuracy kept. All loops are in one process and take turns, some steps each; ratios are
medians over rounds. PyTorch runs in channels_last, and is left out where it is not installed. oneDNN is on, as
`tf-routing fit` sets it.

Steps of `model.fit` and of our loop compute the same, so that beside the noise of a machine what is left to differ is
the loops' own cost. The network `linear`, one dense layer, takes steps so short that this is most of them.
"""

import argparse
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from taking_turns import Loop, callback

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, ratio_quartiles, time_in_turn

LINEAR = "linear"
NETWORKS = ("basecnn", "basecnn_2cc", "resnet20", "resnet20_2cc", LINEAR)
BATCH, SIZE, CLASSES, SEED = 128, 32, 10, 0
OURS, FIT, TORCH = "tf_routing loop", "model.fit", "PyTorch"
_WARM_UP, _LINEAR_STEPS = 1, 40
_OPTIMIZER = {"learning_rate": 0.01, "momentum": 0.9, "kernel_decay": 5e-4}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count")
    parser.add_argument(
        "--steps", type=int, default=5, help=f"steps of each loop in a round; {LINEAR}, {_LINEAR_STEPS} times as many"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="what to measure anew")
    parser.add_argument("--output", default="benchmarks/training.json")
    arguments = parser.parse_args()
    # Both before TensorFlow: it reads the setting once, and PyTorch behind it ends the process. So does PyTorch's
    # compiler, which its first optimizer would load.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if find_spec("torch"):
        import torch._dynamo  # noqa: F401
    from tf_routing.support.files import write_json
    from tf_routing.support.hardware import hardware

    output = Path(arguments.output)
    rows = json.loads(output.read_text("utf-8"))["rows"] if output.exists() else []
    machine, settings = {**hardware(), "torch": _torch_version()}, {"batch": BATCH, "onednn": 1}
    for name in arguments.networks:
        steps = arguments.steps * (_LINEAR_STEPS if name == LINEAR else 1)
        rows = [row for row in rows if row["network"] != name] + _measured(name, arguments.rounds, steps)
        rows.sort(key=lambda row: NETWORKS.index(row["network"]))
        write_json(output, {"hardware": machine, "settings": settings, "rows": rows})


def _torch_version() -> str | None:
    if not find_spec("torch"):
        return None
    import torch

    return str(torch.__version__)


def _measured(network: str, rounds: int, steps: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(SEED)
    images = random.uniform(size=(BATCH, SIZE, SIZE, 3)).astype("float32")
    labels = random.integers(0, CLASSES, BATCH)
    epochs, batch = rounds + _WARM_UP, (images, labels)
    parameters, loops = _keras_loops(network, batch, epochs, steps)
    if find_spec("torch"):
        loops[TORCH] = _torch_loop(network, batch, epochs, steps, parameters)
    times = time_in_turn({name: loop.turn for name, loop in loops.items()}, rounds, _WARM_UP)
    for loop in loops.values():
        loop.join()
    rows = [_row(network, name, times, steps, parameters) for name in times]
    for row in rows:
        ratios = ", ".join(f"{value:.2f} of {name}" for name, value in row["speed_ratios"].items())
        print(f"{network:13} {row['loop']:16} {row['steps_per_second']:6.2f} steps/s  {ratios}", flush=True)
    return rows


def _row(network: str, loop: str, times: dict[str, list[Timing]], steps: int, parameters: int) -> dict[str, Any]:
    others = [name for name in times if name != loop]
    return {
        "network": network,
        "loop": loop,
        "parameters": parameters,
        "rounds": len(times[loop]),
        "steps_per_round": steps,
        "steps_per_second": round(steps / median_seconds(times[loop]), 3),
        # How fast it is beside another: the other's time over its own, round by round.
        "speed_ratios": {name: round(median_ratio(times[name], times[loop]), 3) for name in others},
        "speed_quartiles": {
            name: [round(each, 3) for each in ratio_quartiles(times[name], times[loop])] for name in others
        },
        "processor_ratios": {name: round(median_ratio(times[name], times[loop], "processor"), 3) for name in others},
        "seconds_per_round": [round(each.wall, 4) for each in times[loop]],
    }


def _keras_loops(network: str, batch: Any, epochs: int, steps: int) -> tuple[int, dict[str, Loop]]:
    """Returns the number of trainable parameters, and the loops on TensorFlow, each with a model of its own."""
    import tensorflow as tf

    from tf_routing.train.epochs import EpochRange
    from tf_routing.train.loop import train

    def batches() -> Any:
        """The same batch without end."""
        options = tf.data.Options()
        options.autotune.enabled = False
        return tf.data.Dataset.from_tensors(batch).repeat().with_options(options)

    ours, fitted = _compiled(network), _compiled(network)
    parameters = int(sum(np.prod(weight.shape) for weight in ours.trainable_weights))
    span: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps}
    return parameters, {
        OURS: Loop(lambda loop: train(ours, batches(), EpochRange(**span), callbacks=[callback(loop)])),
        FIT: Loop(lambda loop: fitted.fit(batches(), callbacks=[callback(loop)], shuffle=False, verbose=0, **span)),
    }


def _compiled(network: str) -> Any:
    import keras

    from tf_routing import zoo
    from tf_routing.optimizers import DecayedSGD

    keras.utils.set_random_seed(SEED)
    model = _linear() if network == LINEAR else zoo.get(network)
    model.compile(DecayedSGD(**_OPTIMIZER), metrics=["accuracy"])
    return model


def _linear() -> Any:
    import keras

    from tf_routing.models import RoutedModel

    image = keras.Input((SIZE, SIZE, 3))
    logits = keras.layers.Dense(CLASSES, name="logits")(keras.layers.Flatten()(image))
    return RoutedModel(image, keras.layers.Softmax(name="probabilities")(logits))


def _torch_loop(network: str, batch: Any, epochs: int, steps: int, parameters: int) -> Loop:
    import torch
    from torch_networks import NETWORKS as TORCH_NETWORKS
    from torch_networks import decayed_sgd

    torch.manual_seed(SEED)
    torch.set_num_threads(os.cpu_count() or 1)
    model = TORCH_NETWORKS[network]().to(memory_format=torch.channels_last)
    counted = sum(each.numel() for each in model.parameters())
    if counted != parameters:
        raise RuntimeError(f"{network} has {parameters} parameters, and {counted} in PyTorch.")
    images = torch.from_numpy(batch[0].transpose(0, 3, 1, 2).copy()).to(memory_format=torch.channels_last)
    step = _torch_step(model, decayed_sgd(model, **_OPTIMIZER), images, torch.from_numpy(batch[1]))

    def train(loop: Loop) -> None:
        """All epochs."""
        for _ in range(epochs):
            loop.begin()
            sums = torch.zeros(2)
            for _ in range(steps):
                sums += step()
            # Read, as a log would.
            sums.tolist()
            loop.end()

    return Loop(train)


def _torch_step(model: Any, optimizer: Any, images: Any, labels: Any) -> Callable[[], Any]:
    """Returns a function that takes a step and returns its loss and accuracy, a tensor of two."""
    import torch
    from torch.nn import functional as F

    model.train()

    def step() -> Any:
        """One step."""
        optimizer.zero_grad(set_to_none=True)
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            return torch.stack([loss, (logits.argmax(1) == labels).float().mean()])

    return step


if __name__ == "__main__":
    main()
