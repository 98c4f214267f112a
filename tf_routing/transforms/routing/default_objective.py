"""The objective of networks to which routing was added: they learn from themselves, so that labels are not needed."""

from tf_routing import cost
from tf_routing.models import RoutedModel
from tf_routing.models.decisions import gates_before
from tf_routing.objectives import Distillation


def learn_from_itself(model: RoutedModel) -> None:
    """Makes distillation from the whole network what a model is trained with where nothing else is given.

    A network for images of any size keeps none: what its parts cost is not known.

    Args:
        model: The network.
    """
    if None in model.input_shape[1:]:
        return
    macs = {decision: by_choice.tolist() for decision, by_choice in cost.gated_macs(model)[1].items()}
    model.set_default_objective(Distillation(macs, gates_before(model)))
