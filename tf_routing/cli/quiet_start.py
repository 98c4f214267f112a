"""Filters the lines that TensorFlow writes while it is imported, before it obeys its own level of logging."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from tf_routing.cli import start_lines

_LEVEL, _ONEDNN = "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"


def start_quietly(onednn: str | None = None) -> None:
    """Lets errors through of what TensorFlow writes to standard error while it is imported, whenever that will be.

    TensorFlow reads `TF_CPP_MIN_LOG_LEVEL` only once it is imported, and what it says before comes whatever the level.
    From now on the level holds from the start. It is 2 unless the user set it; 0 shows everything.

    Args:
        onednn: Value of `TF_ENABLE_ONEDNN_OPTS`, unless the user set it.
    """
    level = os.environ.setdefault(_LEVEL, "2")
    if onednn is not None:
        # Must be set before TensorFlow is imported. Training is up to twice as fast with it, batch 1 slower.
        os.environ.setdefault(_ONEDNN, onednn)
    if level != "0" and "tensorflow" not in sys.modules:
        sys.meta_path[:] = [_QuietStart(level), *(each for each in sys.meta_path if not isinstance(each, _QuietStart))]


class _QuietStart(MetaPathFinder):
    """Finds TensorFlow as Python does, and filters what it writes while it is imported."""

    def __init__(self, level: str) -> None:
        self._level, self._asks = level, False

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Returns how to import TensorFlow, `None` for every other module."""
        if name != "tensorflow" or self._asks:
            return None
        self._asks = True
        try:
            found = importlib.util.find_spec(name)
        finally:
            self._asks = False
        if found is not None and found.loader is not None:
            execute = found.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                """Imports TensorFlow, its lines filtered."""
                with _filter_stderr(self._level):
                    execute(module)
                    # It says now what it finds missing. Nothing is taken, so that devices can still be divided.
                    module.config.list_physical_devices()

            found.loader.exec_module = exec_module  # type: ignore[method-assign]
        return found


@contextlib.contextmanager
def _filter_stderr(level: str) -> Iterator[None]:
    """Passes standard error, of this process and the libraries in it, through another process line by line.

    Another process, since what a library says last before it ends this one must come through.
    """
    sys.stderr.flush()
    before = os.dup(2)
    # In a group of its own, so that the terminal's Ctrl-C leaves it alone.
    reader = subprocess.Popen(
        [sys.executable, "-I", "-S", start_lines.__file__, level], stdin=subprocess.PIPE, process_group=0
    )
    assert reader.stdin is not None
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        reader.wait()
