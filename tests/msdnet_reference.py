"""What a multi-scale dense network costs, counted in plain Python from the description of its layout alone.

Nothing of the package is used. A network is its layers per block and, by scale, what channels are multiplied by.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple


class Convolution(NamedTuple):
    """A convolution with batch normalisation and ReLU.

    Args:
        place: What it belongs to: `("stem", scale)`, `("layer", number, scale)`, or `("classifier", number)`.
        kernel, read, made: Its side and its channels.
        side: Of the maps that it makes.
    """

    place: tuple
    kernel: int
    read: int
    made: int
    side: int

    @property
    def weights(self) -> int:
        return self.kernel**2 * self.read * self.made

    @property
    def macs(self) -> int:
        return self.weights * self.side**2

    @property
    def outputs(self) -> int:
        return self.made * self.side**2


class Network(NamedTuple):
    """A network of the paper: names as the options of the authors' public code, in words."""

    block_layers: Sequence[int]
    growth_factors: Sequence[int] = (1, 2, 4)
    filters: int = 16
    growth_rate: int = 6
    classifier_filters: int | None = 128
    side: int = 32
    stem_kernel: int = 3
    classes: int = 10

    @property
    def scales(self) -> int:
        return len(self.growth_factors)

    @property
    def layers(self) -> int:
        return sum(self.block_layers)

    def first_scale(self, layer: int) -> int:
        """The finest scale, from 0, that a layer makes, layers counted from 1; layer 0 is the stem."""
        return max(0, layer - 1) // ceil(self.layers / self.scales)

    def widths(self) -> list[int]:
        """Channels behind the stem and behind each layer, in units of the scales' factors."""
        widths = [self.filters]
        for layer in range(1, self.layers + 1):
            grown = widths[-1] + self.growth_rate
            widths.append(grown // 2 if self._drops(layer) else grown)
        return widths

    def _drops(self, layer: int) -> bool:
        return self.first_scale(layer) > self.first_scale(layer - 1)

    def sides(self) -> list[int]:
        side = self.side if self.stem_kernel == 3 else self.side // 4
        return [side // 2**scale for scale in range(self.scales)]

    def convolutions(self) -> Iterator[Convolution]:
        """Yields all, block by block, each block followed by its classifier."""
        factors, widths, sides = self.growth_factors, self.widths(), self.sides()
        # The stem's 7x7 convolution makes maps of half the images' size, its pool those of the first scale.
        stem_side = self.side if self.stem_kernel == 3 else self.side // 2
        yield Convolution(("stem", 0), self.stem_kernel, 3, factors[0] * self.filters, stem_side)
        for scale in range(1, self.scales):
            read, made = (factors[each] * self.filters for each in (scale - 1, scale))
            yield Convolution(("stem", scale), 3, read, made, sides[scale])
        layer = 0
        for number, count in enumerate(self.block_layers, 1):
            for _ in range(count):
                layer += 1
                for scale in range(self.first_scale(layer), self.scales):
                    yield from self._layer(layer, scale, widths[layer - 1], widths[layer], sides)
            read = factors[-1] * widths[layer]
            inner, half = self.classifier_filters or read, ceil(sides[-1] / 2)
            yield Convolution(("classifier", number), 3, read, inner, half)
            yield Convolution(("classifier", number), 3, inner, inner, ceil(half / 2))

    def _layer(self, layer: int, scale: int, before: int, after: int, sides: Sequence[int]) -> Iterator[Convolution]:
        """Yields what a layer adds to a scale: bottlenecks have the factors of the scales, as many as channels grow."""
        place, factors = ("layer", layer, scale), self.growth_factors
        made = factors[scale] * self.growth_rate
        reads_finer = scale > self.first_scale(layer - 1)
        parts = [(scale - 1, made // 2), (scale, made // 2)] if reads_finer else [(scale, made)]
        for source, width in parts:
            read = factors[source] * before
            inner = min(read, factors[source] * width)
            yield Convolution(place, 1, read, inner, sides[source])
            yield Convolution(place, 3, inner, width, sides[scale])
        if self._drops(layer):
            yield Convolution(
                place, 1, factors[scale] * (before + self.growth_rate), factors[scale] * after, sides[scale]
            )

    def needed(self, exit_number: int) -> set[tuple]:
        """The places that the classifier of a block reads, directly or through others."""
        left = [("layer", sum(self.block_layers[:exit_number]), self.scales - 1)]
        found = {("classifier", exit_number)}
        while left:
            place = left.pop()
            if place in found:
                continue
            found.add(place)
            scale = place[-1]
            if place[0] == "stem":
                left += [("stem", scale - 1)] if scale else []
                continue
            layer = place[1] - 1
            sources = [each for each in (scale, scale - 1) if each >= self.first_scale(layer)]
            left += [("stem", each) if layer == 0 else ("layer", layer, each) for each in sources]
        return found

    def exit_macs(self) -> list[int]:
        """Multiply-accumulates of images that leave at each exit: of what it and those before it read."""
        totals = []
        for number in range(1, len(self.block_layers) + 1):
            needed = set().union(*(self.needed(each) for each in range(1, number + 1)))
            inner = self.classifier_filters or None
            heads = sum((inner or self._reads(each)) * self.classes for each in range(1, number + 1))
            totals.append(heads + sum(each.macs for each in self.convolutions() if each.place in needed))
        return totals

    def _reads(self, number: int) -> int:
        return self.growth_factors[-1] * self.widths()[sum(self.block_layers[:number])]

    def parameters(self) -> int:
        """Kernels, two numbers per channel of a normalisation, and the dense layers."""
        convolved = sum(each.weights + 2 * each.made for each in self.convolutions())
        inner = [self.classifier_filters or self._reads(n) for n in range(1, len(self.block_layers) + 1)]
        return convolved + sum((each + 1) * self.classes for each in inner)

    def moving_statistics(self) -> int:
        return sum(2 * each.made for each in self.convolutions())

    def public_counts(self, stem_bias: bool) -> list[tuple[int, int]]:
        """What the counter of the authors' code in PyTorch prints at each exit: operations, and parameters.

        It counts everything up to the end of the block, whether the exit reads it or not; an operation for each output
        of a ReLU, those of pools by their windows, and biases of dense layers. There the stem of ImageNet has biases.
        """
        operations = parameters = 0
        counted = []
        for each in self.convolutions():
            operations += each.macs + each.outputs
            parameters += each.weights + 2 * each.made
            if each.place == ("stem", 0) and self.stem_kernel == 7:
                operations += each.made * self.sides()[0] ** 2 * 9
                parameters += each.made if stem_bias else 0
            if each.place[0] == "classifier" and each.side == ceil(ceil(self.sides()[-1] / 2) / 2):
                pooled = each.made * (each.side // 2) ** 2
                operations += 4 * pooled + (pooled + 1) * self.classes
                parameters += (pooled + 1) * self.classes
                counted.append((operations, parameters))
        return counted
