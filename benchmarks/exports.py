"""Does an export skip? SavedModels of networks that skip against those of the same networks run masked, and of the
static networks that they are made from.

    python benchmarks/exports.py --output benchmarks/exports.json

All exports come from `tf_routing.export` and are loaded into one process. Times are medians over rounds, in which all
run one after the other on the same images; each side is exported with its weights as variables and as constants, and
the faster one counts. oneDNN is a setting of the whole process: run again with `--onednn 1` to add its rows. Needs the
datasets imagenette224/subset and cifar100 in TFDS_DATA_DIR.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import SIZE, SMALL, calibrated, calibrated_to_skip, photographs

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, time_in_turn
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

_RATES = (0.3, 0.5)
_WAYS = {"variables": False, "constants": True}


class Contest(NamedTuple):
    """A network that skips, how it is built for a rate and images, and the static network beside it."""

    build: Callable[[float, np.ndarray], Any]
    static: str
    image_size: int


CONTESTS = {
    "dmnn50_n2": Contest(lambda rate, images: calibrated(2, rate, images), "resnet50", SIZE),
    "drn_resnet110": Contest(calibrated_to_skip, "resnet110", SMALL),
}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=list(CONTESTS), default=list(CONTESTS), help="what to measure")
    parser.add_argument("--rates", type=float, nargs="+", default=_RATES, help="shares of gates that open")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 8, 32), help="images per batch")
    parser.add_argument("--onednn", type=int, choices=(0, 1), default=0, help="whether oneDNN is on")
    parser.add_argument("--output", default="benchmarks/exports.json")
    arguments = parser.parse_args()
    # Before TensorFlow is imported.
    os.environ.update(TF_ENABLE_ONEDNN_OPTS=str(arguments.onednn), TF_CPP_MIN_LOG_LEVEL="3")
    output = Path(arguments.output)
    rows = json.loads(output.read_text("utf-8"))["rows"] if output.exists() else []
    for network in arguments.networks:
        for rate in arguments.rates:
            # Written after each size of a batch: large networks take many minutes.
            for measured in _measured(network, rate, arguments):
                again = {_key(row) for row in measured}
                rows = sorted([*(row for row in rows if _key(row) not in again), *measured], key=_key)
                write_json(output, {"hardware": hardware(), "rows": rows})


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("network", "rate", "onednn", "batch", "side"))


def _measured(network: str, rate: float, arguments: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    contest = CONTESTS[network]
    images = photographs(contest.image_size)
    gated = contest.build(rate, images)
    executed = float(np.mean(gated.cost(images)))
    told = {"network": network, "rate": rate, "onednn": arguments.onednn, "static": contest.static}
    with tempfile.TemporaryDirectory() as folder:
        loaded = _exports(gated, contest.static, Path(folder))
        for batch in arguments.batches:
            rows = _rows(loaded, images, batch, arguments.rounds)
            yield [{**told, "executed_macs": round(executed), **row, "rounds": arguments.rounds} for row in rows]


def _exports(gated: Any, static: str, folder: Path) -> dict[tuple[str, str], Any]:
    """Exports and loads each side each way."""
    import tensorflow as tf

    from tf_routing import export, zoo

    loaded = {}
    sides = {"skipping": gated, "dense": gated, "static": zoo.get(static)}
    for side, model in sides.items():
        if side != "static":
            model.execution = "sparse" if side == "skipping" else "masked"
        for way, freeze in _WAYS.items():
            export(model, folder / side / way, freeze=freeze)
            loaded[side, way] = tf.saved_model.load(str(folder / side / way))
    return loaded


def _rows(loaded: dict[tuple[str, str], Any], images: np.ndarray, batch: int, rounds: int) -> list[dict[str, Any]]:
    runs = {f"{side} {way}": _runner(each, images, batch) for (side, way), each in loaded.items()}
    times = time_in_turn(runs, rounds)
    best = {side: min(_WAYS, key=lambda way: median_seconds(times[f"{side} {way}"])) for side, _ in loaded}
    own = {side: times[f"{side} {way}"] for side, way in best.items()}
    rows = [{"batch": batch, "side": side, "weights": best[side], **_compared(own, side, batch)} for side in own]
    for row in rows:
        print(
            f"batch {batch:3}  {row['side']:8} {row['milliseconds_per_image']:7.2f} ms  {row['to_static']:.2f} of "
            f"static, {row['to_dense']:.2f} of dense  weights as {row['weights']}",
            flush=True,
        )
    return rows


def _compared(times: dict[str, list[Timing]], side: str, batch: int) -> dict[str, float]:
    return {
        "milliseconds_per_image": round(1e3 * median_seconds(times[side]) / batch, 3),
        **{f"to_{other}": round(median_ratio(times[side], times[other]), 3) for other in ("dense", "static")},
    }


def _runner(loaded: Any, images: np.ndarray, batch: int) -> Callable[[int], Any]:
    import tensorflow as tf

    name = "serve_one" if batch == 1 and "serve_one" in loaded.signatures else "serving_default"
    # Kept with what it belongs to: a signature alone does not hold the variables.
    signature = loaded.signatures[name]
    stock = [tf.constant(images[start : start + batch]) for start in range(0, len(images) - batch + 1, batch)]
    return lambda number: (loaded, signature(images=stock[number % len(stock)])["probabilities"].numpy())[1]


if __name__ == "__main__":
    main()
