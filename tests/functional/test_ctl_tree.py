"""cctgctl, the whole tree and the simulator: what people do with events."""

import json
import os
import signal
import subprocess
import threading
import urllib.request

import pytest

from simlib import SOURCE, build_dir, wait_for

pytestmark = pytest.mark.skipif(
    not (build_dir() / "cctg-monitor").exists(),
    reason="the tree is not built as a whole")

USER = 1001
OPS = -1001234567890


@pytest.fixture
def tree(tree_for, sim):
    return tree_for(sim, users=(USER,), more=f"""
        chat "ops" {{ id = {OPS} }}
        chat "topic" {{ id = {OPS}  thread = 7 }}
        chat "general" {{ id = {OPS}  thread = 1 }}
        route "still" {{ source = {{"cron"}} chat = {{"ops"}} silent = true }}
        route "builds" {{ type = {{"build_*"}}  chat = {{"ops"}} }}
        """)


@pytest.fixture
def ctl(tree):
    def run(*args, code=0, stdin=""):
        out = subprocess.run(
            [str(build_dir() / "cctgctl"), "--config", str(tree.conf),
             *map(str, args)], input=stdin, text=True, capture_output=True,
            timeout=60, env=tree.env)
        assert out.returncode == code, (args, out.stdout, out.stderr)
        return out.stdout

    return run


def test_send_arrives(ctl, sim):
    event_id = ctl("send", "Hello <world> & ✓").strip()
    sim.wait_messages(1, chat=USER, text="Hello <world> & ✓")
    wait_for(lambda: json.loads(ctl("queue", "show", event_id, "--json"))
             ["state"] == "delivered")
    shown = json.loads(ctl("queue", "show", event_id, "--json"))
    assert set(shown) >= {"id", "state", "reason", "type", "title",
                          "severity", "received_at", "attempts",
                          "not_before", "deliveries"}
    assert shown["id"] == event_id and shown["severity"] == "low"
    delivery, = shown["deliveries"]
    assert delivery["chat"] == USER and delivery["digest"] is False
    assert len(delivery["message_ids"]) == 1
    assert event_id in ctl("history") and event_id not in ctl("queue")
    ctl("queue", "show", "nobody", code=4)


def test_send_by_routes_and_to_a_chat(ctl, sim):
    ctl("send", "a build", "--type", "build_failed", "--wait=10")
    assert len(sim.messages(chat=OPS, text="a build")) == 1
    assert not sim.messages(chat=USER)
    ctl("send", "by name", "--to", "ops", "--wait=10")
    ctl("send", "by number", "--to", OPS, "--wait=10")
    assert len(sim.messages(chat=OPS)) == 3
    ctl("send", "to nobody", "--to", "nosuch", code=4)


def test_topics(tree, ctl, sim):
    """A topic is a message_thread_id; the general one, 1, is none."""
    ctl("send", "by name", "--to", "topic", "--wait=10")
    ctl("send", "by number", "--to", f"{OPS}:8", "--wait=10")
    ctl("send", "general", "--to", "general", "--wait=10")
    ctl("send", "also general", "--to", f"{OPS}:1", "--wait=10")
    for bad in (f"{OPS}:x", f"{OPS}:-1", f"{OPS}:", "0", "topic:7"):
        ctl("send", "nowhere", "--to", bad, code=4)
    path = tree.dir / "events" / "a.json"
    path.write_text(json.dumps({"type": "x", "title": "by a file",
                                "to": f"{OPS}:9"}))
    sim.wait_messages(1, text="by a file")
    assert [(m["text"].split("\n")[0].split(" ", 1)[1], m["thread"])
            for m in sim.messages(chat=OPS)] == [
        ("by name", 7), ("by number", 8), ("general", 0),
        ("also general", 0), ("by a file", 9)]
    assert not sim.messages(chat=USER)


def test_silent(tree, ctl, sim, tmp_path):
    (tmp_path / "f").write_text("attached")
    ctl("send", "loud", "--wait=10")
    ctl("send", "still", "--silent", "-f", tmp_path / "f", "--wait=10")
    ctl("send", "by route", "--source", "cron", "--wait=10")
    path = tree.dir / "events" / "a.json"
    path.write_text('{"type":"x","title":"by a file","silent":true}')
    sim.wait_messages(1, text="by a file")
    assert [m["silent"] for m in sim.messages()] == [
        False, True, True, True, True]


