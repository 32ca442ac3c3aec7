"""Transposed convolutions, lowered to a matrix that stands on tiles and is read once per input pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from ftj_spice.common.errors import DataError
from ftj_spice.generative.layers import (
    LARGEST_SIZE,
    Dense,
    FloatArray,
    LayerError,
    as_batch,
    check_sizes,
    check_values,
    frozen,
)

LARGEST_UNROLLED = 2**25
"""Most weights of an unrolled convolution: those other than zero, or all where it is written out (256 MiB)."""
_BLOCK = 2**22
"""Most products that one step of a call holds (32 MiB)."""


@dataclass(frozen=True, eq=False)
class TransposedConvolution:
    """A transposed convolution in two dimensions, in the conventions of PyTorch's `conv_transpose2d`.

    Input pixel (y, x) adds its value times the kernel to the output, at (y * stride - padding, x * stride - padding)
    and on. The sides of the output are `(side - 1) * stride - 2 * padding + kernel side + output_padding`.
    No groups, no dilation.

    **Lowering.** The matrix is the kernel, (in_channels, out_channels * kh * kw). The channels of every input pixel are
    one vector; its products are overlap-added digitally, and the bias is added there too, once per output pixel.
    So the weights stand on the array once, and are read height * width times per image.

    Costs per image, for C input channels, D output channels, a k x k kernel and N = height * width input pixels, on
    tiles of R rows (weights; each takes two cells as a differential pair):

    | lowering      | weights         | vectors | conversions                | digital additions |
    |---------------|-----------------|---------|----------------------------|-------------------|
    | this one      | C D k^2         | N       | N D k^2 ceil(C / R)        | as many           |
    | `as_dense()`  | C N * outputs   | 1       | outputs * ceil(C N / R)    | as many           |

    With stride s, outputs is about D N s^2. The unrolled matrix needs N^2 s^2 / k^2 times the weights, of which all but
    k^2 / (N s^2) are zero, and is read once where this one is read N times. It converts less only where the input is
    small: few channels against R, or few pixels.

    A third way, one matrix for each of the s^2 phases of the output with its k^2 / s^2 taps as rows, has the same
    weights and, where C is a multiple of R, as many conversions; where it is not, fewer. It is not built.

    Attributes:
        kernel: Shape (in_channels, out_channels, kh, kw); stored as read-only float64.
        bias: Shape (out_channels,), likewise.
        stride: Step between the places of neighbouring input pixels, at least 1: one number or (vertical, horizontal);
            stored as a pair, as the next two.
        padding: Rows and columns cut off at each edge of the output.
        output_padding: Rows and columns added at the bottom and right edge, fewer than the stride.
        input_shape: (in_channels, height, width).

    Raises:
        LayerError: The shapes don't fit, a value is not finite, or nothing is left of the output.
    """

    kernel: FloatArray
    bias: FloatArray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    output_padding: tuple[int, int] = (0, 0)
    input_shape: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        kernel, bias = frozen(self.kernel), frozen(self.bias)
        numbers = {
            "stride": _integers(self.stride, 2, 1, "stride"),
            "padding": _integers(self.padding, 2, 0, "padding"),
            "output_padding": _integers(self.output_padding, 2, 0, "output_padding"),
            "input_shape": _integers(self.input_shape, 3, 1, "input_shape"),
        }
        for name, value in {"kernel": kernel, "bias": bias, **numbers}.items():
            object.__setattr__(self, name, value)
        if kernel.ndim != 4 or 0 in kernel.shape:
            wanted = "(in_channels, out_channels, height, width)"
            raise LayerError("weight", f"must be a kernel {wanted}, got the shape {kernel.shape}")
        if bias.shape != kernel.shape[1:2]:
            raise LayerError("bias", f"must have the shape {kernel.shape[1:2]}, got {bias.shape}")
        check_values(kernel, bias)
        channels = self.input_shape[0]
        if channels != kernel.shape[0]:
            raise LayerError("input_shape", f"has {channels} channels, but the kernel takes {kernel.shape[0]}")
        for added, step in zip(self.output_padding, self.stride, strict=True):
            if added >= step:
                raise LayerError("output_padding", f"must be smaller than the stride {step}, got {added}")
        if min(self.output_shape) < 1:
            raise LayerError("padding", f"{self.padding} leaves nothing of the output: {self.output_shape[1:]} pixels")
        check_sizes(self.inputs, self.outputs)
        check_sizes(self.inputs, kernel.shape[1] * int(np.prod(self._canvas, dtype=object)))

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Output channels, height and width."""
        height, width = (full - 2 * cut for full, cut in zip(self._canvas, self.padding, strict=True))
        return self.kernel.shape[1], height, width

    @property
    def inputs(self) -> int:
        """Values of an input: in_channels * height * width."""
        channels, height, width = self.input_shape
        return channels * height * width

    @property
    def outputs(self) -> int:
        """Values of an output."""
        channels, height, width = self.output_shape
        return channels * height * width

    @property
    def positions(self) -> int:
        """Input pixels: vectors per input."""
        return self.input_shape[1] * self.input_shape[2]

    @property
    def matrix(self) -> FloatArray:
        """The kernel as a matrix, (in_channels, out_channels * kh * kw)."""
        return self.kernel.reshape(len(self.kernel), -1)

    @property
    def matrix_bias(self) -> None:
        """None: `scatter` adds the bias, the array needs no row for it."""
        return None

    def gather(self, values: ArrayLike) -> FloatArray:
        """Returns the channels of each pixel, (batch * height * width, in_channels), of inputs (batch, inputs).

        Raises:
            DataError: Another shape.
        """
        batch = as_batch(values, self.inputs, "inputs")
        channels = self.input_shape[0]
        return batch.reshape(-1, channels, self.positions).swapaxes(1, 2).reshape(-1, channels)

    def scatter(self, products: ArrayLike) -> FloatArray:
        """Overlap-adds products (batch * height * width, columns) and adds the bias: outputs (batch, outputs).

        Raises:
            DataError: Another shape, or rows that make up no whole number of images.
        """
        _, height, width = self.input_shape
        _, channels, kernel_height, kernel_width = self.kernel.shape
        rows = as_batch(products, self.matrix.shape[1], "products")
        if len(rows) % self.positions:
            raise DataError(f"{len(rows)} products don't make up whole images of {self.positions} pixels each")
        parts = rows.reshape(-1, height, width, channels, kernel_height, kernel_width)
        canvas = np.zeros((len(parts), *self._canvas, channels))
        for y, x, down, across in self._taps():
            canvas[:, down, across] += parts[..., y, x]
        (top, left), (_, bottom, right) = self.padding, self.output_shape
        image = canvas[:, top : top + bottom, left : left + right] + self.bias
        return np.ascontiguousarray(np.moveaxis(image, 3, 1)).reshape(len(parts), self.outputs)

    def __call__(self, values: ArrayLike) -> FloatArray:
        """Computes the transposed convolution: (batch, inputs) to (batch, outputs), a few images at a time.

        Raises:
            DataError: Another shape.
        """
        batch = as_batch(values, self.inputs, "inputs")
        result = np.empty((len(batch), self.outputs))
        step = max(1, _BLOCK // (self.positions * self.matrix.shape[1]))
        for first in range(0, len(batch), step):
            result[first : first + step] = self.scatter(self.gather(batch[first : first + step]) @ self.matrix)
        return result

    def unrolled(self) -> csr_array:
        """Returns the matrix (inputs, outputs) of the whole layer, sparse: `layer(x) == x @ unrolled + output_bias`.

        It is built from the definition, index by index, without `gather` and `scatter`.

        Raises:
            DataError: It would have more than 2^25 entries other than zero.
        """
        _, height, width = self.input_shape
        _, *sides = self.output_shape
        if self.kernel.size * self.positions > LARGEST_UNROLLED:
            raise DataError(f"an unrolled convolution may have at most {LARGEST_UNROLLED} weights")
        c, d, i, j, y, x = np.meshgrid(
            *(np.arange(n) for n in (*self.kernel.shape, height, width)), indexing="ij", sparse=True
        )
        down = y * self.stride[0] + i - self.padding[0]
        across = x * self.stride[1] + j - self.padding[1]
        inside = (down >= 0) & (down < sides[0]) & (across >= 0) & (across < sides[1])
        source = (c * height + y) * width + x
        target = (d * sides[0] + down) * sides[1] + across
        values = self.kernel[..., np.newaxis, np.newaxis]
        source, target, values, inside = np.broadcast_arrays(source, target, values, inside)
        places = (source[inside], target[inside])
        return csr_array((values[inside], places), shape=(self.inputs, self.outputs))

    @property
    def output_bias(self) -> FloatArray:
        """The bias of every output, (outputs,)."""
        return np.repeat(self.bias, self.outputs // len(self.bias))

    def as_dense(self) -> Dense:
        """Returns the unrolled layer: one large, mostly empty matrix that is read once per image.

        Raises:
            DataError: It would have more than 2^25 cells.
        """
        if self.inputs * self.outputs > LARGEST_UNROLLED:
            raise DataError(
                f"unrolled, this convolution is a matrix of {self.inputs} x {self.outputs}; "
                f"at most {LARGEST_UNROLLED} weights are written out"
            )
        return Dense(self.unrolled().toarray(), self.output_bias)

    @property
    def _canvas(self) -> tuple[int, int]:
        """Height and width of the output before padding is cut off."""
        height, width = (
            (side - 1) * step + kernel + added
            for side, step, kernel, added in zip(
                self.input_shape[1:], self.stride, self.kernel.shape[2:], self.output_padding, strict=True
            )
        )
        return height, width

    def _taps(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Yields each place of the kernel and the canvas rows and columns that all pixels' products for it go to."""
        (_, height, width), (down, across) = self.input_shape, self.stride
        for y in range(self.kernel.shape[2]):
            for x in range(self.kernel.shape[3]):
                rows = slice(y, y + (height - 1) * down + 1, down)
                yield y, x, rows, slice(x, x + (width - 1) * across + 1, across)


def _integers(values: int | Sequence[int], count: int, least: int, part: str) -> tuple[int, ...]:
    """Returns checked integers; one number stands for a pair."""
    numbers = np.asarray(values)
    if numbers.shape == () and count == 2:
        numbers = numbers.repeat(2)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu":
        raise LayerError(part, f"must be {count} integers, got {numbers.dtype} of shape {numbers.shape}")
    result = tuple(int(number) for number in numbers)
    if min(result) < least or max(result) > LARGEST_SIZE:
        raise LayerError(part, f"must lie between {least} and {LARGEST_SIZE}, got {result}")
    return result
