"""Every network of the zoo that skips meets budgets of computation."""

import numpy as np
import pytest

from tests.conformance.subjects import GATED, disturb, draw_scores, images, marked, small
from tf_routing import calibrate_budgets

COUNT = 64


@pytest.mark.filterwarnings("ignore:`budgets`")
@pytest.mark.parametrize("name", marked([*GATED, "decide_tree"]))
def test_thresholds_meet_budgets_and_come_back(name: str) -> None:
    model, x = small(name), images(name, COUNT)
    disturb(model)
    draw_scores(model)
    model.execution = "masked"
    before = model.get_weights()
    rows = calibrate_budgets(model, x)
    assert rows[0].share < rows[-1].share
    for row in rows[1:-1]:
        model.set_budget(row.budget)
        costs = model.cost(x)
        assert costs.mean() == pytest.approx(row.macs, rel=1e-6)
        # One image more or less of so few, at the part that costs most.
        assert row.is_missed or costs.mean() / model.static_cost == pytest.approx(row.budget, rel=0.02)
    assert not all(row.is_missed for row in rows[1:-1])
    model.set_budget(None)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
