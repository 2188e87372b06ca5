"""cctgctl: what it sends, what it prints, and its exit codes."""

import base64
import fcntl
import json
import os
import pty
import re
import shlex
import socket
import stat
import struct
import subprocess
import termios
import threading
import time
import unicodedata

import pytest

from ctllib import CTL, FakeDaemon, daemon, run  # noqa: F401
from simlib import SOURCE


STATUS = {
    "ok": True, "schema": 1, "version": "0.1.0", "state": "ok",
    "uptime_s": 3725.5, "mode": "local", "pid": 100,
    "workers": [
        {"name": "queue", "class": "queue", "pid": 101, "state": "ready",
         "uptime_s": 1.4, "restarts": 0, "ready_ms": 12, "last_exit": None,
         "rss_bytes": 5 << 20, "pss_bytes": 3 << 20, "cpu_s": 0.01},
        {"name": "format/0", "class": "format", "pid": 102,
         "state": "backoff", "uptime_s": 0, "restarts": 3, "ready_ms": 9,
         "last_exit": {"signal": 9, "code": None,
                       "at": "2026-11-21T04:50:08.105Z",
                       "ready_again_ms": 31},
         "rss_bytes": 1, "pss_bytes": 1, "cpu_s": 0.01}],
    "queue": {"pending": 12, "inflight": 3, "delivered": 4, "suppressed": 5,
              "uncertain": 0, "dead": 0, "oldest_s": 71},
    "telegram": {"state": "connected", "poller": "polling",
                 "bot": "@somebot", "last_update": None},
    "redis": {"state": "off"}}


# -- usage ----------------------------------------------------------------

def verbs(run):
    lines = run("help").stdout.split("\nOptions")[0].splitlines()
    return [m.group(1) for m in (re.match(r"  (\w+) +\S", line)
                                 for line in lines) if m]


def test_help_and_version(run):
    assert run("--version").stdout.startswith("cctgctl 0.")
    assert "send" in verbs(run) and len(verbs(run)) >= 20
    for verb in verbs(run):
        out = run("help", verb)
        assert out.returncode == 0
        assert out.stdout.startswith(f"usage: cctgctl {verb} ")
        assert run(verb, "--help").stdout == out.stdout


def test_wrong_usage_exits_2(run, daemon):
    for args in ((), ("nonsense",), ("--nonsense", "status"),
                 ("status", "extra"), ("send",), ("send", "--ttl"),
                 ("send", "--ttl", "soon", "x"), ("send", "--wait=soon", "x"),
                 ("send", "--data", "{", "x"), ("send", "--data", "[]", "x"),
                 ("send", "--event", "-", "x"), ("send", "--title", "", "x"),
                 ("log", "loud"), ("log",), ("mode", "asleep"),
                 ("mute", "long"), ("queue", "eat"), ("queue", "show"),
                 ("queue", "list", "x"), ("queue", "-n", "0"),
                 ("history", "--since", "x"), ("wait",), ("wait", "done"),
                 ("wait", "restarted"), ("wait", "ready", "-t", "x"),
                 ("ask",), ("ask", " "), ("ask", "a", "b"),
                 ("ask", "-o", "", "x"), ("ask", "-t", "0", "x"),
                 ("ask", *["-oA"] * 11, "x"), ("approvals", "eat"),
                 ("approvals", "allow"), ("approvals", "list", "x"),
                 ("run",), ("run", "--title", "", "true"),
                 ("users", "add"), ("users", "add", "me"),
                 ("users", "add", "-5"), ("users", "list", "5"),
                 ("users", "add", "5", "--role", "king"),
                 ("users", "remove", "5", "--role", "admin"),
                 ("chats", "resume", "x"), ("chats", "eat"),
                 ("silence", "add", "--for", "2h"),
                 ("silence", "add", "--match", "type=x"),
                 ("silence", "add", "--match", "type", "--for", "2h"),
                 ("silence", "expire")):
        out = run(*args)
        assert out.returncode == 2, args
        assert out.stdout == "" and out.stderr, args
    assert daemon.requests == []


