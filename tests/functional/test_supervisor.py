"""The supervisor with workers that do nothing but misbehave on command."""

import json
import os
import random
import signal
import socket
import subprocess
import time

import pytest

from simlib import wait_for
from treelib import Tree, sanitized

SINGLES = ["queue", "intake", "telegram", "monitor"]
POOLS = ["analyze/0", "format/0", "compress/0"]
SMALL = "workers { analyze = 1  format = 1  compress = 1 }\n"
TOKEN = "123456789:AAE-a-token-that-must-not-be-seen-00"


@pytest.fixture
def tree(tmp_path):
    with running(tmp_path) as t:
        yield t


class running:
    """A tree of dummies that is stopped at the end, whatever happens."""

    def __init__(self, path, config=SMALL, **options):
        self.tree = Tree(path, dummy=True, config=config, **options)

    def __enter__(self):
        return self.tree

    def __exit__(self, *exc):
        if self.tree.process is not None and \
                self.tree.process.poll() is None:
            self.tree.process.send_signal(signal.SIGTERM)
            try:
                self.tree.process.wait(8)
            except subprocess.TimeoutExpired:
                self.tree.process.kill()
                raise


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


# -- start and status -------------------------------------------------------


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


# -- deaths -----------------------------------------------------------------


@pytest.mark.parametrize("name", SINGLES + POOLS)
def test_killed_worker_is_replaced(tree, name):
    pid = tree.kill(name)
    assert tree.wait_replaced(name, pid) < 1.0
    w = tree.worker(name)
    assert w["restarts"] == 1
    assert w["last_exit"]["signal"] == 9 and w["last_exit"]["code"] is None
    assert w["last_exit"]["ready_again_ms"] < 1000
    assert w["last_exit"]["at"].endswith("Z")
    assert f"(pid {pid}) died: signal 9 (Killed)" in tree.log()
    assert tree.status()["state"] == "ok"


def test_proven_worker_is_restarted_at_once(tree):
    time.sleep(10.2)
    pid = tree.kill("format/0")
    tree.wait_replaced("format/0", pid)
    assert "restarting in 0 ms" in tree.log()
    assert tree.worker("format/0")["last_exit"]["ready_again_ms"] < 100


def test_all_killed_at_once(tree):
    pids = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in pids.items():
        tree.wait_replaced(name, pid)
    assert tree.status()["state"] == "ok"


def test_stopped_worker_is_replaced(tree):
    pid = tree.kill("analyze/0", signal.SIGSTOP)
    assert tree.wait_replaced("analyze/0", pid) < 5.0
    assert "was stopped by signal 19" in tree.log()


def test_stopped_and_continued_worker_lives(tree):
    pid = tree.kill("format/0", signal.SIGSTOP)
    time.sleep(1)
    os.kill(pid, signal.SIGCONT)
    time.sleep(4)
    assert tree.pid("format/0") == pid


@pytest.mark.parametrize("how", ["spin", "block"])
def test_hung_worker_leaves_last_words(tree, how):
    pid = tree.pid("compress/0")
    tree.order("compress/0", how)
    assert tree.wait_replaced("compress/0", pid) < 6.5
    crash = tree.ask("crashes")["crashes"][0]
    assert crash["worker"] == "compress/0" and crash["signal"] == 6
    assert "dummy" in crash["text"] or "cctg-compress" in crash["text"]
    assert "is hung: no turn of its loop" in tree.log()


@pytest.mark.skipif("sanitized()")
def test_crash_leaves_last_words(tree):
    pid = tree.pid("format/0")
    tree.order("format/0", "crash")
    tree.wait_replaced("format/0", pid)
    crash = tree.ask("crashes")["crashes"][0]
    assert crash["signal"] == 11 and crash["pid"] == pid
    assert "cctg-format" in crash["text"]


