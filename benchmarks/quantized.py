"""Does deciding pay in eight bits? Trained networks that decide, and static ones, as ONNX files of floats and integers.

    python benchmarks/quantized.py widecnn_cascade_cifar10 widecnn_cifar10 --budgets 0.4 0.5

Networks are folders of runs of one dataset, or names of released ones; see `equal_accuracy.py`. ONNX Runtime quantises
each file (`quantize_static`, activations of eight bits without sign, kernels with) from training images that the runs
set apart, which set the thresholds of networks that decide too. Networks with exits are quantised as files without
subgraphs: what stands in one stays in floats. Every file runs on one thread. Test images tell what each is worth; a
round runs the same 128 of them through each file, one batch after the other, in turn. Times are medians of processor
time over rounds, and ratios medians of those of rounds.
"""

import argparse
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from runtimes import Run, in_rounds, load_onnxruntime, use_one_thread
from trained_networks import at_budgets, load_networks

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, time_in_turn
from tf_routing.support.files import write_json
from tf_routing.support.hardware import hardware

BATCHES = (1, 32)
_IN_A_ROUND, _BATCH, _CALIBRATION = 128, 250, 512


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", help="folders of finished runs, or names of released networks")
    parser.add_argument("--budgets", type=float, nargs="+", help="shares of the static cost; five where not given")
    parser.add_argument("--rounds", type=int, default=25, help="rounds that count")
    parser.add_argument("--seed", type=int, default=0, help="draws the images of each round")
    parser.add_argument("--output", default="benchmarks/quantized.json")
    arguments = parser.parse_args()
    use_one_thread()
    files, images = _load(arguments.networks, arguments.budgets)
    drawn = np.random.default_rng(arguments.seed).integers(len(images), size=(arguments.rounds + 1, _IN_A_ROUND))
    rows = [row for batch in BATCHES for row in _time(files, images[drawn], batch)]
    machine = {**hardware(), "onnxruntime": version("onnxruntime")}
    settings = {key: getattr(arguments, key) for key in ("rounds", "seed")}
    write_json(Path(arguments.output), {"hardware": machine, **settings, "test_images": len(images), "rows": rows})


def _load(names: Sequence[str], budgets: Sequence[float] | None) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Returns files, what each is worth and what runs it; and the test images."""
    from tf_routing.data.batching.pipelines import first_images

    loaded = load_networks(names)
    images, labels = first_images(loaded.test, loaded.test.image_count)
    calibration = np.asarray(first_images(loaded.calibration, _CALIBRATION)[0])
    files = []
    for label, model in loaded.models.items():
        for network in at_budgets(model, loaded, budgets, _BATCH):
            for bits, file in _write(model, calibration).items():
                session = load_onnxruntime(file, threads=1, outputs=("probabilities", "macs"))
                found = _evaluate(session, images, np.asarray(labels).reshape(-1))
                known = {"network": label, "budget": network["budget"], "decides": network["decides"], "bits": bits}
                files.append({**known, **found, "bytes": len(file), "run": load_onnxruntime(file, threads=1)})
                print(f"{label} at {network['budget']}, {bits} bits: {found['accuracy']:.4f}", flush=True)
    return files, images


def _write(model: Any, calibration: np.ndarray) -> dict[int, bytes]:
    """Returns files by the bits of their numbers."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    from tf_routing import fold_batch_norm
    from tf_routing.exporting.onnx_writing.model import write_skipping

    class Images(CalibrationDataReader):
        """Training images, batch by batch."""

        def __init__(self) -> None:
            self.batches = iter(np.array_split(calibration, 8))

        def get_next(self) -> dict[str, np.ndarray] | None:
            """Returns the next batch, `None` after the last."""
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch}

    folded = fold_batch_norm(model)
    # It advises a preparation at every call, and lists all that it leaves in floats.
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder, "whole.onnx"), Path(folder, "small.onnx")
        whole.write_bytes(write_skipping(folded, subgraphs=False).SerializeToString())
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(whole, small, Images(), **kinds)
        return {32: write_skipping(folded).SerializeToString(), 8: small.read_bytes()}


def _evaluate(run: Run, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Returns the accuracy of a file, and what its images execute on average."""
    batches = (run(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH))
    probabilities, macs = (np.concatenate(each) for each in zip(*batches, strict=True))
    return {"accuracy": float((probabilities.argmax(axis=1) == labels).mean()), "mean_macs": float(macs.mean())}


def _time(files: Sequence[Mapping[str, Any]], rounds: np.ndarray, batch: int) -> Iterator[dict[str, Any]]:
    """Yields a row per file: its time, and what it is of that of static networks of as many bits."""
    functions = {place: in_rounds(file["run"], rounds, batch) for place, file in enumerate(files)}
    times: Mapping[int, list[Timing]] = time_in_turn(functions, len(rounds) - 1, warm_up=1)
    for place, file in enumerate(files):
        row = {key: value for key, value in file.items() if key != "run"} | {"batch": batch}
        row["milliseconds_per_image"] = round(1e3 * median_seconds(times[place], "processor") / _IN_A_ROUND, 5)
        if file["decides"]:
            row["beside"] = {
                other["network"]: round(median_ratio(times[place], times[number], "processor"), 4)
                for number, other in enumerate(files)
                if not other["decides"] and other["bits"] == file["bits"]
            }
        told = " ".join(f"{ratio:.2f} of {name}" for name, ratio in row.get("beside", {}).items())
        name = f"{row['network']} at {row['budget']}, {row['bits']} bits"
        print(
            f"batch {batch:3}  {name:44} {row['accuracy']:.4f} {row['milliseconds_per_image']:.3f} ms {told}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    main()
