"""Events of the largest size: they arrive, or it is said why not, and what
they took of memory is given back."""

import base64
import json
import re

import pytest

from simlib import wait_for
from submitlib import Client
from treelib import sanitized

MOST = (1 << 20) - 200  # a request has 1 MiB, with what is around the event
CPU = ("analyze/0", "format/0", "compress/0")


def nested(depth, inner="x"):
    for _ in range(depth):
        inner = {"k": inner}
    return inner


LARGE = {
    "text": {"description": "y" * (MOST - 200)},
    "lines": {"description": "\n" * (MOST // 2 - 200)},
    "keys": {"data": {f"key{i:06}": i for i in range(50000)}},
    "empty texts": {"data": {"list": [""] * (MOST // 4 - 100)}},
    "objects": {"data": {"list": [{}] * 39000}},
    "depth": {"data": nested(28, "z" * 900_000)},
    "file": {"attachments": [{"name": "a", "content_base64":
                              base64.b64encode(bytes(780_000)).decode()}]},
}

REFUSED = {
    "deeper": ({"data": nested(40)}, "too deep"),
    "more objects": ({"data": {"list": [{}] * 60000}}, "40000"),
    "larger": ({"description": "y" * (1 << 20)}, "1048576|1 MiB"),
}


def private_kib(tree, worker):
    with open(f"/proc/{tree.pid(worker)}/smaps_rollup",
              encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup
                   if line.startswith("Private_"))


def peak_kib(tree, worker):
    with open(f"/proc/{tree.pid(worker)}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines
                    if line.startswith("VmHWM:"))


def test_the_largest_arrive_and_leave_nothing_behind(tree, sim):
    client = Client(tree, 60)
    for name, fields in LARGE.items():
        event = {"type": "x", "title": f"large {name}", **fields}
        answer = client.ask("send", event=event, wait=30)
        assert answer["ok"], (name, answer)
        assert client.read()["state"] == "delivered", name
        assert sim.messages(text=f"large {name}")
    text = next(m for m in sim.messages() if "document" in m)
    assert text["document"]["content"].count("y") >= MOST - 200
    if sanitized():
        pytest.skip("memory is not the program's own")
    workers = tree.names()
    peaks = {worker: peak_kib(tree, worker) for worker in workers}
    print(peaks)
    assert max(peaks.values()) < 64 << 10, peaks
    for worker in CPU:
        wait_for(lambda w=worker: private_kib(tree, w) < 1024,
                 why=f"{worker} below 1 MiB")


def test_what_is_too_large_is_refused_with_the_reason(tree, sim):
    for name, (fields, why) in REFUSED.items():
        event = {"type": "x", "title": "too large", "event_id": name,
                 **fields}
        with Client(tree) as client:
            answer = client.ask("send", event=event)
        assert answer["ok"] is False and answer["code"] == 65
        assert re.search(why, answer["error"]), answer
        part = tree.dir / "events" / f"{name}.tmp"
        part.write_text(json.dumps(event))
        part.rename(part.with_suffix(".json"))
    for name, (fields, why) in REFUSED.items():
        reason = tree.dir / f"events/rejected/{name}.json.reason"
        wait_for(reason.exists, 20)
        assert re.search(why, reason.read_text()), reason.read_text()
    assert not sim.messages()


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20])
def test_file_of_1_mib_was_too_large_with_its_id_added(tree, sim, size):
    text = json.dumps({"type": "x", "title": "to the brim",
                       "description": "\n"})
    text = text.replace("\\n", "y" * (size - len(text) + 2))
    assert len(text) == size
    (tree.dir / "events" / "brim.json").write_text(text, encoding="ascii")
    sim.wait_messages(1, 20, text="to the brim")
    assert tree.status()["queue"]["dead"] == 0
