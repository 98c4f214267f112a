"""The SHA-256 of a file, read in pieces."""

import hashlib
from pathlib import Path


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal, without reading the file whole."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
