"""Image classifiers that decide, per image, which of their parts to run.

`from tf_routing import zoo` is the door. Importing this package does not import Keras; once Keras is imported, before
or after, every layer, objective and model of the library is registered with it, so `keras.saving.load_model` needs no
`custom_objects`.
"""

import importlib
from types import ModuleType
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "RoutedModel",
    "add_routing",
    "calibrate",
    "calibrate_budgets",
    "cascade",
    "export",
    "fold_batch_norm",
    "layers",
    "models",
    "objectives",
    "train_exits",
    "widen_paths",
    "zoo",
]

_LAZY = {
    "RoutedModel": "tf_routing.models",
    "add_routing": "tf_routing.transforms.routing.own_networks",
    "calibrate": "tf_routing.transforms.calibration",
    "calibrate_budgets": "tf_routing.transforms.budgets.calibration",
    "cascade": "tf_routing.transforms.routing.cascades",
    "export": "tf_routing.exporting.saved_model",
    "fold_batch_norm": "tf_routing.transforms.folding",
    "train_exits": "tf_routing.transforms.routing.exit_training",
    "widen_paths": "tf_routing.transforms.widening",
}
_ROOMS = {
    **{
        room: f"tf_routing.{room}"
        for room in ("analysis", "client", "cost", "data", "execution", "layers", "models", "objectives", "optimizers")
    },
    **{room: f"tf_routing.{room}" for room in ("prediction", "serving", "zoo")},
    # As they were called before there was a room for exporting.
    "onnx_export": "tf_routing.exporting.onnx",
    "saved_model": "tf_routing.exporting.saved_model",
}


def _register(_: ModuleType) -> None:
    for room in ("layers", "objectives", "optimizers", "models"):
        importlib.import_module(f"tf_routing.{room}")
    from tf_routing.models.file_formats import register_export

    register_export(_export_in_format)


def _export_in_format(*args: Any, **kwargs: Any) -> None:
    # Here, since it needs TensorFlow, which other backends run without.
    from tf_routing.exporting.keras_formats import export_in_format

    export_in_format(*args, **kwargs)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    raise AttributeError(f"module 'tf_routing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY, *_ROOMS])


try:
    import wrapt
except ImportError:
    # Comes with TensorFlow, which other backends run without: registering at once then, and Keras is imported first.
    import keras

    _register(keras)
else:
    # A hook rather than an import: the command line lists the zoo without paying seconds for Keras and its backend.
    wrapt.register_post_import_hook(_register, "keras")
