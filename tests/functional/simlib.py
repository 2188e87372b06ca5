"""The Bot API simulator as a test sees it.

    sim = Sim()                     # starts it on a free port
    ... point the program under test at sim.url, with the token sim.token ...
    sim.wait_messages(1, text="hello")
    sim.stop()

tests/sim/README.md documents the control API behind these methods.
"""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.parse

TOKEN = "123456789:AAE-simulated-token-of-a-bot-abcdefg"
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def build_dir():
    """Where the programs were built: $CCTG_BUILDDIR, else the source tree."""
    return pathlib.Path(os.environ.get("CCTG_BUILDDIR", SOURCE))


def program(name):
    """One of our programs: as installed under $CCTG_PREFIX, else as built."""
    prefix = os.environ.get("CCTG_PREFIX")
    if prefix:
        for place in ("sbin", "bin", "libexec/cctg"):
            path = pathlib.Path(prefix, place, name)
            if path.exists():
                return path
    return build_dir() / name


def has_ipv6():
    """Is there an IPv6 loopback?"""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def wait_for(what, timeout=10.0, interval=0.02, why=None):
    """Call what() until it is true and return that; fail after timeout."""
    end = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() >= end:
            why = why() if callable(why) else why
            raise AssertionError(
                f"not within {timeout} s: {why or what.__name__}")
        time.sleep(interval)


class Sim:
    def __init__(self, *args, token=TOKEN, port=0, ready_timeout=10.0):
        self.token = token
        command = [str(build_dir() / "tests/sim/cctg-sim"),
                   "--port", str(port)]
        if token is not None:
            command += ["--token", token]
        self.process = subprocess.Popen(
            command + [str(arg) for arg in args],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"cctg-sim did not start: {line!r}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    # -- requests ---------------------------------------------------------

    def request(self, verb, path, body=None, headers=None, timeout=60):
        """One request on a connection of its own: (status, parsed JSON)."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=timeout)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
                headers = {"Content-Type": "application/json",
                           **(headers or {})}
            connection.request(verb, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def control(self, verb, path, body=None, **query):
        query = {k: v for k, v in query.items() if v is not None}
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, answer = self.request(verb, "/sim" + path, body)
        if status != 200:
            raise ValueError(f"/sim{path}: {status} {answer}")
        return answer

    def api(self, method, **params):
        """Call a method as a bot would: (status, answer)."""
        return self.request("POST", f"/bot{self.token}/{method}", params)

    # -- what it saw ------------------------------------------------------

    def messages(self, chat=None, text=None, since=None, limit=None,
                 thread=None, all=None):
        """Messages of the bot, oldest first; deleted ones are among them."""
        return self.control("GET", "/messages", chat=chat, text=text,
                            since=since, limit=limit, thread=thread,
                            all=all)

    def count(self, chat=None):
        return self.control("GET", "/count", chat=chat)

    def stats(self):
        return self.control("GET", "/stats")

    def requests(self, limit=None):
        return self.control("GET", "/requests", limit=limit)

    def answers(self, limit=None):
        """The answerCallbackQuery calls."""
        return self.control("GET", "/answers", limit=limit)

    def wait_messages(self, n=1, timeout=10.0, **filters):
        """Wait until at least n messages pass the filters, return them."""
        return wait_for(
            lambda: (lambda m: m if len(m) >= n else None)(
                self.messages(**filters)),
            timeout, why=f"{n} messages with {filters}")

    # -- what it shall do -------------------------------------------------

    def fault(self, kind, method="*", **options):
        return self.control("POST", "/fault",
                            {"kind": kind, "method": method, **options})

    def faults(self):
        return self.control("GET", "/fault")

    def clear_faults(self):
        return self.control("DELETE", "/fault")

    def chat(self, id, **options):
        return self.control("POST", "/chat", {"id": id, **options})

    def update(self, **update):
        """Something that a person does: see README.md."""
        return self.control("POST", "/update", update)

    def say(self, text, chat, user=None, **more):
        return self.update(text=text, chat=chat, user=user or abs(chat),
                           **more)

    def press(self, message, button, user, **more):
        """Press the button (its text or number) of a message."""
        return self.update(chat=message["chat_id"], user=user, button=button,
                           message_id=message["message_id"], **more)

    def redeliver(self, update_id):
        return self.control("POST", "/redeliver", {"update_id": update_id})

    def reset(self):
        return self.control("POST", "/reset", {})

    # -- its end ----------------------------------------------------------

    def stop(self):
        """Stop it and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
