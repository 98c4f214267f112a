"""Checks what the methods of a model are given, before Keras begins."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tf_routing.models.inputs.batch_guard import NoBatch, guarded, refuse_endless, values_kept
from tf_routing.models.inputs.batches import per_sample
from tf_routing.models.inputs.first_batch import watched
from tf_routing.models.inputs.image_range import tell_far_images
from tf_routing.models.inputs.images import check_images, image_part


class CheckedInputs:
    """Methods of `keras.Model` that refuse what is no image, and know what to do with none (mixin)."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the model; see `keras.Model`."""
        inputs = args[0] if args else kwargs.get("inputs")
        check_images(self, inputs, "inputs")
        if not self.__dict__.get("_looked_at"):
            # The first images alone are looked at: a loop of a user's own must not wait for a device at every step.
            self.__dict__["_looked_at"] = tell_far_images(self, inputs, "inputs")
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def fit(self: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model.fit`."""
        x = self._watched(self._begun(self._some(x)))
        with values_kept(self):
            return super().fit(x, *args, **kwargs)  # type: ignore[misc]

    def evaluate(self: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the model; see `keras.Model.evaluate`."""
        x = self._begun(self._some(x))
        if _steps(kwargs, args[4:]) is None:
            refuse_endless(x)
        x = self._watched(x)
        with values_kept(self):
            return super().evaluate(x, *args, **kwargs)  # type: ignore[misc]

    def predict(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the answers of the model; see `keras.Model.predict`. No images have answers of shape `(0, ...)`."""
        x = self._begun(self._checked(x))
        if _holds_none(x):
            return self._answers_for_none()
        if _steps(kwargs, args[2:]) is None:
            refuse_endless(x)
        try:
            with values_kept(self):
                return super().predict(x, *args, **kwargs)  # type: ignore[misc]
        except (NoBatch, UnboundLocalError):
            # The second is what Keras raises on TensorFlow after a loop over nothing.
            if self._ran[0]:
                raise
            return self._answers_for_none()

    def train_on_batch(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Takes one step; see `keras.Model.train_on_batch`."""
        return super().train_on_batch(self._some(x), *args, **kwargs)  # type: ignore[misc]

    def test_on_batch(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Measures one batch; see `keras.Model.test_on_batch`."""
        return super().test_on_batch(self._some(x), *args, **kwargs)  # type: ignore[misc]

    def predict_on_batch(self: Any, x: Any) -> Any:
        """Returns the answers for one batch; see `keras.Model.predict_on_batch`."""
        x = self._checked(x)
        return self._answers_for_none() if _holds_none(x) else super().predict_on_batch(x)  # type: ignore[misc]

    def make_train_function(self: Any, force: bool = False) -> Any:
        """Makes the function that `fit` runs."""
        return self._make("train_function", super().make_train_function, force)  # type: ignore[misc]

    def make_test_function(self: Any, force: bool = False) -> Any:
        """Makes the function that `evaluate` runs."""
        return self._make("test_function", super().make_test_function, force)  # type: ignore[misc]

    def make_predict_function(self: Any, force: bool = False) -> Any:
        """Makes the function that `predict` runs."""
        return self._make("predict_function", super().make_predict_function, force)  # type: ignore[misc]

    def _make(self: Any, name: str, make: Any, force: bool) -> Any:
        before = getattr(self, name)
        make(force)
        made = getattr(self, name)
        if made is not before:
            setattr(self, name, guarded(made, self._ran, self._look, self._shown))
        return getattr(self, name)

    @property
    def _ran(self) -> list[bool]:
        # Whether the loop that runs has seen a batch; beside what Keras tracks.
        return self.__dict__.setdefault("_ran_batch", [True])

    @property
    def _shown(self) -> list[Any]:
        # The first images of a dataset, from the thread that read them until they are looked at.
        return self.__dict__.setdefault("_shown_images", [])

    def _watched(self: Any, x: Any) -> Any:
        """What a loop is given, watched where there may be something to say of it."""
        # Where replicas share batches, datasets are cut up and sent elsewhere, which a look at them would hinder.
        replicas = getattr(getattr(self, "distribute_strategy", None), "num_replicas_in_sync", 1)
        return x if replicas > 1 or self.__dict__.get("_told_far") else watched(x, self._shown.append)

    def _look(self: Any, batch: Any) -> None:
        tell_far_images(self, keras.utils.unpack_x_y_sample_weight(batch)[0], "x")

    def _begun(self, x: Any) -> Any:
        """The inputs of a loop, none of which has run."""
        self._ran[0] = False
        self._shown.clear()
        return x

    def _checked(self: Any, x: Any) -> Any:
        """The inputs, if they can be those of a model."""
        check_images(self, x, "x")
        tell_far_images(self, x, "x")
        return per_sample(x)

    def _some(self: Any, x: Any) -> Any:
        """The inputs, if they hold an image."""
        x = self._checked(x)
        if _holds_none(x):
            raise ValueError("`x` must hold at least one image. Received: none")
        return x

    def _answers_for_none(self: Any) -> Any:
        shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(self.output)]
        if any(None in shape for shape in shapes):
            raise ValueError(f"`x` must hold at least one image: {self.name!r} answers in the size of images.")
        return keras.tree.map_structure(
            lambda tensor: keras.ops.convert_to_numpy(keras.ops.zeros((0, *tensor.shape[1:]), tensor.dtype)),
            self.output,
        )


def _steps(named: Mapping[str, Any], others: Sequence[Any]) -> Any:
    """The argument `steps`, by name or as the first of others."""
    return named.get("steps", others[0] if others else None)


def _holds_none(x: Any) -> bool:
    images = image_part(x)
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches == 0
    return bool(getattr(images, "shape", ())) and images.shape[0] == 0
