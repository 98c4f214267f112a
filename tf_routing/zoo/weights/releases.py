"""Released weights, which were trained here: data files list them, in the package and where the environment says.

Importing this module does not import Keras.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_routing.support.validation import unknown

# The package's own.
RELEASED = Path(__file__).parent / "released"
INDEX = "index.json"
_VARIABLE = "TF_ROUTING_SAVED_MODELS"


def release_folders() -> list[Path]:
    """Returns the folders of released weights: what TF_ROUTING_SAVED_MODELS names comes before the package's own."""
    named = os.environ.get(_VARIABLE)
    return [Path(named), RELEASED] if named else [RELEASED]


def read_releases() -> list[dict[str, Any]]:
    """Returns what is known about released weights, one row for each architecture and tag.

    Returns:
        List of dicts: rows of the folders' `index.json`, none where there is none, and `folder`, where each was found.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for folder in release_folders():
        for row in read_index(folder):
            rows.setdefault((row["architecture"], row["tag"]), {**row, "folder": folder})
    return list(rows.values())


def read_index(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of a folder's `index.json`, none where there is no such file.

    Raises:
        ValueError: If the file is damaged.
    """
    index = folder / INDEX
    if not index.is_file():
        return []
    try:
        return json.loads(index.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{index}, which lists released weights, is damaged: {error}") from error


def find_release(architecture: str, tag: str) -> dict[str, Any]:
    """Returns what is known about released weights.

    Args:
        architecture: A name of the zoo.
        tag: The data that they learnt, such as `"cifar10"`.

    Raises:
        FileNotFoundError: If the installation lists none at all.
        ValueError: If there are no such weights; the message says which there are.
    """
    releases = read_releases()
    rows = {row["tag"]: row for row in releases if row["architecture"] == architecture}
    if tag in rows:
        return rows[tag]
    if not releases:
        raise FileNotFoundError(
            f"This installation holds no released weights: there is no {RELEASED / INDEX}. Install tf_routing again, "
            f"or set {_VARIABLE} to a folder that holds {INDEX} and the files it names.{_describe_variable()}"
        )
    known = unknown(f"tag of released weights of {architecture}", tag, rows) if rows else _list_others(releases)
    raise ValueError(
        f"`weights`: {known} Others are None, 'imagenet' for some networks, and the path of a `.keras` file. "
        f"Received: {architecture!r}, weights={tag!r}.{_describe_variable()}"
    )


def _list_others(releases: Iterable[Mapping[str, Any]]) -> str:
    by_tag: defaultdict[str, list[str]] = defaultdict(list)
    for row in releases:
        by_tag[row["tag"]].append(row["architecture"])
    listed = "; ".join(f"{tag!r} of {', '.join(sorted(names))}" for tag, names in sorted(by_tag.items()))
    return f"there are no released weights of this network. There are {listed}."


def _describe_variable() -> str:
    """Returns why what the environment names was passed over, nothing where it was not."""
    named = os.environ.get(_VARIABLE)
    if not named or Path(named, INDEX).is_file():
        return ""
    return f" {_VARIABLE} names {named}, which holds no {INDEX}."


def match_arguments(row: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments with which a network has the layers, and the preprocessing, of released weights.

    Args:
        row: What `find_release` returned.
        given: The family's arguments that the user gave.

    Raises:
        ValueError: If an argument was given otherwise.
    """
    for argument, value in given.items():
        expected = row["arguments"].get(argument, value)
        if json.loads(json.dumps(value)) != expected:
            raise ValueError(
                f"`{argument}` must be {expected!r} with weights={row['tag']!r}. Received: {argument}={value!r}"
            )
    return dict(row["arguments"])
