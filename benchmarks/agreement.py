"""Networks to which routing was added beside the whole one: what they answer, and the time that this takes.

What benchmarks of such networks share. Every network runs in TensorFlow and in ONNX Runtime on one thread, batch
normalisation folded; a round runs the same images through each in turn, and times are medians over rounds of processor
time, as shares of the whole network's in the same runtime and round.
"""

import argparse
import datetime
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from runtimes import load_onnxruntime, load_tensorflow

from tf_routing.evaluation.timing import median_ratio, median_seconds, ratio_quartiles, time_in_turn
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

# Of the images that tell what a network answers, at a time.
_BATCH = 20


def read_options(about: str | None, told: str, output: str) -> argparse.Namespace:
    """Parses a command line of networks, batches and rounds.

    Args:
        about: What the program's help says.
        told: What it says of `networks`.
        output: File of the results, where the command line names no other.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", help=told)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images per batch")
    parser.add_argument("--in_a_round", type=int, default=32, help="images of a round")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count")
    parser.add_argument("--seed", type=int, default=0, help="draws the images of each round, and weights")
    parser.add_argument("--output", default=output)
    return parser.parse_args()


def load_network(network: str, model: Any, batches: Sequence[int], images: np.ndarray, **facts: Any) -> dict[str, Any]:
    """Returns a network's answers and mean cost, by its ONNX file, and functions that run it."""
    from tf_routing import fold_batch_norm
    from tf_routing.exporting.onnx_writing.model import write_skipping

    folded = fold_batch_norm(_as_routed(model))
    file = write_skipping(folded).SerializeToString()
    answer = load_onnxruntime(file, 1, ("probabilities", "macs"))
    parts = [answer(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    probabilities, macs = (np.concatenate(each) for each in zip(*parts, strict=True))
    runs = {"tensorflow": load_tensorflow(folded, batches), "onnxruntime": load_onnxruntime(file, 1)}
    print(f"{network}: {macs.mean():,.0f} MACs", flush=True)
    facts |= {"network": network, "mean_macs": float(macs.mean())}
    return {**facts, "answers": probabilities, "runs": runs}


def _as_routed(model: Any) -> Any:
    """Returns a network that decides nothing in the form of those that do, so that the same code runs it."""
    from tf_routing import RoutedModel

    return model if isinstance(model, RoutedModel) else RoutedModel(model.input, model.output, name=model.name)


def cut_off(model: Any, layer: str, weights: Sequence[np.ndarray]) -> Any:
    """Returns a network that ends behind a layer, in a head of these weights."""
    import keras

    pooled = keras.layers.GlobalAveragePooling2D()(model.get_layer(layer).output)
    head = keras.layers.Dense(weights[1].shape[0], "softmax", name="probabilities")
    cut = keras.Model(model.input, head(pooled), name="cut")
    head.set_weights(weights)
    return cut


def judge(network: dict[str, Any], whole: Mapping[str, Any], labels: np.ndarray) -> None:
    """Notes how often a network's answers are the whole one's, and right, and its share of the MACs."""
    first = network["answers"].argmax(1)
    network["agreement"] = round(float(np.mean(first == whole["answers"].argmax(1))), 4)
    network["accuracy"] = round(float(np.mean(first == labels)), 4)
    network["share_of_macs"] = round(network["mean_macs"] / whole["mean_macs"], 4)


def measure(
    arguments: argparse.Namespace, networks: Sequence[Mapping[str, Any]], images: np.ndarray, **facts: Any
) -> None:
    """Times networks, the whole one first, on rounds of images, and writes what came out with these facts."""
    size = (arguments.rounds + 1, arguments.in_a_round)
    drawn = images[np.random.default_rng(arguments.seed).integers(len(images), size=size)]
    rows = [row for batch in arguments.batches for row in _time_networks(networks, drawn, batch)]
    settings = {key: getattr(arguments, key) for key in ("rounds", "in_a_round", "seed")}
    settings |= {"date": datetime.date.today().isoformat(), "images": len(images), **facts}
    machine = {**hardware(), "onnxruntime": version("onnxruntime")}
    write_json(Path(arguments.output), {"hardware": machine, **settings, "rows": rows})


def _time_networks(networks: Sequence[Mapping[str, Any]], rounds: np.ndarray, batch: int) -> Iterator[dict[str, Any]]:
    """Yields a row per network and runtime: its time, and the share of the whole network's."""

    def run_round(run: Any, number: int) -> None:
        """Runs one batch after the other."""
        for start in range(0, rounds.shape[1], batch):
            run(rounds[number, start : start + batch])

    functions = {
        (place, runtime): lambda number, run=run: run_round(run, number)
        for place, network in enumerate(networks)
        for runtime, run in network["runs"].items()
    }
    times: Any = time_in_turn(functions, len(rounds) - 1, warm_up=1)  # type: ignore[arg-type]
    for (place, runtime), own in times.items():
        row = {key: value for key, value in networks[place].items() if key not in ("answers", "runs")}
        row |= {"batch": batch, "runtime": runtime}
        row["milliseconds_per_image"] = round(1e3 * median_seconds(own, "processor") / rounds.shape[1], 3)
        row["ratio"] = round(median_ratio(own, times[0, runtime], "processor"), 4)
        row["quartiles"] = [round(each, 4) for each in ratio_quartiles(own, times[0, runtime], "processor")]
        print(
            f"{row['network']:16} {row.get('budget')} {runtime} {batch}: {row['ratio']} at {row['agreement']}",
            flush=True,
        )
        yield row
