"""The layers of a decoder, each with its lowering: the matrix that stands on tiles, and what goes in and out of it.

A `Layer` computes `scatter(gather(x) @ matrix + matrix_bias)`, without the last term where `matrix_bias` is None. What
`scatter` takes is the array's work: `matrix` is programmed once and stays, the bias is one more row of it. `gather`
cuts each input into the vectors that are applied to the rows, `scatter` puts the columns' results together again, in
digital adders. In a dense layer both do nothing.

Values travel between layers as flat vectors. Where they mean images, they are ordered channel by channel, row by row,
as in PyTorch's `flatten` of `(channels, height, width)`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError

FloatArray = NDArray[np.float64]

LARGEST_SIZE = 2**24
"""Most values that may go into or come out of a layer, per image."""


class LayerError(DataError):
    """A layer's arrays or numbers don't make up a layer.

    Attributes:
        part: The array or number that is wrong, e.g. `weight`.
        complaint: What is wrong with it: the rest of the sentence.
    """

    def __init__(self, part: str, complaint: str) -> None:
        super().__init__(f"'{part}' {complaint}")
        self.part, self.complaint = part, complaint


class Layer(Protocol):
    """A linear layer that can be put on tiles: `layer(x) == scatter(gather(x) @ matrix + matrix_bias)`."""

    @property
    def inputs(self) -> int:
        """Size of an input, flat."""
        ...

    @property
    def outputs(self) -> int:
        """Size of an output, flat."""
        ...

    @property
    def positions(self) -> int:
        """Vectors that `gather` makes of one input: products of the array per image."""
        ...

    @property
    def matrix(self) -> FloatArray:
        """What goes on tiles, (rows, columns)."""
        ...

    @property
    def matrix_bias(self) -> FloatArray | None:
        """The bias that the array adds by one more row, (columns,); None where `scatter` adds it."""
        ...

    def gather(self, values: ArrayLike) -> FloatArray:
        """Turns inputs (batch, inputs) into row vectors (batch * positions, rows), those of one image together."""
        ...

    def scatter(self, products: ArrayLike) -> FloatArray:
        """Turns results of the columns (batch * positions, columns) into outputs (batch, outputs)."""
        ...

    def __call__(self, values: ArrayLike) -> FloatArray:
        """Computes the layer in float64: inputs (batch, inputs) to outputs (batch, outputs)."""
        ...


@dataclass(frozen=True, eq=False)
class Dense:
    """A fully connected layer, `x @ weights + bias`; on tiles as it is, the bias as one more row.

    Attributes:
        weights: Shape (inputs, outputs); stored as read-only float64.
        bias: Shape (outputs,), likewise.

    Raises:
        LayerError: The shapes don't fit, or a value is not finite.
    """

    weights: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        weights, bias = frozen(self.weights), frozen(self.bias)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias)
        if weights.ndim != 2 or 0 in weights.shape:
            raise LayerError("weight", f"must be a matrix (inputs, outputs), got the shape {weights.shape}")
        if bias.shape != weights.shape[1:]:
            raise LayerError("bias", f"must have the shape {weights.shape[1:]}, got {bias.shape}")
        check_values(weights, bias)
        check_sizes(*weights.shape)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.weights.shape[0]

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.weights.shape[1]

    @property
    def positions(self) -> int:
        """One vector per input."""
        return 1

    @property
    def matrix(self) -> FloatArray:
        """The weights."""
        return self.weights

    @property
    def matrix_bias(self) -> FloatArray:
        """The bias."""
        return self.bias

    def gather(self, values: ArrayLike) -> FloatArray:
        """Returns inputs (batch, inputs) unchanged.

        Raises:
            DataError: Another shape.
        """
        return as_batch(values, self.inputs, "inputs")

    def scatter(self, products: ArrayLike) -> FloatArray:
        """Returns results (batch, outputs) unchanged.

        Raises:
            DataError: Another shape.
        """
        return as_batch(products, self.outputs, "products")

    def __call__(self, values: ArrayLike) -> FloatArray:
        """Computes `values @ weights + bias`: (batch, inputs) to (batch, outputs).

        Raises:
            DataError: Another shape.
        """
        return self.gather(values) @ self.weights + self.bias


def frozen(values: ArrayLike) -> FloatArray:
    """Returns a read-only float64 copy."""
    copy = np.array(values, dtype=np.float64, order="C")
    copy.flags.writeable = False
    return copy


def check_values(weights: FloatArray, bias: FloatArray) -> None:
    """Raises LayerError where a value is not finite."""
    for part, values in (("weight", weights), ("bias", bias)):
        if not np.isfinite(values).all():
            raise LayerError(part, "holds NaN or infinity")


def check_sizes(*sizes: int) -> None:
    """Raises LayerError where a layer is too large."""
    if max(sizes) > LARGEST_SIZE:
        raise LayerError("weight", f"makes a layer of {max(sizes)} values; at most {LARGEST_SIZE} are allowed")


def as_batch(values: ArrayLike, width: int, what: str) -> FloatArray:
    """Returns `values` as a float64 batch (batch, width)."""
    batch = np.asarray(values, dtype=np.float64)
    if batch.ndim != 2 or batch.shape[1] != width:
        raise DataError(f"{what} must have the shape (batch, {width}), got {batch.shape}")
    return batch
