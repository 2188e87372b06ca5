"""cctg-intake alone: the events directory."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from intakelib import EV_SILENT, EV_TRUSTED, FIXTURES, MIB, ROOT, event
from simlib import wait_for


def test_every_captured_event_is_taken(intake):
    files = sorted(FIXTURES.glob("*.json"))
    assert files
    for f in files:
        shutil.copy(f, intake.events)
    for f in files:
        want = json.loads(f.read_text())
        got = intake.wait("submit", id=want["event_id"])
        assert json.loads(got["json"]) == want
        assert (got["origin"], got["flags"]) == (0, EV_TRUSTED)
        assert got["type"] == want["type"]
        assert got["task_id"] == want["task_id"]
    intake.wait_empty()
    assert not intake.rejected.exists()
    assert intake.slot()["intake_files"] == len(files)


def test_the_directory_is_made(intake):
    assert intake.events.is_dir()


def test_a_file_stays_300_ms_after_its_last_write(intake):
    path = intake.drop("a.json", event())
    written = path.stat().st_mtime
    intake.wait("submit", timeout=0.25)
    wait_for(lambda: not path.exists(), 2, 0.002)
    assert 0.3 <= time.time() - written < 1


def test_a_file_stays_until_its_event_is_on_disk(intake):
    intake.do("answer", how="hold")
    path = intake.drop("a.json", event())
    intake.wait("submit")
    time.sleep(0.6)
    assert path.exists()
    intake.do("answer", how="accept")
    intake.wait_empty()


def test_renamed_in(intake, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(event("renamed")))
    os.rename(tmp_path / "x.json", intake.events / "x.json")
    intake.wait("submit", title="renamed")
    intake.wait_empty()


def test_written_in_place_and_slowly(intake):
    text = json.dumps(event("slow"))
    with open(intake.events / "slow.json", "w") as f:
        for c in text:
            f.write(c)
            f.flush()
            time.sleep(0.01)
    intake.wait("submit", title="slow")
    intake.wait_empty()
    assert not intake.rejected.exists()


def test_a_slow_writer_that_began_before_the_start(intake_factory, tmp_path):
    (tmp_path / "events").mkdir()
    text = json.dumps(event("early"))
    with open(tmp_path / "events/early.json", "w") as f:
        f.write(text[:10])
        f.flush()
        intake = intake_factory()
        for c in text[10:]:
            f.write(c)
            f.flush()
            time.sleep(6.5 / len(text))
    intake.wait("submit", title="early")
    intake.wait_empty()
    assert not intake.rejected.exists()


BROKEN = {
    "cut.json": ("{\"type\":\"x\", \"title\":", "", "JSON"),
    "empty.json": ("", "", "empty"),
    "list.json": ("[]", "", "object"),
    "type.json": ({"title": "no type"}, "type", ""),
    "title.json": ({"type": "x"}, "title", ""),
    "large.json": (b" " * (MIB + 1), "", "1 MiB"),
    "random.json": (os.urandom(5000), "", "JSON"),
}


def test_what_is_no_event_goes_to_rejected(intake):
    for name, (content, _, _) in BROKEN.items():
        intake.drop(name, content)
    time.sleep(4)
    assert intake.names() == sorted(BROKEN), "5 s have not passed"
    wait_for(lambda: intake.names() == ["rejected"], 6)
    for name, (_, field, says) in BROKEN.items():
        assert (intake.rejected / name).exists()
        reason = (intake.rejected / f"{name}.reason").read_text()
        assert reason.count("\n") == 1 and reason.endswith("\n")
        assert says in reason
        assert reason.startswith(field)
    assert not intake.seen()
    assert intake.slot()["intake_rejected_files"] == len(BROKEN)


def test_an_earlier_rejected_file_is_not_replaced(intake):
    for text in ("one", "two", "three"):
        intake.drop("bad.json", text)
        wait_for(lambda: "bad.json" not in intake.names(), 8)
    assert sorted(p.name for p in intake.rejected.iterdir()) == [
        "bad.json", "bad.json.1", "bad.json.1.reason", "bad.json.2",
        "bad.json.2.reason", "bad.json.reason"]
    assert (intake.rejected / "bad.json.2").read_text() == "three"


def test_a_bad_file_that_is_corrected_is_taken(intake):
    intake.drop("a.json", "{\"type\":")
    time.sleep(4)
    intake.drop("a.json", "{\"type\":\"x\"")
    time.sleep(2)
    intake.drop("a.json", event("corrected"))
    intake.wait("submit", title="corrected")
    intake.wait_empty()
    assert not intake.rejected.exists()


def test_the_queue_refuses_a_file_for_good(intake):
    intake.do("answer", how="refuse", code=65, field="to",
              error="no such chat")
    intake.drop("a.json", event(to="nobody"))
    wait_for(lambda: (intake.rejected / "a.json.reason").exists(), 5)
    assert (intake.rejected / "a.json.reason").read_text().startswith(
        "to: no such chat")


def test_a_full_store_leaves_files_where_they_are(intake):
    intake.do("answer", how="refuse", code=75)
    for i in range(20):
        intake.drop(f"{i:02}.json", event(f"n{i:02}"))
    intake.wait("submit")
    time.sleep(1.5)
    assert len(intake.names()) == 20
    intake.lines.clear()
    intake.do("answer", how="accept")
    intake.wait_empty(20)
    titles = [s["title"] for s in intake.seen()]
    assert sorted(set(titles)) == [f"n{i:02}" for i in range(20)]
    assert len([x for x in intake.log if "takes no files" in x]) == 1
    assert not intake.rejected.exists()


def test_other_names_are_left_alone(intake, tmp_path):
    names = [".a.json", "a.json.tmp", "a.txt", "a.json~", "json", ".json"]
    for name in names:
        intake.drop(name, event(name))
    (tmp_path / "outside.json").write_text(json.dumps(event("outside")))
    (intake.events / "link.json").symlink_to(tmp_path / "outside.json")
    os.mkfifo(intake.events / "fifo.json")
    (intake.events / "dir.json").mkdir()
    (intake.events / "dir.json/b.json").write_text(json.dumps(event("sub")))
    intake.drop("last.json", event("last"))
    intake.wait("submit", title="last")
    wait_for(lambda: "last.json" not in intake.names())
    assert not intake.seen()
    assert intake.names() == sorted(
        names + ["link.json", "fifo.json", "dir.json"])


def test_an_event_without_an_id_gets_one(intake):
    intake.drop("a.json", event("mine"))
    got = intake.wait("submit")
    assert len(got["id"]) == 36
    assert json.loads(got["json"]) == event("mine", event_id=got["id"])
    assert got["task_id"] == got["id"]


def test_a_byte_order_mark_is_no_error(intake):
    intake.drop("a.json", b"\xef\xbb\xbf" + json.dumps(event("bom")).encode())
    intake.wait("submit", title="bom")


def test_fields_beside_the_text(intake):
    intake.drop("a.json", event("x", ttl="2h", silent=True, to="ops",
                                source="ci", task_id="t1",
                                data={"severity": "high"}))
    got = intake.wait("submit")
    assert got["ttl_ms"] == 7200000
    assert got["flags"] == EV_TRUSTED | EV_SILENT
    assert (got["to"], got["source"], got["task_id"]) == ("ops", "ci", "t1")
    assert got["severity"] == 2


@pytest.mark.skipif(not ROOT, reason="needs another user")
def test_a_file_of_another_user_is_not_trusted(intake):
    os.chmod(intake.events, 0o777)
    path = intake.events / "a.json"
    path.write_text("")
    os.chown(path, 65534, 65534)
    path.write_text(json.dumps(event("foreign")))
    assert intake.wait("submit")["flags"] == 0


def test_written_again_before_it_was_removed(intake):
    intake.drop("a.json", event("first", event_id="one"))
    intake.wait("submit", id="one")
    intake.drop("a.json", event("second", event_id="two"))
    intake.wait("submit", id="two")
    intake.wait_empty()


def test_written_again_while_the_queue_has_it(intake):
    intake.do("answer", how="hold")
    intake.drop("a.json", event("first"))
    intake.wait("submit", title="first")
    intake.drop("a.json", event("second"))
    intake.do("answer", how="accept")
    intake.wait("submit", title="second")
    intake.wait_empty()


def test_touched_but_not_changed_is_sent_once(intake):
    path = intake.drop("a.json", event("once"))
    intake.wait("submit", title="once")
    for _ in range(3):
        time.sleep(0.1)
        with open(path, "r+") as f:
            f.write(json.dumps(event("once")))
    intake.wait_empty()
    assert not intake.seen()


def test_after_a_crash_nothing_is_sent_twice(intake_factory):
    intake = intake_factory()
    intake.drop("a.json", event("once"))
    first = intake.wait("submit")["id"]
    intake.stop()  # before 300 ms have passed
    assert intake.names() == ["a.json"]
    os.unlink(intake.path)
    again = intake_factory()
    assert again.wait("submit")["id"] == first
    again.wait_empty()


def test_files_waiting_at_start_go_oldest_first(intake_factory, tmp_path):
    (tmp_path / "events").mkdir()
    order = [7, 3, 9, 1, 5, 0, 8, 2, 6, 4]
    for age, n in enumerate(order):
        path = tmp_path / f"events/{n}.json"
        path.write_text(json.dumps(event(str(n))))
        os.utime(path, (1e9 - age, 1e9 - age))
    intake = intake_factory()
    intake.wait_empty()
    titles = [s["title"] for s in intake.seen()]
    assert titles == [str(n) for n in reversed(order)]


def test_100_000_files_waiting_at_start(intake_factory, tmp_path):
    n = 100_000
    (tmp_path / "events").mkdir()
    for i in range(n):
        fd = os.open(tmp_path / f"events/{i}.json",
                     os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, b'{"type":"x","title":"%d"}' % i)
        os.close(fd)
    time.sleep(0.4)
    intake = intake_factory(start=False)
    intake.do("quiet")
    begin = time.monotonic()
    intake.start()
    wait_for(lambda: intake.count()["accepted"] == n, 60, 0.1)
    intake.wait_empty(30)
    taken = time.monotonic() - begin
    assert intake.count() == {"event": "count", "accepted": n,
                              "duplicates": 0}
    assert intake.slot()["intake_rescans"] == 1
    assert taken < 40
    pid = int(subprocess.run(
        ["pgrep", "-P", str(intake.process.pid)], text=True,
        capture_output=True, check=True).stdout)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    high = int(status.split("VmHWM:")[1].split()[0])
    if "sanitize" not in os.environ.get("CFLAGS", ""):
        assert high < 24 * 1024, f"{high} KiB"


def test_a_flood_larger_than_the_watch_holds(intake):
    """More than max_queued_events while the queue takes nothing."""
    intake.do("quiet")
    intake.do("answer", how="hold")
    n = 30_000
    for i in range(n):
        fd = os.open(intake.events / f"{i}.json",
                     os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, b'{"type":"x","title":"%d","event_id":"%d"}' % (i, i))
        os.close(fd)
    intake.do("answer", how="accept")
    wait_for(lambda: intake.count()["accepted"] >= n, 60, 0.1)
    intake.wait_empty(30)
    assert intake.count()["duplicates"] == 0


def test_the_directory_is_removed_and_made_again(intake):
    intake.drop("a.json", event("before"))
    intake.wait("submit", title="before")
    intake.wait_empty()
    intake.events.rmdir()
    wait_for(intake.events.is_dir, 5)  # made again, as at the start
    intake.drop("b.json", event("after"))
    intake.wait("submit", title="after")
    intake.wait_empty()


def test_the_directory_is_replaced(intake, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / "a.json").write_text(json.dumps(event("new")))
    intake.events.rename(tmp_path / "old")
    try:
        new.rename(intake.events)
    except OSError:  # it was made again meanwhile
        shutil.rmtree(intake.events)
        new.rename(intake.events)
    intake.wait("submit", title="new", timeout=35)
    intake.wait_empty()


def test_the_queue_dies_with_files_under_way(intake):
    intake.do("answer", how="hold")
    for i in range(200):
        intake.drop(f"{i:03}.json", event(f"{i:03}"))
    wait_for(lambda: len(intake.seen()) == 128, 5)  # all the credit
    first = [s["id"] for s in intake.seen()]
    intake.do("die")
    time.sleep(0.3)
    assert len(intake.names()) == 200
    intake.lines.clear()
    intake.do("answer", how="accept")
    intake.do("wire")
    intake.wait_empty()
    got = [s["id"] for s in intake.seen()]
    assert len(got) == 200
    assert got[:128] == first


@pytest.mark.skipif(ROOT, reason="root removes what it likes")
def test_a_directory_that_lets_nothing_be_removed(intake):
    intake.drop("a.json", event("kept"))
    os.chmod(intake.events, 0o555)
    intake.wait("submit", title="kept")
    time.sleep(1)
    assert intake.names() == ["a.json"]
    os.chmod(intake.events, 0o755)
    intake.wait_empty(40)
    assert not intake.seen()


@pytest.mark.skipif(ROOT, reason="root reads what it likes")
def test_a_file_that_cannot_be_read(intake):
    path = intake.drop("a.json", event("secret"))
    os.chmod(path, 0)
    intake.drop("b.json", event("open"))
    intake.wait("submit", title="open")
    time.sleep(1)
    assert intake.names() == ["a.json"]
    assert len([x for x in intake.log if "cannot read" in x]) <= 1


def test_rejected_is_a_file(intake):
    intake.drop("rejected", "in the way")
    intake.drop("bad.json", "no")
    intake.drop("worse.json", "no")
    wait_for(lambda: any("cannot move" in x for x in intake.log), 8)
    time.sleep(0.3)
    assert intake.names() == ["bad.json", "rejected", "worse.json"]
    assert len([x for x in intake.log if "cannot move" in x]) == 1
    intake.drop("good.json", event("good"))
    intake.wait("submit", title="good")