def test_wrong_usage_said_nothing_in_json(run):
    for args in (("--json", "mode", "loud"), ("mode", "loud", "--json"),
                 ("--json", "nonsense"), ("send", "--json", "--ttl", "soon")):
        out = run(*args)
        failure = json.loads(out.stdout)
        assert out.returncode == failure["exit"] == 2 and out.stderr
        assert not failure["ok"] and failure["error"]


def test_manual_has_every_verb_and_option(run):
    page = (SOURCE / "man/cctgctl.1").read_text()
    for verb in verbs(run):
        assert re.search(rf"^\.It Cm {verb}\b", page, re.M), verb
        for option in re.findall(r"--([a-z-]+)", run("help", verb).stdout):
            assert re.search(rf"Fl -{option}\b", page), (verb, option)


def test_completion_is_what_is_installed(run):
    out = run("completion").stdout
    assert out == (SOURCE / "etc/completions/cctgctl").read_text()
    script = out + """
COMP_WORDS=(cctgctl --json queue re); COMP_CWORD=3; _cctgctl
printf '%s\\n' "${COMPREPLY[@]}"
COMP_WORDS=(cctgctl st); COMP_CWORD=1; _cctgctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
    said = subprocess.run(["bash", "-c", script], text=True,
                          capture_output=True, check=True).stdout.split()
    assert said == ["retry", "release", "status", "stop"]


def completed(run, tmp_path, *words):
    """What bash offers for the last word."""
    quoted = " ".join(shlex.quote(str(w)) for w in words)
    script = run("completion").stdout + f"""
