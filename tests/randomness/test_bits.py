"""Bit files: what is read is what was written, whatever the format; what can't be read is one clear sentence."""

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import DataError, FtjSpiceError, OutputError, SettingsError
from ftj_spice.randomness import ascii_bits
from ftj_spice.randomness.bits import KIND, open_bits, sidecar, write_bits

IN_PLACE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
BITS = st.lists(st.integers(0, 1), min_size=1, max_size=300)


def draw(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2, n, dtype=np.uint8)


@IN_PLACE
@given(BITS, st.sampled_from(["ascii", "packed"]), st.lists(st.integers(0, 300), max_size=4), st.integers(1, 40))
def test_round_trip(tmp_path, bits, form, cuts, line):
    whole = np.array(bits, np.uint8)
    assert write_bits(tmp_path / "b", np.split(whole, sorted(min(c, len(whole)) for c in cuts)), form, line) == len(
        whole
    )
    found = open_bits(tmp_path / "b", file_format=form, streams=1, stream_bits=len(whole))
    assert np.array_equal(found.stream(0), whole)
    assert found.unused == (-len(whole) % 8 if form == "packed" else 0)
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]


@IN_PLACE
@given(BITS, st.integers(1, 300), st.sampled_from(["ascii", "packed", "npy"]))
def test_any_split_gives_the_pieces(tmp_path, bits, length, form):
    whole = np.array(bits, np.uint8)
    length = min(length, len(whole))
    if form == "npy":
        np.save(tmp_path / "b.npy", whole)
    else:
        write_bits(tmp_path / "b.npy", [whole], form)
    found = open_bits(tmp_path / "b.npy", file_format=form, stream_bits=length)
    assert len(found) >= len(whole) // length
    for k in range(len(whole) // length):
        assert np.array_equal(found.stream(k), whole[k * length : (k + 1) * length])


@IN_PLACE
@given(BITS, st.lists(st.sampled_from([" ", "\n", "\r\n", "\t", "\v", "\f", ""]), min_size=300, max_size=300))
def test_white_space_anywhere(tmp_path, bits, white):
    text = "".join(gap + str(bit) for gap, bit in zip(white, bits, strict=False)) + white[-1]
    (tmp_path / "b").write_bytes(text.encode())
    found = open_bits(tmp_path / "b")
    assert found.format == "ascii"
    assert found.stream(0).tolist() == bits


@IN_PLACE
@given(st.text("01 \n", max_size=400), st.integers(1, 60))
def test_scan_in_small_chunks_finds_the_same(tmp_path, text, chunk):
    (tmp_path / "b").write_text(text)
    lines = [line for line in (part.replace(" ", "") for part in text.split("\n")) if line]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ascii_bits, "_CHUNK", chunk)
        found = ascii_bits.scan(tmp_path / "b")
        assert (found.bits, found.lines) == (sum(map(len, lines)), len(lines))
        assert found.line_bits == (len(lines[0]) if len({len(line) for line in lines}) == 1 else None)
        joined = "".join(lines)
        for first in range(0, len(joined), 7):
            count = min(13, len(joined) - first)
            assert "".join(map(str, found.read(first, count))) == joined[first : first + count]


@IN_PLACE
@given(st.text("01 \n", max_size=200), st.sampled_from("2aOé₁\x07"), st.text("01\n", max_size=50), st.integers(1, 60))
def test_another_character_is_named_with_its_place(tmp_path, before, odd, after, chunk):
    (tmp_path / "b").write_text(before + odd + after, encoding="utf-8")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ascii_bits, "_CHUNK", chunk if odd.isascii() else 1000)
        with pytest.raises(DataError, match=f"in line {line}, column {column}, is no bit") as told:
            open_bits(tmp_path / "b", file_format="ascii")
    assert (repr(odd) if odd.isprintable() else "U+0007") in str(told.value)


