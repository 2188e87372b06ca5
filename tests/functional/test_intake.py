"""cctg-intake alone: the events directory, submit.sock and HTTP POST, with
intake-queue as its supervisor and queue."""

import collections
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest

from simlib import SOURCE, build_dir, wait_for

FIXTURES = SOURCE / "tests/fixtures/events"
MIB = 1 << 20
EV_TRUSTED, EV_SILENT = 1, 2
ROOT = os.geteuid() == 0


def event(title="hello", **fields):
    return {"type": "info_notification", "title": title, **fields}


class Intake:
    def __init__(self, tmp, http=False, start=True, keep_ms=0, **intake):
        programs = build_dir()
        self.events = tmp / "events"
        self.rejected = self.events / "rejected"
        self.responses = tmp / "some" / "responses"
        self.keep_ms = keep_ms
        self.path = str(tmp / "submit.sock")
        self.http = http
        self.options = intake
        self.lines = collections.deque()
        self.log = []
        self.process = subprocess.Popen(
            [str(programs / "tests/functional/intake-queue"),
             str(programs / "cctg-intake")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        for stream, target in ((self.process.stdout, self.lines),
                               (self.process.stderr, self.log)):
            threading.Thread(target=self._read, args=(stream, target),
                             daemon=True).start()
        if start:
            self.start()

    @staticmethod
    def _read(stream, target):
        for line in stream:
            target.append(line)

    def start(self):
        self.do("config", submit=self.path, http=self.http, config={
            "events_dir": str(self.events), "intake": self.options,
            "responses_dir": str(self.responses),
            "responses_keep_ms": self.keep_ms})
        self.wait("ready")
        if self.http:
            self.port = self.wait("http")["port"]

    def do(self, op, **fields):
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.process.stdin.flush()

    def wait(self, kind, timeout=10.0, **fields):
        """The first line of that kind and these fields, taken out."""
        def find():
            for line in list(self.lines):
                got = json.loads(line)
                if got["event"] == kind and all(
                        got.get(k) == v for k, v in fields.items()):
                    self.lines.remove(line)
                    return got
            return None
        return wait_for(find, timeout, why=f"{kind} {fields}; have "
                        f"{list(self.lines)[:20]}, log {self.log[-5:]}")

    def seen(self, kind="submit"):
        return [got for got in map(json.loads, list(self.lines))
                if got["event"] == kind]

    def slot(self):
        self.do("slot")
        return self.wait("slot")

    def count(self):
        self.do("count")
        return self.wait("count")

    def drop(self, name, content):
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        if isinstance(content, str):
            content = content.encode()
        path = self.events / name
        path.write_bytes(content)
        return path

    def names(self):
        return sorted(p.name for p in self.events.iterdir())

    def wait_empty(self, timeout=10.0):
        wait_for(lambda: self.names() in ([], ["rejected"]), timeout,
                 why="empty directory")

    def client(self):
        return Client(self.path)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        assert not any("sanitizer" in x.lower() for x in self.log), self.log


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, *requests):
        self.raw(b"".join(json.dumps(r).encode() + b"\n" for r in requests))

    def raw(self, data):
        self.socket.sendall(data)

    def read(self):
        line = self.file.readline()
        assert line.endswith(b"\n"), line
        return json.loads(line)

    def ask(self, request):
        self.send(request)
        return self.read()

    def at_end(self):
        try:
            return self.file.readline() == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def intake_factory(tmp_path):
    started = []

    def start(**options):
        started.append(Intake(tmp_path, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def intake(intake_factory):
    return intake_factory()


# -- files ----------------------------------------------------------------

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


# -- submit.sock ----------------------------------------------------------

def test_send(intake):
    c = intake.client()
    answer = c.ask({"op": "send", "event": event("over the socket")})
    got = intake.wait("submit")
    assert answer == {"ok": True, "id": got["id"], "state": "received"}
    assert (got["origin"], got["flags"]) == (1, EV_TRUSTED)
    assert json.loads(got["json"])["event_id"] == got["id"]


def test_send_with_options(intake):
    c = intake.client()
    answer = c.ask({"tag": {"n": 1}, "op": "send", "ttl": "90s",
                    "silent": True, "to": -100123, "unknown": [None],
                    "event": event("x", event_id="my id")})
    got = intake.wait("submit")
    assert answer == {"ok": True, "id": "my id", "state": "received",
                      "tag": {"n": 1}}
    assert (got["ttl_ms"], got["to"]) == (90000, "-100123")
    assert got["flags"] == EV_TRUSTED | EV_SILENT
    assert json.loads(got["json"]) == event("x", event_id="my id")


def test_a_duplicate_is_answered_as_such(intake):
    c = intake.client()
    request = {"op": "send", "event": event("x", event_id="é\"1")}
    c.ask(request)
    assert c.ask(request) == {"ok": True, "id": "é\"1", "duplicate": True}


@pytest.mark.parametrize("request_text, field", [
    (b"hello", None),
    (b"[]", None),
    (b"{}", "op"),
    (b'{"op":1}', "op"),
    (b'{"op":"send"', None),
    (b'{"op":"send"} x', None),
    (b'{"op":"send"}', "event"),
    (b'{"op":"send","event":null}', "event"),
    (b'{"op":"send","event":7}', None),
    (b'{"op":"send","event":{"type":"x","title":"t",}}', None),
    (b'{"op":"send","event":{"title":"t"}}', "type"),
    (b'{"op":"send","event":{"type":"x"}}', "title"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"ttl":"soon"}', "ttl"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"ttl":-1}', "ttl"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"silent":1}', "silent"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"to":[]}', "to"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"wait":"x"}', "wait"),
    (b'{"op":"send","event":{"type":"x","title":"t"},"zzz":tru}', None),
    (b'{"op":"send","op":"send","event":{"type":"x","title":"t"}}', "op"),
    (b'{"op":"queue","cmd":[}', None),
    (b'\xff\xfe\x00\x01', None),
])
def test_bad_requests(intake, request_text, field):
    c = intake.client()
    c.raw(request_text + b"\n")
    answer = c.read()
    assert (answer["ok"], answer["code"]) == (False, 65)
    assert answer["error"]
    assert answer.get("field") == field
    assert c.ask({"op": "ping", "tag": 1}) == {"ok": True, "tag": 1}
    assert intake.slot()["intake_bad_requests"] == 1


def test_a_tag_that_is_too_long(intake):
    c = intake.client()
    assert c.ask({"op": "ping", "tag": "x" * 300})["field"] == "tag"


def test_a_request_over_1_mib(intake):
    c = intake.client()
    c.raw(b'{"op":"send","event":{"type":"x","title":"'
          + b"x" * (2 * MIB) + b'"}}\n')
    answer = c.read()
    assert (answer["ok"], answer["code"]) == (False, 65)
    assert c.ask({"op": "ping"}) == {"ok": True}


def test_an_event_of_just_under_1_mib(intake):
    c = intake.client()
    text = "y" * (MIB - 100)
    assert c.ask({"op": "send", "event": event("big", description=text)})[
        "ok"]
    got = intake.wait("submit")
    assert json.loads(got["json"])["description"] == text


def test_an_event_over_1_mib_in_a_request_of_its_own(intake):
    c = intake.client()
    answer = c.ask({"op": "send", "event": event("x" * (MIB - 20))})
    assert (answer["ok"], answer["code"]) == (False, 65)


def test_pipelined_answers_come_in_order(intake):
    c = intake.client()
    intake.do("quiet")
    n = 5000
    wanted = []
    requests = []
    for i in range(n):
        if i % 7 == 3:
            requests.append({"op": "send", "tag": i, "event": {}})
        elif i % 7 == 5:
            requests.append({"op": "ping", "tag": i})
        else:
            requests.append({"op": "send", "tag": i,
                             "event": event("x", event_id=str(i))})
        wanted.append(i)
    threading.Thread(target=c.send, args=requests).start()
    got = [c.read() for _ in range(n)]
    assert [g["tag"] for g in got] == wanted
    for i, g in enumerate(got):
        assert g["ok"] == (i % 7 != 3)
        if i % 7 not in (3, 5):
            assert g["id"] == str(i)


def test_answers_wait_for_the_disk(intake):
    c = intake.client()
    intake.do("answer", how="hold")
    c.send({"op": "send", "event": event()}, {"op": "ping"})
    intake.wait("submit")
    c.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        c.socket.recv(1)
    c.socket.settimeout(5)
    intake.do("answer", how="accept")
    assert c.socket.recv(4096).count(b"\n") >= 1


def test_a_full_store_is_told(intake):
    intake.do("answer", how="refuse", code=75, error="the store is full")
    c = intake.client()
    assert c.ask({"op": "send", "event": event()}) == {
        "ok": False, "error": "the store is full", "code": 75}


def test_the_queue_dies_with_requests_under_way(intake):
    c = intake.client()
    intake.do("answer", how="hold")
    n = 1000
    threading.Thread(target=c.send, args=[
        {"op": "send", "event": event(event_id=str(i))}
        for i in range(n)]).start()
    wait_for(lambda: len(intake.seen()) == 128, 5)
    intake.do("die")
    intake.do("answer", how="accept")
    time.sleep(0.2)
    intake.do("wire")
    assert [c.read()["id"] for _ in range(n)] == [str(i) for i in range(n)]
    assert intake.count()["duplicates"] == 0


def test_pressure_reaches_the_sender(intake):
    """With a queue that takes nothing, a sender blocks; memory stays."""
    intake.do("answer", how="hold")
    c = intake.client()
    c.socket.settimeout(1)
    line = json.dumps({"op": "send", "event": event("x" * 1000)}) + "\n"
    data, sent = (line * 64).encode(), 0
    with pytest.raises(TimeoutError):
        while sent < 64 * MIB:
            sent += c.socket.send(data)
    assert sent < 2 * MIB
    other = intake.client()
    other.socket.settimeout(0.5)
    other.send({"op": "send", "event": event()})
    with pytest.raises(TimeoutError):
        other.socket.recv(1)


def test_one_byte_at_a_time(intake):
    c = intake.client()
    for b in b'{"op":"send","event":{"type":"x","title":"t"}}\n':
        c.raw(bytes([b]))
    assert c.read()["ok"]


def test_a_last_line_without_its_end(intake):
    c = intake.client()
    c.raw(b'{"op":"ping"}\r\n\n{"op":"ping","tag":2}')
    c.socket.shutdown(socket.SHUT_WR)
    assert c.read() == {"ok": True}
    assert c.read() == {"ok": True, "tag": 2}
    assert c.at_end()


def test_a_sender_that_does_not_wait_for_answers(intake):
    for i in range(50):
        c = intake.client()
        c.send(*[{"op": "send", "event": event(event_id=f"{i}.{k}")}
                 for k in range(20)])
        c.close()
    wait_for(lambda: intake.count()["accepted"] == 1000, 5)
    wait_for(lambda: intake.slot()["intake_clients"] == 0, 5)


def test_a_client_that_does_not_read(intake):
    """Its answers are bounded, and others are served."""
    intake.do("quiet")
    c = intake.client()
    c.socket.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 64 * MIB:
            sent += c.socket.send(b'{"op":"ping"}\n' * 4096)
    other = intake.client()
    assert other.ask({"op": "ping"}) == {"ok": True}


def test_a_thousand_clients(intake):
    intake.do("quiet")
    clients = [intake.client() for _ in range(1000)]
    for i, c in enumerate(clients):
        c.send({"op": "send", "event": event(event_id=str(i))})
    assert [c.read()["id"] for c in clients] == [str(i) for i in range(1000)]
    assert intake.slot()["intake_clients"] == 1000
    before = intake.slot()["turns"]
    time.sleep(1)
    assert intake.slot()["turns"] - before < 8, "idle clients cost turns"
    for c in clients:
        c.close()
    wait_for(lambda: intake.slot()["intake_clients"] == 0, 5)


def test_random_bytes(intake):
    for i in range(30):
        c = intake.client()
        try:
            c.raw(os.urandom(20000))
            c.raw(b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        c.close()
    assert intake.client().ask({"op": "ping"}) == {"ok": True}
    assert not intake.seen()


@pytest.mark.skipif(not ROOT, reason="needs another user")
def test_a_foreign_user_is_refused(intake, tmp_path):
    for p in [tmp_path, *tmp_path.parents]:
        if p.stat().st_uid == 0 and p != pathlib.Path("/"):
            os.chmod(p, p.stat().st_mode | 0o011)
    code = ("import os,socket,sys;os.setgroups([]);os.setgid(65534);"
            "os.setuid(65534);s=socket.socket(socket.AF_UNIX);"
            "s.connect(sys.argv[1]);print(s.makefile().read())")
    done = subprocess.run(["/usr/bin/python3", "-c", code, intake.path],
                          text=True, capture_output=True, timeout=10)
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["code"]) == (False, 77)


# -- queries --------------------------------------------------------------

def test_queries_are_passed_on(intake):
    c = intake.client()
    c.send({"op": "queue", "cmd": "list", "tag": "a"})
    q = intake.wait("query")
    assert json.loads(q["json"]) == {"op": "queue", "cmd": "list",
                                     "tag": "a"}
    assert q["uid"] == os.geteuid()
    intake.do("line", id=q["id"], json='{"ok":true,"events":[]}')
    assert c.read() == {"ok": True, "events": [], "tag": "a"}


def test_answers_of_queries_keep_their_place(intake):
    c = intake.client()
    c.send({"op": "mode", "tag": 1}, {"op": "ping", "tag": 2},
           {"op": "history", "tag": 3}, {"op": "ping", "tag": 4})
    first, second = intake.wait("query"), intake.wait("query")
    intake.do("line", id=second["id"], json='{"a":1}', more=True)
    intake.do("line", id=second["id"], json='{"a":2}')
    intake.do("line", id=first["id"], json='{"ok":true}')
    assert [c.read() for _ in range(5)] == [
        {"ok": True, "tag": 1}, {"ok": True, "tag": 2},
        {"a": 1, "tag": 3}, {"a": 2, "tag": 3}, {"ok": True, "tag": 4}]


def test_a_subscription_goes_on_beside(intake):
    c = intake.client()
    c.send({"op": "subscribe", "tag": "s"}, {"op": "ping"})
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true}', more=True)
    assert [c.read(), c.read()] == [{"ok": True, "tag": "s"}, {"ok": True}]
    intake.do("line", id=q["id"], json='{"state":"x"}', more=True)
    assert c.read() == {"state": "x", "tag": "s"}
    c.close()
    assert intake.wait("cancel", 5)["id"] == q["id"]


