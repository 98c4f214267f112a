"""What does it cost to sum in one order? Training steps with and without the pass of TensorFlow that does not.

    python benchmarks/determinism.py --output benchmarks/determinism.json

Grappler's memory optimizer rewrites sums of three and more tensors, so that terms are added as threads deliver them.
Each way that leaves sums alone runs beside TensorFlow's defaults with op determinism on: the same network, batch and
step in two processes that take turns. Times are those of all cores that worked (other work may share the machine), and
ratios those of medians over rounds; memory is the peak of each process. oneDNN is on, as `tf-routing fit` sets it.
"""

import argparse
import datetime
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from workers import Setting, Worker

from tf_routing.evaluation.timing import median_seconds
from tf_routing.support.files import write_json

# A network's images per step: as many as make its graph too large for the pass to leave it alone, and two fit here.
NETWORKS = {"basecnn_2cc": 128, "resnet20_2cc": 128, "drn_resnet32": 128, "dmnn50_cifar_n2": 16, "decide_chain8": 128}
DEFAULTS = "defaults"
WAYS = ("set_jit", "disable_meta_optimizer", "one inter-op thread", "batch size unknown", "without op determinism")
_SEED, _WARM_UP = 0, 1


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS], help="what to measure anew")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="what to measure anew")
    parser.add_argument("--output", default="benchmarks/determinism.json")
    arguments = parser.parse_args()
    output = Path(arguments.output)
    rows = json.loads(output.read_text("utf-8"))["rows"] if output.exists() else []
    for name in arguments.networks:
        for way in arguments.ways:
            rows = [row for row in rows if (row["network"], row["way"]) != (name, way)]
            rows.append(_measured(name, way, arguments.rounds))
            rows.sort(key=lambda row: ([*NETWORKS].index(row["network"]), WAYS.index(row["way"])))
            settings = {"onednn": 1, "seed": _SEED, "date": datetime.date.today().isoformat()}
            write_json(output, {"hardware": _hardware(), "settings": settings, "rows": rows})


def _hardware() -> dict[str, Any]:
    from tf_routing.support.hardware import hardware

    return hardware()


def _measured(network: str, way: str, rounds: int) -> dict[str, Any]:
    batch = NETWORKS[network]
    threads = {"one inter-op thread": (1, 0)}.get(way, (0, 0))
    workers = {
        name: Worker(Setting(1, *(threads if name == way else (0, 0))), partial(load, network, name))
        for name in (DEFAULTS, way)
    }
    times: dict[str, list[Any]] = {name: [] for name in workers}
    for number in range(_WARM_UP + rounds):
        for name, worker in workers.items():
            timing = worker.time(network, batch, number)
            if number >= _WARM_UP:
                times[name].append(timing)
    peaks = {name: worker.peak_bytes() for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    seconds = {field: {name: median_seconds(times[name], field) for name in times} for field in ("processor", "wall")}
    row = {
        "network": network,
        "way": way,
        "batch": batch,
        "rounds": rounds,
        "processor_seconds": round(seconds["processor"][DEFAULTS], 4),
        "processor_ratio": round(seconds["processor"][way] / seconds["processor"][DEFAULTS], 3),
        "wall_ratio": round(seconds["wall"][way] / seconds["wall"][DEFAULTS], 3),
        "peak_bytes": peaks[DEFAULTS],
        "peak_ratio": round(peaks[way] / peaks[DEFAULTS], 3),
        "processor_seconds_of_rounds": {name: [round(each.processor, 4) for each in times[name]] for name in times},
    }
    print(
        f"{network:16} {way:24} processor {row['processor_ratio']:.2f}  wall {row['wall_ratio']:.2f}  "
        f"peak {row['peak_ratio']:.2f} of {peaks[DEFAULTS] / 2**20:.0f} MiB",
        flush=True,
    )
    return row


def load(network: str, way: str) -> dict[str, Callable[[int], Callable[[int], Any]]]:
    """Sets TensorFlow up as a way says, in a process of its own, and returns how to take a network's steps."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(_SEED)
    if way != "without op determinism":
        tf.config.experimental.enable_op_determinism()
    if way == "set_jit":
        tf.config.optimizer.set_jit(True)
    if way == "disable_meta_optimizer":
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return {network: partial(_steps, network, way == "batch size unknown")}


def _steps(network: str, unknown: bool, batch: int) -> Callable[[int], Any]:
    import tensorflow as tf

    from tf_routing import zoo
    from tf_routing.optimizers import DecayedSGD

    model = zoo.get(network)
    model.compile(DecayedSGD(0.01, 0.9, kernel_decay=5e-4), metrics=["accuracy"])
    random = np.random.default_rng(_SEED)
    images = tf.constant(random.uniform(size=(batch, *model.input_shape[1:])), "float32")
    labels = tf.constant(random.integers(0, model.output_shape[-1], batch))
    model._symbolic_build(data_batch=(images, labels))
    signature = [
        tuple(tf.TensorSpec([None if unknown else batch, *each.shape[1:]], each.dtype) for each in (images, labels))
    ]
    step = tf.function(model.train_step, input_signature=signature, autograph=False)
    return lambda number: float(step((images, labels))["loss"])


if __name__ == "__main__":
    main()
