"""cctg-intake's responses directory: what the queue gives becomes a file,
whole and on disk before it is said to be."""

import os
import shutil
import stat
import subprocess
import threading
import time

import pytest

from intakelib import ROOT
from simlib import wait_for

NAME = "telegram_callback_42_20261121_045000_%06d_ab12.json"
DAY_S = 86400


def respond(intake, number, name=None, content="{}\n"):
    intake.do("respond", id=number, name=name or NAME % number,
              content=content)
    return intake.wait("responded", id=number)


def test_a_response_becomes_a_file(intake):
    text = '{"callback_data": "approve_x", "option": "Ja \U0001f525"}\n' * 999
    assert respond(intake, 7, content=text) == {
        "event": "responded", "id": 7, "ok": True, "error": ""}
    path = intake.responses / (NAME % 7)
    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(intake.responses.stat().st_mode) == 0o700
    assert stat.S_IMODE(intake.responses.parent.stat().st_mode) == 0o700
    assert os.listdir(intake.responses) == [NAME % 7]


@pytest.mark.parametrize("name", [
    "", ".json", ".x.json", "x", "x.json.tmp", "../x.json", "a/b.json",
    "/tmp/x.json", "a\nb.json", "x" * 260 + ".json"])
def test_a_name_that_leads_elsewhere(intake, name):
    intake.do("respond", id=1, name=name, content="{}")
    got = intake.wait("responded", id=1)
    assert (got["ok"], got["error"]) == (False, "not the name of a response")
    assert not intake.responses.exists()
    assert respond(intake, 2)["ok"]


def test_only_whole_files_are_seen(intake):
    """By one that looks at every name as it appears."""
    intake.responses.mkdir(parents=True)
    text = "x" * 20000
    seen, stop = {}, threading.Event()

    def look():
        while not stop.is_set():
            for entry in os.scandir(intake.responses):
                if entry.name.endswith(".json") and entry.name not in seen:
                    with open(entry) as file:
                        seen[entry.name] = len(file.read())

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(100):
        intake.do("respond", id=number, name=NAME % number, content=text)
    for number in range(100):
        assert intake.wait("responded", id=number)["ok"]
    wait_for(lambda: len(seen) == 100)
    stop.set()
    thread.join()
    assert set(seen.values()) == {len(text)}
    assert all(n.endswith(".json") for n in os.listdir(intake.responses))


def test_file_and_directory_are_on_disk_before_it_is_said(intake):
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    pid = subprocess.run(["pgrep", "-P", str(intake.process.pid)],
                         capture_output=True, text=True).stdout.split()[0]
    trace = subprocess.Popen(
        ["strace", "-f", "-p", pid, "-e",
         "trace=openat,fsync,rename,renameat,renameat2,sendmsg"],
        stderr=subprocess.PIPE, text=True)
    if "attached" not in trace.stderr.readline():
        trace.wait(5)
        pytest.skip("may not trace")
    assert respond(intake, 1)["ok"]
    trace.terminate()
    calls = [line for line in trace.communicate(timeout=10)[1].splitlines()
             if "telegram_callback" in line or "fsync" in line
             or "sendmsg" in line]
    order = ["open" if "O_CREAT" in c else "fsync" if "fsync" in c else
             "rename" if "rename" in c else "send" for c in calls
             if "O_CREAT" in c or "openat" not in c]
    assert order[:5] == ["open", "fsync", "rename", "fsync", "send"]


def test_given_out_twice_it_is_one_file(intake):
    assert respond(intake, 1, NAME % 1)["ok"]
    path = intake.responses / (NAME % 1)
    before = path.stat()
    intake.do("die")
    intake.do("wire")
    assert respond(intake, 1, NAME % 1)["ok"]
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (
        after.st_ino, after.st_mtime_ns)
    # Another content wins.
    assert respond(intake, 2, NAME % 1, "[]")["ok"]
    assert path.read_text() == "[]"


def test_what_a_crash_has_left_is_in_nobodys_way(intake):
    intake.responses.mkdir(parents=True)
    left = intake.responses / f".{NAME % 1}.tmp"
    left.write_text("half")
    assert respond(intake, 1)["ok"]
    assert os.listdir(intake.responses) == [NAME % 1]


