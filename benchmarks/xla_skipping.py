"""Does skipping save time where shapes are static? JAX: networks that skip against the static ones beside them.

    python benchmarks/xla_skipping.py --output benchmarks/xla_skipping.json
    python benchmarks/xla_skipping.py --device gpu --output benchmarks/xla_skipping_gpu.json

Each network is one function compiled by `jax.jit`, batch normalisation folded, weights as arguments. All run in one
process, in turn, on the same images; ratios to the static network are medians over rounds, with quartiles, of processor
time on a CPU, where one thread computes, and of wall-clock time on a GPU. Each runs once untimed before it is timed.
Networks have random weights and are calibrated: each gate opens on the share of the images in `rate`, and with a rate
of 1 every gate opens on all. `buckets` runs the rows that chose a part in buckets, one after the other; `masked` runs
every part. Seconds of compiling are those of tracing a function, compiling it and running it once. `target` and
`compile_target` are what was aimed at. Without the datasets of `benchmarks/networks.py` (`--noise`) images are random
numbers.
"""

import argparse
import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import SEED, SIZE, SMALL, calibrated, calibrated_to_skip, photographs, with_offsets
from options import add_contest_options

from tf_routing.evaluation.timing import Timing, median_ratio, median_seconds, ratio_quartiles, time_call

STATIC = "static"
_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


_COMPILE_TARGET = 3.0
_GPU_BATCHES = (1, 256, 1024)


class Contest(NamedTuple):
    """A network that skips, how it is built for a rate and images, the static one beside it, and what is aimed at.

    `targets` holds, by rate and batch on a CPU, the share of the static network's time that is aimed at.
    """

    build: Callable[[float, np.ndarray], Any]
    static: str
    image_size: int
    targets: dict[float, dict[int, float]]

    def batches(self, rate: float, device: str) -> Sequence[int]:
        """Returns images per batch."""
        return _GPU_BATCHES if device == "gpu" else list(self.targets.get(rate, next(iter(self.targets.values()))))


CONTESTS = {
    "drn_resnet110": Contest(
        calibrated_to_skip,
        "resnet110",
        SMALL,
        {0.3: {1: 0.40, 32: 0.40, 128: 0.42}, 1.0: dict.fromkeys((1, 32, 128), 1.05)},
    ),
    "dmnn50_n2": Contest(partial(calibrated, 2), "resnet50", SIZE, {0.5: {8: 0.75}}),
}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_contest_options(parser, CONTESTS)
    parser.set_defaults(rounds=15)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="what computes")
    parser.add_argument("--types", nargs="+", choices=list(_POLICIES), help="float32, and on a GPU bfloat16 too")
    parser.add_argument("--ways", nargs="+", choices=["masked", "buckets"], help="buckets, and on a GPU masked too")
    parser.add_argument("--noise", action="store_true", help="random images: no dataset is needed")
    parser.add_argument("--output", default="benchmarks/xla_skipping.json")
    arguments = parser.parse_args()
    on_gpu = arguments.device == "gpu"
    arguments.types = arguments.types or (list(_POLICIES) if on_gpu else ["float32"])
    arguments.ways = arguments.ways or (["masked", "buckets"] if on_gpu else ["buckets"])
    os.environ |= {"KERAS_BACKEND": "jax"} if on_gpu else {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    if not on_gpu:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD}".strip()
    rows: list[dict[str, Any]] = []
    for row in _measured(arguments):
        # Written after each: compiling large networks takes minutes.
        rows.append(row)
        _write(Path(arguments.output), arguments, rows)


