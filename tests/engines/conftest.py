"""One engine for the tests that leave it as they found it."""

import shutil

import pytest

from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.locate import find_library

try:
    find_library()
    MISSING = False
except EngineNotFoundError:
    MISSING = True


def pytest_collection_modifyitems(items):
    if MISSING:
        for item in items:
            if "engine" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="libngspice is not installed"))


@pytest.fixture(scope="package")
def engine():
    with NgspiceEngine(time_limit=60.0) as shared:
        yield shared


@pytest.fixture
def own_engine():
    """Returns a factory of engines that end with the test."""
    made = []

    def make(**settings):
        made.append(NgspiceEngine(**settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def kept_elsewhere(tmp_path, monkeypatch):
    """Failed netlists are kept in the test's own folder, and go with it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path
    for folder in tmp_path.glob("ftj-spice-failed-*"):
        shutil.rmtree(folder)
