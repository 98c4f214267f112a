"""A model that is compiled a second time keeps what its objective learnt, or says that it does not."""

import warnings

import keras
import numpy as np
import pytest

from tests import exit_net, gated_net, skip_net
from tf_routing.models import Ensemble, RoutedModel
from tf_routing.objectives import Classification, Critic


def step(model: RoutedModel, net: object) -> None:
    """Takes one step, and what follows an epoch of it."""
    model.fit(net.images(), net.labels(), batch_size=net.COUNT, shuffle=False, verbose=0)


def parts(model: RoutedModel) -> list[np.ndarray]:
    return [np.asarray(each) for each in (*model.objective_variables, *model.objective_state)]


BUILDS = {
    "category_heads": (gated_net.gated_model, gated_net),
    "cost_weight": (lambda: skip_net.skip_model(target=0.01), skip_net),
    "temperature": (exit_net.exit_model, exit_net),
    "members": (lambda: Ensemble.of([exit_net.exit_model(), exit_net.exit_model()]), exit_net),
}


@pytest.mark.parametrize("name", BUILDS)
def test_the_same_objective_goes_on(name: str) -> None:
    build, net = BUILDS[name]
    model = build()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    first = parts(model)
    step(model, net)
    learnt = parts(model)
    assert all(np.any(old != new) for old, new in zip(first, learnt, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    for kept, expected in zip(parts(model), learnt, strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_another_computation_cost_leaves_the_temperature_as_low_as_it_was() -> None:
    model = exit_net.exit_model()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    step(model, exit_net)
    model.compile("sgd", objective=model.default_objective().changed(computation_cost=1e-9))
    assert [int(each) for each in model.objective_state] == [1]


def test_another_temperature_begins_anew_and_says_so() -> None:
    model = exit_net.exit_model()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    step(model, exit_net)
    with pytest.warns(UserWarning, match="What Actor learnt or adapted begins anew.*another `temperature` than before"):
        model.compile("sgd", objective=model.default_objective().changed(temperature=2.0))
    assert [int(each) for each in model.objective_state] == [0]


def test_what_was_learnt_before_another_compile_is_missed_too() -> None:
    """A compile in between brings an optimizer that has taken no step, and keeps what was adapted."""
    model = exit_net.exit_model()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    step(model, exit_net)
    model.compile("sgd")
    assert [int(each) for each in model.objective_state] == [1]
    with pytest.warns(UserWarning, match="another `temperature` than before"):
        model.compile("sgd", objective=model.default_objective().changed(temperature=2.0))


def test_a_model_that_has_not_trained_has_nothing_to_lose() -> None:
    model = skip_net.skip_model(target=0.5)
    model.compile("sgd")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.compile("sgd", objective=skip_net.DiverseRoutes(skip_net.MACS, target=0.7))


def test_another_kind_of_objective_counts_its_own_steps() -> None:
    """A critic's temperature begins anew, though its arguments are those of the actor before."""
    model = exit_net.exit_model()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    step(model, exit_net)
    actor = model.default_objective()
    critic = Critic(actor.tree, actor.macs, **actor.starting_point)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.compile("sgd", objective=critic)
    assert critic.starting_point == actor.starting_point
    assert [int(each) for each in model.objective_state] == [0]


def test_another_kind_of_objective_has_parts_of_its_own() -> None:
    model = gated_net.gated_model()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    step(model, gated_net)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.compile("sgd", objective=Classification())
    assert parts(model) == []


def test_weights_of_losses_are_refused_where_an_objective_has_its_own() -> None:
    model = skip_net.skip_model()
    with pytest.raises(ValueError, match=r"`loss_weights` must be left out.* Received: loss_weights=\[2.0\]"):
        model.compile("sgd", loss_weights=[2.0])
    model.compile("sgd", "sparse_categorical_crossentropy", loss_weights=[2.0])