def test_the_same_id_is_one_event(ctl, sim):
    for _ in range(3):
        assert ctl("send", "once", "--id", "the-id").strip() == "the-id"
    ctl("send", "last", "--wait=10")
    assert len(sim.messages(text="once")) == 1
    said = json.loads(ctl("send", "once", "--id", "the-id", "--json"))
    assert said["duplicate"] is True


def test_refused_by_telegram_exits_8(ctl, sim):
    sim.fault("status", method="sendMessage", status=400,
              description="Bad Request: chat not found")
    said = json.loads(ctl("send", "x", "--wait=10", "--json", code=8))
    assert said["state"] == "dead" and said["reason"]
    assert said["id"] in ctl("queue", "dead")
    assert int(ctl("queue", "retry", said["id"])) == 1
    sim.wait_messages(1, text="x")


def test_hold_release_and_drop(ctl, sim):
    ctl("queue", "hold")
    ctl("send", "held", "--id", "h1", "--wait=0.3", code=6)
    ctl("send", "dropped", "--id", "h2")
    assert "h1" in ctl("queue") and "h2" in ctl("queue")
    assert int(ctl("queue", "drop", "h2")) == 1
    shown = json.loads(ctl("queue", "show", "h2", "--json"))
    assert (shown["state"], shown["reason"]) == ("suppressed", "cancelled")
    assert not sim.messages()
    # Who wonders why nothing comes is told, also after a restart.
    assert "queue release" in ctl("status")
    ctl("restart", "queue")
    ctl("wait", "ready")
    wait_for(lambda: "queue is held" in ctl("status"))
    assert "cctg_queue_held 1" in ctl("metrics")
    ctl("queue", "release")
    wait_for(lambda: "queue is held" not in ctl("status"))
    sim.wait_messages(1, text="held")
    assert not sim.messages(text="dropped")


def test_a_mode_that_comes_while_the_queue_goes(tree, ctl, sim):
    """A process that ends begins nothing new; that is its own affair, and the
    next one does not take it over."""
    sim.fault("delay", "sendMessage", ms=2000)
    ctl("send", "slow")
    wait_for(lambda: tree.status()["queue"]["inflight"] == 1)
    pid = tree.pid("queue")
    with tree.connect("submit.sock") as s, s.makefile("rw") as f:
        tree.ask("restart", worker="queue")
        f.write(json.dumps({"op": "mode", "mode": "nomad"}) + "\n")
        f.flush()
        tree.wait_replaced("queue", pid)
    assert "queue is held" not in ctl("status")
    ctl("send", "next", "--wait=20")
    assert sim.messages(text="next")


def test_modes(ctl, sim):
    assert ctl("mode") == "local\n"
    assert ctl("mode", "nomad") == "nomad\n"
    assert ctl("mute", "1h").startswith("mute until ")
    said = json.loads(ctl("mode", "--json"))
    assert said["mode"] == "mute" and said["until"]
    assert json.loads(ctl("status", "--json"))["mode"] == "mute"
    ctl("send", "muffled")
    ctl("unmute")
    sim.wait_messages(1, text="muffled")
    assert ctl("mode") == "nomad\n"


@pytest.mark.parametrize("name, mode, silent", [
    ("mute", "mute", True), ("nomad", "nomad", False),
    ("local", "local", False)])
def test_mode_switch_by_a_file(tree, ctl, sim, name, mode, silent):
    """As the MCP server of co8/cctelegram writes them."""
    ctl("mode", "mute" if mode == "local" else "local")
    text = (SOURCE / f"tests/fixtures/events/switch_to__{name}.json"
            ).read_text()
    (tree.dir / "events" / "switch.json").write_text(text)
    message, = sim.wait_messages(1, text="Mode Switch Request")
    assert f"Mode: {mode} (" in message["text"]
    assert json.loads(text)["data"]["requested_mode"] in message["text"]
    assert f"/cct:{name}" in message["text"]
    assert message["silent"] is silent
    assert json.loads(ctl("status", "--json"))["mode"] == mode


def test_tail(tree, ctl):
    with subprocess.Popen(
            [str(build_dir() / "cctgctl"), "--config", str(tree.conf),
             "tail", "--json"], stdout=subprocess.PIPE, text=True,
            env=tree.env) as tail:
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(
            json.loads(line) for line in tail.stdout))
        thread.start()
        # When it has subscribed is not known: the next ones are seen.
        wait_for(lambda: ctl("send", "x", "--wait=5") and seen)
        event_id = ctl("send", "followed", "--wait=5").strip()
        wait_for(lambda: any(e["id"] == event_id and
                             e["state"] == "delivered" for e in seen))
        tree.kill("intake")
        tree.wait_state("intake", "ready")
        count = len(seen)
        wait_for(lambda: ctl("send", "y", "--wait=5") and len(seen) > count)
        tail.kill()
        thread.join()


