"""Finds the file of released weights: beside the index that lists it, or fetched once into Keras's cache.

Importing this module does not import Keras.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_routing.support.hashes import hash_file

# Where the files lie that are too large for the package: rows of the index with a `url` are relative to it. No file was
# so large yet; the first that is needs an address here. TF_ROUTING_RELEASE_URL names another place, also `file:///...`.
RELEASE_URL = ""
_VARIABLE = "TF_ROUTING_RELEASE_URL"
_CACHE = "tf_routing"


def find_release_file(row: Mapping[str, Any]) -> Path:
    """Returns the file of released weights; fetches it where the package has no room for it.

    Args:
        row: What `releases.find_release` returned.

    Raises:
        FileNotFoundError: If it is not there, and nowhere to be fetched from.
        OSError: If it cannot be fetched; the message says what to do.
        ValueError: If it is not the file that was released.
    """
    path = Path(row["folder"]) / row["file"]
    if not path.is_file() and row.get("url"):
        return _fetch(row)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path}, which holds the weights {row['tag']!r}: install tf_routing again, or copy the file "
            "there."
        )
    if hash_file(path) != row["sha256"]:
        raise ValueError(
            f"{path} is not the file that was released: its SHA-256 is not {row['sha256']}. Install tf_routing again, "
            "or copy the file anew."
        )
    return path


def release_address() -> str:
    """Returns the address that files are fetched from: what TF_ROUTING_RELEASE_URL names, or `RELEASE_URL`."""
    return os.environ.get(_VARIABLE) or RELEASE_URL


def _fetch(row: Mapping[str, Any]) -> Path:
    import keras

    name = row["url"].rpartition("/")[2]
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    cached = home / _CACHE / name
    if cached.is_file() and hash_file(cached) == row["sha256"]:
        return cached
    address = release_address()
    if not address:
        raise FileNotFoundError(f"{_describe(row)} and no address is known that has it. {_advise(name, cached)}")
    url = f"{address.rstrip('/')}/{row['url']}"
    hashed = {"file_hash": row["sha256"], "hash_algorithm": "sha256"}
    # Where it is not there and cannot be made, Keras takes a folder of temporary files.
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    try:
        path = keras.utils.get_file(name, url, cache_dir=str(home), cache_subdir=_CACHE, **hashed)
    # Keras raises a bare `Exception` where a download fails, and leaves what it got where the hash is another.
    except Exception as error:
        cached.unlink(missing_ok=True)
        raise OSError(
            f"{_describe(row)} and could not be fetched from {url}: {error} {_advise(name, cached)}"
        ) from error
    return Path(path)


def _describe(row: Mapping[str, Any]) -> str:
    return (
        f"The file of the weights {row['tag']!r} of {row['architecture']!r}, {row['bytes'] / 1e6:.1f} MB, is not in "
        "the package"
    )


def _advise(name: str, cached: Path) -> str:
    return (
        f"Call again with a connection; or put {name} into {cached.parent} by hand (KERAS_HOME moves the folder "
        f"above); or set {_VARIABLE} to an address that has it, such as a mirror's or file:///folder."
    )
