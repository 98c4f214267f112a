"""Checks what `fit`, `evaluate`, `predict` and calls of a model are given, before Keras begins."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import keras

from tf_routing.core.tensors import Images
from tf_routing.models.inputs.batch_guard import NoBatch, guard, keep_values, refuse_endless
from tf_routing.models.inputs.batch_sizes import AnySize
from tf_routing.models.inputs.batches import repeat_per_sample
from tf_routing.models.inputs.first_batch import watch_first
from tf_routing.models.inputs.image_range import warn_of_far_images
from tf_routing.models.inputs.images import check_images, image_part
from tf_routing.models.inputs.input_watch import InputWatch


def _as_written(method: Any) -> Any:
    """Returns a method that TensorFlow does not rewrite, with all that it calls, where a graph of a user's is traced.

    Autograph makes graphs of Python's conditions and loops. None here depends on tensors, and rewriting takes seconds.
    """
    if keras.backend.backend() != "tensorflow":
        return method
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(method)


class CheckedInputs:
    """Methods of `keras.Model` that refuse what is no image, and know what to do with none (mixin)."""

    @cached_property
    def input_watch(self) -> InputWatch:
        """What the model remembers of its inputs."""
        return InputWatch()

    @_as_written
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the model; see `keras.Model`."""
        inputs = args[0] if args else kwargs.get("inputs")
        check_images(self, inputs, "inputs")
        if not self.input_watch.has_looked:
            # The first images alone are looked at: a loop of a user's own must not wait for a device at every step.
            self.input_watch.has_looked = warn_of_far_images(self, inputs, "inputs")
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def fit(self: Any, x: Images | None = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model.fit`."""
        x = self._watch_first(self._begin_loop(self._require_images(x)))
        with keep_values(self):
            return super().fit(x, *args, **kwargs)  # type: ignore[misc]

    def evaluate(self: Any, x: Images | None = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the model; see `keras.Model.evaluate`."""
        x = self._begin_loop(self._require_images(x))
        if _steps(kwargs, args[4:]) is None:
            refuse_endless(x)
        x = self._watch_first(x)
        with keep_values(self):
            return super().evaluate(x, *args, **kwargs)  # type: ignore[misc]

    def predict(self: Any, x: Images, *args: Any, **kwargs: Any) -> Any:
        """Returns the answers of the model; see `keras.Model.predict`. No images have answers of shape `(0, ...)`."""
        x = self._begin_loop(self._check_inputs(x))
        if _holds_none(x):
            return self._answer_none()
        if _steps(kwargs, args[2:]) is None:
            refuse_endless(x)
        try:
            with keep_values(self):
                return super().predict(x, *args, **kwargs)  # type: ignore[misc]
        except (NoBatch, UnboundLocalError):
            # The second is what Keras raises on TensorFlow after a loop over nothing.
            if self.input_watch.has_run:
                raise
            return self._answer_none()

    def train_on_batch(self: Any, x: Images, *args: Any, **kwargs: Any) -> Any:
        """Takes one step; see `keras.Model.train_on_batch`."""
        return super().train_on_batch(self._require_images(x), *args, **kwargs)  # type: ignore[misc]

    def test_on_batch(self: Any, x: Images, *args: Any, **kwargs: Any) -> Any:
        """Measures one batch; see `keras.Model.test_on_batch`."""
        return super().test_on_batch(self._require_images(x), *args, **kwargs)  # type: ignore[misc]

    def predict_on_batch(self: Any, x: Images) -> Any:
        """Returns the answers for one batch; see `keras.Model.predict_on_batch`."""
        x = self._check_inputs(x)
        return self._answer_none() if _holds_none(x) else super().predict_on_batch(x)  # type: ignore[misc]

    def make_train_function(self: Any, force: bool = False) -> Any:
        """Makes the function that `fit` runs."""
        return self._make("train_function", super().make_train_function, force)  # type: ignore[misc]

    def make_test_function(self: Any, force: bool = False) -> Any:
        """Makes the function that `evaluate` runs."""
        return self._make("test_function", super().make_test_function, force)  # type: ignore[misc]

    def make_predict_function(self: Any, force: bool = False) -> Any:
        """Makes the function that `predict` runs."""
        make = super().make_predict_function  # type: ignore[misc]
        on_tensorflow = keras.backend.backend() == "tensorflow"
        return self._make("predict_function", partial(self._make_any_size, make) if on_tensorflow else make, force)

    def _make_any_size(self: Any, make: Any, force: bool) -> None:
        """Makes the predict function, for batches of all sizes; Keras's `make` leaves one for each it sees."""

        def _make_another() -> Any:
            before = self.predict_function
            make(True)
            made, self.predict_function = self.predict_function, before
            return made

        if force or self.predict_function is None:
            self.predict_function = AnySize(
                _make_another, partial(self.executor.needs_size, is_compiled=self.jit_compile)
            )

    def _make(self: Any, name: str, make: Any, force: bool) -> Any:
        before = getattr(self, name)
        make(force)
        made = getattr(self, name)
        if made is not before:
            setattr(self, name, guard(made, self._look, self.input_watch))
        return getattr(self, name)

    def _watch_first(self: Any, x: Any) -> Any:
        """Returns what a loop is given, watched where there may be something to say of it."""
        # Where replicas share batches, datasets are cut up and sent elsewhere, which a look at them would hinder.
        replicas = getattr(getattr(self, "distribute_strategy", None), "num_replicas_in_sync", 1)
        watch = self.input_watch
        return x if replicas > 1 or watch.has_warned else watch_first(x, watch.shown.append)

    def _look(self: Any, batch: Any) -> None:
        warn_of_far_images(self, keras.utils.unpack_x_y_sample_weight(batch)[0], "x")

    def _begin_loop(self, x: Any) -> Any:
        """Returns the inputs of a loop, none of which has run."""
        self.input_watch.begin_loop()
        return x

    def _check_inputs(self: Any, x: Any) -> Any:
        """Returns the inputs in the form that Keras reads, or raises where they can be those of no model."""
        check_images(self, x, "x")
        warn_of_far_images(self, x, "x")
        return repeat_per_sample(x)

    def _require_images(self: Any, x: Any) -> Any:
        """Returns the inputs, or raises where they hold no image."""
        x = self._check_inputs(x)
        if _holds_none(x):
            raise ValueError("`x` must hold at least one image. Received: none")
        return x

    def _answer_none(self: Any) -> Any:
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