COMP_WORDS=({shlex.quote(CTL)} {quoted}); COMP_CWORD={len(words)}
_cctgctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    out = subprocess.run(
        ["bash", "--norc", "-c", script], text=True, capture_output=True,
        cwd=tmp_path, check=True, timeout=20,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert out.stderr == ""
    return out.stdout.split()


def test_completion(run, daemon, tmp_path):
    """Verbs, options, their values, and names that the daemon knows."""
    def answer(r):
        return {"ok": True, **STATUS, "approvals": [
            {"id": "019aa0f1-1", "title": "a title"},
            {"id": "019aa0f1-2", "title": "b"}]}

    daemon.answer = answer
    (tmp_path / "some.conf").write_text(
        f'runtime_dir = "{tmp_path / "run"}"')
    at = ("--config", tmp_path / "some.conf")

    def offers(*words):
        return completed(run, tmp_path, *words)

    assert set(offers("")) >= {"status", "hook", "mcp", "--json"}
    assert offers("hist") == ["history"]
    assert offers("help", "hist") == ["history"]
    assert offers("mode", "") == ["local", "nomad", "mute"]
    assert offers("users", "add", "5", "--role", "a") == ["approver", "admin"]
    assert offers("users", "add", "5", "--role", "=", "v") == ["viewer"]
    assert offers("send", "-t", "git_p") == ["git_push"]
    assert offers("queue", "--st") == ["--state"]
    assert offers("queue", "--state", "d") == ["delivered", "dead"]
    assert offers("hook", "") == ["claude", "codex", "gemini"]
    assert offers("hook", "claude", "--on", "idle") == ["idle_prompt"]
    assert offers("ask", "--title", "") == []
    assert offers("send", "--file", "some") == ["some.conf"]
    assert offers("setup", "claude", "--dry") == ["--dry-run"]
    assert set(offers("run", "--", "mktem")) == {"mktemp"}
    assert "format/0" in offers(*at, "wait", "restarted", "")
    assert offers(*at, "restart", "form") == ["format/0", "format"]
    assert offers(*at, "approvals", "allow", "") == ["019aa0f1-1",
                                                     "019aa0f1-2"]
    # Without a daemon there are no names, and no noise.
    daemon.close()
    assert offers(*at, "drain", "") == []
    assert offers(*at, "restart", "que") == ["queue"]


# -- nobody there ---------------------------------------------------------

@pytest.mark.parametrize("verb", ["status", "workers", "ping", "stop",
                                  "reload", "queue", "mode", "tail",
                                  "metrics", "approvals", "pair", "users",
                                  "chats", "silence"])
def test_no_daemon_exits_3(run, verb):
    out = run(verb)
    assert out.returncode == 3
    assert "not running" in out.stderr
    out = run("--json", verb)
    assert out.returncode == 3
    assert json.loads(out.stdout)["ok"] is False


def test_a_socket_without_listener_is_no_daemon(run, tmp_path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(tmp_path / "run/control.sock"))
    s.close()
    assert run("ping").returncode == 3


def test_wait_waits_for_a_daemon_that_starts(run, tmp_path):
    out = run("wait", "ready", "-t", "0.3")
    assert out.returncode == 3
    fakes = []

    def later():
        time.sleep(0.3)
        fakes.append(FakeDaemon(tmp_path / "run", lambda r: {"ok": True}))

    thread = threading.Thread(target=later)
    thread.start()
    out = run("wait", "ready", "-t", "10")
    thread.join()
    assert out.returncode == 0, out.stderr
    request = fakes[0].requests[0]
    assert request["what"] == "ready" and request["worker"] == "all"
    assert 0 < request["timeout_ms"] <= 10000
    fakes[0].close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_socket_of_others_exits_7(run, daemon, tmp_path):
    (tmp_path / "run/control.sock").chmod(0)
    assert run("ping").returncode == 7


def test_where_the_sockets_are(run, daemon, tmp_path):
    conf = tmp_path / "x.conf"
    conf.write_text(f"runtime_dir = \"{tmp_path}/run\"\n")
    elsewhere = {"CCTG_RUNTIME_DIR": "/nonexistent"}
    assert run("ping", env=elsewhere).returncode == 3
    assert run("--runtime-dir", tmp_path / "run", "ping",
               env=elsewhere).returncode == 0
    assert run("ping", "--socket", tmp_path / "run/control.sock",
               env=elsewhere).returncode == 0
    assert run("--config", conf, "ping",
               env={"CCTG_RUNTIME_DIR": ""}).returncode == 0
    assert run("ping", env={"CCTG_RUNTIME_DIR": "",
                            "CCTG_CONFIG": str(conf)}).returncode == 0
    assert run("--config", tmp_path / "none.conf", "ping",
               env={"CCTG_RUNTIME_DIR": ""}).returncode == 78


@pytest.mark.parametrize("broken", ["mode = = local\n", "telegram {\n", "}\n",
                                    "style = \"conc\n"])
def test_broken_configuration_left_events_where_nobody_looks(run, tmp_path,
                                                             broken):
    conf = tmp_path / "x.conf"
    paths = (f"runtime_dir = \"{tmp_path}/run\"\n"
             f"events_dir = \"{tmp_path}/here\"\n")
    home = {"CCTG_RUNTIME_DIR": "", "CC_TELEGRAM_EVENTS_DIR": "",
            "HOME": str(tmp_path / "home")}
    conf.write_text(broken + paths)
    for args in (("send", "x"), ("status",), ("queue",)):
        out = run("--config", conf, *args, env=home)
        assert out.returncode == 78, args
        assert re.search(re.escape(f"{conf}") + r":\d+: ", out.stderr)
    assert not (tmp_path / "home").exists()
    assert run("--config", conf, "--runtime-dir", tmp_path / "run", "ping",
               env=home).returncode == 3
    assert run("--config", conf, "run", "--", "sh", "-c", "exit 9",
               env=home).returncode == 9
    conf.write_text("mode = loud\nbogus = 1\n" + paths)
    out = run("--config", conf, "send", "x", env=home)
    assert out.returncode == 0 and len(list(tmp_path.glob("here/*.json"))) == 1


def test_json_comes_in_one_document(run, daemon):
    daemon.answer = lambda r: STATUS
    for args in (("--json", "status"), ("status", "--json")):
        out = run(*args)
        assert out.returncode == 0
        said = json.loads(out.stdout)
        assert list(said)[0] == "schema" and "ok" not in said
        assert said["queue"]["pending"] == 12


# -- the tree -------------------------------------------------------------

def test_status_for_people(run, daemon):
    daemon.answer = lambda r: STATUS
    out = run("status")
    assert out.returncode == 0
    assert "\033" not in out.stdout
    assert not re.search(r" $", out.stdout, re.M)
    for text in ("1h02m", "12 pending", "3 in flight", "oldest 1m11s",
                 "connected", "@somebot", "format/0", "backoff", "signal 9",
                 "3.0M"):
        assert text in out.stdout, text
    assert run("-q", "status").stdout == ""


def test_status_degraded_exits_1(run, daemon):
    daemon.answer = lambda r: dict(STATUS, state="degraded",
                                   reason="worker format/0 is backoff")
    out = run("status")
    assert out.returncode == 1
    assert "worker format/0 is backoff" in out.stdout
    assert run("status", "--json").returncode == 1


def test_text_from_outside_cannot_move_the_cursor(run, daemon):
    daemon.answer = lambda r: {"ok": True, "events": [
        {"id": "1", "state": "dead", "reason": "\u009b31mx",
         "type": "custom", "title": "a\033[2Jb\nc\x7f", "attempts": 1}]}
    out = run("queue").stdout
    assert "\033" not in out and "\u009b" not in out and "\x7f" not in out
    assert "a?[2Jb c?" in out


def test_control_verbs_say_what_is_wanted(run, daemon):
    def answer(r):
        return {"ok": True, "workers": ["format/0"], "text": "x 1\n",
                "crashes": [], "pid": 0, "restart_keys": ["state_dir"]}

    daemon.answer = answer
    for args, want in (
            (("restart",), {"op": "restart", "worker": "all"}),
            (("restart", "format"), {"op": "restart", "worker": "format"}),
            (("drain", "format/0"), {"op": "drain", "worker": "format/0"}),
            (("log", "verbose"), {"op": "log", "level": "verbose"}),
            (("crashes",), {"op": "crashes"}),
            (("workers",), {"op": "workers"}),
            (("stop",), {"op": "stop"}),
            (("reload",), {"op": "reload"}),
            (("metrics",), {"op": "metrics"})):
        if args == ("workers",):
            daemon.answer = lambda r: {"ok": True, "workers": []}
        out = run(*args)
        daemon.answer = answer
        assert out.returncode == 0, (args, out.stderr)
        assert daemon.requests[-1] == want
    assert run("metrics").stdout == "x 1\n"
    assert "state_dir" in run("reload").stderr


@pytest.mark.parametrize("answer, code", [
    ({"code": 65, "error": "no"}, 1),
    ({"code": 65, "field": "worker", "error": "no worker"}, 4),
    ({"code": 65, "field": "to", "error": "no such chat"}, 4),
    ({"code": 66, "error": "no such event"}, 4),
    ({"code": 75, "error": "busy"}, 75),
    ({"code": 75, "error": "timed out", "timed_out": True}, 6),
    ({"code": 77, "error": "not you"}, 7),
    ({"code": 78, "error": "/etc/x.conf:3: unknown key"}, 78)])
def test_errors_become_exit_codes(run, daemon, answer, code):
    daemon.answer = lambda r: dict(answer, ok=False)
    out = run("reload")
    assert out.returncode == code
    assert answer["error"] in out.stderr
    out = run("reload", "--json")
    assert out.returncode == code
    assert answer["error"] in json.loads(out.stdout)["error"]


def test_a_daemon_that_hangs_up_or_babbles(run, daemon):
    daemon.answer = lambda r: None
    assert run("ping").returncode == 75
    daemon.answer = lambda r: b"hello\n"
    assert run("ping").returncode == 1
    daemon.answer = lambda r: b"[]\n"
    assert run("ping").returncode == 1
    daemon.answer = lambda r: b'{"ok":"perhaps"}\n'
    assert run("ping").returncode == 1


def test_stop_returns_when_the_daemon_has_gone(run, daemon):
    process = subprocess.Popen(["sleep", "60"])

    def answer(r):
        threading.Timer(0.3, process.kill).start()
        return {"ok": True, "pid": process.pid}

    daemon.answer = answer
    begin = time.monotonic()
    assert run("stop").returncode == 0
    assert time.monotonic() - begin >= 0.3
    assert process.wait(10) == -9


# -- send -----------------------------------------------------------------

def accepted(r):
    return {"ok": True, "id": r["event"]["event_id"], "state": "received"}


def sent(run, daemon, *args, **options):
    daemon.answer = accepted
    out = run("send", *args, **options)
    assert out.returncode == 0, out.stderr
    request = daemon.requests[-1]
    assert out.stdout == request["event"]["event_id"] + "\n"
    return request


def test_send_makes_an_event_of_a_text(run, daemon):
    event = sent(run, daemon, "Hello,", "world")["event"]
    assert event["type"] == "info_notification"
    assert event["title"] == "Hello, world" and "description" not in event
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}",
                        event["event_id"])
    event = sent(run, daemon, "First\n\nSecond\nThird")["event"]
    assert event["title"] == "First"
    assert event["description"] == "Second\nThird"
    event = sent(run, daemon, "text", "--title", "T")["event"]
    assert (event["title"], event["description"]) == ("T", "text")
    event = sent(run, daemon, "x" * 300)["event"]
    assert "title" not in event and event["description"] == "x" * 300
    event = sent(run, daemon, "-", stdin="from\nstdin ✓\n\n")["event"]
    assert (event["title"], event["description"]) == ("from", "stdin ✓")
    event = sent(run, daemon, "--", "--looks like an option")["event"]
    assert event["title"] == "--looks like an option"


