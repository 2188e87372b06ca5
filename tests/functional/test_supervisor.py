"""The supervisor with workers that do nothing but misbehave on command:
status, stopping, one instance, names and options, init systems, listeners."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from dummylib import POOLS, SINGLES, SMALL, TOKEN, alive, children, running
from simlib import wait_for
from treelib import Tree


@pytest.fixture
def tree(tmp_path):
    with running(tmp_path) as t:
        yield t


# -- start and status --------------------------------------------------------


def test_status(tree):
    s = tree.status()
    assert s["ok"] and s["schema"] == 1 and s["state"] == "ok"
    assert s["pid"] == tree.process.pid and s["mode"] == "local"
    assert [w["name"] for w in s["workers"]] == SINGLES + POOLS
    for w in s["workers"]:
        assert w["state"] == "ready" and w["restarts"] == 0
        assert w["last_exit"] is None and w["rss_bytes"] > 0
        assert w["pss_bytes"] > 0 and 0 <= w["ready_ms"] < 5000
        assert alive(w["pid"])
    assert s["redis"] == {"state": "off"}
    assert s["queue"] == {"pending": 0, "inflight": 0, "delivered": 0,
                          "suppressed": 0, "uncertain": 0, "dead": 0,
                          "oldest_s": 0}
    assert sorted(children(tree.process.pid)) == \
        sorted(w["pid"] for w in s["workers"])


def test_gauges_and_bot_name_reach_status(tree):
    tree.order("telegram", "note @a_bot")
    assert tree.status()["telegram"]["bot"] == "@a_bot"
    # Whatever a slot holds, status stays JSON.
    tree.order("telegram", "note \x01\xff\"\\")
    tree.status()
    for cell in range(0, 400, 40):
        tree.order("queue", f"gauge {cell} -{cell}")
        assert tree.status()["ok"]


def test_redis_is_a_worker_when_configured(tmp_path):
    with running(tmp_path, SMALL + 'redis { url = "redis://127.0.0.1:1" }\n') \
            as t:
        assert "redis" in t.names()
        assert t.status()["redis"]["state"] == "connected"


def test_titles(tree):
    def title(pid):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")[0].decode().strip()

    wait_for(lambda: title(tree.process.pid) == "cctgd: 7 workers, ok")
    wait_for(lambda: title(tree.pid("format/0")) == "cctg-format[0]: ready")
    wait_for(lambda: title(tree.pid("queue")) == "cctg-queue: ready")


def test_no_secret_in_environments_and_command_lines(tmp_path):
    with running(tmp_path, env={"TELEGRAM_BOT_TOKEN": TOKEN,
                                "HARMLESS": TOKEN}) as t:
        pids = [t.process.pid] + [w["pid"] for w in t.status()["workers"]]
        for pid in pids:
            for name in ("environ", "cmdline"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    assert TOKEN.encode() not in f.read(), (pid, name)
        assert TOKEN not in t.log()
        assert TOKEN not in json.dumps(t.status())


def test_workers_have_only_their_descriptors(tree):
    for w in tree.status()["workers"]:
        for fd in os.listdir(f"/proc/{w['pid']}/fd"):
            target = os.readlink(f"/proc/{w['pid']}/fd/{fd}")
            assert "cctgd.lock" not in target and "control" not in target


# -- stopping ----------------------------------------------------------------


def test_signals_without_a_meaning_end_nothing(tree):
    for sig in (signal.SIGALRM, signal.SIGPIPE, signal.SIGUSR2):
        os.kill(tree.process.pid, sig)
    assert tree.status()["state"] == "ok"
    assert tree.process.poll() is None


def test_stop(tree):
    pids = [w["pid"] for w in tree.status()["workers"]]
    assert tree.ask("stop")["ok"]
    assert tree.process.wait(5) == 0
    assert not any(alive(p) for p in pids)
    assert not (tree.run / "control.sock").exists()
    assert not (tree.run / "submit.sock").exists()
    order = [tree.log().index(f"worker {name} (pid {pid}) left")
             for name, pid in (("intake", pids[1]), ("queue", pids[0]))]
    assert order == sorted(order)


def test_stubborn_workers_do_not_delay_the_stop(tmp_path):
    with running(tmp_path, SMALL + 'shutdown_grace = "1s"\n') as t:
        for name in ("intake", "queue", "format/0"):
            t.order(name, "stubborn")
        begin = time.monotonic()
        assert t.stop() == 0
        assert 0.8 < time.monotonic() - begin < 2.0


def test_second_sigterm_stops_at_once(tmp_path):
    with running(tmp_path, SMALL + 'shutdown_grace = "60s"\n') as t:
        t.order("intake", "stubborn")
        pids = [w["pid"] for w in t.status()["workers"]]
        t.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert t.process.poll() is None
        begin = time.monotonic()
        assert t.stop() == 0
        assert time.monotonic() - begin < 1.0
        assert not any(alive(p) for p in pids)


def test_crash_while_stopping_is_no_restart(tmp_path):
    with running(tmp_path, SMALL + 'shutdown_grace = "2s"\n') as t:
        t.order("intake", "stubborn")
        pid = t.pid("format/0")
        t.process.send_signal(signal.SIGTERM)
        os.kill(pid, signal.SIGKILL)
        assert t.process.wait(5) == 0
        assert t.log().count("worker format/0 (pid") < 4


# -- one instance, names, options --------------------------------------------


def test_second_instance(tree):
    begin = time.monotonic()
    p = subprocess.run([str(tree.program), "--config", str(tree.conf)],
                       env=tree.env, capture_output=True, text=True,
                       timeout=10)
    assert p.returncode == 1
    assert f"already running as pid {tree.process.pid}" in p.stderr
    assert 1.5 < time.monotonic() - begin < 4
    assert tree.status()["state"] == "ok"


def test_successor_instance_waits_for_the_lock(tmp_path):
    with running(tmp_path) as t:
        old = t.process
        t.start(wait=False)
        time.sleep(0.5)
        old.send_signal(signal.SIGTERM)
        assert old.wait(5) == 0
        t.wait_ready()


def bridge_env(path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_ALLOWED_USERS": "1",
            "CC_TELEGRAM_EVENTS_DIR": str(path / "events"),
            "CC_TELEGRAM_RESPONSES_DIR": str(path / "responses"),
            "CC_TELEGRAM_HEALTH_PORT": str(port),
            "XDG_STATE_HOME": str(path / "state"),
            "XDG_RUNTIME_DIR": str(path / "run"),
            "CCTG_RUNTIME_DIR": str(path / "run")}


def test_bridge(tmp_path):
    t = Tree(tmp_path, dummy=True, start=False, name="cctelegram-bridge",
             env=bridge_env(tmp_path))
    with open(t.logfile, "w", encoding="utf-8") as log:
        t.process = subprocess.Popen([str(t.program)], env=t.env, stderr=log,
                                     start_new_session=True, cwd=tmp_path)
    try:
        t.wait_ready()
        pgrep = subprocess.run(["pgrep", "-f", "cctelegram-bridge"],
                               capture_output=True, text=True, check=False)
        found = [int(p) for p in pgrep.stdout.split()]
        assert t.process.pid in found
        assert not set(found) & set(children(t.process.pid))
        # A second one leaves quietly.
        p = subprocess.run([str(t.program)], env=t.env, timeout=10,
                           capture_output=True, text=True, cwd=tmp_path)
        assert p.returncode == 0 and p.stderr == ""
        t.order("intake", "stubborn")
        begin = time.monotonic()
        assert t.stop() == 0
        assert time.monotonic() - begin < 1.0
    finally:
        if t.process.poll() is None:
            t.process.kill()


def run(tree, *args, **kwargs):
    return subprocess.run([str(tree.program), *args], env=tree.env,
                          capture_output=True, text=True, timeout=10,
                          **kwargs)


def test_options(tmp_path):
    t = Tree(tmp_path, dummy=True, start=False)
    p = run(t, "--version")
    assert p.returncode == 0 and p.stdout.startswith("cctgd ")
    assert run(t, "--help").returncode == 0
    assert run(t, "--nonsense").returncode == 64
    assert run(t, "argument").returncode == 64
    p = run(t, "--config", str(t.conf), "--check")
    assert p.returncode == 0 and p.stdout == "configuration OK\n"
    t.conf.write_text('state_dir = "/x"\nnonsense = 1\n')
    for options in (["--check"], []):
        p = run(t, "--config", str(t.conf), *options)
        assert p.returncode == 78 and f"{t.conf}:2: " in p.stderr


def test_daemon(tmp_path):
    t = Tree(tmp_path, dummy=True, start=False, config=SMALL)
    begin = time.monotonic()
    p = run(t, "--config", str(t.conf), "--daemon")
    assert p.returncode == 0 and time.monotonic() - begin < 5
    s = t.status()
    assert s["state"] == "ok"
    assert t.ask("stop")["ok"]
    wait_for(lambda: not alive(s["pid"]))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_users(tmp_path):
    t = Tree(tmp_path, dummy=True, start=False,
             config=SMALL + 'user = "no-such-user"\n')
    p = run(t, "--config", str(t.conf))
    assert p.returncode == 78 and "no-such-user" in p.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_workers_run_as_their_user(tmp_path):
    base = subprocess.run(["mktemp", "-d", "/tmp/cctg-test-XXXXXX"],
                          capture_output=True, text=True, check=True)
    path = base.stdout.strip()
    os.chmod(path, 0o755)
    try:
        with running(path, SMALL + 'user = "nobody"\ngroup = "daemon"\n') as t:
            uid = os.stat(f"/proc/{t.pid('format/0')}").st_uid
            gid = os.stat(f"/proc/{t.pid('format/0')}").st_gid
            assert uid != 0 and gid != 0
            for name in ("submit.sock", "control.sock"):
                st = os.stat(t.run / name)
                assert (st.st_uid, st.st_gid) == (0, gid)
            assert os.stat(f"/proc/{t.process.pid}").st_uid == 0
            assert os.stat(t.run).st_mode & 0o777 == 0o750
            assert os.stat(t.run).st_uid == 0
            with open(f"/proc/{t.process.pid}/status",
                      encoding="ascii") as f:
                capabilities = f.read().split("CapEff:\t")[1].split()[0]
            assert bin(int(capabilities, 16)).count("1") <= 9
            assert os.stat(t.dir / "state").st_mode & 0o777 == 0o700
            assert os.stat(t.dir / "state").st_uid == uid
            assert os.stat(t.run / "control.sock").st_mode & 0o777 == 0o660
            with open(f"/proc/{t.pid('queue')}/status",
                      encoding="ascii") as f:
                assert "NoNewPrivs:\t1" in f.read()
            pid = t.kill("queue")
            t.wait_replaced("queue", pid)
    finally:
        subprocess.run(["rm", "-rf", path], check=True)


# -- init systems ------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_notify_socket(tmp_path, abstract):
    path = str(tmp_path / "notify")
    name = f"@cctg-test-{os.getpid()}" if abstract else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(name.replace("@", "\0") if abstract else name)
        s.settimeout(5)
        got = []

        def until(text):
            while not any(text in m for m in got):
                got.append(s.recv(4096).decode())

        with running(tmp_path, env={"NOTIFY_SOCKET": name,
                                    "WATCHDOG_USEC": "400000"}) as t:
            until("READY=1")
            until("STATUS=7 workers, ok")
            until("WATCHDOG=1")
            got.clear()
            t.process.send_signal(signal.SIGHUP)
            until("RELOADING=1\nMONOTONIC_USEC=")
            until("READY=1")
            got.clear()
            t.stop()
            until("STOPPING=1")


def test_not_ready_before_all_workers_are(tmp_path):
    reader, writer = os.pipe()
    t = Tree(tmp_path, dummy=True, start=False, config=SMALL)
    t.at_start("format/0", "unready")
    t.process = subprocess.Popen(
        [str(t.program), "--config", str(t.conf), "--ready-fd", str(writer)],
        env=t.env, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        os.set_blocking(reader, False)
        t.wait_listening()
        time.sleep(0.7)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
        t.at_start("format/0", None)
        t.kill("format/0")
        os.set_blocking(reader, True)
        assert os.read(reader, 10) == b"\n"
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)
        t.stop()


# -- listeners ---------------------------------------------------------------


def test_taken_port_degrades_until_it_is_free(tmp_path):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    config = SMALL + 'monitor { listen = {"127.0.0.1:%d"} }\n' % port
    with running(tmp_path, config, wait=False) as t:
        t.wait_listening()
        time.sleep(0.5)
        s = t.status()
        assert s["state"] == "degraded" and str(port) in s["reason"]
        assert t.log().count("trying again each second") == 1
        taken.close()
        wait_for(lambda: t.status()["state"] == "ok", 5)
        t.wait_log(f"monitor: listener http:127.0.0.1:{port}")
        # A client is not refused while the worker is replaced.
        t.kill("monitor")
        with socket.create_connection(("127.0.0.1", port), 1):
            pass
