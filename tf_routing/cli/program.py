"""The commands of `tf-routing` and their options.

Nothing here imports Keras, so that help and lists answer at once.
"""

import argparse
import json
from typing import Any

import tf_routing
from tf_routing.cli.campaign_options import add_campaign_options
from tf_routing.cli.commands.export import add_export_options
from tf_routing.cli.parsing import Help, Parser
from tf_routing.cli.recipe_options import add_recipe_options
from tf_routing.cli.strategy_options import add_strategy_options
from tf_routing.cli.tune_options import add_tune_options
from tf_routing.data.datasets import list_datasets
from tf_routing.figures.figure_table import add_figure_options, list_figures
from tf_routing.studies.study_table import list_studies
from tf_routing.train.recipes.recipe_files import DEFAULT, SCALES, list_recipes


def program_parser() -> Parser:
    """Returns the parser of the whole program."""
    parser = Parser(prog="tf-routing", description="Networks that decide, per image, which of their own parts to run.")
    parser.add_argument("--version", action="version", version=tf_routing.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_list, _add_card, _add_cost, _add_fit, _add_evaluate, _add_study, _add_figures):
        add(commands)
    for add in (_add_tune, _add_campaign, _add_export, _add_demo):
        add(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction, name: str, help: str, module: str, onednn: str | None = None
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help, formatter_class=Help)
    parser.set_defaults(module=module, onednn=onednn)
    return parser


def _add_list(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "list", "List the architectures of the zoo.", "cli.commands.list")
    parser.add_argument("pattern", nargs="?", default="*", help="wildcard, for example 'resnet20_*cc'")
    parser.add_argument("--family", help="only architectures of this family")
    _add_json(parser)


def _add_card(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "card", "Show what is known about an architecture.", "cli.commands.card")
    parser.add_argument("model", help="name of the architecture")
    _add_json(parser)


def _add_cost(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "cost", "Show what each layer of an architecture costs.", "cli.commands.cost")
    parser.add_argument("model", help="name of the architecture")
    _add_set(parser)
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=_assignment,
        action="append",
        default=[],
        help="another argument of the network, for example target_rate=0.5; may be repeated",
    )


def _add_data(parser: argparse.ArgumentParser, otherwise: str) -> None:
    names = f"{', '.join(list_datasets())}, any prepared TensorFlow Datasets folder, or a path of a folder of pictures"
    parser.add_argument("--dataset", help=f"{names}; {otherwise} where not given")
    parser.add_argument("--data_dir", help="folder of TensorFlow Datasets; TFDS_DATA_DIR where not given")


def _add_training(
    parser: argparse.ArgumentParser, model: str, recipe: str, output: str, needs_model: bool = True
) -> None:
    parser.add_argument("--model", required=needs_model, help=model)
    _add_data(parser, "digits" if needs_model else "that of the recipe, or digits,")
    about = f"one of {', '.join(list_recipes())}, or a .toml file; {recipe} where not given"
    parser.add_argument("--recipe", help=about)
    about = "scales the widths of the network; 1 where not given"
    parser.add_argument("--width_multiplier", metavar="FACTOR", type=float, help=about)
    _add_set(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order, augmentation and what is drawn")
    parser.add_argument("--output", required=True, help=output)
    about = "begin anew: remove what was trained in --output before, and nothing else"
    parser.add_argument("--restart", action="store_true", help=about)
    add_recipe_options(parser)


def _add_fit(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "fit", "Train a network, or continue a run that stopped.", "train.fit", onednn="1")
    model = "name of the architecture; where not given, all networks that the recipe names"
    _add_training(parser, model, DEFAULT, "folder of the run, or of the runs", needs_model=False)
    parser.add_argument("--scale", default="paper", choices=SCALES, help="of the recipe, where it has both")
    parser.add_argument("--runs", type=int, nargs="+", help="numbers of the recipe's runs, counted from 1")
    parser.add_argument("--count_routes", action="store_true", help="log the number of different routes per epoch")
    parser.add_argument("--record", metavar="FILE", help="append the final result to this JSON data file")
    add_strategy_options(parser)
    about = "steps between checkpoints within an epoch; 0 for none but at its end"
    parser.add_argument("--checkpoint_every", metavar="STEPS", type=int, default=0, help=about)
    about = "the same bits every time, on one machine, with slower operations"
    parser.add_argument("--deterministic", action="store_true", help=about)


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, received {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands, "evaluate", "Measure a trained network on a test set.", "evaluation.evaluate", onednn="1"
    )
    parser.add_argument("path", help="folder of a run, or a .keras file")
    _add_data(parser, "the run's")
    parser.add_argument("--batch_size", type=int, default=256, help="images per forward pass")
    about = "number of classes, the first ones, whose images count; the run's where not given"
    parser.add_argument("--first_classes", type=int, help=about)
    parser.add_argument("--resize", type=int, help="of pictures before they are cropped; the run's where not given")
    parser.add_argument("--crops", type=int, default=1, help="1, or 10: corners and centre, mirrored too")
    parser.add_argument("--output", help="JSON file for the results")
    parser.add_argument("--categories", help="table of categories for execution rates: cifar100, or a .json file")
    parser.add_argument("--figure", help="picture of these rates")
    parser.add_argument("--rounds", type=int, help="timed calls; 15 on TensorFlow where not given, 0 for no timing")


def _add_study(commands: argparse._SubParsersAction) -> None:
    about = "Train the variants of a network that a question needs, measure and draw them."
    parser = _command(commands, "study", about, "studies.study", onednn="1")
    parser.add_argument("name", help=f"one of {', '.join(list_studies())}")
    model = "name of an architecture that skips blocks"
    _add_training(parser, model, "drn_quick", "folder of the data file, the figure and the runs")
    parser.set_defaults(recipe="drn_quick")
    parser.add_argument("--keep", type=int, help="blocks that decision_rules keeps; the paper's where not given")


def _add_figures(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "figures", "Draw what finished runs did, or what a dataset shows.", "figures.draw")
    parser.add_argument("name", help=f"one of {', '.join(list_figures())}")
    about = "folder of a run, or of the runs of a recipe"
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=about)
    add_figure_options(parser)
    parser.add_argument("--output", required=True, help="picture to write; its ending tells the format")


def _add_export(commands: argparse._SubParsersAction) -> None:
    add_export_options(_command(commands, "export", "Write a trained network as others run it.", "cli.commands.export"))


def _add_tune(commands: argparse._SubParsersAction) -> None:
    about = "Search loss weights, margins, temperatures and the learning rate."
    parser = _command(commands, "tune", about, "tuning.tune", onednn="1")
    _add_training(parser, "name of the architecture", DEFAULT, "folder of the search")
    add_tune_options(parser)


def _add_campaign(commands: argparse._SubParsersAction) -> None:
    about = "Train the networks of a comparison, several seeds of each, one after the other."
    add_campaign_options(_command(commands, "campaign", about, "train.campaigns.campaign", onednn="1"))


def _add_demo(commands: argparse._SubParsersAction) -> None:
    parser = _command(
        commands,
        "demo",
        "Train, compare, look inside, export and classify, in minutes.",
        "cli.commands.demo",
        onednn="1",
    )
    parser.add_argument("--epochs", type=int, default=6, help="epochs of each network")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and augmentation")
    parser.add_argument("--output", default="runs/demo", help="folder for pictures, runs and the export")