def test_a_subscription_survives_the_queue(intake):
    c = intake.client()
    c.send({"op": "tail"})
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true}', more=True)
    assert c.read() == {"ok": True}
    intake.do("die")
    intake.do("wire")
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true}', more=True)
    intake.do("line", id=q["id"], json='{"n":1}', more=True)
    assert c.read() == {"n": 1}


def test_a_query_is_asked_again_of_the_next_queue(intake):
    c = intake.client()
    c.send({"op": "mode"})
    intake.wait("query")
    intake.do("die")
    intake.do("wire")
    q = intake.wait("query")
    intake.do("line", id=q["id"], json='{"ok":true,"mode":"local"}')
    assert c.read() == {"ok": True, "mode": "local"}


def test_a_subscriber_that_is_too_slow(intake):
    c = intake.client()
    c.send({"op": "subscribe"})
    q = intake.wait("query")
    for _ in range(300):
        intake.do("line", id=q["id"], json=json.dumps({"x": "y" * 20000}),
                  more=True)
    intake.wait("cancel", 10, id=q["id"])
    assert any("too slow" in x for x in intake.log)
    wait_for(lambda: intake.slot()["intake_clients"] == 0, 5)


def test_wait_gives_a_second_answer(intake):
    c = intake.client()
    c.send({"op": "send", "wait": 5, "tag": 9,
            "event": event(event_id="w")}, {"op": "ping"})
    assert c.read() == {"ok": True, "id": "w", "state": "received", "tag": 9}
    assert c.read() == {"ok": True}
    q = intake.wait("query")
    assert json.loads(q["json"]) == {"op": "queue", "cmd": "wait",
                                     "id": "w", "timeout_ms": 5000}
    intake.do("line", id=q["id"],
              json='{"ok":true,"id":"w","state":"delivered"}')
    assert c.read() == {"ok": True, "id": "w", "state": "delivered",
                        "tag": 9}