def test_send_options(run, daemon):
    request = sent(run, daemon, "--type", "build_failed", "--title", "T",
                   "--task", "t1", "--source", "ci", "--id", "my-id",
                   "--data", '{"a":[1,2.5,null]}', "--ttl", "6h", "--silent",
                   "--to", "ops")
    assert request == {
        "op": "send", "ttl": "6h", "to": "ops", "silent": True,
        "event": {"type": "build_failed", "title": "T", "task_id": "t1",
                  "source": "ci", "event_id": "my-id",
                  "data": {"a": [1, 2.5, None]}}}


def test_send_event_files(run, daemon, tmp_path):
    event = {"type": "task_completion", "title": "T", "event_id": "e1",
             "data": {"results": "läuft"}}
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    assert sent(run, daemon, "--event", path)["event"] == event
    got = sent(run, daemon, "--event", "-", "--title", "U",
               stdin=json.dumps(event))["event"]
    assert got == dict(event, title="U")
    path.write_text("{")
    assert run("send", "--event", path).returncode == 1
    path.write_text('{"title":"no type"}')
    out = run("send", "--event", path)
    assert out.returncode == 1 and "type" in out.stderr
    assert run("send", "--event", tmp_path / "none").returncode == 1


def test_send_attachments(run, daemon, tmp_path):
    for size in (0, 1, 2, 3, 1000):
        content = os.urandom(size)
        (tmp_path / "a.bin").write_bytes(content)
        event = sent(run, daemon, "x", "--file", tmp_path / "a.bin",
                     "--file", "a.bin")["event"]
        assert [a["name"] for a in event["attachments"]] == ["a.bin"] * 2
        assert all(base64.b64decode(a["content_base64"]) == content
                   for a in event["attachments"])
    (tmp_path / "a.bin").write_bytes(os.urandom(500_000))
    out = run("send", "x", "-f", tmp_path / "a.bin", "-f",
              tmp_path / "a.bin")
    assert out.returncode == 1 and "bytes" in out.stderr
    (tmp_path / "a.bin").write_bytes(os.urandom(2_000_000))
    out = run("send", "x", "-f", tmp_path / "a.bin")
    assert out.returncode == 1 and "1 MiB" in out.stderr


