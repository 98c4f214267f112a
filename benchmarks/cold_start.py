"""What do the first calls of a network that skips cost, beside those of the static network it was made from?

    python benchmarks/cold_start.py --output benchmarks/cold_start.json

Each network runs in fresh processes, as users meet it: the first `predict` of 32 images, one of 7 after it, and one
more; in another process the first step of `fit`, later steps, and the most memory that the process has held. Times are
those of all cores that worked (other work may share the machine), medians over processes; TensorFlow's defaults hold.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory import peak_bytes

PAIRS = {"drn_resnet110": "resnet110", "dmnn50_n2": "resnet50"}
_BATCH, _OTHER_BATCH, _SEED, _LATER = 32, 7, 0, 3


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes for each network and kind of call")
    parser.add_argument("--networks", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--width", type=float, default=1.0, help="width multiplier, for a quick try")
    parser.add_argument("--without-fit", action="store_true", help="leaves out training, which takes most memory")
    parser.add_argument("--output", default="benchmarks/cold_start.json")
    # For the processes: does what it says, and prints what it took.
    parser.add_argument("--measure", nargs=2, metavar=("NETWORK", "CALLS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        network, calls = arguments.measure
        print(json.dumps(_CALLS[calls](network, arguments.width)))
        return
    from tf_routing.support.files import write_json
    from tf_routing.support.hardware import hardware

    rows = [row for name in arguments.networks for row in _compared(name, arguments)]
    settings = {"batch": _BATCH, "other_batch": _OTHER_BATCH, "seed": _SEED, "width_multiplier": arguments.width}
    settings |= {"rounds": arguments.rounds, "date": datetime.date.today().isoformat()}
    write_json(Path(arguments.output), {"hardware": hardware(), "settings": settings, "rows": rows})


def _compared(network: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the rows of a network and of its static one, whose processes take turns."""
    measured: dict[str, list[dict[str, float]]] = {PAIRS[network]: [], network: []}
    for _ in range(arguments.rounds):
        for name, own in measured.items():
            kinds = ["predict"] if arguments.without_fit else list(_CALLS)
            own.append({what: value for calls in kinds for what, value in _ask(name, calls, arguments).items()})
    medians = {
        name: {what: statistics.median(each[what] for each in own) for what in own[0]} for name, own in measured.items()
    }
    rows = []
    for name, own in measured.items():
        ratios = {what: round(value / medians[PAIRS[network]][what], 3) for what, value in medians[name].items()}
        rows.append({"network": name, "static": PAIRS[network], **medians[name], "ratios": ratios, "of_rounds": own})
        print({key: value for key, value in rows[-1].items() if key != "of_rounds"}, flush=True)
    return rows


def _ask(network: str, calls: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--width", str(arguments.width), "--measure", network, calls]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def _predict(network: str, width: float) -> dict[str, float]:
    model, images, _ = _build(network, width)
    return {
        "first_predict_seconds": _time(lambda: model.predict(images, verbose=0)),
        "other_size_seconds": _time(lambda: model.predict(images[:_OTHER_BATCH], verbose=0)),
        "later_predict_seconds": _time(lambda: model.predict(images, verbose=0)),
    }


def _fit(network: str, width: float) -> dict[str, float]:
    model, images, labels = _build(network, width)
    model.compile("sgd")

    def step() -> None:
        model.fit(images, labels, batch_size=_BATCH, verbose=0)

    first = _time(step)
    later = statistics.median(_time(step) for _ in range(_LATER))
    return {"first_step_seconds": first, "later_step_seconds": later, "peak_bytes": peak_bytes()}


_CALLS = {"predict": _predict, "fit": _fit}


def _build(network: str, width: float) -> tuple[Any, Any, Any]:
    """Returns a network, images and labels."""
    import keras
    import numpy as np

    from tf_routing import zoo

    keras.utils.set_random_seed(_SEED)
    model = zoo.get(network, width_multiplier=width)
    images = np.random.default_rng(_SEED).random((_BATCH, *model.input_shape[1:])).astype("float32")
    return model, images, np.arange(_BATCH) % model.output_shape[-1]


def _time(call: Callable[[], Any]) -> float:
    """Returns the processor seconds of a call, of all threads."""
    before = time.process_time()
    call()
    return round(time.process_time() - before, 3)


if __name__ == "__main__":
    main()
