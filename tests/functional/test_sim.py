"""The simulator itself, driven by a client that was written for the real
Bot API (python-telegram-bot) and by plain requests."""

import http.client
import http.server
import io
import json
import socket
import threading
import time
import urllib.request
import warnings

import pytest

from simlib import TOKEN, wait_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    telegram = pytest.importorskip("telegram")
    from telegram import InlineKeyboardButton, InlineKeyboardMarkup, error
    from telegram.ext import CallbackQueryHandler, CommandHandler, Updater

USER = 1001
GROUP = -1001234567890123


def make_bot(sim, token=TOKEN):
    return telegram.Bot(token, base_url=sim.url + "/bot",
                        base_file_url=sim.url + "/file/bot")


@pytest.fixture
def bot(sim):
    return make_bot(sim)


def keyboard(*labels):
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(t, callback_data=t.lower()) for t in labels]])


# -- a client of the real service -----------------------------------------

def test_get_me_and_tokens(sim, bot):
    me = bot.get_me()
    assert me.is_bot and me.id == 123456789
    with pytest.raises(error.Unauthorized):
        make_bot(sim, "123:wrong-token").get_me()
    status, answer = sim.api("setMyName", name="x")
    assert (status, answer["error_code"]) == (404, 404)
    assert answer["description"] == "Not Found"


def test_method_names_in_any_case_by_get_and_post(sim):
    for verb in ("GET", "POST"):
        status, answer = sim.request(
            verb, f"/bot{TOKEN}/SENDmessage?chat_id=5&text=a%20b+c")
        assert status == 200 and answer["result"]["text"] == "a b c"


def test_send_and_edit(sim, bot):
    sent = bot.send_message(USER, "<b>Done</b> &amp; <i>dusted</i> 🏟",
                            parse_mode="HTML", reply_markup=keyboard("Yes"),
                            disable_notification=True)
    assert sent.text == "Done & dusted 🏟"
    assert [(e.type, e.offset, e.length) for e in sent.entities] == [
        ("bold", 0, 4), ("italic", 7, 6)]
    assert sent.chat.type == "private" and sent.from_user.is_bot
    assert abs(sent.date.timestamp() - time.time()) < 5
    edited = bot.edit_message_text("*new*", USER, sent.message_id,
                                   parse_mode="MarkdownV2")
    assert edited.text == "new" and edited.edit_date
    [seen] = sim.messages(chat=USER)
    assert seen["text"] == "new" and seen["raw"] == "*new*"
    assert seen["silent"] and seen["reply_markup"] is None
    assert [e["before"] for e in seen["edits"]] == ["Done & dusted 🏟"]
    with pytest.raises(error.BadRequest, match="(?i)not modified"):
        bot.edit_message_text("*new*", USER, sent.message_id,
                              parse_mode="MarkdownV2")
    with pytest.raises(error.BadRequest, match="(?i)to edit not found"):
        bot.edit_message_text("x", USER, 4711)
    bot.edit_message_reply_markup(USER, sent.message_id,
                                  reply_markup=keyboard("No"))
    assert bot.delete_message(USER, sent.message_id)
    assert sim.messages(chat=USER)[0]["deleted"]
    with pytest.raises(error.BadRequest, match="(?i)to delete not found"):
        bot.delete_message(USER, sent.message_id)


@pytest.mark.parametrize("text, mode, reason", [
    ("<b>x", "HTML", "Can't find end tag corresponding to start tag"),
    ("a < b", "HTML", 'Unsupported start tag "" at byte offset 2'),
    ("1.0", "MarkdownV2", "Character '.' is reserved"),
    ("_x", "MarkdownV2", "end of Italic entity at byte offset 0"),
])
def test_parse_errors(bot, text, mode, reason):
    with pytest.raises(error.BadRequest) as caught:
        bot.send_message(USER, text, parse_mode=mode)
    assert "can't parse entities" in caught.value.message.lower()
    assert reason.lower() in caught.value.message.lower()


def test_length_is_counted_in_utf16_after_parsing(sim, bot):
    assert bot.send_message(USER, "🏟" * 2048).text == "🏟" * 2048
    bot.send_message(USER, "<b>" + "&amp;" * 4096 + "</b>",
                     parse_mode="HTML")
    with pytest.raises(error.BadRequest, match="(?i)message is too long"):
        bot.send_message(USER, "🏟" * 2048 + "x")
    for empty in (" \n ", "<b> </b>"):
        with pytest.raises(error.BadRequest, match="(?i)text is empty"):
            bot.send_message(USER, empty, parse_mode="HTML")
    with pytest.raises(error.BadRequest, match="(?i)caption is too long"):
        bot.send_document(USER, io.BytesIO(b"x"), caption="x" * 1025)


