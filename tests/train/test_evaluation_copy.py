"""What is measured while several replicas train is a copy that holds all that the model has."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests import gated_net, skip_net
from tf_routing.models import RoutedModel
from tf_routing.train.checkpoint import run_variables
from tf_routing.train.evaluation_copy import EvaluationCopy
from tf_routing.train.phases import compile_for, phases
from tf_routing.train.recipes.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("eagerly")

_STEPS = 3
# All that the copy asks of a strategy.
_TWO, _ONE = SimpleNamespace(num_replicas_in_sync=2), SimpleNamespace(num_replicas_in_sync=1)

NETS = {
    # An adapted weight of the cost, which is neither a weight of the network nor of its optimizer.
    "cost_weight": (lambda: skip_net.skip_model(target=0.01), skip_net),
    # Heads of the objective that train.
    "category_heads": (gated_net.gated_model, gated_net),
}


def train(model: RoutedModel, net: object) -> None:
    (phase,), recipe = phases(load_recipe("quick")), load_recipe("quick")
    compile_for(phase, model, recipe, _STEPS)
    model.fit(net.images(), net.labels(), batch_size=4, epochs=2, shuffle=False, verbose=0)


@pytest.mark.parametrize("name", NETS)
def test_the_copy_measures_what_the_model_would(name: str) -> None:
    build, net = NETS[name]
    model = build()
    measured = EvaluationCopy(model, _TWO, build)
    (phase,), recipe = phases(load_recipe("quick")), load_recipe("quick")
    measured.compile(lambda copy: compile_for(phase, copy, recipe, _STEPS))
    train(model, net)
    answers = [
        each.evaluate(net.images(), net.labels(), verbose=0, return_dict=True) for each in (model, measured.copy)
    ]
    assert answers[0] != answers[1]
    copied = measured.update()
    assert copied is not model
    assert copied.evaluate(net.images(), net.labels(), verbose=0, return_dict=True) == answers[0]
    for variable, expected in zip(run_variables(copied), run_variables(model), strict=True):
        np.testing.assert_array_equal(variable, expected)


def test_one_device_measures_the_model_itself() -> None:
    model = skip_net.skip_model()
    assert EvaluationCopy(model, _ONE, skip_net.skip_model).update() is model
    assert EvaluationCopy(model, None, skip_net.skip_model).update() is model
