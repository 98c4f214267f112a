"""Reads campaign files: the trainings that comparisons of networks need, the most important first."""

import dataclasses
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_routing.runs.folder_names import folder_name
from tf_routing.support.validation import not_negative_integer, one_of, part_of_one, unknown
from tf_routing.train.recipes.recipe import Recipe, make_recipe
from tf_routing.train.recipes.recipe_files import read_recipe
from tf_routing.zoo.registry import find

PLACES = ("cpu", "gpu")
_CAMPAIGN = ("title", "comparisons")
_SHARED = ("dataset", "calibration_share", "recipe", "scale", "epochs", "precision", "arguments", "seeds", "where")
_COMPARISON = ("name", "title", "networks", *_SHARED)
_NETWORK = ("model", "label", "recipe", "scale", "epochs", "precision", "arguments", "where")
# What a value must be; numbers are checked where they are read.
_IS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "a list": lambda value: isinstance(value, list),
    "a table": lambda value: isinstance(value, dict),
    "a list of tables": lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
}
_TYPES = {
    **dict.fromkeys(("title", "name", "label", "model", "dataset", "recipe", "scale", "precision"), "text"),
    **dict.fromkeys(("seeds", "where"), "a list"),
    **dict.fromkeys(("comparisons", "networks"), "a list of tables"),
    "arguments": "a table",
}


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of a campaign: a network, how and with which seed it is trained.

    Args:
        comparison: Name of the comparison that it belongs to.
        label: What the network is called there.
        model: Its name in the zoo.
        arguments: Its arguments of `zoo.get`.
        dataset: Name of the dataset, or a folder of pictures.
        recipe: Name of the recipe, or a `.toml` file.
        scale: `"paper"` or `"quick"`, the part of the recipe.
        epochs: Integer; `None` for the recipe's.
        settings: The recipe, as read, with these epochs and the precision that the campaign gives.
        seed: Integer.
        where: Tuple of the places of `PLACES` that are fast enough for it.
        calibration_share: Float, the part of the training images that is set apart, to calibrate thresholds with;
            `None` for none.
    """

    comparison: str
    label: str
    model: str
    arguments: Mapping[str, Any]
    dataset: str
    recipe: str
    scale: str
    epochs: int | None
    settings: Recipe
    seed: int
    where: tuple[str, ...]
    calibration_share: float | None = None

    @property
    def folder(self) -> str:
        """The folder of its run, below that of the campaign."""
        return f"{self.comparison}/{self.label}/seed_{self.seed}"


@dataclasses.dataclass(frozen=True)
class Campaign:
    """Trainings, the most important first.

    Args:
        title: One line on what they are for.
        trainings: List of `Training`.
    """

    title: str
    trainings: list[Training]


def load_campaign(path: str) -> Campaign:
    """Reads a campaign.

    The first seed of every network of a comparison comes before the second of any, so that a campaign that stops early
    holds whole comparisons.

    Args:
        path: Path of a `.toml` file: `title`, and tables `[[comparisons]]` with `name`, `dataset`, `recipe`, `seeds`,
            perhaps `calibration_share`, `scale`, `epochs`, `precision`, `arguments`, `where`, and `networks`, tables
            with `model` and what differs.

    Returns:
        The `Campaign`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no TOML, or a key, a name or a value in it is not known or of the wrong type.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no campaign file {path}: give the path of a .toml file.")
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML file: {error}") from error
    _check_keys(path, "key", content, _CAMPAIGN)
    _check_has(path, content, _CAMPAIGN)
    trainings = [training for row in content["comparisons"] for training in _read_trainings(path, row)]
    folders = [training.folder for training in trainings]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ValueError(f"{path}: two trainings are called {folder}; give the networks `label`s that differ.")
    return Campaign(content["title"], trainings)


def _read_trainings(path: str, comparison: Mapping[str, Any]) -> list[Training]:
    _check_keys(path, "key of comparisons", comparison, _COMPARISON)
    _check_has(path, comparison, ("name", "dataset", "seeds", "networks"))
    for seed in comparison["seeds"]:
        not_negative_integer("seeds", seed)
    if len(set(comparison["seeds"])) < len(comparison["seeds"]):
        raise ValueError(f"{path}: `seeds` must differ. Received: seeds={comparison['seeds']}")
    if "calibration_share" in comparison:
        part_of_one("calibration_share", comparison["calibration_share"])
    networks = [_read_network(path, comparison, network) for network in comparison["networks"]]
    return [Training(**network, seed=seed) for seed in comparison["seeds"] for network in networks]


def _read_network(path: str, comparison: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    _check_keys(path, "key of networks", network, _NETWORK)
    values = {key: comparison[key] for key in _SHARED if key in comparison} | dict(network)
    _check_has(path, values, ("model", "recipe"))
    find(values["model"])
    scale = values.get("scale", "paper")
    file = read_recipe(values["recipe"], scale)
    settings = make_recipe(file).changed(epochs=values.get("epochs"), precision=values.get("precision"))
    for place in values.get("where", PLACES):
        one_of("where", place, PLACES)
    changes = network.get("arguments", {})
    label = network.get("label", f"{values['model']}_{folder_name(changes)}" if changes else values["model"])
    for key, folder in (("name", comparison["name"]), ("label", label)):
        if folder in (".", "..") or "/" in folder or "\\" in folder:
            raise ValueError(f"{path}: `{key}` must be fit for the name of a folder. Received: {key}={folder!r}")
    return {
        "comparison": comparison["name"],
        "label": label,
        "model": values["model"],
        # As in `fit`: what the recipe asks of every network comes first.
        "arguments": {**file.values.get("arguments", {}), **comparison.get("arguments", {}), **changes},
        "dataset": values["dataset"],
        "recipe": values["recipe"],
        "scale": scale,
        "epochs": values.get("epochs"),
        "settings": settings,
        "where": tuple(values.get("where", PLACES)),
        "calibration_share": values.get("calibration_share"),
    }


def _check_keys(path: str, kind: str, values: Mapping[str, Any], known: Iterable[str]) -> None:
    for key, value in values.items():
        if key not in tuple(known):
            raise ValueError(f"{path}: {unknown(kind, key, known)}")
        needed = _TYPES.get(key)
        if needed and not _IS[needed](value):
            raise ValueError(f"{path}: `{key}` must be {needed}. Received: {key}={value!r}")


def _check_has(path: str, values: Mapping[str, Any], needed: Iterable[str]) -> None:
    missing = [key for key in needed if not values.get(key)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}, or they are empty. Received: {dict(values)}")
