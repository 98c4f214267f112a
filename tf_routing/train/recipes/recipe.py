"""The class `Recipe`, the settings of a training, and `load_recipe`."""

import dataclasses
from pathlib import Path
from typing import Any

from tf_routing.data.batching.batch_plan import FILLS, BatchPlan
from tf_routing.data.batching.epoch_steps import check_fills_a_batch, steps_per_epoch
from tf_routing.data.images.encoded_images import check_resize
from tf_routing.support.validation import (
    not_negative,
    not_negative_integer,
    one_of,
    plain,
    positive_integer,
    positive_number,
)
from tf_routing.train.recipes.recipe_fields import check_keys, check_type, recipe_fields
from tf_routing.train.recipes.recipe_files import RecipeFile, list_recipes, read_recipe
from tf_routing.train.recipes.schedules import SCHEDULES, build_schedule

__all__ = ["Recipe", "list_recipes", "load_recipe"]

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
_LATER = ("alternate_mirror", "precision")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        name: Name of the recipe's file without its ending.
        title: One line on what it trains.
        epochs: Integer, how often each image is shown; see `steps_per_epoch`.
        batch_size: Integer, images per step over all replicas.
        learning_rate: Float, the highest.
        schedule: `"steps"` divides the rate after some epochs, `"cosine"` lowers it to zero along half a cosine,
            `"triangular"` along a line, `"halving"` halves it steadily.
        drops: For `"steps"`: rising epochs after which the rate is divided.
        drop_factor: For `"steps"`: by how much.
        warmup_epochs: Float, epochs over which the rate rises from zero first.
        half_life_steps: For `"halving"`: float, steps in which the rate halves.
        momentum: Float below 1, share of the last update in the next.
        nesterov: Boolean, whether momentum looks ahead as Nesterov's.
        kernel_decay: Float, L2 decay of kernels.
        label_smoothing: Float below 1, share of a label's weight that all classes divide.
        shift: Integer, pixels by which images move at most.
        mirror: Boolean, whether images are flipped left to right (where the dataset allows it).
        alternate_mirror: Boolean, whether an epoch flips those images that the epoch before did not, so that two epochs
            show each image both ways; only for datasets in memory. See `BatchPlan`.
        image_size: Integer, height and width of what the network sees; `None` for that of a dataset in memory, and for
            the network's default where pictures are read from files.
        random_size_crop: Boolean, whether training sees parts of random place, size and ratio; only for datasets that
            are not in memory.
        resize: Integer, height and width that pictures are resized to, whatever their aspect ratio, before squares of
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
        precision: `"float32"`, or `"mixed_bfloat16"` or `"mixed_float16"`, in which layers compute in 16 bits and keep
            weights, normalisation statistics, decisions and losses in 32; `None` for the dtype policy of Keras.
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
    alternate_mirror: bool = False
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
    precision: str | None = None

    def __post_init__(self) -> None:
        for field in recipe_fields(Recipe):
            check_type(field, getattr(self, field.name))
            # Records of runs are JSON, which knows no numbers of NumPy.
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        positive_integer("epochs", self.epochs)
        positive_integer("batch_size", self.batch_size)
        positive_number("learning_rate", self.learning_rate)
        one_of("schedule", self.schedule, SCHEDULES)
        positive_number("drop_factor", self.drop_factor)
        for name in ("warmup_epochs", "momentum", "kernel_decay", "label_smoothing"):
            not_negative(name, getattr(self, name))
        for name in ("momentum", "label_smoothing"):
            if getattr(self, name) >= 1:
                raise ValueError(f"`{name}` must be below 1. Received: {name}={getattr(self, name)!r}")
        not_negative_integer("shift", self.shift)
        positive_integer("copies", self.copies)
        not_negative_integer("frozen_epochs", self.frozen_epochs)
        positive_number("frozen_learning_rate", self.frozen_learning_rate)
        if self.batch_size % self.copies:
            raise ValueError(
                f"`batch_size` must be a multiple of copies={self.copies}. Received: batch_size={self.batch_size}"
            )
        positive_number("half_life_steps", self.half_life_steps)
        one_of("precision", self.precision, (*PRECISIONS, None))
        one_of("fill", self.fill, FILLS)
        for name in ("image_size", "steps_per_epoch", "first_classes"):
            if getattr(self, name) is not None:
                positive_integer(name, getattr(self, name))
        # Where the size is still open, it fits; what is not possible with any size is known now.
        check_resize(self.resize, self.image_size or self.resize, self.random_size_crop)
        if list(self.drops) != sorted(set(self.drops)) or not all(epoch > 0 for epoch in self.drops):
            raise ValueError(f"`drops` must be a list of rising epochs, from 1. Received: drops={self.drops!r}")

    def changed(self, **values: Any) -> "Recipe":
        """Returns the recipe with other values; those that are `None` stay as they are."""
        return dataclasses.replace(self, **{name: value for name, value in values.items() if value is not None})

    def describe(self) -> dict[str, Any]:
        """Returns what records of runs say of the recipe: its values, by name."""
        values = dataclasses.asdict(self)
        # Records of earlier versions lack these: a run that one of them began goes on where they change nothing.
        unused = [name for name in _LATER if not values[name]]
        return {name: value for name, value in values.items() if name not in unused}

    def prepared(self, dataset: Any) -> Any:
        """Returns a `Dataset` as the recipe shows it: the classes that it asks for, in its size.

        Raises:
            ValueError: If the dataset cannot do that, or a label, of all, fits none of its classes.
        """
        kept = dataset if self.first_classes is None else dataset.first_classes(self.first_classes)
        sized = kept.sized(self.image_size, self.random_size_crop, self.resize)
        if self.shift >= min(sized.image_shape[:2]):
            raise ValueError(
                f"`shift` must be below the size of images, {sized.image_shape[0]}x{sized.image_shape[1]}, which would "
                f"move out of sight. Received: shift={self.shift}"
            )
        # Last: what is in files is read for it once.
        sized.check_labels()
        return sized

    def steps_in(self, image_set: Any) -> int:
        """Returns the steps of an epoch on these images; raises a `ValueError` if they do not fill one batch."""
        if self.steps_per_epoch:
            return self.steps_per_epoch
        check_fills_a_batch(image_set, self.batch_size, self.copies)
        return steps_per_epoch(image_set, self.batch_size, self.copies)

    def batch_plan(self, dataset: Any, seed: int, epochs: int, first_epoch: int = 0) -> BatchPlan:
        """Returns what training batches of a dataset hold.

        Args:
            dataset: The `Dataset`, which says whether its images may be mirrored.
            seed: Integer, seed of order and augmentation.
            epochs: Integer, number of the last epoch.
            first_epoch: Integer, epochs already done.
        """
        return BatchPlan(
            batch_size=self.batch_size,
            seed=seed,
            epochs=epochs,
            first_epoch=first_epoch,
            shift=self.shift,
            mirror=self.mirror and dataset.mirrors,
            alternate_mirror=self.alternate_mirror,
            copies=self.copies,
            fill=self.fill,
            steps_per_epoch=self.steps_per_epoch,
        )

    def learning_rates(self, steps_per_epoch: int) -> Any:
        """Returns the Keras learning-rate schedule for epochs of this many steps."""
        return build_schedule(self, steps_per_epoch)


