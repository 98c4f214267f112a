"""The objective of ensembles: the sum of the members' objectives, whose terms carry the members' names."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from tf_routing.core.tensors import Array, Tensor
from tf_routing.objectives.objective import Objective


@keras.saving.register_keras_serializable(package="tf_routing")
class MemberObjectives(Objective):
    """Sums the objectives of an ensemble's members.

    Equation:
        L = sum_e L_e

        with L_e the objective of member e in `objectives`. Members share no weights, so the gradient of the sum trains
        member e on L_e only, as if it were trained separately.

    Args:
        objectives: Dict from member name to the member's objective.

    Example:

    >>> from tf_routing.objectives import Classification
    >>> MemberObjectives({"member_1": Classification()}).names
    ('member_1_classification_loss',)

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        section 6.1, the ensembles of Tables 1 and 2.
    """

    def __init__(self, objectives: dict[str, Objective]) -> None:
        self.objectives = dict(objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members' terms, as `{member}_{term}`."""
        return tuple(f"{member}_{name}" for member, objective in self.objectives.items() for name in objective.names)

    @property
    def reads_classes(self) -> bool:
        """Whether the objective of any member needs class indices or distributions as labels."""
        return any(objective.reads_classes for objective in self.objectives.values())

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The names of the members' measures, as `{member}_{measure}`."""
        return tuple(
            f"{member}_{name}" for member, objective in self.objectives.items() for name in objective.measured_names
        )

    @property
    def decayed_layers(self) -> tuple[str, ...]:
        """The members' layers whose squared kernels are summed, as `{member}/{layer}`."""
        return tuple(
            f"{member}/{name}" for member, objective in self.objectives.items() for name in objective.decayed_layers
        )

    @property
    def drawn_inputs(self) -> dict[str, tuple[float, ...]]:
        """Auxiliary inputs that training draws at random per sample, the same for all members.

        Raises:
            ValueError: If two members draw the same input from different values.
        """
        drawn: dict[str, tuple[float, ...]] = {}
        for member, objective in self.objectives.items():
            for name, values in objective.drawn_inputs.items():
                if drawn.setdefault(name, values) != values:
                    raise ValueError(
                        f"Members of an ensemble read the same inputs, but {member!r} draws {name!r} from {values}, "
                        f"one before it from {drawn[name]}: give all members the same values."
                    )
        return drawn

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        return self._join(lambda member, objective: objective(labels, _select_member(outputs, member), sample_weight))

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the measures of all members, by `{member}_{measure}`."""
        return self._join(lambda member, objective: objective.measures(_select_member(outputs, member)))

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns the factors of the members' gradients, by `{member}/{layer}`."""
        return {
            f"{member}/{name}": factor
            for member, objective in self.objectives.items()
            for name, factor in objective.gradient_factors(_select_member(outputs, member)).items()
        }

    def _join(self, values: Callable[[str, Objective], dict[str, Any]]) -> dict[str, Any]:
        return {
            f"{member}_{name}": value
            for member, objective in self.objectives.items()
            for name, value in values(member, objective).items()
        }

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the variables of all members' objectives."""
        for member, objective in self.objectives.items():
            objective.build(outputs[member])

    @property
    def variables(self) -> list[Any]:
        """The trainable weights of all members' objectives."""
        return [variable for objective in self.objectives.values() for variable in objective.variables]

    @property
    def state(self) -> list[Any]:
        """The variables that the members' objectives adapt."""
        return [variable for objective in self.objectives.values() for variable in objective.state]

    def go_on_from(self, before: Objective) -> list[str]:
        """Lets all members' objectives take over the variables of the same member's objective in `before`."""
        if not isinstance(before, MemberObjectives):
            return []
        changed = [
            objective.go_on_from(before.objectives[member])
            for member, objective in self.objectives.items()
            if member in before.objectives
        ]
        return list(dict.fromkeys(name for names in changed for name in names))

    def end_step(self) -> None:
        """Lets every member's objective adapt after a step."""
        for objective in self.objectives.values():
            objective.end_step()

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Lets every member's objective adapt to that member's part of the logs."""
        for member, objective in self.objectives.items():
            prefix = f"{member}_"
            part = {name.removeprefix(prefix): value for name, value in logs.items() if name.startswith(prefix)}
            objective.end_epoch(part)

    def at_evaluation(self) -> "MemberObjectives":
        """Returns the objective for evaluation, which shares its variables with this one."""
        return self._map_members(lambda objective: objective.at_evaluation())

    def grouped(self, copies: int) -> "MemberObjectives":
        """Returns this objective for training batches with `copies` neighbouring rows per image."""
        return self._map_members(lambda objective: objective.grouped(copies))

    def smoothed(self, label_smoothing: float) -> "MemberObjectives":
        """Returns this objective with label smoothing for all members."""
        return self._map_members(lambda objective: objective.smoothed(label_smoothing))

    def _map_members(self, change: Callable[[Objective], Objective]) -> "MemberObjectives":
        return MemberObjectives({member: change(objective) for member, objective in self.objectives.items()})

    def get_config(self) -> dict[str, Any]:
        members = {name: keras.saving.serialize_keras_object(each) for name, each in self.objectives.items()}
        return {"objectives": members}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MemberObjectives":
        members = config["objectives"].items()
        return cls({name: keras.saving.deserialize_keras_object(each) for name, each in members})


def _select_member(outputs: dict[str, Any], member: str) -> dict[str, Any]:
    """Returns the outputs of a member, and the entries that the model added to `outputs` as `{member}/{name}`."""
    added = {name.removeprefix(f"{member}/"): value for name, value in outputs.items() if name.startswith(f"{member}/")}
    return {**outputs[member], **added}
