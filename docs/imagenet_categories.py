"""Groups the classes of ImageNet into 58 categories by WordNet: ours, since those of the DMNN paper are not public.

    apt-get install wordnet-base
    python docs/imagenet_categories.py --wordnet /usr/share/wordnet

The rule is ours. A class of ImageNet is a synset of WordNet 3.0, and each synset has a first hypernym, so that all
classes are leaves of one tree. At first there is one category, its root. Then, again and again, the category with the
most classes is divided: the synset in it below which there are nearest to half of its classes leaves it with these, and
is a category of its own; the rest keeps its name. Of equal ones the synset that is numbered first counts.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from tf_routing.support.files import write_json

Synset = int


def main() -> None:
    """Reads, divides and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", required=True, help="folder of WordNet 3.0's database, with data.noun in it")
    parser.add_argument("--categories", type=int, default=58)
    parser.add_argument("--output", default="tf_routing/objectives/imagenet2012.json")
    arguments = parser.parse_args()
    names, hypernyms = read_nouns(Path(arguments.wordnet, "data.noun"))
    classes = read_classes()
    roots = divide_classes({each: list_ancestors(each, hypernyms) for each in classes}, arguments.categories)
    order = sorted(set(roots))
    table = [order.index(root) for root in roots]
    written = Path(arguments.output)
    write_json(written, {"names": [names[root] for root in order], "categories": table})
    for number, count in Counter(table).most_common():
        print(f"{count:4} {names[order[number]]}")


def read_classes() -> list[Synset]:
    """Returns the synsets of the classes, in the order of the data set, as TensorFlow Datasets lists them."""
    text = resources.files("tensorflow_datasets").joinpath("datasets", "imagenet2012", "labels.txt").read_text("utf-8")
    return [int(line.removeprefix("n")) for line in text.split()]


def read_nouns(file: Path) -> tuple[dict[Synset, str], dict[Synset, Synset]]:
    """Returns the first word and the first hypernym of each noun synset, by its offset in WordNet's database."""
    names, hypernyms = {}, {}
    for line in file.read_text("utf-8").splitlines():
        if line.startswith(" "):
            # The licence.
            continue
        offset, _, _, words, *rest = line.partition(" | ")[0].split()
        names[int(offset)] = rest[0]
        # Each word has a number behind it; then comes the count of pointers, each of four parts.
        pointers = rest[2 * int(words, 16) + 1 :]
        for symbol, target in zip(pointers[::4], pointers[1::4], strict=False):
            if symbol in ("@", "@i"):
                hypernyms[int(offset)] = int(target)
                break
    return names, hypernyms


def list_ancestors(synset: Synset, hypernyms: Mapping[Synset, Synset]) -> list[Synset]:
    """Returns a synset and those above it, up to the root."""
    found = [synset]
    while found[-1] in hypernyms:
        found.append(hypernyms[found[-1]])
    return found


def divide_classes(ancestors: Mapping[Synset, Sequence[Synset]], count: int) -> list[Synset]:
    """Returns the category of each class, the synset that it is named after.

    Args:
        ancestors: By class, in their order: the synsets from the class up to the root.
        count: Integer, number of categories.
    """
    root = next(iter(ancestors.values()))[-1]
    found: dict[Synset, Synset] = dict.fromkeys(ancestors, root)
    while len(set(found.values())) < count:
        sizes = Counter(found.values())
        largest = min(sizes, key=lambda root: (-sizes[root], root))
        members = [each for each, root in found.items() if root == largest]
        divided = _nearest_to_half({each: ancestors[each] for each in members})
        found |= {each: divided for each in members if divided in ancestors[each]}
    return list(found.values())


def _nearest_to_half(ancestors: Mapping[Synset, Iterable[Synset]]) -> Synset:
    below = Counter(synset for line in ancestors.values() for synset in line)
    parts = [synset for synset, size in below.items() if size < len(ancestors)]
    return min(parts, key=lambda synset: (abs(2 * below[synset] - len(ancestors)), synset))


if __name__ == "__main__":
    main()