@pytest.mark.parametrize("final, code", [
    ({"state": "delivered", "message_ids": [7]}, 0),
    ({"state": "dead", "reason": "chat not found"}, 8),
    ({"state": "suppressed", "reason": "duplicate"}, 0),
    ({"state": "suppressed", "reason": "expired"}, 1),
    ({"state": "uncertain"}, 1),
    ({"ok": False, "error": "timed out", "timed_out": True, "code": 75}, 6)])
def test_send_and_wait(run, daemon, final, code):
    daemon.answer = lambda r: [
        accepted(r), {"ok": True, "id": r["event"]["event_id"], **final}]
    out = run("send", "x", "--wait=2.5")
    assert daemon.requests[-1]["wait"] == 2.5
    assert out.returncode == code
    assert out.stdout.strip() == daemon.requests[-1]["event"]["event_id"]
    out = run("send", "x", "--wait", "--json")
    assert daemon.requests[-1]["wait"] == 60
    assert out.returncode == code
    said = json.loads(out.stdout)
    if "state" in final:
        assert said["state"] == final["state"]


def test_send_and_wait_outlives_a_restart(run, daemon):
    """The connection ends, then the queue is not there yet."""
    def answer(r):
        if r["op"] == "send":
            return accepted(r)
        if len(daemon.requests) == 2:
            return {"ok": False, "code": 75, "error": "ask again"}
        return {"ok": True, "id": r["id"], "state": "dead", "reason": "x"}

    daemon.answer = answer
    daemon.hang_up = lambda r: r["op"] == "send"
    out = run("send", "x", "--wait=20")
    assert out.returncode == 8
    first, second, third = daemon.requests
    assert second["cmd"] == "wait" and 0 < second["timeout_ms"] <= 20000
    assert second["id"] == third["id"] == first["event"]["event_id"]


