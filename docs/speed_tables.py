"""Tables of the results of benchmarks."""

import json
from pathlib import Path
from typing import Any

from tf_routing.support.tables import markdown_table

_BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SKIPPING = _BENCHMARKS / "skipping.json"
LEAVING = _BENCHMARKS / "early_exit.json"
TRAINING = _BENCHMARKS / "training.json"
EXPORTS = _BENCHMARKS / "exports.json"
DETERMINISM = _BENCHMARKS / "determinism.json"
NORMALIZATION = _BENCHMARKS / "normalization.json"
COMPILED_STEPS = _BENCHMARKS / "compiled_steps.json"
COLD_START = _BENCHMARKS / "cold_start.json"


def skipping_table() -> str:
    """What `python benchmarks/skipping.py` wrote, one table per contest and kind of processor."""
    contests = json.loads(SKIPPING.read_text("utf-8")) if SKIPPING.exists() else {}
    measured = [each for contest in contests.values() for each in contest]
    tables = [f"{describe_processor(each['hardware'])}:\n\n{_contest_table(each['rows'])}" for each in measured]
    return "\n".join(tables) or "Nothing yet.\n"


def describe_processor(machine: dict[str, Any]) -> str:
    """Cores, processor, and whether it has wide vectors."""
    vectors = "with" if machine["avx512"] else "without"
    return f"{machine['cores']} cores of {machine['processor']}, {vectors} AVX-512"


def _contest_table(measured: list[dict[str, Any]]) -> str:
    """Time per image, as a share of the first network's, and the share of its processor time."""
    batches = sorted({row["batch"] for row in measured})
    ratios: dict[str, dict[int, str]] = {}
    for row in measured:
        shown = f"{row['milliseconds_per_image']:.1f} ms ({row['wall_ratio']:.2f}; {row['processor_ratio']:.2f})"
        ratios.setdefault(row["network"], {})[row["batch"]] = shown
    headings = ["network", *(f"batch {batch}" for batch in batches)]
    return markdown_table(
        headings, [[network, *(own.get(batch, "-") for batch in batches)] for network, own in ratios.items()]
    )


def leaving_table() -> str:
    """What `python benchmarks/early_exit.py` wrote."""
    if not LEAVING.exists():
        return "Nothing yet.\n"
    rows = [
        [
            row["chain"].replace("_", " "),
            str(row["batch"]),
            f"{row['milliseconds_per_image']:.3f} ms",
            *(_write_share(row[side]) for side in ("same_error", "same_operations")),
            f"{row['masked']['wall_ratio']:.2f}",
        ]
        for row in json.loads(LEAVING.read_text("utf-8"))["rows"]
    ]
    return markdown_table(["chain", "batch", "time", "of the same error", "of the same operations", "of all run"], rows)


def _write_share(side: dict[str, Any]) -> str:
    return f"{side['wall_ratio']:.2f} of `{side['network']}`"


def training_table() -> str:
    """What `python benchmarks/training.py` wrote: how fast each loop is, and beside the one in the heading.

    Ratios are of medians over rounds.
    """
    if not TRAINING.exists():
        return "Nothing yet.\n"
    rows = json.loads(TRAINING.read_text("utf-8"))["rows"]
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


def exports_table() -> str:
    """What `python benchmarks/exports.py` wrote."""
    if not EXPORTS.exists():
        return "Nothing yet.\n"
    rows = [
        [
            f"`{row['network'] if row['side'] != 'static' else row['static']}`",
            f"{row['rate']}" if row["side"] != "static" else "-",
            str(row["batch"]),
            {"dense": "masked"}.get(row["side"], row["side"]),
            f"{row['milliseconds_per_image']:.2f} ms",
            *(f"{row[f'to_{side}']:.2f}" for side in ("dense", "static")),
        ]
        for row in json.loads(EXPORTS.read_text("utf-8"))["rows"]
    ]
    return markdown_table(["export", "rate", "batch", "execution", "per image", "of masked", "of static"], rows)


def normalization_table() -> str:
    """What `python benchmarks/normalization.py` wrote: steps with one operation, as shares of steps with many."""
    if not NORMALIZATION.exists():
        return "Nothing yet.\n"
    measured = json.loads(NORMALIZATION.read_text("utf-8"))
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


def determinism_table() -> str:
    """What `python benchmarks/determinism.py` wrote: each way beside op determinism alone, as shares of its cost."""
    if not DETERMINISM.exists():
        return "Nothing yet.\n"
    measured = json.loads(DETERMINISM.read_text("utf-8"))
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


def compiled_steps_table() -> str:
    """What `python benchmarks/compiled_steps.py` wrote: the cost of each loop, as a share of that of `model.fit`."""
    if not COMPILED_STEPS.exists():
        return "Nothing yet.\n"
    measured = json.loads(COMPILED_STEPS.read_text("utf-8"))
    rows = [
        [f"`{row['network']}`", row["loop"], f"{row['processor_ratio']:.2f}", f"{row['wall_ratio']:.2f}"]
        for row in measured["rows"]
    ]
    machine = f"{describe_processor(measured['hardware'])}, JAX {measured['hardware']['jax']}"
    return f"{machine}:\n\n{markdown_table(['network', 'loop', 'processor time', 'time'], rows)}"


def cold_start_table() -> str:
    """What `python benchmarks/cold_start.py` wrote: first calls, beside those of the static network."""
    if not COLD_START.exists():
        return "Nothing yet.\n"
    measured = json.loads(COLD_START.read_text("utf-8"))
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
    machine = f"{describe_processor(measured['hardware'])}, TensorFlow {measured['hardware']['tensorflow']}"
    return f"{machine}, {measured['settings']['date']}:\n\n{markdown_table(['network', *shown.values()], rows)}"


def _write_cold(row: dict[str, Any], what: str) -> str:
    if what not in row:
        return "-"
    value = f"{row[what] / 2**30:.1f} GiB" if what == "peak_bytes" else f"{row[what]:.1f} s"
    return value if row["network"] == row["static"] else f"{value} ({row['ratios'][what]:.2f})"
