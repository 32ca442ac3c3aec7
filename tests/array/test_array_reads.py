"""Reads of an array against nodal analysis, written here from the description of the wiring alone."""

import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

import ftj_spice as ftj
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.common.rawfile import read_raw
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.netlist.circuit import TOPOLOGIES


class Wires:
    """Rows driven at the left end; a segment before each cell of a row, between a column's cells and below the last.

    Unknowns are the driven ends of the rows (behind the drivers), and both sides of each cell. Without line
    resistance the sides of the cells are joined to the row's end and to ground.
    """

    def __init__(self, rows, columns, line, driver):
        self.rows, self.columns = rows, columns
        # Numbers of unknowns; a known voltage has none and is held by one of the sources.
        ends = list(range(rows)) if driver else [None] * rows
        count = rows if driver else 0
        self.plus = np.empty((rows, columns), object)
        self.minus = np.empty((rows, columns), object)
        for i in range(rows):
            for j in range(columns):
                if line:
                    self.plus[i, j], self.minus[i, j] = count, count + 1
                    count += 2
                else:
                    self.plus[i, j], self.minus[i, j] = ends[i] if driver else ("row", i), "ground"
        self.size = count
        self.edges = []  # (node, node or ("row", i) or "ground", siemens)
        if driver:
            self.edges += [(ends[i], ("row", i), 1 / driver) for i in range(rows)]
        if line:
            for i in range(rows):
                for j in range(columns):
                    left = self.plus[i, j - 1] if j else (ends[i] if driver else ("row", i))
                    below = self.minus[i + 1, j] if i + 1 < rows else "ground"
                    self.edges += [(self.plus[i, j], left, 1 / line), (self.minus[i, j], below, 1 / line)]

    def solve(self, voltages, current, slope):
        """Returns the column currents for one set of row voltages, by Newton's method."""
        cells = [(i, j, self.plus[i, j], self.minus[i, j]) for i in range(self.rows) for j in range(self.columns)]
        v = np.zeros(self.size)

        def at(node):
            if node == "ground":
                return 0.0
            return voltages[node[1]] if isinstance(node, tuple) else v[node]

        for _ in range(100):
            bias = np.array([at(a) - at(b) for _, _, a, b in cells]).reshape(self.rows, self.columns)
            flows, slopes = current(bias), slope(bias)
            if not self.size:
                return flows.sum(axis=0)
            residual = np.zeros(self.size)
            entries = []
            links = [(a, b, (at(a) - at(b)) * g, g) for a, b, g in self.edges]
            links += [(a, b, flows[i, j], slopes[i, j]) for i, j, a, b in cells]
            for a, b, flow, g in links:
                for near, far, sign in ((a, b, 1), (b, a, -1)):
                    if isinstance(near, int):
                        residual[near] += sign * flow
                        entries.append((near, near, g))
                        if isinstance(far, int):
                            entries.append((near, far, -g))
            r, c, g = (np.array(column) for column in zip(*entries, strict=True))
            step = splu(coo_array((g, (r, c)), shape=(self.size,) * 2).tocsc()).solve(residual)
            v -= np.clip(step, -0.1, 0.1)  # sinh: no jump beyond where its slope is known
            if np.abs(step).max() < 1e-15:
                break
        return flows.sum(axis=0)


def reference(array, voltages):
    wires = Wires(*array.shape, array.line_resistance, array.driver_resistance)
    law, g = array.card.conduction, array.conductance
    return np.array([wires.solve(row, lambda v: law.current(g, v), lambda v: law.slope(g, v)) for row in voltages])


