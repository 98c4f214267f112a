"""Asks again where asking again can help."""

import time
from collections.abc import Callable
from typing import Any

from tf_routing.client.errors import ServerTimeout, ServerUnavailable, ServingError


def retried(call: Callable[[], Any], retries: int, backoff: float, retry_timeouts: bool) -> Any:
    """Returns what a call returns, repeated while the server is unavailable.

    Args:
        call: What is asked.
        retries: Integer, how often it is asked again at most.
        backoff: Float, seconds to wait before the first repetition; each following wait is twice as long.
        retry_timeouts: Boolean, whether an answer that did not come in time is asked for again.

    Raises:
        ServingError: What the last attempt raised.

    Example:

    >>> retried(lambda: 3, retries=2, backoff=0.1, retry_timeouts=False)
    3
    """
    repeated = (ServerUnavailable, ServerTimeout) if retry_timeouts else (ServerUnavailable,)
    for attempt in range(retries + 1):
        try:
            return call()
        except repeated as error:
            if attempt == retries:
                raise _last(error, attempt + 1) from error
            time.sleep(backoff * 2**attempt)


def _last(error: ServingError, attempts: int) -> ServingError:
    return type(error)(f"{error} Tried {attempts} times." if attempts > 1 else str(error))
