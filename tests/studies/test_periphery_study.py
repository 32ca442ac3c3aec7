import json
import math
import re

import numpy as np
import pytest
from periphery_support import write_variant

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.netlist.process.models import ProcessError
from ftj_spice.netlist.process.process import load_process
from ftj_spice.results.rundir import is_run_directory
from ftj_spice.studies.periphery.compare import periphery_compare
from ftj_spice.studies.periphery.journal import journal_path
from ftj_spice.studies.periphery.new import periphery_new
from ftj_spice.studies.periphery.results import load_results, load_run
from ftj_spice.studies.periphery.settings import PeripherySettings, conditions_of
from ftj_spice.studies.periphery.study import periphery_run

DRAWN = {"mc": 8, "seed": 3, "corners": ("tt", "ss")}


def settings_of(*variants, **more):
    return PeripherySettings(variants=variants, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("variants")


@pytest.fixture(scope="module")
def good(folder):
    limits = '[limits.offset]\nmax = "1 mV"\nwhy = "tight"\n[limits.offset_sigma]\nmax = "100 mV"\nwhy = "loose"\n'
    return write_variant(folder, "good", limits=limits)


@pytest.fixture(scope="module")
def wide(folder):
    return write_variant(folder, "wide", toml={'value = "8 um"': 'value = "32 um"'})


@pytest.fixture(scope="module")
def drawn(folder, good, wide):
    """A run of two variants with draws and two corners, and where it stands."""
    settings = settings_of(good, wide, **DRAWN)
    return periphery_run(folder / "drawn", settings=settings, jobs=2), folder / "drawn"


def test_run_directory_holds_everything(drawn):
    result, path = drawn
    assert result.passes
    assert is_run_directory(path)
    names = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert {"manifest.json", "settings.toml", "results.json", "results.csv", "draws.csv", "report.html"} <= names
    assert {"netlists/generic/good_clocked_comparator.cir", "plots/draws_generic_good.png"} <= names
    assert not journal_path(path).exists()
    page = (path / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "crossed" in page.lower()


def test_wide_pair_has_less_offset_and_yields_more(drawn):
    result, _ = drawn
    good, wide = (result.variants["generic"][name] for name in ("good", "wide"))
    assert good.figures["offset_sigma"] == pytest.approx(np.std(good.draws["offset"], ddof=1))
    assert good.sigma_errors["offset_sigma"] == pytest.approx(good.figures["offset_sigma"] / math.sqrt(14))
    # Four times the area halves the pair's share; 8 draws tell by a factor of 1.2 with a false alarm of some percent,
    # but the seed is fixed.
    assert wide.figures["offset_sigma"] < good.figures["offset_sigma"] / 1.2
    assert good.yielded.limits == ("offset",)
    assert good.yielded.good == np.sum(np.abs(good.draws["offset"]) <= 1e-3) < 8
    assert wide.yielded.good == 8  # no limits: every draw that works is good
    assert [c.corner for c in good.conditions] == ["tt", "ss"]
    assert good.figures["area"] > 0


def test_results_come_back_from_the_run_directory(drawn):
    result, path = drawn
    back = load_results(path)
    assert list(back) == ["good", "wide"]
    for name, one in back.items():
        before = result.variants["generic"][name]
        assert one.figures == before.figures
        assert one.bounds == before.bounds
        np.testing.assert_array_equal(one.draws["offset"], before.draws["offset"])
        assert one.conditions == before.conditions
        assert one.devices == before.devices


class Stop(Exception):
    pass


def stop_after(count):
    def observe(phase, done, total):
        if phase == "measure" and done >= count:
            raise Stop

    return observe


def test_interrupted_run_goes_on_and_gives_what_any_number_of_workers_gives(drawn, tmp_path, good, wide):
    _, path = drawn
    settings = settings_of(good, wide, **DRAWN)
    out = tmp_path / "run"
    with pytest.raises(Stop):
        periphery_run(out, settings=settings, observer=stop_after(7))
    assert not out.exists()
    kept = journal_path(out).read_bytes()
    assert kept.count(b"\n") >= 8
    with pytest.raises(OutputError, match="--resume"):
        periphery_run(out, settings=settings)
    changed = settings.model_copy(update={"mc": 9, "seed": 4})
    with pytest.raises(SettingsError, match="'mc' was 8, is 9; 'seed' was 3, is 4"):
        periphery_run(out, settings=changed, resume=True)
    journal_path(out).write_bytes(kept + b"0123 {half a li")  # cut off by a kill
    seen = []
    periphery_run(out, settings=settings, resume=True, observer=lambda phase, done, total: seen.append((phase, done)))
    assert seen[0] == ("measure", kept.count(b"\n") - 1)
    for name in ("results.json", "results.csv", "draws.csv"):
        assert (out / name).read_bytes() == (path / name).read_bytes()
    assert not journal_path(out).exists()
    with pytest.raises(OutputError, match="nothing to resume"):
        periphery_run(tmp_path / "other", settings=settings, resume=True)


def test_resume_notices_an_edited_variant(tmp_path):
    file = write_variant(tmp_path, "mine")
    settings = settings_of(file, mc=3)
    with pytest.raises(Stop):
        periphery_run(tmp_path / "run", settings=settings, observer=stop_after(1))
    write_variant(tmp_path, "mine", toml={'value = "8 um"': 'value = "9 um"'})
    with pytest.raises(SettingsError, match=r"content of variant\.mine in generic"):
        periphery_run(tmp_path / "run", settings=settings, resume=True)


def test_bad_variants_stop_nobody_and_are_told_by_name(tmp_path):
    limit = '[limits.{}]\nmax = {}\nwhy = "test"\n'
    bad = {
        "undefined": write_variant(tmp_path, "undefined", template={"{{ w_tail }}": "{{ w_tial }}"}),
        "noport": write_variant(
            tmp_path, "noport", toml={'clk = "clock': 'clock = "clock'}, template={" clk ": " clock "}
        ),
        "loose": write_variant(tmp_path, "loose", template={" clk ": " vdd "}),
        "loop": write_variant(tmp_path, "loop", more="vloop vdd 0 1.2\n"),
        "shorted": write_variant(tmp_path, "shorted", more="rshort outp outn 1\n"),
        "asks": write_variant(tmp_path, "asks", measure='["offset", "inl"]'),
        "typo": write_variant(tmp_path, "typo", measure='["ofset"]'),
        "unit": write_variant(tmp_path, "unit", limits=limit.format("offset_sigma", '"20 nA"')),
        "bare": write_variant(tmp_path, "bare", limits=limit.format("offset", "8")),
        "unmeasured": write_variant(tmp_path, "unmeasured", limits=limit.format("kickback", '"1 mV"')),
        "nobench": write_variant(tmp_path, "nobench", toml={'"clocked_comparator"': '"clocked"'}),
        "inject": write_variant(tmp_path, "inject", more=".include /etc/passwd\n"),
    }
    (tmp_path / "broken.toml").write_text("name = ")
    fine = write_variant(tmp_path, "fine")
    result = periphery_run(
        tmp_path / "run", settings=settings_of(*bad.values(), str(tmp_path / "broken.toml"), fine), jobs=2
    )
    told = {name: one.error or "; ".join(one.failures.values()) for name, one in result.variants["generic"].items()}
    assert "w_tial" in told["undefined"] and "undefined.cir.j2" in told["undefined"]
    assert "no port 'clk'" in told["noport"] and "'noport'" in told["noport"]
    assert "nothing is connected to the port 'clk'" in told["loose"]
    assert "singular" in told["loop"] or "converge" in told["loop"] or "loop" in told["loop"]
    assert "'shorted' never decides" in told["shorted"]
    assert "'asks' asks to measure 'inl', but its bench 'clocked_comparator' does not measure" in told["asks"]
    assert "no such figure; did you mean 'offset'" in told["typo"]
    assert "limit 'offset_sigma' of variant 'unit' is given in nA but measured in V" in told["unit"]
    assert "limit 'offset' of variant 'bare' is given without a unit" in told["bare"]
    assert "limit 'kickback' of variant 'unmeasured'" in told["unmeasured"] and "'measure'" in told["unmeasured"]
    assert "no test bench named 'clocked'" in told["nobench"]
    assert "not allowed" in told["inject"] or "no variant may write" in told["inject"]
    assert "not valid TOML" in told["broken"]
    assert told["fine"] == "" and result.variants["generic"]["fine"].figures["offset"] is not None
    assert not result.passes
    assert len(result.problems) == len(bad) + 1
    page = (tmp_path / "run" / "report.html").read_text()
    for name in (*bad, "broken"):
        assert name in page
    stored = json.loads((tmp_path / "run" / "results.json").read_text())["processes"]["generic"]["variants"]
    assert {name for name, one in stored.items() if one["error"] or one["failures"]} == {*bad, "broken"}
    assert str(tmp_path.parent) not in (tmp_path / "run" / "results.json").read_text()


def test_bench_that_breaks_stops_its_variant_only(tmp_path, good, monkeypatch):
    from ftj_spice.periphery.benches import benches

    class Broken:
        name, figures, drawn = "broken_bench", ("offset",), ("offset",)
        settings = benches()["clocked_comparator"].settings

        def measure(self, rig, figures):
            return [][1]

    monkeypatch.setitem(benches(), "broken_bench", Broken())
    file = write_variant(tmp_path, "victim", measure='["offset"]', toml={'"clocked_comparator"': '"broken_bench"'})
    result = periphery_run(tmp_path / "run", settings=settings_of(file, good))
    assert "the test bench 'broken_bench' is broken: IndexError" in result.variants["generic"]["victim"].error
    assert result.variants["generic"]["good"].error is None
    assert "IndexError" in (tmp_path / "run/failed/generic_victim/traceback.txt").read_text()


def test_missing_process_is_told_before_anything_runs(tmp_path, good):
    text = (load_process("sky130").folder / "sky130.toml").read_text()
    text = re.sub(r"places = \[[^]]*\]", 'places = ["nowhere"]', text).replace('name = "sky130"', 'name = "gone"')
    (tmp_path / "gone.toml").write_text(text)
    with pytest.raises(ProcessError, match="'gone' are not here"):
        periphery_run(tmp_path / "run", settings=settings_of(good, processes=(str(tmp_path / "gone.toml"),)))
    assert not (tmp_path / "run").exists() and not journal_path(tmp_path / "run").exists()


def test_models_that_were_not_tried_are_told(tmp_path, good):
    source = load_process("generic")
    (tmp_path / "generic").symlink_to(source.folder / "generic")
    text = (source.folder / "generic.toml").read_text().replace('name = "generic"', 'name = "edited"')
    text += f'\n[models.checksums]\n"core.spice" = "{64 * "0"}"\n'
    (tmp_path / "edited.toml").write_text(text)
    result = periphery_run(tmp_path / "run", settings=settings_of(good, processes=(str(tmp_path / "edited.toml"),)))
    (note,) = result.notes
    assert "'edited' differ from those that were tried" in note and "core.spice" in note
    assert note in (tmp_path / "run/report.html").read_text().replace("&#39;", "'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": ("strongram",)}, "did you mean 'strongarm'"),
        ({"variants": ("strongarm", "strongarm")}, "two of the variants are called 'strongarm'"),
        ({"corners": ("xx",)}, "has no corner 'xx'"),
        ({"processes": ("generic", "generic")}, "two of the processes"),
        ({"processes": ("generik",)}, "did you mean 'generic'"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(SettingsError, match=message):
        periphery_run(settings=PeripherySettings(**({"variants": ("strongarm",)} | change)))


def test_nominal_condition_comes_first_and_once():
    settings = PeripherySettings(corners=("ss", "tt"), temperatures=(300.0, 398.0), supplies=(0.9, 1.0))
    found = [(c.corner, c.temperature, c.supply) for c in conditions_of(settings, load_process("generic"))]
    assert found[0] == ("tt", 300.0, 1.0)
    assert len(found) == len(set(found)) == 8


def test_compare_says_what_differs_and_whether_draws_can_tell(drawn):
    _, path = drawn
    (comparison,) = periphery_compare("good", "wide", runs=[path])
    figures = {f.name: f for f in comparison.figures}
    sigma = figures["offset_sigma"]
    assert sigma.ratio == pytest.approx(sigma.second / sigma.first)
    assert 0 < sigma.p_value < 1
    assert figures["area"].better == "good" and figures["area"].p_value is None
    assert any("offset, sigma" in line and "p =" in line for line in comparison.lines)
    same = periphery_compare("good", "good", runs=[path, path])[0]
    assert not any(f.differs for f in same.figures)
    assert same.first.variant == "good (drawn)"
    with pytest.raises(SettingsError, match="one variant"):
        periphery_compare("good", "good", runs=[path])


def test_compare_measures_afresh(good, wide):
    (comparison,) = periphery_compare(good, wide)
    assert {f.name for f in comparison.figures} == {"offset", "area"}


def test_new_variant_works_at_once_under_its_name(tmp_path, good):
    made = periphery_new("mine", good, tmp_path / "sub")
    assert made.missing == []
    assert made.result.variants["generic"]["mine"].figures["area"] > 0
    assert 'name = "mine"' in made.toml.read_text() and "begun from good" in made.toml.read_text()
    with pytest.raises(OutputError, match="exists"):
        periphery_new("mine", good, tmp_path / "sub")
    with pytest.raises(SettingsError, match="packaged variant is called 'strongarm'"):
        periphery_new("strongarm", good, tmp_path)
    with pytest.raises(SettingsError, match="no variant's name"):
        periphery_new("../x", good, tmp_path)


def test_new_says_what_is_missing(tmp_path):
    file = write_variant(tmp_path, "shorted", more="rshort outp outn 1\n")
    made = periphery_new("copy", file, tmp_path)
    assert len(made.missing) == 1 and "'copy' never decides" in made.missing[0]


def test_load_results_refuses_other_folders(tmp_path, drawn):
    from ftj_spice.common.errors import DataError

    with pytest.raises(DataError, match="no run directory"):
        load_run(tmp_path)
    with pytest.raises(DataError, match="no process 'sky130'; it has generic"):
        load_results(drawn[1], "sky130")
