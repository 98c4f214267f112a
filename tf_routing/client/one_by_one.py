"""Repeats a refused request picture by picture, to find those that the server refuses."""

from collections.abc import Callable, Mapping

import numpy as np

from tf_routing.client.batches import batches, join_answers
from tf_routing.client.errors import RequestRefused
from tf_routing.support.validation import first_few

_Batch = dict[str, np.ndarray]


def ask_one_by_one(call: Callable[[_Batch], _Batch], batch: _Batch, first: int, refused: RequestRefused) -> _Batch:
    """Sends the pictures of a refused request one by one, and returns the answers.

    One damaged picture makes a server refuse a whole request, and all requests that it batched with it.

    Args:
        call: Function that sends a batch.
        batch: The inputs of the request.
        first: Integer, the index of its first picture among all images of the call.
        refused: The error of the whole request.

    Raises:
        RequestRefused: If the server refuses single pictures; names their indices, and the reason for the first.
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
    return join_answers(answers, len(answers))


def holds_pictures(batch: Mapping[str, np.ndarray]) -> bool:
    """Returns whether a request holds encoded pictures, which can be damaged one by one.

    Example:

    >>> holds_pictures({"images": np.zeros((2, 8, 8, 3))})
    False
    """
    return any(value.dtype == object for value in batch.values())