def test_button_data(bot):
    for data in ("x" * 65, "ä" * 33):
        with pytest.raises(error.BadRequest, match="(?i)button_data_invalid"):
            bot.send_message(USER, "x", reply_markup=InlineKeyboardMarkup(
                [[InlineKeyboardButton("b", callback_data=data)]]))
    bot.send_message(USER, "x", reply_markup=InlineKeyboardMarkup(
        [[InlineKeyboardButton("b", callback_data="x" * 64)]]))


def test_document_upload_and_download(sim, bot):
    content = ("line ä\r\n--boundary\r\n" * 1000).encode()
    sent = bot.send_document(GROUP, io.BytesIO(content), filename="log.txt",
                             caption="<i>c</i>", parse_mode="HTML")
    assert sent.document.file_name == "log.txt"
    assert sent.document.file_size == len(content) and sent.caption == "c"
    [seen] = sim.messages(chat=GROUP)
    assert seen["document"]["content"].encode() == content
    assert seen["document"]["size"] == len(content)
    path = bot.get_file(sent.document.file_id).file_path
    with urllib.request.urlopen(path) as answer:
        assert answer.read() == content


def test_threads_and_topics(sim, bot):
    sim.chat(GROUP, forum=True, title="Ops", topics=[7])
    assert sim.api("sendMessage", chat_id=GROUP, text="x",
                   message_thread_id=7)[1]["result"]["message_thread_id"] == 7
    for thread in (1, 8):
        status, answer = sim.api("sendMessage", chat_id=GROUP, text="x",
                                 message_thread_id=thread)
        assert (status, answer["description"]) == (
            400, "Bad Request: message thread not found")
    topic = sim.api("createForumTopic", chat_id=GROUP,
                    name="builds")[1]["result"]["message_thread_id"]
    assert sim.api("sendMessage", chat_id=GROUP, text="x",
                   message_thread_id=topic)[0] == 200
    assert bot.get_chat(GROUP).title == "Ops"
    assert bot.get_chat_member(GROUP, USER).status == "member"
    assert bot.send_chat_action(GROUP, "typing")


def test_unknown_and_closed_chats(sim_factory):
    sim = sim_factory("--strict-chats")
    bot = make_bot(sim)
    with pytest.raises(error.BadRequest, match="(?i)chat not found"):
        bot.send_message(USER, "x")
    sim.chat(USER)
    bot.send_message(USER, "x")
    sim.chat(USER, blocked=True)
    with pytest.raises(error.Unauthorized, match="blocked by the user"):
        bot.send_message(USER, "x")
    sim.say("hello again", USER)
    bot.send_message(USER, "x")
    sim.chat(-5, type="group", migrated_to=GROUP)
    with pytest.raises(error.ChatMigrated) as caught:
        bot.send_message(-5, "x")
    assert caught.value.new_chat_id == GROUP


def test_commands_and_reactions(sim, bot):
    assert bot.get_my_commands() == []
    assert bot.set_my_commands([("start", "begin"), ("help", "explain")])
    assert [c.command for c in bot.get_my_commands()] == ["start", "help"]
    with pytest.raises(error.BadRequest):
        bot.set_my_commands([("Bad Name", "x")])
    message = sim.say("thanks", USER)["message_id"]
    for emoji, want in (("⚡", 200), ("👩‍🚀", 400)):
        status, _ = sim.api(
            "setMessageReaction", chat_id=USER, message_id=message,
            reaction=[{"type": "emoji", "emoji": emoji}])
        assert status == want
    [seen] = sim.messages(all=1)
    assert seen["reaction"] == [{"type": "emoji", "emoji": "⚡"}]
    assert bot.pin_chat_message(USER, message)


