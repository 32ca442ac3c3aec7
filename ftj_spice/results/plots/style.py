"""One look for all plots, whatever the user's matplotlib settings are, and rendering with reproducible bytes."""

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.files import writing

SIMULATED = "#0072B2"
"""Simulated or measured in the simulation: blue."""
CLOSED_FORM = "#D55E00"
"""Closed form or exact reference: orange."""
NOTE = "#4d4d4d"
"""Notes, limits and thin lines: dark grey."""

WIDTH = 7.0
"""Width of a figure in inches: a page's text."""
DPI = 150
"""Resolution of PNG figures and of rasterised parts in SVG ones."""
MANY = 3000
"""Scatters of more points than this are rasterised."""

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#333333",
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "ftj-spice",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


@contextmanager
def style() -> Iterator[None]:
    """The package's look on matplotlib's defaults; the settings before come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


P = ParamSpec("P")
T = TypeVar("T")


def styled(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: runs a plot function in the package's look, lays its figure out and fixes the layout.

    A layout that is worked out anew at every drawing moves by fractions of a pixel; a fixed one gives the same bytes
    each time.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with style():
            result = function(*args, **kwargs)
            if isinstance(result, Figure):
                result.draw_without_rendering()
                result.set_layout_engine("none")
            return result

    return wrapper


def figure_svg(figure: Figure) -> str:
    """Returns a figure as SVG text; equal figures give equal text."""
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def figure_png(figure: Figure, dpi: float = DPI) -> bytes:
    """Returns a figure as PNG bytes; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_figure(path: Path, figure: Figure) -> None:
    """Writes a figure as `.svg` or `.png`, by the name's ending.

    Raises:
        ValueError: Another ending.
        OutputError: The file can't be written.
    """
    if path.suffix not in {".svg", ".png"}:
        raise ValueError(f"{path.name!r} ends neither in .svg nor in .png")
    content = figure_svg(figure).encode() if path.suffix == ".svg" else figure_png(figure, 2 * DPI)
    with writing(path):
        path.write_bytes(content)


def finite(values: ArrayLike, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Returns `values` as floats.

    Raises:
        ValueError: The shape is not `shape` (none stands for any positive length), or a value is not finite.
    """
    array = np.asarray(values, float)
    if array.ndim != len(shape) or any(
        n == 0 or (want not in {None, n}) for n, want in zip(array.shape, shape, strict=True)
    ):
        wanted = ", ".join("n" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({wanted}), not {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite")
    return array


def remark(axes: Axes, x: float, y: float, text: str, align: Literal["left", "right"] = "left") -> None:
    """Writes a small note into an axes, at a place in fractions of it, on a white ground."""
    axes.text(
        x,
        y,
        text,
        transform=axes.transAxes,
        fontsize=8.5,
        color=NOTE,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        va="center",
        ha=align,
    )
