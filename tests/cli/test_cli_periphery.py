import json
import os
import re
import signal
import time

import pytest
from cli_support import spawn, start

from ftj_spice.netlist.catalogue.variant import available_variants, load_variant


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A StrongARM that measures its offset only, begun by `new` and edited, and its folder."""
    folder = tmp_path_factory.mktemp("periphery")
    strongarm = load_variant("strongarm")
    text = (strongarm.folder / "strongarm.toml").read_text().replace('"strongarm"', '"quick"')
    text = re.sub(r"(?s)\[limits.*", "", text)
    text = re.sub(r"(?m)^bench = .*$", 'bench = "clocked_comparator"\nmeasure = ["offset"]', text)
    (folder / "quick.toml").write_text(text)
    (folder / "quick.cir.j2").write_text(strongarm.text())
    return folder


def test_list_has_every_variant(call):
    out = call("periphery", "list")
    assert out.code == 0
    assert [line.split()[1] for line in out.out.splitlines()] == available_variants()
    found = json.loads(call("periphery", "list", "--kind", "decide", "--json").out)
    assert {entry["name"] for entry in found} == set(available_variants("decide"))
    assert all(entry["fault"] is None for entry in found)
    assert "known: sense, decide" in call("periphery", "list", "--kind", "sensor").sentence()


def test_show_and_its_spice(call):
    out = call("periphery", "show", "strongarm").out
    strongarm = load_variant("strongarm")
    for name, parameter in strongarm.parameters.items():
        assert name in out and parameter.source in out
    assert "limits" in out and all(port in out for port in strongarm.ports)
    spice = call("periphery", "show", "strongarm", "--netlist", "--corner", "ss").out
    assert re.search(r"(?m)^\.subckt strongarm_\w+ inp inn clk outp outn vdd$", spice)
    assert spice.count("\nxm_") == strongarm.text().count("\nm_") + strongarm.text().startswith("m_")
    assert "no corner 'slow'" in call("periphery", "show", "strongarm", "--netlist", "--corner", "slow").sentence()
    assert "did you mean 'strongarm'" in call("periphery", "show", "strongram").sentence()


def test_benches_say_what_they_measure_and_need(call):
    assert "clocked_comparator" in call("periphery", "bench").out
    out = call("periphery", "bench", "clocked_comparator").out
    assert re.search(r"(?m)^  \* offset +V ", out)
    assert "common_mode" in out and "strongarm" in out and "clock: evaluates while high" in out
    assert "no test bench named 'x'" in call("periphery", "bench", "x").sentence()


def test_help_has_examples(call):
    for words in ((), ("list",), ("show",), ("bench",), ("run",), ("compare",), ("new",)):
        assert f"ftj-spice periphery {' '.join(words)}".strip() in " ".join(
            call("periphery", *words, "--help").out.split()
        )


def test_run_goes_on_after_a_kill_and_after_ctrl_c(quick, tmp_path):
    words = ("periphery", "run", "--variants", str(quick / "quick.toml"), "--mc", "6", "-j", "1", "-o")
    whole = spawn(*words, "whole", "--quiet", cwd=tmp_path)
    assert whole.code == 0, whole.err
    journal = tmp_path / "run.unfinished"
    interrupted = []
    for number in (signal.SIGKILL, signal.SIGINT):
        more = ("--resume",) if journal.exists() else ()
        before = journal.read_bytes().count(b"\n") if journal.exists() else 0
        process = start(*words, "run", "--quiet", *more, cwd=tmp_path)
        deadline = time.monotonic() + 100
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= before + 2):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, number)
        interrupted.append((process.communicate(timeout=100)[1], process.returncode))
        assert not (tmp_path / "run").exists()
    assert interrupted[0][1] == -signal.SIGKILL
    assert interrupted[1][1] == 130 and "go on with --resume" in interrupted[1][0]
    refused = spawn(*words, "run", cwd=tmp_path)
    assert "pass --resume to go on with it" in refused.sentence()
    resumed = spawn(*words, "run", "--resume", "--json", "--quiet", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    for name in ("results.json", "results.csv", "draws.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert json.loads(resumed.out) == json.loads((tmp_path / "run/results.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} == {"run", "whole"}


def test_one_bad_variant_gives_status_1_and_its_sentence(call, quick, tmp_path):
    (tmp_path / "bad.toml").write_text((quick / "quick.toml").read_text().replace('"quick"', '"bad"'))
    (tmp_path / "bad.cir.j2").write_text((quick / "quick.cir.j2").read_text().replace("w_tail", "w_tial"))
    out = call(
        "periphery", "run", "--variants", f"bad.toml,{quick / 'quick.toml'}", "-o", "run", "--quiet", "--temperatures",
        "27degC",
    )  # fmt: skip
    assert out.code == 1
    first, last = out.err.splitlines()
    assert first.startswith("ftj-spice: bad (generic): template") and "w_tial" in first
    assert "1 problem" in last and "run/report.html" in last
    found = json.loads((tmp_path / "run/results.json").read_text())["processes"]["generic"]["variants"]
    assert "offset" in found["quick"]["figures"] and "w_tial" in found["bad"]["error"]
    assert found["quick"]["conditions"][1]["temperature"] == pytest.approx(300.15)
    words = ("periphery", "compare", "quick", "bad", "--from", "run")
    compared = call(*words)
    assert compared.code == 1 and "bad was not measured" in compared.out


def test_new_begins_a_variant(call, quick, tmp_path):
    out = call("periphery", "new", "mine", "--from", str(quick / "quick.toml"), "--quiet")
    assert out.code == 0, out.err
    assert (tmp_path / "mine.toml").is_file() and (tmp_path / "mine.cir.j2").is_file()
    assert "exists; choose another name" in call("periphery", "new", "mine", "--from", "strongarm").sentence()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "--temperatures", "hot"), "--temperatures: 'hot' is not a number with a unit"),
        (("run", "--temperatures", "3000"), "temperatures"),
        (("run", "--supplies", "1 V"), "--supplies"),
        (("run", "--process", "sky13"), "did you mean 'sky130'"),
        (("run", "--set", "draws=3"), "unknown setting 'draws'"),
        (("run", "--resume", "-o", "nothing"), "nothing to resume"),
        (("compare", "strongarm", "strongarm"), "one variant"),
        (("compare", "strongarm", "double_tail", "--from", "nowhere"), "no run directory"),
        (("compare", "a", "b", "--from", "nowhere", "--mc", "3"), "for a fresh measurement"),
        (("new", "Bad-Name", "--from", "strongarm"), "no variant's name"),
    ],
)
def test_bad_words_are_one_sentence(call, words, sentence, tmp_path):
    assert sentence in call("periphery", *words).sentence()
    assert not list(tmp_path.iterdir())
