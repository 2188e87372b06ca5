"""A server that says what the test wants, for tests of cctgctl; `run` and
`daemon` are fixtures for the files that import them."""

import json
import os
import socket
import subprocess
import threading

import pytest

from simlib import build_dir

CTL = str(build_dir() / "cctgctl")


class FakeDaemon:
    """Listens on both sockets; answers with what `answer` returns for a
    request: an object, a list of objects, bytes, or None to hang up."""

    def __init__(self, directory, answer):
        self.answer = answer
        self.hang_up = lambda request: False
        self.requests = []
        self.hung_up = 0
        self.connections = []
        self.listeners = []
        for name in ("control.sock", "submit.sock"):
            s = socket.socket(socket.AF_UNIX)
            s.bind(str(directory / name))
            s.listen(8)
            self.listeners.append(s)
            threading.Thread(target=self.accept, args=(s,),
                             daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,),
                             daemon=True).start()

    def serve(self, s):
        self.connections.append(s)
        with s, s.makefile("rb") as f:
            for line in self.lines(f):
                request = json.loads(line)
                self.requests.append(request)
                said = self.answer(request)
                if said is None:
                    return
                if isinstance(said, dict):
                    said = [said]
                if isinstance(said, list):
                    said = b"".join(json.dumps(o).encode() + b"\n"
                                    for o in said)
                s.sendall(said)
                if self.hang_up(request):
                    return

    def lines(self, f):
        """Until the client hangs up, which is counted."""
        try:
            yield from f
        except OSError:
            pass
        self.hung_up += 1

    def hang_up_all(self):
        for s in self.connections:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        while self.listeners:
            s = self.listeners.pop()
            s.shutdown(socket.SHUT_RDWR)
            s.close()


@pytest.fixture
def run(tmp_path):
    """Run cctgctl with a runtime directory and a home of its own."""
    (tmp_path / "run").mkdir()

    def ctl(*args, stdin="", timeout=20, env=None):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path),
                       "CCTG_RUNTIME_DIR": str(tmp_path / "run"),
                       "CC_TELEGRAM_EVENTS_DIR": str(tmp_path / "events")}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS",
                     "GCOV_PREFIX"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(env or {})
        return subprocess.run([CTL, *map(str, args)], input=stdin, text=True,
                              errors="surrogateescape", capture_output=True,
                              timeout=timeout, env=environment, cwd=tmp_path)

    return ctl


@pytest.fixture
def daemon(tmp_path, run):
    """A fake daemon whose answers a test sets: daemon.answer = …"""
    fake = FakeDaemon(tmp_path / "run", lambda request: {"ok": True})
    yield fake
    fake.close()
