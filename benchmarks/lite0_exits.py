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

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from agreement import cut_off, judge, load_network, measure, read_options
from runtimes import use_one_thread

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))


def main() -> None:
    """Measures, prints and writes."""
    arguments = read_options(__doc__, "files of routed networks, with budgets", "benchmarks/lite0_exits.json")
    import efficientnet_lite0 as example

    use_one_thread()
    images, labels = example.load_images("validation")
    networks = list(_list_networks(arguments.networks, arguments.batches, images))
    for network in networks:
        judge(network, networks[0], labels)
        print(network["network"], network.get("budget"), network["agreement"], network["share_of_macs"], flush=True)
    measure(arguments, networks, images)


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
        yield load_network("cut", cut_off(ten, layer, weights), batches, images, exit=layer)


if __name__ == "__main__":
    main()
