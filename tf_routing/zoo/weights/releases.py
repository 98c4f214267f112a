"""Released weights, which were trained here: a data file lists them, outside the package in `saved_models`.

Importing this module does not import Keras.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_routing.support.hashes import hash_file
from tf_routing.support.validation import unknown

_VARIABLE = "TF_ROUTING_SAVED_MODELS"
_INDEX = "index.json"


def find_release_folder() -> Path:
    """Returns where released weights lie: `saved_models` of the checkout, or what TF_ROUTING_SAVED_MODELS names."""
    return Path(os.environ.get(_VARIABLE) or Path(__file__).parents[3] / "saved_models")


def has_releases() -> bool:
    """Returns whether the data file is there: an installed package comes without."""
    return (find_release_folder() / _INDEX).is_file()


def read_releases() -> list[dict[str, Any]]:
    """Returns what is known about the released models, one row for each of them.

    Raises:
        FileNotFoundError: If there is no data file, as with a package that was installed without its checkout.
    """
    index = find_release_folder() / _INDEX
    if not has_releases():
        raise FileNotFoundError(
            f"Released weights lie in the folder `saved_models` of the repository, which an installed package does not "
            f"hold: there is no {index}. Set {_VARIABLE} to that folder of a checkout."
        )
    return json.loads(index.read_text("utf-8"))


def find_release(architecture: str, tag: str) -> dict[str, Any]:
    """Returns what is known about released weights.

    Args:
        architecture: A name of the zoo.
        tag: The data that they learnt, such as `"cifar10"`.

    Raises:
        FileNotFoundError: If there is no data file.
        ValueError: If there are no such weights; the message says which there are.
    """
    rows = {row["tag"]: row for row in read_releases() if row["architecture"] == architecture}
    if tag not in rows:
        raise ValueError(
            f"`weights`: {unknown(f'tag of released weights of {architecture}', tag, rows)} "
            f"Others are None, 'imagenet' for some networks, and the path of a `.keras` file."
        )
    return rows[tag]


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


def find_release_file(row: Mapping[str, Any]) -> Path:
    """Returns the file of released weights.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is not the file that was released.
    """
    path = find_release_folder() / row["file"]
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}, which holds the weights {row['tag']!r}.")
    if hash_file(path) != row["sha256"]:
        raise ValueError(f"{path} is not the file that was released: its SHA-256 is not {row['sha256']}.")
    return path
