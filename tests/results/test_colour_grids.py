import io

import numpy as np
import pytest
from PIL import Image

from ftj_spice.results.plots import image_grid, image_grid_png


def test_each_colour_is_the_grid_of_its_plane():
    images = np.random.default_rng(0).uniform(-0.2, 1.2, size=(5, 3, 4, 3))
    grid = image_grid(images, columns=3, scale=2)
    assert grid.shape == (2 * 6 + 2, 3 * 8 + 2 * 2, 3)
    for colour in range(3):
        assert np.array_equal(grid[..., colour], image_grid(images[..., colour], columns=3, scale=2))


def test_the_file_holds_the_same_pixels():
    images = np.zeros((1, 2, 2, 3))
    images[0, 0, 0] = (1.0, 0.5, 0.0)
    opened = Image.open(io.BytesIO(image_grid_png(images, scale=1)))
    assert (opened.mode, opened.size) == ("RGB", (2, 2))
    assert np.asarray(opened).tolist() == [[[255, 128, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("shape", [(2, 2, 2, 4), (2, 2, 2, 1), (2, 2, 0, 3), (1, 2, 2, 2, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="images must have shape"):
        image_grid(np.zeros(shape))
