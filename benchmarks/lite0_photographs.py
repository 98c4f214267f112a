"""What routing saves of a network trained elsewhere: EfficientNet-Lite0 on photographs, beside leaving blocks out.

    python examples/efficientnet_lite0.py --output lite0_skip.keras
    python benchmarks/lite0_photographs.py lite0_skip.keras --output benchmarks/lite0_photographs.json

Each routed network runs at five budgets, which were calibrated on the training photographs. Beside it stands what needs
no training: the network without those blocks without which it changes its answer least often, one block, two, and so
on in this order, which the training photographs tell too. What counts is agreement: how many of the validation
photographs, which nothing was chosen by, have the answer of the whole network, among ImageNet's thousand classes and
among the ten of Imagenette. Every network runs in TensorFlow and in ONNX Runtime on one thread, batch normalisation
folded; a round runs the same photographs through each in turn, and times are medians over rounds of processor time, as
shares of the whole network's in the same runtime and round.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from agreement import load_network, measure, read_options
from runtimes import use_one_thread

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

_LEFT_OUT = 5
# Of the training photographs, to order blocks by.
_EVERY = 4


def main() -> None:
    """Measures, prints and writes."""
    arguments = read_options(__doc__, "files of routed networks, with budgets", "benchmarks/lite0_photographs.json")
    import efficientnet_lite0 as example

    use_one_thread()
    images, labels = example.load_images("validation")
    order = _order_blocks(example.load_images("train")[0][::_EVERY])
    networks = _list_networks(arguments.networks, [row["block"] for row in order], arguments.batches, images)
    for network in networks:
        _judge(network, networks[0], labels, example.IMAGENETTE)
    measure(arguments, networks, images, blocks=order)


def _list_networks(
    files: Sequence[str], order: Sequence[str], batches: Sequence[int], images: np.ndarray
) -> list[dict[str, Any]]:
    """Returns the whole network, then routed ones and those without blocks, with functions that run them."""
    import efficientnet_lite0 as example
    import keras

    weights = example.read_weights()
    found = [load_network("whole", example.build(weights), batches, images)]
    for file in files:
        model = keras.saving.load_model(file, compile=False)
        for budget in model.budgets:
            model.set_budget(budget.budget)
            found.append(load_network(Path(file).stem, model, batches, images, budget=round(budget.budget, 4)))
    for count in range(1, _LEFT_OUT + 1):
        left_out = list(order[:count])
        model = example.build(weights, left_out=left_out)
        found.append(load_network("blocks left out", model, batches, images, left_out=left_out))
    return found


def _judge(network: dict[str, Any], whole: Mapping[str, Any], labels: np.ndarray, places: Sequence[int]) -> None:
    """Puts in the place of a network's answers how often they agree and are right, and its share of the MACs."""
    answers, expected = network["answers"], whole["answers"]
    network["share_of_macs"] = round(network["mean_macs"] / whole["mean_macs"], 4)
    network |= _count_right(answers, expected, labels, places)


def _count_right(
    answers: np.ndarray, expected: np.ndarray, labels: np.ndarray, places: Sequence[int]
) -> dict[str, float]:
    """Returns how often answers are the whole network's, and right, among all classes and among those at `places`."""
    ten, expected_ten = (values[:, list(places)].argmax(1) for values in (answers, expected))
    first = answers.argmax(1)
    pairs = {
        "agreement": first == expected.argmax(1),
        "agreement_of_ten": ten == expected_ten,
        "accuracy": first == np.array(places)[labels],
        "accuracy_of_ten": ten == labels,
    }
    return {name: round(float(np.mean(right)), 4) for name, right in pairs.items()}


def _order_blocks(images: np.ndarray) -> list[dict[str, Any]]:
    """Returns the residual blocks, those first that most photographs keep their class without."""
    import efficientnet_lite0 as example

    import tf_routing
    from tf_routing.analysis import block_sensitivity
    from tf_routing.execution import gated_blocks

    whole = tf_routing.add_routing(example.build(example.read_weights()), input_range=(0, 1))
    blocks = [layer.name.removesuffix("_add") for layer in gated_blocks(whole)]
    names = dict(zip(whole.decision_names, blocks, strict=True))
    return [
        {"block": names[each.decision], "agreement": round(each.agreement, 4), "macs": each.macs}
        for each in block_sensitivity(whole, images, batch_size=20)
    ]


if __name__ == "__main__":
    main()
