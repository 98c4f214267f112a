"""The objective of ensembles: every member minimises its own."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from tf_routing.objectives.objective import Objective


@keras.saving.register_keras_serializable(package="tf_routing")
class MemberObjectives(Objective):
    """Sums one objective over the members of an ensemble.

    Members share no weights, so the gradient of the sum trains each member on its own loss alone.

    Args:
        objectives: Dict from member name to the member's objective.

    Example:

    >>> from tf_routing.objectives import Classification
    >>> MemberObjectives({"member_1": Classification()}).names
    ('member_1_classification_loss',)
    """

    def __init__(self, objectives: dict[str, Objective]) -> None:
        self.objectives = dict(objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """The members' terms, each behind its member's name."""
        return tuple(f"{member}_{name}" for member, objective in self.objectives.items() for name in objective.names)

    @property
    def reads_classes(self) -> bool:
        """Whether a member's objective reads labels as classes."""
        return any(objective.reads_classes for objective in self.objectives.values())

    @property
    def measured_names(self) -> tuple[str, ...]:
        """What is measured of the members, each behind its member's name."""
        return tuple(f"{member}_{name}" for member, own in self.objectives.items() for name in own.measured_names)

    @property
    def decayed_layers(self) -> tuple[str, ...]:
        """The members' layers whose squared kernels count, each as `member/layer`."""
        return tuple(f"{member}/{name}" for member, own in self.objectives.items() for name in own.decayed_layers)

    @property
    def drawn_inputs(self) -> dict[str, tuple[float, ...]]:
        """Inputs beside the image that training draws, the same for all members.

        Raises:
            ValueError: If members draw one input from different values.
        """
        drawn: dict[str, tuple[float, ...]] = {}
        for member, own in self.objectives.items():
            for name, values in own.drawn_inputs.items():
                if drawn.setdefault(name, values) != values:
                    raise ValueError(
                        f"Members of an ensemble read the same inputs, but {member!r} draws {name!r} from {values}, "
                        f"one before it from {drawn[name]}: give all members the same values."
                    )
        return drawn

    def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        return self._join(lambda member, own: own(labels, _select_member(outputs, member), sample_weight))

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns what is measured of the members."""
        return self._join(lambda member, own: own.measures(_select_member(outputs, member)))

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns what the members multiply gradients by, each behind its member's name as `member/layer`."""
        return {
            f"{member}/{name}": factor
            for member, own in self.objectives.items()
            for name, factor in own.gradient_factors(_select_member(outputs, member)).items()
        }

    def _join(self, values: Callable[[str, Objective], dict[str, Any]]) -> dict[str, Any]:
        return {
            f"{member}_{name}": value
            for member, own in self.objectives.items()
            for name, value in values(member, own).items()
        }

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the trainable parts of every member's objective."""
        for member, objective in self.objectives.items():
            objective.build(outputs[member])

    @property
    def variables(self) -> list[Any]:
        """The trainable parts of every member's objective."""
        return [variable for objective in self.objectives.values() for variable in objective.variables]

    @property
    def state(self) -> list[Any]:
        """What the members' objectives adapt."""
        return [variable for objective in self.objectives.values() for variable in objective.state]

    def go_on_from(self, before: Objective) -> list[str]:
        """Lets every member's objective take over from that of the same member."""
        if not isinstance(before, MemberObjectives):
            return []
        changed = [
            own.go_on_from(before.objectives[member])
            for member, own in self.objectives.items()
            if member in before.objectives
        ]
        return list(dict.fromkeys(name for names in changed for name in names))

    def end_step(self) -> None:
        """Lets every member's objective adapt after a step."""
        for objective in self.objectives.values():
            objective.end_step()

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Lets every member's objective adapt to its own part of the logs."""
        for member, objective in self.objectives.items():
            own = {
                name.removeprefix(f"{member}_"): value for name, value in logs.items() if name.startswith(f"{member}_")
            }
            objective.end_epoch(own)

    def at_evaluation(self) -> "MemberObjectives":
        """Returns the objective, its variables shared, that tests and validations log."""
        return self._map_members(lambda own: own.at_evaluation())

    def grouped(self, copies: int) -> "MemberObjectives":
        """Returns this objective for training batches with so many neighbouring copies of each image."""
        return self._map_members(lambda own: own.grouped(copies))

    def smoothed(self, label_smoothing: float) -> "MemberObjectives":
        """Returns this objective with labels smoothed for every member."""
        return self._map_members(lambda own: own.smoothed(label_smoothing))

    def _map_members(self, change: Callable[[Objective], Objective]) -> "MemberObjectives":
        return MemberObjectives({member: change(own) for member, own in self.objectives.items()})

    def get_config(self) -> dict[str, Any]:
        members = {name: keras.saving.serialize_keras_object(each) for name, each in self.objectives.items()}
        return {"objectives": members}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MemberObjectives":
        members = config["objectives"].items()
        return cls({name: keras.saving.deserialize_keras_object(each) for name, each in members})


def _select_member(outputs: dict[str, Any], member: str) -> dict[str, Any]:
    """What a member's objective reads: the member's outputs, and what the model adds by `member/name`."""
    added = {name.removeprefix(f"{member}/"): value for name, value in outputs.items() if name.startswith(f"{member}/")}
    return {**outputs[member], **added}