def test_a_whole_bot_with_polling(sim):
    """python-telegram-bot's own loop: a command, then a button."""
    updater = Updater(bot=make_bot(sim))
    updater.dispatcher.add_handler(CommandHandler(
        "ask", lambda u, c: u.message.reply_text(
            "Deploy?", reply_markup=keyboard("Yes", "No"))))

    def pressed(update, context):
        update.callback_query.answer("noted")
        update.callback_query.edit_message_text(
            "chosen: " + update.callback_query.data)

    updater.dispatcher.add_handler(CallbackQueryHandler(pressed))
    updater.start_polling(poll_interval=0, timeout=5)
    try:
        sim.say("/ask now", USER, first_name="Ann", username="ann")
        [question] = sim.wait_messages(text="Deploy?")
        sim.press(question, "No", USER)
        wait_for(lambda: sim.messages(text="chosen: no"))
        [answer] = sim.answers()
        assert answer["text"] == "noted" and answer["user"] == USER
        assert sim.messages()[0]["reply_markup"] is None
        # A new offset confirms; nothing comes twice.
        wait_for(lambda: sim.stats()["updates_pending"] == 0)
    finally:
        # The poll that waits is answered by this, so that it ends at once.
        stopper = threading.Thread(target=updater.stop)
        stopper.start()
        sim.say("bye", USER)
        stopper.join(20)


# -- updates ----------------------------------------------------------------

def get_updates(sim, **params):
    return sim.api("getUpdates", **params)[1]["result"]


def test_offsets_confirm(sim):
    ids = [sim.say(f"t{i}", USER)["update_id"] for i in range(5)]
    assert ids == sorted(ids)
    assert [u["update_id"] for u in get_updates(sim)] == ids
    assert [u["update_id"] for u in get_updates(sim, limit=2)] == ids[:2]
    assert [u["update_id"] for u in get_updates(sim, offset=ids[3])] == ids[3:]
    assert [u["update_id"] for u in get_updates(sim)] == ids[3:]
    assert [u["update_id"] for u in get_updates(sim, offset=-1)] == ids[4:]
    assert get_updates(sim, offset=ids[4] + 1) == []
    sim.redeliver(ids[0])
    [again] = get_updates(sim, offset=ids[4] + 1)
    assert again["update_id"] == ids[0]
    assert get_updates(sim) == []


def test_long_poll_waits_and_wakes(sim):
    start = time.monotonic()
    assert get_updates(sim, timeout=1) == []
    assert 0.9 < time.monotonic() - start < 3
    timer = threading.Timer(0.3, sim.say, ("now", USER))
    timer.start()
    start = time.monotonic()
    [update] = get_updates(sim, timeout=20)
    assert time.monotonic() - start < 5
    assert update["message"]["text"] == "now"
    timer.join()


def test_second_poller_ends_the_first(sim):
    first = {}

    def poll():
        first["answer"] = sim.api("getUpdates", timeout=30)

    thread = threading.Thread(target=poll)
    thread.start()
    wait_for(lambda: sim.stats()["polls_open"] == 1)
    assert get_updates(sim, timeout=0) == []
    thread.join(5)
    status, answer = first["answer"]
    assert (status, answer["error_code"]) == (409, 409)
    assert answer["description"] == (
        "Conflict: terminated by other getUpdates request; make sure that "
        "only one bot instance is running")


def test_poll_of_a_client_that_went_away_is_forgotten(sim):
    with socket.create_connection(("127.0.0.1", sim.port)) as s:
        s.sendall(f"GET /bot{TOKEN}/getUpdates?timeout=30 HTTP/1.1\r\n"
                  "Host: x\r\n\r\n".encode())
        wait_for(lambda: sim.stats()["polls_open"] == 1)
    wait_for(lambda: sim.stats()["polls_open"] == 0)
    sim.say("kept", USER)
    assert get_updates(sim)[0]["message"]["text"] == "kept"


def test_allowed_updates(sim):
    assert get_updates(sim, allowed_updates=["callback_query"]) == []
    assert sim.say("unwanted", USER)["update_id"] == 0
    sent = sim.api("sendMessage", chat_id=USER, text="q", reply_markup={
        "inline_keyboard": [[{"text": "B", "callback_data": "d"}]]})
    message = sim.messages()[0]
    assert sent[0] == 200
    sim.press(message, 0, USER)
    [update] = get_updates(sim)
    assert update["callback_query"]["data"] == "d"
    with pytest.raises(ValueError, match="no such button"):
        sim.press(message, "C", USER)
    sim.update(raw={"callback_query": {"id": "1", "any": "thing"}})
    assert get_updates(sim)[1]["callback_query"]["any"] == "thing"
    assert sim.api("answerCallbackQuery", callback_query_id="17")[0] == 400


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(
            (self.headers["X-Telegram-Bot-Api-Secret-Token"],
             json.loads(body)))
        self.send_response(500 if len(self.server.seen) == 1 else 200)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_webhook(sim):
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook?x=1"
        assert sim.api("setWebhook", url=url, secret_token="s3")[0] == 200
        status, answer = sim.api("getUpdates")
        assert status == 409 and "webhook is active" in answer["description"]
        sim.say("one", USER)
        sim.say("two", USER)
        # The first is answered with 500 and comes again.
        wait_for(lambda: len(server.seen) >= 3)
        assert [u["message"]["text"] for _, u in server.seen] == [
            "one", "one", "two"]
        assert {secret for secret, _ in server.seen} == {"s3"}
        info = sim.api("getWebhookInfo")[1]["result"]
        assert info["url"] == url and "500" in info["last_error_message"]
        server.shutdown()
    assert sim.api("deleteWebhook")[0] == 200
    assert get_updates(sim) == []


