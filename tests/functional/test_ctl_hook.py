"""cctgctl hook: what an agent gets back, and when, whatever it sends and
whatever the daemon does."""

import json
import os
import resource
import socket
import subprocess
import time

import pytest

from ctllib import CTL, daemon, run  # noqa: F401
from simlib import wait_for

SESSION = "0a1b2c3d-1111-4222-8333-444455556666"
BASE = {"session_id": SESSION, "cwd": "/home/x/shop",
        "transcript_path": "/tmp/t.jsonl", "permission_mode": "default"}
CALL = {"tool_name": "Bash", "tool_input": {
    "command": "rm -rf build && make 2>&1 | tail", "description": "Rebuild"}}


def payload(name, **members):
    return json.dumps({**BASE, "hook_event_name": name, **members})


class Queue:
    """What the daemon's side of the conversation would be."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.open = []
        self.withdrawn = []
        self.decision = None  # None: stays open
        daemon.answer = self.answer

    def answer(self, r):
        if r["op"] == "send":
            if r["event"]["type"] == "approval_request":
                self.open.append(r["event"]["event_id"])
            return {"ok": True, "id": r["event"]["event_id"]}
        if r["op"] == "approvals":
            return {"ok": True, "approvals": [
                {"id": i, "title": "t"} for i in self.open]}
        if r["op"] == "withdraw":
            self.withdrawn.append((r["id"], r["reason"]))
            return {"ok": True}
        if r["op"] == "decision" and self.decision is not None:
            return {"ok": True, "id": r["id"], "text": None,
                    "by": {"user_id": 1, "username": "ann",
                           "first_name": "Ann"}, **self.decision}
        return b""

    def events(self):
        return [r["event"] for r in self.daemon.requests
                if r["op"] == "send"]


@pytest.fixture
def queue(daemon):
    return Queue(daemon)


# -- permissions ----------------------------------------------------------

def test_claude_asks_for_permission(run, queue):
    queue.decision = {"action": "approve", "option": "Allow"}
    out = run("hook", "claude", stdin=payload("PermissionRequest", **CALL,
                                              permission_suggestions=[]))
    assert (out.returncode, out.stderr) == (0, "")
    assert json.loads(out.stdout) == {"hookSpecificOutput": {
        "hookEventName": "PermissionRequest",
        "decision": {"behavior": "allow"}}}
    event, = queue.events()
    assert event["type"] == "approval_request"
    assert event["title"] == "shop: Claude wants to use Bash"
    data = event["data"]
    assert CALL["tool_input"]["command"] in data["approval_prompt"]
    assert "Rebuild" in data["approval_prompt"]
    assert data["options"] == ["Allow", "Deny"]
    assert data["session"] == "0a1b2c3d" and data["project"] == "shop"
    assert data["timeout_ms"] == 600000
    assert json.loads(data["details"])["tool_input"] == CALL["tool_input"]
    assert event["source"] == "claude-code"


@pytest.mark.parametrize("decision, message", [
    ({"action": "deny", "option": "Deny"}, "Denied in Telegram by Ann"),
    ({"action": "deny", "option": "Deny",
      "by": {"user_id": 0, "username": None,
             "first_name": "root (cctgctl)"}}, "Denied by root (cctgctl)"),
    ({"action": "text", "option": None, "text": "use ninja"},
     "Answered in Telegram by Ann: use ninja")])
def test_claude_is_denied(run, queue, decision, message):
    queue.decision = decision
    out = run("hook", "claude", stdin=payload("PermissionRequest", **CALL))
    assert out.returncode == 0
    assert json.loads(out.stdout)["hookSpecificOutput"]["decision"] == {
        "behavior": "deny", "message": message}


@pytest.mark.parametrize("answer", [
    {"error": "expired", "code": 75, "timed_out": True},
    {"error": "withdrawn", "code": 75},
    {"error": "no such event", "code": 66}, {"error": "?", "code": 77}])
def test_no_decision_is_no_answer(run, queue, answer):
    queue.decision = {"ok": False, **answer}
    out = run("hook", "claude", stdin=payload("PermissionRequest", **CALL))
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "")


def test_refused_or_babbling_daemon_is_no_answer(run, daemon):
    for answer in ({"ok": False, "error": "full", "code": 75}, b"[]\n",
                   b"x\n"):
        daemon.answer = lambda r: answer
        out = run("hook", "claude", stdin=payload("PermissionRequest",
                                                  **CALL))
        assert (out.returncode, out.stdout, out.stderr) == (0, "", "")


def test_pre_tool_use_only_when_configured(run, queue):
    queue.decision = {"action": "approve", "option": "Allow"}
    text = payload("PreToolUse", **CALL)
    assert run("hook", "claude", stdin=text).stdout == ""
    assert queue.events() == []
    out = json.loads(run("hook", "claude", "--on", "PreToolUse",
                         stdin=text).stdout)["hookSpecificOutput"]
    assert out["hookEventName"] == "PreToolUse"
    assert out["permissionDecision"] == "allow"
    queue.decision = {"action": "deny", "option": "Deny"}
    out = json.loads(run("hook", "claude", "--on", "PreToolUse",
                         stdin=text).stdout)["hookSpecificOutput"]
    assert out["permissionDecision"] == "deny"
    assert "Ann" in out["permissionDecisionReason"]
    assert run("hook", "claude", "--off", "PermissionRequest", stdin=payload(
        "PermissionRequest", **CALL)).stdout == ""


def test_other_agents_answers(run, queue):
    """Only members that each of them accepts."""
    queue.decision = {"action": "approve", "option": "Allow"}
    ask = payload("PermissionRequest", **CALL, turn_id="1", model="m")
    assert json.loads(run("hook", "codex", stdin=ask).stdout) == {
        "hookSpecificOutput": {"hookEventName": "PermissionRequest",
                               "decision": {"behavior": "allow"}}}
    pre = payload("PreToolUse", **CALL)
    assert run("hook", "codex", "--on", "PreToolUse",
               stdin=pre).stdout == ""
    before = payload("BeforeTool", **CALL)
    assert json.loads(run("hook", "gemini", stdin=before).stdout) == {}
    assert json.loads(run("hook", "gemini", "--on", "BeforeTool",
                          stdin=before).stdout) == {"decision": "allow"}
    queue.decision = {"action": "deny", "option": "Deny"}
    said = json.loads(run("hook", "gemini", "--on", "BeforeTool",
                          stdin=before).stdout)
    assert said == {"decision": "deny", "reason": "Denied in Telegram by Ann"}
    said = json.loads(run("hook", "codex", "--on", "PreToolUse",
                          stdin=pre).stdout)["hookSpecificOutput"]
    assert said["permissionDecision"] == "deny"


# -- settling -------------------------------------------------------------

class Asking:
    def __init__(self, tmp_path, queue, **call):
        self.process = subprocess.Popen(
            [CTL, "hook", "claude"], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "HOME": str(tmp_path),
                 "CCTG_RUNTIME_DIR": str(tmp_path / "run")})
        self.process.stdin.write(payload("PermissionRequest", **call))
        self.process.stdin.close()
        before = len(queue.open)
        wait_for(lambda: len(queue.open) > before)
        self.id = queue.open[-1]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_settling(run, queue, tmp_path):
    other = {"tool_name": "Bash", "tool_input": {"command": "true"}}
    a = Asking(tmp_path, queue, **CALL)
    b = Asking(tmp_path, queue, **other)
    c = Asking(tmp_path, queue, **CALL, session_id="another")
    queue.open.append("019aa0f1-0000-7000-8000-000000000000")
    try:
        turned = dict(reversed(CALL["tool_input"].items()))
        out = run("hook", "claude", stdin=payload(
            "PostToolUse", tool_name="Bash", tool_input=turned,
            tool_response={"stdout": "x"}, tool_use_id="t"))
        assert (out.returncode, out.stdout) == (0, "")
        assert [i for i, _ in queue.withdrawn] == [a.id]
        assert queue.withdrawn[0][1] == "it was allowed elsewhere"
        for name in ("Stop", "SessionEnd", "UserPromptSubmit"):
            queue.withdrawn.clear()
            run("hook", "claude", stdin=payload(name))
            assert [i for i, _ in queue.withdrawn] == [a.id, b.id], name
        queue.withdrawn.clear()
        for name in ("SessionStart", "Notification", "StopFailure",
                     "SubagentStop", "PreToolUse", "Unknown"):
            run("hook", "claude", stdin=payload(name, **CALL))
        run("hook", "claude", stdin=payload("PostToolUse"))
        run("hook", "claude", stdin=json.dumps({"hook_event_name": "Stop"}))
        assert queue.withdrawn == []
    finally:
        for asking in (a, b, c):
            asking.end()


def test_a_hook_that_is_killed_hangs_up(queue, daemon, tmp_path):
    asking = Asking(tmp_path, queue, **CALL)
    assert daemon.hung_up == 0
    asking.end()
    wait_for(lambda: daemon.hung_up == 1)


# -- events ---------------------------------------------------------------

@pytest.mark.parametrize("agent, sent, kind, title, text", [
    ("claude", payload("Stop", stop_hook_active=False,
                       last_assistant_message="All done.\n\n- ✓"),
     "task_completion", "shop: Claude has finished", "All done.\n\n- ✓"),
    ("claude", payload("StopFailure", error="rate_limit",
                       error_details="429"),
     "task_failed", "shop: Claude has failed", "rate_limit\n\n429"),
    ("claude", payload("Notification", notification_type="auth_success",
                       message="Signed in"),
     "info_notification", "shop: Claude says", "Signed in"),
    ("claude", payload("Notification", message="Old versions have no type"),
     "info_notification", "shop: Claude says", "Old versions have no type"),
    ("claude", payload("Notification", notification_type="permission_prompt",
                       message="Claude needs you"),
     "info_notification", "shop: Claude needs you", "Claude needs you"),
    ("claude", payload("SessionStart", source="startup"),
     "info_notification", "shop: Claude has started", "startup"),
    ("claude", payload("SessionEnd", reason="logout"),
     "info_notification", "shop: Claude has ended", "logout"),
    ("codex", payload("Stop", turn_id="1", last_assistant_message="Hi"),
     "task_completion", "shop: Codex has finished", "Hi"),
    ("gemini", payload("AfterAgent", prompt="?", prompt_response="Hi"),
     "task_completion", "shop: Gemini has finished", "Hi"),
    ("gemini", payload("Notification", notification_type="ToolPermission",
                       message="May I?", details={"a": 1}),
     "info_notification", "shop: Gemini needs you", 'May I?\n\n{"a":1}')])
def test_events(run, queue, agent, sent, kind, title, text):
    out = run("hook", agent, stdin=sent)
    assert out.returncode == 0
    assert out.stdout == ("{}\n" if agent == "gemini" else "")
    event, = queue.events()
    assert (event["type"], event["title"]) == (kind, title)
    assert event["description"] == text
    assert event["data"]["session"] == "0a1b2c3d"


def test_codex_notify(run, queue):
    text = json.dumps({
        "type": "agent-turn-complete", "thread-id": "t-1", "turn-id": "2",
        "cwd": "/home/x/shop/", "input-messages": ["do it"],
        "last-assistant-message": "Did it."})
    out = run("hook", "codex", text)
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "")
    event, = queue.events()
    assert event["type"] == "task_completion"
    assert event["title"] == "shop: Codex has finished"
    assert event["description"] == "Did it."
    assert run("hook", "codex", "not json").returncode == 0
    assert run("hook", "codex", '{"type":"something-new"}').stdout == ""
    assert len(queue.events()) == 1


def test_noise(run, queue):
    idle = payload("Notification", notification_type="idle_prompt",
                   message="Claude is waiting for your input")
    sub = payload("SubagentStop", agent_type="Explore")
    compact = payload("SessionStart", source="compact")
    for text in (idle, sub, compact, payload("UserPromptSubmit", prompt="x"),
                 payload("PostToolUse", **CALL)):
        assert run("hook", "claude", stdin=text).returncode == 0
    assert queue.events() == []
    run("hook", "claude", "--on", "idle_prompt", "--on", "SubagentStop",
        stdin=idle)
    run("hook", "claude", "--on", "idle_prompt", "--on", "SubagentStop",
        "--to", "ops", stdin=sub)
    assert len(queue.events()) == 2
    assert queue.daemon.requests[-1]["to"] == "ops"
    run("hook", "claude", "--off", "Stop", stdin=payload("Stop"))
    assert len(queue.events()) == 2
    run("hook", "claude", "--on", "compact", stdin=compact)
    assert queue.events()[2]["title"] == "shop: Claude goes on"
    run("hook", "claude", stdin=payload("SessionStart", source="resume",
                                        session_title="Ship 1.2"))
    assert queue.events()[3]["data"]["session"] == "Ship 1.2"
    run("hook", "claude", "--off", "resume",
        stdin=payload("SessionStart", source="resume"))
    assert len(queue.events()) == 4


def test_noise_rules_are_configuration(run, queue, tmp_path):
    """Read anew by each hook; an option goes before them, and a type of
    notification before all notifications."""
    conf = tmp_path / ".config/cctg/cctgd.conf"
    if os.geteuid() == 0:
        conf = tmp_path / "agents.conf"
    conf.parent.mkdir(parents=True, exist_ok=True)
    env = {"CCTG_CONFIG": str(conf)}
    idle, auth = (payload("Notification", notification_type=kind,
                          message="m") for kind in ("idle_prompt",
                                                    "auth_success"))
    sub, stop = payload("SubagentStop"), payload("Stop")

    def told(text, *options, config="", agent="claude"):
        conf.write_text(config)
        before = len(queue.daemon.requests)
        assert run("hook", agent, *options, stdin=text, env=env).stdout == ""
        return [r.get("to", True) for r in queue.daemon.requests[before:]
                if r["op"] == "send"]

    assert told(idle) == told(sub) == [] and told(stop) == [True]
    on = 'hooks { on = {"idle_prompt", "SubagentStop"} }'
    assert told(idle, config=on) == told(sub, config=on) == [True]
    assert told(sub, config=on, agent="codex") == [True]
    assert told(sub, "--off", "SubagentStop", config=on) == []
    off = 'hooks { off = {"Stop", "Notification"}  on = {"idle_prompt"} }'
    assert told(stop, config=off) == told(auth, config=off) == []
    assert told(idle, config=off) == [True]
    assert told(stop, "--on", "Stop", config=off) == [True]
    assert told(auth, "--off", "auth_success") == []
    assert told(auth, "--on", "auth_success", "--off", "Notification") == [
        True]
    to = 'hooks { to = "ops" }'
    assert told(stop, config=to) == ["ops"]
    assert told(stop, "--to", "dev", config=to) == ["dev"]
    # An error of the daemon's configuration is not the agent's.
    assert told(stop, config='nonsense = 1\n' + to) == ["ops"]
    queue.decision = {"action": "approve", "option": "Allow"}
    conf.write_text('hooks { timeout = "90s"  to = "ops" '
                    ' on = {"PreToolUse"} }')
    for name in ("PermissionRequest", "PreToolUse"):
        out = run("hook", "claude", stdin=payload(name, **CALL), env=env)
        assert "allow" in out.stdout
        assert queue.events()[-1]["data"]["timeout_ms"] == 90000
        assert [r for r in queue.daemon.requests
                if r["op"] == "send"][-1]["to"] == "ops"
    run("hook", "claude", "-t", "5", stdin=payload("PreToolUse", **CALL),
        env=env)
    assert queue.events()[-1]["data"]["timeout_ms"] == 5000


def test_a_chat_that_is_not_there(run, queue):
    """Rather to where the routes lead than to nobody."""
    queue.decision = {"action": "approve", "option": "Allow"}

    def answer(r):
        if r["op"] == "send" and "to" in r:
            return {"ok": False, "error": "no such chat", "field": "to",
                    "code": 65}
        return queue.answer(r)

    queue.daemon.answer = answer
    run("hook", "claude", "--to", "nowhere", stdin=payload("Stop"))
    out = run("hook", "claude", "--to", "nowhere",
              stdin=payload("PermissionRequest", **CALL))
    assert "allow" in out.stdout and len(queue.open) == 1
    assert ["to" in r for r in queue.daemon.requests
            if r["op"] == "send"] == [True, False] * 2


CHOICE = {"tool_name": "AskUserQuestion", "tool_input": {"questions": [
    {"question": "Which database?", "header": "Database",
     "multiSelect": False, "options": [
         {"label": "SQLite", "description": "one file"},
         {"label": "No database", "description": "keep <nothing>"}]},
    {"question": "Which parts?", "header": "Parts", "multiSelect": True,
     "options": [{"label": "Ship", "description": ""},
                 {"label": "Dock"}]}]}}


@pytest.mark.parametrize("name", ["PermissionRequest", "PreToolUse"])
def test_questions_of_claude_are_answered(run, queue, name):
    """To allow that tool without answers would answer it with nothing."""
    answers = iter([{"action": "deny", "option": "No database"},
                    {"action": "text", "option": None,
                     "text": "Ship, Dock"}])

    def answer(r):
        if r["op"] == "decision":
            queue.decision = next(answers)
        return queue.answer(r)

    queue.daemon.answer = answer
    out = run("hook", "claude", "--on", "PreToolUse",
              stdin=payload(name, **CHOICE))
    assert (out.returncode, out.stderr) == (0, "")
    said = json.loads(out.stdout)["hookSpecificOutput"]
    assert said["hookEventName"] == name
    if name == "PreToolUse":
        assert said["permissionDecision"] == "allow"
    else:
        assert said["decision"]["behavior"] == "allow"
        said = said["decision"]
    assert said["updatedInput"] == {
        **CHOICE["tool_input"], "answers": {
            "Which database?": "No database", "Which parts?": "Ship, Dock"}}
    first, second = queue.events()
    assert first["title"] == "shop: Claude asks: Database"
    assert first["data"]["options"] == ["SQLite", "No database"]
    assert first["data"]["approval_prompt"] == (
        "Which database?\n\n• SQLite: one file\n"
        "• No database: keep <nothing>")
    assert second["data"]["options"] == ["Ship", "Dock"]
    assert "as a reply" in second["data"]["approval_prompt"]
    # Both belong to the call, whatever answers it has got meanwhile.
    queue.withdrawn.clear()
    queue.daemon.answer = queue.answer
    run("hook", "claude", stdin=payload("PostToolUse", **{
        **CHOICE, "tool_input": {**CHOICE["tool_input"],
                                 "answers": {"Which database?": "x"}}}))
    assert [i for i, _ in queue.withdrawn] == queue.open


def test_questions_that_stay_open(run, queue):
    """Not all are answered: the agent asks in its terminal."""
    answers = iter([{"action": "approve", "option": "SQLite"},
                    {"ok": False, "error": "withdrawn", "code": 75}])

    def answer(r):
        if r["op"] == "decision":
            queue.decision = next(answers)
        return queue.answer(r)

    queue.daemon.answer = answer
    assert silent(run("hook", "claude", stdin=payload("PermissionRequest",
                                                      **CHOICE)))
    assert len(queue.events()) == 2
    for wrong in ({}, {"questions": []}, {"questions": "x"}, [],
                  {"questions": [{"question": "q", "options": [
                      {"label": str(i)} for i in range(11)]}]},
                  {"questions": [{"question": "q", "options": [
                      {"label": "x" * 500}]}]}):
        assert silent(run("hook", "claude", stdin=payload(
            "PermissionRequest", tool_name="AskUserQuestion",
            tool_input=wrong)))
    assert len(queue.events()) == 2
    # It is Claude's tool; of others it is one like any other.
    queue.daemon.answer = queue.answer
    queue.decision = {"action": "approve", "option": "Allow"}
    out = run("hook", "codex", stdin=payload("PermissionRequest", **CHOICE))
    assert "updatedInput" not in out.stdout and "allow" in out.stdout


def test_a_prompt_is_not_told_twice(run, queue, tmp_path):
    """The notice that Claude needs a permission, while it is asked for."""
    text = payload("Notification", notification_type="permission_prompt",
                   message="Claude needs your permission to use Bash")
    asking = Asking(tmp_path, queue, **CALL)
    run("hook", "claude", stdin=text)
    assert len(queue.events()) == 1 and queue.withdrawn == []
    asking.end()
    queue.open.clear()
    run("hook", "claude", stdin=text)
    assert len(queue.events()) == 2


# -- what may go wrong ----------------------------------------------------

EVENTS = ("PermissionRequest", "PreToolUse", "PostToolUse", "Notification",
          "Stop", "SubagentStop", "StopFailure", "SessionStart",
          "SessionEnd", "UserPromptSubmit", "PreCompact", "FutureHook")


def silent(out):
    return (out.returncode, out.stdout, out.stderr) == (0, "", "")


@pytest.mark.parametrize("name", EVENTS)
def test_members_missing_wrong_or_more(run, queue, name):
    queue.decision = {"ok": False, "error": "withdrawn", "code": 75}
    keys = ("session_id", "cwd", "tool_name", "tool_input", "message",
            "notification_type", "last_assistant_message", "error",
            "reason", "source", "prompt")
    assert silent(run("hook", "claude", stdin=json.dumps(
        {"hook_event_name": name})))
    for value in (None, 5, -1.5, True, [], ["x"], {}, {"a": {"b": None}}, "",
                  "/", "\u0000\u202e\ud83d", "x" * 5000):
        assert silent(run("hook", "claude", stdin=json.dumps(
            {"hook_event_name": name, **{k: value for k in keys},
             "extra": value, "another": {"deep": [value]}})))


@pytest.mark.parametrize("text", [
    "", " ", "{", "[]", "null", "5", '"x"', "{}", "not json",
    '{"hook_event_name":5}', '{"hook_event_name":["Stop"]}',
    '{"hook_event_name":"stop"}', "[" * 5000, '{"hook_event_name":"Stop"}}'])
def test_no_payload(run, queue, text):
    for agent in ("claude", "codex"):
        assert silent(run("hook", agent, stdin=text))
    assert json.loads(run("hook", "gemini", stdin=text).stdout) == {}
    assert queue.events() == []


def raw(tmp_path, data, *args, agent="claude", **options):
    return subprocess.run(
        [CTL, "hook", agent, *args], input=data, timeout=20,
        env={**os.environ, "HOME": str(tmp_path),
             "CCTG_RUNTIME_DIR": str(tmp_path / "run"),
             "CC_TELEGRAM_EVENTS_DIR": str(tmp_path / "events")},
        **{"capture_output": True, **options})


def test_invalid_utf8(queue, tmp_path):
    queue.decision = {"action": "approve", "option": "Allow"}
    out = raw(tmp_path, b'{"hook_event_name":"PermissionRequest","cwd":"/\xff'
              b'","session_id":"\xfe","tool_name":"B\xc3","tool_input":'
              b'{"command":"echo \xff\x80; ls","\xff":1}}')
    assert out.returncode == 0 and b"allow" in out.stdout
    out = raw(tmp_path, b'{"hook_event_name":"Stop","session_id":"\xfe",'
              b'"last_assistant_message":"a\xffb"}')
    assert (out.returncode, out.stdout) == (0, b"")
    first, second = queue.events()
    assert "echo \ufffd; ls" in first["data"]["approval_prompt"]
    assert second["description"] == "a\ufffdb"


@pytest.mark.parametrize("name", ["PostToolUse", "Stop",
                                  "PermissionRequest"])
def test_a_payload_of_1_mb(queue, tmp_path, name):
    """A prompt that cannot be shown in full is not asked."""
    queue.decision = {"action": "approve", "option": "Allow"}
    text = payload(name, tool_name="Write",
                   tool_input={"content": "é\n" * 400_000},
                   last_assistant_message="x" * 1_000_000)
    begin = time.monotonic()
    out = raw(tmp_path, text.encode())
    assert time.monotonic() - begin < 1.5
    assert (out.returncode, out.stdout, out.stderr) == (0, b"", b"")
    assert len(queue.events()) == (1 if name == "Stop" else 0)
    out = raw(tmp_path, payload("PermissionRequest", tool_name="Write",
              tool_input={"content": "x" * 700_000}).encode())
    assert b"allow" in out.stdout
    assert len(queue.events()[-1]["data"]["approval_prompt"]) > 700_000


def test_closed_streams(queue, tmp_path):
    queue.decision = {"action": "approve", "option": "Allow"}
    for name in ("PermissionRequest", "Stop"):
        text = payload(name, **CALL).encode()
        for closed in (">&-", ">&- 2>&-", "| true", ">/dev/full"):
            out = subprocess.run(
                ["sh", "-c", f"'{CTL}' hook claude {closed}"], input=text,
                env={**os.environ, "CCTG_RUNTIME_DIR": str(tmp_path / "run")},
                capture_output=True, timeout=20)
            assert (out.returncode, out.stdout) == (0, b"")
        out = subprocess.run(
            ["sh", "-c", f"'{CTL}' hook claude <&-"], timeout=20,
            env={**os.environ, "CCTG_RUNTIME_DIR": str(tmp_path / "run")},
            capture_output=True)
        assert (out.returncode, out.stdout) == (0, b"")


def test_never_exits_2(run, queue):
    for args in ((), ("emacs",), ("claude", "--nonsense"),
                 ("claude", "-t", "soon"), ("claude", "--on")):
        out = run("hook", *args, stdin=payload("Stop"))
        assert out.returncode == 1 and out.stdout == "", args
    out = run("--config", "/nonexistent", "hook", "claude",
              stdin=payload("Stop"), env={"CCTG_RUNTIME_DIR": ""})
    assert silent(out)


# -- the daemon -----------------------------------------------------------

def test_daemon_down(run, tmp_path):
    for name in EVENTS:
        begin = time.monotonic()
        assert silent(run("hook", "claude", stdin=payload(name, **CALL)))
        assert time.monotonic() - begin < 1.5
    events = [json.loads(f.read_text())
              for f in (tmp_path / "events").iterdir()]
    assert {e["title"] for e in events} == {
        "shop: Claude " + what for what in
        ("wants to use Bash", "says", "has finished", "has failed",
         "has started", "has ended")}
    asked, = [e for e in events if "wants" in e["title"]]
    assert asked["type"] == "info_notification" and asked["ttl"] == "10m"
    assert CALL["tool_input"]["command"] in asked["description"]


@pytest.mark.parametrize("name", [e for e in EVENTS
                                  if e != "PermissionRequest"])
@pytest.mark.parametrize("how", ["sleeps", "is stopped", "refuses",
                                 "drips"])
def test_in_time_whatever_the_daemon_does(run, tmp_path, name, how):
    path = str(tmp_path / "run/submit.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen(0 if how == "is stopped" else 8)
        others = []
        if how == "is stopped":
            for _ in range(3):
                other = socket.socket(socket.AF_UNIX)
                other.setblocking(False)
                other.connect_ex(path)
                others.append(other)
        if how == "refuses":
            s.close()
        begin = time.monotonic()
        process = subprocess.Popen(
            [CTL, "hook", "claude"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "HOME": str(tmp_path),
                 "CCTG_RUNTIME_DIR": str(tmp_path / "run"),
                 "CC_TELEGRAM_EVENTS_DIR": str(tmp_path / "events")})
        if how == "drips":
            # Input that never ends, too.
            s.settimeout(0.3)
            process.stdin.write(payload(name, **CALL).encode())
            process.stdin.flush()
            try:
                others.append(s.accept()[0])
            except TimeoutError:
                pass
            deadline = begin + 3
            while process.poll() is None and time.monotonic() < deadline:
                for other in others:
                    try:
                        other.send(b" ")
                    except OSError:
                        pass
                time.sleep(0.02)
            process.wait(timeout=1)
            out = process.stdout.read()
            process.stdin.close()
            process.stdout.close()
        else:
            out = process.communicate(payload(name, **CALL).encode())[0]
        assert time.monotonic() - begin < 1.5
        assert (process.returncode, out) == (0, b"")
        for other in others:
            other.close()


def test_a_permission_outlives_the_daemon(run, queue, daemon):
    turns = []

    def answer(r):
        if r["op"] == "decision":
            turns.append(r)
            if len(turns) == 1:
                return None
            return {"ok": True, "action": "approve", "option": "Allow"}
        return {"ok": True}

    daemon.answer = answer
    out = run("hook", "claude", stdin=payload("PermissionRequest", **CALL))
    assert "allow" in out.stdout and turns[0]["id"] == turns[1]["id"]


def test_hooks_are_fast(queue, tmp_path):
    """Those that do not wait: 10 ms at their best, as the rest is the waiting
    for a processor that others use."""
    if "ASAN_OPTIONS" in os.environ:
        pytest.skip("not a build to be measured")
    env = {"CCTG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path),
           "CC_TELEGRAM_EVENTS_DIR": str(tmp_path / "events")}
    for name in EVENTS[2:]:
        text = payload(name, **CALL).encode()
        times = []
        for _ in range(15):
            begin = time.perf_counter()
            subprocess.run([CTL, "hook", "claude"], input=text, env=env,
                           stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - begin)
        took = min(times)
        print(f"hook_claude_{name} {took * 1e3:.2f} ms")
        assert took < 0.010, name


def test_a_large_payload_costs_little(queue, tmp_path):
    """A megabyte is not parsed by those that need no more than the session:
    in processor time, which other work on the machine leaves alone."""
    if "ASAN_OPTIONS" in os.environ:
        pytest.skip("not a build to be measured")
    text = "int main(void) { return (0); }\n\t\"x\"\n" * 25000
    env = {"CCTG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path),
           "CC_TELEGRAM_EVENTS_DIR": str(tmp_path / "events")}
    queue.open.append("019aa0f1-0000-7000-8000-000000000000")

    def spent(**members):
        said = payload("PostToolUse", tool_name="Write", **members).encode()
        times = []
        for _ in range(9):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([CTL, "hook", "claude"], input=said, env=env,
                           stdout=subprocess.DEVNULL, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime -
                         before.ru_utime - before.ru_stime)
        return sorted(times)[4]

    small = spent(tool_input={"content": "x"}, tool_response={})
    for members in ({"tool_input": {"content": text}},
                    {"tool_input": {}, "tool_response": {"content": text}},
                    {"tool_input": {}, "prompt": text}):
        more = spent(**members) - small
        print(f"{', '.join(members)}: {more * 1e3:.2f} ms more")
        assert more < 0.008, members
