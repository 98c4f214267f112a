"""Makes Keras learning-rate schedules of the values of a recipe."""

from typing import Any

SCHEDULES = ("steps", "cosine", "triangular", "halving")


def build_schedule(recipe: Any, steps_per_epoch: int) -> Any:
    """Returns the learning rates of a recipe, for epochs of this many steps: a Keras schedule, or a float.

    Args:
        recipe: The `Recipe`.
        steps_per_epoch: Integer.

    Example:

    >>> from tf_routing.train.recipes.recipe import load_recipe
    >>> rates = build_schedule(load_recipe("multipath_cnn"), steps_per_epoch=390)
    >>> [round(float(rates(epoch * 390)), 4) for epoch in (0, 79, 80, 150)]
    [0.1, 0.1, 0.01, 0.001]
    """
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    # At least one step that falls, where warm-up takes all epochs.
    steps = max(recipe.epochs * steps_per_epoch, warmup + 1)
    if recipe.schedule == "cosine":
        return _rise_and_follow_a_cosine(recipe.learning_rate, steps, warmup)
    from tf_routing.optimizers import Triangular, Warmup

    if recipe.schedule == "triangular":
        return Triangular(recipe.learning_rate, steps, warmup)
    later = _without_warmup(recipe, steps_per_epoch)
    return Warmup(later, warmup) if warmup else later


def _rise_and_follow_a_cosine(highest: float, steps: int, warmup: int) -> Any:
    import keras

    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else highest,
        steps - warmup,
        warmup_target=highest if warmup else None,
        warmup_steps=warmup,
    )


def _without_warmup(recipe: Any, steps_per_epoch: int) -> Any:
    import keras

    schedules = keras.optimizers.schedules
    if recipe.schedule == "halving":
        return schedules.ExponentialDecay(recipe.learning_rate, recipe.half_life_steps, 0.5)
    values = [recipe.learning_rate / recipe.drop_factor**drop for drop in range(len(recipe.drops) + 1)]
    # Keras keeps a value through its boundary and counts steps from zero.
    boundaries = [epoch * steps_per_epoch - 1 for epoch in recipe.drops]
    return schedules.PiecewiseConstantDecay(boundaries, values) if boundaries else recipe.learning_rate
