"""Answers come back: ask, approvals, hooks and people, with the whole tree
and the simulator."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from simlib import build_dir, wait_for

pytestmark = pytest.mark.skipif(
    not (build_dir() / "cctg-monitor").exists(),
    reason="the tree is not built as a whole")

USER = 1001


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim, users=(USER,))


class Ctl:
    def __init__(self, tree):
        self.tree = tree
        self.started = []

    def start(self, *args, stdin=None):
        process = subprocess.Popen(
            [str(build_dir() / "cctgctl"), "--config", str(self.tree.conf),
             *map(str, args)], text=True, env=self.tree.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        if stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
            process.stdin = None
        self.started.append(process)
        return process

    def __call__(self, *args, code=0, stdin=""):
        process = self.start(*args, stdin=stdin)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (args, out, err)
        return out


@pytest.fixture
def ctl(tree):
    ctl = Ctl(tree)
    yield ctl
    for process in ctl.started:
        process.kill()
        process.communicate()


def result(process):
    out, err = process.communicate(timeout=20)
    return process.returncode, out


def press(sim, message, label):
    sim.press(message, label, user=USER)


def question(sim, text):
    return sim.wait_messages(1, chat=USER, text=text)[-1]


@pytest.mark.parametrize("label, code", [("Fast", 0), ("No way", 5)])
def test_ask(ctl, sim, label, code):
    process = ctl.start("ask", "Which <way> & how?", "-o", "Fast", "-o",
                        "Slow", "-o", "No way", "-t", "60")
    press(sim, question(sim, "Which <way> & how?"), label)
    assert result(process) == (code, label + "\n")


def test_ask_many_in_a_row(ctl):
    """The wish for the answer does not arrive before the question."""
    for _ in range(20):
        process = ctl.start("ask", "Sure?", "-t", "60")
        ids = wait_for(lambda: [a["id"] for a in json.loads(ctl(
            "approvals", "--json"))["approvals"]])
        ctl("approvals", "allow", ids[0][:30])
        assert result(process) == (0, "Approve\n")


def test_ask_is_answered_by_a_text(ctl, sim):
    process = ctl.start("ask", "What now?", "-t", "60")
    message = question(sim, "What now?")
    sim.say("take the ferry", chat=USER, reply_to=message["message_id"])
    assert result(process) == (0, "take the ferry\n")


def test_ask_expires(ctl, sim):
    assert ctl("ask", "Still there?", "-t", "1s", code=6) == ""
    assert ctl("ask", "Still there?", "-t", "1s", "--default", "no",
               code=5) == "no\n"
    assert json.loads(ctl("approvals", "--json")) == {"approvals": []}


def test_ask_interrupted_withdraws(ctl, sim):
    process = ctl.start("ask", "Sure?", "-t", "60")
    message = question(sim, "Sure?")
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    wait_for(lambda: json.loads(ctl("approvals", "--json"))
             == {"approvals": []})
    wait_for(lambda: "Withdrawn" in [
        m for m in sim.messages(chat=USER)
        if m["message_id"] == message["message_id"]][-1]["text"])


@pytest.mark.parametrize("victim", ["queue", "telegram", "intake",
                                    "analyze/0", "format/0"])
def test_ask_outlives_workers(ctl, sim, tree, victim):
    process = ctl.start("ask", "Sure?", "-t", "60")
    message = question(sim, "Sure?")
    tree.kill(victim)
    time.sleep(0.5)
    press(sim, message, "Approve")
    assert result(process) == (0, "Approve\n")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_ask_outlives_the_daemon(ctl, sim, tree, sig):
    """The press comes while nobody is there."""
    asking = ctl.start("ask", "Sure?", "-t", "60")
    message = question(sim, "Sure?")
    hook = ctl.start("hook", "claude",
                     stdin=payload("PermissionRequest", **CALL))
    permission = question(sim, "make <all> & wait")
    tree.process.send_signal(sig)
    tree.process.wait(timeout=10)
    press(sim, message, "Deny")
    time.sleep(1)
    tree.start()
    assert result(asking) == (5, "Deny\n")
    press(sim, permission, "Allow")
    code, out = result(hook)
    assert code == 0 and '"allow"' in out


def test_approvals(ctl, sim):
    process = ctl.start("ask", "Sure?", "-t", "60")
    question(sim, "Sure?")
    one, = json.loads(ctl("approvals", "--json"))["approvals"]
    assert one["title"] == "Sure?"
    ctl("approvals", "deny", one["id"])
    assert result(process) == (5, "Deny\n")
    ctl("approvals", "allow", one["id"], code=1)
    ctl("approvals", "allow", "nobody", code=4)


SESSION = {"session_id": "0a1b2c3d-1", "cwd": "/home/x/shop"}
CALL = {"tool_name": "Bash", "tool_input": {"command": "make <all> & wait"}}


def payload(name, **members):
    return json.dumps({**SESSION, "hook_event_name": name, **members})


@pytest.mark.parametrize("label, behavior", [("Allow", "allow"),
                                             ("Deny", "deny")])
def test_hook(ctl, sim, label, behavior):
    process = ctl.start("hook", "claude",
                        stdin=payload("PermissionRequest", **CALL))
    message = question(sim, "make <all> & wait")
    assert "shop: Claude wants to use Bash" in message["text"]
    # What does not matter for most is behind a button.
    assert "session_id" not in message["text"]
    press(sim, message, "📄 Details")
    question(sim, "session_id")
    press(sim, message, label)
    code, out = result(process)
    assert code == 0
    decision = json.loads(out)["hookSpecificOutput"]["decision"]
    assert decision["behavior"] == behavior


@pytest.mark.parametrize("name, members", [
    ("PostToolUse", CALL), ("Stop", {}), ("SessionEnd", {}),
    ("UserPromptSubmit", {"prompt": "go on"})])
def test_hook_settles(ctl, sim, name, members):
    process = ctl.start("hook", "claude",
                        stdin=payload("PermissionRequest", **CALL))
    question(sim, "make <all> & wait")
    assert ctl("hook", "claude", stdin=payload(name, **members)) == ""
    assert result(process) == (0, "")
    assert json.loads(ctl("approvals", "--json")) == {"approvals": []}


@pytest.mark.parametrize("victim", ["intake", "queue", "cctgd"])
def test_hooks_of_a_daemon_that_hangs(ctl, sim, tree, victim):
    """It holds up no hook, and what they tell comes once, when it goes on.
    How long they may take, test_ctl_hook.py knows; here is more to wait for
    than the daemon."""
    ctl("hook", "claude", stdin=payload("Stop"))
    sim.wait_messages(1, chat=USER, text="Claude has finished")
    pid = tree.pids()[victim]
    os.kill(pid, signal.SIGSTOP)
    try:
        for name, members in (
                ("PostToolUse", CALL), ("SubagentStop", {}),
                ("Notification", {"message": "Look here"}),
                ("StopFailure", {"error": "rate_limit"})):
            begin = time.monotonic()
            assert ctl("hook", "claude", stdin=payload(
                name, **members)) == "", name
            assert time.monotonic() - begin < 4, name
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            assert victim != "cctgd"  # it was found and replaced
    for text in ("Look here", "rate_limit"):
        sim.wait_messages(1, chat=USER, text=text, timeout=30)
    tree.wait_ready()
    tree.wait_settled()
    for text in ("Look here", "rate_limit"):
        assert len(sim.messages(chat=USER, text=text)) == 1, text


def test_questions_of_claude(ctl, sim):
    """Its own options are the buttons, and a text is an answer, too."""
    call = {"tool_name": "AskUserQuestion", "tool_input": {"questions": [
        {"question": "Which <way>?", "header": "Way", "options": [
            {"label": "Left & up", "description": "along the river"},
            {"label": "No way"}]},
        {"question": "When?", "options": [{"label": "Now"}],
         "multiSelect": True}]}}
    process = ctl.start("hook", "claude",
                        stdin=payload("PermissionRequest", **call))
    message = question(sim, "Which <way>?")
    assert "Left & up: along the river" in message["text"]
    press(sim, message, "No way")
    message = question(sim, "When?")
    sim.say("At dawn", chat=USER, reply_to=message["message_id"])
    code, out = result(process)
    assert code == 0
    decision = json.loads(out)["hookSpecificOutput"]["decision"]
    assert decision["behavior"] == "allow"
    assert decision["updatedInput"]["answers"] == {
        "Which <way>?": "No way", "When?": "At dawn"}
    # Answered in the terminal.
    process = ctl.start("hook", "claude",
                        stdin=payload("PermissionRequest", **call))
    wait_for(lambda: len(sim.messages(chat=USER, text="Which <way>?")) == 2)
    call["tool_input"]["answers"] = {"Which <way>?": "Left & up"}
    ctl("hook", "claude", stdin=payload("PostToolUse", **call))
    assert result(process) == (0, "")


def test_pair_and_users(ctl, sim):
    code = json.loads(ctl("pair", "--json"))
    assert re.fullmatch("[A-Z0-9]{8}", code["code"])
    assert ctl("pair").strip() != ""
    ctl("users", "add", 77, "--role", "viewer")
    users = {u["id"]: u for u in json.loads(ctl("users", "--json"))["users"]}
    assert users[77]["role"] == "viewer"
    assert users[USER]["role"] == "admin"
    ctl("users", "remove", 77)
    ctl("users", "remove", 77, code=4)
    ctl("users", "remove", USER, code=1)
    assert "admin" in ctl("users")


def test_silence(ctl, sim):
    ctl("silence", "add", "--match", "type=build_*", "--for", "1h",
        "--comment", "noisy")
    assert "noisy" in ctl("silence")
    ctl("send", "quiet", "--type", "build_failed", "--wait=10")
    ctl("send", "loud", "--wait=10")
    assert not sim.messages(chat=USER, text="quiet")
    one, = json.loads(ctl("silence", "--json"))["silences"]
    ctl("silence", "expire", one["id"])
    ctl("silence", "expire", one["id"], code=4)
    ctl("silence", "add", "--match", "colour=red", "--for", "1h", code=2)


def test_chats(ctl, sim):
    ctl("send", "hello", "--wait=10")
    assert str(USER) in ctl("chats")
    ctl("chats", "resume", USER)
    ctl("chats", "resume", "--", "-100123", code=4)


def test_values_that_only_the_daemon_can_judge_exited_1(ctl):
    ctl("queue", "--state", "asleep", code=2)
    failure = json.loads(ctl("--json", "queue", "--state", "asleep", code=2))
    assert not failure["ok"] and failure["exit"] == 2
    assert "state" in failure["error"]


def test_run_is_told(ctl, sim):
    ctl("run", "--", "sh", "-c", "echo the <last> line; exit 3", code=3)
    text = sim.wait_messages(1, chat=USER, text="the <last> line")[0]["text"]
    assert text.count("3") >= 1 and text.count("Exit code: 3") == 1
    assert "exit status" not in text and "Status: failed" in text
    assert text.count("Duration") == 1
    ctl("run", "--title", "Killed", "--", "sh", "-c", "kill -9 $$", code=137)
    text = sim.wait_messages(1, chat=USER, text="Killed")[0]["text"]
    assert "Ended by signal 9 (KILL)" in text and "kill -9 $$" in text
