"""The trained decoder in numpy: latent vectors in, images out, with the first layer open to the hardware.

A decoder is a multilayer perceptron: `h = relu(h @ W + b)` in every layer but the last, whose output goes through
`sigmoid(output_gain * (h @ W + b))` to become pixels in [0, 1]. All arithmetic is float64. numpy's matrix products sum
in an order that may depend on the batch size, the BLAS library and its number of threads: images of one batch are
bit-identical from run to run on one machine, and agree to about 1e-12 otherwise.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from ftj_spice.common import resources
from ftj_spice.common.errors import DataError
from ftj_spice.common.files import replace_file
from ftj_spice.generative import decoder_file

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decoder:
    """A multilayer perceptron that turns latent vectors into grey images.

    Attributes:
        layers: One `(weights, bias)` pair per layer, of shapes (inputs, outputs) and (outputs,); stored as read-only
            float64 arrays.
        image_shape: Height and width of an image in pixels; their product is the last layer's number of outputs.
        output_gain: Factor on the last layer's values before the sigmoid; above 1 it sharpens the images.
        record: How the decoder was trained, as plain JSON data.

    Raises:
        DataError: The layers don't chain, a value is not finite, or the last layer does not fill an image.
    """

    layers: tuple[tuple[FloatArray, FloatArray], ...]
    image_shape: tuple[int, int] = (28, 28)
    output_gain: float = 1.0
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = tuple((_frozen(weights), _frozen(bias)) for weights, bias in self.layers)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "image_shape", tuple(int(side) for side in self.image_shape))
        object.__setattr__(self, "output_gain", float(self.output_gain))
        decoder_file.check(self.layers, self.image_shape, self.output_gain)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a decoder file.

        Raises:
            DataError: The file is missing, damaged, of another format, or its arrays don't make up a decoder.
        """
        try:
            return cls(**decoder_file.read(Path(path)))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Writes a decoder file, atomically.

        Each array is stored as float16 where that holds its values exactly, else rounded to float32.

        Args:
            path: The file; an existing one is replaced.

        Raises:
            DataError: A weight does not fit into float32, or the record is not plain JSON data.
            OutputError: The file can't be written.
        """
        content = decoder_file.encode(self.layers, self.image_shape, self.output_gain, self.record)
        replace_file(Path(path), content)

    @property
    def latent_dim(self) -> int:
        """Number of components of a latent vector."""
        return self.layers[0][0].shape[0]

    @property
    def first_layer(self) -> tuple[FloatArray, FloatArray]:
        """Weights (latent_dim, outputs) and bias (outputs,) of the layer that the array computes."""
        return self.layers[0]

    def __call__(self, z: ArrayLike) -> FloatArray:
        """Decodes latent vectors.

        Args:
            z: Latent vectors (batch, latent_dim), about standard normal.

        Returns:
            Images (batch, height, width) in [0, 1].

        Raises:
            DataError: `z` has another shape or holds values that are not finite.
        """
        weights, bias = self.first_layer
        return self.after_first_layer(_batch(z, self.latent_dim, "latent vectors") @ weights + bias)

    def after_first_layer(self, preactivations: ArrayLike) -> FloatArray:
        """Finishes the images from the first layer's results, e.g. those read from the array.

        Args:
            preactivations: `z @ weights + bias` of the first layer before its ReLU, (batch, outputs).

        Returns:
            Images (batch, height, width) in [0, 1].

        Raises:
            DataError: `preactivations` has another shape or holds values that are not finite.
        """
        values = _batch(preactivations, self.first_layer[1].size, "first-layer results")
        for weights, bias in self.layers[1:]:
            values = np.maximum(values, 0.0) @ weights + bias
        return expit(self.output_gain * values).reshape(-1, *self.image_shape)


def shipped(name: str = "mnist") -> Decoder:
    """Loads one of the package's own decoders.

    Args:
        name: File name without `.npz` in the package's `models/decoders` folder.

    Raises:
        DataError: There is no decoder of that name; the sentence lists those that are there.
    """
    folder = resources.models() / "decoders"
    known = sorted(path.stem for path in folder.glob("*.npz"))
    if name not in known:
        raise DataError(f"no shipped decoder is called {name!r}; there are: {', '.join(known) or 'none'}")
    return Decoder.load(folder / f"{name}.npz")


def _frozen(values: ArrayLike) -> FloatArray:
    """Returns a read-only float64 copy."""
    copy = np.array(values, dtype=np.float64, order="C")
    copy.flags.writeable = False
    return copy


def _batch(values: ArrayLike, width: int, what: str) -> FloatArray:
    """Returns `values` as a checked float64 batch (batch, width)."""
    batch = np.asarray(values, dtype=np.float64)
    if batch.ndim != 2 or batch.shape[1] != width:
        raise DataError(f"{what} must have the shape (batch, {width}), got {batch.shape}")
    if not np.isfinite(batch).all():
        raise DataError(f"{what} must be finite, got NaN or infinity")
    return batch
