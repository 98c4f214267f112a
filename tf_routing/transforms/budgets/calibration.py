"""`calibrate_budgets`: finds, once, the thresholds at which a model meets budgets of computation."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tf_routing.core.tensors import Array, Images
from tf_routing.support.notices import warn
from tf_routing.support.validation import first_few, is_number, plain, positive_integer

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel
    from tf_routing.models.budgets.budget_table import Budget

_EVENLY = 5
# Shares of the static cost between points.
_STEP = 0.0025
# Scores nearer to each other than this are told apart by rounding.
_LEAST_LEEWAY = 1e-4
_LISTED = 5


def calibrate_budgets(
    model: "RoutedModel",
    images: Images,
    budgets: Sequence[float] | None = None,
    labels: Array | None = None,
    batch_size: int = 256,
) -> list["Budget"]:
    """Finds the thresholds with which a model executes given shares of its cost, for `model.set_budget`.

    Equation:
        z_g(x) + o > 0    the choice g is taken for image x
        mean over x of MACs(x; o) = b C

        with z the scores of all routers as trained (at a junction the best score for going on minus that for leaving),
        o one number for all of them, b a budget, and C = `model.static_cost`.

    What is searched is o. A router that was trained with a price on computation scores by how much a part is worth it,
    so that one number for all, which changes the price, takes the least worthy parts away first; thresholds moved to
    one rate each, as by `calibrate`, would not. A model that both skips blocks and leaves early moves along the same
    line, from all images leaving at the first exit with no block run, to all going on through every block: a rising o
    opens gates and sends images on, wherever their scores are next to zero. Where blocks are switched, images run
    through the model some twenty times; of a network that only leaves early they run once.

    The model keeps what was found, in `model.budgets`, in files and in copies. Thresholds stay as they are, until
    `model.set_budget` is called. A budget that no threshold meets within 2 %, since images score alike, is missed; a
    warning then names it.

    Args:
        model: A model with routers, such as one of the families `dmnn`, `drn` and `decide`.
        images: Images `(count, height, width, channels)`, as the model takes them, a dict with more, or batches of
            either, such as a `tf.data.Dataset`, which is read anew for every run. Neither training nor tests should
            use them. The mean on others is as near as their number allows: thousands are good.
        budgets: Shares of `static_cost`, at least one; where not given five from the least to the most that thresholds
            reach. `set_budget` takes all between the smallest and the largest.
        labels: Class indices `(count,)` or `(count, 1)`, or distributions `(count, classes)`, for the accuracy at each
            budget; those of a dataset of pairs where not given.
        batch_size: Integer, images per forward pass; batches stay as they are.

    Returns:
        List of `Budget`, the smallest first: what was asked for and what images do, on average, at each of them.

    Raises:
        ValueError: If the model has no routers with thresholds, these are no images of the model, one holds NaN, a
            budget is no number in (0, 1] or none that thresholds reach, or there are not as many labels as images, or
            one of no class.

    Example:

    >>> import numpy as np
    >>> from tf_routing import zoo
    >>> model = zoo.get("dmnn50_cifar_n2", width_multiplier=0.125)
    >>> images = np.random.default_rng(0).uniform(size=(20, 32, 32, 3)).astype("float32")
    >>> [row.budget for row in calibrate_budgets(model, images, budgets=(0.8, 0.5))]
    [0.5, 0.8]
    >>> model.set_budget(0.5)
    """
    from tf_routing.models.budgets.set_budget import BudgetState, budgets_forgotten
    from tf_routing.models.budgets.thresholds import find_routers
    from tf_routing.models.model_arguments import require_routed_model
    from tf_routing.transforms.budgets.calibration_images import read_images

    asked = None if budgets is None else _check_budgets(budgets)
    positive_integer("batch_size", batch_size)
    if not find_routers(require_routed_model(model)):
        raise ValueError(f"`model` must have routers with thresholds; {model.name!r} has none.")
    given, known = read_images(model, images, labels)
    with budgets_forgotten(model):
        table, jumps = _search(model, given, known, asked, batch_size)
    model.budget_state = BudgetState(table)
    _warn_of_missed(table.budgets, jumps)
    return list(table.budgets)


def _check_budgets(budgets: Any) -> list[float]:
    # A text is iterable too, and holds letters.
    is_one = is_number(budgets) or isinstance(budgets, str) or not isinstance(budgets, Iterable)
    values = [budgets] if is_one else list(budgets)
    for value in values:
        if not (is_number(value) and 0 < value <= 1):
            raise ValueError(f"`budgets` must hold numbers above 0 and up to 1. Received: {value!r}")
    if not values:
        raise ValueError("`budgets` must hold at least one share of `static_cost`. Received: none")
    return sorted({float(plain(value)) for value in values})


def _search(model: Any, images: Any, labels: Any, asked: list[float] | None, batch_size: int) -> tuple[Any, Any]:
    """Returns the table of budgets, and the router that keeps each missed one from being met; thresholds stay."""
    from tf_routing.models.budgets.budget_table import BudgetTable
    from tf_routing.models.budgets.fingerprints import weights_fingerprint
    from tf_routing.transforms.budgets.runs import Runs
    from tf_routing.transforms.budgets.search import OffsetSearch

    runs = Runs(model, images, labels, batch_size)
    try:
        search = OffsetSearch(runs)
        static = model.static_cost
        asked = _check_reachable(asked, search.least / static, search.most / static)
        found = [search.find(budget * static) for budget in asked]
        budgets, points = _describe(search, asked, found, static)
        jumps = {row.budget: search.tied(row.budget * static) for row in budgets if row.is_missed}
    finally:
        runs.restore()
    fingerprint = weights_fingerprint(model, runs.routers, runs.trained)
    least, most, count = search.least / static, search.most / static, len(found[0].macs)
    return BudgetTable(tuple(budgets), tuple(points), least, most, count, runs.trained, fingerprint), jumps


def _check_reachable(asked: list[float] | None, least: float, most: float) -> list[float]:
    """Returns the budgets, or raises where thresholds do not reach one."""
    import numpy as np

    if asked is None:
        return [float(each) for each in np.unique(np.linspace(least, most, _EVENLY).clip(least, most))]
    # What is printed of an end is an end.
    outside = [budget for budget in asked if not round(least, 4) - 1e-4 <= budget <= round(most, 4) + 1e-4]
    if outside:
        raise ValueError(
            f"`budgets` must be from {least:.4g} to {most:.4g}, what thresholds of this model reach on these images. "
            f"Received: {first_few([f'{each:g}' for each in outside])}"
        )
    return asked


def _describe(search: Any, asked: list[float], found: list[Any], static: int) -> tuple[list["Budget"], list[Any]]:
    """Returns the rows of the table, and the points between them."""
    import numpy as np

    from tf_routing.models.budgets.budget_table import Budget, Point

    offsets, means, _ = search.curve(search.known[0].offset, search.known[-1].offset)
    shares = np.maximum.accumulate(means / static)
    rows = []
    for budget, run in zip(asked, found, strict=True):
        leeway = _leeway(search, offsets, shares / budget)
        rows.append(Budget(budget, run.mean / static, run.mean, run.accuracy, run.offset, leeway))
    between = np.arange(asked[0] + _STEP, asked[-1], _STEP)
    points = []
    for share in between if len(shares) else []:
        nearest = int(np.abs(shares - share).argmin())
        points.append(Point(float(share), float(offsets[nearest]), float(shares[nearest])))
    return rows, points


def _leeway(search: Any, offsets: Any, ratios: Any) -> float:
    """Returns how far apart the nearest offsets are at which the mean is too low and too high."""
    from tf_routing.models.budgets.budget_table import TOLERANCE

    below, above = offsets[ratios < 1 - TOLERANCE], offsets[ratios > 1 + TOLERANCE]
    low = below[-1] if len(below) else search.known[0].offset
    high = above[0] if len(above) else search.known[-1].offset
    return float(high - low)


def _warn_of_missed(budgets: Sequence["Budget"], jumps: Any) -> None:
    parts = []
    missed = [row for row in budgets if row.is_missed]
    if missed:
        listed = [f"{row.budget:g} reached {row.share:.3g}{_explain_jump(jumps[row.budget])}" for row in missed]
        parts.append(f"`budgets` are missed by more than 2 %: {first_few(listed, _LISTED)}")
    parts += _explain_narrow([row for row in budgets if not row.is_missed and row.leeway < _LEAST_LEEWAY])
    if parts:
        warn(f"{'; '.join(parts)}.")


def _explain_jump(tied: tuple[str, int] | None) -> str:
    if tied is None or tied[1] < 2:
        return ""
    return f" ({tied[1]} images have the same score at {tied[0]}, which no threshold tells apart)"


def _explain_narrow(rows: Sequence["Budget"]) -> Iterator[str]:
    if rows:
        listed = first_few([f"{row.budget:g}" for row in rows], _LISTED)
        yield (
            f"`budgets` {listed} hold on these images, but images score so nearly alike there that rounding decides: "
            "the routers were hardly trained to tell images apart, and other machines may execute another share"
        )
