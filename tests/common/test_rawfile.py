import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ftj_spice.common.errors import DataError, OutputError
from ftj_spice.common.rawfile import KINDS, read_raw, write_raw

RC = """* rc step
v1 in 0 dc 0 ac 1 pulse(0 1 0 1n 1n 1u 2u)
r1 in out 1k
c1 out 0 100p
{analyses}
.end
"""

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="needs the ngspice program")

ONE_LINE = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-z_][a-z0-9_.:#()\[\],+-]{0,12}", fullmatch=True)


def simulate(folder, analyses, **settings):
    netlist, raw = folder / "rc.cir", folder / "rc.raw"
    netlist.write_text(RC.format(analyses=analyses))
    subprocess.run(["ngspice", "-b", "-r", raw.name, netlist.name], cwd=folder, check=True, capture_output=True)
    return raw


def example(path, points=50):
    t = np.linspace(0.0, 5e-3, points)
    write_raw(
        path,
        "column 3",
        "Transient Analysis",
        {"time": ("time", t), "v(out)": ("voltage", np.sin(t * 4e3)), "i(vsense)": ("current", 1e-10 * np.cos(t))},
    )
    return t


@settings(max_examples=60, deadline=None)
@given(data=st.data(), title=ONE_LINE, plot=ONE_LINE, names=st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_what_is_written_is_read_back_bit_for_bit(tmp_path_factory, data, title, plot, names):
    points = data.draw(st.integers(1, 20))
    arrays = [data.draw(hnp.arrays(float, points)) for _ in names]
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=len(names), max_size=len(names)))
    path = tmp_path_factory.mktemp("raw") / "x.raw"
    write_raw(path, title, plot, dict(zip(names, zip(kinds, arrays, strict=True), strict=True)))
    back = read_raw(path)
    assert (back.title, back.plot_name, back.names, back.kinds) == (title, plot, tuple(names), tuple(kinds))
    for name, array in zip(names, arrays, strict=True):
        assert back.vectors[name].tobytes() == array.tobytes()
    assert back.scale is back.vectors[names[0]]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), data=st.data())
def test_a_file_cut_anywhere_is_an_error_and_never_short_data(tmp_path_factory, cut, data):
    path = tmp_path_factory.mktemp("raw") / "x.raw"
    example(path)
    content = path.read_bytes()
    path.write_bytes(content[: cut % len(content)])
    with pytest.raises(DataError, match=r"not a whole ngspice raw file"):
        read_raw(path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 60))
