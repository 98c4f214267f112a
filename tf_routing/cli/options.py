"""Options that several commands share: the network, its data, the values of a recipe, and JSON output."""

import argparse
import json
from typing import Any

from tf_routing.data.datasets import list_datasets
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.recipes.recipe_fields import RecipeField, recipe_fields
from tf_routing.train.recipes.recipe_files import list_recipes

# Names that other programs give the same values.
_OTHER_NAMES = {"kernel_decay": ("--weight_decay",)}
_NOT_OPTIONS = ("title",)
_PYTHON_WORDS = {"True": True, "False": False, "None": None}


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")


def add_set_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--set NAME=VALUE`, which may be repeated."""
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=_parse_assignment,
        action="append",
        default=[],
        help="another argument of the network, for example target_rate=0.5; may be repeated",
    )


def _parse_assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, received {text!r}")
    # As Python, cards and tables write them; JSON would take them for text, which is true where a boolean is meant.
    if value in _PYTHON_WORDS:
        return name, _PYTHON_WORDS[value]
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def add_dataset_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds `--dataset` and `--data_dir`.

    Args:
        parser: The parser of a command.
        default: Which dataset it is where `--dataset` is not given, in words.
    """
    names = f"{', '.join(list_datasets())}, any prepared TensorFlow Datasets folder, or a path of a folder of pictures"
    parser.add_argument("--dataset", help=f"{names}; {default} where not given")
    add_data_dir_option(parser)


def add_data_dir_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--data_dir`."""
    parser.add_argument("--data_dir", help="folder of TensorFlow Datasets; TFDS_DATA_DIR where not given")


def add_training_options(
    parser: argparse.ArgumentParser, model: str, recipe: str, output: str, needs_model: bool = True
) -> None:
    """Adds the options of every command that trains, which `training_request.read_request` reads.

    Args:
        parser: The parser of a command.
        model: Help of `--model`.
        recipe: Name of the recipe where `--recipe` is not given.
        output: Help of `--output`.
        needs_model: Boolean, whether `--model` must be given: a recipe may name networks instead.
    """
    parser.add_argument("--model", required=needs_model, help=model)
    add_dataset_options(parser, "digits" if needs_model else "that of the recipe, or digits,")
    about = f"one of {', '.join(list_recipes())}, or a .toml file; {recipe} where not given"
    parser.add_argument("--recipe", help=about)
    about = "scales the widths of the network; 1 where not given"
    parser.add_argument("--width_multiplier", metavar="FACTOR", type=float, help=about)
    add_set_option(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order, augmentation and what is drawn")
    parser.add_argument("--output", required=True, help=output)
    about = "begin anew: remove what was trained in --output before, and nothing else"
    parser.add_argument("--restart", action="store_true", help=about)
    add_recipe_options(parser)


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Adds an option for each value of a recipe; the recipe's own counts where it is not given."""
    group = parser.add_argument_group("values of the recipe, which count where an option is not given")
    for field in _option_fields():
        names = [f"--{field.name}", *_OTHER_NAMES.get(field.name, ())]
        # argparse formats help texts with `%`.
        group.add_argument(*names, dest=field.name, help=field.about.replace("%", "%%"), **_parsing_of(field))


def given_values(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the values of the recipe that options give, by name."""
    given = {field.name: getattr(arguments, field.name, None) for field in _option_fields()}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value is not None
    }


def _option_fields() -> list[RecipeField]:
    return [field for field in recipe_fields(Recipe) if field.name not in _NOT_OPTIONS]


def _parsing_of(field: RecipeField) -> dict[str, Any]:
    if field.kind is bool:
        return {"type": _parse_truth, "metavar": "true|false"}
    if field.kind == tuple[int, ...]:
        return {"type": int, "nargs": "*", "metavar": "EPOCH"}
    return {"type": field.kind, "metavar": field.name.upper()}


def _parse_truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, received {text!r}")
    return text.lower() == "true"
