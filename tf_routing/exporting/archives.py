"""Exports packed as one tar.gz file for TensorFlow Hub, and such files unpacked without trusting them."""

import gzip
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from tf_routing.support.files import whole_file, whole_folder
from tf_routing.support.validation import positive_integer

MOST_BYTES = 2**33
"""What an archive may unpack to where nothing else is said: 8 GiB."""


def pack(folder: str | os.PathLike[str], archive: str | os.PathLike[str]) -> None:
    """Writes an export as a `.tar.gz` with `saved_model.pb` at its root.

    The file holds names and contents only, no owners and no times.

    Args:
        folder: Folder of the export.
        archive: File to write; an older one is replaced.

    Raises:
        ValueError: If `folder` holds no SavedModel, or `archive` does not end in `.tar.gz`.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from tf_routing.exporting.archives import pack, unpack
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "saved_model.pb").write_bytes(b"graph")
    >>> pack(folder, folder.with_suffix(".tar.gz"))
    >>> unpack(folder.with_suffix(".tar.gz"), folder / "again")
    >>> (folder / "again" / "saved_model.pb").read_bytes()
    b'graph'
    """
    folder = Path(folder)
    check_name(archive)
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(f"`folder` must be that of a SavedModel. Received: folder={str(folder)!r}")
    with whole_file(archive) as temporary, tarfile.open(temporary, "w:gz") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_anonymize)


def check_name(archive: str | os.PathLike[str]) -> None:
    """Raises a `ValueError` if a file's name does not end as those of archives do.

    Example:

    >>> from tf_routing.exporting.archives import check_name
    >>> check_name("model.tar.gz")
    """
    if not str(archive).endswith(".tar.gz"):
        raise ValueError(f"`archive` must end in .tar.gz. Received: archive={str(archive)!r}")


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> None:
    """Unpacks an export that somebody else may have packed.

    Everything is checked before the first file is written, and the folder appears whole or not at all. Nothing of what
    is unpacked is run.

    Args:
        archive: A `.tar.gz` file.
        folder: Folder to create.
        most_bytes: Integer, the most that it may unpack to.

    Raises:
        ValueError: If the file is no such archive, or a member leaves the folder, is an absolute path, a link or a
            device, or all of them are larger than `most_bytes`.
        FileNotFoundError: If there is no such file.
        FileExistsError: If the folder exists and is not empty.

    Example:

    >>> import tarfile
    >>> import tempfile
    >>> from pathlib import Path
    >>> from tf_routing.exporting.archives import unpack
    >>> folder = Path(tempfile.mkdtemp())
    >>> with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
    ...     tar.addfile(tarfile.TarInfo("../outside"))
    >>> try:
    ...     unpack(folder / "model.tar.gz", folder / "model")
    ... except ValueError as error:
    ...     print(str(error).partition(" is ")[2])
    refused: its member '../outside' leaves the folder.
    """
    positive_integer("most_bytes", most_bytes)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = _check_members(tar, archive, most_bytes)
            with whole_folder(folder) as temporary:
                tar.extractall(temporary, members, filter="data")
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{archive} is not a whole .tar.gz archive: {error}") from error


def _anonymize(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _check_members(tar: tarfile.TarFile, archive: str | os.PathLike[str], most_bytes: int) -> list[tarfile.TarInfo]:
    members, total = [], 0
    for member in tar:
        reason = _find_refusal(member)
        if reason:
            raise ValueError(f"{archive} is refused: its member {member.name!r} {reason}.")
        total += member.size
        if total > most_bytes:
            raise ValueError(f"{archive} is refused: it unpacks to more than most_bytes={most_bytes}.")
        members.append(member)
    return members


def _find_refusal(member: tarfile.TarInfo) -> str:
    # Python's own filter would strip leading slashes and keep links that stay inside: neither is in an honest export.
    path = PurePosixPath(member.name)
    if path.is_absolute() or "\\" in member.name or ":" in member.name:
        return "is not a relative path"
    if ".." in path.parts:
        return "leaves the folder"
    return "" if member.isfile() or member.isdir() else "is neither a file nor a folder"
