"""Tables of the results of benchmarks."""

from typing import Any

from data_files import BENCHMARKS, NOTHING_YET, TARGETS, find_target, of_file, write_aim

from tf_routing.support.tables import markdown_table


@of_file(BENCHMARKS / "skipping.json")
def skipping_table(contests: Any) -> str:
    """What `python benchmarks/skipping.py` wrote, one table per contest and kind of processor."""
    measured = [each for contest in contests.values() for each in contest]
    tables = [
        f"{describe_processor(each['hardware'])}:\n\n{_contest_table(each['rows'], each['hardware']['avx512'])}"
        for each in measured
    ]
    return "\n".join(tables) or NOTHING_YET


def describe_processor(machine: dict[str, Any]) -> str:
    """Cores, processor, and whether it has wide vectors."""
    vectors = "with" if machine["avx512"] else "without"
    return f"{machine['cores']} cores of {machine['processor']}, {vectors} AVX-512"


def _contest_table(measured: list[dict[str, Any]], avx512: bool) -> str:
    """Time per image, as a share of the first network's, and the share of its processor time; what was aimed at."""
    batches = sorted({row["batch"] for row in measured})
    ratios: dict[str, dict[int, str]] = {}
    for row in measured:
        target = find_target("skipping", row["batch"], network=row["network"], avx512=avx512)
        aim = "" if target is None else f"; aim {target:.2f}"
        shown = f"{row['milliseconds_per_image']:.1f} ms ({row['wall_ratio']:.2f}; {row['processor_ratio']:.2f}{aim})"
        ratios.setdefault(row["network"], {})[row["batch"]] = shown
    headings = ["network", *(f"batch {batch}" for batch in batches)]
    return markdown_table(
        headings, [[network, *(own.get(batch, "-") for batch in batches)] for network, own in ratios.items()]
    )


@of_file(BENCHMARKS / "early_exit.json")
def leaving_table(measured: Any) -> str:
    """What `python benchmarks/early_exit.py` wrote."""
    rows = [
        [
            row["chain"].replace("_", " "),
            str(row["batch"]),
            f"{row['milliseconds_per_image']:.3f} ms",
            _write_share(row["same_error"], _find_leaving_target(row)),
            _write_share(row["same_operations"]),
            f"{row['masked']['wall_ratio']:.2f}",
        ]
        for row in measured["rows"]
    ]
    return markdown_table(["chain", "batch", "time", "of the same error", "of the same operations", "of all run"], rows)


def _find_leaving_target(row: dict[str, Any]) -> float | None:
    return TARGETS["leaving"].get(str(row["batch"])) if row["chain"] == "actor_cost_8e-09" else None


def _write_share(side: dict[str, Any], target: float | None = None) -> str:
    return f"{write_aim(side['wall_ratio'], target)} of `{side['network']}`"


@of_file(BENCHMARKS / "training.json")
def training_table(measured: Any) -> str:
    """What `python benchmarks/training.py` wrote: how fast each loop is, and beside the one in the heading.

    Ratios are of medians over rounds.
    """
    rows = measured["rows"]
    loops = list(dict.fromkeys(row["loop"] for row in rows))
    rates = {(row["network"], row["loop"]): row["steps_per_second"] for row in rows}
    shown = [
        [
            f"`{row['network']}`",
            row["loop"],
            f"{row['steps_per_second']:.2f}",
            *(_write_speed(row, loop, rates) for loop in loops),
        ]
        for row in rows
    ]
    return markdown_table(["network", "loop", "steps a second", *(f"speed beside {loop}" for loop in loops)], shown)


def _write_speed(row: dict[str, Any], loop: str, rates: dict[tuple[str, str], float]) -> str:
    if loop == row["loop"] or (row["network"], loop) not in rates:
        return "-"
    return f"{row['steps_per_second'] / rates[row['network'], loop]:.2f}"


@of_file(BENCHMARKS / "exports.json")
def exports_table(measured: Any) -> str:
    """What `python benchmarks/exports.py` wrote."""
    rows = [
        [
            f"`{row['network'] if row['side'] != 'static' else row['static']}`",
            f"{row['rate']}" if row["side"] != "static" else "-",
            str(row["batch"]),
            {"dense": "masked"}.get(row["side"], row["side"]),
            f"{row['milliseconds_per_image']:.2f} ms",
            *(f"{row[f'to_{side}']:.2f}" for side in ("dense", "static")),
        ]
        for row in measured["rows"]
    ]
    return markdown_table(["export", "rate", "batch", "execution", "per image", "of masked", "of static"], rows)


