"""Tables of execution rates, routes and times of trained networks that skip."""

import json
from pathlib import Path
from typing import Any

from data_files import NOTHING_YET

from tf_routing.support.tables import markdown_table
from tf_routing.zoo.card_fields import write_arguments
from tf_routing.zoo.cards import read_data

_DOCS = Path(__file__).parent
EVALUATED = _DOCS / "evaluated"
CONSISTENCY = sorted((_DOCS / "studies").glob("path_consistency*.json"))
RECIPE = "drn_quick"


def evaluated_table() -> str:
    """What `tf-routing evaluate` wrote of trained networks, one row per network and batch size."""
    headings = ["network", "execution rate", "executed MACs", "distinct routes"]
    rows, times = [], []
    for file in sorted(EVALUATED.glob("*.json")):
        results = _read(file)
        if "executed_macs" not in results:
            continue
        executed = results["executed_macs"]
        share = f"{executed['mean']:,.0f} ± {executed['deviation']:,.0f} of {results['macs']:,}"
        rate = f"{results['execution_rate']:.3f}" if "execution_rate" in results else "-"
        rows.append([f"`{file.stem}`", rate, share, f"{results['distinct_routes']:,}"])
        times += [[f"`{file.stem}`", *_write_time(row)] for row in results.get("times", [])]
    timed = ["network", "batch", "masked", "sparse", "static", "sparse / static"]
    if not rows:
        return NOTHING_YET
    return markdown_table(headings, rows) + ("\n" + markdown_table(timed, times) if times else "")


def _write_time(row: dict[str, Any]) -> list[str]:
    sides = (f"{row[f'{side}_milliseconds']:.2f} ms" for side in ("masked", "sparse", "static"))
    return [str(row["batch"]), *sides, f"{row['sparse_to_static']:.2f}"]


def skipping_runs_table() -> str:
    """What one recipe came to with and without routing, and how many images keep their route when they are changed."""
    headings = ["network", "arguments", "accuracy", "executed blocks", "distinct routes"]
    runs = [run for run in read_data("measured.json") if run["recipe"] == RECIPE]
    studies = [_read(file) for file in CONSISTENCY]
    rows = [
        [
            f"`{run['model']}`",
            write_arguments(run["model_arguments"], leave_out=["width_multiplier"]),
            f"{run['accuracy']:.4f}",
            *_write_routes(run),
            *_write_consistency(run, studies),
        ]
        for run in sorted(runs, key=lambda run: "execution_rates" in run)
    ]
    return markdown_table([*headings, "images that keep their route", "accuracy on changed images"], rows)


def _write_routes(run: dict[str, Any]) -> list[str]:
    if "execution_rates" not in run:
        return ["all", "-"]
    executed = sum(rate for rates in run["execution_rates"].values() for rate in rates)
    return [f"{executed:.1f} of {len(run['execution_rates'])}", f"{run['distinct_routes']:,}"]


def _write_consistency(run: dict[str, Any], studies: list[dict[str, Any]]) -> list[str]:
    """What `tf-routing study path_consistency` found for this run."""
    for study in studies:
        for row in study["rows"]:
            arguments = {**study["model_arguments"], **row.get("changes", {})}
            if (study["model"], study["epochs"], arguments) == (run["model"], run["epochs"], run["model_arguments"]):
                changed = [row["accuracies"][version] for version in study["image_versions"]]
                kept = f"{row['consistent']:,} of {study['images']:,}"
                return [kept, f"{sum(changed) / len(changed):.4f}"]
    return ["-", "-"]


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8"))