def test_at_most_32_crashes_are_kept(tree):
    for _ in range(40):
        tree.kill_impatiently("format/0")
    assert len(tree.ask("crashes")["crashes"]) == 32


def test_jobs_of_the_dead_are_named_to_survivors(tree):
    tree.order("format/0", "job 42")
    tree.order("format/0", "job 43")
    tree.kill("format/0")
    tree.wait_log("queue: peer format/0 lost with 2 jobs, first 42")
    # The next incarnation begins without them.
    tree.wait_state("format/0", "ready")
    tree.kill("format/0")
    tree.wait_log("queue: peer format/0 lost with 0 jobs")


def test_crash_loop_is_throttled(tree):
    tree.at_start("format/0", "exit 3")
    tree.kill("format/0")
    tree.wait_state("format/0", "throttled", 15)
    s = tree.status()
    assert s["state"] == "degraded" and "format/0" in s["reason"]
    # The others go on; it is tried again, and works in the end.
    assert tree.worker("queue")["state"] == "ready"
    tree.at_start("format/0", None)
    tree.wait_state("format/0", "ready", 6)
    assert tree.status()["state"] == "ok"


def test_missing_program_is_tried_again(tmp_path):
    with running(tmp_path, start=False) as t:
        program = tmp_path / "lib" / "cctg-format"
        target = os.readlink(program)
        program.unlink()
        t.start(wait=False)
        wait_for(lambda: (t.run / "control.sock").exists())
        t.wait_state("queue", "ready")
        t.wait_state("format/0", "throttled", 10)
        assert f"cannot run {program}: No such file" in t.log()
        program.symlink_to(target)
        t.wait_ready()


def test_bad_configuration_fails_until_reload(tree):
    tree.at_start("format/0", "exit 78")
    tree.kill("format/0")
    tree.wait_state("format/0", "failed")
    time.sleep(0.5)
    assert tree.worker("format/0")["state"] == "failed"
    assert tree.status()["state"] == "degraded"
    tree.at_start("format/0", None)
    assert tree.ask("reload")["ok"]
    tree.wait_state("format/0", "ready")


def test_broken_link_gets_a_new_one(tree):
    before = tree.log().count("peer queue/0 up")
    pids = tree.pid("queue"), tree.pid("format/0")
    tree.order("format/0", "reject")
    tree.order("queue", "ask")
    tree.wait_log("the link between format/0 and queue/0 broke")
    wait_for(lambda: tree.log().count("peer queue/0 up") == before + 1)
    assert pids == (tree.pid("queue"), tree.pid("format/0"))
    tree.order("queue", "ask")
    wait_for(lambda: tree.log().count("message QUEUE_FORMAT_ASK") == 2)


def test_workers_leave_with_the_supervisor(tree):
    pids = [w["pid"] for w in tree.status()["workers"]]
    tree.process.kill()
    tree.process.wait()
    wait_for(lambda: not any(alive(p) for p in pids), 1.0)


def test_orphans_have_gone_before_there_are_new_workers(tree):
    stopped = tree.kill("queue", signal.SIGSTOP)
    pids = [w["pid"] for w in tree.status()["workers"]]
    tree.process.kill()
    tree.process.wait()
    begin = time.monotonic()
    tree.start()
    assert time.monotonic() - begin < 3.5
    assert not any(alive(p) for p in pids)
    assert f"pid {stopped} is left over from an earlier cctgd" in tree.log()


def test_killed_supervisor_is_followed_at_once(tree):
    tree.process.kill()
    tree.process.wait()
    begin = time.monotonic()
    tree.start()
    assert time.monotonic() - begin < 1.5
    assert tree.status()["state"] == "ok"


def test_hard_memory_limit(tmp_path):
    with running(tmp_path, SMALL + 'watchdog { memory_soft = "8M" '
                 'memory_hard = "16M" }\n') as t:
        pid = t.pid("format/0")
        t.order("format/0", "leak 1024")
        t.wait_replaced("format/0", pid, 20)
        assert "above the hard memory limit" in t.log()


