"""How much of a training step does batch normalisation in one operation save?

    python benchmarks/normalization.py --output benchmarks/normalization.json

Steps with Keras's batch normalisation and with `train.fused_normalization` take turns in one process: the same network,
batch and optimizer. Times are those of all cores that worked (other work may share the machine), ratios medians over
rounds. oneDNN is on, as `tf-routing fit` sets it.
"""

import argparse
import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = ("basecnn_2cc", "resnet20", "drn_resnet32")
_BATCH, _SEED = 64, 0


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--output", default="benchmarks/normalization.json")
    arguments = parser.parse_args()
    # Before TensorFlow is imported.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    from tf_routing.support.files import write_json
    from tf_routing.support.hardware import hardware

    rows = [_measured(name, arguments.rounds) for name in arguments.networks]
    settings = {"onednn": 1, "batch": _BATCH, "seed": _SEED, "date": datetime.date.today().isoformat()}
    write_json(Path(arguments.output), {"hardware": hardware(), "settings": settings, "rows": rows})


def _measured(network: str, rounds: int) -> dict[str, Any]:
    from tf_routing.evaluation.timing import median_ratio, median_seconds, ratio_quartiles, time_in_turn

    times = time_in_turn({"keras": _steps(network, False), "fused": _steps(network, True)}, rounds)
    row = {
        "network": network,
        "rounds": rounds,
        "processor_seconds": round(median_seconds(times["keras"], "processor"), 4),
        "processor_ratio": round(median_ratio(times["fused"], times["keras"], "processor"), 3),
        "quartiles": [round(each, 3) for each in ratio_quartiles(times["fused"], times["keras"], "processor")],
    }
    print(row, flush=True)
    return row


def _steps(network: str, fused: bool) -> Callable[[int], float]:
    import tensorflow as tf

    from tf_routing import zoo
    from tf_routing.core.private_apis import build_from_batch
    from tf_routing.optimizers import DecayedSGD
    from tf_routing.train.fused_normalization import fuse_normalizations

    model = zoo.get(network)
    if fused:
        fuse_normalizations(model)
    model.compile(DecayedSGD(0.01, 0.9, kernel_decay=5e-4), metrics=["accuracy"])
    random = np.random.default_rng(_SEED)
    images = tf.constant(random.uniform(size=(_BATCH, *model.input_shape[1:])), "float32")
    labels = tf.constant(random.integers(0, model.output_shape[-1], _BATCH))
    build_from_batch(model, (images, labels))
    step = tf.function(model.train_step, autograph=False)
    return lambda number: float(step((images, labels))["loss"])


if __name__ == "__main__":
    main()
