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

import argparse
import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from runtimes import load_onnxruntime, load_tensorflow, use_one_thread

from tf_routing.evaluation.timing import median_ratio, median_seconds, ratio_quartiles, time_in_turn
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

_LEFT_OUT = 5
_BATCH = 20
# Of the training photographs, to order blocks by.
_EVERY = 4


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="files of routed networks, with budgets")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10], help="images per batch")
    parser.add_argument("--in_a_round", type=int, default=10, help="photographs of a round")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--seed", type=int, default=0, help="draws the photographs of each round")
    parser.add_argument("--output", default="benchmarks/lite0_photographs.json")
    arguments = parser.parse_args()
    import efficientnet_lite0 as example

    use_one_thread()
    images, labels = example.load_images("validation")
    order = _order_blocks(example.load_images("train")[0][::_EVERY])
    networks = _list_networks(arguments.models, [row["block"] for row in order], arguments.batches, images)
    for network in networks:
        _judge(network, networks[0], labels, example.IMAGENETTE)
    drawn = np.random.default_rng(arguments.seed).integers(
        len(images), size=(arguments.rounds + 1, arguments.in_a_round)
    )
    rows = [row for batch in arguments.batches for row in time_networks(networks, images[drawn], batch)]
    machine = {**hardware(), "onnxruntime": version("onnxruntime")}
    settings = {key: getattr(arguments, key) for key in ("rounds", "in_a_round", "seed")}
    settings |= {"date": datetime.date.today().isoformat(), "images": len(images), "blocks": order}
    write_json(Path(arguments.output), {"hardware": machine, **settings, "rows": rows})


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
        for each in block_sensitivity(whole, images, _BATCH)
    ]


def time_networks(networks: Sequence[Mapping[str, Any]], rounds: np.ndarray, batch: int) -> Iterator[dict[str, Any]]:
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


if __name__ == "__main__":
    main()
