"""Does leaving early save time? A trained chain against trained static networks, on its own test images.

    python benchmarks/early_exit.py --chains runs/hybrid_actor/* --statics runs/hybrid_static/*

Beside each chain stand the static network of the nearest error among those given, the one of the nearest number of
operations among all depths (which need no training to be timed), and the chain with every column run on every image.
Every network runs under every setting (oneDNN on or off), and counts at its better one. A round runs the same images
through each, one batch after the other; a batch of one differs from image to image.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from workers import Setting, Worker

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

BATCHES = (1, 32, 128)
_IMAGES, _IN_A_ROUND, _WARM_UP = 1024, 128, 1
_DEPTHS = range(1, 9)


def load(chains: Sequence[str], depths: Sequence[int]) -> dict[str, Any]:
    """Builds the networks of one worker: each chain both ways, and static networks."""
    from tf_routing import data, fold_batch_norm, zoo
    from tf_routing.data.batching.pipelines import first_images
    from tf_routing.runs.trained_network import load_trained

    networks: dict[str, Any] = {}
    for chain in chains:
        model, record = load_trained(chain)
        for execution in ("sparse", "masked"):
            networks[f"{chain}, {execution}"] = own = fold_batch_norm(model)
            own.execution = execution
    images = first_images(data.load(record["arguments"]["dataset"]).test, 10**6)[0]
    # Classes may lie in a row: every so many images instead.
    images = images[:: max(1, len(images) // _IMAGES)][:_IMAGES]
    for depth in depths:
        networks[f"decide_static{depth}"] = fold_batch_norm(zoo.get(f"decide_static{depth}"))
    return {name: partial(_ready, model, images) for name, model in networks.items()}


def _ready(model: Any, images: Any, batch: int) -> Callable[[int], None]:
    """Returns a function of a round's number that runs the round's images in batches."""
    from tf_routing.evaluation.network_times import compile_forward

    run, calls = compile_forward(model, images, batch), _IN_A_ROUND // batch

    def run_round(number: int) -> None:
        """Runs one batch after the other."""
        for call in range(calls):
            run(number * calls + call)

    return run_round


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", nargs="+", required=True, help="folders of trained networks that leave early")
    parser.add_argument("--statics", nargs="+", required=True, help="folders of trained static networks")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--output", default="benchmarks/early_exit.json")
    arguments = parser.parse_args()
    chains = {folder: _final(folder) for folder in arguments.chains}
    beside = {folder: _beside(final, [_final(each) for each in arguments.statics]) for folder, final in chains.items()}
    depths = sorted({depth for own in beside.values() for depth in own.values()})
    workers = [Worker(Setting(onednn, 0, 0), partial(load, arguments.chains, depths)) for onednn in (0, 1)]
    rows = []
    for batch in BATCHES:
        names = [f"{chain}, {way}" for chain in chains for way in ("sparse", "masked")]
        times = _times(workers, [*names, *(f"decide_static{depth}" for depth in depths)], batch, arguments.rounds)
        rows += [_row(folder, chains[folder], own, times, batch) for folder, own in beside.items()]
    for worker in workers:
        worker.close()
    write_json(Path(arguments.output), {"hardware": hardware(), "rounds": arguments.rounds, "rows": rows})


def _final(folder: str) -> dict[str, Any]:
    """What a run reached, and which network it trained."""
    record = json.loads(Path(folder, "run.json").read_text("utf-8"))
    final = record["final"]
    reached = {"error": 1 - final["accuracy"], "mean_macs": final.get("mean_macs", final["macs"])}
    return {"model": record["arguments"]["model"], **reached}


def _beside(chain: dict[str, Any], statics: list[dict[str, Any]]) -> dict[str, int]:
    """The depths of the static networks of about the same error, and of about the same operations."""
    from tf_routing import zoo

    by_error = min(statics, key=lambda static: abs(static["error"] - chain["error"]))
    macs = {depth: zoo.get(f"decide_static{depth}").static_cost for depth in _DEPTHS}
    by_macs = min(macs, key=lambda depth: abs(macs[depth] - chain["mean_macs"]))
    return {"same_error": int(by_error["model"].removeprefix("decide_static")), "same_operations": by_macs}


def _times(workers: list[Worker], names: list[str], batch: int, rounds: int) -> dict[str, tuple[str, list[Timing]]]:
    """Returns the better setting of each network, and its timings there."""
    times: dict[str, dict[Worker, list[Timing]]] = {name: {worker: [] for worker in workers} for name in names}
    for number in range(_WARM_UP + rounds):
        for name, own in times.items():
            for worker, timings in own.items():
                timing = worker.time(name, batch, number)
                timings.extend([timing] if number >= _WARM_UP else [])
    best = {name: min(own, key=lambda worker: median_seconds(own[worker])) for name, own in times.items()}
    return {name: (str(worker.setting), times[name][worker]) for name, worker in best.items()}


def _row(
    folder: str,
    chain: dict[str, Any],
    beside: dict[str, int],
    times: dict[str, tuple[str, list[Timing]]],
    batch: int,
) -> dict[str, Any]:
    setting, own = times[f"{folder}, sparse"]
    row: dict[str, Any] = {"chain": Path(folder).name, **chain, "batch": batch, "setting": setting}
    row["milliseconds_per_image"] = round(1e3 * median_seconds(own) / _IN_A_ROUND, 4)
    others = {"masked": f"{folder}, masked", **{key: f"decide_static{depth}" for key, depth in beside.items()}}
    for key, name in others.items():
        other_setting, other = times[name]
        row[key] = {
            "network": "the chain, all run" if key == "masked" else name,
            "setting": other_setting,
            "milliseconds_per_image": round(1e3 * median_seconds(other) / _IN_A_ROUND, 4),
            "wall_ratio": round(median_ratio(own, other), 3),
            "processor_ratio": round(median_ratio(own, other, "processor"), 3),
        }
    shown = ", ".join(f"{row[key]['wall_ratio']:.2f} of {key.replace('_', ' ')}" for key in others)
    print(f"batch {batch:3}  {row['chain']:28} {row['milliseconds_per_image']:.3f} ms  {shown}", flush=True)
    return row


if __name__ == "__main__":
    main()