# -- restart, drain, wait ---------------------------------------------------


def test_pool_member_is_replaced_without_a_gap(tree):
    pid = tree.pid("format/0")
    assert tree.ask("restart", worker="format/0")["workers"] == ["format/0"]
    states = set()

    def replaced():
        w = tree.worker("format/0")
        states.add(w["state"])
        return w["pid"] != pid

    wait_for(replaced, interval=0)
    wait_for(lambda: not alive(pid))
    assert states == {"ready"}
    tree.wait_log("queue: peer format/0 lost")
    log = tree.log()
    assert log.rindex("queue: peer format/0 up") < \
        log.rindex("queue: peer format/0 lost")
    assert "takes over from pid %d" % pid in log


def test_successor_that_dies_changes_nothing(tree):
    pid = tree.pid("format/0")
    tree.at_start("format/0", "exit 3")
    tree.ask("restart", worker="format/0")
    tree.wait_log("died: exit 3")
    assert tree.pid("format/0") == pid
    assert tree.worker("format/0")["state"] == "ready"


def test_current_that_dies_is_followed_by_its_successor(tree):
    tree.at_start("format/0", "unready")
    tree.ask("restart", worker="format/0")
    time.sleep(0.2)
    pid = tree.kill("format/0")
    tree.wait_log("its successor takes over")
    wait_for(lambda: tree.pid("format/0") not in (pid, None))
    assert tree.worker("format/0")["state"] == "starting"


def test_restart_all(tree):
    before = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    assert tree.ask("restart")["ok"]
    answer = tree.ask("wait", what="ready", timeout_ms=8000)
    assert answer["ok"]
    for name, pid in before.items():
        tree.wait_replaced(name, pid)
        assert tree.worker(name)["last_exit"] is None or \
            tree.worker(name)["last_exit"]["code"] == 0


def test_wait_restarted(tree):
    with tree.connect() as s, s.makefile("rw") as f:
        f.write('{"op":"wait","what":"restarted","worker":"telegram",'
                '"timeout_ms":5000}\n{"op":"ping"}\n')
        f.flush()
        s.settimeout(0.3)
        with pytest.raises(OSError):
            f.readline()
    begin = time.monotonic()
    answer = tree.ask("wait", what="restarted", worker="telegram",
                      timeout_ms=300)
    assert not answer["ok"] and answer["timed_out"] and answer["code"] == 75
    assert 0.2 < time.monotonic() - begin < 2.5
    with tree.connect() as s, s.makefile("rw") as f:
        f.write('{"op":"wait","what":"restarted","worker":"telegram"}\n')
        f.flush()
        time.sleep(0.1)
        tree.kill("telegram")
        assert json.loads(f.readline())["ok"]
    assert tree.worker("telegram")["state"] == "ready"


def test_drained_worker_stays_stopped(tree):
    assert tree.ask("drain", worker="compress/0")["ok"]
    w = tree.wait_state("compress/0", "stopped")
    assert w["pid"] is None and w["last_exit"]["code"] == 0
    time.sleep(1.2)
    assert tree.status()["state"] == "degraded"
    tree.ask("restart", worker="compress/0")
    tree.wait_state("compress/0", "ready")


def test_metrics_come_from_the_monitor(tree):
    assert tree.ask("metrics")["text"] == "metrics of monitor: 1 peers\n"
    tree.ask("drain", worker="monitor")
    tree.wait_state("monitor", "stopped")
    assert tree.ask("metrics")["code"] == 75