def test_damaged_headers_give_one_clear_error_or_a_whole_plot(tmp_path_factory, junk, place, removed):
    path = tmp_path_factory.mktemp("raw") / "x.raw"
    example(path)
    content = path.read_bytes()
    path.write_bytes(content[:place] + junk + content[place + removed :])
    try:
        plot = read_raw(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert len({len(vector) for vector in plot.vectors.values()}) == 1


@needs_ngspice
def test_reads_a_transient_of_ngspice(tmp_path):
    plot = read_raw(simulate(tmp_path, ".tran 10n 0.9u"))
    assert plot.title == "* rc step"
    assert plot.plot_name == "Transient Analysis"
    assert plot.names == ("time", "v(in)", "v(out)", "i(v1)")
    assert plot.kinds == ("time", "voltage", "voltage", "current")
    t = plot.scale
    assert t[0] == 0.0 and t[-1] == pytest.approx(0.9e-6) and np.all(np.diff(t) > 0)
    later = t > 20e-9
    assert plot.vectors["v(out)"][later] == pytest.approx(1 - np.exp(-(t[later] - 0.5e-9) / 1e-7), abs=2e-3)
    assert plot.vectors["i(v1)"] == pytest.approx(-(plot.vectors["v(in)"] - plot.vectors["v(out)"]) / 1e3, abs=1e-9)


@needs_ngspice
def test_reads_a_complex_plot_of_ngspice(tmp_path):
    plot = read_raw(simulate(tmp_path, ".ac dec 5 1k 100meg"))
    assert plot.kinds[0] == "frequency"
    assert plot.vectors["v(out)"].dtype == complex
    assert plot.vectors["v(out)"] == pytest.approx(1 / (1 + 2j * np.pi * plot.scale.real * 1e-7), rel=1e-6)


@needs_ngspice
def test_of_several_plots_one_must_be_chosen(tmp_path):
    raw = simulate(tmp_path, ".tran 10n 0.2u\n.ac dec 5 1k 1meg")
    with pytest.raises(DataError, match=r"holds 2 plots \(0: AC Analysis, 1: Transient Analysis\)"):
        read_raw(raw)
    assert read_raw(raw, 0).plot_name == "AC Analysis"
    assert read_raw(raw, 1).names[0] == "time"
    with pytest.raises(DataError, match="has no plot 2"):
        read_raw(raw, 2)


@needs_ngspice
def test_text_samples_are_refused_with_advice(tmp_path):
    raw = simulate(tmp_path, ".options filetype=ascii\n.tran 10n 0.2u")
    if b"\nValues:" not in raw.read_bytes():
        raw.write_bytes(raw.read_bytes().split(b"Binary:")[0] + b"Values:\n0\t0.0\n")
    with pytest.raises(DataError, match="filetype=binary"):
        read_raw(raw)


def test_a_run_that_was_killed_says_so(tmp_path):
    path = tmp_path / "x.raw"
    example(path)
    path.write_bytes(path.read_bytes().replace(b"No. Points: 50", b"No. Points: 0 "))
    with pytest.raises(DataError, match="cut off"):
        read_raw(path)


@needs_ngspice
def test_ngspice_loads_our_file(tmp_path):
    t = example(tmp_path / "ours.raw")
    deck = "* load\n.control\nload ours.raw\nset numdgt=12\nprint v(out)[20] i(vsense)[49] length(time)\n.endc\n.end\n"
    (tmp_path / "deck.cir").write_text(deck)
    out = subprocess.run(
        ["ngspice", "-b", "deck.cir"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    ).stdout
    printed = {
        line.split("=")[0].strip(): float(line.split("=")[1])
        for line in out.splitlines()
        if line.startswith(("v(out)[", "i(vsense)[", "length("))
    }
    assert printed["v(out)[20]"] == pytest.approx(np.sin(t[20] * 4e3), rel=1e-10)
    assert printed["i(vsense)[49]"] == pytest.approx(1e-10 * np.cos(t[49]), rel=1e-10)
    assert printed["length(time)"] == 50


def test_spicelib_reads_our_file(tmp_path):
    spicelib = pytest.importorskip("spicelib")
    example(tmp_path / "ours.raw")
    ours = read_raw(tmp_path / "ours.raw")
    theirs = spicelib.RawRead(str(tmp_path / "ours.raw"), dialect="ngspice", verbose=False)
    assert list(theirs.get_trace_names()) == list(ours.names)
    for name in ours.names:
        assert np.array_equal(theirs.get_trace(name).get_wave(), ours.vectors[name])


def test_equal_waveforms_give_equal_files(tmp_path):
    example(tmp_path / "a.raw")
    example(tmp_path / "b.raw")
    content = (tmp_path / "a.raw").read_bytes()
    assert content == (tmp_path / "b.raw").read_bytes()
    assert b"Command:" not in content and b"Date:" not in content


@pytest.mark.parametrize(
    ("title", "vectors"),
    [
        ("two\nlines", {"time": ("time", [0.0])}),
        ("", {"time": ("time", [0.0])}),
        ("x", {}),
        ("x", {"time": ("time", [])}),
        ("x", {"time": ("time", [[0.0]])}),
        ("x", {"time": ("time", [0.0, 1.0]), "v(a)": ("voltage", [0.0])}),
        ("x", {"v a": ("voltage", [0.0])}),
        ("x", {"v(a)\n": ("voltage", [0.0])}),
        ("x", {"v(a)": ("charge", [0.0])}),
        ("x", {"v(a)": ("voltage", [0.0]), "V(A)": ("voltage", [0.0])}),
    ],
)
def test_what_the_format_cant_hold_is_refused(tmp_path, title, vectors):
    with pytest.raises(ValueError):
        write_raw(tmp_path / "x.raw", title, "Transient Analysis", vectors)
    assert not (tmp_path / "x.raw").exists()


def test_missing_folder_and_missing_file(tmp_path):
    with pytest.raises(OutputError, match="can't write"):
        example(tmp_path / "nowhere" / "x.raw")
    with pytest.raises(DataError, match="can't read"):
        read_raw(tmp_path / "absent.raw")
