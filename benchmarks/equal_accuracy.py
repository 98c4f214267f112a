"""Is deciding worth it? Trained networks that decide beside trained static ones, by accuracy and measured time.

    python benchmarks/equal_accuracy.py runs/cifar/exits/*/seed_0 --output benchmarks/equal_accuracy.json

The runs are of one dataset. The training images that they set apart, all alike, set the thresholds of the networks that
decide, for five budgets each; the test images tell all accuracies, and are what is timed. Where runs set none apart, a
fifth of each class of the test images sets the thresholds, and the others tell. Every network runs in TensorFlow and in
ONNX Runtime, each on one thread, batch normalisation folded, and counts in the runtime in which it is faster. A round
runs the same 128 images through each, one batch after the other, in turn; times are medians of processor time over
rounds. A network that decides is compared with the fastest static one that is at least as accurate, to within 0.3
points: the one that a user would take instead.

    python benchmarks/equal_accuracy.py runs/small runs/middle runs/large --cascade small large --output FILE

makes networks that decide of static ones too: cascades, which ask the small one first. In place of a run's folder may
stand the name of a released network, as `saved_models/` has it: `widecnn_cascade_cifar10`.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from runtimes import in_rounds, load_runs, use_one_thread
from trained_networks import at_budgets, load_networks

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, ratio_quartiles, time_in_turn
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

BATCHES = (1, 32)
EQUAL = 0.003
"""By how much accuracies of networks that count as equally accurate may differ."""
_IN_A_ROUND, _BATCH = 128, 256


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about = "folders of finished runs, or names of released networks; such that decide, and static ones"
    parser.add_argument("runs", nargs="+", help=about)
    parser.add_argument("--budgets", type=float, nargs="+", help="shares of the static cost; five where not given")
    parser.add_argument("--cascade", nargs="+", action="append", default=[], help="runs to ask in turn, by their names")
    parser.add_argument("--rounds", type=int, default=25, help="rounds that count")
    parser.add_argument("--seed", type=int, default=0, help="draws the images of each round")
    parser.add_argument("--output", default="benchmarks/equal_accuracy.json")
    arguments = parser.parse_args()
    use_one_thread()
    networks, images = _load(arguments.runs, arguments.cascade, arguments.budgets)
    drawn = np.random.default_rng(arguments.seed).integers(len(images), size=(arguments.rounds + 1, _IN_A_ROUND))
    rows = [row for batch in BATCHES for row in _compare(networks, images[drawn], batch)]
    machine = {**hardware(), "onnxruntime": version("onnxruntime")}
    settings = {key: getattr(arguments, key) for key in ("rounds", "seed")} | {"equal": EQUAL}
    write_json(
        Path(arguments.output),
        {"hardware": machine, **settings, "test_images": len(images), "rows": rows},
    )


def _load(
    names: Sequence[str], cascades: Sequence[Sequence[str]], budgets: Sequence[float] | None
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Returns what networks reached, with functions that run them by runtime; and the images that tell it."""
    from tf_routing import cascade
    from tf_routing.data.batching.pipelines import first_images

    loaded = load_networks(names)
    models = dict(loaded.models)
    for members in cascades:
        if not set(members) <= set(loaded.models):
            known = ", ".join(loaded.models)
            raise SystemExit(f"--cascade takes names of runs, {known}. Received: {', '.join(members)}")
        models[" then ".join(members)] = cascade([models[name] for name in members])
    networks = []
    for label, model in models.items():
        for network in at_budgets(model, loaded, budgets, _BATCH):
            runs = load_runs(model, BATCHES)
            networks.append({"network": label, **_describe(loaded.records.get(label)), **network, "runs": runs})
            print(f"{label:24} {network['accuracy']:.4f} at {network['mean_macs']:12,.0f} MACs", flush=True)
    return networks, first_images(loaded.test, loaded.test.image_count)[0]


def _describe(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what a network is, and how it was trained; a cascade was not."""
    if record is None:
        return {"model": "cascade"}
    run = record["arguments"]
    training = {"recipe": run["recipe"]["name"], "epochs": run["recipe"]["epochs"]}
    training |= {key: run[key] for key in ("model_arguments", "seed", "train_images")}
    return {"model": run["model"], "training": training | {"processor_seconds": record.get("processor_seconds")}}


def _compare(networks: Sequence[Mapping[str, Any]], rounds: np.ndarray, batch: int) -> Iterator[dict[str, Any]]:
    """Yields a row per network: its time in each runtime, and beside which static network it stands."""
    functions = {
        (place, runtime): in_rounds(run, rounds, batch)
        for place, network in enumerate(networks)
        for runtime, run in network["runs"].items()
    }
    times = time_in_turn(functions, len(rounds) - 1, warm_up=1)
    best = {
        place: min(network["runs"], key=lambda runtime: median_seconds(times[place, runtime], "processor"))
        for place, network in enumerate(networks)
    }
    for place, network in enumerate(networks):
        row = {key: value for key, value in network.items() if key != "runs"} | {"batch": batch}
        row["milliseconds_per_image"] = {
            runtime: round(1e3 * median_seconds(times[place, runtime], "processor") / _IN_A_ROUND, 5)
            for runtime in network["runs"]
        }
        row["runtime"] = best[place]
        if network["decides"]:
            row["rival"] = _find_rival(place, networks, best, times)
            _print(row)
        yield row


def _find_rival(
    place: int, networks: Sequence[Mapping[str, Any]], best: Mapping[int, str], times: Mapping[Any, list[Timing]]
) -> dict[str, Any] | None:
    """Returns the fastest static network that is as accurate, and the ratio of times; `None` where there is none."""
    least = networks[place]["accuracy"] - EQUAL
    rivals = [each for each, other in enumerate(networks) if not other["decides"] and other["accuracy"] >= least]
    if not rivals:
        return None
    rival = min(rivals, key=lambda each: median_seconds(times[each, best[each]], "processor"))
    own, other = times[place, best[place]], times[rival, best[rival]]
    return {
        "network": networks[rival]["network"],
        "accuracy": networks[rival]["accuracy"],
        "runtime": best[rival],
        "ratio": round(median_ratio(own, other, "processor"), 4),
        "quartiles": [round(each, 4) for each in ratio_quartiles(own, other, "processor")],
    }


def _print(row: Mapping[str, Any]) -> None:
    rival = row["rival"]
    beside = f"{rival['ratio']:.2f} of {rival['network']} ({rival['accuracy']:.4f})" if rival else "no rival"
    name = row["network"] + ("" if row["budget"] is None else f" at {row['budget']:.2f}")
    time = f"{row['milliseconds_per_image'][row['runtime']]:.3f} ms ({row['runtime']})"
    print(f"batch {row['batch']:3}  {name:30} {row['accuracy']:.4f} {time}, {beside}", flush=True)


if __name__ == "__main__":
    main()
