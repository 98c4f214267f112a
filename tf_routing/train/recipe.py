"""Training recipes: how long, how fast, with which augmentation. Data files, one per study."""

import dataclasses
from pathlib import Path
from typing import Any

from tf_routing.data.encoded_images import check_resize
from tf_routing.data.epoch_steps import check_fills_a_batch, steps_per_epoch
from tf_routing.train.recipe_files import list_recipes, read_recipe
from tf_routing.validation import not_negative, not_negative_integer, one_of, positive_integer, positive_number, unknown

__all__ = ["Recipe", "list_recipes", "load_recipe"]

SCHEDULES = ("steps", "cosine", "halving")
FILLS = ("zero", "mean_light")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        name: Name of the recipe's file without its ending.
        title: One line on what it trains.
        epochs: Integer.
        batch_size: Integer, images per step over all replicas.
        learning_rate: Float, the highest.
        schedule: `"steps"` divides the rate after some epochs, `"cosine"` lowers it to zero along half a cosine,
            `"halving"` halves it steadily.
        drops: For `"steps"`: epochs after which the rate is divided.
        drop_factor: For `"steps"`: by how much.
        warmup_epochs: Float, epochs over which the rate rises from zero first.
        half_life_steps: For `"halving"`: float, steps in which the rate halves.
        momentum: Float.
        nesterov: Boolean, whether momentum looks ahead as Nesterov's.
        kernel_decay: Float, L2 decay of kernels.
        label_smoothing: Float.
        shift: Integer, pixels by which images move at most.
        mirror: Boolean, whether images are flipped left to right (where the dataset allows it).
        image_size: Integer, height and width of what the network sees; `None` for the dataset's own, which only one in
            memory has.
        random_size_crop: Boolean, whether training sees parts of random place, size and ratio; only for datasets that
            are not in memory.
        resize: Integer, height and width to which pictures are brought, whatever their ratio, before squares of
            `image_size` are cut out: at random places in training, the centre in tests. `None` keeps the ratio. Only
            for datasets that are not in memory.
        first_classes: Integer, number of classes, the first ones, whose images are shown; `None` for all.
        fill: `"zero"` or `"mean_light"`, what moves in where images are shifted; see `data.augmentation`.
        standardize: Boolean, whether the network sees images with the dataset's mean and deviation removed.
        steps_per_epoch: Integer, steps of an epoch whose images are drawn with replacement; `None` for epochs that show
            each image once.
        copies: Integer, augmented copies of each image in a batch; they count towards its size.
        frozen_epochs: Integer, epochs of a second phase: routers frozen, hard decisions, classification alone.
        frozen_learning_rate: Float, the rate there.
    """

    name: str
    title: str
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "steps"
    drops: tuple[int, ...] = ()
    drop_factor: float = 10.0
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    kernel_decay: float = 1e-4
    label_smoothing: float = 0.0
    shift: int = 4
    mirror: bool = True
    nesterov: bool = False
    image_size: int | None = None
    random_size_crop: bool = False
    resize: int | None = None
    first_classes: int | None = None
    half_life_steps: float = 10_000
    fill: str = "zero"
    standardize: bool = True
    steps_per_epoch: int | None = None
    copies: int = 1
    frozen_epochs: int = 0
    frozen_learning_rate: float = 0.01

    def __post_init__(self) -> None:
        positive_integer("epochs", self.epochs)
        positive_integer("batch_size", self.batch_size)
        positive_number("learning_rate", self.learning_rate)
        one_of("schedule", self.schedule, SCHEDULES)
        positive_number("drop_factor", self.drop_factor)
        for field in ("warmup_epochs", "momentum", "kernel_decay", "label_smoothing"):
            not_negative(field, getattr(self, field))
        not_negative_integer("shift", self.shift)
        positive_integer("copies", self.copies)
        not_negative_integer("frozen_epochs", self.frozen_epochs)
        positive_number("frozen_learning_rate", self.frozen_learning_rate)
        if self.batch_size % self.copies:
            raise ValueError(
                f"`batch_size` must be a multiple of copies={self.copies}. Received: batch_size={self.batch_size}"
            )
        positive_number("half_life_steps", self.half_life_steps)
        one_of("fill", self.fill, FILLS)
        for field in ("mirror", "nesterov", "random_size_crop", "standardize"):
            one_of(field, getattr(self, field), (True, False))
        for field in ("image_size", "steps_per_epoch", "first_classes"):
            if getattr(self, field) is not None:
                positive_integer(field, getattr(self, field))
        check_resize(self.resize, self.image_size, self.random_size_crop)
        if not isinstance(self.drops, tuple) or list(self.drops) != sorted(set(self.drops)):
            raise ValueError(f"`drops` must be a list of rising epochs. Received: drops={self.drops!r}")

    def changed(self, **values: Any) -> "Recipe":
        """Returns the recipe with other values; those that are `None` stay as they are."""
        return dataclasses.replace(self, **{name: value for name, value in values.items() if value is not None})

    def prepared(self, dataset: Any) -> Any:
        """Returns a `Dataset` as the recipe shows it: the classes that it asks for, in its size."""
        kept = dataset if self.first_classes is None else dataset.first_classes(self.first_classes)
        return kept.sized(self.image_size, self.random_size_crop, self.resize)

    def steps_in(self, image_set: Any) -> int:
        """Returns the steps of an epoch on these images; raises a `ValueError` if they do not fill one batch."""
        if self.steps_per_epoch:
            return self.steps_per_epoch
        check_fills_a_batch(image_set, self.batch_size, self.copies)
        return steps_per_epoch(image_set, self.batch_size, self.copies)

    def learning_rates(self, steps_per_epoch: int) -> Any:
        """Returns the Keras learning-rate schedule for epochs of this many steps."""
        import keras

        warmup = round(self.warmup_epochs * steps_per_epoch)
        if self.schedule == "cosine":
            decay = max(1, self.epochs * steps_per_epoch - warmup)
            start = 0.0 if warmup else self.learning_rate
            return keras.optimizers.schedules.CosineDecay(
                start, decay, warmup_target=self.learning_rate if warmup else None, warmup_steps=warmup
            )
        from tf_routing.optimizers import Warmup

        later = self._without_warmup(steps_per_epoch)
        return Warmup(later, warmup) if warmup else later

    def _without_warmup(self, steps_per_epoch: int) -> Any:
        import keras

        schedules = keras.optimizers.schedules
        if self.schedule == "halving":
            return schedules.ExponentialDecay(self.learning_rate, self.half_life_steps, 0.5)
        values = [self.learning_rate / self.drop_factor**drop for drop in range(len(self.drops) + 1)]
        # Keras keeps a value through its boundary and counts steps from zero.
        boundaries = [epoch * steps_per_epoch - 1 for epoch in self.drops]
        return schedules.PiecewiseConstantDecay(boundaries, values) if boundaries else self.learning_rate


def load_recipe(name: str, scale: str = "paper") -> Recipe:
    """Reads a recipe.

    Args:
        name: A name of `list_recipes()`, or the path of a `.toml` file.
        scale: `"paper"`, or `"quick"` for recipes that have such a part.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If the name, a key or a value is not known, or the recipe is not there on this scale.
        FileNotFoundError: If the path names no file.

    Example:

    >>> from tf_routing.train.recipe import load_recipe
    >>> load_recipe("multipath_cnn").drops
    (80, 150)
    """
    own_name = Path(name).stem if name.endswith(".toml") else name
    known = [field.name for field in dataclasses.fields(Recipe) if field.name != "name"]
    # Which networks to train is read by whoever trains several.
    values = {key: value for key, value in read_recipe(name, scale).items() if key not in ("runs", "arguments")}
    for key in values:
        if key not in known:
            raise ValueError(f"Recipe {own_name}: {unknown('key', key, known)}")
    missing = [key for key in ("title", "epochs", "batch_size", "learning_rate") if key not in values]
    if missing:
        raise ValueError(f"Recipe {own_name} lacks: {', '.join(missing)}.")
    # TOML has lists, and a frozen recipe holds tuples.
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Recipe(name=own_name if scale == "paper" else f"{own_name}, {scale}", **fields)
