"""cctgctl run: the command's streams and status are its own, and the event
tells how it ended."""

import json
import os
import pty
import signal
import subprocess
import time

import pytest

from ctllib import CTL, daemon, run  # noqa: F401
from simlib import wait_for


@pytest.fixture
def taken(daemon):
    """The events that the daemon got."""
    daemon.answer = lambda r: {"ok": True, "id": r["event"]["event_id"]}
    return lambda: [r["event"] for r in daemon.requests]


@pytest.mark.parametrize("command, code", [
    ("true", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_status(run, taken, command, code):
    out = run("run", "--", "sh", "-c", command)
    assert out.returncode == code and out.stdout == ""
    event, = taken()
    assert event["type"] == ("task_failed" if code else "task_completion")
    assert event["title"] == f"sh -c {command}"
    assert event["data"]["status"] == ("failed" if code else "completed")
    assert event["data"]["exit_code"] == code
    assert 0 <= event["data"]["duration_ms"] < 10000
    # The status is told once; only a signal needs words.
    assert set(event["data"]) == {"status", "exit_code", "duration_ms"}
    if code > 100:
        assert event["description"].startswith(
            f"Ended by signal {code - 128} (")
    else:
        assert "description" not in event


def test_no_such_command(run, taken, tmp_path):
    out = run("run", "--", "no-such-command", "x")
    assert out.returncode == 127 and "no-such-command" in out.stderr
    assert taken()[0]["type"] == "task_failed"
    assert taken()[0]["description"] == "Not started: No such file or directory"
    (tmp_path / "file").write_text("")
    assert run("run", "--", "./file").returncode == 126


def test_options_and_operands(run, taken):
    """What stands behind the command is the command's."""
    out = run("run", "--title", "Build", "--to", "ops", "printf", "%s|",
              "-q", "--json", "--", "a b")
    assert out.stdout == "-q|--json|--|a b|"
    assert taken()[0]["title"] == "Build"
    assert taken()[0]["data"]["command"] == "printf %s| -q --json -- a b"
    assert run("run", "--", "printf", "%s", "--").stdout == "--"


def test_streams_pass_through(run, taken, tmp_path):
    lines = [f"line {i}" for i in range(30)]
    out = run("run", "--", "sh", "-c", "cat; echo err >&2",
              stdin="\n".join(lines) + "\n")
    assert out.stdout.splitlines() == lines and out.stderr == "err\n"
    told = taken()[0]["data"]["output"].splitlines()
    assert len(told) == 20
    assert [line for line in told if line != "err"][-19:] == lines[-19:]
    # Binary, much, and to one file in its order.
    env = {**os.environ, "CCTG_RUNTIME_DIR": str(tmp_path / "run")}
    script = "i=0; while [ $i -lt 300 ]; do echo o$i; echo e$i >&2; " \
        "i=$((i+1)); done; head -c 3000000 /dev/zero"
    both = subprocess.run([CTL, "run", "--", "sh", "-c", script], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    want = "".join(f"o{i}\ne{i}\n" for i in range(300)).encode()
    assert both.stdout == want + bytes(3000000)


def test_last_lines_are_text(run, taken):
    def told(*command):
        assert run("run", "--", *command).returncode == 0
        return taken()[-1]["data"].get("output")

    text = told("printf", r"\033[31mred\033[0m\n\377\nend\n")
    assert "red" in text and "\033" not in text and "[31m" not in text
    assert text.endswith("\nend")
    text = told("sh", "-c", "yes long-enough-line | head -2000")
    assert text.splitlines() == ["long-enough-line"] * 20
    # As a terminal would show it in the end.
    assert told("printf", r"get\n10%%\r50%%\r100%%\r\nok\rOK!\r\nend") == \
        "get\n100%\nOK!\nend"
    assert told("printf", r"  indented\n\n \n") == "  indented"
    # One line that is longer than what is kept.
    text = told("sh", "-c",
                r"head -c 9000 /dev/zero | tr '\0' x; echo END")
    assert text.endswith("xxxEND") and len(text) < 3000


@pytest.mark.parametrize("command", [
    ("true",), ("printf", r"\n \n\t\n"), ("printf", r"a\0b\n"),
    ("head", "-c", "100000", "/dev/zero"),
    ("printf", r"\033[2J\033[H")])
def test_nothing_to_show(run, taken, command):
    """No output, blanks, or what is no text: no empty box in the message."""
    run("run", "--", *command)
    assert "output" not in taken()[0]["data"]


def test_a_title_has_its_limits(run, taken):
    run("run", "--", "sh", "-c", "echo one\necho " + "ä" * 300)
    event, = taken()
    assert event["title"] == "sh -c echo one …"
    assert event["data"]["command"].endswith("ää")
    run("run", "--", "echo", "ä" * 300)
    title = taken()[1]["title"]
    assert title.startswith("echo ää") and title.endswith("ä …")
    assert len(title.encode()) < 210


def test_no_daemon(run, tmp_path):
    out = run("run", "--", "sh", "-c", "echo out; exit 4")
    assert (out.returncode, out.stdout, out.stderr) == (4, "out\n", "")
    spooled, = (tmp_path / "events").iterdir()
    assert json.loads(spooled.read_text())["data"]["exit_code"] == 4
    (tmp_path / "events").rename(tmp_path / "old")
    (tmp_path / "events").write_text("not a directory")
    out = run("run", "--", "true")
    assert out.returncode == 0 and "lost" in out.stderr
    assert run("--config", "/nonexistent", "run", "--", "touch",
               tmp_path / "no", env={"CCTG_RUNTIME_DIR": ""}).returncode == 78
    assert not (tmp_path / "no").exists()


def test_a_daemon_that_refuses_or_sleeps(run, daemon, tmp_path):
    daemon.answer = lambda r: {"ok": False, "error": "full", "code": 75}
    assert run("run", "--", "true").returncode == 0
    assert len(list((tmp_path / "events").iterdir())) == 1
    daemon.answer = lambda r: b""
    begin = time.monotonic()
    assert run("run", "--", "true").returncode == 0
    assert time.monotonic() - begin < 8
    assert len(list((tmp_path / "events").iterdir())) == 2


def environment(tmp_path):
    return {**os.environ, "CCTG_RUNTIME_DIR": str(tmp_path / "run"),
            "HOME": str(tmp_path)}


def test_signals_are_passed_on(taken, tmp_path):
    script = "trap 'echo got; exit 9' TERM; echo ready; " \
        "while :; do sleep 0.05; done"
    with subprocess.Popen([CTL, "run", "--", "sh", "-c", script], text=True,
                          stdout=subprocess.PIPE,
                          env=environment(tmp_path)) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "got\n"
        assert process.wait(timeout=10) == 9
    assert taken()[0]["data"]["exit_code"] == 9


def test_a_reader_that_goes_ends_the_command(taken, tmp_path):
    with subprocess.Popen([CTL, "run", "--", "yes"], stdout=subprocess.PIPE,
                          env=environment(tmp_path)) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=10) == 128 + signal.SIGPIPE
    wait_for(lambda: len(taken()) == 1)


def test_what_goes_on_in_the_background_is_not_waited_for(taken, tmp_path):
    script = "(sleep 1; echo late) & echo soon"
    begin = time.monotonic()
    with subprocess.Popen([CTL, "run", "--", "sh", "-c", script], text=True,
                          stdout=subprocess.PIPE,
                          env=environment(tmp_path)) as process:
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - begin < 0.9
        assert process.stdout.read() == "soon\nlate\n"


def test_a_terminal_is_left_to_the_command(taken, tmp_path):
    leader, follower = pty.openpty()
    with subprocess.Popen([CTL, "run", "--", "sh", "-c",
                           "test -t 0 && test -t 1 && test -t 2"],
                          stdin=follower, stdout=follower, stderr=follower,
                          env=environment(tmp_path)) as process:
        assert process.wait(timeout=10) == 0
    os.close(follower)
    os.close(leader)
    assert "output" not in taken()[0]["data"]
