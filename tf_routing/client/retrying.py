"""Retries of a call while the server is unavailable, with exponential backoff."""

import time
from collections.abc import Callable
from typing import Any

from tf_routing.client.errors import ServerTimeout, ServerUnavailable, ServingError


def retry_call(call: Callable[[], Any], retries: int, backoff: float, retry_timeouts: bool) -> Any:
    """Calls a function, again while it raises that the server is unavailable, and returns its result.

    Args:
        call: Function without arguments.
        retries: Integer, repetitions at most.
        backoff: Float, seconds to wait before the first repetition; each following wait is twice as long.
        retry_timeouts: Boolean, whether calls that timed out are repeated too.

    Raises:
        ServingError: The error of the last attempt.

    Example:

    >>> retry_call(lambda: 3, retries=2, backoff=0.1, retry_timeouts=False)
    3
    """
    repeated = (ServerUnavailable, ServerTimeout) if retry_timeouts else (ServerUnavailable,)
    for attempt in range(retries + 1):
        try:
            return call()
        except repeated as error:
            if attempt == retries:
                raise _copy_last(error, attempt + 1) from error
            time.sleep(backoff * 2**attempt)


def _copy_last(error: ServingError, attempts: int) -> ServingError:
    return type(error)(f"{error} Tried {attempts} times." if attempts > 1 else str(error))