# -- HTTP -----------------------------------------------------------------

def post(intake, body, path="/events", method="POST", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", intake.port,
                                            timeout=10)
    connection.request(method, path, body,
                       {k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.getheader("Content-Type") == "application/json":
        return response.status, json.loads(text)
    return response.status, text


def test_http(intake_factory):
    intake = intake_factory(http=True)
    status, answer = post(intake, json.dumps(event("posted")))
    got = intake.wait("submit", title="posted")
    assert (status, answer) == (200, {"ok": True, "id": got["id"],
                                      "state": "received"})
    assert (got["origin"], got["flags"]) == (2, 0)
    status, answer = post(intake, json.dumps({"title": "x"}))
    assert (status, answer["code"], answer["field"]) == (400, 65, "type")
    assert post(intake, b"")[0] == 400
    assert post(intake, b"x", path="/other")[0] == 404
    assert post(intake, None, method="GET")[0] == 405
    assert post(intake, b"{}", Origin="http://evil.example")[0] == 403
    status, answer = post(intake, b" " * (MIB + 1))
    assert (status, answer["code"]) == (413, 65)
    intake.do("answer", how="refuse", code=75)
    assert post(intake, json.dumps(event()))[0] == 503
    intake.do("answer", how="accept")
    assert post(intake, json.dumps(event()))[0] == 200


def test_http_body_far_too_large(intake_factory):
    intake = intake_factory(http=True)
    try:
        status = post(intake, b"x" * (8 * MIB))[0]
    except OSError:
        status = 413  # cut off while sending
    assert status == 413
    assert post(intake, json.dumps(event()))[0] == 200


def test_http_token(intake_factory):
    intake = intake_factory(http=True, token="s3cret")
    body = json.dumps(event())
    assert post(intake, body)[0] == 401
    assert post(intake, body, Authorization="Bearer s3cre")[0] == 401
    assert post(intake, body, Authorization="Bearer s3crets3cret")[0] == 401
    assert post(intake, body, Authorization="Bearer s3cret")[0] == 200


def test_http_without_a_queue(intake_factory):
    intake = intake_factory(http=True)
    intake.do("die")
    time.sleep(0.1)
    status, answer = post(intake, json.dumps(event()))
    assert (status, answer["code"]) == (503, 75)


# -- life -----------------------------------------------------------------

def test_drain(intake_factory):
    intake = intake_factory()
    c = intake.client()
    intake.do("answer", how="hold")
    c.send({"op": "send", "event": event("socket")})
    intake.drop("a.json", event("file"))
    intake.wait("submit", title="socket")
    intake.wait("submit", title="file")
    intake.do("drain")
    time.sleep(0.2)
    intake.drop("b.json", event("late"))
    assert not intake.seen("drained")
    intake.do("answer", how="accept")
    intake.wait("drained")
    assert c.read()["ok"]
    assert intake.names() == ["b.json"]
    intake.do("stop")
    assert intake.wait("exit")["code"] == 0


def test_without_its_supervisor_it_ends(intake):
    begin = time.monotonic()
    intake.stop()
    assert time.monotonic() - begin < 1
    assert intake.wait("exit")["code"] == 0
