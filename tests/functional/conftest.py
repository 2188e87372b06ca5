"""Fixtures that all functional tests share."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from intakelib import Intake  # noqa: E402
from simlib import Sim  # noqa: E402
from submitlib import config_for  # noqa: E402
from treelib import Tree  # noqa: E402

USER = 5550001


@pytest.fixture
def sim():
    """A simulator of its own, without limits."""
    with Sim() as simulator:
        yield simulator


@pytest.fixture
def sim_factory():
    """Start simulators with options; all are stopped at the end."""
    started = []

    def start(*args, **options):
        started.append(Sim(*args, **options))
        return started[-1]

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture
def tree(tmp_path, sim):
    """The whole tree, sending to a simulator's one user without limits."""
    tree = Tree(tmp_path, env={"TELEGRAM_BOT_TOKEN": sim.token}, config=f"""
        telegram {{ api_url = "{sim.url}"  allowed_users = {{{USER}}}
            rate {{ global = 0  private = 0  group_per_minute = 0 }} }}
        """)
    yield tree
    code = tree.stop()
    # Shown by pytest when the test failed.
    print(tree.log()[-8000:])
    assert code == 0


@pytest.fixture
def tree_for(tmp_path):
    """Start trees that send to a simulator, configured by the arguments of
    submitlib.config_for(); all are stopped at the end."""
    started = []

    def start(sim, more="", env=None, wait=True, **options):
        directory = tmp_path / f"tree{len(started)}"
        directory.mkdir()
        started.append(Tree(
            directory, config=config_for(sim, more, **options), wait=wait,
            env={"TELEGRAM_BOT_TOKEN": sim.token, **(env or {})}))
        return started[-1]

    yield start
    for tree in started:
        code = tree.stop()
        print(tree.log()[-8000:])
        assert code == 0


@pytest.fixture
def intake_factory(tmp_path):
    """Start cctg-intake alone; all are stopped at the end."""
    started = []

    def start(**options):
        started.append(Intake(tmp_path, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def intake(intake_factory):
    """cctg-intake alone, with its defaults."""
    return intake_factory()
