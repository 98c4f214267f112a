"""The fields of `Recipe` as options, documentation and checks need them, read from the class alone."""

import dataclasses
import math
import re
from typing import Any, NamedTuple

from tf_routing.support.validation import is_integer, is_number, unknown

_KINDS = {
    int: "integer",
    float: "number",
    bool: "true or false",
    str: "text",
    tuple[int, ...]: "list of integers",
}
_ACCEPTED = {
    int: "an integer",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    tuple[int, ...]: "a list of integers",
}


class RecipeField(NamedTuple):
    """A field of a recipe.

    Args:
        name: Its name.
        kind: `int`, `float`, `bool`, `str` or `tuple[int, ...]`.
        optional: Boolean, whether it may be left open, which TOML does by leaving it out.
        default: Its value where a file that stands alone does not give it, `dataclasses.MISSING` where it must.
        about: What it means.
    """

    name: str
    kind: Any
    optional: bool
    default: Any
    about: str

    @property
    def type_name(self) -> str:
        """What a value is, in words."""
        return _KINDS[self.kind]


def recipe_fields(recipe: type) -> list[RecipeField]:
    """Returns the fields of a recipe's class that a file may give, in their order.

    Example:

    >>> from tf_routing.train.recipes.recipe import Recipe
    >>> [field.type_name for field in recipe_fields(Recipe)][:3]
    ['text', 'integer', 'integer']
    """
    about = _read_descriptions(recipe.__doc__ or "")
    return [
        RecipeField(field.name, *_kind(field.type), field.default, about[field.name])
        for field in dataclasses.fields(recipe)
        if field.name != "name"
    ]


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type of a field's values, and whether `None` is one."""
    for kind in _KINDS:
        if annotation == kind:
            return kind, False
        if annotation == kind | None:
            return kind, True
    raise TypeError(f"A recipe has no fields of type {annotation}.")


def _read_descriptions(docstring: str) -> dict[str, str]:
    """What the lines below `Args:` say of each argument."""
    _, _, arguments = docstring.partition("Args:\n")
    found = re.findall(r"^        (\w+): (.*?)(?=^        \w|\Z)", arguments, flags=re.DOTALL | re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def check_keys(recipe: type, name: str, values: dict[str, Any]) -> None:
    """Raises a `ValueError` with close ones if a file has a key that is no field."""
    known = [field.name for field in recipe_fields(recipe)]
    for key in values:
        if key not in known:
            raise ValueError(f"Recipe {name}: {unknown('key', key, known, 'docs/training.md lists all.')}")


def check_type(field: RecipeField, value: Any) -> None:
    """Raises a `ValueError` that names a field if its value is of another type."""
    if value is None and field.optional:
        return
    if not _fits(field.kind, value):
        article = (
            "" if field.kind is bool else "an " if field.kind is int else "a finite " if field.kind is float else "a "
        )
        raise ValueError(f"`{field.name}` must be {article}{field.type_name}. Received: {field.name}={value!r}")


def _fits(kind: Any, value: Any) -> bool:
    if kind == tuple[int, ...]:
        return isinstance(value, tuple) and all(_fits(int, each) for each in value)
    if kind is float:
        return is_number(value) and math.isfinite(value)
    return is_integer(value) if kind is int else isinstance(value, kind)
