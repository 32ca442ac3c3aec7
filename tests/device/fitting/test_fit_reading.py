"""Tables: what is read, in which units, and every complaint with file, line and column."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.common.quantities import UnitError, convert, quantity
from ftj_spice.device.fitting.reading import read_table
from ftj_spice.device.fitting.roles import Layout

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


def table(tmp_path, text, kind="iv", columns=(), units=()):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, kind, Layout.parse(columns, units))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=8, unique_by=lambda r: tuple(map(repr, r))),
    separator=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    order=st.permutations(["voltage [V]", "current (A)", "polarization"]),
    quoted=st.booleans(),
    mark=st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, rows, separator, end, order, quoted, mark):
    names = ["voltage [V]", "current (A)", "polarization"]
    lines = [separator.join(f'"{n}"' if quoted else n for n in order)]
    lines += [separator.join(repr(row[names.index(n)]) for n in order) for row in rows]
    path = tmp_path_factory.mktemp("read") / "t.csv"
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + f"# a remark{end}{end}{end.join(lines)}{end}".encode())
    read = read_table(path, "iv")
    for k, role in enumerate(("voltage", "current", "polarization")):
        assert read[role].tolist() == [row[k] for row in rows]
    assert read.lines.tolist() == list(range(4, 4 + len(rows)))


@settings(max_examples=100, deadline=None)
@given(
    value=st.floats(-1e30, 1e30),
    prefix=st.sampled_from([("f", -15), ("p", -12), ("n", -9), ("u", -6), ("µ", -6), ("m", -3), ("", 0), ("k", 3)]),
    unit=st.sampled_from(["A", "V", "s"]),
)
def test_prefixes_scale(value, prefix, unit):
    si, found = convert(np.array([value]), prefix[0] + unit, (unit,))
    assert found == unit
    assert si[0] == pytest.approx(value * 10.0 ** prefix[1], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1 um^2", "m^2", 1e-12),
        ("0.25 [um^2]", "m^2", 0.25e-12),
        ("20 uC/cm^2", "C/m^2", 0.2),
        ("2 MV/cm", "V/m", 2e8),
        ("26.85 degC", "K", 300.0),
        ("150 meV", "eV", 0.15),
        ("14", "1/V", 14.0),
        ("3 1/V", "1/V", 3.0),
        ("50 %", "1", 0.5),
        ("1e3 A/m^2", "A/m^2", 1e3),
    ],
)
def test_quantities(text, unit, value):
    assert quantity(text, unit, "x") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("unit", ["furlongs per", "9**9**9", "m)(", "nA nA nA", "V//", "1000 A", "x" * 99, "\n", "@"])
def test_units_that_do_not_parse(unit):
    with pytest.raises(UnitError, match="unit"):
        convert(np.ones(1), unit, ("A",))
    with pytest.raises(SettingsError, match=r"^--area: "):
        quantity(f"1 {unit}" if unit.strip() else "no", "m^2", "--area")


def test_names_units_and_remarks(tmp_path):
    text = '# temperature = 27 degC\n# by hand\n"Vg, V";Id;s\n1;5;-1\n2;7;-1\n'
    read = table(
        tmp_path, text, columns=["voltage=Vg, V", "iv.current=Id"], units=["voltage=mV", "current=nA"]
    )  # fmt: skip
    assert read["voltage"].tolist() == pytest.approx([1e-3, 2e-3])
    assert read["current"].tolist() == pytest.approx([5e-9, 7e-9])
    assert read["polarization"].tolist() == [-1, -1]
    assert read["temperature"] == pytest.approx([300.15, 300.15])
    assert read.at(1, "current").endswith("t.csv:5:3")


def test_states_are_words(tmp_path):
    read = table(tmp_path, "V [V],I [A],state\n1,1,on\n1,2,HRS\n")
    assert read["polarization"].tolist() == [1.0, -1.0]
    read = table(tmp_path, "# state = off\nvoltage [V],current [A]\n1,1\n")
    assert read["polarization"].tolist() == [-1.0]
    assert read.at(0, "polarization").endswith("t.csv:1:11")


def test_percent_and_absolute_polarization(tmp_path):
    read = table(tmp_path, "time [h],polarization [uC/cm^2]\n1,20\n2,19\n", "retention")
    assert (read.units["polarization"], read["polarization"][0], read["time"][1]) == (
        "C/m^2",
        pytest.approx(0.2),
        7200.0,
    )
    assert table(tmp_path, "time [s],P (%)\n1,95\n", "retention")["polarization"] == pytest.approx([0.95])


IV = "voltage [V],current [nA],polarization\n"


@pytest.mark.parametrize(
    ("text", "kind", "place", "words"),
    [
        ("", "iv", "1:1", "the file has no header"),
        ("# only\n\n", "iv", "1:1", "the file has no header"),
        ("1,2,3\n4,5,6\n", "iv", "1:1", "numbers where the columns' names should stand"),
        (IV, "iv", "1:1", "no rows below the header"),
        ("voltage [V],polarization\n1,1\n", "iv", "1:1", "no column 'current'"),
        ("voltage [V],current [A]\n1,1\n", "iv", "1:1", "no column 'polarization' or 'state'"),
        ("width [s],fraction\n1,0.5\n", "switching", "1:1", "no column 'amplitude' or 'field'"),
        ("width [s],field [V/m],amplitude [V],fraction\n1,1,1,1\n", "switching", "1:1", "are both given"),
        (IV + "1,2,1\n1.5,  high,1\n", "iv", "3:7", "'high' is not a finite number"),
        (IV + "1,2,1\n1.5,nan,1\n", "iv", "3:5", "'nan' is not a finite number"),
        (IV + "1,2,1\ninf,3,1\n", "iv", "3:1", "'inf' is not a finite number"),
        (IV + "1,1_000,1\n", "iv", "2:3", "'1_000' is not a finite number"),
        (IV + "1,,1\n", "iv", "2:3", "the cell is empty"),
        (IV.replace(",", ";") + "1,5;2;1\n", "iv", "2:1", "write a decimal point"),
        (IV + "1,2\n", "iv", "2:1", "2 cells in this row, 3 in the header"),
        (IV + "1,2,1\n2,3,1\n1,2,1\n", "iv", "4:1", "this row repeats line 2"),
        (IV + '1,"2,1\n', "iv", "2:3", "quotes that do not match"),
        ("voltage [V],current [wA],state\n1,2,on\n", "iv", "1:13", "the unit 'wA' can't be read"),
        ("voltage [V],current [V],state\n1,2,on\n", "iv", "1:13", "the unit 'V' does not fit; it must be conv"),
        ("voltage [V],current,state\n1,2,on\n", "iv", "1:13", "no unit is given; write one, such as [A]"),
        ("voltage [V],current [A],i [A],state\n1,2,3,on\n", "iv", None, None),
        ("voltage [V],current [A],current [nA],state\n1,2,3,on\n", "iv", "1:25", "a second column for 'current'"),
        ("voltage [V],current [A],state\n1,2,maybe\n", "iv", "2:5", "a state is one of on"),
        ("# state = half\nvoltage [V],current [A]\n1,2\n", "iv", "1:11", "a state is one of on"),
        ("# temperature = hot\n" + IV + "1,2,1\n", "iv", "1:17", "'temperature' must be a number with a unit"),
        ("# temperature: 300\n" + IV + "1,2,1\n", "iv", "1:16", "no unit is given"),
        ("# voltage = 1 V\n" + IV + "1,2,1\n", "iv", "1:1", "given here and as a column"),
        ("time [s],current [A]\n0,1\n2,1\n1,1\n", "rtn", "4:1", "time 1 comes after 2 of line 3"),
        ("time [s],current [A]\n0,1\n1,1\n1,2\n", "rtn", "4:1", "time 1 repeats 1 of line 3"),
        ("time [s],polarization\n5,1\n4,0.9\n", "retention", "3:1", "rows must ascend in time"),
        ("cycles,polarization\n10,1\n10,0.9\n", "endurance", "3:1", "rows must ascend in cycles"),
        (b"voltage [V]\n\xff\n", "iv", "2:1", "not text in UTF-8"),
    ],
)  # fmt: skip
def test_bad_tables(tmp_path, text, kind, place, words):
    if place is None:
        assert table(tmp_path, text, kind)["current"].tolist() == [
            2.0
        ]  # the role's own name goes before its short form
        return
    with pytest.raises(DataError) as caught:
        table(tmp_path, text, kind)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / 't.csv'}:{place}: "), sentence
    assert words in sentence
    assert "\n" not in sentence


def test_missing_files_and_columns(tmp_path):
    with pytest.raises(DataError, match=r"can't read .*none\.csv: no such file"):
        read_table(tmp_path / "none.csv", "iv")
    with pytest.raises(
        DataError, match=r"t\.csv:1:1: no column is called 'Vg', as --column voltage=\.\.\. says; there are"
    ):
        table(tmp_path, IV + "1,2,1\n", columns=["voltage=Vg"])


@pytest.mark.parametrize("word", ["voltage", "=x", "voltage=", "volts=x", "rtn.width=x", "nonsense.voltage=x"])
def test_bad_declarations(word):
    with pytest.raises(SettingsError, match=r"^--column "):
        Layout.parse([word])


@settings(max_examples=80, deadline=None)
@given(text=st.text(st.sampled_from('0123456789.,;\t"#=[]() \nVAIscurentvolagp-+eE_'), max_size=120))
def test_any_text_is_read_or_refused_in_one_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_text(text, encoding="utf-8")
    try:
        read_table(path, "iv")
    except DataError as error:
        assert str(error).startswith(f"{path}:")


def test_a_table_repeats_another_whatever_its_layout(tmp_path):
    one = table(tmp_path, "# temperature = 300 K\nvoltage [V],current [nA],state\n1,2,on\n2,3,on\n")
    same = table(tmp_path, "# again\nI [A];V [mV];s\n2e-9;1000;1\n3e-9;2000;1\n# temperature = 300 K\n")
    warmer = table(tmp_path, "# temperature = 310 K\nvoltage [V],current [nA],state\n1,2,on\n2,3,on\n")
    shorter = table(tmp_path, "# temperature = 300 K\nvoltage [V],current [nA],state\n1,2,on\n")
    assert same.repeats(one)
    assert not warmer.repeats(one)
    assert not shorter.repeats(one)
