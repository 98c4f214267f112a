"""The address of a model server, and the transport that it implies: gRPC or REST."""

from typing import NamedTuple
from urllib.parse import urlsplit

from tf_routing.support.validation import one_of

TRANSPORTS = ("grpc", "rest")
_GRPC_PORT = 8500
_BY_SCHEME = {"grpc": "grpc", "http": "rest", "https": "rest"}
# The default ports of TensorFlow Serving.
_BY_PORT = {_GRPC_PORT: "grpc", 8501: "rest"}


class Address(NamedTuple):
    """A transport, and the location: `host:port` for gRPC, the beginning of the URL for REST."""

    transport: str
    location: str


def parse_address(address: str, transport: str | None = None) -> Address:
    """Reads an address.

    Args:
        address: `grpc://host:port`, `http://host:port`, `https://...`, or `host:port` alone.
        transport: `"grpc"` or `"rest"`, for an address without a scheme whose port is neither 8500 nor 8501.

    Returns:
        An `Address`.

    Raises:
        ValueError: If the address cannot be read, or does not imply a transport.

    Example:

    >>> parse_address("localhost:8500")
    Address(transport='grpc', location='localhost:8500')
    >>> parse_address("https://models.example.org/zoo/").location
    'https://models.example.org/zoo'
    """
    if transport is not None:
        one_of("transport", transport, TRANSPORTS)
    parts = urlsplit(address if "://" in address else f"//{address}")
    _check(address, parts.scheme, parts.hostname)
    found = _BY_SCHEME.get(parts.scheme) or transport or _BY_PORT.get(parts.port or 0)
    if found is None:
        raise ValueError(
            f"`address` must begin with grpc:// or http://, or `transport` be given, unless the port is 8500 (gRPC) or "
            f"8501 (REST). Received: address={address!r}"
        )
    if transport not in (None, found):
        raise ValueError(f"`transport` contradicts the address. Received: {transport=}, {address=}")
    if found == "grpc":
        return Address(found, parts.netloc if parts.port else f"{parts.netloc}:{_GRPC_PORT}")
    return Address(found, f"{parts.scheme or 'http'}://{parts.netloc}{parts.path}".rstrip("/"))


def _check(address: str, scheme: str, host: str | None) -> None:
    if (scheme and scheme not in _BY_SCHEME) or not host:
        raise ValueError(
            f"`address` must be grpc://host:port, http://host:port, https://host:port or host:port. "
            f"Received: address={address!r}"
        )
