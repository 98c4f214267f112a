"""Does skipping save time? Networks that skip against the static networks that a user would deploy instead.

    python benchmarks/skipping.py --output benchmarks/skipping.json

DMNN-50 on photographs of 224 pixels against ResNet-50, DRN ResNet-110 on images of 32 pixels against ResNet-110, and
each against a static network of the MACs that it executes. ResNet-110 on a share of each batch is what skipping would
take if deciding and regrouping took nothing: convolutions are slower per image in small batches. Every network runs
every way (the batch whole, in chunks, each image on a thread, with weights as constants) under every setting for a few
rounds; those near the best go on, and the best of these counts. Ratios are medians over rounds, in which all networks
run one after the other on the same images. Needs the datasets imagenette224/subset and cifar100 in TFDS_DATA_DIR.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import (
    SMALL,
    calibrated,
    calibrated_to_skip,
    executed_share,
    has_torch,
    photographs,
    runner,
    shortened,
    slimmed,
    torch_runner,
)
from workers import Setting, Worker

from tf_routing.train.hardware import hardware
from tf_routing.train.run_record import write_json
from tf_routing.train.timing import Timing, median_ratio, median_seconds

TORCH = "torchvision.models.resnet50"
SHARES = {f"resnet110 on {rate} of the images": rate for rate in (0.3, 0.5)}
_SCREENING, _NEAR = 2, 1.15


class Contest(NamedTuple):
    """Networks that are compared, the first of which the others are measured by."""

    networks: tuple[str, ...]
    batches: tuple[int, ...]
    build: Callable[[np.ndarray], dict[str, Any]]
    image_size: int
    ways: tuple[str, ...] = ("whole", "chunks", "frozen")
    by_image: bool = True
    warm_up: int = 1


class Side(NamedTuple):
    """A network on a worker, run one way: a batch whole, in chunks, or each image by itself."""

    worker: Worker
    way: str

    def time(self, network: str, batch: int, number: int) -> Timing:
        """Runs the network once."""
        return self.worker.time(f"{network}, {self.way}", batch, number)


def build_split(images: np.ndarray) -> dict[str, Any]:
    """Builds the networks for photographs."""
    import keras

    from tf_routing import fold_batch_norm, zoo

    networks = {"resnet50": fold_batch_norm(zoo.get("resnet50"))}
    networks["keras.applications.ResNet50"] = fold_batch_norm(keras.applications.ResNet50(weights=None))
    for rate in (0.5, 0.7):
        networks[f"dmnn50_n2 at {rate}"] = gated = calibrated(2, rate, images)
        networks[f"static of the same MACs as {rate}"] = slimmed(executed_share(gated, images))
    return networks


def build_skipping(images: np.ndarray) -> dict[str, Any]:
    """Builds the networks for small images."""
    from tf_routing import fold_batch_norm, zoo

    static = fold_batch_norm(zoo.get("resnet110"))
    networks = {"resnet110": static, **dict.fromkeys(SHARES, static)}
    for rate in SHARES.values():
        networks[f"drn_resnet110 at {rate}"] = gated = calibrated_to_skip(rate, images)
        networks[f"static of the same MACs as {rate}"] = shortened(gated, images)
    return networks


def _beside(name: str, *rates: float) -> tuple[str, ...]:
    return tuple(each.format(rate) for rate in rates for each in (f"{name} at {{}}", "static of the same MACs as {}"))


CONTESTS = {
    "dmnn50": Contest(
        ("resnet50", "keras.applications.ResNet50", *_beside("dmnn50_n2", 0.5, 0.7)), (1, 8, 32), build_split, 224
    ),
    "drn_resnet110": Contest(
        ("resnet110", *_beside("drn_resnet110", 0.3, 0.5), *SHARES),
        (1, 32, 128),
        build_skipping,
        SMALL,
        ("whole", "frozen"),
        by_image=False,
        # oneDNN prepares itself for each number of rows that it meets: a server has met them all.
        warm_up=16,
    ),
}


def load_keras(contest: str, ways: tuple[str, ...]) -> dict[str, Any]:
    """Builds the Keras networks of one worker, once per way."""
    images = photographs(CONTESTS[contest].image_size)
    networks = CONTESTS[contest].build(images)
    return {
        f"{name}, {way}": _shared(name, runner(model, images, way)) for name, model in networks.items() for way in ways
    }


def _shared(name: str, ready: Callable[[int], Any]) -> Callable[[int], Any]:
    share = SHARES.get(name, 1)
    return lambda batch: ready(round(share * batch))


def load_torch() -> dict[str, Any]:
    """Builds the network of the PyTorch worker."""
    # Before TensorFlow, which reads the photographs: the other way round the two end the process.
    import torchvision  # noqa: F401

    return {f"{TORCH}, whole": torch_runner(photographs())}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--contests", nargs="+", choices=list(CONTESTS), default=list(CONTESTS), help="what to measure")
    parser.add_argument("--batches", type=int, nargs="+", help="batch sizes to measure anew, all where not given")
    parser.add_argument("--output", default="benchmarks/skipping.json")
    arguments = parser.parse_args()
    output = Path(arguments.output)
    results = json.loads(output.read_text("utf-8")) if output.exists() else {}
    for contest in arguments.contests:
        batches = arguments.batches or CONTESTS[contest].batches
        kept = [row for row in results.get(contest, {}).get("rows", []) if row["batch"] not in batches]
        rows = sorted([*kept, *_contest_rows(contest, batches, arguments.rounds)], key=lambda row: row["batch"])
        results[contest] = {"hardware": hardware(), "rows": rows}
        write_json(output, results)


def _contest_rows(contest: str, batches: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    # Not at the top, and so in the others below: each worker imports this file, and Keras must not come before PyTorch.
    from tf_routing.execution.choice import has_avx512

    found = CONTESTS[contest]
    ways = {Setting(onednn, 0, 0): found.ways for onednn in (0, 1)}
    if found.by_image:
        ways[Setting(int(has_avx512()), os.cpu_count() or 1, 1)] = ("images",)
    workers = {Worker(setting, partial(load_keras, contest, own)): own for setting, own in ways.items()}
    sides = {name: [Side(worker, way) for worker, own in workers.items() for way in own] for name in found.networks}
    if contest == "dmnn50" and has_torch():
        workers[torch := Worker(Setting(0, 0, 0), load_torch)] = ("whole",)
        sides[TORCH] = [Side(torch, "whole")]
    rows = [row for batch in batches for row in _measured(sides, batch, rounds, found)]
    for worker in workers:
        worker.close()
    return rows


def _measured(sides: dict[str, list[Side]], batch: int, rounds: int, contest: Contest) -> list[dict[str, Any]]:
    reference = contest.networks[0]
    # One image has no share.
    shared = {name: own for name, own in sides.items() if batch > 1 or name not in SHARES}
    contenders = {name: _contenders(name, own, batch, contest.warm_up) for name, own in shared.items()}
    times: dict[str, dict[Side, list[Timing]]] = {name: {side: [] for side in own} for name, own in contenders.items()}
    for number in range(rounds):
        for name, own in contenders.items():
            for side in own:
                times[name][side].append(side.time(name, batch, number))
    best = {name: min(own, key=lambda side: median_seconds(times[name][side])) for name, own in contenders.items()}
    own_times = {name: times[name][side] for name, side in best.items()}
    rows = [{**_row(name, batch, own_times, side, reference), "rounds": rounds} for name, side in best.items()]
    for row in rows:
        print(
            f"batch {batch:3}  {row['network']:34} {row['milliseconds_per_image']:7.1f} ms  {row['wall_ratio']:.2f} of "
            f"the time, {row['processor_ratio']:.2f} of the work  {row['way']}, {row['setting']}",
            flush=True,
        )
    return rows


def _contenders(name: str, sides: list[Side], batch: int, warm_up: int) -> list[Side]:
    """The sides that a few rounds do not rule out: these are too few to tell near ones apart."""
    # A batch of one has one way; images by themselves and small chunks are for larger ones.
    times: dict[Side, list[Timing]] = {side: [] for side in sides if _differs(side.way, batch) or len(sides) == 1}
    for number in range(warm_up + _SCREENING):
        for side, own in times.items():
            timing = side.time(name, batch, number)
            own.extend([timing] if number >= warm_up else [])
    medians = {side: median_seconds(own) for side, own in times.items()}
    return [side for side, median in medians.items() if median <= _NEAR * min(medians.values())]


def _differs(way: str, batch: int) -> bool:
    from tf_routing.execution.choice import CHUNK

    return {"whole": True, "frozen": True, "chunks": batch > CHUNK, "images": batch > 1}[way]


def _row(name: str, batch: int, times: dict[str, list[Timing]], side: Side, reference: str) -> dict[str, Any]:
    own, other = times[name], times[reference]
    ratios = [one.wall / each.wall for one, each in zip(own, other, strict=True)]
    return {
        "network": name,
        "batch": batch,
        "way": side.way,
        "setting": str(side.worker.setting),
        "milliseconds_per_image": round(1e3 * median_seconds(own) / batch, 2),
        "wall_ratio": round(median_ratio(own, other), 3),
        "processor_ratio": round(median_ratio(own, other, "processor"), 3),
        "wall_quartiles": [round(float(each), 3) for each in np.quantile(ratios, (0.25, 0.75))],
    }


if __name__ == "__main__":
    main()
