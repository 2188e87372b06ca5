"""cctgctl mcp with the whole tree: what its tools do, and what becomes of calls
when something is lost."""

import datetime
import json
import os
import time

import pytest

from mcplib import Mcp, env, text_of  # noqa: F401
from simlib import build_dir, wait_for
from treelib import Tree

USER = 1001
RPC = {"jsonrpc": "2.0"}

pytestmark = pytest.mark.skipif(
    not (build_dir() / "cctg-monitor").exists(),
    reason="the tree is not built as a whole")


@pytest.fixture
def tree(tree_for, sim, tmp_path):
    return tree_for(sim, users=(USER,), env={"TMPDIR": str(tmp_path)})


@pytest.fixture
def mcp(tree):
    server = Mcp(tree, cwd=tree.dir)
    server.initialize()
    yield server
    assert server.close() == 0


def test_events_arrive(mcp, sim, tree):
    said = mcp.call("send_telegram_event", type="build_failed",
                    title="Über: 'a/b' ✓", description="it <broke> & so",
                    data={"build_target": "x"}, task_id="task 1")
    assert said["success"] and said["task_id"] == "task 1"
    ids = [said["event_id"]]
    # A second event of the same task is no duplicate.
    for _ in range(2):
        ids.append(mcp.call("send_task_completion", task_id="task 1",
                            title="Refactor", results="All 12 pass",
                            files_affected=["a.c"], duration_ms=65000.5)
                   ["event_id"])
    ids.append(mcp.call("send_telegram_message", message="Hello 🌍")[
        "event_id"])
    ids.append(mcp.call("send_performance_alert", title="Memory",
                        current_value=91.5, threshold=80)["event_id"])
    assert len(set(ids)) == 5
    sim.wait_messages(1, text="Über: 'a/b' ✓")
    sim.wait_messages(1, text="All 12 pass")
    sim.wait_messages(1, text="Hello 🌍")
    sim.wait_messages(1, text="Memory")
    wait_for(lambda: mcp.call("get_event", id=ids[0])["state"] ==
             "delivered")
    event = mcp.call("get_event", id=ids[0])
    assert event["id"] == ids[0] and event["type"] == "build_failed"
    said, failed = mcp.tool("get_event", id="nosuch")
    assert failed and said["code"] == "NOT_FOUND"


def test_bridge_status_is_true(mcp, sim, tree):
    mcp.call("send_telegram_message", message="one")
    sim.wait_messages(1)
    wait_for(lambda: mcp.call("get_bridge_status")["metrics"][
        "events_processed"] >= 1, why="a figure that counts it")
    said = mcp.call("get_bridge_status")
    assert said["running"] and said["health"] == "healthy", said
    assert said["pid"] == tree.process.pid and said["mode"] == "local"
    assert set(said["metrics"]) >= {
        "uptime_seconds", "events_processed", "telegram_messages_sent",
        "error_count", "memory_usage_mb", "cpu_usage_percent"}
    assert said["metrics"]["uptime_seconds"] > 0
    last = datetime.datetime.fromisoformat(said["last_event_time"])
    assert abs(time.time() - last.timestamp()) < 60
    assert said["metrics"]["memory_usage_mb"] > 1
    assert mcp.call("check_bridge_process") == {
        "running": True, "message": "Bridge process is running",
        "pid": tree.process.pid}
    content, = mcp.result("resources/read", {
        "uri": "cctelegram://bridge-status"})["contents"]
    assert json.loads(content["text"])["running"]


def test_modes(mcp, tree):
    for tool, mode in (("nomad", "nomad"), ("mute", "mute"),
                       ("local", "local")):
        said = mcp.call(f"switch_to_{tool}_mode")
        assert said["success"] and said["mode"] == mode
        wait_for(lambda mode=mode: tree.status()["mode"] == mode)


def test_restart_stop_and_start(mcp, tree):
    pid = tree.pid("format/0")
    said = mcp.call("restart_bridge")
    assert said["pid"] == tree.process.pid and "format/0" in said["workers"]
    tree.wait_replaced("format/0", pid)
    assert mcp.call("start_bridge")["message"] == "Bridge is already running"
    assert mcp.call("ensure_bridge_running")["action"] == "already_running"
    assert mcp.call("stop_bridge", timeout=40)["success"]
    assert tree.process.wait(10) == 0
    said = mcp.call("ensure_bridge_running", timeout=40)
    try:
        assert said["action"] == "started" and said["success"]
        assert mcp.call("check_bridge_process")["pid"] == said["pid"]
        assert tree.status()["pid"] == said["pid"]
    finally:
        mcp.call("stop_bridge", timeout=40)