def test_send_to_a_busy_daemon_exits_75(run, daemon):
    daemon.answer = lambda r: {"ok": False, "error": "the store is full",
                               "code": 75}
    out = run("send", "x")
    assert out.returncode == 75 and "full" in out.stderr


def test_send_offers_the_same_event_again(run, daemon):
    """The connection breaks after the request: was it accepted?"""
    daemon.answer = lambda r: (None if len(daemon.requests) == 1 else
                               dict(accepted(r), duplicate=True))
    out = run("send", "x")
    assert out.returncode == 0
    assert len(daemon.requests) == 2
    assert daemon.requests[0] == daemon.requests[1]


def test_send_without_daemon_leaves_a_file(run, tmp_path):
    out = run("send", "hello", "--ttl", "6h", "--to", "ops", "--silent")
    assert out.returncode == 0
    event_id, word = out.stdout.split()
    assert word == "queued"
    out = run("send", "again", "--json")
    assert json.loads(out.stdout)["state"] == "queued"
    files = list((tmp_path / "events").iterdir())
    assert len(files) == 2 and all(f.suffix == ".json" for f in files)
    events = {e["event_id"]: e for e in
              (json.loads(f.read_text()) for f in files)}
    assert events[event_id] == {
        "type": "info_notification", "title": "hello", "ttl": "6h",
        "to": "ops", "silent": True, "event_id": event_id}
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_send_that_can_go_nowhere(run, tmp_path):
    (tmp_path / "events").write_text("not a directory")
    out = run("send", "hello")
    assert out.returncode == 3
    assert "events" in out.stderr


# -- events ---------------------------------------------------------------

EVENT = {"id": "019aa", "state": "delivered", "reason": None,
         "type": "build_failed", "title": "Build broke", "severity": "high",
         "received_at": "2026-11-21T04:50:08.105Z", "attempts": 2,
         "not_before": None,
         "deliveries": [{"chat": -100123, "state": "delivered",
                         "message_ids": [17], "digest": True}]}


def test_queue_show(run, daemon):
    daemon.answer = lambda r: {"ok": True, "event": EVENT}
    out = run("queue", "show", "019aa", "--json")
    assert json.loads(out.stdout) == EVENT
    assert daemon.requests[-1] == {"op": "queue", "cmd": "show",
                                   "id": "019aa"}
    out = run("queue", "show", "019aa").stdout
    assert "Build broke" in out and "message 17" in out and "digest" in out


def test_queue_and_history_lists(run, daemon):
    row = dict(EVENT, chat=-100123)
    del row["deliveries"]
    daemon.answer = lambda r: {"ok": True, "events": [row]}
    for args, want in (
            (("queue",), {"op": "queue", "cmd": "list", "limit": 50}),
            (("queue", "list", "-n", "5", "--state", "held"),
             {"op": "queue", "cmd": "list", "limit": 5, "state": "held"}),
            (("queue", "dead"), {"op": "queue", "cmd": "dead", "limit": 50}),
            (("history", "--since", "2h"),
             {"op": "history", "since": "2h", "limit": 50})):
        out = run(*args)
        assert out.returncode == 0 and "Build broke" in out.stdout
        assert "-100123" in out.stdout
        assert daemon.requests[-1] == want
        assert json.loads(run(*args, "--json").stdout) == {"events": [row]}
    daemon.answer = lambda r: {"ok": True, "events": []}
    for args, none in ((("queue",), "nothing is waiting"),
                       (("queue", "dead"), "nothing has failed"),
                       (("queue", "--state", "dead"),
                        "no events in this state"),
                       (("history",), "nothing is finished yet")):
        assert run(*args).stdout == none + "\n"
    daemon.answer = lambda r: {"ok": True}
    assert run("queue").returncode == 1


