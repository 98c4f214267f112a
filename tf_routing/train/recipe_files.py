"""Reads recipe files: what one extends, and the part for a scale."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from tf_routing.validation import one_of, unknown

SCALES = ("paper", "quick")


def list_recipes() -> list[str]:
    """Returns the names of the recipes that come with the library."""
    return sorted(_names(_folder()))


def _names(folder: Any, prefix: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".toml"):
            yield prefix + Path(entry.name).stem


def _folder() -> Any:
    return resources.files("tf_routing.train").joinpath("recipes")


def read_recipe(name: str, scale: str = "paper") -> dict[str, Any]:
    """Returns the content of a recipe file over that of the file it extends.

    Args:
        name: A name of `list_recipes()`, or the path of a `.toml` file.
        scale: One of `SCALES`; `"quick"` puts the file's table of that name over the rest.

    Raises:
        ValueError: If the name is not known, or the recipe has no such scale.
        FileNotFoundError: If the path names no file.
    """
    one_of("scale", scale, SCALES)
    values = _extended(name)
    quick = values.pop("quick", None)
    if scale == "paper":
        return values
    if quick is None:
        raise ValueError(f"`scale` must be 'paper' for {name}, which has no other. Received: scale={scale!r}")
    return values | quick


def _extended(name: str) -> dict[str, Any]:
    values: dict[str, Any] = tomllib.loads(_text(name))
    base = values.pop("extends", None)
    if base is None:
        return values
    below = _extended(base)
    # The scale of the file below holds here too.
    quick = below.get("quick", {}) | values.get("quick", {})
    return below | values | ({"quick": quick} if quick else {})


def _text(name: str) -> str:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.exists():
            raise FileNotFoundError(f"No recipe file {name}. Recipes by name: {', '.join(list_recipes())}.")
        return path.read_text("utf-8")
    if name not in list_recipes():
        raise ValueError(unknown("recipe", name, list_recipes()))
    return _folder().joinpath(f"{name}.toml").read_text("utf-8")
