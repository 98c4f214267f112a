"""Checksums of all files of an export, in a file that `sha256sum --check` reads."""

import os
from pathlib import Path

from tf_routing.support.files import whole_file
from tf_routing.support.hashes import hash_file
from tf_routing.support.validation import first_few

FILE = "assets/SHA256SUMS"


def write_checksums(folder: str | os.PathLike[str]) -> None:
    """Writes `assets/SHA256SUMS` for what a folder holds, in place of an older one.

    Args:
        folder: Folder of an export.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tf_routing.exporting.checksums import check_checksums, write_checksums
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "weights").write_bytes(b"many")
    >>> write_checksums(folder)
    >>> check_checksums(folder)
    """
    lines = [f"{digest}  {name}\n" for name, digest in _hash_files(Path(folder)).items()]
    with whole_file(Path(folder) / FILE) as temporary:
        temporary.write_text("".join(lines), "utf-8")


def check_checksums(folder: str | os.PathLike[str]) -> None:
    """Raises an error if a folder does not hold exactly the files that its checksums name.

    Args:
        folder: Folder of an export.

    Raises:
        FileNotFoundError: If it has no checksums.
        ValueError: If files differ, are missing, or came later; the message names them.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tf_routing.exporting.checksums import check_checksums, write_checksums
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_checksums(folder)
    >>> _ = (folder / "later").write_bytes(b"")
    >>> try:
    ...     check_checksums(folder)
    ... except ValueError as error:
    ...     print(str(error).rpartition(". ")[2])
    Changed, missing or added: later
    """
    file = Path(folder) / FILE
    if not file.is_file():
        raise FileNotFoundError(f"{folder} has no checksums: there is no {FILE} in it.")
    rows = [line.partition("  ") for line in file.read_text("utf-8").splitlines()]
    written, found = {name: digest for digest, _, name in rows}, _hash_files(Path(folder))
    wrong = sorted(name for name in written.keys() | found.keys() if written.get(name) != found.get(name))
    if wrong:
        raise ValueError(f"{folder} is not what its checksums say. Changed, missing or added: {first_few(wrong)}")


def _hash_files(folder: Path) -> dict[str, str]:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files.pop(FILE, None)
    return {name: hash_file(path) for name, path in files.items()}
