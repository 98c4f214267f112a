"""Writes a `.keras` file small: compressed, and with its kernels in float16, which Keras widens when it loads them."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.support.files import whole_file

_WEIGHTS = "model.weights.h5"
_HALF = np.finfo(np.float16)
# Of every member: the same weights give the same bytes, and the same SHA-256.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_small(source: Path, target: Path, *, half: bool) -> None:
    """Writes a `.keras` file anew, in fewer bytes. `keras.saving.load_model` reads it as it does any other.

    Args:
        source: A `.keras` file.
        target: Where to write; may be the same file.
        half: Boolean, whether arrays that `fits_half` are stored in float16. Others keep their bits.

    Raises:
        ValueError: If the file holds no Keras model.
    """
    with zipfile.ZipFile(source) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    if _WEIGHTS not in members:
        raise ValueError(f"`source` must be a `.keras` file. Received: {source}, which holds no {_WEIGHTS}")
    if half:
        members[_WEIGHTS] = _halve(members[_WEIGHTS])
    with whole_file(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED, compresslevel=9)


def fits_half(values: np.ndarray) -> bool:
    """Returns whether float32 values are stored in float16.

    Kernels are, if no value of theirs is off by more than 2^-11 of the largest: where none overflows, and the largest
    is no subnormal number. Vectors are not: they are few bytes, and hold the statistics of batch normalisation and the
    thresholds of routers, which may have any size.

    Args:
        values: An array.

    Example:

    >>> kernel = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
    >>> fits_half(kernel), fits_half(kernel[0]), fits_half(kernel * 1e5), fits_half(kernel * 1e-5)
    (True, False, False, False)
    """
    if values.dtype != np.float32 or sum(side > 1 for side in values.shape) < 2:
        return False
    largest = float(np.max(np.abs(values)))
    # Not so for NaN.
    return float(_HALF.tiny) <= largest <= float(_HALF.max)


def _halve(content: bytes) -> bytes:
    import h5py

    target = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)
        old.visititems(lambda name, entry: _copy_entry(name, entry, new))
    return target.getvalue()


def _copy_entry(name: str, entry: Any, new: Any) -> None:
    import h5py

    if isinstance(entry, h5py.Group):
        copy = new.require_group(name)
    else:
        values = entry[()]
        fits = isinstance(values, np.ndarray) and fits_half(values)
        copy = new.create_dataset(name, data=values.astype(np.float16) if fits else values)
    copy.attrs.update(entry.attrs)
