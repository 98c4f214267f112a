"""What leaving early saves of a network trained elsewhere: EfficientNet-Lite0 on photographs of ten classes.

    python examples/lite0_exits.py --output lite0
    python benchmarks/lite0_exits.py lite0/exit.keras lite0/both.keras --output benchmarks/lite0_exits.json

Each routed network runs at its budgets. Beside it stand the whole network, with the same ten classes, and what needs no
decisions: the network cut off at each exit, with the head that learnt there. What counts is agreement: how many of the
validation photographs, which nothing was trained or chosen by, have the answer of the whole network. Every network runs
in TensorFlow and in ONNX Runtime on one thread, batch normalisation folded; a round runs the same photographs through
each in turn, and times are medians over rounds of processor time, as shares of the whole network's in the same runtime
and round.
"""

import argparse
import datetime
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from lite0_photographs import load_network, time_networks
from runtimes import use_one_thread

from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="files of routed networks, with budgets")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images per batch")
    parser.add_argument("--in_a_round", type=int, default=32, help="photographs of a round")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count")
    parser.add_argument("--seed", type=int, default=0, help="draws the photographs of each round")
    parser.add_argument("--output", default="benchmarks/lite0_exits.json")
    arguments = parser.parse_args()
    import efficientnet_lite0 as example

    use_one_thread()
    images, labels = example.load_images("validation")
    networks = list(_list_networks(arguments.models, arguments.batches, images))
    whole = networks[0]["answers"].argmax(1), networks[0]["mean_macs"]
    for network in networks:
        first = network["answers"].argmax(1)
        network["agreement"], network["accuracy"] = (
            round(float(np.mean(first == each)), 4) for each in (whole[0], labels)
        )
        network["share_of_macs"] = round(network["mean_macs"] / whole[1], 4)
        print(network["network"], network.get("budget"), network["agreement"], network["share_of_macs"], flush=True)
    drawn = np.random.default_rng(arguments.seed).integers(
        len(images), size=(arguments.rounds + 1, arguments.in_a_round)
    )
    rows = [row for batch in arguments.batches for row in time_networks(networks, images[drawn], batch)]
    machine = {**hardware(), "onnxruntime": version("onnxruntime")}
    settings = {key: getattr(arguments, key) for key in ("rounds", "in_a_round", "seed")}
    settings |= {"date": datetime.date.today().isoformat(), "images": len(images)}
    write_json(Path(arguments.output), {"hardware": machine, **settings, "rows": rows})


def _list_networks(files: Sequence[str], batches: Sequence[int], images: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yields the whole network, routed ones, and those that are cut off, with functions that run them."""
    import keras
    import lite0_exits as example

    ten = example.build_ten()
    yield load_network("whole", ten, batches, images)
    heads: dict[str, list[np.ndarray]] = {}
    for file in files:
        model = keras.saving.load_model(file, compile=False)
        # Exits learn before routers do, so that networks that skip have the same heads.
        heads = heads or {
            layer: model.get_layer(f"exit_{number}").get_weights() for number, layer in enumerate(example.EXITS, 1)
        }
        for budget in model.budgets:
            model.set_budget(budget.budget)
            yield load_network(Path(file).stem, model, batches, images, budget=round(budget.budget, 4))
    for layer, weights in heads.items():
        yield load_network("cut", _cut(ten, layer, weights), batches, images, exit=layer)


def _cut(model: Any, layer: str, weights: list[np.ndarray]) -> Any:
    """Returns a network that ends behind a layer, in a head of these weights."""
    import keras

    pooled = keras.layers.GlobalAveragePooling2D()(model.get_layer(layer).output)
    head = keras.layers.Dense(weights[1].shape[0], "softmax", name="probabilities")
    cut = keras.Model(model.input, head(pooled), name="cut")
    head.set_weights(weights)
    return cut


if __name__ == "__main__":
    main()
