"""The images of each class that execute the least and the most."""

from collections.abc import Sequence

import numpy as np


def executed_extremes(
    macs: np.ndarray, labels: np.ndarray, classes: Sequence[int], count: int = 1
) -> dict[int, tuple[list[int], list[int]]]:
    """Finds for each class the images that execute least and most.

    Args:
        macs: Array `(images,)`, multiply-accumulates executed per image.
        labels: Array `(images,)`, the class of each.
        classes: The classes to look at; one without images is left out.
        count: Integer, how many of each; all where there are fewer.

    Returns:
        Dict from class to two lists of indices: those that execute least, the least first, and those that execute most,
        the most first. Of equal ones the earlier image comes first.

    Example:

    >>> executed_extremes(np.array([3.0, 1.0, 2.0, 9.0]), np.array([0, 0, 0, 1]), [0, 1])
    {0: ([1], [0]), 1: ([3], [3])}

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, Fig. 6.
    """
    found = {}
    for label in classes:
        members = np.flatnonzero(np.asarray(labels) == label)
        if len(members):
            own = np.asarray(macs)[members]
            least, most = (members[np.argsort(way * own, kind="stable")[:count]] for way in (1, -1))
            found[label] = (least.tolist(), most.tolist())
    return found
