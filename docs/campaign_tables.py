"""What campaigns trained: every network with the accuracies of its seeds and what they took."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from claims_tables import Place, read_places
from data_files import NOTHING_YET

from tf_routing.runs.finished_runs import mean_executed_macs
from tf_routing.runs.seeds import mean_minutes, summarize
from tf_routing.support.tables import markdown_table

_ROOT = Path(__file__).parent.parent
_HEADINGS = ["comparison", "network", "seeds", "test accuracy, %", "best", "million MACs", "processor minutes"]


def campaigns_table() -> str:
    """The networks of all campaigns that have a result, comparison by comparison, and how each comparison trains."""
    files = sorted((_ROOT / "campaigns").rglob("*.toml"))
    places = [place for place in read_places(files) if any(place.rows.values())]
    if not places:
        return NOTHING_YET
    rows = [cells for place in places for cells in _list_networks(place)]
    budgets = "".join(f"* `{place.name}` of {_write_budget(place)}\n" for place in places)
    return f"{budgets}\n{markdown_table(_HEADINGS, rows)}"


def _write_budget(place: Place) -> str:
    """What all networks of a comparison share."""
    comparisons = tomllib.loads(place.file.read_text("utf-8"))["comparisons"]
    title = next(each["title"] for each in comparisons if each["name"] == place.name)
    rows = [row for each in place.rows.values() for row in each]
    widths = {str(row["model_arguments"]["width_multiplier"]) for row in rows}
    recipes = {f"`{row['recipe']}`" + ("" if row["scale"] == "paper" else f" ({row['scale']})") for row in rows}
    images = {f"{row['train_images']:,}" for row in rows}
    epochs, datasets = {str(row["epochs"]) for row in rows}, {row["dataset"] for row in rows}
    shown = [" and ".join(sorted(each)) for each in (epochs, images, datasets, recipes, widths)]
    how = "{} epochs of {} images of {} by {}, width x {}".format(*shown)
    return f"`{place.file.relative_to(_ROOT)}`. {title}: {how}"


def _list_networks(place: Place) -> Iterator[list[str]]:
    for label, rows in place.rows.items():
        if rows:
            yield [place.name, f"`{label}`", str(len(rows)), *_write_results(rows)]


def _write_results(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = summarize(rows)
    spread = "" if found.deviation is None else f" ± {100 * found.deviation:.2f}"
    macs = sum(mean_executed_macs(row["final"]) for row in rows) / len(rows) / 1e6
    return [f"{100 * found.mean:.2f}{spread}", f"{100 * found.best:.2f}", f"{macs:.2f}", f"{mean_minutes(rows):.1f}"]
