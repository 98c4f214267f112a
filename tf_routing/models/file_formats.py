"""How a routed model is written to files: whole, for serving, or not at all where a format would change its answers."""

import os
from collections.abc import Callable
from typing import Any

_export: Callable[..., None] | None = None


def register_export(function: Callable[..., None]) -> None:
    """Says what `RoutedModel.export` calls: exporting knows the models, so that they cannot know it.

    Args:
        function: As `exporting.keras_formats.export_in_format`.
    """
    global _export
    _export = function


class FileFormats:
    """`save`, `export` and `quantize` of `keras.Model`, for the formats that hold a model which routes (mixin)."""

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: Any = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes the forward pass as `keras.Model.export` does, once it is seen to compute the model's numbers.

        `tf_routing.export` writes a SavedModel with more signatures, decoding and a card. Files of `"onnx"`, as
        `tf_routing.exporting.onnx.export_onnx` writes them, skip; files of `"litert"` run every branch.

        Args:
            filepath: File to write; a folder for `"tf_saved_model"`.
            format: `"tf_saved_model"`, `"onnx"` or `"litert"`. `"openvino"` and `"torch"` are refused.
            verbose: Boolean, whether to print where the file is; yes where not given.
            input_signature: As for `keras.Model.export`; for `"onnx"` there is none.
            **kwargs: As for `keras.Model.export`, and `tolerance`, the largest difference of a probability that is
                taken: by default 1e-5, and more for a model of less precision.

        Raises:
            ValueError: If the format cannot hold the model, or what was written computes something else: then nothing
                is written, and the message says what to call.
            FileExistsError: If the folder of a SavedModel exists and is not empty.
            RuntimeError: If the format needs another backend.
        """
        assert _export is not None, "The package registers it when Keras is imported."
        write = super().export  # type: ignore[misc]
        _export(self, write, filepath, format, verbose, input_signature, **kwargs)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves the whole model as `keras.Model.save` does, in the one format that holds it.

        Args:
            filepath: Path that ends in `.keras`.
            overwrite: As for `keras.Model.save`.
            zipped: As for `keras.Model.save`.
            **kwargs: As for `keras.Model.save`.

        Raises:
            ValueError: If the path ends in `.h5` or `.hdf5`.
        """
        _refuse_old_format(filepath)
        super().save(filepath, overwrite, zipped, **kwargs)  # type: ignore[misc]

    def quantize(self, mode: Any = None, *args: Any, **kwargs: Any) -> None:
        """Refuses what `keras.Model.quantize` does.

        Args:
            mode: As for `keras.Model.quantize`.
            *args: As there.
            **kwargs: As there.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "`quantize` changes dense layers alone: convolutions, which are nearly all of this model's work, would "
            "stay floats, and routers would decide otherwise. Build the model under "
            "`keras.config.set_dtype_policy('mixed_float16')` or 'mixed_bfloat16' to compute in fewer bits. "
            f"Received: mode={mode!r}"
        )


def _refuse_old_format(filepath: Any) -> None:
    name = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else ""
    if name.endswith((".h5", ".hdf5")):
        raise ValueError(
            "`filepath` must end in `.keras`: Keras's old format cannot hold routed models. For weights alone call "
            f"model.save_weights('model.weights.h5'). Received: filepath={name!r}"
        )
