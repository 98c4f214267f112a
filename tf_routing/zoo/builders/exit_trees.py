"""Trees as `zoo.get` takes them, those of the paper among them, and how their layers are named.

A column is a dict of `channels`, one number per scale, finest first, and `sinks`, a list of columns and at most one
`"classify"`. Where there are several sinks a junction chooses. Builders see what `name_layers` makes of it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_routing import exit_tree
from tf_routing.support.validation import is_integer

_CLASSIFY = "classify"
_CHANNELS = ((16,) * 4, (16,) * 4, (32,) * 3, (32,) * 3, (64,) * 2, (64,) * 2, (128,), (128,))
_BRANCHING_LEVELS = 3


def static(columns: int) -> dict[str, Any]:
    """Returns the first columns in a row, with one classifier at the end."""
    return _row(columns, [])


def chain() -> dict[str, Any]:
    """Returns eight columns in a row with an exit behind every one."""
    return _row(len(_CHANNELS), [_CLASSIFY])


def branching() -> dict[str, Any]:
    """Returns a tree that branches in two behind its first three levels, with an exit behind every column."""

    def below(level: int) -> dict[str, Any]:
        """Returns a column of a level with all that follows it."""
        if level == len(_CHANNELS):
            return _column(level, [_CLASSIFY])
        branches = 2 if level <= _BRANCHING_LEVELS else 1
        return _column(level, [_CLASSIFY, *(below(level + 1) for _ in range(branches))])

    return below(1)


def _row(columns: int, exits: list[str]) -> dict[str, Any]:
    row = _column(columns, [_CLASSIFY])
    for level in range(columns - 1, 0, -1):
        row = _column(level, [*exits, row])
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
    if not _is_list(channels) or not all(is_integer(count) and count > 0 for count in channels):
        raise ValueError(f"`tree` must hold positive integers as channels. Received: channels={channels!r}")
    if scales is not None and len(channels) > scales:
        raise ValueError(f"`tree` must not add scales behind {scales} of them. Received: channels={channels!r}")
    if not _is_list(sinks) or sum(sink == _CLASSIFY for sink in sinks) > 1:
        raise ValueError(
            f"`tree` must hold lists of columns and at most one {_CLASSIFY!r} as sinks. Received: sinks={sinks!r:.200}"
        )
    for sink in sinks:
        if sink != _CLASSIFY:
            check(sink, len(channels))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0


class NamedTree(NamedTuple):
    """A tree whose layers have names.

    Args:
        shape: The tree of these names.
        channels: Channels per scale, finest first, by name of the column.
    """

    shape: exit_tree.Stage
    channels: dict[str, tuple[int, ...]]


def name_layers(tree: dict[str, Any]) -> NamedTree:
    """Returns a tree with names for its columns, junctions and exits.

    Layers are named by their level, and where a level has several columns by their number in it.

    Args:
        tree: A tree that passes `check`.

    Example:

    >>> name_layers({"channels": [8, 4], "sinks": ["classify", {"channels": [4], "sinks": ["classify"]}]}).channels
    {'column_1': (8, 4), 'column_2': (4,)}
    """
    sizes = _count_columns(tree)
    named: Counter[int] = Counter()
    channels: dict[str, tuple[int, ...]] = {}

    def name(column: dict[str, Any], level: int) -> exit_tree.Stage:
        """Returns the stage that begins with a column."""
        named[level] += 1
        suffix = f"{level}_{named[level]}" if sizes[level - 1] > 1 else f"{level}"
        channels[f"column_{suffix}"] = tuple(column["channels"])
        sinks = tuple(
            exit_tree.Exit(f"exit_{suffix}") if sink == _CLASSIFY else name(sink, level + 1) for sink in column["sinks"]
        )
        if len(sinks) == 1 and isinstance(sinks[0], exit_tree.Stage):
            # Columns with nothing to choose between them are one stage.
            return sinks[0]._replace(columns=(f"column_{suffix}", *sinks[0].columns))
        return exit_tree.Stage((f"column_{suffix}",), f"junction_{suffix}" if len(sinks) > 1 else None, sinks)

    return NamedTree(name(tree, 1), channels)


def _count_columns(tree: dict[str, Any]) -> list[int]:
    """Returns the number of columns on every level of a tree."""
    counts, level = [], [tree]
    while level:
        counts.append(len(level))
        level = [sink for column in level for sink in column["sinks"] if sink != _CLASSIFY]
    return counts


def has_junctions(tree: dict[str, Any]) -> bool:
    """Returns whether something is chosen anywhere in a tree.

    Args:
        tree: A tree that passes `check`.

    Example:

    >>> has_junctions(chain()), has_junctions(static(8))
    (True, False)
    """
    return bool(exit_tree.junctions(name_layers(tree).shape))
