"""cctg-telegram alone, against the simulator: how each kind of answer, and
each kind of silence, is reported to the queue."""

import collections
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from simlib import TOKEN, build_dir, wait_for


class Worker:
    """cctg-telegram with telegram-queue as its supervisor and queue."""

    def __init__(self, url, token=TOKEN, config=True, env=None, **telegram):
        programs = build_dir()
        self.lines = collections.deque()
        self.log = []
        self.process = subprocess.Popen(
            [str(programs / "tests/functional/telegram-queue"),
             str(programs / "cctg-telegram")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={k: v for k, v in {**os.environ, **(env or {})}.items()
                 if env and k in env or not k.lower().endswith("_proxy")})
        for stream, target in ((self.process.stdout, self.lines),
                               (self.process.stderr, self.log)):
            threading.Thread(target=self._read, args=(stream, target),
                             daemon=True).start()
        self.next_id = 1
        if config:
            self.config(url, token, **telegram)
            self.wait("ready")

    @staticmethod
    def _read(stream, target):
        for line in stream:
            target.append(line)

    def do(self, op, flush=True, **fields):
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        if flush:
            self.process.stdin.flush()

    def config(self, url, token=TOKEN, **telegram):
        self.do("config", config={
            "telegram": {"api_url": url, "token": token, **telegram}})

    def call(self, text="hello", chat=1, **fields):
        number = fields.pop("id", self.next_id)
        self.next_id = number + 1
        self.do("call", id=number, chat=chat, text=text, **fields)
        return number

    def wait(self, event, timeout=10.0, **fields):
        """The first event of that kind and these fields, taken out."""
        def find():
            for line in list(self.lines):
                got = json.loads(line)
                if got["event"] == event and all(
                        got.get(k) == v for k, v in fields.items()):
                    self.lines.remove(line)
                    return got
            return None
        return wait_for(find, timeout, why=f"{event} {fields}; have "
                        f"{list(self.lines)}, log {self.log[-5:]}")

    def result(self, number, timeout=10.0):
        return self.wait("done", timeout, id=number)

    def outcome(self, text="hello", timeout=10.0, **fields):
        return self.result(self.call(text, **fields), timeout)

    def slot(self):
        self.do("slot")
        return self.wait("slot")

    def wait_state(self, state, timeout=10.0):
        return wait_for(lambda: (s := self.slot())["state"] == state and s,
                        timeout, 0.05, why=f"state {state}")

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(5)


OFF, CONNECTED, DEGRADED, DOWN = range(4)


@pytest.fixture
def worker_factory():
    started = []

    def start(*args, **options):
        started.append(Worker(*args, **options))
        return started[-1]

    yield start
    for worker in started:
        worker.stop()
        assert "Sanitizer" not in "".join(worker.log)
        assert TOKEN not in "".join(worker.log)
        assert TOKEN.split(":")[1] not in "".join(worker.log)


@pytest.fixture
def worker(sim, worker_factory):
    return worker_factory(sim.url)


def test_start_names_the_bot(sim, worker):
    assert worker.wait_state(CONNECTED)["note"] == "@cctg_sim_bot"


def test_text_and_flags(sim, worker):
    done = worker.outcome("<b>bold</b> &amp; \"q\" \\ \t\n\u2713 \U0001f525",
                          chat=-1001, flags=1)
    assert done["outcome"] == "delivered" and done["status"] == 200
    message, = sim.messages()
    assert message["message_id"] == done["message_id"]
    assert message["text"] == "bold & \"q\" \\ \t\n\u2713 \U0001f525"
    assert message["silent"] is True


def test_plain_flag_sends_no_parse_mode(sim, worker):
    assert worker.outcome("<b>&amp;", flags=2)["outcome"] == "delivered"
    assert sim.messages()[0]["text"] == "<b>&amp;"


def test_thread_and_general_topic(sim, worker):
    sim.chat(id=-1002, type="supergroup", forum=True, topics=[7])
    assert worker.outcome(chat=-1002, thread=7)["outcome"] == "delivered"
    assert worker.outcome(chat=-1002, thread=1)["outcome"] == "delivered"
    assert [m["thread"] for m in sim.messages()] == [7, 0]


def test_markup(sim, worker):
    markup = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
    assert worker.outcome(markup=json.dumps(markup))["outcome"] == "delivered"
    assert sim.messages()[0]["reply_markup"] == markup


def test_document(sim, worker):
    body = "line \u00e4\n" * 20000
    done = worker.outcome("<i>caption</i>", method="document", chat=-1003,
                          document_name="log \"x\".txt", document=body)
    assert done["outcome"] == "delivered"
    message, = sim.messages()
    assert message["text"] == "caption"
    assert message["document"]["size"] == len(body.encode())
    assert message["document"]["content"] == body


def test_edit(sim, worker):
    sent = worker.outcome("one")["message_id"]
    done = worker.outcome("two", method="edit", message_id=sent)
    assert (done["outcome"], done["message_id"]) == ("delivered", sent)
    done = worker.outcome("two", method="edit", message_id=sent)
    assert (done["outcome"], done["message_id"]) == ("unchanged", sent)
    assert worker.outcome("x", method="edit",
                          message_id=999)["outcome"] == "gone"


def test_parse_error_is_sent_again_as_plain_text(sim, worker):
    done = worker.outcome("<b>bold &lt;1&gt; <i>mixed</b></i>")
    assert done["outcome"] == "delivered"
    assert sim.messages()[0]["text"] == "bold <1> mixed"


@pytest.mark.parametrize("fault,outcome,code", [
    ({"kind": "status", "status": 400, "description":
      "Bad Request: chat not found"}, "refused", 400),
    ({"kind": "forbidden"}, "suspended", 403),
    ({"kind": "status", "status": 404, "description": "Not Found"},
     "refused", 404),
    ({"kind": "status", "status": 409, "description": "Conflict"},
     "not_sent", 409),
    ({"kind": "status", "status": 413, "description":
      "Request Entity Too Large"}, "refused", 413),
    ({"kind": "status", "status": 500}, "ambiguous", 500),
    ({"kind": "status", "status": 502}, "not_sent", 502),
    ({"kind": "status", "status": 503}, "not_sent", 503),
    ({"kind": "status", "status": 504}, "ambiguous", 504),
    ({"kind": "nonjson"}, "not_sent", 502),
    ({"kind": "nonjson", "status": 500}, "ambiguous", 500),
    ({"kind": "nonjson", "status": 200}, "ambiguous", 200),
    ({"kind": "nonjson", "status": 404}, "not_sent", 404),
    ({"kind": "close_before"}, "ambiguous", 0),
    ({"kind": "close_after"}, "ambiguous", 0),
    ({"kind": "truncate"}, "ambiguous", 0),
])
def test_outcome(sim, worker, fault, outcome, code):
    worker.wait_state(CONNECTED)
    assert worker.outcome("first")["outcome"] == "delivered"
    sim.fault(method="sendMessage", **fault)
    done = worker.outcome("second")
    assert (done["outcome"], done["code"]) == (outcome, code)
    assert worker.outcome("third")["outcome"] == "delivered"
    assert len(sim.messages(text="third")) == 1


def test_garbage_is_ambiguous(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("garbage", method="sendMessage")
    assert worker.outcome()["outcome"] == "ambiguous"


def test_closed_after_acting_is_not_repeated_silently(sim, worker):
    """libcurl repeats a request on a reused connection that was closed
    without an answer; the message was there twice and nobody knew."""
    worker.wait_state(CONNECTED)
    assert worker.outcome("warm")["outcome"] == "delivered"
    sim.fault("close_after", method="sendMessage")
    assert worker.outcome("once")["outcome"] == "ambiguous"
    time.sleep(0.2)
    assert len(sim.messages(text="once")) == 1


def test_hanging_server_times_out(sim, worker_factory):
    worker = worker_factory(sim.url, timeout_ms=500)
    worker.wait_state(CONNECTED)
    sim.fault("hang", method="sendMessage")
    done = worker.outcome()
    assert done["outcome"] == "ambiguous" and "timed out" in \
        done["description"]
    assert worker.slot()["errors"]["timeout"] == 1


@pytest.mark.parametrize("options,retry_ms", [
    ({"retry_after": 7}, 7000),
    ({"retry_after": 3, "retry_header": "9"}, 9000),
    ({"retry_after": 9, "retry_header": "3"}, 9000),
    ({"retry_after": 4, "retry_header": "soon"}, 4000),
    ({"retry_after": "soon"}, 5000),
    ({"retry_after": None}, 5000),
    ({"retry_after": -3}, 5000),
    ({"retry_after": 10**12}, 86400000),
])
def test_retry_after(sim, worker, options, retry_ms):
    sim.fault("429", method="sendMessage", **options)
    done = worker.outcome()
    assert done["outcome"] == "rate_limited"
    assert done["retry_after_ms"] == retry_ms


def test_migration(sim, worker):
    sim.fault("migrate", method="sendMessage", migrate_to=-1000000007)
    done = worker.outcome(chat=-7)
    assert (done["outcome"], done["migrate_to"]) == ("migrated", -1000000007)


def test_order_within_a_chat(sim, worker):
    numbers = [worker.call(f"n{i}", chat=5) for i in range(40)]
    others = [worker.call(f"m{i}", chat=100 + i) for i in range(20)]
    for number in numbers + others:
        assert worker.result(number)["outcome"] == "delivered"
    assert [m["text"] for m in sim.messages(chat=5)] == [
        f"n{i}" for i in range(40)]


def test_calls_behind_a_failed_one_come_back(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("429", method="sendMessage", chat=5, retry_after=3)
    # All in one write, so that the first has not failed already.
    numbers = [worker.call(f"n{i}", chat=5, flush=False) for i in range(3)]
    other = worker.call("other", chat=6)
    results = [worker.result(n) for n in numbers]
    assert [r["outcome"] for r in results] == [
        "rate_limited", "not_sent", "not_sent"]
    assert results[2]["retry_after_ms"] == 3000
    assert worker.result(other)["outcome"] == "delivered"
    assert [m["text"] for m in sim.messages()] == ["other"]


def test_refused_call_does_not_hold_up_its_chat(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("status", method="sendMessage", status=400,
              description="Bad Request: nothing to be done")
    numbers = [worker.call(f"n{i}", chat=5) for i in range(3)]
    assert [worker.result(n)["outcome"] for n in numbers] == [
        "refused", "delivered", "delivered"]


def test_chats_that_hang_do_not_delay_others(sim, worker):
    worker.wait_state(CONNECTED)
    for chat in range(10, 22):
        sim.fault("hang", method="sendMessage", chat=chat)
        worker.call("hangs", chat=chat)
    for chat in range(30, 35):
        assert worker.outcome(chat=chat, timeout=3)["outcome"] == "delivered"


def test_slot_names_what_may_have_been_written(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("delay", method="sendMessage", ms=700)
    under_way = worker.call("slow", chat=5)
    worker.call("behind", chat=5)
    wait_for(lambda: worker.slot()["jobs"] == [under_way])
    worker.result(under_way)
    worker.result(under_way + 1)
    assert worker.slot()["jobs"] == []


def test_new_queue_learns_of_calls_under_way_and_results(sim, worker):
    worker.wait("report", ids=[], survivor=False)
    worker.wait_state(CONNECTED)
    seen, unseen = worker.call("seen"), worker.call("unseen", chat=2)
    worker.result(seen)
    worker.result(unseen)
    worker.do("seen", ids=[seen])
    sim.fault("delay", method="sendMessage", ms=700)
    slow = worker.call("slow", chat=5)
    wait_for(lambda: worker.slot()["jobs"] == [slow])
    dropped = worker.call("never begun", chat=5)
    worker.slot()  # the call above was read
    worker.do("rewire")
    report = worker.wait("report", survivor=True)
    assert sorted(report["ids"]) == [unseen, slow]
    assert worker.result(unseen)["outcome"] == "delivered"
    assert worker.result(slow)["outcome"] == "delivered"
    # The same attempt once more is answered, not sent.
    worker.call("slow", chat=5, id=slow)
    assert worker.result(slow)["outcome"] == "delivered"
    assert not [line for line in worker.lines
                if json.loads(line).get("id") == dropped]
    assert len(sim.messages(text="slow")) == 1
    assert sim.messages(text="never begun") == []


def test_a_queue_that_committed_nothing_has_no_survivor(sim, worker):
    """It may have died before it noted the loss of an earlier telegram."""
    worker.wait("report", ids=[], survivor=False)
    worker.wait_state(CONNECTED)
    done = worker.call("done")
    worker.result(done)
    worker.do("rewire")
    worker.wait("report", ids=[done], survivor=False)
    worker.do("seen", ids=[done])
    worker.slot()  # the message above was read
    worker.do("rewire")
    worker.wait("report", ids=[], survivor=True)


def test_refused_token(sim, worker_factory):
    worker = worker_factory(sim.url, token="987654321:not-the-one-it-knows")
    worker.wait_state(DOWN)
    done = worker.outcome()
    assert done["outcome"] == "unauthorised"
    assert 0 < done["retry_after_ms"] <= 5000
    worker.config(sim.url)
    worker.wait_state(CONNECTED)
    assert worker.outcome()["outcome"] == "delivered"


def test_token_refused_later_recovers_by_itself(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("status", status=401, description="Unauthorized", count=1)
    assert worker.outcome()["outcome"] == "unauthorised"
    worker.wait_state(DOWN)
    worker.wait_state(CONNECTED, timeout=20)
    assert worker.outcome()["outcome"] == "delivered"


def test_no_token(sim, worker_factory):
    worker = worker_factory(sim.url, token="")
    done = worker.outcome()
    assert (done["outcome"], done["description"]) == (
        "not_sent", "no bot token")
    assert worker.slot()["state"] == OFF


def test_bad_url_ends_with_78(worker_factory):
    worker = worker_factory(None, config=False)
    worker.config("ftp://127.0.0.1")
    assert worker.wait("exit")["code"] == 78


def test_dead_host_opens_the_breaker_and_recovers(sim_factory,
                                                  worker_factory):
    sim = sim_factory()
    port, url = sim.port, sim.url
    sim.stop()
    worker = worker_factory(url)
    outcomes = []
    for i in range(8):
        outcomes.append(worker.outcome(chat=i))
    assert {o["outcome"] for o in outcomes} == {"not_sent"}
    assert outcomes[-1]["description"] == "Telegram does not answer"
    assert 0 < outcomes[-1]["retry_after_ms"] <= 1000
    worker.wait_state(DOWN)
    assert worker.slot()["breaker_opened"] == 1
    sim_factory(port=port)
    worker.wait_state(CONNECTED)
    assert worker.outcome()["outcome"] == "delivered"


def test_a_chats_trouble_does_not_open_the_breaker(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("forbidden", method="sendMessage", count=10)
    for _ in range(10):
        assert worker.outcome()["outcome"] == "suspended"
    assert worker.slot()["breaker_opened"] == 0
    assert worker.outcome()["outcome"] == "delivered"


def test_name_that_does_not_resolve(worker_factory):
    worker = worker_factory("http://does-not-exist.invalid")
    done = worker.outcome()
    assert done["outcome"] == "not_sent"
    assert "resolve" in done["description"]


def test_resolver_that_hangs_does_not_stop_the_loop(tmp_path,
                                                    worker_factory):
    """libcurl joined the resolver's thread when a request timed out."""
    source, library = tmp_path / "hang.c", tmp_path / "hang.so"
    source.write_text("#include <unistd.h>\n"
                      "int getaddrinfo(void);\n"
                      "int getaddrinfo(void) { sleep(6); return -3; }\n")
    if shutil.which("cc") is None:
        pytest.skip("no compiler")
    if b"__asan_init" in (build_dir() / "cctg-telegram").read_bytes():
        pytest.skip("the sanitizer wants to be loaded first")
    subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-o", library,
                    source], check=True)
    worker = worker_factory("http://hangs.invalid", connect_timeout_ms=300,
                            env={"CCTG_TEST_PRELOAD": str(library)})
    began = time.monotonic()
    assert worker.outcome()["outcome"] == "not_sent"
    assert time.monotonic() - began < 3


def test_connection_that_is_never_taken(worker_factory):
    """A listener with a full backlog: the connection does not come."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        for s in fill:
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
        worker = worker_factory(f"http://127.0.0.1:{port}",
                                connect_timeout_ms=400)
        done = worker.outcome()
        assert done["outcome"] == "not_sent"
        assert "timed out" in done["description"]
        for s in fill:
            s.close()


def test_connection_closed_while_writing(worker_factory):
    """The server reads the head of a large document and hangs up: it cannot
    have acted."""
    with socket.socket() as listener:
        # The kernel must not hold the whole document for a slow reader: it
        # keeps some ten segments, which are of 64 KiB on a loopback.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def serve():
            try:
                while True:
                    peer, _ = listener.accept()
                    head = peer.recv(1024)
                    if head.startswith(b"GET"):
                        # Else the document may go on this connection,
                        # whose end then leaves open what was written.
                        peer.sendall(b"HTTP/1.1 200 OK\r\n"
                                     b"Connection: close\r\n"
                                     b"Content-Length: 25\r\n\r\n"
                                     b'{"ok":true,"result":true}')
                    peer.close()
            except OSError:
                pass
        threading.Thread(target=serve, daemon=True).start()
        worker = worker_factory(
            f"http://127.0.0.1:{listener.getsockname()[1]}")
        done = worker.outcome(method="document", document="x" * 2000000)
        assert done["outcome"] == "not_sent"
        assert "while writing" in done["description"]


def test_server_that_reads_and_goes_away(worker_factory):
    """It may have acted, though nobody can be asked again: libcurl repeats
    what got no answer on a kept connection, and cannot connect then."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def serve():
            peer, _ = listener.accept()
            while True:
                data = peer.recv(65536)
                if b"sendMessage" in data:
                    listener.close()
                    peer.close()
                    return
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n"
                             b'{"ok":true,"result":true}')
        threading.Thread(target=serve, daemon=True).start()
        worker = worker_factory(
            f"http://127.0.0.1:{listener.getsockname()[1]}")
        done = worker.outcome()
        assert done["outcome"] == "ambiguous", done


@pytest.fixture
def tls_server(tmp_path):
    """An https server with a certificate that it signed itself; speaks just
    enough of the Bot API."""
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-keyout", tmp_path / "key.pem", "-out", certificate, "-days", "2",
         "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost"],
        check=True, capture_output=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer(b'{"ok":true,"result":{"username":"tls_bot"}}')

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b'{"ok":true,"result":{"message_id":77,"x":1}}')

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}", certificate
    server.shutdown()
    server.server_close()


def test_certificate_that_nobody_signed(tls_server, worker_factory):
    worker = worker_factory(tls_server[0])
    done = worker.outcome()
    assert done["outcome"] == "not_sent"
    assert done["description"].startswith("TLS failed")


def test_tls_within_the_sandbox(tls_server, worker_factory):
    url, certificate = tls_server
    worker = worker_factory(url, env={"SSL_CERT_FILE": str(certificate)})
    done = worker.outcome()
    assert (done["outcome"], done["message_id"]) == ("delivered", 77)
    assert worker.wait_state(CONNECTED)["note"] == "@tls_bot"


def test_proxy_that_refuses(sim, worker_factory):
    """The simulator as a proxy: it knows no such path, and not in JSON."""
    worker = worker_factory("http://bot-api.invalid",
                            env={"http_proxy": sim.url})
    done = worker.outcome()
    assert "resolve" not in done["description"]


def test_drain(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("delay", method="sendMessage", ms=500)
    under_way = worker.call("slow", chat=5)
    wait_for(lambda: worker.slot()["jobs"])
    waiting = worker.call("waits", chat=5)
    worker.do("drain", ms=3000)
    assert worker.result(waiting)["outcome"] == "not_sent"
    assert worker.result(under_way)["outcome"] == "delivered"
    worker.wait("drained")
    assert worker.outcome()["outcome"] == "not_sent"
    worker.do("stop")
    assert worker.wait("exit")["code"] == 0


def test_drain_does_not_wait_for_ever(sim, worker):
    worker.wait_state(CONNECTED)
    sim.fault("hang", method="sendMessage")
    under_way = worker.call("hangs", chat=5)
    wait_for(lambda: worker.slot()["jobs"])
    worker.do("drain", ms=300)
    assert worker.result(under_way)["outcome"] == "ambiguous"
    worker.wait("drained", timeout=1)


def test_supervisor_gone(sim, worker):
    worker.wait_state(CONNECTED)
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 1.5
