"""`-j` means the same for every verb."""

import os

import pytest
import typer

from ftj_spice.cli.app import app
from ftj_spice.cli.jobs import ALL, workers
from ftj_spice.common.cores import cores

ROOT = typer.main.get_command(app)


def commands(group=ROOT, words=()):
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, (*words, name))
        else:
            yield (*words, name), one


JOBS = {
    " ".join(words): option
    for words, one in commands()
    for option in one.params
    if "--jobs" in getattr(option, "opts", ())
}


def test_the_verbs_that_simulate_have_it():
    assert {"generate", "vmm", "sample", "replay", "trng generate"} <= set(JOBS)
    assert {"periphery run", "periphery macromodel"} <= set(JOBS)


@pytest.mark.parametrize("verb", JOBS)
def test_one_default_and_one_help(verb):
    assert JOBS[verb].default == ALL
    assert JOBS[verb].help == "Workers side by side; 0 takes all cores."
    assert "-j" in JOBS[verb].opts


def test_none_given_takes_the_cores_that_this_process_may_use():
    assert workers(ALL) == cores() >= 1
    if hasattr(os, "sched_getaffinity"):
        assert cores() == len(os.sched_getaffinity(0))
    assert workers(3) == 3
    assert workers(-1) == -1  # refused by the studies, in a sentence