def on_terminal(columns, tmp_path, *args):
    """The lines that a terminal so wide shows, without colours."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ,
                struct.pack("HHHH", 40, columns, 0, 0))
    env = {**os.environ, "CCTG_RUNTIME_DIR": str(tmp_path / "run"),
           "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen([CTL, *args], stdin=subprocess.DEVNULL,
                          stdout=follower, stderr=follower,
                          env=env) as process:
        os.close(follower)
        said = b""
        try:
            while part := os.read(leader, 65536):
                said += part
        except OSError:
            pass  # nobody has it open any more
        assert process.wait(10) in (0, 1)
    os.close(leader)
    return said.decode().splitlines()


def width(text):
    """Columns of a text of which some characters take two, or none."""
    return sum(0 if unicodedata.combining(c) or c == "\ufe0f" else
               2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


TITLES = ["short", "The quick brown fox jumps over the lazy dog, twice",
          "日本語のとても長いタイトルです、日本語のとても長い", "e\u0301" * 60,
          "🦊 fox 🚀 " * 9]


def test_tables_fit_the_terminal(run, daemon, tmp_path):
    """No line is broken; what goes first is what says least."""
    ids = [f"019aa0f1-0000-7000-8000-00000000000{i}" for i in range(5)]
    daemon.answer = lambda r: {"ok": True, **STATUS, "events": [
        {"id": i, "state": "delivered", "attempts": 12, "title": t,
         "chat": -1001234567890, "type": "performance_alert",
         "received_at": "2026-01-02T03:04:05Z", "reason":
         "rejected by Telegram, in many words" if t == "short" else None}
        for i, t in zip(ids, TITLES)], "approvals": [
            {"id": i, "title": t, "asked_at": "2026-01-02T03:04:05Z"}
            for i, t in zip(ids, TITLES)], "silences": [
                {"id": 1, "match": {"type": "build_*", "source": "x" * 40},
                 "ends_at": "2026-01-02T03:04:05Z", "comment": t}
                for t in TITLES]}
    for verb in ("queue", "history", "approvals", "silence", "workers"):
        for columns in (64, 72, 80, 100, 132, 200):
            lines = on_terminal(columns, tmp_path, verb)
            assert len(lines) == 1 + (len(STATUS["workers"])
                                      if verb == "workers" else 5), lines
            for line in lines:
                assert width(line) <= columns, (verb, columns, line)
        if verb in ("queue", "history", "approvals"):
            for columns in (64, 200):
                lines = on_terminal(columns, tmp_path, verb)
                assert [line.split()[0] for line in lines[1:]] == ids
    narrow, wide = (on_terminal(n, tmp_path, "queue") for n in (80, 250))
    assert "TYPE" not in narrow[0] and "STATE" in narrow[0]
    assert "TYPE" in wide[0] and TITLES[1] in wide[2]
    assert "…" in narrow[2] and "in many words" in wide[1]
    # What is no terminal gets all, in columns that a script can tell apart.
    plain = run("queue").stdout.splitlines()
    for line, title in zip(plain[1:], TITLES):
        assert title.strip() in line and "performance_alert" in line
        assert len(re.split(r"  +", line)) >= 7
    assert re.search("type=build_[*] source=x", run("silence").stdout)


def test_crashes_for_people(run, daemon):
    daemon.answer = lambda r: {"ok": True, "crashes": [
        {"at": "2026-01-02T03:04:05Z", "worker": "format/0", "pid": 101,
         "signal": 11, "code": None, "uptime_s": 12.5,
         "text": "address 0x0\nframe \033[1mone\n"},
        {"at": "2026-01-02T03:04:05Z", "worker": "queue", "pid": 102,
         "signal": None, "code": 1, "uptime_s": 0.5, "text": None}]}
    lines = run("crashes").stdout.splitlines()
    assert re.search(r"format/0 +signal 11 \(Segmentation fault\)  "
                     r"pid 101, after 12s$", lines[0]), lines
    assert lines[1:3] == ["    address 0x0", "    frame ?[1mone"]
    assert re.search(r"queue +code 1  pid 102, after 0.5s$", lines[3])


def test_queue_orders(run, daemon):
    daemon.answer = lambda r: {"ok": True, "n": 3}
    for args, want in (
            (("retry", "all"), {"cmd": "retry", "id": "all"}),
            (("drop", "e1"), {"cmd": "drop", "id": "e1"}),
            (("hold",), {"cmd": "hold"}), (("release",), {"cmd": "release"}),
            (("flush",), {"cmd": "flush"})):
        out = run("queue", *args)
        assert out.returncode == 0 and out.stdout == "3\n"
        assert daemon.requests[-1] == {"op": "queue", **want}


def test_modes(run, daemon):
    daemon.answer = lambda r: {"ok": True, "mode": "mute",
                               "until": "2026-11-21T04:50:08.105Z"}
    for args, want in ((("mode",), {"op": "mode"}),
                       (("mode", "nomad"), {"op": "mode", "mode": "nomad"}),
                       (("mute", "2h"), {"op": "mute", "for": "2h"}),
                       (("mute",), {"op": "mute"}),
                       (("unmute",), {"op": "unmute"})):
        out = run(*args)
        assert out.returncode == 0 and out.stdout.startswith("mute until")
        assert daemon.requests[-1] == want


def test_tail_outlives_a_restart_of_its_server(run, daemon, tmp_path):
    change = {"at": "2026-11-21T04:50:08.105Z", "id": "e1",
              "state": "delivered", "type": "custom", "title": "One",
              "chat": "ops"}
    turns = []

    def answer(r):
        turns.append(r)
        return [{"ok": True}, dict(change, title=f"Turn {len(turns)}")]

    daemon.answer = answer
    daemon.hang_up = lambda r: len(turns) == 1
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path),
           "CCTG_RUNTIME_DIR": str(tmp_path / "run")}
    for verb, turn in (("tail", 1), ("subscribe", 3)):
        with subprocess.Popen([CTL, verb], stdout=subprocess.PIPE, text=True,
                              env=env) as process:
            line = process.stdout.readline()
            assert f"Turn {turn}" in line
            if verb == "tail":
                assert "Turn 2" in process.stdout.readline()
            else:
                assert json.loads(line)["id"] == "e1"
            process.kill()


def test_tail_shows_answers(run, daemon, tmp_path):
    daemon.answer = lambda r: [{"ok": True}, {
        "at": "2026-11-21T04:50:08.105Z", "event": "response", "response": {
            "user_id": 42, "first_name": "A\033nn", "option": "Fast",
            "title": "Which way?"}}]
    with subprocess.Popen(
            [CTL, "tail"], stdout=subprocess.PIPE, text=True,
            env={"CCTG_RUNTIME_DIR": str(tmp_path / "run")}) as process:
        line = process.stdout.readline()
        process.kill()
    assert re.search(r" answer +42 +A\?nn +Fast +Which way\?", line)


def test_start_up_is_fast(run, daemon, tmp_path):
    """At most 5 ms more than a program that does nothing, at their best: the
    rest is the waiting for a processor that others use."""
    empty = tmp_path / "empty"
    (tmp_path / "empty.c").write_text("int main(void) { return (0); }\n")
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-o", empty,
                    tmp_path / "empty.c"], check=True)
    env = {"CCTG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}

    def best(*command):
        times = []
        for _ in range(41):
            begin = time.perf_counter()
            subprocess.run(command, env=env, stdout=subprocess.DEVNULL,
                           check=True)
            times.append(time.perf_counter() - begin)
        return min(times)

    if "ASAN_OPTIONS" in os.environ:
        pytest.skip("not a build to be measured")
    daemon.answer = lambda r: accepted(r) if "event" in r else {"ok": True}
    base = best(str(empty))
    assert best(CTL, "ping") - base < 0.005
    assert best(CTL, "send", "hello") - base < 0.005
