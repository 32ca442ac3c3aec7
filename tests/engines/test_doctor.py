"""What `doctor` is told."""

import importlib.metadata
import json

import pytest

from ftj_spice.engines.ngspice import inspect
from ftj_spice.engines.ngspice.locate import COMMAND_VARIABLE, LIBRARY_VARIABLE
from ftj_spice.engines.ngspice.process import LAUNCHER_VARIABLE


def test_a_machine_with_ngspice(engine):
    report = inspect()
    assert json.loads(json.dumps(report)) == report
    assert report["ready"] is True
    features = engine.features()
    for name in ("version", "xspice", "osdi", "klu"):
        assert report["library"][name] == features[name]
    assert report["pyspice"] == importlib.metadata.version("PySpice")
    assert report["command"]["version"] in (None, features["version"])
    for problem in report["problems"]:
        assert problem["what"] and problem["hint"]


def test_no_library(monkeypatch):
    monkeypatch.setenv(LIBRARY_VARIABLE, "/nonexistent/lib.so")
    report = inspect()
    assert report["ready"] is False
    assert report["library"] == {"path": None, "version": None, "xspice": False, "osdi": False, "klu": False}
    assert "/nonexistent/lib.so, which is not a file" in report["problems"][0]["what"]
    assert LIBRARY_VARIABLE in report["problems"][0]["hint"]
    json.dumps(report)


def test_a_file_that_is_no_library(monkeypatch, tmp_path):
    path = tmp_path / "lib.so"
    path.write_text("text", encoding="utf-8")
    monkeypatch.setenv(LIBRARY_VARIABLE, str(path))
    report = inspect()
    assert report["ready"] is False
    assert report["library"]["path"] == str(path)
    assert "can't be loaded" in report["problems"][0]["what"]


def test_a_launcher_that_fails(monkeypatch, engine):
    monkeypatch.setenv(LAUNCHER_VARIABLE, "/nonexistent/launcher")
    report = inspect()
    assert report["ready"] is False
    assert LAUNCHER_VARIABLE in report["problems"][0]["hint"]


def test_no_command_is_a_problem_but_not_fatal(monkeypatch, engine):
    monkeypatch.setenv(COMMAND_VARIABLE, "/nonexistent/ngspice")
    report = inspect()
    assert report["ready"] is True
    assert report["command"] == {"path": None, "version": None}
    assert any(COMMAND_VARIABLE in problem["hint"] for problem in report["problems"])


@pytest.mark.parametrize("body", ["echo something else", "exit 1", "echo"])
def test_a_command_that_is_not_ngspice(monkeypatch, tmp_path, body, engine):
    path = tmp_path / "ngspice"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv(COMMAND_VARIABLE, str(path))
    report = inspect()
    assert report["command"] == {"path": str(path), "version": None}
    assert any("does not tell ngspice's version" in problem["what"] for problem in report["problems"])


def test_no_binding(monkeypatch, engine):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    report = inspect()
    assert report["pyspice"] is None
    assert any("PySpice" in problem["what"] for problem in report["problems"])
