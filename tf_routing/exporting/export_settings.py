"""The settings of an export, checked before the work that takes a while."""

from dataclasses import dataclass, replace
from typing import Any

from tf_routing.data.images.decoding.framing import check_crop
from tf_routing.models.inputs.batches import image_input
from tf_routing.support.validation import positive_integer


@dataclass(frozen=True)
class ExportSettings:
    """How a SavedModel is made; the fields are arguments of `tf_routing.export`, in the order of its card.

    Args:
        version: Positive integer.
        fold_batch_norm: Boolean, whether signatures run a copy with batch normalisation folded into kernels.
        freeze: Boolean, whether signatures that classify hold the weights as constants.
        crop: Number in (0, 1], the share of a picture that is seen.
        resize: Integer or `None`, height and width that pictures are brought to instead.
    """

    version: int = 1
    fold_batch_norm: bool = True
    freeze: bool = False
    crop: float = 1.0
    resize: int | None = None

    def validate(self, model: Any) -> "ExportSettings":
        """Returns the settings if they are possible for a model, else raises a `ValueError`."""
        positive_integer("version", self.version)
        check_crop(self.crop)
        if self.resize is not None:
            self._validate_resize(model)
        # Cards hold it as JSON, where 1 and 1.0 differ.
        return replace(self, crop=float(self.crop))

    def _validate_resize(self, model: Any) -> None:
        longest = max(image_input(model).shape[1:3])
        if positive_integer("resize", self.resize) < longest:
            raise ValueError(
                f"`resize` must be at least {longest}, a side of the images. Received: resize={self.resize!r}"
            )