# -- limits and faults ------------------------------------------------------

def test_strict_limits(sim_factory):
    bot = make_bot(sim_factory("--strict"))
    for i in range(3):
        bot.send_message(USER, str(i))
    with pytest.raises(error.RetryAfter) as caught:
        bot.send_message(USER, "one too many")
    assert 1 <= caught.value.retry_after <= 2
    for i in range(20):
        bot.send_message(GROUP, str(i))
    with pytest.raises(error.RetryAfter) as caught:
        bot.send_message(GROUP, "x")
    assert 55 <= caught.value.retry_after <= 61
    # Other chats are free; the penalty of the first has an end.
    bot.send_message(USER + 1, "x")
    wait_for(lambda: try_send(bot, USER), timeout=4, interval=0.1)


def try_send(bot, chat):
    try:
        return bot.send_message(chat, "later")
    except error.RetryAfter:
        return None


def test_limits_of_ones_own(sim_factory):
    bot = make_bot(sim_factory("--limits", "global=5"))
    results = []
    for i in range(8):
        results.append(try_send(bot, USER + i) is not None)
    assert results == [True] * 5 + [False] * 3


def test_fault_429(sim, bot):
    sim.fault("429", "sendMessage", chat=USER, retry_after=17, count=2)
    bot.send_message(GROUP, "not meant")
    for _ in range(2):
        with pytest.raises(error.RetryAfter) as caught:
            bot.send_message(USER, "x")
        assert caught.value.retry_after == 17
    bot.send_message(USER, "x")
    assert sim.stats()["sent_429"] == 2
    sim.fault("429", retry_after="soon", retry_header=None)
    status, answer = sim.api("sendMessage", chat_id=USER, text="x")
    assert status == 429
    assert answer["parameters"]["retry_after"] == "soon"


def test_faults_after_and_for_ever(sim):
    sim.fault("status", "sendMessage", status=502, after=1, count=-1)
    codes = [sim.api("sendMessage", chat_id=USER, text="x")[0]
             for _ in range(4)]
    assert codes == [200, 502, 502, 502]
    assert sim.faults()[0]["hits"] == 3
    sim.clear_faults()
    assert sim.api("sendMessage", chat_id=USER, text="x")[0] == 200
    with pytest.raises(ValueError, match="unknown kind"):
        sim.fault("flood")
    with pytest.raises(ValueError, match="unknown method"):
        sim.fault("429", "sendmassage")


@pytest.mark.parametrize("kind, acted", [
    ("close_before", 0), ("close_after", 1), ("garbage", 0),
    ("truncate", 1), ("hang", 0),
])
def test_faults_that_give_no_answer(sim, kind, acted):
    sim.fault(kind, "sendMessage")
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=1)
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.request("POST", f"/bot{TOKEN}/sendMessage",
                           "chat_id=5&text=x", {"Content-Type":
                           "application/x-www-form-urlencoded"})
        connection.getresponse().read()
    connection.close()
    assert len(sim.messages()) == acted
    assert sim.api("sendMessage", chat_id=5, text="y")[0] == 200
    wait_for(lambda: sim.stats()["in_flight"] == 1)


def test_fault_with_a_body_that_is_no_json(sim, bot):
    sim.fault("nonjson", "sendMessage")
    with pytest.raises(error.TelegramError):
        bot.send_message(USER, "x")
    assert sim.messages() == []
    sim.fault("nonjson", "sendMessage", status=200, body="<html>",
              act=True)
    with pytest.raises(error.TelegramError):
        bot.send_message(USER, "x")
    assert len(sim.messages()) == 1