SHAPES = [(1, 1), (1, 5), (5, 1), (4, 3), (7, 9)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("driver", [0.0, 1e3])
@pytest.mark.parametrize("line", [0.0, 2.0, 100.0])
@pytest.mark.parametrize("topology", ["crossbar", "nor"])
def test_ohmic_arrays_follow_nodal_analysis(topology, line, driver, shape, engine):
    rng = np.random.default_rng(shape)
    conductance = rng.uniform(1e-6, 1e-3, shape)  # so much that the wires take a good part of the voltage
    voltages = rng.uniform(-1, 1, (3, shape[0]))
    array = ftj.Array(conductance=conductance, card="linear", topology=topology, line_resistance=line,
                      driver_resistance=driver)  # fmt: skip
    result = array.read(voltages, engine=engine)
    assert result.currents.shape == (3, shape[1])
    np.testing.assert_allclose(result.currents, reference(array, voltages), rtol=1e-9)
    assert result.status == "ok" and result.engine.startswith("ngspice-") and len(result.netlist_hashes) == 1
    if line and shape == (7, 9):  # the reference would notice if the wires were not there
        assert np.abs(result.currents / (voltages @ conductance) - 1).max() > 0.01


def test_wires_that_hardly_matter_cost_no_digits(engine):
    rng = np.random.default_rng(6)
    array = ftj.Array(rng.uniform(1e-12, 1e-10, (16, 8)), "linear", line_resistance=2.0, driver_resistance=1e3)
    voltages = rng.uniform(0, 0.5, (2, 16))
    np.testing.assert_allclose(array.read(voltages, engine=engine).currents, reference(array, voltages), rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("line", "driver"), [(0.0, 0.0), (2.0, 1e3), (1e6, 0.0), (1e5, 1e6)])
@pytest.mark.parametrize("topology", ["crossbar", "nor"])
def test_junction_arrays_follow_nodal_analysis(topology, line, driver, shape, engine):
    rng = np.random.default_rng(shape)
    card = ftj.load_card("hzo_mfis_nominal")
    conductance = rng.uniform(card.off_conductance, 50 * card.on_conductance, shape)
    voltages = rng.uniform(-1.5, 1.5, (3, shape[0]))
    array = ftj.Array(conductance, card, topology, line, driver)
    result = array.read(voltages, engine=engine)
    expected = reference(array, voltages)
    np.testing.assert_allclose(result.currents, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max() / 100)


@pytest.mark.parametrize("card", ["linear", "hzo_mfis_nominal"])
def test_the_conductance_is_that_at_the_cards_read_voltage(card, engine):
    conductance = np.array([[1e-10, 3e-12], [2e-10, 0.0]])
    volts = ftj.load_card(card).vmm_voltage
    currents = ftj.Array(conductance, card).read(np.full(2, volts), engine=engine).currents
    np.testing.assert_allclose(currents, volts * conductance.sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("topology", ["crossbar", "nor"])
@pytest.mark.parametrize("card", ["linear", "hzo_mfis_nominal"])
@pytest.mark.parametrize("line", [0.0, 2.0])
def test_cells_without_conductance_leave_no_node_floating(topology, card, line, engine):
    array = ftj.Array(np.zeros((3, 2)), card, topology, line)
    np.testing.assert_allclose(array.read([0.5, 0.5, 0.5], engine=engine).currents, 0.0, atol=1e-18)
    conductance = np.array([[1e-10, 0.0], [0.0, 0.0], [0.0, 2e-10]])
    currents = ftj.Array(conductance, card, topology, line).read([0.5, 0.5, 0.5], engine=engine).currents
    np.testing.assert_allclose(currents, [5e-11, 1e-10], rtol=1e-6)


def test_a_single_read_a_batch_of_one_and_a_part_of_a_batch_give_the_same(engine):
    rng = np.random.default_rng(8)
    array = ftj.Array(rng.uniform(1e-11, 1e-10, (4, 3)), line_resistance=2.0)
    voltages = rng.uniform(0, 0.5, (5, 4))
    batch = array.read(voltages, engine=engine).currents
    single = array.read(voltages[2], engine=engine).currents
    assert single.shape == (3,)
    np.testing.assert_allclose(array.read(voltages[2:3], engine=engine).currents, single[np.newaxis], rtol=1e-9)
    np.testing.assert_allclose(single, batch[2], rtol=1e-7)
    np.testing.assert_allclose(array.read(voltages[::-1], engine=engine).currents, batch[::-1], rtol=1e-7)


def test_batches_longer_than_one_netlist(engine):
    conductance = np.array([[1e-10, 2e-10], [3e-10, 4e-10]])
    voltages = np.linspace(-0.5, 0.5, 2 * 257).reshape(257, 2)
    result = ftj.Array(conductance, "linear").read(voltages, engine=engine)
    np.testing.assert_allclose(result.currents, voltages @ conductance, rtol=1e-9)
    assert len(result.netlist_hashes) == 2


def test_the_engine_may_be_named_or_left_out():
    array = ftj.Array(np.full((2, 2), 1e-10), "linear")
    named = array.read([0.5, 0.25], engine="ngspice")
    assert (named.currents == array.read([0.5, 0.25]).currents).all()


def test_the_netlist_gives_the_same_currents_in_plain_ngspice(engine, tmp_path):
    rng = np.random.default_rng(4)
    array = ftj.Array(rng.uniform(1e-11, 1e-10, (6, 3)), line_resistance=1e5, driver_resistance=1e3)
    voltages = rng.uniform(0, 0.5, (4, 6))
    path = tmp_path / "array.cir"
    path.write_text(array.netlist(voltages))
    subprocess.run([shutil.which("ngspice"), "-b", "-r", "out.raw", path.name], cwd=tmp_path, check=True, timeout=60,
                   capture_output=True)  # fmt: skip
    vectors = read_raw(tmp_path / "out.raw").vectors
    currents = np.stack([vectors[f"i(vsense{j})"] for j in range(3)], axis=1)
    np.testing.assert_allclose(currents, array.read(voltages, engine=engine).currents, rtol=1e-9)
    assert array.netlist() == array.netlist(np.full((1, 6), 0.5)) == array.netlist(np.full(6, 0.5))


def test_the_conductance_is_a_copy_that_can_not_be_changed():
    mine = np.full((2, 2), 1e-10)
    array = ftj.Array(mine)
    mine[0, 0] = 1.0
    assert array.conductance[0, 0] == 1e-10
    with pytest.raises(ValueError, match="read-only"):
        array.conductance[0, 0] = 1.0


MATRIX = "conductance must be a matrix of numbers, in siemens"


@pytest.mark.parametrize(
    ("conductance", "sentence"),
    [
        ("abc", MATRIX),
        (None, MATRIX),
        ([[1.0], [1.0, 2.0]], MATRIX),
        ([["1e-9\n.control"]], MATRIX),
        ([["1e-9"]], MATRIX),
        ([[1j]], MATRIX),
        (np.ones((2, 2), complex), MATRIX),
        ([[Fraction(1, 2)]], MATRIX),
        ([[None]], MATRIX),
        pytest.param(object(), MATRIX, id="object"),
        (1e-9, "conductance must have shape (rows, columns), not ()"),
        ([1e-9], "conductance must have shape (rows, columns), not (1,)"),
        ([], "conductance must have shape (rows, columns), not (0,)"),
        (np.ones((0, 3)), "conductance must have shape (rows, columns), not (0, 3)"),
        (np.ones((3, 0)), "conductance must have shape (rows, columns), not (3, 0)"),
        (np.ones((2, 2, 2)), "conductance must have shape (rows, columns), not (2, 2, 2)"),
        ([[-1e-12]], "conductance must be finite and not negative, in siemens"),
        ([[np.nan]], "conductance must be finite and not negative, in siemens"),
        ([[np.inf]], "conductance must be finite and not negative, in siemens"),
    ],
    ids=str,
)
def test_a_bad_conductance_is_one_sentence(conductance, sentence):
    with pytest.raises(DataError) as caught:
        ftj.Array(conductance)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"topology": "ring"}, "unknown topology 'ring'; known: crossbar, nor, 1t1f, nor1t, and"),
        ({"topology": "nor\n.control"}, "unknown topology 'nor\\n.control'; known: crossbar, nor, 1t1f, nor1t, and"),
        ({"topology": None}, "unknown topology None; known: crossbar, nor, 1t1f, nor1t, and"),
        ({"line_resistance": -1}, "line_resistance must be a finite number of ohms, not negative, got -1"),
        ({"line_resistance": np.nan}, "line_resistance must be a finite number of ohms, not negative, got nan"),
        ({"line_resistance": np.inf}, "line_resistance must be a finite number of ohms, not negative, got inf"),
        ({"line_resistance": "2"}, "line_resistance must be a finite number of ohms, not negative, got '2'"),
        ({"driver_resistance": None}, "driver_resistance must be a finite number of ohms, not negative, got None"),
        ({"driver_resistance": 1j}, "driver_resistance must be a finite number of ohms, not negative, got 1j"),
        ({"card": 5}, "card must be a device card, its name or its file, not 5"),
        ({"card": None}, "card must be a device card, its name or its file, not None"),
        ({"card": "linea"}, "no device card named 'linea'; did you mean 'linear'?"),
    ],
    ids=str,
)
def test_bad_settings_are_one_sentence(arguments, sentence):
    with pytest.raises(SettingsError) as caught:
        ftj.Array([[1e-9]], **arguments)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("voltages", "sentence"),
    [
        ("abc", "voltages must be numbers, in volts"),
        ([[1.0], [1.0, 2.0]], "voltages must be numbers, in volts"),
        ([1j, 0], "voltages must be numbers, in volts"),
        ([None, 1.0], "voltages must be numbers, in volts"),
        (0.5, "voltages must have shape (batch, 2), not ()"),
        ([0.5], "voltages must have shape (batch, 2), not (1,)"),
        (np.ones((2, 3)), "voltages must have shape (batch, 2), not (2, 3)"),
        (np.ones((0, 2)), "voltages must have shape (batch, 2), not (0, 2)"),
        (np.ones((1, 1, 2)), "voltages must have shape (batch, 2), not (1, 1, 2)"),
        ([0.5, np.nan], "voltages must be finite, in volts"),
        ([0.5, -np.inf], "voltages must be finite, in volts"),
    ],
    ids=str,
)
def test_bad_voltages_are_one_sentence(voltages, sentence):
    array = ftj.Array(np.full((2, 3), 1e-10))
    for call in (array.read, array.netlist):
        with pytest.raises(DataError) as caught:
            call(voltages)
        assert str(caught.value) == sentence