@of_file(BENCHMARKS / "normalization.json")
def normalization_table(measured: Any) -> str:
    """What `python benchmarks/normalization.py` wrote: steps with one operation, as shares of steps with many."""
    rows = [
        [
            f"`{row['network']}`",
            f"{row['processor_ratio']:.2f}",
            " to ".join(f"{each:.2f}" for each in row["quartiles"]),
        ]
        for row in measured["rows"]
    ]
    machine = f"{describe_processor(measured['hardware'])}, TensorFlow {measured['hardware']['tensorflow']}"
    headings = ["network", "processor time", "middle half of rounds"]
    return (
        f"{machine}, batch {measured['settings']['batch']}, {measured['settings']['date']}:\n\n"
        f"{markdown_table(headings, rows)}"
    )


@of_file(BENCHMARKS / "determinism.json")
def determinism_table(measured: Any) -> str:
    """What `python benchmarks/determinism.py` wrote: each way beside op determinism alone, as shares of its cost."""
    rows = [
        [
            f"`{row['network']}`",
            str(row["batch"]),
            row["way"].replace("set_jit", "`set_jit`").replace("disable_meta_optimizer", "`disable_meta_optimizer`"),
            f"{row['processor_ratio']:.2f}",
            f"{row['peak_ratio']:.2f}",
        ]
        for row in measured["rows"]
    ]
    headings = ["network", "batch", "way", "processor time", "peak memory"]
    machine = f"{describe_processor(measured['hardware'])}, TensorFlow {measured['hardware']['tensorflow']}"
    return f"{machine}, {measured['settings']['date']}:\n\n{markdown_table(headings, rows)}"


@of_file(BENCHMARKS / "compiled_steps.json")
def compiled_steps_table(measured: Any) -> str:
    """What `python benchmarks/compiled_steps.py` wrote: the cost of each loop, as a share of that of `model.fit`."""
    rows = [
        [f"`{row['network']}`", row["loop"], f"{row['processor_ratio']:.2f}", f"{row['wall_ratio']:.2f}"]
        for row in measured["rows"]
    ]
    machine = f"{describe_processor(measured['hardware'])}, JAX {measured['hardware']['jax']}"
    return f"{machine}:\n\n{markdown_table(['network', 'loop', 'processor time', 'time'], rows)}"


@of_file(BENCHMARKS / "cold_start.json")
def cold_start_table(measured: Any) -> str:
    """What `python benchmarks/cold_start.py` wrote: first calls, beside those of the static network."""
    columns = {
        "first_predict_seconds": "first `predict`",
        "other_size_seconds": "of another size",
        "later_predict_seconds": "later `predict`",
        "first_step_seconds": "first step of `fit`",
        "later_step_seconds": "later step",
        "peak_bytes": "peak memory",
    }
    shown = {what: title for what, title in columns.items() if any(what in row for row in measured["rows"])}
    rows = [[f"`{row['network']}`", *(_write_cold(row, what) for what in shown)] for row in measured["rows"]]
    rows.append(["aimed at, beside the static network", *(_write_cold_aim(what) for what in shown)])
    machine = f"{describe_processor(measured['hardware'])}, TensorFlow {measured['hardware']['tensorflow']}"
    return f"{machine}, {measured['settings']['date']}:\n\n{markdown_table(['network', *shown.values()], rows)}"


def _write_cold(row: dict[str, Any], what: str) -> str:
    if what not in row:
        return "-"
    value = f"{row[what] / 2**30:.1f} GiB" if what == "peak_bytes" else f"{row[what]:.1f} s"
    return value if row["network"] == row["static"] else f"{value} ({row['ratios'][what]:.2f})"


def _write_cold_aim(what: str) -> str:
    if what not in TARGETS["cold_start"]:
        return "-"
    # Another size of batch aims at a share of the network's own first call.
    return f"{TARGETS['cold_start'][what]:.2f}" + (" of its first" if what == "other_size_seconds" else "")
