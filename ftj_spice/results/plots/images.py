"""Image grids, grey or colour, pixel for pixel, no axes."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ftj_spice.common.files import writing

GAP_GREY = 96
"""Grey of the lines between the images (0 black, 255 white)."""


def image_grid(images: ArrayLike, columns: int = 8, scale: int = 3, gap: int = 2) -> NDArray[np.uint8]:
    """Lays images out row by row.

    Args:
        images: Shape `(n, height, width)`, 0 (black) to 1 (white), or `(n, height, width, 3)`: red, green, blue;
            values beyond are cut off.
        columns: Images per row.
        scale: Every pixel becomes a square of `scale` by `scale`.
        gap: Width of the lines between the images, in pixels of the result.

    Returns:
        Bytes of shape `(grid height, grid width)`, or `(grid height, grid width, 3)` for colour; places without an
        image are white.

    Raises:
        ValueError: Wrong shape, no image, a value that is not a number, or a size below its least.
    """
    stack = np.asarray(images, float)
    if stack.ndim not in (3, 4) or 0 in stack.shape or stack.shape[3:] not in ((), (3,)):
        raise ValueError(f"images must have shape (n, height, width) or (n, height, width, 3), not {stack.shape}")
    if columns < 1 or scale < 1 or gap < 0:
        raise ValueError("columns and scale must be at least 1 and gap at least 0")
    if np.isnan(stack).any():
        raise ValueError("images hold values that are not numbers")
    count, height, width, *colours = stack.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    pixels = np.rint(np.clip(stack, 0.0, 1.0) * 255.0).astype(np.uint8)
    pixels = pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    step_y, step_x = height * scale + gap, width * scale + gap
    grid = np.full((rows * step_y - gap, columns * step_x - gap, *colours), GAP_GREY, np.uint8)
    for index, image in enumerate(pixels):
        y, x = (index // columns) * step_y, (index % columns) * step_x
        grid[y : y + height * scale, x : x + width * scale] = image
    empty = count % columns
    if empty:
        grid[(rows - 1) * step_y :, empty * step_x - gap :] = 255
    return grid


def image_grid_png(images: ArrayLike, columns: int = 8, scale: int = 3, gap: int = 2) -> bytes:
    """Returns `image_grid` as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image_grid(images, columns, scale, gap)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def save_image_grid(path: Path, images: ArrayLike, columns: int = 8, scale: int = 3, gap: int = 2) -> None:
    """Writes `image_grid` as a PNG file.

    Raises:
        ValueError: See `image_grid`.
        OutputError: The file can't be written.
    """
    content = image_grid_png(images, columns, scale, gap)
    with writing(path):
        path.write_bytes(content)
