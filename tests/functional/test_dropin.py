"""cctgd as the bridge of the MCP server of co8/cctelegram: run by that name,
with that server's environment and nothing else (CONTRACT, sections 4 to 6).
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from simlib import SOURCE, build_dir, has_ipv6, program, wait_for

USER = 5550001
FIXTURES = SOURCE / "tests/fixtures/events"
# What the MCP server looks for in /metrics: the first match in the text.
MCP_METRICS = ("process_uptime_seconds", "events_processed_total",
               "telegram_messages_sent_total", "errors_total",
               "memory_usage_bytes", "cpu_usage_percent")


def free_port():
    """One that is free on both loopbacks."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bridge:
    """The bridge in a home of its own, found by a name of its own: other
    tests' trees must not be stopped by `pgrep -f`."""

    def __init__(self, directory, sim, env=None):
        self.dir = directory
        # Long enough to be nobody else's, and with the name in it.
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.program = self.bin / "cctelegram-bridge"
        self.program.symlink_to(program("cctgd"))
        self.port = free_port()
        self.events = directory / ".cc_telegram/events"
        self.responses = directory / ".cc_telegram/responses"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TELEGRAM_BOT_TOKEN": sim.token,
            "TELEGRAM_ALLOWED_USERS": str(USER),
            "CC_TELEGRAM_EVENTS_DIR": str(self.events),
            "CC_TELEGRAM_RESPONSES_DIR": str(self.responses),
            "CC_TELEGRAM_HEALTH_PORT": str(self.port),
            "CCTG_TELEGRAM_API_URL": sim.url,
        }
        if program("cctgd").parent == build_dir():
            self.env["CCTG_LIBEXECDIR"] = str(build_dir())
        self.env.update(env or {})
        self.started = []

    def start(self, cwd=None):
        """As the MCP server does: detached, without standard streams."""
        self.started.append(subprocess.Popen(
            [str(self.program)], env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=cwd or self.dir, start_new_session=True))
        return self.started[-1]

    def get(self, path, host="127.0.0.1", timeout=2.0):
        connection = http.client.HTTPConnection(host, self.port,
                                                timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def running(self):
        try:
            return self.get("/health", timeout=1.0)[0] == 200
        except OSError:
            return False

    def wait_running(self, timeout=2.0):
        wait_for(self.running, timeout)

    def pgrep(self):
        """The processes that `pgrep -f cctelegram-bridge` shows, but only
        those of this bridge."""
        out = subprocess.run(["pgrep", "-f", "cctelegram-bridge"], text=True,
                             capture_output=True, check=False)
        mine = {p.pid for p in self.started} | self.children()
        return [pid for pid in map(int, out.stdout.split()) if pid in mine]

    def children(self):
        pids = set()
        for process in self.started:
            out = subprocess.run(["pgrep", "-P", str(process.pid)], text=True,
                                 capture_output=True, check=False)
            pids |= set(map(int, out.stdout.split()))
        return pids

    def metrics(self):
        """As get_bridge_status reads them."""
        text = self.get("/metrics")[1]
        found = {name: re.search(name + r"\s+(\d+(\.\d+)?)", text)
                 for name in MCP_METRICS}
        assert all(found.values()), found
        return {name: float(m.group(1)) for name, m in found.items()}

    def drop(self, event, name):
        """Not atomic, as there: open, write in place."""
        (self.events / name).write_text(
            event if isinstance(event, str) else json.dumps(event))

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


@pytest.fixture
def bridge_for(tmp_path, sim):
    made = []

    def make(env=None):
        made.append(Bridge(tmp_path, sim, env))
        return made[-1]

    yield make
    for bridge in made:
        bridge.stop()


@pytest.fixture
def bridge(bridge_for):
    return bridge_for()


def exists(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_health_within_two_seconds_on_both_loopbacks(bridge):
    bridge.start()
    bridge.wait_running(2.0)
    status, text = bridge.get("/health")
    health = json.loads(text)
    assert status == 200 and health["status"] in ("healthy", "degraded")
    assert len((health.get("build_info") or {}).get("git_hash")
               or "12345678") >= 8
    wait_for(lambda: json.loads(bridge.get("/health")[1])["status"]
             == "healthy", 5)
    if has_ipv6():
        assert bridge.get("/health", "::1")[0] == 200
    assert bridge.get("/ready")[0] == 200
    assert bridge.get("/live")[0] == 200


def test_stop_as_the_mcp_server_does_it(bridge):
    process = bridge.start()
    bridge.wait_running()
    workers = bridge.children()
    pids = bridge.pgrep()
    assert process.pid in pids
    begin = time.monotonic()
    for pid in pids:  # in order of their numbers, one `kill` each
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    process.wait(1.0)
    wait_for(lambda: not any(map(exists, workers)), 1.0)
    assert time.monotonic() - begin < 1.0
    assert process.returncode == 0
    assert not bridge.running()
    assert not bridge.pgrep()


def test_stops_within_a_second_while_telegram_hangs(bridge, sim):
    process = bridge.start()
    bridge.wait_running()
    sim.fault("hang", "sendMessage", count=-1)
    for i in range(20):
        bridge.drop({"type": "info_notification", "title": f"stuck {i}",
                     "description": "x"}, f"stuck{i}.json")
    wait_for(lambda: any(r["method"] == "sendMessage"
                         for r in sim.requests()))
    workers = bridge.children()
    begin = time.monotonic()
    process.terminate()
    process.wait(1.0)
    wait_for(lambda: not any(map(exists, workers)), 1.0)
    assert time.monotonic() - begin < 1.0
    assert not bridge.running()
    # Nothing is lost: the next one delivers them.
    sim.clear_faults()
    bridge.start()
    for i in range(20):
        sim.wait_messages(1, text=f"stuck {i}")


def test_second_start_leaves_quietly(bridge, sim):
    first = bridge.start()
    bridge.wait_running()
    second = bridge.start()
    assert second.wait(5) == 0
    assert first.poll() is None and bridge.running()
    bridge.drop({"type": "info_notification", "title": "still here",
                 "description": "x"}, "a.json")
    sim.wait_messages(1, text="still here")


def test_two_starts_at_once_make_one_bridge(bridge):
    pair = [bridge.start(), bridge.start()]
    bridge.wait_running()
    wait_for(lambda: any(p.poll() is not None for p in pair), 5)
    time.sleep(0.2)
    assert sorted(p.poll() is None for p in pair) == [False, True]
    assert [p.returncode for p in pair if p.poll() is not None] == [0]


def test_restart_as_the_mcp_server_does_it(bridge, sim):
    bridge.start()
    bridge.wait_running()
    for _ in range(2):
        os.kill(bridge.started[-1].pid, signal.SIGTERM)
        wait_for(lambda: not bridge.running(), 1.0)
        bridge.start()
        bridge.wait_running()
    bridge.drop({"type": "info_notification", "title": "after the restart",
                 "description": "x"}, "a.json")
    sim.wait_messages(1, text="after the restart")


def test_captured_events_arrive(bridge, sim):
    bridge.start()
    bridge.wait_running()
    names = [p.name for p in sorted(FIXTURES.glob("*.json"))
             if not p.name.startswith("switch_to")]
    for name in names:
        bridge.drop((FIXTURES / name).read_text(), name)
        # It stats the file after writing it.
        time.sleep(0.01)
        assert (bridge.events / name).stat().st_size > 0
    # At the rate of a private chat, so that some come in digests.
    wait_for(lambda: bridge.metrics()["events_processed_total"] ==
             len(names), 40)
    wait_for(lambda: not [p for p in bridge.events.iterdir() if p.is_file()],
             why="files taken away")
    text = "\n".join(m["text"] for m in sim.messages())
    for name in names:
        assert json.loads((FIXTURES / name).read_text())["title"] in text
    assert not list(bridge.responses.iterdir())


def test_files_written_before_the_start_arrive(bridge, sim):
    bridge.events.mkdir(parents=True)
    name = "send_task_completion__full.json"
    bridge.drop((FIXTURES / name).read_text(), name)
    bridge.start()
    sim.wait_messages(1)


@pytest.mark.parametrize("mode", ["nomad", "mute", "local"])
def test_mode_files_switch_the_mode(bridge, sim, mode):
    bridge.start()
    bridge.wait_running()
    if mode == "local":
        name = "switch_to__nomad.json"
        bridge.drop((FIXTURES / name).read_text(), name)
        sim.wait_messages(1, text="nomad")
    name = f"switch_to__{mode}.json"
    n = len(sim.messages())
    bridge.drop((FIXTURES / name).read_text(), name)
    confirmed = sim.wait_messages(n + 1)[-1]
    assert mode in confirmed["text"]
    sim.say("/mode", USER)
    answer = sim.wait_messages(n + 2)[-1]
    assert mode in answer["text"]
    # The peer kept its state there, which that server then misreads.
    assert not [p for p in bridge.responses.iterdir()
                if not p.name.startswith("telegram_")]


def test_metrics_are_true(bridge, sim):
    begin = time.time()
    bridge.start()
    bridge.wait_running()
    assert bridge.metrics()["events_processed_total"] == 0
    for i in range(7):
        bridge.drop({"type": "info_notification", "title": f"figure {i}",
                     "description": "x"}, f"{i}.json")
    sim.wait_messages(7)
    wait_for(lambda: bridge.metrics()["events_processed_total"] == 7)
    wait_for(lambda: bridge.metrics()["telegram_messages_sent_total"] == 7)
    figures = bridge.metrics()
    assert figures["errors_total"] == 0
    assert figures["process_uptime_seconds"] <= time.time() - begin + 1
    wait_for(lambda: bridge.metrics()["process_uptime_seconds"] >= 1, 5)
    assert 1 << 20 < figures["memory_usage_bytes"] < 1 << 30
    assert 0 <= figures["cpu_usage_percent"] <= 100 * os.cpu_count()
    sim.fault("status", "sendMessage", status=400, count=1)
    bridge.drop({"type": "info_notification", "title": "refused",
                 "description": "x"}, "refused.json")
    wait_for(lambda: bridge.metrics()["errors_total"] >= 1)
    health = json.loads(bridge.get("/health")[1])
    assert health["last_event_time"]


def test_metrics_need_no_token(bridge):
    """With a token on /metrics the MCP server believes that nothing runs."""
    bridge.start()
    bridge.wait_running()
    assert bridge.get("/metrics")[0] == 200
    assert bridge.get("/report")[0] == 200


@pytest.mark.parametrize("where", ["cwd", "home"])
def test_dotenv_files(bridge, sim, tmp_path, where):
    cwd = tmp_path / "project"
    cwd.mkdir()
    names = ("TELEGRAM_BOT_TOKEN", "TELEGRAM_ALLOWED_USERS")
    text = "# secrets\n\nexport OTHER=1\n" + "".join(
        f'{name}="{bridge.env.pop(name)}"\r\n' for name in names)
    if where == "cwd":
        (cwd / ".env").write_text(text)
    else:
        (tmp_path / ".cc_telegram").mkdir()
        (tmp_path / ".cc_telegram/.env").write_text(text)
    bridge.start(cwd=cwd)
    bridge.wait_running()
    bridge.drop({"type": "info_notification", "title": "from a file",
                 "description": "x"}, "a.json")
    message, = sim.wait_messages(1, text="from a file")
    assert message["chat_id"] == USER


def test_allowed_users_with_blanks_and_rubbish(bridge_for, sim):
    bridge = bridge_for({"TELEGRAM_ALLOWED_USERS": f" {USER} , rubbish,42,"})
    bridge.start()
    bridge.wait_running()
    bridge.drop({"type": "info_notification", "title": "both",
                 "description": "x"}, "a.json")
    messages = sim.wait_messages(2, text="both")
    assert {m["chat_id"] for m in messages} == {USER, 42}


def test_default_directories_are_those_below_home(bridge, sim, tmp_path):
    del bridge.env["CC_TELEGRAM_EVENTS_DIR"]
    del bridge.env["CC_TELEGRAM_RESPONSES_DIR"]
    bridge.start()
    bridge.wait_running()
    assert (tmp_path / ".cc_telegram/events").is_dir()
    bridge.drop({"type": "info_notification", "title": "at home",
                 "description": "x"}, "a.json")
    sim.wait_messages(1, text="at home")
