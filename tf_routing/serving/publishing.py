"""Publishes models, or SavedModels, as versions that TensorFlow Serving loads."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_routing.exporting.assets.card_version import write_version
from tf_routing.exporting.checksums import FILE, check_checksums, write_checksums
from tf_routing.serving.configuration import add_model, largest_request, read_models, write_batching_parameters
from tf_routing.serving.layout import check_name, next_version, place, remove_old, staging
from tf_routing.support.validation import positive_integer

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

_WARM_UP = (1, 8)


def publish(
    model: "RoutedModel",
    folder: str | os.PathLike[str],
    *,
    name: str | None = None,
    version: int | None = None,
    keep: int | None = None,
    warm_up: Sequence[int] = _WARM_UP,
    **export_arguments: Any,
) -> Path:
    """Exports a model as a version that TensorFlow Serving loads.

    The folder then holds `<name>/<version>/`, `models.config` (the server's `--model_config_file`) and
    `batching_parameters.txt` (its `--batching_parameters_file`). The version appears complete, by one rename, with
    warm-up requests that the server runs before it answers others. Other models, and changes in the two files, stay.

    Args:
        model: The model.
        folder: The folder of all models, which the server sees as `/models`.
        name: Name on the server, the model's by default.
        version: Integer, at least 1; one more than the highest that is there by default.
        keep: Integer, the number of versions to keep, the highest ones; all by default.
        warm_up: Sizes of warm-up requests in images, one request per size and signature.
        **export_arguments: Further arguments of `tf_routing.export`.

    Returns:
        Folder of the version.

    Raises:
        ValueError: If an argument is wrong.
        FileExistsError: If this version is there.
        ImportError: If the extra `serving` is not installed.

    Example:

    >>> import tempfile
    >>> from tf_routing import serving, zoo
    >>> folder = tempfile.mkdtemp()
    >>> serving.publish(zoo.get("decide_static1", width_multiplier=0.25), folder, name="digits").name
    '1'
    >>> serving.list_versions(folder, "digits")
    [1]
    """

    import tf_routing
    from tf_routing.exporting.model_inputs import exported_model

    exported_model(model)

    def write(target: Path, number: int) -> None:
        """Exports the model as version `number` into a new folder."""
        tf_routing.export(model, target, version=number, **export_arguments)

    return _publish(write, Path(folder), model.name if name is None else name, version, keep, warm_up)


def publish_folder(
    saved_model: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    name: str,
    version: int | None = None,
    keep: int | None = None,
    warm_up: Sequence[int] = _WARM_UP,
) -> Path:
    """Copies a SavedModel as a version that TensorFlow Serving loads; see `publish`.

    The model card of the copy, if it has one, gets the version.

    Args:
        saved_model: Folder of the SavedModel, as `tf_routing.export` wrote it.
        folder: The folder of all models.
        name: Name on the server.
        version: Integer, at least 1; one more than the highest that is there by default.
        keep: Integer, the number of versions to keep, the highest ones; all by default.
        warm_up: Sizes of warm-up requests in images, one request per size and signature.

    Returns:
        Folder of the version.

    Raises:
        ValueError: If an argument is wrong, or files differ from the checksums of the SavedModel.
        FileNotFoundError: If there is no SavedModel.
        FileExistsError: If this version is there.
        ImportError: If the extra `serving` is not installed.

    Example:

    >>> import tempfile
    >>> import tf_routing
    >>> from tf_routing import serving, zoo
    >>> folder = tempfile.mkdtemp()
    >>> tf_routing.export(zoo.get("decide_static1", width_multiplier=0.25), folder + "/exported")
    >>> serving.publish_folder(folder + "/exported", folder + "/models", name="digits", version=7).name
    '7'
    """
    source = Path(saved_model)
    if not (source / "saved_model.pb").is_file():
        raise FileNotFoundError(f"There is no SavedModel at {source}.")

    def write(target: Path, number: int) -> None:
        """Copies the SavedModel as version `number` into a new folder, and checks it."""
        shutil.copytree(source, target)
        if (target / FILE).is_file():
            check_checksums(target)
        write_version(target, number)

    return _publish(write, Path(folder), name, version, keep, warm_up)


def check_publication(
    folder: str | os.PathLike[str], name: str, version: int | None = None, keep: int | None = None
) -> int:
    """Returns the version that would be published now, else raises what `publish` would, and writes nothing.

    Args:
        folder: The folder of all models.
        name: Name on the server.
        version: As for `publish`.
        keep: As for `publish`.

    Example:

    >>> import tempfile
    >>> from tf_routing.serving.publishing import check_publication
    >>> check_publication(tempfile.mkdtemp(), "digits")
    1
    """
    number = next_version(Path(folder), check_name(name), version)
    if keep is not None:
        positive_integer("keep", keep)
    # Raises if the list cannot be read, before anything is written.
    read_models(Path(folder))
    return number


def _publish(
    write: Callable[[Path, int], None],
    folder: Path,
    name: str,
    version: int | None,
    keep: int | None,
    warm_up: Sequence[int],
) -> Path:
    number = check_publication(folder, name, version, keep)
    sizes = _choose_warm_up_sizes(warm_up, largest_request(folder))
    from tf_routing.serving.warm_up import write_warm_up

    with staging(folder) as temporary:
        new = temporary / str(number)
        write(new, number)
        write_warm_up(new, name, sizes)
        if (new / FILE).is_file():
            write_checksums(new)
        placed = place(new, folder, name, number)
    write_batching_parameters(folder)
    # Last: the server must not look for a model before it is there.
    add_model(folder, name)
    if keep is not None:
        remove_old(folder, name, keep)
    return placed


def _choose_warm_up_sizes(warm_up: Sequence[int], most: int | None) -> Sequence[int]:
    # The server never serves a version whose warm-up requests it refuses.
    if most is not None and warm_up is _WARM_UP:
        return sorted({min(size, most) for size in warm_up})
    for size in warm_up:
        if positive_integer("warm_up", size) > (most or size):
            raise ValueError(f"`warm_up` must be at most {most}, the largest request of the server. Received: {size}")
    return warm_up
