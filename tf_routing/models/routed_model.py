"""The Keras model of every network in the zoo: it classifies, and shows the decisions and their cost per image."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np

from tf_routing import cost, execution
from tf_routing.core.pixel_values import UNIT
from tf_routing.core.precision import float_policy
from tf_routing.core.private_apis import all_layers
from tf_routing.core.tensors import Images, Tensor
from tf_routing.execution.gated_layers import blocks_set_by
from tf_routing.execution.graph_executor import GraphExecutor
from tf_routing.execution.settings import Settings, load_settings
from tf_routing.execution.whole_network import run_whole
from tf_routing.models.budgets.set_budget import BudgetState, SetsBudget
from tf_routing.models.clones import inherit, mark_source
from tf_routing.models.decisions import decision_tensors, output_tensors, routers_between, with_reach
from tf_routing.models.file_formats import FileFormats
from tf_routing.models.inputs.batches import count_samples, drop_labels, image_input
from tf_routing.models.inputs.checked_inputs import CheckedInputs
from tf_routing.models.inputs.images import run_on_images
from tf_routing.models.inputs.input_range import check_range, input_range, note_range
from tf_routing.models.reader import Reader
from tf_routing.models.training.jit import JitWish
from tf_routing.models.training.label_checks import LabelChecks
from tf_routing.models.training.objective_training import ObjectiveTraining
from tf_routing.models.training.trained_objective import TrainedObjective
from tf_routing.models.training.training_state import TrainingState
from tf_routing.models.training.training_step import Step
from tf_routing.objectives.objective import Objective

_SETTINGS = tuple(field.name for field in fields(Settings))


@keras.saving.register_keras_serializable(package="tf_routing")
class RoutedModel(FileFormats, SetsBudget, ObjectiveTraining, JitWish, LabelChecks, Step, CheckedInputs, keras.Model):
    """A functional Keras model that shows the way that every image took and what it cost.

    Calling it, and `predict`, return class probabilities and nothing else; `compile`, `fit`, `evaluate` and `save`
    work as on any Keras model. Decisions are the gates of the routing layers in its graph, by layer name.

    Args:
        inputs: A `keras.Input`.
        outputs: The tensor of class probabilities computed from it.
        name: Optional name of the model.
        **kwargs: As for `keras.Model`.

    Call arguments:
        inputs: Images `(batch, height, width, channels)`, floats in [0, 1] or uint8, which is divided by 255, or of
            another `input_range`; for networks with more inputs a dict. For an image that holds NaN or infinity every
            output is NaN.
        training: Boolean.
        return_outputs: Boolean, whether to return what objectives read instead of the probabilities alone: a dict of
            `probabilities`, `logits` and the decisions by name.

    Example:

    >>> from tf_routing import layers
    >>> image = keras.Input((8, 8, 3))
    >>> paths, gates = layers.CrossConnection(paths=2, name="route_1")(image, return_gates=True)
    >>> features = [keras.layers.GlobalAveragePooling2D()(path) for path in paths]
    >>> model = RoutedModel(image, keras.layers.Dense(4, "softmax")(keras.layers.Average()(features)))
    >>> model.routes(np.zeros((5, 8, 8, 3)))["route_1"].shape
    (5, 1, 2)
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        float_policy(self.dtype_policy, type(self).__name__)
        # Objects that Keras does not track: it would save what they hold as parts of the model.
        self.trained_objective = TrainedObjective(self)
        self.executor = GraphExecutor(self, image_input(self).shape[1])
        inherit(self)

    def _run_through_graph(self, *args: Any, **kwargs: Any) -> Any:
        outputs = super()._run_through_graph(*args, **kwargs)
        mark_source(self, outputs)
        return outputs

    def call(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        training: bool | None = None,
        mask: Any = None,
        return_outputs: bool = False,
    ) -> Any:
        forward = super().call

        def run(images: Any) -> Any:
            """Runs the model's graph, or the one that objectives read, on images that were checked."""
            if return_outputs:
                reader = self._reader
                return reader.run(images, training, lambda x: reader.graph(x, training=training))
            if not training and self.executor.can_leave_early:
                return self.executor.leave_early(images)["probabilities"]
            return self.executor.run(images, training, lambda x: forward(x, training=training, mask=mask))

        return run_on_images(self, run, inputs, training)

    def decide(self, inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns `probabilities` and the decisions by name for a batch, run as `execution` says.

        Args:
            inputs: As for calling the model.

        Returns:
            Dict of tensors.
        """
        # What leaves early tells where, and not what was skipped before.
        if self.executor.can_leave_early and self._only_leaves:
            outputs = run_on_images(self, self.executor.leave_early, inputs, training=False)
        else:
            outputs = self(inputs, training=False, return_outputs=True)
        return {"probabilities": outputs["probabilities"], **self.decisions(outputs)}

    def answer_whole(self, inputs: Tensor | Mapping[str, Tensor], closed: Collection[str] = ()) -> dict[str, Tensor]:
        """Returns what the model answers at inference with every gate open, and with no image leaving early.

        Args:
            inputs: As for calling the model.
            closed: Names of decisions whose gates are closed instead, so that no image runs what is behind them.

        Returns:
            Dict of tensors: `whole_probabilities`, and `whole_logits` where the model shows logits. No gradient passes
            through them.
        """
        graph, answers = self._reader.graph, ("probabilities", "logits")

        def run(images: Any) -> Any:
            """Runs the graph that objectives read on images that were checked."""
            outputs = run_whole(graph, images, closed, skips=bool(closed))
            return {f"whole_{name}": keras.ops.stop_gradient(outputs[name]) for name in answers if name in outputs}

        return run_on_images(self, run, inputs, training=False)

    def answer_hard(self, inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns what the model answers and decides at inference, for objectives that compare training with it.

        Args:
            inputs: As for calling the model.

        Returns:
            Dict of tensors: `hard_probabilities`, and every decision as `hard_{name}`. No gradient passes through them.
        """
        # Masked: inside of a training step nothing is gained by other shapes for every batch.
        reader = self._reader.with_settings(Settings("masked"))
        outputs = run_on_images(
            self, lambda images: reader.run(images, False, partial(reader.graph, training=False)), inputs, False
        )
        names = ("probabilities", *self.decision_names)
        return {f"hard_{name}": keras.ops.stop_gradient(outputs[name]) for name in names}

    # Cached properties, because attributes set the usual way are tracked: the sub-models would be saved as layers.
    @cached_property
    def _reader(self) -> GraphExecutor:
        return self.executor.with_graph(keras.Model(self.input, output_tensors(self)))

    @cached_property
    def _decider(self) -> Reader | None:
        tensors = decision_tensors(self)
        return Reader(self.input, tensors, executor=self.executor) if tensors else None

    @cached_property
    def _only_leaves(self) -> bool:
        """Whether all that is decided is where images leave."""
        return not routers_between(self)

    @cached_property
    def _training_state(self) -> TrainingState:
        # Keras finds it among the attributes when it saves and loads; uncalled, it is no layer of the model.
        return TrainingState(self)

    @property
    def decision_names(self) -> list[str]:
        """The names of the decisions, in order of depth."""
        return list(decision_tensors(self))

    def routes(self, x: Images, batch_size: int = 32) -> dict[str, np.ndarray]:
        """Returns the decisions per image.

        Args:
            x: Images `(count, height, width, channels)`, a dict with more, or batches as for `predict`: a
                `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator, with labels or without.
            batch_size: Integer, images per forward pass; batches stay as they are.

        Returns:
            Dict of arrays by decision name, in order of depth: 0/1 switches `(count, choices)`, for multi-path nets
            gate values `(count, inputs, paths)`; NaN for an image that holds NaN. Empty for a model that decides
            nothing.

        Raises:
            ValueError: If these are no images of the model, or a dataset that repeats for ever.
        """
        self._check_inputs(x)
        if self._decider is None:
            return {}
        decisions = self._decider.predict(drop_labels(x), batch_size, verbose=0)
        # By name: on JAX they come sorted, `router_10` before `router_2`.
        return with_reach(self, {name: np.asarray(decisions[name]) for name in self.decision_names})

    def decisions(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Picks the decisions among what `call(..., return_outputs=True)` returns, named as by `routes`."""
        return with_reach(self, {name: outputs[name] for name in self.decision_names})

    @property
    def static_cost(self) -> int:
        """MACs of the most expensive route that a sample can take."""
        return cost.static_macs(self)

    def cost(self, x: Images, batch_size: int = 32) -> np.ndarray:
        """Returns the MACs executed per image.

        Every path of a multi-path net runs for every image, so that all cost the same there.

        Args:
            x: As for `routes`.
            batch_size: Integer, images per forward pass.

        Returns:
            Integer array `(count,)`. An image that holds NaN has no route, and costs what every image does.

        Raises:
            ValueError: If these are no images of the model, or a dataset that repeats for ever, or if a routed model
                inside decides, whose decisions this one does not show.
        """
        gated = cost.gated_macs(self)[1]
        if gated:
            routes = self.routes(x, batch_size)
            if hidden := sorted(gated.keys() - routes.keys()):
                raise ValueError(
                    f"`cost` needs all decisions, and {self.name} does not show those of models inside: ask these for "
                    f"their cost. Received: a model that holds {', '.join(hidden)}"
                )
            return cost.executed_macs(self, routes, len(next(iter(routes.values()))))
        self._check_inputs(x)
        return cost.executed_macs(self, {}, count_samples(x))

    @property
    def execution(self) -> str:
        """How gated parts run: `"masked"`, `"sparse"`, or `"auto"`: sparse at inference where the backend can.

        In training they are masked whatever is set. What is left at `"auto"`, a block decides by its arguments. A
        `tf.function` or `jax.jit` of the user's own keeps what was set when it was traced.

        On JAX, and on TensorFlow where XLA compiles (`jit_compile=True`), no shape can depend on the data. There the
        samples that chose a part run in buckets of one size, as many as they fill (`execution.static_rows`).
        """
        return self.executor.settings.execution

    @execution.setter
    def execution(self, execution_: str) -> None:
        self.set_execution(execution_)

    @property
    def batch_method(self) -> str:
        """How sparse execution runs a batch, one of `execution.BATCH_METHODS`."""
        return self.executor.settings.batch_method

    def set_execution(self, execution_: str, method: str = "auto", batch_method: str = "auto") -> None:
        """Sets how gated parts run, and how sparse execution goes about it.

        Args:
            execution_: `"masked"`, `"sparse"` or `"auto"`.
            method: How a block is run sparsely, one of `execution.METHODS`; `"auto"` goes by measurements.
            batch_method: How a batch is run, one of `execution.BATCH_METHODS`; `"auto"` goes by measurements.

        Raises:
            ValueError: If a value is not known, or `"sparse"` is asked of a model that has nothing to skip.
            RuntimeError: If the backend is neither TensorFlow nor JAX and `"sparse"` is asked for.
        """
        settings = execution.check(execution_, method, batch_method)
        execution.check_skips(self, execution_)
        # Models inside, such as the members of an ensemble, run by settings of theirs. Innermost first: whether XLA can
        # compile a model depends on all blocks inside.
        for model in reversed(all_layers(self)):
            if isinstance(model, RoutedModel):
                model.apply_settings(settings)

    @property
    def input_range(self) -> tuple[float, float]:
        """The range of the values that the model takes as images, what black and white are to it: (0, 1) if not set.

        Floats are taken as they are, bytes are brought to the range, so that (0, 255) leaves those as they are too. It
        is saved with the model, and exports take the same values.
        """
        return input_range(self)

    @input_range.setter
    def input_range(self, value: tuple[float, float]) -> None:
        note_range(self, check_range("input_range", value))
        # Compiled steps hold what was set when they were traced.
        self.train_function = self.test_function = self.predict_function = None

    def apply_settings(self, settings: Settings) -> None:
        """Runs gated parts by these settings from now on, without looking whether there are any, nor inside of them."""
        self.executor = self.executor.with_settings(settings)
        self.renew_jit()
        # Compiled steps hold what was set when they were traced.
        self.train_function = self.test_function = self.predict_function = None
        for part in ("_reader", "_decider"):
            self.__dict__.pop(part, None)

    def default_objective(self) -> Objective:
        """Returns the objective that `compile` uses where neither `loss` nor `objective` is given."""
        return type(self.trained_objective.default).from_config(self.trained_objective.default.get_config())

    def set_default_objective(self, objective: Objective) -> None:
        """Sets what `default_objective` returns copies of; it is saved with the model."""
        self.trained_objective.default = objective

    def symbolic_outputs(self) -> dict[str, Tensor]:
        """Returns what objectives read, as symbolic tensors."""
        return output_tensors(self)

    def predict(self, x: Images, *args: Any, **kwargs: Any) -> np.ndarray:
        """Returns class probabilities as `keras.Model.predict` does; see there.

        In a dict of inputs a single number stands for all samples.
        """
        return super().predict(x, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the graph, the default objective, how gated parts run, and budgets and a range where it has some."""
        objective = keras.saving.serialize_keras_object(self.trained_objective.default)
        budgets = {} if self.budget_state is None else {"budgets": self.budget_state.to_config()}
        taken = {} if self.input_range == UNIT else {"input_range": list(self.input_range)}
        settings = asdict(self.executor.settings)
        return {**super().get_config(), "default_objective": objective, **settings, **budgets, **taken}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RoutedModel":
        """Builds the model from `get_config`."""
        # A copy: who builds two models from a configuration gets two of the same.
        config = dict(config)
        objective, budgets = config.pop("default_objective", None), config.pop("budgets", None)
        taken = config.pop("input_range", None)
        saved = {name: config.pop(name) for name in _SETTINGS if name in config}
        model = super().from_config(config, custom_objects=custom_objects)
        if objective is not None:
            model.trained_objective.default = keras.saving.deserialize_keras_object(objective)
        if saved:
            model.apply_settings(load_settings(saved, blocks_set_by(model)))
        if taken is not None:
            model.input_range = taken
        if budgets is not None:
            model.budget_state = BudgetState.from_config(budgets)
        return model
