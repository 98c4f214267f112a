"""`tf-routing calibrate`: finds thresholds for budgets of computation, and measures a network at each of them."""

import argparse
import json
from pathlib import Path
from typing import Any

from tf_routing.cli.budget_option import parse_share
from tf_routing.cli.options import add_dataset_options
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.data import datasets
from tf_routing.runs.run_record import choose_dataset, find_record
from tf_routing.runs.trained_file import BUDGETS, trained_file
from tf_routing.support.files import read_rows, whole_file, write_json
from tf_routing.support.validation import positive_integer

# What tells the rows of a data file apart: files of runs all have one name.
_IDENTITY = ("model", "dataset", "file", "run")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the network, its budgets, the images, and what to write."""
    parser.add_argument("path", help="folder of a run, or a .keras file")
    about = "shares of the network's static cost, above 0 and up to 1; five that thresholds reach where not given"
    parser.add_argument("--budgets", type=_parse_budgets, metavar="0.4,0.5,...", help=about)
    add_dataset_options(parser, "the run's")
    parser.add_argument("--batch_size", type=int, default=256, help="images per forward pass")
    about = "JSON file for the results; budgets.json in the run's folder where not given"
    parser.add_argument("--output", metavar="FILE", help=about)
    about = ".keras file for the network, which then knows its budgets; the run's own where not given"
    parser.add_argument("--save", metavar="FILE", help=about)
    parser.add_argument("--record", metavar="FILE", help="put the results into this JSON data file, which cards read")
    about = "JSON files of trainings (of `fit --record` or a campaign) to name a static network as accurate"
    parser.add_argument("--beside", metavar="FILE", nargs="+", default=[], help=about)


def _parse_budgets(text: str) -> list[float]:
    return [parse_share(each) for each in text.split(",")]


def run(arguments: argparse.Namespace) -> None:
    """Calibrates a trained network, prints what it does at each budget, and saves both."""
    file = trained_file(arguments.path)
    name = choose_dataset(arguments.dataset, find_record(file.parent))
    if not Path(arguments.path).is_dir() and None in (arguments.output, arguments.save):
        raise ValueError("Give --output and --save where `path` is a file: nothing beside it is written unasked.")
    positive_integer("batch_size", arguments.batch_size)
    rivals = [row for each in arguments.beside for row in json.loads(Path(each).read_text("utf-8"))]
    datasets.check(name, arguments.data_dir)
    start_quietly(onednn="1")
    _calibrate(arguments, file, name, rivals)


def _calibrate(arguments: argparse.Namespace, file: Path, name: str, rivals: list[dict[str, Any]]) -> None:
    from tf_routing import data
    from tf_routing.cli.budget_table import show
    from tf_routing.evaluation.budgets import add_rivals, divide_images, measure_budgets
    from tf_routing.runs.trained_network import load_trained

    model, record = load_trained(arguments.path)
    loaded = data.load(name, arguments.data_dir)
    calibration, test, source = divide_images(loaded, model, record)
    print(source)
    results = measure_budgets(model, calibration, test, arguments.budgets, arguments.batch_size)
    add_rivals(results, rivals, loaded.name)
    show(model.name, loaded.name, results)
    output = Path(arguments.output or file.parent / BUDGETS)
    trained = record.get("arguments", {})
    run = {key: trained[key] for key in ("model_arguments", "seed") if key in trained}
    row = {"model": model.name, "dataset": loaded.name, "file": file.name, "run": run, "calibrated_on": source}
    row |= results
    write_json(output, row)
    if arguments.record:
        _record(Path(arguments.record), row)
    saved = Path(arguments.save or file)
    with whole_file(saved) as temporary:
        model.save(temporary)
    print(f"Wrote {output}. {saved} knows these budgets: model.set_budget, or `tf-routing export --budget`.")


def _record(file: Path, row: dict[str, Any]) -> None:
    """Puts results into a data file, in the place of those of the same weights."""
    others = [each for each in read_rows(file) if any(each.get(key) != row[key] for key in _IDENTITY)]
    write_json(file, [*others, row])
