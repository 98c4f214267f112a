"""Does an ONNX file skip? Files of networks that skip against those of the static networks beside them.

    python benchmarks/onnx_skipping.py --output benchmarks/onnx_skipping.json

Files run in ONNX Runtime (or, with `--runtime openvino`, in OpenVINO) on one thread of one process, in turn, on the
same images; ratios are medians over rounds, of processor time, and each file runs once untimed before it is timed. The
networks have random weights and are calibrated: each gate opens on the share of the images in `rate`, and at a junction
that share goes on. A static network has two files, converted by tf2onnx and written as those that skip are; the faster
one counts. Needs the datasets imagenette224/subset and cifar100 in TFDS_DATA_DIR.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import SEED, SIZE, SMALL, calibrated, calibrated_to_skip, photographs, with_offsets
from options import add_contest_options
from runtimes import RUNTIMES

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, ratio_quartiles, time_call
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware


class Contest(NamedTuple):
    """A network that skips, how it is built for a rate and images, the static network beside it, and what is timed."""

    build: Callable[[float, np.ndarray], Any]
    static: str
    image_size: int
    rates: tuple[float, ...]
    batches: tuple[int, ...]


def left_early(rate: float, images: np.ndarray) -> Any:
    """Returns a chain with random weights; of the images that come to a junction such a share goes on."""
    import keras

    import tf_routing
    from tf_routing import zoo

    keras.utils.set_random_seed(SEED)
    model, random = with_offsets(zoo.get("decide_chain8")), np.random.default_rng(SEED)
    for layer in model.layers:
        if isinstance(layer, tf_routing.layers.Junction):
            layer.scores_layer.kernel.assign(random.normal(size=layer.scores_layer.kernel.shape))
    tf_routing.calibrate(model, images, rate=rate)
    return tf_routing.fold_batch_norm(model)


CONTESTS = {
    "decide_chain8": Contest(left_early, "decide_static8", SMALL, (0.5, 0.8, 1.0), (1, 8, 32, 128)),
    "drn_resnet110": Contest(calibrated_to_skip, "resnet110", SMALL, (0.3, 0.5, 1.0), (1, 8, 32, 128)),
    "dmnn50_n2": Contest(partial(calibrated, 2), "resnet50", SIZE, (0.5, 0.7, 1.0), (1, 8, 32)),
}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_contest_options(parser, CONTESTS)
    parser.add_argument("--runtime", choices=list(RUNTIMES), default="onnxruntime", help="what runs the files")
    parser.add_argument("--output", default="benchmarks/onnx_skipping.json")
    arguments = parser.parse_args()
    output = Path(arguments.output)
    written = json.loads(output.read_text("utf-8")) if output.exists() else {"hardware": {}, "rows": []}
    rows = written["rows"]
    # Those of runtimes that measured the rows of before are kept.
    versions = {name: written["hardware"][name] for name in RUNTIMES if name in written["hardware"]}
    versions[arguments.runtime] = version(arguments.runtime)
    for network in arguments.networks:
        for rate in arguments.rates or CONTESTS[network].rates:
            # Written after each size of a batch: large networks take many minutes.
            for row in _measured(network, rate, arguments):
                rows = sorted([*(each for each in rows if _key(each) != _key(row)), row], key=_key)
                write_json(output, {"hardware": {**hardware(), **versions}, "rows": rows})


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("runtime", "network", "rate", "batch"))


def _measured(network: str, rate: float, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from tf_routing import fold_batch_norm, zoo
    from tf_routing.exporting.onnx_masked import convert_masked
    from tf_routing.exporting.onnx_writing.model import write_skipping

    contest = CONTESTS[network]
    images = photographs(contest.image_size)
    gated, static = contest.build(rate, images), fold_batch_norm(with_offsets(zoo.get(contest.static)))
    costs = gated.cost(images)
    files = {
        "static, converted": convert_masked(static),
        "static, written": write_skipping(static),
        "skipping": write_skipping(gated),
    }
    load = RUNTIMES[arguments.runtime]
    runs = {name: load(file.SerializeToString(), 1) for name, file in files.items()}
    for batch in arguments.batches or contest.batches:
        numbers = [_numbers(number, batch, len(images)) for number in range(arguments.rounds)]
        times = _time_in_turn(runs, [images[each] for each in numbers])
        # Of the images that were timed: other batch sizes have others.
        timed = np.concatenate(numbers)
        share = float(costs[timed].mean()) / static.static_cost
        told = {
            "runtime": arguments.runtime,
            "network": network,
            "rate": rate,
            "static": contest.static,
            "batch": batch,
        }
        row = {**told, "share_of_macs": round(share, 4), **_compared(times, batch), "rounds": arguments.rounds}
        row["time_per_mac"] = round(row["processor_ratio"] / row["share_of_macs"], 3)
        print(
            f"{network} at {rate}, batch {batch:3}: {row['milliseconds_per_image']:7.2f} ms, "
            f"{row['processor_ratio']:.3f} of {contest.static} at {share:.3f} of its MACs",
            flush=True,
        )
        yield row


def _compared(times: dict[str, list[Timing]], batch: int) -> dict[str, Any]:
    own = times["skipping"]
    name = min(
        (each for each in times if each != "skipping"), key=lambda each: median_seconds(times[each], "processor")
    )
    return {
        "static_file": name.removeprefix("static, "),
        "milliseconds_per_image": round(1e3 * median_seconds(own, "processor") / batch, 4),
        "static_milliseconds_per_image": round(1e3 * median_seconds(times[name], "processor") / batch, 4),
        "processor_ratio": round(median_ratio(own, times[name], "processor"), 4),
        "processor_quartiles": [round(each, 4) for each in ratio_quartiles(own, times[name], "processor")],
    }


def _numbers(number: int, batch: int, count: int) -> np.ndarray:
    """The images of a round."""
    return (np.arange(batch) + number * batch) % count


def _time_in_turn(runs: dict[str, Callable[[np.ndarray], Any]], batches: list[np.ndarray]) -> dict[str, list[Timing]]:
    times: dict[str, list[Timing]] = {name: [] for name in runs}
    for images in batches:
        for name, run in runs.items():
            # Another file ran last: a server runs one time and again, and finds it in the caches.
            run(images)
            times[name].append(time_call(partial(run, images)))
    return times


if __name__ == "__main__":
    main()
