"""cctgctl mcp and the official clients from npm: each tool, each era.

Skipped where there is no node, or the packages are not to be had.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest

from mcplib import LEGACY, MODERN, OURS, TOOLS, text_of
from simlib import SOURCE, build_dir, program, wait_for

HERE = SOURCE / "tests/functional/mcp"
NODE = shutil.which("node")
NPM = shutil.which("npm")
USER = 1001
# Package and mode: how they speak, and what they then agree on.
CLIENTS = {"sdk": ("sdk", "legacy", LEGACY[-1]),
           "client-legacy": ("client", "legacy", LEGACY[-1]),
           "client-auto": ("client", "auto", MODERN),
           "client-pin": ("client", "pin", MODERN)}

pytestmark = pytest.mark.skipif(
    not (build_dir() / "cctg-monitor").exists(),
    reason="the tree is not built as a whole")


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A directory with client.mjs and the packages that it needs."""
    if not NODE or not NPM:
        pytest.skip("no node or no npm")
    version = subprocess.run([NODE, "--version"], text=True, check=True,
                             capture_output=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 20:
        pytest.skip(f"node {version.strip()} is older than 20")
    directory = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "client.mjs"):
        shutil.copy(HERE / name, directory)
    try:
        done = subprocess.run(
            [NPM, "install", "--ignore-scripts", "--no-audit", "--no-fund",
             "--prefer-offline", "--fetch-retries=0",
             "--fetch-timeout=20000", "--loglevel=error"],
            cwd=directory, capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install takes too long")
    if done.returncode != 0:
        pytest.skip(f"npm install: {done.stderr[-300:]}")
    return directory


class Sdk:
    def __init__(self, packages, client, tree):
        package, mode, self.version = CLIENTS[client]
        self.process = subprocess.Popen(
            [NODE, "client.mjs", package, mode, str(program("cctgctl")),
             "--config", str(tree.conf), "mcp"], cwd=packages, env=tree.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.news = threading.Condition()
        self.last = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(json.loads(line))
                self.news.notify_all()

    def find(self, wanted, timeout=40.0):
        found = []

        def ready():
            for i, line in enumerate(self.lines):
                if wanted(line):
                    found.append(self.lines.pop(i))
                    return True
            return False

        with self.news:
            self.news.wait_for(ready, timeout)
        assert found, self.lines
        return found[0]

    def start(self, what, arguments=None, **more):
        self.last += 1
        self.process.stdin.write(json.dumps(
            {"id": self.last, "do": what, "with": arguments, **more}) + "\n")
        self.process.stdin.flush()
        return self.last

    def answer(self, id):
        return self.find(lambda m: m.get("id") == id)

    def do(self, what, arguments=None, **more):
        answer = self.answer(self.start(what, arguments, **more))
        assert "result" in answer, answer
        return answer["result"]

    def start_tool(self, tool, more=None, **arguments):
        return self.start("callTool", {"name": tool, "arguments": arguments},
                          **(more or {}))

    def tool(self, tool, **arguments):
        answer = self.answer(self.start_tool(tool, **arguments))
        assert "result" in answer, answer
        return text_of(answer["result"])

    def call(self, tool, **arguments):
        said, failed = self.tool(tool, **arguments)
        assert not failed, (tool, said)
        return said

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.reader.join(10)
        self.process.stdout.close()


@pytest.fixture
def tree(tree_for, sim, tmp_path):
    return tree_for(sim, users=(USER,), env={"TMPDIR": str(tmp_path)})


@pytest.fixture(params=CLIENTS)
def sdk(request, packages, tree):
    client = Sdk(packages, request.param, tree)
    yield client
    client.stop()


def answered(sim, text, button):
    message = sim.wait_messages(1, text=text)[-1]
    sim.press(message, button, USER)


def call_every_tool(sdk, sim, tree):
    """Yields the name of each tool that was called with success."""
    def called(name, **arguments):
        said = sdk.call(name, **arguments)
        names.add(name)
        return said

    names = set()
    said = called("send_telegram_event", type="task_started",
                  title="Begun", description="by the SDK",
                  data={"severity": "low"})
    called("send_telegram_message", message="Hello SDK")
    called("send_task_completion", title="Task of the SDK", task_id=said[
        "task_id"], results="done", files_affected=["a"], duration_ms=5)
    called("send_performance_alert", title="Heat", current_value=91,
           threshold=80, severity="high")
    for text in ("Begun", "Hello SDK", "Task of the SDK", "Heat"):
        sim.wait_messages(1, text=text)
    assert called("get_event", id=said["event_id"])["id"] == said["event_id"]
    called("send_approval_request", title="Approve me?",
           description="Really?", options=["Yes", "No"])
    answered(sim, "Approve me?", "Yes")
    wait_for(lambda: called("process_pending_responses", since_minutes=5)[
        "summary"]["pending_approvals"] == 1)
    assert called("get_telegram_responses", limit=5)["count"] == 1
    assert called("clear_old_responses", older_than_hours=1)[
        "deleted_count"] == 0
    ask = sdk.start_tool("ask", question="Which?", options=["A", "B"])
    answered(sim, "Which?", "B")
    said, failed = text_of(sdk.answer(ask)["result"])
    assert not failed and (said["action"], said["option"]) == ("approve", "B")
    names.add("ask")
    assert called("list_event_types", category="git")["count"] == 7
    assert called("register_claude_todos", todos=[
        {"id": "1", "content": "x", "status": "pending"}])["success"]
    assert called("get_task_status", task_system="claude-code")[
        "claude_code_tasks"]["total_count"] == 1
    assert "**x**" in called("todo", task_system="claude-code")
    for mode in ("nomad", "mute", "local"):
        assert called(f"switch_to_{mode}_mode")["mode"] == mode
    assert called("check_bridge_process")["running"]
    assert called("get_bridge_status")["running"]
    assert called("ensure_bridge_running")["action"] == "already_running"
    assert called("restart_bridge")["success"]
    tree.wait_ready()
    assert called("stop_bridge")["success"]
    tree.process.wait(10)
    pid = called("start_bridge")["pid"]
    try:
        assert sdk.call("check_bridge_process")["pid"] == pid
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not pathlib.Path(tree.run / "control.sock").exists()
                 or not sdk.tool("check_bridge_process")[0]["running"])
    return names


def test_every_tool(sdk, sim, tree):
    said = sdk.do("connect")
    assert said["server"]["name"] == "cctg"
    assert said.get("version", sdk.version) == sdk.version, said
    tools = {t["name"] for t in sdk.do("listTools")["tools"]}
    assert tools == {*TOOLS, *OURS}
    assert call_every_tool(sdk, sim, tree) == tools
    assert sdk.do("faults") == []


def test_errors_and_resources(sdk, sim):
    sdk.do("connect")
    answer = sdk.answer(sdk.start_tool("nosuch"))
    assert answer["code"] == -32602, answer
    said, failed = sdk.tool("send_telegram_message", message="")
    assert failed and said["field"] == "message"
    resources = sdk.do("listResources")["resources"]
    assert len(resources) == 4
    for resource in resources:
        content, = sdk.do("readResource", {"uri": resource["uri"]})[
            "contents"]
        assert json.loads(content["text"]) is not None
    assert sdk.do("listResourceTemplates")["resourceTemplates"] == []
    answer = sdk.answer(sdk.start("readResource", {"uri": "x:y"}))
    assert answer["code"] in (-32602, -32002), answer
    if sdk.version != MODERN:
        assert sdk.do("ping") == {}
    assert sdk.do("faults") == []


def test_concurrent_calls_progress_and_abort(sdk, sim):
    sdk.do("connect")
    first = sdk.start_tool("ask", {"progress": True}, question="First?",
                           timeout_seconds=60)
    second = sdk.start_tool("ask", question="Second?")
    message = sim.wait_messages(1, text="Second?")[-1]
    sends = [sdk.start_tool("send_telegram_message", message=f"m {i}")
             for i in range(10)]
    for id in sends:
        assert not text_of(sdk.answer(id)["result"])[1]
    for _ in range(2):
        progress = sdk.find(lambda m: m.get("of") == first)["progress"]
        assert progress["total"] == 60
    sdk.do("abort", {"of": second})
    assert "error" in sdk.answer(second)
    wait_for(lambda: [m for m in sim.messages(text="Second?")
                      if m["message_id"] == message["message_id"]
                      and not m.get("buttons")], why="it is withdrawn")
    answered(sim, "First?", "Approve")
    assert text_of(sdk.answer(first)["result"])[0]["action"] == "approve"
    assert sdk.do("faults") == []


def test_changes_are_told(sdk, sim):
    """When people answer, by what the client has for that in its era."""
    uri = "cctelegram://responses"
    sdk.do("connect")
    sdk.do("updates")
    if sdk.version == MODERN:
        listen = sdk.start("listen", {
            "resourceSubscriptions": [uri, "x:y"], "toolsListChanged": True})
        assert sdk.answer(listen)["result"] == {
            "resourceSubscriptions": [uri]}
    else:
        sdk.do("subscribe", {"uri": uri})
    sdk.call("send_approval_request", title="Tell me?", description="Well?")
    answered(sim, "Tell me?", "Approve")
    assert sdk.find(lambda m: "updated" in m)["updated"] == uri
    assert sdk.call("process_pending_responses")["summary"][
        "pending_approvals"] == 1
    if sdk.version == MODERN:
        sdk.do("unlisten", {"of": listen})
        assert sdk.find(lambda m: "ended" in m)["ended"] == "local"
    else:
        sdk.do("unsubscribe", {"uri": uri})
    assert sdk.do("faults") == []