@pytest.mark.parametrize("engine_name", ["faster", "", None, 3])
def test_an_unknown_engine_is_one_sentence(engine_name):
    with pytest.raises(SettingsError) as caught:
        ftj.Array([[1e-9]]).read([0.5], engine=engine_name)
    assert str(caught.value) == f"unknown engine {engine_name!r}; known: fast, ngspice, vacask"


def test_numbers_of_other_kinds_are_welcome(engine):
    array = ftj.Array(
        np.array([[1, 0], [0, 1]]), "linear", line_resistance=np.float32(0), driver_resistance=np.int64(0)
    )
    currents = array.read([True, False], engine=engine).currents
    np.testing.assert_allclose(currents, [1.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_engines_agree_on_every_topology(topology, engine):
    rng = np.random.default_rng(11)
    array = ftj.Array(
        rng.uniform(1e-7, 1e-5, (6, 4)), "hzo_mfis_nominal", topology, 20.0, 100.0, sensed_line_resistance=50.0,
        sense_resistance=30.0, drive="both", sense="first",
    )  # fmt: skip
    voltages = 0.5 * rng.integers(0, 2, (3, 6))
    voltages[:, 0] = 0.5
    fast = array.read(voltages, engine="fast")
    slow = array.read(voltages, engine=engine)
    np.testing.assert_allclose(fast.currents, slow.currents, rtol=0, atol=1e-8 * slow.currents.max())
    assert (array.read(voltages, engine=NgspiceReader(engine)).currents == slow.currents).all()
    assert fast.engine.startswith("fast")


@pytest.mark.parametrize("topology", ["crossbar", "1t1f"])
def test_lines_float_and_columns_are_biased(topology, engine):
    array = ftj.Array(np.full((3, 3), 1e-6), "linear", topology, line_resistance=1.0)
    unselected = {"floating_rows": [1, 2], "column_voltages": [0.0, 0.1, 0.2], "floating_columns": [2]}
    slow = array.read([0.5, 0.0, 0.0], engine, **unselected)
    fast = array.read([0.5, 0.0, 0.0], "fast", **unselected)
    np.testing.assert_allclose(slow.currents, fast.currents, rtol=0, atol=1e-8 * np.abs(fast.currents).max())
    assert slow.currents[2] == 0.0
    mask = array.read([0.5, 0.0, 0.0], engine, **(unselected | {"floating_rows": np.array([False, True, True])}))
    assert (mask.currents == slow.currents).all()
    assert "w1_0" in array.netlist([0.5, 0.0, 0.0], **unselected)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"floating_rows": [3]}, "floating_rows must be a mask of 3 lines or numbers from 0 to 2"),
        ({"floating_rows": [0.5]}, "floating_rows must be a mask of 3 lines or numbers from 0 to 2"),
        ({"floating_columns": [-1]}, "floating_columns must be a mask of 2 lines or numbers from 0 to 1"),
        ({"column_voltages": [0.1]}, "column_voltages must be 2 finite numbers, in volts"),
        ({"column_voltages": [0.1, np.nan]}, "column_voltages must be 2 finite numbers, in volts"),
    ],
    ids=str,
)
def test_bad_terminations_are_one_sentence(arguments, sentence):
    with pytest.raises(DataError) as caught:
        ftj.Array(np.full((3, 2), 1e-9)).read(np.zeros(3), **arguments)
    assert str(caught.value) == sentence


