"""The values of a recipe as options of a command."""

import argparse
from typing import Any

from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.recipes.recipe_fields import RecipeField, recipe_fields

# What other programs call it.
_OTHER_NAMES = {"kernel_decay": ("--weight_decay",)}
_NOT_OPTIONS = ("title",)


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Adds an option for each value of a recipe; the recipe's own counts where it is not given."""
    group = parser.add_argument_group("values of the recipe, which count where an option is not given")
    for field in _fields():
        names = [f"--{field.name}", *_OTHER_NAMES.get(field.name, ())]
        group.add_argument(*names, dest=field.name, help=field.about.replace("%", "%%"), **_reading(field))


def given_values(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the values that options give, by name."""
    given = {field.name: getattr(arguments, field.name, None) for field in _fields()}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value is not None
    }


def _fields() -> list[RecipeField]:
    return [field for field in recipe_fields(Recipe) if field.name not in _NOT_OPTIONS]


def _reading(field: RecipeField) -> dict[str, Any]:
    metavar = field.name.upper()
    if field.kind is bool:
        return {"type": _truth, "metavar": "true|false"}
    if field.kind == tuple[int, ...]:
        return {"type": int, "nargs": "*", "metavar": "EPOCH"}
    return {"type": field.kind, "metavar": metavar}


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, received {text!r}")
    return text.lower() == "true"
