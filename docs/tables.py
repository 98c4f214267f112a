"""Writes the tables of README.md from the zoo's data files: `python docs/tables.py` (`--check` only compares)."""

import re
import sys
from pathlib import Path
from typing import Any

from tf_routing import zoo
from tf_routing.files import whole_file
from tf_routing.zoo.cards import read_data

README = Path(__file__).parent.parent / "README.md"


def main() -> int:
    """Rewrites the tables; with `--check`, returns 1 if they are not what the data says."""
    old = README.read_text("utf-8")
    new = _replaced(_replaced(old, "zoo", _zoo_table()), "measured", _measured_table())
    if "--check" in sys.argv[1:]:
        return int(old != new)
    with whole_file(README) as temporary:
        temporary.write_text(new, "utf-8")
    return 0


def _replaced(text: str, mark: str, table: str) -> str:
    pattern = rf"(<!-- {mark}: [^\n]*-->\n).*?(<!-- /{mark} -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{table}{match[2]}", text, flags=re.DOTALL)


def _zoo_table() -> str:
    rows = []
    for name in zoo.list_models():
        row = zoo.card(name).reported[0]
        errors = [value for data, value in row.error_percent.items() if data.split("_")[0] == "cifar10"]
        shown = f"{errors[-1]:.2f}" if errors else "-"
        size = "x".join(map(str, row.input_shape))
        rows.append([f"`{name}`", size, f"{row.trainable_parameters:,}", f"{row.macs:,}", shown])
    return _markdown(["name", "input", "parameters", "MACs", "reported error"], rows)


def _measured_table() -> str:
    headings = ["name", "dataset", "recipe", "epochs", "seed", "test accuracy", "minutes"]
    rows = [[_shown(run, heading) for heading in headings] for run in read_data("measured.json")]
    return _markdown(headings, rows) if rows else "Nothing yet.\n"


def _shown(run: dict[str, Any], heading: str) -> str:
    special = {
        "name": lambda: f"`{run['model']}`",
        "test accuracy": lambda: f"{run['accuracy']:.4f}",
        "minutes": lambda: f"{run['seconds'] / 60:.1f}",
    }
    return special[heading]() if heading in special else str(run[heading])


def _markdown(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