def test_a_link_in_its_place_is_replaced_not_followed(intake, tmp_path):
    intake.responses.mkdir(parents=True)
    target = tmp_path / "target"
    target.write_text("mine")
    (intake.responses / (NAME % 1)).symlink_to(target)
    (intake.responses / f".{NAME % 1}.tmp").symlink_to(target)
    assert respond(intake, 1)["ok"]
    assert target.read_text() == "mine"
    assert not (intake.responses / (NAME % 1)).is_symlink()


def test_the_directory_is_removed_and_made_again(intake):
    assert respond(intake, 1)["ok"]
    shutil.rmtree(intake.responses)
    assert respond(intake, 2)["ok"]
    assert os.listdir(intake.responses) == [NAME % 2]


def test_what_cannot_be_written_is_told(intake):
    intake.responses.parent.mkdir()
    intake.responses.write_text("a file")
    got = respond(intake, 1)
    assert not got["ok"]
    assert got["error"] == f"{intake.responses}: Not a directory"
    intake.responses.unlink()
    (intake.responses / (NAME % 2)).mkdir(parents=True)
    got = respond(intake, 2)
    assert (got["ok"], "Is a directory" in got["error"]) == (False, True)
    assert os.listdir(intake.responses) == [NAME % 2]
    assert respond(intake, 3)["ok"]


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_to(intake):
    intake.responses.mkdir(parents=True)
    intake.responses.chmod(0o500)
    got = respond(intake, 1)
    assert not got["ok"] and "Permission denied" in got["error"]
    intake.responses.chmod(0o700)
    assert respond(intake, 1)["ok"]


def test_many_do_not_hold_up_events(intake):
    for number in range(300):
        intake.do("respond", id=number, name=NAME % number, content="{}") \
            if number < 100 else None
    began = time.monotonic()
    intake.client().ask({"op": "send", "event": {"type": "x", "title": "t"}})
    assert time.monotonic() - began < 2
    for number in range(100):
        assert intake.wait("responded", id=number)["ok"]


def test_the_queue_dies_with_responses_under_way(intake):
    for number in range(50):
        intake.do("respond", id=number, name=NAME % number, content="{}")
    intake.do("die")
    intake.do("wire")
    for number in range(50):
        assert respond(intake, 100 + number, NAME % number)["ok"]
    assert len(os.listdir(intake.responses)) == 50


def test_drain_waits_for_responses(intake):
    for number in range(50):
        intake.do("respond", id=number, name=NAME % number, content="{}")
    intake.do("drain", ms=5000)
    intake.wait("drained")
    assert len(intake.seen("responded")) == 50


def age(path, seconds):
    path.write_text("{}")
    when = time.time() - seconds
    os.utime(path, (when, when))


def test_old_responses_go(intake_factory, tmp_path):
    directory = tmp_path / "some" / "responses"
    directory.mkdir(parents=True)
    for i in range(3000):
        age(directory / (NAME % i), 31 * DAY_S)
    for name, seconds in (("telegram_new.json", 29 * DAY_S),
                          ("bridge_mode.json", 99 * DAY_S),
                          ("telegram_x.json.bak", 99 * DAY_S),
                          (".telegram_x.json", 99 * DAY_S)):
        age(directory / name, seconds)
    (directory / "telegram_directory.json").mkdir()
    os.utime(directory / "telegram_directory.json", (1, 1))
    (directory / "telegram_link.json").symlink_to("/nowhere")
    os.utime(directory / "telegram_link.json", (1, 1), follow_symlinks=False)
    intake = intake_factory(keep_ms=30 * DAY_S * 1000)
    left = [".telegram_x.json", "bridge_mode.json", "telegram_directory.json",
            "telegram_link.json", "telegram_new.json", "telegram_x.json.bak"]
    wait_for(lambda: sorted(os.listdir(directory)) == left)
    wait_for(lambda: "removed 3000 old responses" in "".join(intake.log))


def test_without_a_limit_responses_stay(intake_factory, tmp_path):
    directory = tmp_path / "some" / "responses"
    directory.mkdir(parents=True)
    age(directory / (NAME % 1), 9999 * DAY_S)
    intake = intake_factory(keep_ms=0)
    assert respond(intake, 2)["ok"]
    assert len(os.listdir(directory)) == 2
