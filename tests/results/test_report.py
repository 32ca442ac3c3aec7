import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.results import plots
from ftj_spice.results.report import LARGEST_SVG, Report

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Checks the nesting of tags, and collects tags, attributes and text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def example():
    rng = np.random.default_rng(1)
    report = Report("Generation", "64 images")
    report.figure(plots.image_grid_png(rng.random((4, 28, 28)), 2), "Images.", "four images")
    report.facts({"seed": 7, "window": "5 ms", "deviation": 1.5e-6, "audit": None, "audited": True})
    report.section("Run", "First paragraph.\n\nSecond\nparagraph.").figure(
        plots.timing_bar({"sample": 1.0}), "Time.", "bars"
    )
    report.note("Parameters are estimates.")
    report.table([["rms", 0.0625, "12 mV"], ["largest", -1.5, None]], ["error", "value", "volts"], "Errors.")
    return report


def test_page_holds_what_was_put_in_in_order():
    page = Page(example().html())
    wanted = ["Generation", "64 images", "Figure 1.", "seed", "7", "1.5e\N{MINUS SIGN}06", "–", "yes", "Run"]
    wanted += ["First paragraph.", "Second paragraph.", "Figure 2.", "estimates", "Table 1.", "rms", "0.0625", "12 mV"]
    wanted += ["\N{MINUS SIGN}1.5", "–"]
    position = 0
    for word in wanted:
        found = page.text.find(word, position)
        assert found >= 0, word
        position = found
    assert [image["alt"] for image in page.all("img")] == ["four images", "bars"]
    assert [cell.get("class") for cell in page.all("th")] == [None, "number", "number"]


def test_page_is_one_file_that_loads_and_runs_nothing():
    html = example().html()
    page = Page(html)
    assert not page.all("script")
    assert not [attrs for _, attrs in page.tags for name in attrs if name.startswith("on")]
    for _, attrs in page.tags:
        for name in ("src", "href", "data", "action"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    style = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\'', html)


def test_equal_input_gives_equal_bytes():
    assert example().html() == example().html()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_text_can_become_markup(text):
    hostile = f'"><script>alert(1)</script><img src=x onerror=y>{{{{ 7*7 }}}}{text}'
    png = plots.image_grid_png(np.zeros((1, 2, 2)))
    report = Report(hostile, hostile).section(hostile, hostile).figure(png, hostile, hostile).note(hostile)
    html = report.table([[hostile]], [hostile], hostile).facts({hostile: hostile}).html()
    page = Page(html)
    assert not page.all("script")
    assert len(page.all("img")) == 1 and not page.all("img")[0].get("onerror")
    assert page.text.count("{{ 7*7 }}") >= 8


def test_lines_become_svg_and_crowds_become_png():
    few = Page(Report("x").figure(plots.timing_bar({"a": 1.0}), "c", "a").html()).all("img")[0]
    assert few["src"].startswith("data:image/svg+xml;base64,")
    assert base64.b64decode(few["src"].split(",")[1]).startswith(b"<?xml")
    assert (few["width"], few["height"]) == ("672", "101")
    t = np.arange(60_000.0)
    noise = np.random.default_rng(1).standard_normal((2, 60_000))
    crowd = plots.rtn_traces(t, noise, [[1.0, -1.0], [1.0, -1.0]], ["noise", "more noise"])
    assert len(plots.figure_svg(crowd)) > LARGEST_SVG
    many = Page(Report("x").figure(crowd, "c", "a").html()).all("img")[0]
    assert many["src"].startswith("data:image/png;base64,")
    assert many["width"] == "672"


def test_png_sizes_come_from_the_file():
    png = plots.image_grid_png(np.zeros((2, 28, 28)), 2, 3, 2)
    image = Page(Report("x").figure(png, "c", "a").html()).all("img")[0]
    assert (image["width"], image["height"]) == (str(2 * 84 + 2), "84")
    assert base64.b64decode(image["src"].split(",")[1]) == png


def test_contents_only_when_there_are_several_sections():
    report = Report("x").section("One").section("Two")
    assert not Page(report.html()).all("nav")
    page = Page(report.section("Three").html())
    anchors = {attrs["href"].removeprefix("#") for attrs in page.all("a")}
    assert anchors == {attrs["id"] for attrs in page.all("section")}
    assert len(anchors) == 3


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="row 1 has 1 cells, the header 2"):
        Report("x").table([[1, 2], [1]], ["a", "b"], "c")
    with pytest.raises(ValueError, match="PNG"):
        Report("x").figure(b"GIF89a", "c", "a")


def test_an_empty_report_and_an_empty_table_are_whole_pages():
    assert "Nothing yet" in Page(Report("Nothing yet").html()).text
    assert "Table 1." in Page(Report("x").table([], ["a"], "empty").html()).text
