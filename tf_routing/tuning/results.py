"""Writes the results of a search: data files, a table, a plot, and a recipe with the best values."""

import csv
import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_routing.support.files import whole_file, write_json
from tf_routing.tuning.search_space import Parameter, select_part
from tf_routing.zoo.registry import list_arguments

_SHOWN = ("executed_share",)
_PANELS_IN_A_ROW, _PANEL = 4, 2.9


def trial_rows(tuner: Any, space: Sequence[Parameter]) -> list[dict[str, Any]]:
    """Returns one dict per trial that is through, the best first.

    Args:
        tuner: A tuner of Keras Tuner.
        space: What it searched.

    Returns:
        Dicts of `trial` (counted from 1), `score`, `epochs` for Hyperband, the values that were searched, and
        `metrics`, the log of the trial's last epoch.
    """
    goal, rows = tuner.oracle.objective, []
    for name, trial in tuner.oracle.trials.items():
        if trial.score is None or not math.isfinite(trial.score):
            continue
        values = trial.hyperparameters.values
        epochs = {"epochs": values["tuner/epochs"]} if "tuner/epochs" in values else {}
        metrics = {metric: trial.metrics.get_last_value(metric) for metric in trial.metrics.metrics}
        searched = {parameter.name: values[parameter.name] for parameter in space}
        rows.append({"trial": int(name) + 1, "score": trial.score, **epochs, **searched, "metrics": metrics})
    sign = -1 if goal.direction == "max" else 1
    # Of equals the earlier one: a tuner that goes on holds its trials in another order.
    return sorted(rows, key=lambda row: (sign * row["score"], row["trial"]))


def write_results(
    folder: Path, arguments: dict[str, Any], space: Sequence[Parameter], rows: Sequence[dict[str, Any]]
) -> None:
    """Writes `trials.json`, `trials.csv`, `trials.png` and `best.toml`, each whole.

    Args:
        folder: Where to.
        arguments: What was searched with.
        space: What was searched.
        rows: What `trial_rows` returns, at least one.
    """
    spans = [parameter._asdict() for parameter in space]
    write_json(folder / "trials.json", {"arguments": arguments, "space": spans, "trials": list(rows)})
    flat = [{**{key: value for key, value in row.items() if key != "metrics"}, **row["metrics"]} for row in rows]
    with whole_file(folder / "trials.csv") as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(key for row in flat for key in row)))
        writer.writeheader()
        writer.writerows(flat)
    draw_trials(folder / "trials.png", arguments["goal"], space, rows)
    with whole_file(folder / "best.toml") as temporary:
        temporary.write_text(best_recipe(arguments, space, rows[0]), "utf-8")


def best_recipe(arguments: dict[str, Any], space: Sequence[Parameter], best: dict[str, Any]) -> str:
    """Returns a recipe file that stands alone: the best values, and all others that the search had."""
    import tomli_w

    values = {part: select_part(part, space, best) for part in ("recipe", "network", "objective")}
    known = list_arguments(arguments["model"])
    searched = {**values["network"], **{name: value for name, value in values["objective"].items() if name in known}}
    others = {name: value for name, value in values["objective"].items() if name not in known}
    recipe = {**arguments["recipe_values"], "title": f"Values that a search found for {arguments['model']}"}
    recipe |= values["recipe"]
    content = {key: value for key, value in recipe.items() if key != "name" and value is not None}
    network = {**arguments["model_arguments"], **searched}
    content["arguments"] = {key: value for key, value in network.items() if not _has_none(value)}
    return _comments(arguments, best, others) + tomli_w.dumps(content)


def _comments(arguments: dict[str, Any], best: dict[str, Any], others: dict[str, float]) -> str:
    """Returns the comment lines of a recipe file."""
    # In quotes, since names of datasets and recipes may hold line ends.
    lines = [
        f"The best of {arguments['model']} on {arguments['dataset']!r}: {arguments['goal']} {best['score']:.4f} on "
        f"images held out of the training set; what was not searched has the values of {arguments['recipe']!r}.",
        *(f"Of the objective, which is set in Python only: {name} = {value!r}" for name, value in others.items()),
    ]
    if words := none_options(arguments["model_arguments"]):
        lines.append(f"TOML has no word for None; give these to `fit` too: {words}")
    return "".join(f"# {line}\n" for line in lines)


def none_options(arguments: dict[str, Any]) -> str:
    """Returns the options that give a network the arguments which a recipe file cannot hold."""
    held = [f"{name}={json.dumps(value)}" for name, value in arguments.items() if _has_none(value)]
    return " ".join(f"--set {shlex.quote(each)}" for each in held)


def _has_none(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return value is None or any(map(_has_none, inner))


def results_table(
    arguments: dict[str, Any], space: Sequence[Parameter], rows: Sequence[dict[str, Any]], most: int = 10
) -> Table:
    """Returns a table of the best trials for the terminal."""
    table = Table(title=f"{arguments['model']} on {arguments['dataset']}: best of {len(rows)} trials")
    epochs = ["epochs"] if "epochs" in rows[0] else []
    shown = [name for name in _SHOWN if name in rows[0]["metrics"]]
    for heading in ("trial", arguments["goal"], *epochs, *(parameter.name for parameter in space), *shown):
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows[:most]:
        numbers = [f"{row[parameter.name]:.3g}" for parameter in space]
        more = [f"{row['metrics'][name]:.3f}" for name in shown]
        table.add_row(str(row["trial"]), f"{row['score']:.4f}", *(str(row[name]) for name in epochs), *numbers, *more)
    return table


def draw_trials(path: Path, goal: str, space: Sequence[Parameter], rows: Sequence[dict[str, Any]]) -> None:
    """Draws the score over each value that was searched, one panel each; later trials are darker, the best is marked.

    Args:
        path: Where to; the ending tells the format.
        goal: What the score is.
        space: What was searched.
        rows: What `trial_rows` returns.
    """
    from tf_routing.analysis.charts.style import HEAT_MAP, RED, add_panels, chart, shape_grid

    # As many in each row as in the others, as far as that goes.
    across = -(-len(space) // -(-len(space) // _PANELS_IN_A_ROW))
    down, _ = shape_grid(len(space), across)
    with chart(path, (_PANEL * across + 0.9, _PANEL * down + 0.3)) as figure:
        from matplotlib.ticker import MaxNLocator

        panels = add_panels(figure, len(space), across, sharey=True)
        dots: Any = None
        for axes, parameter in zip(panels, space, strict=True):
            x, y = [row[parameter.name] for row in rows], [row["score"] for row in rows]
            dots = axes.scatter(x, y, c=[row["trial"] for row in rows], cmap=f"{HEAT_MAP}_r", s=26)
            axes.scatter(x[:1], y[:1], s=170, facecolors="none", edgecolors=RED, linewidths=1.6)
            axes.set_xscale("log" if parameter.sampling == "log" else "linear")
            axes.set_xlim(*_axis_limits(parameter))
            axes.set_xlabel(parameter.name.replace("_", " "))
            axes.grid(alpha=0.25)
        for axes in panels[::across]:
            axes.set_ylabel(goal.replace("val_", "held-out ").replace("_", " "))
        figure.colorbar(dots, ax=panels, label="trial (the best is circled)", ticks=MaxNLocator(integer=True))


def _axis_limits(parameter: Parameter) -> tuple[float, float]:
    """Returns the range of a parameter, widened a little on both sides."""
    if parameter.sampling == "log":
        air = (parameter.high / parameter.low) ** 0.04
        return parameter.low / air, parameter.high * air
    air = 0.04 * (parameter.high - parameter.low)
    return parameter.low - air, parameter.high + air
