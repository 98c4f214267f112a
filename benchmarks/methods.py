"""Which way of sparse execution is fastest? Measures all of them and keeps the result as the library's own data.

    python benchmarks/methods.py

Writes the rows of this kind of machine (with or without AVX-512) in tf_routing/execution/measured.json; the rows of
the other kind stay. Networks are DMNN-50s of one, two and four sub-blocks per block, for images of 224 and of 32
pixels, calibrated to a rate of 0.5; with one sub-block and 32 pixels a DRN ResNet-110.
"""

import argparse
import json
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from networks import SIZE, SMALL, calibrated, calibrated_to_skip, photographs, runner
from workers import Setting, Worker

import tf_routing
from tf_routing.evaluation.timing import Timing, median_ratio
from tf_routing.execution.choice import CHUNK
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware, has_avx512

FILE = Path(tf_routing.__file__).parent / "execution" / "measured.json"
BATCHES = {SIZE: (1, 8, 32), SMALL: (1, 32, 128, 256)}
RATE, REFERENCE = 0.5, "static"
WAYS = (("patterns", "whole"), ("rows", "whole"), ("switch", "whole"), ("patterns", "chunks"), ("switch", "images"))


def load(sub_blocks: int, size: int) -> dict[str, Any]:
    """Builds the networks of one worker: ResNet-50 and a gated one, once per way."""
    from tf_routing import fold_batch_norm, zoo

    images = photographs(size)
    skips = (sub_blocks, size) == (1, SMALL)
    static = zoo.get("resnet110" if skips else "resnet50" if size == SIZE else "resnet50_cifar")
    networks = {REFERENCE: runner(fold_batch_norm(static), images, "whole")}
    gated = calibrated_to_skip(RATE, images) if skips else calibrated(sub_blocks, RATE, images)
    networks |= {f"{method} {way}": runner(gated, images, way, method) for method, way in WAYS}
    return networks


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count")
    parser.add_argument("--sub_blocks", type=int, nargs="+", default=[1, 2, 4], help="sub-blocks per block to measure")
    parser.add_argument("--image_sizes", type=int, nargs="+", default=list(BATCHES), help="image sizes to measure")
    arguments = parser.parse_args()
    kinds = list(product(arguments.sub_blocks, arguments.image_sizes))
    old = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"hardware": [], "rows": []}
    machines = [each for each in old["hardware"] if each["avx512"] != has_avx512()]
    asked = [(has_avx512(), *kind) for kind in kinds]
    rows = [row for row in old["rows"] if (row["avx512"], row["sub_blocks"], row["image_size"]) not in asked]
    for sub_blocks, size in kinds:
        worker = Worker(Setting(int(has_avx512()), 0, 0), partial(load, sub_blocks, size))
        for batch in BATCHES[size]:
            kind = {"avx512": has_avx512(), "sub_blocks": sub_blocks, "image_size": size, "batch": batch}
            rows += _measured(worker, kind, arguments.rounds)
        worker.close()
    write_json(FILE, {"hardware": [*machines, hardware()], "rows": rows})


def possible(method: str, batch_method: str, batch: int) -> bool:
    """Whether a way can run a batch of this size, and differs from the others there."""
    if batch_method == "images":
        return batch == CHUNK
    if batch_method == "chunks":
        return batch > CHUNK
    return method != "switch" or batch == 1


def _measured(worker: Worker, kind: dict[str, Any], rounds: int) -> list[dict[str, Any]]:
    batch = kind["batch"]
    ways = [way for way in WAYS if possible(*way, batch)]
    times: dict[str, list[Timing]] = {name: [] for name in (REFERENCE, *(" ".join(way) for way in ways))}
    for number in range(rounds + 1):
        for name, own in times.items():
            timing = worker.time(name, batch, number)
            own.extend([timing] if number else [])
    rows = []
    for method, batch_method in ways:
        ratio = median_ratio(times[f"{method} {batch_method}"], times[REFERENCE])
        way = {"method": method, "batch_method": batch_method, "any_batch": method != "switch"}
        rows.append({**kind, **way, "ratio": round(ratio, 3), "rounds": rounds})
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
