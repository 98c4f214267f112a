"""Does skipping save time? DMNN-50 against the static networks that a user would deploy instead.

    python benchmarks/skipping.py --output benchmarks/skipping.json

Every network runs every way (the batch whole, in chunks, each image on a thread) under every setting for a few rounds;
then each goes on with its own best one. Ratios are medians over rounds, in which all networks run one after the other
on the same photographs. Needs the dataset imagenette224/subset in TFDS_DATA_DIR.
"""

import argparse
import os
import platform
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import calibrated, executed_share, has_torch, photographs, runner, slimmed, torch_runner
from workers import Setting, Worker

from tf_routing.execution.choice import CHUNK, has_avx512
from tf_routing.train.run_record import versions, write_json
from tf_routing.train.timing import Timing, median_ratio, median_seconds

RATES, BATCHES, REFERENCE, TORCH = (0.5, 0.7), (1, 8, 32), "resnet50", "torchvision.models.resnet50"
_SCREENING, _WARM_UP = 2, 1


class Side(NamedTuple):
    """A network on a worker, run one way: a batch whole, in chunks, or each image by itself."""

    worker: Worker
    way: str

    def time(self, network: str, batch: int, number: int) -> Timing:
        """Runs the network once."""
        return self.worker.time(f"{network}, {self.way}", batch, number)


def load_keras(ways: tuple[str, ...]) -> dict[str, Any]:
    """Builds the Keras networks of one worker, once per way."""
    import keras

    from tf_routing import fold_batch_norm, zoo

    images = photographs()
    networks = {REFERENCE: fold_batch_norm(zoo.get("resnet50"))}
    networks["keras.applications.ResNet50"] = fold_batch_norm(keras.applications.ResNet50(weights=None))
    for rate in RATES:
        networks[f"dmnn50_n2 at {rate}"] = gated = calibrated(2, rate, images)
        networks[f"static of the same MACs as {rate}"] = slimmed(executed_share(gated, images))
    return {f"{name}, {way}": runner(model, images, way) for name, model in networks.items() for way in ways}


def load_torch() -> dict[str, Any]:
    """Builds the network of the PyTorch worker."""
    return {f"{TORCH}, whole": torch_runner(photographs())}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--output", default="benchmarks/skipping.json")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    ways = {Setting(onednn, 0, 0): ("whole", "chunks") for onednn in (0, 1)}
    ways[Setting(int(has_avx512()), cores, 1)] = ("images",)
    workers = {Worker(setting, partial(load_keras, own)): own for setting, own in ways.items()}
    sides = {name: [Side(worker, way) for worker, own in workers.items() for way in own] for name in _keras_names()}
    if has_torch():
        workers[torch := Worker(Setting(0, 0, 0), load_torch)] = ("whole",)
        sides[TORCH] = [Side(torch, "whole")]
    rows = [row for batch in BATCHES for row in _measured(sides, batch, arguments.rounds)]
    for worker in workers:
        worker.close()
    write_json(Path(arguments.output), {"hardware": hardware(), "rounds": arguments.rounds, "rows": rows})


def _keras_names() -> list[str]:
    gated = [name.format(rate) for rate in RATES for name in ("dmnn50_n2 at {}", "static of the same MACs as {}")]
    return [REFERENCE, "keras.applications.ResNet50", *gated]


def _measured(sides: dict[str, list[Side]], batch: int, rounds: int) -> list[dict[str, Any]]:
    best = _best_sides(sides, batch)
    times: dict[str, list[Timing]] = {name: [] for name in best}
    for number in range(rounds):
        for name, side in best.items():
            times[name].append(side.time(name, batch, number))
    rows = [_row(name, batch, times, side) for name, side in best.items()]
    for row in rows:
        print(
            f"batch {batch:2}  {row['network']:34} {row['milliseconds_per_image']:7.1f} ms  {row['wall_ratio']:.2f} of "
            f"the time, {row['processor_ratio']:.2f} of the work  {row['way']}, {row['setting']}",
            flush=True,
        )
    return rows


def _best_sides(sides: dict[str, list[Side]], batch: int) -> dict[str, Side]:
    # A batch of one has one way; images by themselves and small chunks are for larger ones.
    screened = {
        name: {side: [] for side in own if _differs(side.way, batch) or len(own) == 1} for name, own in sides.items()
    }
    for number in range(_WARM_UP + _SCREENING):
        for name, times in screened.items():
            for side, own in times.items():
                timing = side.time(name, batch, number)
                own.extend([timing] if number >= _WARM_UP else [])
    return {name: min(times, key=lambda side: median_seconds(times[side])) for name, times in screened.items()}


def _differs(way: str, batch: int) -> bool:
    return {"whole": True, "chunks": batch > CHUNK, "images": batch > 1}[way]


def _row(name: str, batch: int, times: dict[str, list[Timing]], side: Side) -> dict[str, Any]:
    own, reference = times[name], times[REFERENCE]
    ratios = [one.wall / other.wall for one, other in zip(own, reference, strict=True)]
    return {
        "network": name,
        "batch": batch,
        "way": side.way,
        "setting": str(side.worker.setting),
        "milliseconds_per_image": round(1e3 * median_seconds(own) / batch, 2),
        "wall_ratio": round(median_ratio(own, reference), 3),
        "processor_ratio": round(median_ratio(own, reference, "processor"), 3),
        "wall_quartiles": [round(float(each), 3) for each in np.quantile(ratios, (0.25, 0.75))],
    }


def hardware() -> dict[str, Any]:
    """Returns what the numbers were measured on and with."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor()
    return {"processor": processor, "cores": os.cpu_count(), "avx512": has_avx512(), **versions()}


if __name__ == "__main__":
    main()
