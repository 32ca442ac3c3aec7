"""The trained decoder in numpy: latent vectors in, images out, its layers open to the hardware.

A decoder is a chain of linear layers, dense or transposed convolutions, with a ReLU between them; what the last one
gives goes through `sigmoid(output_gain * values)` to become pixels in [0, 1]. Its loop, with the array in the place of
the matrix product, is

    values = latents
    for index, layer in enumerate(decoder.layers):
        values = decoder.hidden(values) if index else values
        values = layer.scatter(array(layer.gather(values)))
    images = decoder.finish(values)

All arithmetic is float64. numpy's matrix products sum in an order that may depend on the batch size, the BLAS library
and its number of threads: images of one batch are bit-identical from run to run on one machine, and agree to about
1e-12 otherwise.
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
from ftj_spice.generative.layers import Layer

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decoder:
    """Layers that turn latent vectors into grey or colour images.

    Attributes:
        layers: From the latents to the pixels. A `(weights, bias)` pair of shapes (inputs, outputs) and (outputs,) may
            be given for a dense layer.
        image_shape: (height, width) of grey images, (height, width, 3) of colour images: red, green, blue. Its product
            is the last layer's number of outputs, which are ordered plane by plane: all of red first.
        output_gain: Factor on the last layer's values before the sigmoid; above 1 it sharpens the images.
        record: How the decoder was trained, as plain JSON data.

    Raises:
        DataError: The layers don't chain, a value is not finite, or the last layer does not fill an image.
    """

    layers: tuple[Layer, ...]
    image_shape: tuple[int, ...] = (28, 28)
    output_gain: float = 1.0
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = tuple(decoder_file.layer(index, parts) for index, parts in enumerate(self.layers))
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
        return self.layers[0].inputs

    def __call__(self, z: ArrayLike) -> FloatArray:
        """Decodes latent vectors.

        Args:
            z: Latent vectors (batch, latent_dim), about standard normal.

        Returns:
            Images (batch, *image_shape) in [0, 1].

        Raises:
            DataError: `z` has another shape or holds values that are not finite.
        """
        values = self.layers[0](_batch(z, self.latent_dim, "latent vectors"))
        for layer in self.layers[1:]:
            values = layer(self.hidden(values))
        return self.finish(values)

    def hidden(self, values: ArrayLike) -> FloatArray:
        """Returns what the next layer takes from a layer that is not the last: ReLU of (batch, outputs)."""
        return np.maximum(np.asarray(values, dtype=np.float64), 0.0)

    def finish(self, values: ArrayLike) -> FloatArray:
        """Returns the images of the last layer's results.

        Args:
            values: What the last layer gives, e.g. read from the array, (batch, outputs).

        Returns:
            Images (batch, *image_shape) in [0, 1].

        Raises:
            DataError: `values` has another shape or holds values that are not finite.
        """
        batch = _batch(values, self.layers[-1].outputs, "last-layer results")
        pixels = expit(self.output_gain * batch)
        height, width, *colours = self.image_shape
        planes = pixels.reshape(-1, *colours, height, width)
        return np.ascontiguousarray(np.moveaxis(planes, 1, 3)) if colours else planes


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


def _batch(values: ArrayLike, width: int, what: str) -> FloatArray:
    """Returns `values` as a checked float64 batch (batch, width)."""
    batch = np.asarray(values, dtype=np.float64)
    if batch.ndim != 2 or batch.shape[1] != width:
        raise DataError(f"{what} must have the shape (batch, {width}), got {batch.shape}")
    if not np.isfinite(batch).all():
        raise DataError(f"{what} must be finite, got NaN or infinity")
    return batch
