"""Reads recipe files: bases that they extend, defaults of partial ones, and the part for a scale."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.support.validation import one_of, unknown

SCALES = ("paper", "quick")
DEFAULT = "quick"
# What a recipe cannot train without. A file that lacks one of them is filled from the default recipe.
NEEDED = ("epochs", "batch_size", "learning_rate")
_TABLES = ("quick", "arguments", "runs")
_SEE = "`tf-routing fit --help` names all; the path of a file ends in '.toml'."


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


class RecipeFile(NamedTuple):
    """The content of a recipe file on one scale.

    Args:
        name: Name of the recipe, or path of its file.
        scale: One of `SCALES`.
        written: What the file and those that it extends say.
        values: The same over the values of `DEFAULT` where it lacks one of `NEEDED`.
    """

    name: str
    scale: str
    written: dict[str, Any]
    values: dict[str, Any]

    @property
    def missing(self) -> list[str]:
        """The names of `NEEDED` that the file does not give."""
        return [key for key in NEEDED if key not in self.written]


def read_recipe(name: str, scale: str = "paper") -> RecipeFile:
    """Reads a recipe file and those that it extends.

    Args:
        name: A name of `list_recipes()`, or the path of a `.toml` file. One that lacks a value of `NEEDED` is filled
            from the recipe `DEFAULT`.
        scale: One of `SCALES`; `"quick"` puts the file's table of that name over the rest.

    Raises:
        ValueError: If the name is not known, the file is no recipe, or the recipe has no such scale.
        FileNotFoundError: If the path names no file.
    """
    one_of("scale", scale, SCALES)
    written = _read_extended(name)
    values = written
    if any(key not in written for key in NEEDED):
        # Its title says what another recipe does.
        values = {**_read_extended(DEFAULT), "title": f"{Path(name).stem}, filled from {DEFAULT}", **written}
    if scale == "quick" and "quick" not in values:
        raise ValueError(f"`scale` must be 'paper' for {name}, which has no other. Received: scale={scale!r}")
    return RecipeFile(name, scale, _at_scale(written, scale), _at_scale(values, scale))


def _at_scale(values: dict[str, Any], scale: str) -> dict[str, Any]:
    paper = {key: value for key, value in values.items() if key != "quick"}
    return paper | values.get("quick", {}) if scale == "quick" else paper


def _read_extended(name: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    if name in above:
        raise ValueError(f"Recipe {name} extends itself: {' -> '.join([*above, name])}.")
    values = _parse(name)
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ValueError(f"Recipe {name}: `extends` must be the name or the path of a recipe. Received: {base!r}")
    below = _read_extended(_resolve_base(base, name), (*above, name))
    # The scale of the file below holds here too.
    quick = below.get("quick", {}) | values.get("quick", {})
    return below | values | ({"quick": quick} if quick else {})


def _resolve_base(base: str, name: str) -> str:
    """Returns the base's path relative to the file that names it, or else to the working folder."""
    path = Path(name).parent / base
    return str(path) if base.endswith(".toml") and name.endswith(".toml") and path.exists() else base


def _parse(name: str) -> dict[str, Any]:
    try:
        values = tomllib.loads(_read_text(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Recipe {name} is not TOML: {error}. A line of it reads, for example, epochs = 3") from error
    for table in _TABLES:
        if not isinstance(values.get(table, {}), dict):
            raise ValueError(f"Recipe {name}: `{table}` must be a table, [{table}]. Received: {values[table]!r}")
    return values


def _read_text(name: str) -> str:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(_explain_missing(path))
        return path.read_text("utf-8")
    if name not in list_recipes():
        if Path(f"{name}.toml").is_file():
            raise ValueError(f"Unknown recipe {name!r}. Did you mean the file {name}.toml?")
        raise ValueError(unknown("recipe", name, list_recipes(), _SEE))
    return _folder().joinpath(f"{name}.toml").read_text("utf-8")


def _explain_missing(path: Path) -> str:
    if path.stem in list_recipes():
        return f"No recipe file {path}. Did you mean the recipe {path.stem!r}, without an ending?"
    return f"No recipe file {path}. {_SEE}"
