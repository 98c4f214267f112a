"""The signature of an export for a type of images, matched before anything is sent.

JSON does not distinguish integers from floats: a server would run bytes sent to a signature of floats as floats in
[0, 255], and answer about images that nobody meant.
"""

from collections.abc import Callable, Mapping

import numpy as np

from tf_routing.core.pixel_values import LARGEST_BYTE, UNIT, find_far_range, scale_to
from tf_routing.support.notices import warn

_FLOATS, _BYTES, _PICTURES = "serving_default", "serve_uint8", "serve_encoded"
_OF_FLOATS = (_FLOATS, "serve_one", "routes")
_KNOWN = (*_OF_FLOATS, _BYTES, _PICTURES)
_IMAGES = "images"


Range = tuple[float, float]


def match_signature(
    inputs: Mapping[str, np.ndarray], signature: str | None, ask_range: Callable[[], Range] = lambda: UNIT
) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the signature for some inputs, and the inputs in the type that it takes.

    Floats, bytes and encoded pictures have different signatures, one of which is chosen if none is named. Bytes for a
    named signature of floats are brought to the range that the network takes: divided by 255 where that is [0, 1].
    Signatures that our exports do not have get the inputs unchanged.

    Args:
        inputs: Dict of arrays by name; encoded pictures are arrays of objects.
        signature: Name of a signature, or `None`.
        ask_range: Returns what black and white are to the network; called only where that decides something.

    Returns:
        Pair of the name and a dict of arrays.

    Raises:
        ValueError: If the type of the images does not determine their range, or the signature does not take it.

    Example:

    >>> name, inputs = match_signature({"images": np.full((1, 2, 2, 3), 255, "uint8")}, None)
    >>> name, inputs["images"].dtype.name
    ('serve_uint8', 'uint8')
    >>> match_signature({"images": np.full((1, 2, 2, 3), 255, "uint8")}, "routes")[1]["images"].max()
    np.float32(1.0)
    """
    images = inputs.get(_IMAGES)
    if images is None or signature not in (None, *_KNOWN):
        return signature or _FLOATS, dict(inputs)
    name = signature or _choose_signature(images)
    if name in _OF_FLOATS and images.dtype == np.uint8:
        images = scale_to(images.astype("float32"), ask_range(), LARGEST_BYTE)
    taken = {_BYTES: images.dtype == np.uint8, _PICTURES: images.dtype == object}
    if not taken.get(name, images.dtype.kind == "f"):
        wanted = {_BYTES: "bytes (uint8)", _PICTURES: "encoded pictures as bytes"}.get(name, "floats in [0, 1]")
        raise ValueError(
            f"`signature={name!r}` takes {wanted}. Received: images of {_describe(images)}: leave `signature` out, or "
            f"name {_choose_signature(images)!r}."
        )
    if name in _OF_FLOATS:
        _warn_if_far(images, ask_range)
    return name, {**inputs, _IMAGES: images}


def _warn_if_far(images: np.ndarray, ask_range: Callable[[], Range]) -> None:
    if find_far_range(images) is None:
        return
    black, white = ask_range()
    if find_far_range((images - black) / (white - black)) is not None:
        warn(
            f"`images` holds values from {np.nanmin(images):.3g} to {np.nanmax(images):.3g}, and the server takes "
            f"floats in [{black:g}, {white:g}]: its answers may mean nothing. Give bytes as `images.astype('uint8')`."
        )


def _choose_signature(images: np.ndarray) -> str:
    if images.dtype == object:
        return _PICTURES
    if images.dtype == np.uint8:
        return _BYTES
    if images.dtype.kind == "f":
        return _FLOATS
    raise ValueError(
        f"`images` must be floats in [0, 1], bytes (uint8) in [0, 255], or encoded pictures. Received: images of "
        f"{_describe(images)}, which does not say which: give `images.astype('uint8')` or floats."
    )


def _describe(images: np.ndarray) -> str:
    return "encoded pictures" if images.dtype == object else f"type {images.dtype}"
