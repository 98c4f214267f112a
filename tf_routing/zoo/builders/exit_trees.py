"""The trees of networks that leave early, described as data: columns, and what may follow each.

A column is a dict of `channels`, one number per scale, finest first, and `sinks`, a list of columns and at most one
`"classify"`. Where there are several sinks a junction chooses.
"""

from collections.abc import Sequence
from typing import Any

from tf_routing.support.validation import is_integer

CLASSIFY = "classify"
_CHANNELS = ((16,) * 4, (16,) * 4, (32,) * 3, (32,) * 3, (64,) * 2, (64,) * 2, (128,), (128,))
_BRANCHING_LEVELS = 3


def static(columns: int) -> dict[str, Any]:
    """Returns the first columns in a row, with one classifier at the end."""
    return _row(columns, [])


def chain() -> dict[str, Any]:
    """Returns eight columns in a row that can be left after each."""
    return _row(len(_CHANNELS), [CLASSIFY])


def branching() -> dict[str, Any]:
    """Returns a tree that branches in two after each of the first three columns, and can be left after each."""

    def below(level: int) -> dict[str, Any]:
        """A column and all that follows it."""
        if level == len(_CHANNELS):
            return _column(level, [CLASSIFY])
        branches = 2 if level <= _BRANCHING_LEVELS else 1
        return _column(level, [CLASSIFY, *(below(level + 1) for _ in range(branches))])

    return below(1)


def _row(columns: int, beside: list[str]) -> dict[str, Any]:
    row = _column(columns, [CLASSIFY])
    for level in range(columns - 1, 0, -1):
        row = _column(level, [*beside, row])
    return row


def _column(level: int, sinks: list[Any]) -> dict[str, Any]:
    return {"channels": list(_CHANNELS[level - 1]), "sinks": sinks}


def check(tree: Any, scales: int | None = None) -> None:
    """Raises an error that says what is accepted if this describes no tree.

    Args:
        tree: What a user gave.
        scales: Integer, scales of the column before; any number where not given.

    Raises:
        ValueError: If a column lacks something, has a key that means nothing, or reads more scales than there are.

    Example:

    >>> check({"channels": [16, 32], "sinks": ["classify", {"channels": [32], "sinks": ["classify"]}]})
    """
    if not isinstance(tree, dict) or set(tree) != {"channels", "sinks"}:
        raise ValueError(f"`tree` must hold dicts of channels and sinks. Received: {tree!r:.200}")
    channels, sinks = tree["channels"], tree["sinks"]
    if not _is_list(channels) or not all(is_integer(each) and each > 0 for each in channels):
        raise ValueError(f"`tree` must hold positive integers as channels. Received: channels={channels!r}")
    if scales is not None and len(channels) > scales:
        raise ValueError(f"`tree` must not add scales behind {scales} of them. Received: channels={channels!r}")
    if not _is_list(sinks) or sum(sink == CLASSIFY for sink in sinks) > 1:
        raise ValueError(
            f"`tree` must hold lists of columns and at most one {CLASSIFY!r} as sinks. Received: sinks={sinks!r:.200}"
        )
    for sink in sinks:
        if sink != CLASSIFY:
            check(sink, len(channels))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0


def has_junctions(tree: dict[str, Any]) -> bool:
    """Returns whether something is chosen anywhere in a tree.

    Example:

    >>> has_junctions(chain()), has_junctions(static(8))
    (True, False)
    """
    sinks = tree["sinks"]
    return len(sinks) > 1 or any(has_junctions(sink) for sink in sinks if sink != CLASSIFY)


def level_sizes(tree: dict[str, Any]) -> list[int]:
    """Returns how many columns each level of a tree has.

    Example:

    >>> level_sizes(branching())
    [1, 2, 4, 8, 8, 8, 8, 8]
    """
    sizes, level = [], [tree]
    while level:
        sizes.append(len(level))
        level = [sink for column in level for sink in column["sinks"] if sink != CLASSIFY]
    return sizes
