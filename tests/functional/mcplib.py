"""cctgctl mcp as a client sees it, without a library in between.

    mcp = Mcp(tree)              # or Mcp(env=...) without a daemon
    mcp.initialize()
    mcp.call("send_telegram_message", message="hello")["event_id"]
    mcp.request("ping")          # the whole answer
"""

import json
import os
import subprocess
import threading

import pytest

from simlib import program, wait_for
from treelib import FOREIGN

TOOLS = """send_telegram_event send_telegram_message send_task_completion
    send_performance_alert send_approval_request get_telegram_responses
    get_bridge_status list_event_types clear_old_responses
    process_pending_responses start_bridge stop_bridge restart_bridge
    ensure_bridge_running check_bridge_process get_task_status todo
    register_claude_todos switch_to_nomad_mode switch_to_local_mode
    switch_to_mute_mode""".split()
OURS = ["ask", "get_event"]
LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"


def text_of(result):
    """What a tool says: its JSON if it is some, and whether it failed."""
    content, = result["content"]
    assert content["type"] == "text"
    try:
        said = json.loads(content["text"])
    except ValueError:
        said = content["text"]
    return said, result.get("isError", False)


class Mcp:
    def __init__(self, tree=None, args=(), env=None, cwd=None):
        env = dict(env) if env is not None else (
            tree.env if tree else {k: v for k, v in os.environ.items()
                                   if not k.startswith(FOREIGN)})
        config = ["--config", str(tree.conf)] if tree else []
        self.process = subprocess.Popen(
            [str(program("cctgctl")), *config, *map(str, args), "mcp"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=cwd)
        self.lines = []  # everything that came, parsed
        self.news = threading.Condition()
        self.ended = False
        self.last = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(json.loads(line))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def write(self, *messages):
        for message in messages:
            if not isinstance(message, (bytes, str)):
                message = json.dumps(message)
            if isinstance(message, str):
                message = message.encode()
            self.process.stdin.write(message + b"\n")
        self.process.stdin.flush()

    def find(self, wanted, timeout=20.0):
        """The first line for which wanted() is true; it is taken."""
        with self.news:
            def take():
                for i, line in enumerate(self.lines):
                    if wanted(line):
                        return self.lines.pop(i)
                return None

            found = None

            def ready():
                nonlocal found
                found = take()
                return found is not None or self.ended

            self.news.wait_for(ready, timeout)
            assert found is not None, (self.ended, self.lines)
            return found

    def answer(self, id, timeout=20.0):
        return self.find(lambda m: isinstance(m, dict) and "id" in m
                         and m["id"] == id, timeout)

    def start(self, method, params=None, **more):
        """Send a request, return its id."""
        self.last += 1
        message = {"jsonrpc": "2.0", "id": self.last, "method": method, **more}
        if params is not None:
            message["params"] = params
        self.write(message)
        return self.last

    def request(self, method, params=None, timeout=20.0):
        return self.answer(self.start(method, params), timeout)

    def result(self, method, params=None, timeout=20.0):
        answer = self.request(method, params, timeout)
        assert answer.get("jsonrpc") == "2.0" and "result" in answer, answer
        return answer["result"]

    def error(self, *lines):
        """The error that answers lines without an id that can be read."""
        self.write(*lines)
        return self.answer(None)["error"]

    def notify(self, method, **params):
        self.write({"jsonrpc": "2.0", "method": method, "params": params})

    def initialize(self, version=LEGACY[-1]):
        result = self.result("initialize", {
            "protocolVersion": version, "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"}})
        self.notify("notifications/initialized")
        return result

    def tool(self, name, timeout=20.0, **arguments):
        """Call a tool: what it says, and whether it failed."""
        return text_of(self.result(
            "tools/call", {"name": name, "arguments": arguments}, timeout))

    def call(self, name, timeout=20.0, **arguments):
        said, failed = self.tool(name, timeout, **arguments)
        assert not failed, said
        return said

    def start_tool(self, name, meta=None, **arguments):
        params = {"name": name, "arguments": arguments}
        if meta is not None:
            params["_meta"] = meta
        return self.start("tools/call", params)

    def close(self, timeout=10.0):
        """End its input; returns its exit status."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(timeout)
        self.process.stdout.close()
        return status

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            return f.read().split()

    def wait_children(self, n, timeout=10.0):
        wait_for(lambda: len(self.children()) == n, timeout,
                 why=lambda: f"{n} children, not {self.children()}")


@pytest.fixture
def env(tmp_path):
    """An environment without a daemon."""
    return {**{k: v for k, v in os.environ.items()
               if not k.startswith(FOREIGN)},
            "HOME": str(tmp_path), "TMPDIR": str(tmp_path),
            "CCTG_RUNTIME_DIR": str(tmp_path / "run"),
            "CC_TELEGRAM_EVENTS_DIR": str(tmp_path / "events"),
            "CC_TELEGRAM_RESPONSES_DIR": str(tmp_path / "responses")}


@pytest.fixture
def alone(env, tmp_path):
    """A server without a daemon."""
    mcp = Mcp(env=env, cwd=tmp_path)
    yield mcp
    assert mcp.close() == 0
