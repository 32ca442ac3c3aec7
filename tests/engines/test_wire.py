"""Messages on a pipe."""

import io

import numpy as np
import pytest

from ftj_spice.engines.ngspice import wire


def test_round_trip_after_noise():
    stream = io.BytesIO()
    stream.write(b"a launcher's greeting\nand more\n")
    arrays = {"a": np.arange(6.0).reshape(2, 3), "n": np.array([1, 2]), "e": np.empty((0, 3)), "c": np.array([1j])}
    wire.send(stream, {"text": "two\nlines \u00b5", "x": 1.5}, arrays)
    wire.send(stream, {"next": True})
    stream.seek(0)
    message, got = wire.receive(stream)
    assert message == {"text": "two\nlines \u00b5", "x": 1.5}
    for name, array in arrays.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == array.dtype
    assert wire.receive(stream) == ({"next": True}, {})


def test_a_cut_message_is_a_disconnection():
    stream = io.BytesIO()
    wire.send(stream, {}, {"a": np.arange(9.0)})
    whole = stream.getvalue()
    for length in (0, 5, len(whole) - 80, len(whole) - 1):
        with pytest.raises(wire.Disconnected):
            wire.receive(io.BytesIO(whole[:length]))


def test_objects_are_no_arrays():
    stream = io.BytesIO()
    wire.send(stream, {}, {"a": np.array([1.0], np.float32)})
    stream.seek(0)
    with pytest.raises(wire.Disconnected, match="float32"):
        wire.receive(stream)
