"""Clients of submit.sock, and an init that starts cctgd again.

    client = Client(tree)
    client.send({"type": "info_notification", "title": "hello"})
    client.show("some-id")["state"]
    producer = Producer(tree, "p", count=1000)   # sends until acknowledged
    producer.start(); ...; producer.join(); producer.acknowledged
"""

import json
import os
import random
import re
import threading
import time

from simlib import wait_for

# Deep runs (make crashloop) make the tests larger by this.
DEPTH = float(os.environ.get("CCTG_TEST_DEPTH", "1"))
DEEP = DEPTH > 1


def config_for(sim, more="", rate="global = 0  private = 0  "
               "group_per_minute = 0", users=(1001,), telegram="",
               workers="analyze = 1  format = 1  compress = 1",
               grace="500ms"):
    """A configuration that sends to the simulator, without limits."""
    return f"""
telegram {{
    api_url = "{sim.url}"
    allowed_users = {{{", ".join(map(str, users))}}}
    rate {{ {rate} }}
    {telegram}
}}
workers {{ {workers} }}
shutdown_grace = "{grace}"
{more}
"""


def event(title, type="info_notification", **fields):
    return {"type": type, "title": title, "description": f"about {title}",
            "source": "tests", **fields}


class Client:
    """One connection; requests one after another."""

    def __init__(self, tree, timeout=30.0):
        self.socket = tree.connect("submit.sock", timeout)
        self.file = self.socket.makefile("rwb")

    def write(self, *requests):
        self.file.write(b"".join(
            json.dumps(r).encode() + b"\n" for r in requests))
        self.file.flush()

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed by the daemon")
        return json.loads(line)

    def ask(self, op, **fields):
        self.write({"op": op, **fields})
        return self.read()

    def send(self, event, **fields):
        answer = self.ask("send", event=event, **fields)
        assert answer["ok"], answer
        return answer["id"]

    def send_all(self, events, **fields):
        """Pipelined; returns the answers."""
        events = list(events)
        answers = []
        for at in range(0, len(events), 500):
            part = events[at:at + 500]
            self.write(*({"op": "send", "event": e, **fields}
                         for e in part))
            answers += [self.read() for _ in part]
        return answers

    def queue(self, cmd, **fields):
        return self.ask("queue", cmd=cmd, **fields)

    def show(self, event_id):
        answer = self.queue("show", id=event_id)
        assert answer["ok"], answer
        return answer["event"]

    def wait_state(self, event_id, state, timeout=15.0):
        return wait_for(
            lambda: (e := self.show(event_id))["state"] == state and e,
            timeout, why=f"{event_id} {state}")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def patiently(what, timeout=15.0):
    """what() again and again while the daemon or a worker is away."""
    end = time.monotonic() + timeout
    while True:
        try:
            return what()
        except (OSError, ValueError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Producer(threading.Thread):
    """Sends events until each is acknowledged, whatever happens to the
    daemon meanwhile, as a client of ours is told to do."""

    def __init__(self, tree, name, count, pace=0.0, batch=50, chats=(),
                 make=event):
        super().__init__(daemon=True)
        self.tree, self.count, self.pace = tree, count, pace
        self.batch, self.chats, self.make = batch, chats, make
        self.prefix = name
        self.acknowledged = []
        self.refused = []
        self.reconnects = 0
        self.hurry = threading.Event()
        self.failure = None

    def id_of(self, n):
        return f"{self.prefix}-{n}."

    def request(self, n):
        r = {"op": "send", "event": self.make(
            self.id_of(n), event_id=self.id_of(n))}
        if self.chats:
            r["to"] = str(self.chats[n % len(self.chats)])
        return r

    def run(self):
        try:
            self._run()
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e

    def _run(self):
        client, sent, open_ = None, 0, []
        while sent < self.count or open_:
            more = min(self.count, sent + self.batch)
            if not open_:
                open_, sent = list(range(sent, more)), more
            try:
                if client is None:
                    client = Client(self.tree, timeout=20)
                client.write(*map(self.request, open_))
                for n in list(open_):
                    answer = client.read()
                    if answer["ok"]:
                        self.acknowledged.append(self.id_of(n))
                        open_.remove(n)
                    else:
                        self.refused.append(answer)
                        assert answer["code"] == 75, answer
            except (OSError, ValueError):
                self.reconnects += 1
                client = None
                time.sleep(0.05)
            if open_ or (self.pace and not self.hurry.is_set()):
                time.sleep(max(self.pace, 0.02))

    def finish(self, timeout=60.0, hurry=True):
        if hurry:
            self.hurry.set()
        self.join(timeout)
        assert not self.is_alive(), "the producer hangs"
        if self.failure is not None:
            raise self.failure


class Init(threading.Thread):
    """Starts the supervisor again whenever it dies."""

    def __init__(self, tree):
        super().__init__(daemon=True)
        self.tree = tree
        self.starts = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.02):
            if self.tree.process.poll() is not None:
                self.starts += 1
                self.tree.start(wait=False)

    def stop(self):
        self.done.set()
        self.join()


def metrics(tree):
    """{name: value} and {name{labels}: value} as /metrics shows them."""
    def ask():
        answer = tree.ask("metrics")
        if not answer["ok"]:
            raise ValueError(answer)
        return answer["text"]

    values = {}
    for line in patiently(ask).splitlines():
        if line and line[0] != "#":
            name, value = line.rsplit(None, 1)
            values[name] = float(value)
    return values


def wait_empty(tree, timeout=30.0):
    """Wait until nothing is under way any more, and return the counts."""
    def empty():
        # Gauges follow the store one turn of the queue's loop later.
        for _ in range(2):
            listed, = tree.submit({"op": "queue", "cmd": "list", "limit": 1})
        s = tree.status()
        q = s["queue"]
        return s["state"] == "ok" and listed["events"] == [] and \
            q["pending"] == 0 and q["inflight"] == 0 and q

    def tried():
        try:
            return empty()
        except (OSError, ValueError, LookupError):
            return False

    return wait_for(tried, timeout, 0.05, why="empty queue")


def copies(sim, ids):
    """{id: messages with it as a word}."""
    found = {i: [] for i in ids}
    for message in sim.messages(limit=1000000):
        words = set(message["text"].split())
        for word in words:
            if word in found:
                found[word].append(message)
    return found


def memory_bytes(pid):
    """(PSS, private) of a process now."""
    total = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            key = line.split(":")[0]
            if key in total:
                total[key] += int(line.split()[1]) * 1024
    return total["Pss"], total["Private_Clean"] + total["Private_Dirty"]


def tree_pss(tree):
    total = 0
    for pid in tree.pids().values():
        try:
            total += memory_bytes(pid)[0]
        except (OSError, TypeError):
            pass
    return total


def _connections():
    """Inodes of TCP sockets that do not listen."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                if fields[3] != "0A":
                    inodes.add(fields[9])
    return inodes


def descriptors(pid):
    """What the descriptors of a process are, without their numbers and
    without connections over TCP, whose number follows the load."""
    kinds, connections = [], _connections()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if target[:8] == "socket:[" and target[8:-1] in connections:
            continue
        kinds.append(re.sub(r":\[\d+\]$", "", target))
    return sorted(kinds)


def percentiles(values):
    values = sorted(values)
    return (values[len(values) // 2],
            values[min(len(values) - 1, int(len(values) * 0.99))])


def shuffled(values):
    values = list(values)
    random.shuffle(values)
    return values
