"""`predict`: sends images to a model on a server, in batches and with retries, and returns its outputs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Protocol

import numpy as np

from tf_routing.client.addresses import parse_address
from tf_routing.client.batches import as_inputs, batches, join_answers
from tf_routing.client.errors import ModelNotFound, RequestRefused
from tf_routing.client.image_types import Range, match_signature
from tf_routing.client.one_by_one import ask_one_by_one, holds_pictures
from tf_routing.client.retrying import retry_call
from tf_routing.client.servable import Servable
from tf_routing.core.pixel_values import RANGE_SIGNATURE, UNIT
from tf_routing.support.validation import not_negative, not_negative_integer, positive_integer, positive_number


class _Caller(Protocol):
    """Sends batches to one signature, until it is closed."""

    def __call__(self, batch: dict[str, np.ndarray], /) -> dict[str, np.ndarray]: ...

    def close(self) -> None:
        """Closes the connection to the server."""
        ...


def predict(
    images: np.ndarray | Sequence[bytes] | Mapping[str, Any],
    *,
    address: str,
    model: str,
    version: int | None = None,
    signature: str | None = None,
    transport: str | None = None,
    batch_size: int = 32,
    timeout: float = 30.0,
    retries: int = 2,
    backoff: float = 0.2,
    retry_timeouts: bool = False,
) -> dict[str, np.ndarray]:
    """Returns the outputs of a model on a server for some images.

    More than `batch_size` images are sent in several requests, one after another. Requests are repeated while no server
    listens or it answers that it is unavailable, which is safe, since predictions do not change its state. REST needs
    NumPy and `requests` only; gRPC, which sends arrays in binary form, imports TensorFlow for its messages.

    Args:
        images: Array `(images, height, width, channels)` of floats in the range that the model takes, [0, 1] for most,
            or of bytes (uint8), or a list of JPEG or PNG pictures as bytes.
            A model with more inputs takes a dict of `images` and auxiliary inputs.
        address: `grpc://host:8500`, `http://host:8501`, `https://...`, or `host:port`.
        model: Name of the model on the server.
        version: Integer, its version; the newest where not given.
        signature: Name of a signature, such as `"routes"` for decisions and executed MACs. Where not given, the one for
            the type of the images: `"serving_default"`, `"serve_uint8"` or `"serve_encoded"`. Bytes for a named
            signature of floats are brought to the range of the model, after a request that asks for it.
        transport: `"grpc"` or `"rest"`, for a `host:port` whose port is neither 8500 nor 8501.
        batch_size: Integer, images per request at most.
        timeout: Float, seconds within which a request must be answered.
        retries: Integer, repetitions of a request at most.
        backoff: Float, seconds before the first repetition; each following wait is twice as long.
        retry_timeouts: Boolean, whether requests that were not answered in time are repeated too.

    Returns:
        Dict from the signature's output names to arrays, one row per image. Integers have 64 bits by REST.

    Raises:
        ValueError: If an argument is wrong, or the images are of a type that the signature does not take.
        ImportError: If the extra `serving` is not installed.
        client.ServingError: If the server cannot be reached (`ServerUnavailable`), does not answer in time
            (`ServerTimeout`), has no such model or version (`ModelNotFound`), or refuses (`RequestRefused`). Encoded
            pictures of a refused request are asked one by one, and the error names those that are refused alone.

    Example:

    With a server at `address`, whose model takes images of 6x6 pixels and knows 4 classes:

    >>> from tf_routing import client
    >>> answer = client.predict(np.zeros((3, 6, 6, 3)), address=address, model="digits")
    >>> answer["probabilities"].shape
    (3, 4)
    """
    _check(model, version, batch_size, timeout, retries, backoff)

    def connect(name: str) -> Any:
        """Opens a connection to a signature, and closes it where the context ends."""
        return closing(_connect(address, transport, Servable(model, version, name), timeout))

    def ask_by(call: _Caller, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the answer to one request, after retries where they can help."""
        return retry_call(partial(call, batch), retries, backoff, retry_timeouts)

    def ask_range() -> Range:
        """Returns what black and white are to the network."""
        with connect(RANGE_SIGNATURE) as call:
            try:
                answer = ask_by(call, {"rows": np.zeros(1, "float32")})
            except (RequestRefused, ModelNotFound):
                # Networks that take [0, 1] have no such signature, and no export of before had one. Where there is no
                # network either, the images themselves will be told so.
                return UNIT
        return float(answer["low"][0]), float(answer["high"][0])

    signature, inputs = match_signature(as_inputs(images), signature, ask_range)
    with connect(signature) as call:
        ask = partial(ask_by, call)
        answers = [
            _request_answer(ask, batch, number * batch_size) for number, batch in enumerate(batches(inputs, batch_size))
        ]
    return join_answers(answers, len(next(iter(inputs.values()))))


def _request_answer(
    ask: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], batch: dict[str, np.ndarray], first: int
) -> dict[str, np.ndarray]:
    try:
        return ask(batch)
    except RequestRefused as refused:
        if not holds_pictures(batch):
            raise
        return ask_one_by_one(ask, batch, first, refused)


def _check(model: str, version: int | None, batch_size: int, timeout: float, retries: int, backoff: float) -> None:
    if not isinstance(model, str) or not model or "/" in model:
        raise ValueError(f"`model` must be the name of a model on the server. Received: model={model!r}")
    if version is not None:
        not_negative_integer("version", version)
    positive_integer("batch_size", batch_size)
    positive_number("timeout", timeout)
    not_negative_integer("retries", retries)
    not_negative("backoff", backoff)


def _connect(address: str, transport: str | None, servable: Servable, timeout: float) -> _Caller:
    """Returns the caller for an address. Imports only the module of its transport, whose extra may be the only one."""
    found = parse_address(address, transport)
    if found.transport == "rest":
        from tf_routing.client.rest import RestCaller

        return RestCaller(found.location, servable, timeout)
    from tf_routing.client.remote_call import GrpcCaller

    return GrpcCaller(found.location, servable, timeout)
