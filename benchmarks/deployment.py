"""What to deploy: the same networks in every runtime, static and skipping, their time and memory.

    python benchmarks/deployment.py --output benchmarks/deployment.json

Each file runs in a process of its own that holds nothing else, TensorFlow's once with and once without oneDNN, of which
the faster counts. All processes take turns on the same images, on all cores; times are medians over rounds, ratios of
processor time are to the static network in TensorFlow. Memory is the most that the process has held so far, libraries
included. The networks have random weights and are calibrated: each gate opens on the share of the images in `rate`.
OpenVINO and PyTorch (torchvision's ResNet-50, static) take part where they are installed. Needs the datasets
imagenette224/subset and cifar100 in TFDS_DATA_DIR.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import SIZE, SMALL, calibrated, calibrated_to_skip, has_torch, photographs, torch_runner, with_offsets
from runtimes import RUNTIMES
from workers import Setting, Worker

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, ratio_quartiles
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

_PACKAGES = ("onnxruntime", "openvino", "torch", "torchvision")
_SIDES = ("static", "skipping")
_WARM_UP, _MEBI = 2, 2**20
# What every worker calls its only file.
_NAME = "file"


class Contest(NamedTuple):
    """A network that skips, how it is built for a rate and images, the static network beside it, and its export.

    `freeze` says whether SavedModels hold the weights as constants: of DMNN-50 a process needs more than 7 GB for them.
    """

    build: Callable[[float, np.ndarray], Any]
    rate: float
    static: str
    image_size: int
    freeze: bool


CONTESTS = {
    "dmnn50_n2": Contest(partial(calibrated, 2), 0.5, "resnet50", SIZE, freeze=False),
    "drn_resnet110": Contest(calibrated_to_skip, 0.3, "resnet110", SMALL, freeze=True),
}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=list(CONTESTS), default=list(CONTESTS), help="what to measure")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 8, 32), help="images per batch, rising")
    parser.add_argument("--output", default="benchmarks/deployment.json")
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    output = Path(arguments.output)
    rows = json.loads(output.read_text("utf-8"))["rows"] if output.exists() else []
    for network in arguments.networks:
        rows = [row for row in rows if row["network"] != network]
        for row in _measure(network, arguments):
            rows.append(row)
            write_json(output, {"hardware": {**hardware(), **_versions()}, "rows": rows})


def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES if find_spec(package)}


def _measure(network: str, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    contest = CONTESTS[network]
    with tempfile.TemporaryDirectory() as folder:
        share = _write_files(contest, Path(folder))
        workers = {side: _start(Path(folder), *side, contest) for side in _list_sides(contest)}
        for batch in sorted(arguments.batches):
            for row in _compare(workers, batch, arguments.rounds):
                yield {"network": network, "rate": contest.rate, "share_of_macs": share, **row}
        for own in workers.values():
            for worker in own:
                worker.close()


def _list_sides(contest: Contest) -> list[tuple[str, str]]:
    sides = [(runtime, side) for runtime in _LOADERS for side in _SIDES]
    return [*sides, ("PyTorch", "static")] if has_torch() and contest.static == "resnet50" else sides


def _write_files(contest: Contest, folder: Path) -> float:
    """Writes images and exports; returns the share of the static network's MACs that the skipping one executes."""
    from tf_routing import export, zoo
    from tf_routing.exporting.onnx import export_onnx

    images = photographs(contest.image_size)
    np.save(folder / "images.npy", images)
    gated, static = contest.build(contest.rate, images), with_offsets(zoo.get(contest.static))
    for side, model in zip(_SIDES, (static, gated), strict=True):
        export(model, folder / side, freeze=contest.freeze)
        export_onnx(model, folder / f"{side}.onnx")
    return round(float(np.mean(gated.cost(images))) / static.static_cost, 4)


def _start(folder: Path, runtime: str, side: str, contest: Contest) -> list[Worker]:
    """Starts the processes of one file, one per setting that it is tried with."""
    if runtime == "PyTorch":
        return [Worker(Setting(0, 0, 0), partial(_load_torch, folder))]
    settings = (0, 1) if runtime == "TensorFlow" else (0,)
    return [Worker(Setting(onednn, 0, 0), partial(_LOADERS[runtime], folder, side)) for onednn in settings]


def _compare(workers: dict[tuple[str, str], list[Worker]], batch: int, rounds: int) -> Iterator[dict[str, Any]]:
    times: dict[Worker, list[Timing]] = {worker: [] for own in workers.values() for worker in own}
    for number in range(_WARM_UP + rounds):
        for worker, own in times.items():
            timing = worker.time(_NAME, batch, number)
            own.extend([timing] if number >= _WARM_UP else [])
    best = {side: min(own, key=lambda worker: median_seconds(times[worker])) for side, own in workers.items()}
    reference = times[best["TensorFlow", "static"]]
    for (runtime, side), worker in best.items():
        own = times[worker]
        row = {
            "runtime": runtime,
            "side": side,
            "batch": batch,
            "setting": str(worker.setting) if runtime == "TensorFlow" else None,
            "milliseconds_per_image": round(1e3 * median_seconds(own) / batch, 4),
            "processor_milliseconds_per_image": round(1e3 * median_seconds(own, "processor") / batch, 4),
            "processor_ratio": round(median_ratio(own, reference, "processor"), 4),
            "processor_quartiles": [round(each, 4) for each in ratio_quartiles(own, reference, "processor")],
            "peak_mebibytes": round(worker.peak_bytes() / _MEBI),
            "rounds": rounds,
        }
        print(
            f"batch {batch:3}  {runtime:13} {side:9} {row['milliseconds_per_image']:8.2f} ms  "
            f"{row['processor_ratio']:.2f} of static TensorFlow  {row['peak_mebibytes']} MiB",
            flush=True,
        )
        yield row


def _ready(folder: Path, run: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """Returns what a worker asks for: a function of batch size that returns one of a round's number."""
    images = np.load(folder / "images.npy")

    def ready(batch: int) -> Callable[[int], Any]:
        """Returns a function that runs a round's images."""
        return lambda number: run(images[(np.arange(batch) + number * batch) % len(images)])

    return {_NAME: ready}


def _load_saved_model(folder: Path, side: str) -> dict[str, Any]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / side))
    signatures = loaded.signatures

    def run(images: np.ndarray) -> Any:
        """Runs the signature for so many images."""
        name = "serve_one" if len(images) == 1 and "serve_one" in signatures else "serving_default"
        # Kept with what it belongs to: a signature alone does not hold the variables.
        return (loaded, signatures[name](images=tf.constant(images))["probabilities"].numpy())[1]

    return _ready(folder, run)


def _load_onnx(runtime: str, folder: Path, side: str) -> dict[str, Any]:
    return _ready(folder, RUNTIMES[runtime]((folder / f"{side}.onnx").read_bytes(), None))


def _load_torch(folder: Path) -> dict[str, Any]:
    return {_NAME: torch_runner(np.load(folder / "images.npy"))}


_LOADERS = {
    "TensorFlow": _load_saved_model,
    "ONNX Runtime": partial(_load_onnx, "onnxruntime"),
    **({"OpenVINO": partial(_load_onnx, "openvino")} if find_spec("openvino") else {}),
}


if __name__ == "__main__":
    main()