def test_start_says_what_is_wrong(env, tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text('nonsense = "1"\n')
    mcp = Mcp(env={**env, "CCTG_LIBEXECDIR": str(build_dir())},
              args=["--config", conf])
    said, failed = mcp.tool("start_bridge")
    assert failed and not said["success"]
    assert f"{conf}:1: " in said["message"]
    assert mcp.close() == 0


def prompt(sim, text, n=1):
    return sim.wait_messages(n, text=text)[-1]


def test_ask(mcp, sim):
    id = mcp.start_tool("ask", question="Deploy now?\nAll of it.",
                        options=["Fast", "Slow", "No, never"],
                        timeout_seconds=60, details="details here")
    message = prompt(sim, "Deploy now?")
    assert "All of it." in message["text"]
    # It holds up nobody.
    assert mcp.call("check_bridge_process")["running"]
    sim.press(message, "Slow", USER)
    said, failed = text_of(mcp.answer(id)["result"])
    assert not failed and said["action"] == "approve", said
    assert said["option"] == "Slow" and said["by"]["user_id"] == USER
    assert mcp.call("get_event", id=said["id"])["type"] == "approval_request"


def test_ask_denied_and_answered_by_text(mcp, sim):
    id = mcp.start_tool("ask", question="First?", options=["Yes", "No"])
    sim.press(prompt(sim, "First?"), "No", USER)
    said, failed = text_of(mcp.answer(id)["result"])
    assert not failed and (said["action"], said["option"]) == ("deny", "No")
    id = mcp.start_tool("ask", question="Second?")
    message = prompt(sim, "Second?")
    sim.say("rather blue", chat=USER, reply_to=message["message_id"])
    said, failed = text_of(mcp.answer(id)["result"])
    assert not failed and said["text"] == "rather blue", said
    assert said["action"] == "text"


def test_ask_that_nobody_answers(mcp, sim):
    said, failed = mcp.tool("ask", question="Nobody?", timeout_seconds=1)
    assert failed and said["code"] == "TIMED_OUT", said


def buttons_gone(sim, message):
    return wait_for(lambda: [
        m for m in sim.messages(chat=message["chat_id"])
        if m["message_id"] == message["message_id"] and
        not m.get("buttons")], why="the buttons to go")


def test_cancelled_calls_get_no_answer(mcp, sim):
    id = mcp.start_tool("ask", question="Cancel me?")
    message = prompt(sim, "Cancel me?")
    mcp.notify("notifications/cancelled", requestId=id, reason="enough")
    mcp.notify("notifications/cancelled", requestId="nosuch")
    mcp.notify("notifications/cancelled")
    mcp.wait_children(0)
    buttons_gone(sim, message)
    assert mcp.result("ping") == {}
    assert not [m for m in mcp.lines if m.get("id") == id]


def test_the_end_of_the_server_withdraws(tree, sim):
    mcp = Mcp(tree)
    mcp.start_tool("ask", question="Stay?")
    message = prompt(sim, "Stay?")
    begin = time.monotonic()
    assert mcp.close() == 0
    assert time.monotonic() - begin < 3
    buttons_gone(sim, message)


def test_killed_server_leaves_no_processes(tree, sim):
    mcp = Mcp(tree)
    mcp.start_tool("ask", question="Orphan?")
    message = prompt(sim, "Orphan?")
    child, = mcp.children()
    mcp.process.kill()
    mcp.process.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{child}"))
    buttons_gone(sim, message)


def test_progress(mcp, sim):
    id = mcp.start_tool("ask", {"progressToken": "tok"}, question="Wait?",
                        timeout_seconds=60)
    seen = [mcp.find(lambda m: m.get("method") == "notifications/progress")
            ["params"] for _ in range(2)]
    assert [p["progressToken"] for p in seen] == ["tok", "tok"]
    assert seen[0]["progress"] < seen[1]["progress"] < seen[1]["total"] == 60
    sim.press(prompt(sim, "Wait?"), "Approve", USER)
    assert not mcp.answer(id)["result"]["isError"]


def test_ids_in_use_are_refused(mcp, sim):
    id = mcp.start_tool("ask", question="Busy?")
    message = prompt(sim, "Busy?")
    mcp.write({**RPC, "id": id, "method": "ping"})
    assert mcp.answer(id)["error"]["code"] == -32600
    sim.press(message, "Approve", USER)
    assert mcp.answer(id)["result"]


def test_concurrent_calls(mcp, sim):
    asks = {mcp.start_tool("ask", question=f"Question {i}?"): i
            for i in range(8)}
    sends = [mcp.start_tool("send_telegram_message", message=f"message {i}")
             for i in range(40)]
    for id in sends:
        assert not mcp.answer(id)["result"]["isError"]
    for id, i in reversed(asks.items()):
        sim.press(prompt(sim, f"Question {i}?"), "Approve", USER)
        assert text_of(mcp.answer(id)["result"])[0]["action"] == "approve"
    sim.wait_messages(1, text="message 39")


def test_too_many_calls_at_once(mcp, sim):
    ids = [mcp.start_tool("ask", question=f"Many {i}") for i in range(130)]
    for id in ids[128:]:
        error = mcp.answer(id)["error"]
        assert error["code"] == -32603 and "128" in error["message"]
    for id in ids[:128]:
        mcp.notify("notifications/cancelled", requestId=id)
    mcp.wait_children(0)
    assert mcp.call("check_bridge_process")["running"]


@pytest.mark.parametrize("name", ["queue", "intake", "telegram"])
def test_answers_survive_a_lost_worker(mcp, sim, tree, name):
    id = mcp.start_tool("ask", question="Survive?")
    message = prompt(sim, "Survive?")
    tree.kill_impatiently(name)
    sim.press(message, "Approve", USER)
    said, failed = text_of(mcp.answer(id)["result"])
    assert not failed and said["action"] == "approve"
    assert len(sim.messages(text="Survive?")) == 1


def test_approval_request_and_its_response(mcp, sim):
    said = mcp.call("send_approval_request", title="Ship?",
                    description="Ship 1.2?", options=["Ship it", "No"])
    sim.press(prompt(sim, "Ship?"), "Ship it", USER)
    wait_for(lambda: mcp.call("process_pending_responses")["summary"][
        "pending_approvals"] == 1)
    done, = mcp.call("process_pending_responses")["actionable_responses"]
    assert (done["action"], done["task_id"]) == ("approve", said["task_id"])
    assert done["user_id"] == USER and done["option"] == "Ship it"
    assert mcp.call("get_telegram_responses")["total"] == 1