def test_packed_is_most_significant_first(tmp_path):
    (tmp_path / "b").write_bytes(bytes([0b10000001, 0b11110000]))
    assert open_bits(tmp_path / "b").stream(0).tolist() == [1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_equal_long_lines_are_streams_and_wrapped_text_is_not(tmp_path):
    bits = draw(6000)
    write_bits(tmp_path / "lines", [bits], "ascii", 2000)
    lines = open_bits(tmp_path / "lines")
    assert (lines.lengths, lines.told_by) == ((2000, 2000, 2000), "one stream a line")
    assert np.array_equal(lines.stream(1), bits[2000:4000])
    assert open_bits(tmp_path / "lines", streams=1).lengths == (6000,)
    write_bits(tmp_path / "wrapped", [bits], "ascii", 25)
    wrapped = open_bits(tmp_path / "wrapped")
    assert wrapped.lengths == (6000,)
    assert np.array_equal(wrapped.stream(0), bits)


def test_the_file_beside_it_tells_the_streams(tmp_path):
    file, bits = tmp_path / "b.bin", draw(303)
    write_bits(file, [bits])
    sidecar(file).write_text(json.dumps({"kind": KIND, "format": "packed", "streams": 3, "stream_bits": 101}))
    found = open_bits(file)
    assert (found.lengths, found.unused) == ((101, 101, 101), 0)
    assert np.array_equal(found.stream(2), bits[202:])
    assert "3 streams of 101 bits (by b.bin.json)" in found.description
    assert open_bits(file, stream_bits=100).streams == 3
    sidecar(file).write_text('{"kind": "something else"}')
    assert open_bits(file).lengths == (304,)


def test_npy_of_rows(tmp_path):
    bits = draw(60).reshape(4, 15)
    for stored in (bits, np.asfortranarray(bits)):
        np.save(tmp_path / "b.npy", stored)
        found = open_bits(tmp_path / "b.npy")
        assert found.lengths == (15,) * 4
        assert np.array_equal(found.stream(3), bits[3])
        assert np.array_equal(open_bits(tmp_path / "b.npy", stream_bits=20).stream(1), bits.ravel()[20:40])


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (b"", {}, "is empty"),
        (b" \n\n", {}, "is empty: it holds no bits"),
        (b"0101\n01x1\n", {}, "'x' in line 2, column 3"),
        ("\ufeff0101".encode(), {}, "U+FEFF in line 1, column 1"),
        (("0110" * 50).encode("utf-16"), {}, "0xFF in line 1, column 1"),
        (b"A text about random numbers.", {}, "'A' in line 1, column 1"),
        (b"\x00\xff", {"streams": 3, "stream_bits": 8}, "16 bits, fewer than 3 streams of 8 bits"),
        (b"01", {"streams": 3}, "2 bits, fewer than 3 streams of 1 bits"),
        (b"\x00\xff", {"stream_bits": 17}, "fewer than 1 stream of 17 bits"),
        (b"01", {"streams": 0}, "at least 1, got 0"),
        (b"01", {"stream_bits": -1}, "at least 1, got -1"),
        (b"01", {"file_format": "hex"}, "unknown format 'hex'"),
        (b"\x93NUMPY\x01\x00", {}, "not a whole .npy file"),
    ],
)
def test_what_can_not_be_read_is_a_sentence(tmp_path, content, more, words):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(FtjSpiceError) as told:
        open_bits(tmp_path / "b", **more)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ('{"kind": "random bits", "streams": 0}', "streams must be a whole number above 0"),
        ('{"kind": "random bits", "streams": 2, "stream_bits": true}', "stream_bits must be"),
        ('{"kind": "random bits", "streams": 2, "stream_bits": 4, "format": "../x"}', "format must be"),
        (
            '{"kind": "random bits", "streams": 9, "stream_bits": 4, "format": "packed"}',
            "9 streams of 4 bits (by b.json",
        ),
        ('{"x": ' + "[" * 900 + "]" * 900 + "}", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"x": NaN}', "no JSON"),
        ('{"x": "\\ud800"}', "no JSON"),
        ('{"x": "' + "x" * 2**20 + '"}', "more than 1,048,576 bytes"),
    ],
)
def test_a_bad_description_is_a_sentence(tmp_path, text, words):
    (tmp_path / "b").write_bytes(b"\x00\xff")
    sidecar(tmp_path / "b").write_text(text)
    with pytest.raises(DataError) as told:
        open_bits(tmp_path / "b")
    assert words in str(told.value)


def test_a_pipe_is_no_description(tmp_path):
    (tmp_path / "b").write_bytes(b"\x00\xff")
    os.mkfifo(sidecar(tmp_path / "b"))
    with pytest.raises(DataError, match="no regular file"):
        open_bits(tmp_path / "b")


def test_npy_must_hold_bits(tmp_path):
    np.save(tmp_path / "two.npy", np.array([0, 1, 2, 1], np.uint8))
    with pytest.raises(DataError, match="element 2 is 2, but a bit is 0 or 1"):
        open_bits(tmp_path / "two.npy").stream(0)
    np.save(tmp_path / "real.npy", np.zeros(4))
    with pytest.raises(DataError, match="integers of shape"):
        open_bits(tmp_path / "real.npy")
    np.save(tmp_path / "none.npy", np.zeros((0, 5), np.uint8))
    with pytest.raises(DataError, match="is empty"):
        open_bits(tmp_path / "none.npy")


def test_no_file_and_no_such_stream(tmp_path):
    with pytest.raises(DataError, match="is not there"):
        open_bits(tmp_path / "no")
    with pytest.raises(DataError, match="is no file"):
        open_bits(tmp_path)
    (tmp_path / "b").write_bytes(b"\x01\x02")
    found = open_bits(tmp_path / "b", stream_bits=8)
    with pytest.raises(IndexError):
        found.stream(2)
    (tmp_path / "b").write_bytes(b"\x01")
    with pytest.raises(DataError, match="became shorter"):
        found.stream(1)
    (tmp_path / "b").unlink()
    with pytest.raises(DataError, match="can't read bits"):
        found.stream(0)


def test_a_huge_file_is_not_read_as_a_whole(tmp_path):
    with (tmp_path / "huge").open("wb") as file:  # 4 TB of nothing, and one byte
        file.seek(2**42)
        file.write(b"\xa5")
    found = open_bits(tmp_path / "huge", stream_bits=8)
    assert found.streams == 2**42 + 1
    assert found.stream(2**42).tolist() == [1, 0, 1, 0, 0, 1, 0, 1]


def test_nothing_is_left_when_writing_fails(tmp_path):
    def broken():
        yield draw(1000)
        raise KeyboardInterrupt

    (tmp_path / "b").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_bits(tmp_path / "b", broken())
    assert (tmp_path / "b").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]
    with pytest.raises(OutputError, match="can't write"):
        write_bits(tmp_path / "no" / "b", [draw(10)])
    with pytest.raises(SettingsError, match="ascii or packed"):
        write_bits(tmp_path / "b", [draw(10)], "npy")
