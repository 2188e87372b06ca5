"""A cctgd under test.

    tree = Tree(tmp_path)                # the real workers
    tree = Tree(tmp_path, dummy=True)    # workers that misbehave on command
    tree.ask("status")["state"]
    tree.ctl("queue", "list")            # (exit code, JSON)
    tree.submit({"op": "send", ...})     # the answers of submit.sock
    tree.kill("format/0")
    tree.stop()
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

from simlib import build_dir, program, wait_for

CLASSES = ("queue", "intake", "telegram", "redis", "monitor", "analyze",
           "format", "compress")
# What must not reach a daemon under test from whoever runs the tests.
FOREIGN = ("TELEGRAM_", "CC_TELEGRAM_", "CCTG_", "NOTIFY_SOCKET", "WATCHDOG_",
           "CREDENTIALS_DIRECTORY", "LISTEN_")


def sanitized():
    """Was it built with AddressSanitizer, which catches signals itself and
    keeps freed memory?"""
    return b"__asan_init" in program("cctgd").read_bytes()


class Tree:
    def __init__(self, directory, dummy=False, config="", start=True,
                 name="cctgd", args=(), env=None, wait=True):
        self.dir = pathlib.Path(directory)
        self.run = self.dir / "run"
        self.conf = self.dir / "cctgd.conf"
        self.logfile = self.dir / "log"
        self.process = None
        self.name = name
        self.args = list(args)
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(FOREIGN)}
        self.env["HOME"] = str(self.dir)
        self.program = program("cctgd")
        if self.program.parent == build_dir():
            self.env["CCTG_LIBEXECDIR"] = str(build_dir())
        if dummy:
            self._make_dummies()
        self.env.update(env or {})
        if name != "cctgd":
            link = self.dir / name
            link.unlink(missing_ok=True)
            link.symlink_to(self.program)
            self.program = link
        self.write_config(config)
        if start:
            self.start(wait)

    def _make_dummies(self):
        lib = self.dir / "lib"
        lib.mkdir(exist_ok=True)
        # A copy: the user of the workers may not reach where it was built.
        if not (lib / "dummy-worker").exists():
            shutil.copy(build_dir() / "tests/functional/dummy-worker", lib)
        for name in CLASSES:
            link = lib / f"cctg-{name}"
            if not link.is_symlink():
                link.symlink_to("dummy-worker")
        self.env.update({"CCTG_LIBEXECDIR": str(lib), "CCTG_SANDBOX": "off",
                         "CCTG_DUMMY_DIR": str(self.dir)})

    def write_config(self, config):
        """The four directories, no listener unless config has one."""
        text = "".join(f'{key} = "{self.dir / value}"\n' for key, value in (
            ("runtime_dir", "run"), ("state_dir", "state"),
            ("events_dir", "events"), ("responses_dir", "responses")))
        if "monitor" not in config:
            text += "monitor { listen = {} }\n"
        self.conf.write_text(text + config)

    # -- life -------------------------------------------------------------

    def start(self, wait=True):
        with open(self.logfile, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [str(self.program), "--config", str(self.conf), *self.args],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.dir)
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.stop(signal.SIGKILL)
                raise
        return self

    def wait_ready(self, timeout=10.0):
        wait_for(self.is_up, timeout, why=lambda: f"ready:\n{self.log()}")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"cctgd ended with {self.process.returncode}"
                                 f":\n{self.log()}")
        try:
            return self.ask("wait", what="ready", timeout_ms=5000)["ok"]
        except OSError:
            return False

    def stop(self, sig=signal.SIGTERM, timeout=10.0):
        """Stop it; returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def log(self):
        return self.logfile.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, text, timeout=10.0):
        wait_for(lambda: text in self.log(), timeout, why=f"log: {text}")

    # -- control.sock -----------------------------------------------------

    def connect(self, name="control.sock", timeout=30.0):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(str(self.run / name))
        except OSError:
            s.close()
            raise
        s.settimeout(timeout)
        return s

    def wait_listening(self):
        """Wait until somebody answers, ready or not."""
        def answered():
            try:
                return self.ask("ping")["ok"]
            except OSError:
                return False
        wait_for(answered, why=lambda: f"an answer:\n{self.log()}")

    def ask(self, op, **fields):
        with self.connect() as s, s.makefile("rw") as f:
            f.write(json.dumps({"op": op, **fields}) + "\n")
            f.flush()
            return json.loads(f.readline())

    def status(self):
        return self.ask("status")

    def worker(self, name):
        for worker in self.ask("workers")["workers"]:
            if worker["name"] == name:
                return worker
        return None

    def names(self):
        return [w["name"] for w in self.ask("workers")["workers"]]

    def pid(self, name):
        return self.worker(name)["pid"]

    def kill(self, name, sig=signal.SIGKILL):
        pid = self.pid(name)
        os.kill(pid, sig)
        return pid

    def kill_impatiently(self, name):
        """Kill a worker; return when it is replaced, without the wait that
        crashes cause, since nobody who asks for a restart has to wait."""
        pid = self.kill(name)
        wait_for(lambda: self.pid(name) != pid, interval=0.002)
        if self.pid(name) is None:
            self.ask("restart", worker=name)
        self.wait_replaced(name, pid)

    def wait_state(self, name, state, timeout=10.0):
        return wait_for(
            lambda: (w := self.worker(name)) and w["state"] == state and w,
            timeout, why=lambda: f"{name} {state}:\n{self.log()[-3000:]}")

    def wait_replaced(self, name, pid, timeout=10.0):
        """Wait until a process other than pid is ready; seconds it took."""
        begin = time.monotonic()
        wait_for(lambda: (w := self.worker(name)) and w["pid"] != pid
                 and w["state"] == "ready", timeout, 0.005,
                 why=lambda: f"{name} replaced:\n{self.log()[-3000:]}")
        return time.monotonic() - begin

    def pids(self):
        """The process of each worker, and "cctgd"."""
        return {"cctgd": self.process.pid,
                **{w["name"]: w["pid"] for w in self.ask("workers")["workers"]
                   if w["pid"]}}

    # -- events -----------------------------------------------------------

    @property
    def events(self):
        return self.dir / "events"

    def waiting(self):
        """The event files that are still in the directory."""
        return [p for p in self.events.iterdir() if p.is_file()]

    def drop(self, event, name="event.json"):
        """Put an event into the directory, as the MCP server does."""
        text = event if isinstance(event, str) else json.dumps(event)
        (self.events / name).write_text(text, encoding="utf-8")

    def submit(self, *requests, timeout=30.0):
        """Send requests down submit.sock at once, return their answers."""
        lines = "".join(json.dumps(r) + "\n" for r in requests)
        with self.connect("submit.sock", timeout) as s, \
                s.makefile("r", encoding="utf-8") as f:
            sender = threading.Thread(target=s.sendall,
                                      args=(lines.encode(),), daemon=True)
            sender.start()
            answers = [json.loads(f.readline()) for _ in requests]
            sender.join()
            return answers

    def send(self, **event):
        """Submit one event, return its id."""
        answer, = self.submit({"op": "send", "event": event})
        assert answer["ok"], answer
        return answer["id"]

    def ctl(self, *args, timeout=60):
        """Run cctgctl --json: (exit code, what it printed)."""
        out = subprocess.run(
            [str(program("cctgctl")), "--config", str(self.conf), "--json",
             *map(str, args)], text=True, capture_output=True, env=self.env,
            timeout=timeout, check=False)
        return out.returncode, json.loads(out.stdout or "null")

    def wait_settled(self, timeout=30.0):
        """Wait until nothing is on its way any more."""
        def settled():
            queue = self.status()["queue"]
            return not (queue["pending"] or queue["inflight"]
                        or self.waiting()) and queue
        return wait_for(settled, timeout,
                        why=lambda: f"settled:\n{self.log()[-3000:]}")

    # -- dummies ----------------------------------------------------------

    def order(self, name, text):
        """Give a dummy an order; returns when it has read it."""
        path = self.dir / ("do." + name.replace("/", "."))
        part = path.with_suffix(".part")
        part.write_text(text)
        part.rename(path)
        wait_for(lambda: not path.exists(), why=f"{name} reads its order")

    def at_start(self, name, text):
        path = self.dir / ("start." + name.replace("/", "."))
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)
