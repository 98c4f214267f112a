"""Counts of the images that leave a network at each exit, by class and by correctness of the answer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tf_routing.exit_tree import Exit, Stage, exits

SLICES = ("correctness", "class")


class ExitUse(NamedTuple):
    """Where test images leave a network.

    Args:
        label: What figures call it.
        tree: The network's shape, see `exit_tree`.
        counts: Dict from the name of each exit to the numbers of images of each class that leave there, in two lists
            `correct` and `incorrect`.

    Example:

    >>> from tf_routing.exit_tree import Exit, Stage
    >>> fork = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    >>> counts = {"exit_1": {"correct": [5, 4], "incorrect": [0, 1]}}
    >>> counts["exit_2"] = {"correct": [3, 2], "incorrect": [1, 0]}
    >>> ExitUse("8e-09", fork, counts).shares()["exit_1"]
    0.625
    """

    label: str
    tree: Stage | Exit
    counts: Mapping[str, Mapping[str, Sequence[int]]]

    def shares(self) -> dict[str, float]:
        """Returns the share of the images that leaves at each exit."""
        sums = {leaf: sum(self.slices(leaf, "correctness")) for leaf in self.counts}
        return {leaf: own / sum(sums.values()) for leaf, own in sums.items()}

    def slices(self, leaf: str, by: str) -> list[int]:
        """Returns the images that leave at an exit: the right and the wrong ones, or by `"class"` those of each."""
        correct, incorrect = self.counts[leaf]["correct"], self.counts[leaf]["incorrect"]
        if by == "correctness":
            return [sum(correct), sum(incorrect)]
        return [right + wrong for right, wrong in zip(correct, incorrect, strict=True)]


def class_count(networks: Sequence[ExitUse]) -> int:
    """Returns the number of classes.

    Raises:
        ValueError: If there is no network, its counts are not of its exits or of no image, or differ in their classes.
    """
    if not networks:
        raise ValueError("`networks` must hold at least one network. Received: none")
    for network in networks:
        known = [leaf.layer for leaf in exits(network.tree)]
        if sorted(known) != sorted(network.counts):
            raise ValueError(f"`networks` must count images of the exits {known}. Received: {list(network.counts)}")
        if not any(sum(network.slices(leaf, "correctness")) for leaf in network.counts):
            raise ValueError(f"`networks` must count images. Received: none that leave {network.label!r}")
    classes = {len(row) for network in networks for own in network.counts.values() for row in own.values()}
    if len(classes) > 1:
        raise ValueError(f"`networks` must count images of the same classes. Received: {sorted(classes)} classes")
    return classes.pop()