def test_source_lines_along_columns_are_no_rows_that_float():
    with pytest.raises(DataError, match="topology 'and' has no driven lines along its rows that could float"):
        ftj.Array(np.full((3, 2), 1e-9), topology="and").read(np.zeros(3), floating_rows=[1])


def test_gates_carry_one_voltage_only():
    array = ftj.Array(np.full((2, 2), 1e-9), topology="nor1t")
    with pytest.raises(DataError, match="inputs must be 0 or one voltage, got 2"):
        array.read([0.5, 0.25])


def test_lines_that_let_nothing_through_are_refused():
    conductance = np.full((4, 64), 1e-4)
    ftj.Array(conductance, "linear", line_resistance=100.0)
    with pytest.raises(
        SettingsError, match=r"^line_resistance of 1e\+06 ohm is too large: about .* of the voltage would"
    ) as e:
        ftj.Array(conductance, "linear", line_resistance=1e6)
    assert "far end of the worst driven line" in str(e.value)
    with pytest.raises(SettingsError, match="far end of the worst sensed line"):
        ftj.Array(conductance.T, "linear", sensed_line_resistance=1e6)
    # Driven from both ends, the middle is half as far: the same line carries on.
    edge = ftj.Array(np.full((1, 64), 1e-4), "linear", driven_line_resistance=400.0, drive="both")
    assert edge.circuit.drive == "both"
    with pytest.raises(SettingsError, match="driven line"):
        ftj.Array(np.full((1, 64), 1e-4), "linear", driven_line_resistance=400.0)