def test_log_level(tree):
    assert tree.ask("log", level="verbose")["ok"]
    tree.kill("format/0")
    tree.wait_log("worker format/0: crash while ready")
    assert tree.ask("log", level="brief")["ok"]
    assert tree.ask("log", level="loud")["field"] == "level"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_log_that_nobody_reads_stops_nothing(tmp_path, kind):
    t = Tree(tmp_path, dummy=True, start=False, config=SMALL)
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        pair = socket.socketpair()
        reader, writer = pair[0].detach(), pair[1].detach()
    t.process = subprocess.Popen(
        [str(t.program), "--config", str(t.conf), "--verbose"], env=t.env,
        stderr=writer, stdin=subprocess.DEVNULL)
    t.logfile.touch()
    try:
        t.wait_ready()
        for _ in range(300):
            t.ask("log", level="brief")
            t.ask("log", level="verbose")
        for _ in range(40):
            t.kill_impatiently("format/0")
            t.kill_impatiently("queue")
        assert t.status()["state"] == "ok"
        if kind == "pipe":
            assert os.get_blocking(writer)
        assert t.stop() == 0
    finally:
        os.close(reader)
        os.close(writer)
        if t.process.poll() is None:
            t.process.kill()


# -- stopping ---------------------------------------------------------------


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


# -- reload -----------------------------------------------------------------


def test_reload_with_an_error_keeps_the_old(tree):
    pids = [w["pid"] for w in tree.status()["workers"]]
    old = tree.conf.read_text()
    tree.conf.write_text(old + "nonsense = 1\n")
    answer = tree.ask("reload")
    line = old.count("\n") + 1
    assert not answer["ok"] and answer["code"] == 78
    assert answer["error"].startswith(f"{tree.conf}:{line}: ")
    assert pids == [w["pid"] for w in tree.status()["workers"]]
    tree.process.send_signal(signal.SIGHUP)
    tree.wait_log("reload: the configuration stays as it was")
    assert tree.status()["state"] == "ok"


def test_reload_replaces_only_who_is_concerned(tree):
    before = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    tree.write_config(SMALL + 'timezone = "Asia/Tokyo"\n')
    answer = tree.ask("reload")
    assert answer["ok"] and answer["restart_keys"] == []
    assert "format/0" in answer["replaced"]
    tree.wait_replaced("format/0", before["format/0"])
    after = {w["name"]: w["pid"] for w in tree.status()["workers"]}
    assert {n for n in before if before[n] != after[n]} == {"format/0"}
    tree.wait_log("queue: configuration again")


def test_reload_names_keys_that_need_a_restart(tree):
    tree.write_config(SMALL + 'user = "root"\n')
    answer = tree.ask("reload")
    assert answer["ok"] and answer["restart_keys"] == ["user"]
    assert "reload: user needs a restart" in tree.log()


def test_reload_changes_pools(tree):
    tree.write_config("workers { analyze = 1 format = 3 compress = 1 }\n")
    assert tree.ask("reload")["ok"]
    for i in range(3):
        tree.wait_state(f"format/{i}", "ready")
    tree.wait_log("queue: peer format/2 up")
    tree.write_config(SMALL)
    assert tree.ask("reload")["ok"]
    wait_for(lambda: [n for n in tree.names() if n.startswith("format")] ==
             ["format/0"])
    wait_for(lambda: len(children(tree.process.pid)) == 7)
    assert tree.status()["state"] == "ok"


# -- init systems -----------------------------------------------------------


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
        wait_for(lambda: (t.run / "control.sock").exists())
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


# -- listeners --------------------------------------------------------------


def test_taken_port_degrades_until_it_is_free(tmp_path):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    config = SMALL + 'monitor { listen = {"127.0.0.1:%d"} }\n' % port
    with running(tmp_path, config, wait=False) as t:
        wait_for(lambda: (t.run / "control.sock").exists())
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


# -- control.sock -----------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(tree):
    with tree.connect() as s:
        lines = [json.dumps({"op": "ping", "tag": i}) for i in range(500)]
        s.sendall(("\n".join(lines) + "\n").encode())
        f = s.makefile()
        assert [json.loads(f.readline())["tag"] for _ in lines] == \
            list(range(500))


