"""`tf-routing tune`: searches a family's loss weights, margins, temperatures and learning rate."""

import argparse
import shlex
from pathlib import Path

from tf_routing.cli.options import add_training_options, given_values
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.cli.training_request import TrainingRequest, read_request
from tf_routing.data import datasets
from tf_routing.runs.run_record import check_folder
from tf_routing.train.recipes.recipe_files import DEFAULT
from tf_routing.tuning.tuners import TUNERS
from tf_routing.zoo.registry import find


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what to train, how to search, and for how long."""
    add_training_options(parser, "name of the architecture", DEFAULT, "folder of the search")
    about = "random: drawn evenly; bayesian: where a Gaussian process expects most; hyperband: many for a few epochs, "
    parser.add_argument("--tuner", default="random", choices=TUNERS, help=about + "the best of them for more")
    about = "number of trials; with more of them the same command continues. hyperband may need fewer"
    parser.add_argument("--trials", type=int, default=20, help=about)
    about = "share of the training images that trials are measured on; test images are never looked at"
    parser.add_argument("--validation_share", type=float, default=0.2, help=about)
    about = "what trials are compared by, a number of the log: the highest val_accuracy, or the lowest of any other"
    parser.add_argument("--goal", default="val_accuracy", help=about)


def run(arguments: argparse.Namespace) -> None:
    """Searches, and prints the best trials and the command that trains with their values."""
    request = read_request(arguments)
    find(arguments.model)
    check_folder(Path(arguments.output))
    datasets.check(request.dataset, arguments.data_dir)
    start_quietly(onednn="1")
    _search(arguments, request)


def _search(arguments: argparse.Namespace, request: TrainingRequest) -> None:
    from tf_routing.tuning.results import none_options
    from tf_routing.tuning.tune import SearchSettings, tune

    dataset = request.load_dataset(arguments.data_dir)
    (network,) = request.runs
    settings = SearchSettings(
        arguments.tuner,
        arguments.goal,
        arguments.validation_share,
        arguments.seed,
        network.arguments,
        fixed=list(given_values(arguments)),
        recipe_name=arguments.recipe,
    )
    output = Path(arguments.output)
    recipe = request.fit_batch(dataset)
    rows = tune(arguments.model, dataset, recipe, output, settings, trials=arguments.trials, restart=arguments.restart)
    if not rows:
        print(f"Every trial was trained; the chief writes them to {arguments.output}.")
        return
    print(f"{len(rows)} trials are in {arguments.output}. Train on all images with the best values:")
    words = ["fit", "--model", arguments.model, "--dataset", request.dataset]
    words += ["--recipe", f"{arguments.output}/best.toml"]
    print(" ".join(filter(None, ["tf-routing", shlex.join(words), none_options(network.arguments), "--output ..."])))