def test_faults_migrate_and_forbidden(sim, bot):
    sim.fault("migrate", chat=-77, migrate_to=GROUP)
    with pytest.raises(error.ChatMigrated) as caught:
        bot.send_message(-77, "x")
    assert caught.value.new_chat_id == GROUP
    sim.fault("forbidden", chat=USER)
    with pytest.raises(error.Unauthorized):
        bot.send_message(USER, "x")


def test_delay_answers_late_and_others_meanwhile(sim):
    sim.fault("delay", "sendMessage", ms=700)
    start = time.monotonic()
    thread = threading.Thread(
        target=lambda: sim.api("sendMessage", chat_id=USER, text="slow"))
    thread.start()
    wait_for(lambda: sim.messages(text="slow"))
    sim.api("sendMessage", chat_id=USER, text="fast")
    assert time.monotonic() - start < 0.6
    thread.join()
    assert time.monotonic() - start >= 0.69  # its clock is not ours
    assert sim.stats()["max_in_flight"] >= 2


# -- the rest ---------------------------------------------------------------

def test_strings_must_be_utf8(sim):
    status, answer = sim.request(
        "POST", f"/bot{TOKEN}/sendMessage", b"chat_id=5&text=%ff",
        {"Content-Type": "application/x-www-form-urlencoded"})
    assert (status, answer["description"]) == (
        400, "Bad Request: strings must be encoded in UTF-8")


def test_broken_bodies(sim):
    for kind, body in (("application/json", b"{"),
                       ("application/json", b"[1]"),
                       ("multipart/form-data; boundary=x", b"--y\r\n"),
                       ("multipart/form-data", b"--y\r\n")):
        status, answer = sim.request("POST", f"/bot{TOKEN}/sendMessage", body,
                                     {"Content-Type": kind})
        assert status == 400 and not answer["ok"]


def test_record_max_is_a_ring(sim_factory):
    sim = sim_factory("--record-max", 10)
    for i in range(25):
        sim.api("sendMessage", chat_id=USER, text=f"m{i}")
    texts = [m["text"] for m in sim.messages()]
    assert texts == [f"m{i}" for i in range(15, 25)]
    count = sim.count()
    assert (count["messages"], count["stored"]) == (25, 10)
    assert sim.count(chat=USER)["messages"] == 25


def test_inspection_filters(sim):
    for i in range(6):
        sim.api("sendMessage", chat_id=USER + i % 2, text=f"m{i}")
    assert [m["text"] for m in sim.messages(chat=USER)] == ["m0", "m2", "m4"]
    assert [m["text"] for m in sim.messages(limit=2)] == ["m4", "m5"]
    since = sim.messages()[3]["seq"]
    assert [m["text"] for m in sim.messages(since=since)] == ["m4", "m5"]
    assert [m["text"] for m in sim.messages(text="m3")] == ["m3"]
    last = sim.requests(limit=1)[0]
    assert last["method"] == "sendMessage" and last["status"] == 200
    assert json.loads(last["body"])["text"] == "m5"
    stats = sim.stats()
    assert stats["methods"]["sendMessage"]["ok"] == 6
    assert stats["last_ms"] >= stats["first_ms"] > 0
    sim.reset()
    assert sim.messages() == [] and sim.stats()["messages"] == 0


def test_console_shows_the_chat(sim_factory):
    sim = sim_factory("--console")
    sim.chat(USER, title="Ann")
    sim.api("sendMessage", chat_id=USER, text="first\nsecond", reply_markup={
        "inline_keyboard": [[{"text": "OK", "callback_data": "x"}]]})
    sim.api("editMessageText", chat_id=USER, message_id=1, text="changed")
    sim.process.terminate()
    shown = sim.process.stdout.read()
    assert sim.stop() == 0
    for part in ("-> Ann", "  first\n  second\n", "[ OK ]",
                 "edit of message 1", "  changed\n"):
        assert part in shown
    assert "\033" not in shown


def test_ends_with_polls_and_hanging_requests_open(sim):
    sim.fault("hang", "sendMessage")
    path = f"/bot{TOKEN}/"
    with socket.create_connection(("127.0.0.1", sim.port)) as a, \
            socket.create_connection(("127.0.0.1", sim.port)) as b:
        for s, rest in ((a, "sendMessage?chat_id=1&text=x"),
                        (b, "getUpdates?timeout=30")):
            s.sendall(f"GET {path}{rest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for(lambda: sim.stats()["polls_open"] == 1
                 and sim.stats()["in_flight"] == 2)
        assert sim.stop() == 0
