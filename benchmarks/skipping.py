"""Does skipping save time? Networks that skip against the static networks that a user would deploy instead.

    python benchmarks/skipping.py --output benchmarks/skipping.json

DMNN-50 on photographs of 224 pixels against ResNet-50, DRN ResNet-110 on images of 32 pixels against ResNet-110, and
each against a static network of the MACs that it executes. ResNet-110 on a share of each batch is what skipping would
take if deciding and regrouping took nothing: convolutions are slower per image in small batches. Every network runs
every way (the batch whole, in chunks, each image on a thread, with weights as constants) under every setting for a few
rounds; those near the best go on, and the best of these counts: one for time, and one for the time of all processors,
which more threads lengthen. Ratios are medians over rounds, in which all networks run one after the other on the same
images, each once before it is timed: a server runs one network time and again. What other kinds of processor measured
stays in the file. Needs the datasets imagenette224/subset and cifar100 in TFDS_DATA_DIR.
"""

import argparse
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from contests import CONTESTS, SHARES, TORCH, Contest, load_keras, load_torch
from networks import has_torch
from workers import Setting, Worker

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, ratio_quartiles
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

_SCREENING, _NEAR = 2, 1.15


class Side(NamedTuple):
    """A network on a worker, run one way: a batch whole, in chunks, or each image by itself."""

    worker: Worker
    way: str

    def time(self, network: str, batch: int, number: int) -> Timing:
        """Runs the network once."""
        return self.worker.time(f"{network}, {self.way}", batch, number)


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
        rows, machine = _contest_rows(contest, batches, arguments.rounds), hardware()
        results[contest] = _joined(results.get(contest, []), {"hardware": machine, "rows": rows})
        write_json(output, results)


def _joined(old: list[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """What each kind of processor measured: other kinds stay, and of this one other batch sizes."""
    kind, batches = _kind(new), {row["batch"] for row in new["rows"]}
    others = [each for each in old if _kind(each) != kind]
    kept = [row for each in old if _kind(each) == kind for row in each["rows"] if row["batch"] not in batches]
    rows = sorted([*kept, *new["rows"]], key=lambda row: row["batch"])
    return sorted([*others, {**new, "rows": rows}], key=_kind)


def _kind(measured: dict[str, Any]) -> tuple[str, bool]:
    return measured["hardware"]["processor"], measured["hardware"]["avx512"]


def _contest_rows(contest: str, batches: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    # Not at the top, and so in the others below: each worker imports this file, and Keras must not come before PyTorch.
    from tf_routing.support.hardware import has_avx512

    found = CONTESTS[contest]
    threads = (0, 1) if found.one_thread else (0,)
    ways = {Setting(onednn, number, number): found.ways for onednn in (0, 1) for number in threads}
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
    rows = [{**_row(name, batch, times, reference), "rounds": rounds} for name in contenders]
    for row in rows:
        print(
            f"batch {batch:3}  {row['network']:34} {row['milliseconds_per_image']:7.1f} ms  {row['wall_ratio']:.2f} of "
            f"the time ({row['way']}, {row['setting']}), {row['processor_ratio']:.2f} of the processors' "
            f"({row['processor_way']}, {row['processor_setting']})",
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
    near = set()
    for field in Timing._fields:
        medians = {side: median_seconds(own, field) for side, own in times.items()}
        near |= {side for side, median in medians.items() if median <= _NEAR * min(medians.values())}
    return [side for side in times if side in near]


def _differs(way: str, batch: int) -> bool:
    from tf_routing.execution.choice import CHUNK

    return {"whole": True, "frozen": True, "chunks": batch > CHUNK, "images": batch > 1}[way]


def _row(name: str, batch: int, times: dict[str, dict[Side, list[Timing]]], reference: str) -> dict[str, Any]:
    row: dict[str, Any] = {"network": name, "batch": batch}
    for field, prefix in (("wall", ""), ("processor", "processor_")):
        side, other_side = (_fastest(times[each], field) for each in (name, reference))
        own, other = times[name][side], times[reference][other_side]
        row |= {
            f"{prefix}way": side.way,
            f"{prefix}setting": str(side.worker.setting),
            f"{prefix}milliseconds_per_image": round(1e3 * median_seconds(own, field) / batch, 2),
            f"{field}_ratio": round(median_ratio(own, other, field), 3),
            f"{field}_quartiles": [round(each, 3) for each in ratio_quartiles(own, other, field)],
        }
    return row


def _fastest(times: dict[Side, list[Timing]], field: str) -> Side:
    return min(times, key=lambda side: median_seconds(times[side], field))


if __name__ == "__main__":
    main()