def test_sent_while_down_arrives_later(tree, ctl, sim):
    assert ctl("stop") == "stopped\n"
    event_id, word = ctl("send", "while down", "--to", "ops").split()
    assert word == "queued"
    ctl("status", code=3)
    tree.start()
    sim.wait_messages(1, chat=OPS, text="while down")
    shown = json.loads(ctl("queue", "show", event_id, "--json"))
    assert shown["id"] == event_id
    wait_for(lambda: not list((tree.dir / "events").glob("*.json")))


@pytest.mark.parametrize("victim", ["intake", "queue"])
def test_no_send_fails_while_workers_are_killed(tree, ctl, sim, victim):
    kills = []
    done = threading.Event()

    def kill():
        while not done.wait(0.1):
            worker = tree.worker(victim)
            if worker and worker["pid"] and worker["state"] == "ready":
                os.kill(worker["pid"], signal.SIGKILL)
                kills.append(worker["pid"])

    killer = threading.Thread(target=kill)
    killer.start()
    ids = []
    try:
        while len(kills) < 4 or len(ids) < 40:
            ids.append(ctl("send", f"number {len(ids)}.").split()[0])
    finally:
        done.set()
        killer.join()
    assert len(set(ids)) == len(ids)
    for n in range(len(ids)):
        sim.wait_messages(1, text=f"number {n}.", timeout=30)


def document_bytes(sim, number):
    """What was uploaded as the number-th document since sim started."""
    url = f"{sim.url}/file/bot{sim.token}/documents/file_{number}"
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


def test_files_arrive_as_documents(ctl, sim, tmp_path):
    text, binary = "Grüße\n\t<b>&\r\n" * 50, os.urandom(70000) + b"\0"
    (tmp_path / "the log.txt").write_bytes(text.encode())
    (tmp_path / "core.bin").write_bytes(binary)
    ctl("send", "two files", "-f", tmp_path / "the log.txt", "-f",
        tmp_path / "core.bin", "--to", "ops", "--wait=10")
    message, first, second = sim.messages(chat=OPS)
    assert "two files" in message["text"] and "document" not in message
    assert first["document"]["file_name"] == "the log.txt"
    assert first["document"]["content"] == text and first["text"] == ""
    assert second["document"]["file_name"] == "core.bin"
    assert document_bytes(sim, 2) == binary


def test_a_large_file_and_one_too_large(ctl, sim, tmp_path):
    content = os.urandom(600 * 1024)
    (tmp_path / "large.bin").write_bytes(content)
    ctl("send", "--file", tmp_path / "large.bin", "--wait=10")
    message, document = sim.messages()
    assert "large.bin" in message["text"]
    assert document["document"]["size"] == len(content)
    assert document_bytes(sim, 1) == content
    (tmp_path / "huge.bin").write_bytes(bytes(800 * 1024))
    ctl("send", "--file", tmp_path / "huge.bin", code=1)
    (tmp_path / "empty.txt").write_bytes(b"")
    ctl("send", "x", "--file", tmp_path / "empty.txt", "--wait=10")
    last = sim.messages()[-1]
    assert "empty.txt is not attached" in last["text"]


def test_secrets_in_attached_texts_are_masked(ctl, sim, tmp_path):
    secret = "ghp_" + "a1B2c3D4e5" * 4
    (tmp_path / "env.txt").write_text(f"first\nkey {secret} last\n")
    ctl("send", "env", "--file", tmp_path / "env.txt", "--wait=10")
    content = sim.messages()[-1]["document"]["content"]
    assert secret not in content and "masked" in content
    assert content.startswith("first\n") and content.endswith("last\n")


def test_files_are_never_merged_into_a_digest(ctl, sim, tree, tmp_path):
    tree.write_config(f"""
        telegram {{ api_url = "{sim.url}"  allowed_users = {{{USER}}}
            rate {{ global = 0  private = 2  private_burst = 1 }} }}
        """)
    ctl("reload")
    (tmp_path / "a.txt").write_text("attached")
    for i in range(60):
        ctl("send", f"number {i}")
    ctl("send", "with a file", "--file", tmp_path / "a.txt", "--wait=30")
    documents = [m for m in sim.messages() if "document" in m]
    assert [m["document"]["content"] for m in documents] == ["attached"]
    message, = sim.messages(text="with a file")
    assert "number" not in message["text"]
    assert len(sim.messages()) < 40