def test_half_closed_client_gets_its_answer(tree):
    with tree.connect() as s:
        s.sendall(b'{"op":"ping"}\n{"op":"ping"}')
        s.shutdown(socket.SHUT_WR)
        data = b""
        while chunk := s.recv(4096):
            data += chunk
        assert data.count(b'"ok":true') == 2


def test_errors(tree):
    with tree.connect() as s:
        f = s.makefile("rw")
        for line, field in (("nonsense", None), ("[]", None), ("{}", "op"),
                            ('{"op":"dance"}', "op"), ('{"op":5}', "op"),
                            ('{"op":"restart","worker":"x"}', "worker"),
                            ('{"op":"drain"}', "worker"),
                            ('{"op":"wait","what":"x"}', "what"),
                            ('{"op":"wait","timeout_ms":-1}', "timeout_ms"),
                            ('{"op":"ping","tag":[]}', "tag")):
            f.write(line + "\n")
            f.flush()
            answer = json.loads(f.readline())
            assert not answer["ok"] and answer["code"] == 65, line
            assert answer.get("field") == field, line
            assert answer["error"]
        f.write('{"op":"ping"}\n')
        f.flush()
        assert json.loads(f.readline())["ok"]


def test_line_of_more_than_a_mebibyte(tree):
    with tree.connect() as s:
        try:
            s.sendall(b'{"op":"' + b"x" * (1 << 20) + b'"}\n')
        except OSError:
            pass
        answer = json.loads(s.makefile().readline())
        assert answer["code"] == 65
    assert tree.ask("ping")["ok"]


def test_random_bytes(tree):
    random.seed(1)
    for _ in range(200):
        with tree.connect() as s:
            try:
                s.sendall(random.randbytes(random.randrange(1, 5000)))
                if random.random() < 0.5:
                    s.sendall(b'\n{"op":')
            except OSError:
                pass
    assert tree.status()["state"] == "ok"
    assert all(w["restarts"] == 0 for w in tree.status()["workers"])


def test_client_that_does_not_read(tree):
    slow = tree.connect()
    slow.setblocking(False)
    line = b'{"op":"status"}\n' * 1000
    sent = 0
    try:
        while sent < 20 << 20:
            sent += slow.send(line)
    except BlockingIOError:
        pass
    begin = time.monotonic()
    for _ in range(20):
        assert tree.ask("ping")["ok"]
    assert time.monotonic() - begin < 2
    rss = int(open(f"/proc/{tree.process.pid}/statm",
                   encoding="ascii").read().split()[1]) * 4096
    assert rss < 24 << 20 or sanitized()
    slow.close()


def test_many_silent_clients(tree):
    silent = [tree.connect() for _ in range(300)]
    assert tree.ask("ping")["ok"]
    for s in silent:
        s.close()
    assert tree.ask("ping")["ok"]


# -- nothing is left behind ---------------------------------------------------


def test_hundred_kills_leave_nothing_behind(tree):
    pid = tree.process.pid
    names = SINGLES + POOLS

    def figures():
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            rss = int(f.read().split()[1]) * 4096
        return len(os.listdir(f"/proc/{pid}/fd")), rss

    def kill_all(rounds):
        for _ in range(rounds):
            for name in names:
                tree.kill_impatiently(name)

    kill_all(3)
    time.sleep(0.3)
    fds, rss = figures()
    kill_all(15)
    time.sleep(0.3)
    fds_after, rss_after = figures()
    assert fds_after == fds
    assert rss_after < rss + (512 << 10) or sanitized()
    assert len(children(pid)) == len(names)
    queue_fds = len(os.listdir(f"/proc/{tree.pid('queue')}/fd"))
    tree.kill("format/0")
    tree.ask("restart", worker="format/0")
    tree.wait_state("format/0", "ready")
    wait_for(lambda: len(os.listdir(f"/proc/{tree.pid('queue')}/fd")) ==
             queue_fds)