def _write(output: Path, arguments: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    from tf_routing.support.files import write_json
    from tf_routing.support.hardware import hardware

    settings = {key: vars(arguments)[key] for key in ("rounds", "device", "noise")}
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    flags = os.environ.get("XLA_FLAGS", "")
    write_json(
        output,
        {
            "hardware": hardware(),
            "date": date,
            "seed": SEED,
            "settings": {**settings, "xla_flags": flags},
            "rows": rows,
        },
    )


_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def _measured(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import keras

    for dtype in arguments.types:
        keras.config.set_dtype_policy(_POLICIES[dtype])
        for network in arguments.networks:
            contest = CONTESTS[network]
            images = _images(contest.image_size, arguments.noise)
            for rate in arguments.rates or contest.targets:
                networks = _networks(network, rate, images)
                for batch in arguments.batches or contest.batches(rate, arguments.device):
                    told = {"network": network, "rate": rate, "static": contest.static, "batch": batch, "dtype": dtype}
                    yield from _rows(told, networks, images, arguments)


def _images(size: int, noise: bool) -> np.ndarray:
    if noise:
        return np.random.default_rng(SEED).uniform(size=(512 if size == SMALL else 64, size, size, 3)).astype("float32")
    return photographs(size)


def _networks(network: str, rate: float, images: np.ndarray) -> dict[str, Any]:
    from tf_routing import fold_batch_norm, zoo

    contest = CONTESTS[network]
    static = fold_batch_norm(with_offsets(zoo.get(contest.static)))
    return {STATIC: static, "gated": contest.build(rate, images)}


def _rows(
    told: dict[str, Any], networks: dict[str, Any], images: np.ndarray, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    batch = told["batch"]
    # The first function that is compiled starts the compiler too.
    _start_compiler()
    # Single images differ most, and take the least time.
    rounds = arguments.rounds * (4 if batch == 1 else 1)
    batches = [images[(np.arange(batch) + number * batch) % len(images)] for number in range(rounds)]
    runs = {STATIC: _compiled(networks[STATIC], None)}
    runs |= {way: _compiled(networks["gated"], {"buckets": "sparse"}.get(way, way)) for way in arguments.ways}
    compiling = {name: time_call(lambda run=run: run(batches[0])) for name, run in runs.items()}
    times = _time_in_turn(runs, batches)
    field = "wall" if arguments.device == "gpu" else "processor"
    costs = networks["gated"].cost(np.concatenate(batches)[: len(images)])
    share = float(costs.mean()) / networks[STATIC].static_cost
    rows = []
    for name in arguments.ways:
        row = {**told, "way": name, "rounds": rounds, "share_of_macs": round(share, 4), "timed": field}
        row |= _compared(times[name], times[STATIC], field, batch)
        own, other = (getattr(compiling[each], field) for each in (name, STATIC))
        row |= {"compile_seconds": round(own, 2), "static_compile_seconds": round(other, 2)}
        row["compile_ratio"] = round(own / other, 2)
        target = CONTESTS[told["network"]].targets.get(told["rate"], {}).get(batch)
        if target is not None and arguments.device == "cpu" and name == "buckets":
            row |= {"target": target, "compile_target": _COMPILE_TARGET}
        print(
            f"{told['network']} at {told['rate']}, batch {batch:4}, {told['dtype']}, {name}: {row['ratio']:.3f} of the "
            f"time at {share:.3f} of the MACs; compiling {row['compile_seconds']} s, {row['compile_ratio']} times",
            flush=True,
        )
        rows.append(row)
    return rows


def _start_compiler() -> None:
    import jax

    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))


def _compared(times: list[Timing], static: list[Timing], field: str, batch: int) -> dict[str, Any]:
    return {
        "milliseconds_per_image": round(1e3 * median_seconds(times, field) / batch, 4),
        "static_milliseconds_per_image": round(1e3 * median_seconds(static, field) / batch, 4),
        "ratio": round(median_ratio(times, static, field), 4),
        "quartiles": [round(each, 4) for each in ratio_quartiles(times, static, field)],
    }


def _compiled(model: Any, execution: str | None) -> Callable[[np.ndarray], Any]:
    """Returns a function that runs a batch and waits for it, compiled with an execution, `None` for a static net."""
    import jax

    run = jax.jit(lambda state, x: model.stateless_call(*state, x, training=False)[0])
    state = [
        [variable.value for variable in each] for each in (model.trainable_variables, model.non_trainable_variables)
    ]
    lowered: dict[tuple[int, ...], Any] = {}

    def call(images: np.ndarray) -> Any:
        """Runs one batch."""
        if images.shape not in lowered:
            if execution is not None:
                # Here: it is traced now, and another function of the same model may have set another since.
                model.execution = execution
            lowered[images.shape] = run.lower(state, images).compile()
        return jax.block_until_ready(lowered[images.shape](state, images))

    return call


def _time_in_turn(runs: dict[str, Callable[[np.ndarray], Any]], batches: list[np.ndarray]) -> dict[str, list[Timing]]:
    import jax

    times: dict[str, list[Timing]] = {name: [] for name in runs}
    for batch in batches:
        # Already where it is computed, as what a loader prefetches.
        images = jax.device_put(batch)
        for name, run in runs.items():
            # Another network ran last: a server runs one time and again, and finds it in the caches.
            run(images)
            times[name].append(time_call(lambda run=run, images=images: run(images)))
    return times


if __name__ == "__main__":
    main()
