"""What does routing cost that was added to a network of Keras's applications, before anything is skipped?

    python benchmarks/own_networks.py --output benchmarks/own_networks.json

Two ratios of processor time, of both sides in turns in one process: `add_routing` beside `keras.models.clone_model`,
which copies no weights; and the answers of the copy, with all gates open, beside those of the plain network, both as
graphs that run without a gradient. The networks have random weights and 1,000 classes.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

NETWORKS = {"EfficientNetB0": (0, 255), "ResNet50": (0, 255)}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="what to measure")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="images per batch")
    parser.add_argument("--size", type=int, default=224, help="height and width of images")
    parser.add_argument("--output", default="benchmarks/own_networks.json")
    arguments = parser.parse_args()
    rows = [row for name in arguments.networks for row in _measure(name, arguments)]
    for row in rows:
        print(f"{row['network']}: {row['what']} takes {row['ratio']:.3f} of {row['beside']} {row['quartiles']}")
    write_json(Path(arguments.output), {"hardware": hardware(), "rounds": arguments.rounds, "rows": rows})


def _measure(name: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import keras

    import tf_routing

    model = getattr(keras.applications, name)(weights=None, input_shape=(arguments.size, arguments.size, 3))
    taken = NETWORKS[name]
    build = _in_turns(
        lambda: keras.models.clone_model(model),
        lambda: tf_routing.add_routing(model, input_range=taken),
        max(3, arguments.rounds // 3),
    )
    rows = [_row(name, "add_routing", "clone_model", build)]
    copy = tf_routing.add_routing(model, input_range=taken)
    for batch in arguments.batches:
        x = np.random.default_rng(0).uniform(*taken, (batch, *model.input_shape[1:])).astype("float32")
        plain, routed = _as_graph(model, x), _as_graph(copy, x)
        rows.append(
            _row(name, f"all gates open, batch of {batch}", "plain", _in_turns(plain, routed, arguments.rounds))
        )
    return rows


def _as_graph(model: Any, x: np.ndarray) -> Callable[[], Any]:
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False), autograph=False)
    images = tf.constant(x)
    return lambda: function(images).numpy()


def _in_turns(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> list[float]:
    """Returns by how much more processor time the second takes, by round; one before these is not counted."""
    ratios = []
    for _ in range(rounds + 1):
        times = []
        for each in (first, second):
            begun = time.process_time()
            each()
            times.append(time.process_time() - begun)
        ratios.append(times[1] / times[0])
    return ratios[1:]


def _row(network: str, what: str, beside: str, ratios: Sequence[float]) -> dict[str, Any]:
    low, middle, high = (round(float(each), 3) for each in np.quantile(ratios, (0.25, 0.5, 0.75)))
    return {"network": network, "what": what, "beside": beside, "ratio": middle, "quartiles": [low, high]}


if __name__ == "__main__":
    main()