def load_recipe(name: str, scale: str = "paper") -> Recipe:
    """Reads a recipe.

    Args:
        name: A name of `list_recipes()`, or the path of a `.toml` file. What a file leaves out has the default of
            `Recipe`; one without `epochs`, `batch_size` or `learning_rate` is filled from the recipe `quick` instead.
        scale: `"paper"`, or `"quick"` for recipes that have such a part.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: If the name, a key or a value is not known, or the recipe is not there on this scale.
        FileNotFoundError: If the path names no file.

    Example:

    >>> from tf_routing.train.recipes.recipe import load_recipe
    >>> load_recipe("multipath_cnn").drops
    (80, 150)
    """
    return make_recipe(read_recipe(name, scale))


def make_recipe(file: RecipeFile) -> Recipe:
    """Returns the recipe of a file that is read.

    Args:
        file: What `read_recipe` returns.

    Raises:
        ValueError: If a key or a value is not known.
    """
    name = Path(file.name).stem if file.name.endswith(".toml") else file.name
    # Which networks to train is not part of how: `sweep.make_sweep` reads it.
    values = {key: value for key, value in file.values.items() if key not in ("runs", "arguments")}
    check_keys(Recipe, name, values)
    # TOML has lists, and a frozen recipe holds tuples.
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    fields = {"title": name, **fields}
    try:
        return Recipe(name=name if file.scale == "paper" else f"{name}, {file.scale}", **fields)
    except ValueError as error:
        raise ValueError(f"Recipe {name}: {error}") from error
