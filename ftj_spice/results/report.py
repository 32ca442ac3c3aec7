"""The report of a run: one HTML page that holds everything it shows and loads nothing.

Figures with few points become vector graphics, others PNG images, both inside the page as data. The same input gives
the same bytes.
"""

import base64
import functools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import jinja2
from matplotlib.figure import Figure

from ftj_spice.results.plots.style import figure_png, figure_svg

LARGEST_SVG = 400_000
"""A figure whose SVG is longer than this many characters is embedded as PNG."""
PNG_DPI = 150
"""Resolution of figures embedded as PNG."""

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_CSS_DPI = 96.0


@dataclass(frozen=True)
class Cell:
    """A table's cell that stands out.

    Attributes:
        value: What it shows, as in `Report.table`.
        mark: `best` is set bold, `fails` is crossed out.
        why: Reason, shown where the reader points at the cell.
    """

    value: Any
    mark: Literal["", "best", "fails"] = ""
    why: str = ""

    @property
    def text(self) -> str:
        """The value as text."""
        return _cell(self.value)


@dataclass(frozen=True)
class _Block:
    """One piece of a section: `kind` names the template's branch, `content` is what it shows."""

    kind: str
    content: dict[str, Any]


@dataclass
class _Section:
    title: str
    anchor: str
    blocks: list[_Block] = field(default_factory=list)


class Report:
    """Collects sections, figures, tables and facts in order and renders them.

    Every text is escaped: `<b>` shows as `<b>`. Methods return the report, so that calls can be chained.

    Example:
        ```python
        report = Report("Image generation", "64 images, seed 7")
        report.section("Noise").figure(rtn_traces(...), "Three cells at 1.5 V.", "Current against time")
        run.write_text("report.html", report.html())
        ```

    Args:
        title: Heading and window title.
        subtitle: Line below it.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self._title = title
        self._subtitle = subtitle
        self._sections: list[_Section] = []
        self._figures = 0
        self._tables = 0

    def section(self, title: str, text: str | None = None) -> Self:
        """Begins a section; blank lines in `text` separate paragraphs. What comes before the first has no heading."""
        self._sections.append(_Section(title, f"section-{len(self._sections) + 1}"))
        return self.text(text) if text else self

    def text(self, text: str) -> Self:
        """Adds paragraphs, separated by blank lines."""
        return self._add("text", paragraphs=_paragraphs(text))

    def note(self, text: str) -> Self:
        """Adds a set-off remark, for what a reader must know to trust the numbers: estimates, limits, audits."""
        return self._add("note", paragraphs=_paragraphs(text))

    def figure(self, figure: Figure | bytes, caption: str, alt: str) -> Self:
        """Adds a numbered figure.

        Args:
            figure: A matplotlib figure, or the bytes of a PNG file.
            caption: Text below it.
            alt: What it shows, for readers who can't see it.

        Raises:
            ValueError: The bytes are no PNG file.
        """
        self._figures += 1
        return self._add("figure", number=self._figures, caption=caption, alt=alt, **_embed(figure))

    def table(self, rows: Sequence[Sequence[Any]], header: Sequence[str], caption: str) -> Self:
        """Adds a numbered table; columns that hold only numbers, also as text with a unit, are set flush right.

        Args:
            rows: Cells, shown as `str()` gives them; None shows as a dash, floats with 4 significant digits. A `Cell`
                may be marked.
            header: One heading per column.
            caption: Text above it.

        Raises:
            ValueError: A row's length differs from the header's.
        """
        for number, row in enumerate(rows):
            if len(row) != len(header):
                raise ValueError(f"row {number} has {len(row)} cells, the header {len(header)}")
        self._tables += 1
        cells = [[value if isinstance(value, Cell) else Cell(value) for value in row] for row in rows]
        numeric = [bool(cells) and all(_is_numeric(row[k].text) for row in cells) for k in range(len(header))]
        return self._add(
            "table", number=self._tables, caption=caption, header=list(header), rows=cells, numeric=numeric
        )

    def facts(self, facts: Mapping[str, Any]) -> Self:
        """Adds a grid of short facts, label above value; values are shown as in `table`."""
        return self._add("facts", entries=[(label, _cell(value)) for label, value in facts.items()])

    def html(self) -> str:
        """Returns the page."""
        return _template().render(title=self._title, subtitle=self._subtitle, sections=self._sections)

    def _add(self, kind: str, **content: Any) -> Self:
        if not self._sections:
            self._sections.append(_Section("", "section-1"))
        self._sections[-1].blocks.append(_Block(kind, content))
        return self


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8"))


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _embed(figure: Figure | bytes) -> dict[str, Any]:
    """Returns a figure's data address and its size in CSS pixels."""
    if isinstance(figure, Figure):
        width, height = (round(_CSS_DPI * inches) for inches in figure.get_size_inches())
        svg = figure_svg(figure)
        kind, data = ("svg+xml", svg.encode()) if len(svg) <= LARGEST_SVG else ("png", figure_png(figure, PNG_DPI))
    else:
        if not figure.startswith(_PNG_MAGIC) or len(figure) < 24:
            raise ValueError("a figure given as bytes must be a PNG file")
        width, height = struct.unpack(">II", figure[16:24])
        kind, data = "png", figure
    return {"source": f"data:image/{kind};base64,{base64.b64encode(data).decode()}", "width": width, "height": height}


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
    return str(value)


def _is_numeric(text: str) -> bool:
    return text == "–" or text.lstrip("+-±<>≈ \N{MINUS SIGN}")[:1].isdigit()
