"""Copies what TensorFlow writes at its start from standard input to standard error, without what needs no reader.

Runs as a program of its own, with Python's standard library alone.
"""

import re
import sys
from collections.abc import Iterable, Iterator

_LOGGED = re.compile(r"(?:[\d-]+ [\d:.]+: )?([IWEF])(?:\d{4} [\d:.]+ +\d+)? \S+:\d+\] ")
_LEVELS = "IWEF"
# Of a message's second line, of the library that logs, and what a machine without a GPU has to expect.
_NOTHING = ("To enable the following instructions:", "WARNING: All log messages before absl::InitializeLog()")
_NO_GPU = "Failed call to cuInit: UNKNOWN ERROR (303)"


def keep_lines(lines: Iterable[str], level: int) -> Iterator[str]:
    """Yields the lines that a reader needs.

    Args:
        lines: What TensorFlow writes.
        level: Integer, the least weight of a message: 0 for information, 1 for warnings, 2 for errors.

    Example:

    >>> list(keep_lines(["I0000 00:00:17.2 98 port.cc:153] oneDNN custom operations.", "Illegal instruction"], 2))
    ['Illegal instruction']
    """
    for line in lines:
        found = _LOGGED.match(line)
        if found is None and line.startswith(_NOTHING):
            continue
        if found is not None and (_LEVELS.index(found[1]) < level or _NO_GPU in line):
            continue
        yield line


def _level(text: str) -> int:
    return int(text) if text.isdecimal() else 0


if __name__ == "__main__":
    for line in keep_lines(iter(sys.stdin.readline, ""), _level(sys.argv[1])):
        sys.stderr.write(line)
        sys.stderr.flush()
