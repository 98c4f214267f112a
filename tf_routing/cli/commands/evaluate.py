"""`tf-routing evaluate`: accuracy, cost, decisions and times of a trained network on a test set, or of many."""

import argparse
from pathlib import Path
from typing import Any

from tf_routing.cli.options import add_dataset_options
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.data import datasets
from tf_routing.evaluation import results_table
from tf_routing.runs.run_record import choose_dataset, find_record
from tf_routing.runs.trained_file import trained_file
from tf_routing.support.files import write_json
from tf_routing.support.validation import not_negative_integer, positive_integer

# Timed calls where `--rounds` is not given.
_ROUNDS = 15
_TABLE = "saved_models/results.csv"
# What a single network is asked, and many are not.
_OF_ONE = {"dataset": None, "first_classes": None, "resize": None, "crops": 1, "versions": False}
_OF_ONE |= {"categories": None, "figure": None}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds which network, on which images, and what to write."""
    about = "folder of a run, or a .keras file; with --all a folder of runs, to be measured too"
    parser.add_argument("path", nargs="?", help=about)
    about = f"measure every released network, and write the table {_TABLE} anew, or what --output names"
    parser.add_argument("--all", action="store_true", help=about)
    add_dataset_options(parser, "the run's")
    parser.add_argument("--batch_size", type=int, default=256, help="images per forward pass")
    about = "number of classes, the first ones, whose images count; the run's where not given"
    parser.add_argument("--first_classes", type=int, help=about)
    parser.add_argument("--resize", type=int, help="of pictures before they are cropped; the run's where not given")
    parser.add_argument("--crops", type=int, default=1, help="1, or 10: corners and centre, mirrored too")
    about = "of a network that skips: count the images that keep their route when they are cropped, flipped and rotated"
    parser.add_argument("--versions", action="store_true", help=about)
    parser.add_argument("--output", help="JSON file for the results; with --all the table, a .csv file")
    parser.add_argument(
        "--categories", help="for execution rates: cifar100, imagenet2012, or a .json file of one integer per class"
    )
    parser.add_argument("--figure", help="picture of these rates")
    parser.add_argument(
        "--rounds", type=int, help="timed calls; 0 for no timing. 15 on TensorFlow where not given, with --all 0"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints what a trained network reaches on a test set, and writes it where `--output` says."""
    if arguments.all:
        _write_table(arguments)
        return
    if arguments.path is None:
        raise ValueError(
            "`path` must be given: the folder of a run, a .keras file, or --all for all released networks."
        )
    name = choose_dataset(arguments.dataset, find_record(trained_file(arguments.path).parent))
    datasets.check(name, arguments.data_dir)
    start_quietly(onednn="1")
    _evaluate(arguments, name)


def _evaluate(arguments: argparse.Namespace, dataset_name: str) -> None:
    from tf_routing import data
    from tf_routing.cli import evaluation_tables
    from tf_routing.cli.paper_comparison import compare_with_paper
    from tf_routing.evaluation.evaluate import evaluate
    from tf_routing.runs.trained_network import as_trained, load_trained

    rounds = _choose_rounds(arguments.rounds)
    model, record = load_trained(arguments.path)
    dataset = data.load(dataset_name, arguments.data_dir)
    if dataset.note:
        print(dataset.note)
    dataset = as_trained(dataset, model, record, arguments.first_classes, arguments.resize)
    if not record.get("class_names"):
        print(
            f"{arguments.path} does not name its classes: the first is taken for {dataset.class_names[0]!r}, and so on."
        )
    run_arguments = record.get("arguments", {})
    results = evaluate(
        model,
        dataset,
        positive_integer("batch_size", arguments.batch_size),
        architecture=run_arguments.get("model"),
        model_arguments=run_arguments.get("model_arguments", {}),
        categories=arguments.categories,
        rounds=rounds,
        crops=arguments.crops,
        versions=arguments.versions,
    )
    evaluation_tables.show(model, results)
    for line in compare_with_paper(run_arguments, dataset_name, results["accuracy"]):
        print(line)
    _write(arguments, model.name, results)


def _write_table(arguments: argparse.Namespace) -> None:
    for option, default in _OF_ONE.items():
        if getattr(arguments, option) != default:
            raise ValueError(
                f"`{option}` is not for --all, which measures every network as it was trained. "
                f"Received: {option}={getattr(arguments, option)!r}"
            )
    batch_size = positive_integer("batch_size", arguments.batch_size)
    networks = results_table.list_trained(arguments.path)
    for name in dict.fromkeys(network.dataset for network in networks):
        datasets.check(name, arguments.data_dir)
    start_quietly(onednn="1")
    rounds = _choose_rounds(arguments.rounds or 0)
    rows = []
    for row in results_table.evaluate_trained(networks, arguments.data_dir, batch_size, rounds):
        print(f"{row['name']} on {row['images']:,} test images of {row['dataset']}: accuracy {row['accuracy']:.4f}")
        rows.append(row)
    path = Path(arguments.output or _TABLE)
    results_table.write_table(path, rows)
    print(f"Wrote {len(rows)} rows to {path}.")


def _choose_rounds(given: int | None) -> int:
    """Returns the timed calls that are asked for, or a default where skipping can be timed."""
    import keras

    backend = keras.backend.backend()
    if given is None:
        return _ROUNDS if backend == "tensorflow" else 0
    if given and backend != "tensorflow":
        raise ValueError(
            f"`rounds` must be 0 on {backend!r}: times are compared on TensorFlow alone. Received: rounds={given}"
        )
    return not_negative_integer("rounds", given)


def _write(arguments: argparse.Namespace, name: str, results: dict[str, Any]) -> None:
    if arguments.output:
        write_json(Path(arguments.output), results)
    if arguments.figure and "rates_by_category" in results:
        from tf_routing.analysis import draw_execution_rates

        draw_execution_rates(results["rates_by_category"], arguments.figure, f"Execution rate, {name}")
