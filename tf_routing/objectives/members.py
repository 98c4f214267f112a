"""The objective of ensembles: every member minimises its own."""

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

    def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        terms = {}
        for member, objective in self.objectives.items():
            own = objective(labels, outputs[member], sample_weight)
            terms.update({f"{member}_{name}": value for name, value in own.items()})
        return terms

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates the trainable parts of every member's objective."""
        for member, objective in self.objectives.items():
            objective.build(outputs[member])

    @property
    def variables(self) -> list[Any]:
        """The trainable parts of every member's objective."""
        return [variable for objective in self.objectives.values() for variable in objective.variables]

    def smoothed(self, label_smoothing: float) -> "MemberObjectives":
        """Returns this objective with labels smoothed for every member."""
        return MemberObjectives({name: each.smoothed(label_smoothing) for name, each in self.objectives.items()})

    def get_config(self) -> dict[str, Any]:
        members = {name: keras.saving.serialize_keras_object(each) for name, each in self.objectives.items()}
        return {"objectives": members}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MemberObjectives":
        members = config["objectives"].items()
        return cls({name: keras.saving.deserialize_keras_object(each) for name, each in members})
