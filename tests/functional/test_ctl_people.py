"""cctgctl ask, approvals, pair, users, chats, silence: what they send and
say, against a server that says what the test wants."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from ctllib import CTL, FakeDaemon, daemon, run  # noqa: F401
from simlib import wait_for


def decided(**answer):
    """A daemon whose people answer so."""
    def say(r):
        if r["op"] == "send":
            return {"ok": True, "id": r["event"]["event_id"],
                    "state": "received"}
        return {"ok": True, "id": r["id"], "action": "approve",
                "option": "Approve", "text": None,
                "by": {"user_id": 42, "username": "a", "first_name": "A"},
                "at": "2026-11-21T04:50:08.105Z", **answer}
    return say


def test_ask_sends_a_question_and_waits(run, daemon):
    daemon.answer = decided(option="Fast")
    out = run("ask", "Which way?\nThere are two.", "--option", "Fast",
              "-o", "No, stop", "--timeout", "90s", "--details", "x > y",
              "--to", "ops")
    assert (out.returncode, out.stdout) == (0, "Fast\n"), out.stderr
    send, wait = daemon.requests
    event = send["event"]
    assert send["to"] == "ops"
    assert event["type"] == "approval_request"
    assert event["title"] == "Which way?"
    assert event["data"] == {
        "approval_prompt": "Which way?\nThere are two.",
        "options": ["Fast", "No, stop"], "timeout_ms": 90000,
        "details": "x > y"}
    assert wait["op"] == "decision" and wait["id"] == event["event_id"]
    assert 80000 < wait["timeout_ms"] <= 90000
    run("ask", "Sure?", "--title", "Deploy")
    send, wait = daemon.requests[-2:]
    assert send["event"]["title"] == "Deploy"
    assert send["event"]["data"] == {"approval_prompt": "Sure?"}
    assert "timeout_ms" not in wait


@pytest.mark.parametrize("answer, code, text", [
    ({}, 0, "Approve"),
    ({"action": "deny", "option": "Nein, danke"}, 5, "Nein, danke"),
    ({"action": "text", "option": None, "text": "no, use\nthe other"}, 0,
     "no, use\nthe other")])
def test_ask_answers(run, daemon, answer, code, text):
    daemon.answer = decided(**answer)
    out = run("ask", "Sure?")
    assert (out.returncode, out.stdout) == (code, text + "\n")
    out = run("ask", "Sure?", "--json")
    assert out.returncode == code
    said = json.loads(out.stdout)
    assert said["by"]["user_id"] == 42 and "ok" not in said


@pytest.mark.parametrize("answer, code", [
    ({"error": "expired", "code": 75, "timed_out": True}, 6),
    ({"error": "timed out", "code": 75, "timed_out": True}, 6),
    ({"error": "withdrawn", "code": 75}, 1),
    ({"error": "no such event", "code": 66}, 4),
    ({"error": "not you", "code": 77}, 7)])
def test_ask_without_answer(run, daemon, answer, code):
    daemon.answer = decided(ok=False, **answer)
    out = run("ask", "Sure?")
    assert (out.returncode, out.stdout) == (code, "")
    assert answer["error"] in out.stderr
    out = run("ask", "Sure?", "--json")
    assert json.loads(out.stdout)["exit"] == code


def test_ask_default(run, daemon):
    daemon.answer = decided(ok=False, error="expired", code=75,
                            timed_out=True)
    for option, code in (("Fast", 0), ("Deny", 5), ("NO!", 5), ("no way", 5),
                         ("Nothing", 0), ("🛑 Stop it", 5), ("Noël", 0),
                         ("reject", 5), ("cancel", 5), ("Abort, now", 5),
                         ("decline", 5), ("nein", 5), ("2 go", 0)):
        out = run("ask", "Sure?", "-t", "5", "--default", option)
        assert (out.returncode, out.stdout) == (code, option + "\n"), option
    daemon.answer = decided(ok=False, error="withdrawn", code=75)
    assert run("ask", "Sure?", "-t", "5", "--default", "x").returncode == 1


def test_ask_is_over_in_time_even_if_the_daemon_sleeps(run, daemon):
    daemon.answer = lambda r: (decided()(r) if r["op"] == "send" else b"")
    begin = time.monotonic()
    assert run("ask", "Sure?", "-t", "0.2").returncode == 6
    assert time.monotonic() - begin < 8


def test_ask_that_is_refused(run, daemon):
    daemon.answer = lambda r: {"ok": False, "error": "full", "code": 75}
    out = run("ask", "Sure?")
    assert out.returncode == 75 and "full" in out.stderr
    daemon.answer = lambda r: {"ok": False, "error": "no such chat",
                               "code": 65, "field": "to"}
    assert run("ask", "Sure?", "--to", "nobody").returncode == 4


def test_ask_without_daemon_exits_3(run):
    begin = time.monotonic()
    out = run("ask", "Sure?")
    assert out.returncode == 3 and "not running" in out.stderr
    assert time.monotonic() - begin < 2


def test_ask_attaches_to_the_same_question_again(run, daemon):
    """Hung up on twice, refused by a queue that is not there yet."""
    turns = []

    def answer(r):
        if r["op"] == "send":
            return decided()(r)
        turns.append(r)
        if len(turns) < 3:
            return None
        if len(turns) == 3:
            return {"ok": False, "error": "ask again", "code": 75}
        return decided(option="Later")(r)

    daemon.answer = answer
    out = run("ask", "Sure?", "-t", "60")
    assert (out.returncode, out.stdout) == (0, "Later\n")
    sends = [r for r in daemon.requests if r["op"] == "send"]
    assert len(sends) == 4 and all(s == sends[0] for s in sends)
    assert {t["id"] for t in turns} == {sends[0]["event"]["event_id"]}


def start(tmp_path, *args):
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path),
           "CCTG_RUNTIME_DIR": str(tmp_path / "run")}
    return subprocess.Popen([CTL, *args], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_ask_outlives_a_daemon_that_comes_back(run, daemon, tmp_path):
    daemon.answer = lambda r: decided()(r) if r["op"] == "send" else b""
    with start(tmp_path, "ask", "Sure?") as process:
        wait_for(lambda: len(daemon.requests) == 2)
        daemon.hang_up_all()
        daemon.close()
        for name in ("control.sock", "submit.sock"):
            (tmp_path / "run" / name).unlink()
        time.sleep(1)
        assert process.poll() is None
        again = FakeDaemon(tmp_path / "run", decided(option="Back"))
        assert process.communicate(timeout=10)[0] == "Back\n"
        assert process.returncode == 0
        again.close()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM,
                                 signal.SIGHUP])
def test_ask_interrupted_hangs_up(run, daemon, tmp_path, sig):
    """The end of the connection withdraws the question."""
    daemon.answer = lambda r: decided()(r) if r["op"] == "send" else b""
    with start(tmp_path, "ask", "Sure?") as process:
        wait_for(lambda: len(daemon.requests) == 2)
        assert daemon.hung_up == 0
        process.send_signal(sig)
        assert process.wait(timeout=5) == -sig
    wait_for(lambda: daemon.hung_up == 1)


OPEN = [{"id": "019aa-1", "title": "Deploy?", "question": "Deploy?",
         "options": ["Yes", "No"], "asked_at": "2026-11-21T04:50:08.105Z",
         "expires_at": None},
        {"id": "019ab-2", "title": "Drop\033[2J?", "question": "Drop?",
         "options": ["Yes", "No"], "asked_at": "2026-11-21T04:50:08.105Z",
         "expires_at": "2026-11-21T05:50:08.105Z"}]


def test_approvals(run, daemon):
    daemon.answer = lambda r: ({"ok": True, "approvals": OPEN}
                               if r["cmd"] == "list" else {"ok": True})
    out = run("approvals")
    assert out.returncode == 0
    assert "Deploy?" in out.stdout and "\033" not in out.stdout
    assert json.loads(run("approvals", "list", "--json").stdout) == {
        "approvals": OPEN}
    for args, want in ((("allow", "019aa-1"), "019aa-1"),
                       (("deny", "019ab"), "019ab-2"),
                       (("deny", "gone"), "gone")):
        assert run("approvals", *args).returncode == 0
        assert daemon.requests[-1] == {"op": "approvals", "cmd": args[0],
                                       "id": want}
    assert run("approvals", "deny", "019a").returncode == 1
    daemon.answer = lambda r: {"ok": True, "approvals": []}
    assert run("approvals").stdout == "no open approvals\n"


@pytest.mark.parametrize("code, exits", [(65, 1), (66, 4)])
def test_approvals_decided_or_unknown(run, daemon, code, exits):
    daemon.answer = lambda r: (
        {"ok": True, "approvals": []} if r["cmd"] == "list" else
        {"ok": False, "error": "already decided by A", "code": code})
    out = run("approvals", "allow", "x")
    assert out.returncode == exits and "already decided" in out.stderr


def test_pair(run, daemon):
    daemon.answer = lambda r: {"ok": True, "code": "ABCD2345",
                               "expires": "2026-11-21T04:50:08.105Z"}
    assert run("pair").stdout == "ABCD2345\n"
    assert json.loads(run("pair", "--json").stdout) == {
        "code": "ABCD2345", "expires": "2026-11-21T04:50:08.105Z"}
    assert daemon.requests[-1] == {"op": "pair"}


def test_users(run, daemon):
    users = [{"id": 42, "role": "admin", "name": "Al\x1b[1mice",
              "configured": True}]
    daemon.answer = lambda r: {"ok": True, "users": users}
    out = run("users")
    assert re.search(r"42 +admin +yes +Al", out.stdout)
    assert "\033" not in out.stdout
    assert json.loads(run("users", "--json").stdout) == {"users": users}
    for args, want in (
            (("add", "7"), {"cmd": "add", "user": 7, "role": "approver"}),
            (("add", "7", "--role", "viewer"),
             {"cmd": "add", "user": 7, "role": "viewer"}),
            (("remove", "7"), {"cmd": "remove", "user": 7})):
        assert run("users", *args).returncode == 0
        assert daemon.requests[-1] == {"op": "users", **want}


def test_chats(run, daemon):
    daemon.answer = lambda r: {"ok": True, "chats": [
        {"chat": -100123, "thread": 7, "suspended": True, "waiting": 2}]}
    assert re.search(r"-100123 +7 +yes +2", run("chats").stdout)
    assert run("chats", "resume", "--", "-100123").returncode == 0
    assert daemon.requests[-1] == {"op": "chats", "cmd": "resume",
                                   "chat": -100123}
    assert run("chats", "resume").returncode == 0
    assert daemon.requests[-1] == {"op": "chats", "cmd": "resume"}


def test_silence(run, daemon):
    daemon.answer = lambda r: {"ok": True, "id": 3, "silences": [
        {"id": 3, "match": {"type": "build_*"}, "comment": "noisy",
         "ends_at": "2026-11-21T04:50:08.105Z"}]}
    out = run("silence", "add", "--match", "type=build_*", "--match",
              "source=a=b", "--for", "2h", "--comment", "noisy")
    assert (out.returncode, out.stdout) == (0, "3\n")
    assert daemon.requests[-1] == {
        "op": "silence", "cmd": "add", "for": "2h", "comment": "noisy",
        "match": {"type": "build_*", "source": "a=b"}}
    out = run("silence")
    assert "build_*" in out.stdout and "noisy" in out.stdout
    assert run("silence", "expire", "3").returncode == 0
    assert daemon.requests[-1] == {"op": "silence", "cmd": "expire",
                                   "id": "3"}
