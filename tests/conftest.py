"""Every test draws the same numbers, alone or among others, whatever ran before it."""

import keras
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    # Before the fixtures: what a module's fixture draws must not depend on the test that needed it first.
    keras.utils.set_random_seed(0)
