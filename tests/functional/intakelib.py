"""cctg-intake alone, with intake-queue as its supervisor and queue, and a
client of its socket."""

import collections
import json
import os
import socket
import subprocess
import threading

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
