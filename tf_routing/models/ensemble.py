"""A model that averages the answers of independently trained members."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from tf_routing.core.tensors import Images, Tensor
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.models.routed_model import RoutedModel
from tf_routing.objectives.members import MemberObjectives
from tf_routing.objectives.objective import Objective


@keras.saving.register_keras_serializable(package="tf_routing")
class Ensemble(RoutedModel):
    """Averages the class probabilities of its members.

    `fit` trains every member on its loss; calling the ensemble, and `predict`, average. `Ensemble.of` builds one.

    Args:
        inputs: A `keras.Input`.
        outputs: The average of the members applied to it.
        name: Optional name of the model.
        **kwargs: As for `keras.Model`.

    Example:

    >>> from tf_routing import zoo
    >>> ensemble = Ensemble.of([zoo.get("basecnn", width_multiplier=0.25) for _ in range(2)])
    >>> [member.name for member in ensemble.members]
    ['member_1', 'member_2']

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        section 6.1.
    """

    @classmethod
    def of(cls, members: Sequence[RoutedModel], name: str = "ensemble") -> "Ensemble":
        """Builds an ensemble and names its members `member_1`, `member_2`, ...

        Args:
            members: Models of one input shape and one number of classes.
            name: Name of the ensemble.

        Returns:
            The ensemble; it holds the given models themselves.

        Raises:
            ValueError: If there is no member, or two differ in input or output shape.
        """
        for index, member in enumerate(members):
            require_routed_model(member, f"members[{index}]")
        if not members:
            raise ValueError("`members` must hold at least one model. Received: none")
        # Models with more inputs than the image have shapes by name.
        shapes = [(member.input_shape, member.output_shape) for member in members]
        if len({str(shape) for shape in shapes}) != 1:
            distinct = sorted({str(shape): shape for shape in shapes}.values(), key=str)
            raise ValueError(f"`members` must agree in input and output shape. Received shapes: {distinct}")
        for number, member in enumerate(members, 1):
            member.name = f"member_{number}"
        if isinstance(members[0].input, dict):
            inputs: Any = {name: keras.Input(tensor.shape[1:], name=name) for name, tensor in members[0].input.items()}
        else:
            inputs = keras.Input(members[0].input_shape[1:], name="image")
        answers = [member(inputs) for member in members]
        average = keras.layers.Average(name="probabilities", dtype=members[0].layers[-1].dtype_policy)
        return cls(inputs, average(answers) if len(answers) > 1 else answers[0], name=name)

    @property
    def members(self) -> list[RoutedModel]:
        """The models that answer together."""
        return [layer for layer in self.layers if isinstance(layer, RoutedModel)]

    def call(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        training: bool | None = None,
        mask: Any = None,
        return_outputs: bool = False,
    ) -> Any:
        if not return_outputs:
            return super().call(inputs, training=training, mask=mask)
        outputs = {m.name: m(inputs, training=training, return_outputs=True) for m in self.members}
        answers = [output["probabilities"] for output in outputs.values()]
        return {"probabilities": sum(answers[1:], start=answers[0]) / len(answers), **outputs}

    def routes(self, x: Images, batch_size: int = 32) -> dict[str, Any]:
        """Returns the decisions of every member by `member/decision` name; see `RoutedModel.routes`."""
        self._check_inputs(x)
        # What can be read once must do for all members.
        batches = list(x) if isinstance(x, Iterator) else None
        return {
            f"{member.name}/{name}": values
            for member in self.members
            for name, values in member.routes(x if batches is None else (e for e in batches), batch_size).items()
        }

    def decisions(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Picks the decisions of every member; see `RoutedModel.decisions`."""
        return {
            f"{member.name}/{name}": decision
            for member in self.members
            for name, decision in member.decisions(outputs[member.name]).items()
        }

    def symbolic_outputs(self) -> dict[str, Any]:
        """Returns what the members' objectives read, by member."""
        return {member.name: member.symbolic_outputs() for member in self.members}

    def set_default_objective(self, objective: Objective) -> None:
        """Sets what the members' `default_objective` return copies of.

        Args:
            objective: A `MemberObjectives` that names every member.

        Raises:
            ValueError: If it is another objective, or names other members.
        """
        names = [member.name for member in self.members]
        if not isinstance(objective, MemberObjectives) or sorted(objective.objectives) != sorted(names):
            raise ValueError(
                f"`objective` of an ensemble must be MemberObjectives for {', '.join(names)}. "
                f"Received: objective={objective!r}"
            )
        for member in self.members:
            member.set_default_objective(objective.objectives[member.name])

    def default_objective(self) -> Objective:
        """Returns the sum of the members' default objectives."""
        return MemberObjectives({member.name: member.default_objective() for member in self.members})