def test_the_ladder_estimate_is_what_a_line_does(engine):
    """One row whose columns are held: the last cell's voltage is 1 / cosh, but for what the ends do."""
    g, resistance, length = 1e-4, 200.0, 40
    row = ftj.Array(np.full((1, length), g), "linear", driven_line_resistance=resistance)
    currents = row.read([1.0], engine).currents
    decay = np.arccosh(1 + 0.5 * resistance * g)
    assert currents[-1] / g == pytest.approx(1 / np.cosh(decay * length), rel=0.1)


def test_a_window_is_kept_where_it_is_asked_for():
    card = ftj.load_card("hzo_mfis_nominal")
    inside = np.array([[card.off_conductance, card.on_conductance]])
    ftj.Array(inside, card, window=True)
    ftj.Array(2 * inside, card)
    with pytest.raises(
        DataError, match=r"^conductance of cell \(0, 1\) is .* outside the window of card 'hzo_mfis_nominal'"
    ):
        ftj.Array(inside * [1, 2], card, window=True)


@pytest.mark.parametrize("name", ["drive", "sense"])
def test_unknown_ends_are_one_sentence(name):
    with pytest.raises(SettingsError, match=rf"^{name} must be one of first, last, both, got 'middle'$"):
        ftj.Array([[1e-9]], **{name: "middle"})
