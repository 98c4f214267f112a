"""The text of this package's licence, which exports carry unless they are given another one."""

import os
from importlib import metadata
from pathlib import Path

import tf_routing

LIBRARYS = "apache-2.0"
"""This library's licence, as the hub of Hugging Face calls it."""
_PLACES = ("licenses/LICENSE", "LICENSE")


def read_licence(file: str | os.PathLike[str] | None = None) -> str:
    """Returns the text of a licence.

    Args:
        file: File with the licence; this library's where not given, from the installed package or the checkout.

    Raises:
        FileNotFoundError: If there is no such file, or this library's licence lies in neither.
    """
    if file is not None:
        return Path(file).read_text("utf-8")
    checkout = Path(tf_routing.__file__).parent.parent / "LICENSE"
    if checkout.is_file():
        return checkout.read_text("utf-8")
    try:
        texts = [metadata.distribution("tf_routing").read_text(place) for place in _PLACES]
    except metadata.PackageNotFoundError:
        texts = []
    for text in texts:
        if text:
            return text
    raise FileNotFoundError("The LICENSE of tf_routing is neither installed nor in a checkout: give `license=`.")
