"""Finds out which of several encoded pictures a server refuses."""

from collections.abc import Callable, Mapping

import numpy as np

from tf_routing.client.batches import batches, joined
from tf_routing.client.errors import RequestRefused
from tf_routing.support.validation import first_few

_Batch = dict[str, np.ndarray]


def asked_one_by_one(call: Callable[[_Batch], _Batch], batch: _Batch, first: int, refused: RequestRefused) -> _Batch:
    """Returns the answers to pictures of a refused request, each asked alone.

    One damaged picture makes a server refuse a whole request, and all that it was joined with.

    Args:
        call: What sends a batch.
        batch: The inputs of the request.
        first: Integer, the index of its first picture among all that are asked.
        refused: What the server said.

    Raises:
        RequestRefused: If it refuses pictures alone too; names their indices, and what is said of the first.
    """
    answers: list[Mapping[str, np.ndarray]] = []
    wrong: list[str] = []
    for index, row in enumerate(batches(batch, 1), first):
        try:
            answers.append(call(row))
        except RequestRefused as error:
            refused = refused if wrong else error
            wrong.append(f"images[{index}]")
    if wrong:
        raise RequestRefused(f"{first_few(wrong)} refused, asked alone: {refused}") from refused
    return joined(answers, len(answers))


def holds_pictures(batch: Mapping[str, np.ndarray]) -> bool:
    """Returns whether a request is for encoded pictures, which are damaged each for itself.

    Example:

    >>> holds_pictures({"images": np.zeros((2, 8, 8, 3))})
    False
    """
    return any(value.dtype == object for value in batch.values())
