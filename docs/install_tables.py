"""The table of what an install weighs."""

from typing import Any

from data_files import BENCHMARKS, NOTHING_YET, of_file

from tf_routing.support.tables import markdown_table

_INSTALLS = {
    ("before", ""): "before TensorFlow Datasets, scikit-learn, SciPy, Matplotlib and TensorBoard were extras",
    ("now", ""): "`pip install .`",
    ("now", "train"): "`pip install '.[train]'`",
}


@of_file(BENCHMARKS / "installs.json")
def installs_table(measured: Any) -> str:
    """What `python benchmarks/installs.py` wrote: weight and seconds, and on which Pythons the README's lines ran."""
    rows = measured["rows"]
    # The Python on which all was measured; others were only tried.
    first = next((row["python"] for row in rows if "processor_seconds" in row), "")
    shown = [
        [about, *_write_row(row)]
        for (label, extras), about in _INSTALLS.items()
        for row in rows
        if (row["label"], row["extras"], row["python"]) == (label, extras, first)
    ]
    if not shown:
        return NOTHING_YET
    headings = ["install", "packages", "MB", "`import tf_routing`", "`zoo.get`", '`data.load("digits")`']
    about = f"Python {first}, {measured['hardware']['cores']} cores of {measured['hardware']['processor']}"
    return f"{about}; processor time, median:\n\n{markdown_table(headings, shown)}\n{_write_tried(rows)}\n"


def _write_row(row: dict[str, Any]) -> list[str]:
    seconds = row.get("processor_seconds", {})
    times = [
        f"{seconds[what]['median']:.2f} s" if what in seconds else "-" for what in ("package", "network", "digits")
    ]
    return [str(row["distributions"]), f"{row['megabytes']:,.0f}", *times]


def _write_tried(rows: list[dict[str, Any]]) -> str:
    """Says of each Python whether the wheel was installed in an empty environment and the README's lines ran there."""
    tried = [row for row in rows if row["label"] == "now" and not row["extras"]]
    ran = [row["python"] for row in tried if row.get("readme_runs")]
    text = f"The wheel alone, in an empty environment, ran the README's lines and an export on Python {', '.join(ran)}."
    # Those on which nothing but the install was tried.
    only = [row["python"] for row in tried if row["installed"] and "readme_runs" not in row]
    bad = [
        f"{row['python']} ({row['reason'] or row['error']})"
        for row in tried
        if not row["installed"] or row.get("readme_runs") is False
    ]
    text += f" It was installed, and no more tried, on {', '.join(only)}." if only else ""
    return text + (f" It failed on {', '.join(bad)}." if bad else "")
