"""The main path: an event becomes a message, whatever is in it.

The fixtures are files that the MCP server of co8/cctelegram really wrote.
"""

import json
import os
import re
import stat
import time

import pytest

from simlib import SOURCE, wait_for

FIXTURES = sorted((SOURCE / "tests/fixtures/events").glob("*.json"))
# What a file says only for the machine.
NOT_SHOWN = {"requires_response", "response_options"}


def leaves(value):
    """The texts and numbers in a value, as they would be read."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key not in NOT_SHOWN:
                yield from ((f"{key}.{k}" if k else key, v)
                            for k, v in leaves(member))
    elif isinstance(value, list):
        for member in value:
            yield from leaves(member)
    elif isinstance(value, str):
        yield from (("", line.strip()) for line in value.splitlines()
                    if line.strip())
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield "", f"{value:g}"


def human_duration(milliseconds):
    minutes, seconds = divmod(float(milliseconds) / 1000, 60)
    return (f"{minutes:.0f} min " if minutes else "") + f"{seconds:g} s"


def missing_from(text, event):
    """What of an event its message does not say."""
    expected = [("title", event["title"])]
    for key, value in leaves(event["data"]):
        if key == "duration_ms":
            value = human_duration(value)
        expected.append((key, value))
    # "muted" is the predecessor's word for the mode "mute".
    return [(k, v) for k, v in expected if v not in text
            and not (k == "requested_mode" and v.rstrip("d") in text)]


def test_every_captured_event_is_one_message(tree, sim):
    events = {p.name: json.loads(p.read_text()) for p in FIXTURES}
    assert len(events) >= 37
    # What changes the mode comes last: mute would hold the others.
    switches = ["switch_to__nomad.json", "switch_to__mute.json",
                "switch_to__local.json"]
    for name in events:
        if name not in switches:
            tree.drop((SOURCE / "tests/fixtures/events" / name).read_text(),
                      name)
    tree.wait_settled()
    for name in switches:
        n = len(sim.messages())
        tree.drop(events[name], name)
        sim.wait_messages(n + 1)
        tree.wait_settled()
    messages = sim.messages()
    assert len(messages) == len(events)
    assert not any(m["edits"] for m in messages)
    left = list(messages)
    for name, event in sorted(events.items(), reverse=True):
        mine = [m for m in left if not missing_from(m["text"], event)
                and m["text"].split("\n")[0].endswith(event["title"])]
        assert mine, (name, [missing_from(m["text"], event) for m in left
                             if event["title"] in m["text"]])
        left.remove(mine[0])
    assert not left
    assert not tree.waiting()
    assert not (tree.events / "rejected").exists() or \
        not list((tree.events / "rejected").iterdir())
    queue = tree.status()["queue"]
    assert queue["delivered"] == len(events)
    assert queue["dead"] == queue["suppressed"] == queue["uncertain"] == 0


@pytest.mark.parametrize("letter", ["ü", "好", "😀"],
                         ids=["two-bytes", "three-bytes", "four-bytes"])
def test_5000_characters_of_results(tree, sim, letter):
    """More than a message holds: split, nothing lost, every part valid."""
    tree.drop({"type": "task_completion", "source": "claude-code",
               "title": "Long results", "description": "done",
               "task_id": "t-long", "event_id": "t-long",
               "timestamp": "2026-01-01T00:00:00.000Z",
               "data": {"status": "completed", "results": letter * 5000}})
    tree.wait_settled()
    messages = sim.messages()
    assert 2 <= len(messages) <= 4
    assert "Long results" in messages[0]["text"]
    assert sum(m["text"].count(letter) for m in messages) == 5000
    assert all(m["units"] <= 4096 for m in messages)
    assert tree.status()["queue"]["delivered"] == 1


@pytest.mark.parametrize("event, said", [
    ({"type": "approval_request", "title": "No prompt",
      "description": "Shall it be done?", "data": {}},
     ["No prompt", "Shall it be done?"]),
    ({"type": "task_completion", "title": "Fraction",
      "description": "d", "data": {"duration_ms": 1234.5678}},
     ["Fraction", "1.2 s"]),
    ({"type": "user_response", "title": "Number as id", "description": "d",
      "data": {"user_id": 123456789012}}, ["Number as id", "123456789012"]),
    ({"type": "approval_request", "title": "Many options",
      "description": "Which?", "data": {
          "approval_prompt": "Which one of them?",
          "options": [f"Choice number {i}" for i in range(1, 11)]}},
     ["Which one of them?"] + [f"Choice number {i}" for i in range(1, 11)]),
    ({"type": "nobody_knows_this", "title": "Unknown type",
      "description": "d", "data": {"colour": "green", "depth": {"n": 7}}},
     ["Unknown type", "green", "7"]),
    ({"type": "task_failed", "description": "only a description"},
     ["only a description"]),
    ({"type": "build_failed", "title": "<b>&amp; _no_ *markup* [x](y) `z`",
      "description": "a < b && c > d"},
     ["<b>&amp; _no_ *markup* [x](y) `z`", "a < b && c > d"]),
], ids=lambda v: v["type"] if isinstance(v, dict) else "")
def test_what_strict_readers_refuse(tree, sim, event, said):
    tree.drop(event)
    message, = sim.wait_messages(1)
    for words in said:
        assert words in message["text"]
    assert tree.wait_settled()["delivered"] == 1


def test_mode_mute_is_told_and_holds(tree, sim):
    tree.drop(json.loads((SOURCE / "tests/fixtures/events" /
                          "switch_to__mute.json").read_text()))
    sim.wait_messages(1, text="mute")
    wait_for(lambda: tree.status()["mode"] == "mute")
    tree.send(type="info_notification", title="not now")
    tree.send(type="approval_request", title="but this one")
    sim.wait_messages(1, text="but this one")
    assert not sim.messages(text="not now")


def test_progress_is_one_message(tree, sim):
    """Ten updates edit one message; the end of the task closes it."""
    for i in range(1, 11):
        tree.send(type="progress_update", task_id="job-1", title="Import",
                  data={"current": i, "total": 10})
        time.sleep(0.05)
    tree.wait_settled()
    tree.send(type="task_completion", task_id="job-1", title="Import",
              data={"status": "completed"})
    tree.wait_settled()
    messages = sim.messages(text="Import")
    progress, completion = messages
    assert progress["edits"] and "Completed" in progress["text"]
    assert "Import" in completion["text"]


def test_a_second_start_finds_what_came_meanwhile(tree, sim):
    tree.send(type="info_notification", title="first")
    tree.wait_settled()
    assert tree.stop() == 0
    tree.drop({"type": "info_notification", "title": "meanwhile"})
    tree.start()
    sim.wait_messages(1, text="meanwhile")
    assert tree.wait_settled()["delivered"] == 2
    assert len(sim.messages(text="first")) == 1


# -- the token ------------------------------------------------------------

def test_the_token_is_nowhere_to_be_seen(tree, sim):
    """Not in logs, process lists, workers' environments, answers, files."""
    token = sim.token.encode()
    secret = token.split(b":")[1]
    # Errors are where tokens are told: one of each kind.
    sim.fault("status", count=1, status=500)
    sim.fault("nonjson", count=1)
    sim.fault("close_before", count=1)
    tree.ask("log", level="verbose")
    for i in range(5):
        tree.send(type="info_notification", title=f"event {i}")
    tree.drop({"type": "info_notification", "title": "a file",
               "description": f"see {sim.token}"})
    tree.drop("{", "broken.json")
    tree.wait_settled(60)

    seen = {"log": tree.log().encode()}
    for op in ("status", "workers", "crashes", "metrics"):
        seen[op] = json.dumps(tree.ask(op)).encode()
    for verb in ("queue", "history"):
        seen[verb] = json.dumps(tree.ctl(verb)[1]).encode()
    for name, pid in tree.pids().items():
        seen[f"cmdline of {name}"] = read(f"/proc/{pid}/cmdline")
        if name != "cctgd":
            seen[f"environ of {name}"] = read(f"/proc/{pid}/environ")
    seen["messages"] = json.dumps(sim.messages()).encode()
    for where, text in seen.items():
        assert text, where
        assert secret not in text, where
    for path in tree.dir.rglob("*"):
        if path.is_file() and secret in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except PermissionError:
        return b"closed even to us"


def test_the_token_is_in_the_memory_of_two(tree, sim):
    """The supervisor, which hands it out, and telegram, which uses it."""
    if os.geteuid() != 0:
        pytest.skip("needs to read the memory of others")
    tree.send(type="info_notification", title="used")
    sim.wait_messages(1, text="used")
    secret = sim.token.split(":")[1].encode()
    holders = {name for name, pid in tree.pids().items()
               if in_memory(pid, secret)}
    assert holders <= {"cctgd", "telegram"}
    assert "telegram" in holders


def in_memory(pid, needle):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not match or "[v" in line:
                continue
            begin, end = (int(n, 16) for n in match.groups())
            try:
                memory.seek(begin)
                if needle in memory.read(end - begin):
                    return True
            except OSError:
                continue
    return False
