"""The commands of `tf-routing`, and the parser that reads their options.

Nothing here imports Keras, so that help and lists answer at once.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import tf_routing
from tf_routing.cli.commands import (
    adapt,
    browser,
    calibrate,
    campaign,
    card,
    cascade,
    cost,
    demo,
    evaluate,
    export,
    figures,
    fit,
    launch,
    pack,
    predict,
    report,
    study,
    tune,
)
from tf_routing.cli.commands import list as list_command
from tf_routing.cli.parsing import Help, Parser


class Command(NamedTuple):
    """A command of the program.

    Args:
        about: One line for help.
        add_options: Adds its options to a parser.
        run: Does what the parsed options say. It checks names first, then calls `start_quietly`, and only then imports
            what needs Keras. Returns an exit status, or `None` for 0.
    """

    about: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]


COMMANDS: dict[str, Command] = {
    "list": Command("List the architectures of the zoo.", list_command.add_options, list_command.run),
    "card": Command("Show what is known about an architecture.", card.add_options, card.run),
    "cost": Command("Show what each layer of an architecture costs.", cost.add_options, cost.run),
    "pack": Command(
        "Write a dataset as files that can be copied to a machine without TensorFlow.", pack.add_options, pack.run
    ),
    "fit": Command("Train a network, or continue a run that stopped.", fit.add_options, fit.run),
    "adapt": Command(
        "Add routing to a network made elsewhere, and train what was added, without labels.",
        adapt.add_options,
        adapt.run,
    ),
    "cascade": Command(
        "Make one network of several trained ones, which asks the cheapest first.", cascade.add_options, cascade.run
    ),
    "evaluate": Command("Measure a trained network on a test set.", evaluate.add_options, evaluate.run),
    "predict": Command(
        "Classify pictures with a trained network, a SavedModel or an ONNX file.", predict.add_options, predict.run
    ),
    "calibrate": Command(
        "Find thresholds for budgets of computation, and measure a trained network at each.",
        calibrate.add_options,
        calibrate.run,
    ),
    "study": Command(
        "Train the variants of a network that a question needs, measure and draw them.", study.add_options, study.run
    ),
    "figures": Command("Draw what finished runs did, or what a dataset shows.", figures.add_options, figures.run),
    "report": Command("Write a page of HTML that shows a finished run.", report.add_options, report.run),
    "browser": Command(
        "Write a page that runs networks in a browser, and shows the way of a picture.",
        browser.add_options,
        browser.run,
    ),
    "tune": Command("Search loss weights, margins, temperatures and the learning rate.", tune.add_options, tune.run),
    "campaign": Command(
        "Train the networks of a comparison, several seeds of each, one after the other.",
        campaign.add_options,
        campaign.run,
    ),
    "export": Command("Write a trained network as others run it.", export.add_options, export.run),
    "launch": Command(
        "Start several workers on this machine, to try out what runs on a cluster.", launch.add_options, launch.run
    ),
    "demo": Command("Train, compare, look inside, export and classify, in minutes.", demo.add_options, demo.run),
}


def program_parser() -> Parser:
    """Returns the parser of the whole program; what it parses has the command's function as `run`."""
    parser = Parser(prog="tf-routing", description="Networks that decide, per image, which of their own parts to run.")
    parser.add_argument("--version", action="version", version=tf_routing.__version__)
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = parsers.add_parser(name, help=command.about, description=command.about, formatter_class=Help)
        command.add_options(subparser)
        subparser.set_defaults(run=command.run)
    return parser
