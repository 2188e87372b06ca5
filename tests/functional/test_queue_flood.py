"""More events than a chat's limits let through: digests carry them all, and
what is urgent does not wait."""

import threading
import time

from simlib import wait_for
from submitlib import DEEP, Client, event, metrics, tree_pss, wait_empty
from treelib import sanitized

GROUP = -1001234567890
TYPES = ["info_notification", "code_review", "file_created"]
# As Telegram documents them, on both sides.
LIMITS = "global = 30  private = 1  private_burst = 3  group_per_minute = 20"
PSS_MAX = 60 << 20


def test_flood_to_a_group_arrives_within_digests(tree_for, sim_factory):
    count, seconds = (3000, 60) if DEEP else (1000, 20)
    sim = sim_factory("--strict")
    tree = tree_for(sim, rate=LIMITS)
    ids = [f"flood-{n}" for n in range(count)]
    peak = 0
    with Client(tree) as client:
        begin = time.monotonic()
        for n, i in enumerate(ids):
            client.send(event(f"Title {n % 50}", TYPES[n % 3], event_id=i,
                              description=f"what {n}"), to=str(GROUP))
            if n == count // 2:
                urgent = time.time()
                client.send(event("May I?", "approval_request",
                                  event_id="urgent"), to=str(GROUP))
            if n % 100 == 0:
                peak = max(peak, tree_pss(tree))
            time.sleep(max(0, begin + n * seconds / count
                           - time.monotonic()))
        sent = time.monotonic()
        wait_empty(tree, 120)
        emptied = time.monotonic() - sent
        messages = {m["message_id"]: m for m in
                    sim.messages(chat=GROUP, limit=100000)}
        in_digests = 0
        for i in ids:
            shown = client.show(i)
            assert shown["state"] == "delivered", shown
            delivery, = shown["deliveries"]
            assert delivery["message_ids"], shown
            for message_id in delivery["message_ids"]:
                assert message_id in messages, shown
            in_digests += delivery["digest"]
    approval, = [m for m in messages.values() if "May I?" in m["text"]]
    delay = approval["date_ms"] / 1000 - urgent
    limited = sim.stats()["sent_429"]
    print(f"\n{count} events in {seconds} s: {len(messages)} messages, "
          f"{in_digests} events within digests, {limited} times 429, empty "
          f"after {emptied:.1f} s, the approval after {delay:.2f} s, "
          f"PSS at most {peak >> 20} MiB")
    assert delay < 3
    assert limited <= 5
    assert in_digests > count * 0.9
    counted = metrics(tree)
    assert counted["cctg_digest_members_total"] == in_digests
    assert 0 < counted["cctg_digests_total"] <= len(messages)
    # Titles are named, or counted where the text would be too long.
    some = "".join(m["text"] for m in messages.values())
    assert "Title 7" in some
    if not sanitized():
        assert peak < PSS_MAX


def test_chats_do_not_wait_for_a_flooded_one(tree_for, sim_factory):
    sim = sim_factory("--strict")
    tree = tree_for(sim, rate=LIMITS)
    with Client(tree) as client:
        client.send_all((event(f"flood {n}") for n in range(500)),
                        to=str(GROUP))
        begin = time.time()
        client.send(event("for somebody else"), to="1002")
        other, = sim.wait_messages(1, timeout=5, chat=1002)
        assert other["received_us"] / 1e6 - begin < 1


def test_failures_overtake_and_are_never_in_digests(tree_for, sim_factory):
    sim = sim_factory("--strict")
    tree = tree_for(sim, rate=LIMITS)
    with Client(tree) as client:
        client.send_all((event(f"flood {n}") for n in range(400)),
                        to=str(GROUP))
        for n in range(2):
            client.send(event(f"broken {n}", "build_failed",
                              event_id=f"broken-{n}"), to=str(GROUP))
        for n in range(2):
            delivery, = client.wait_state(
                f"broken-{n}", "delivered", 30)["deliveries"]
            assert not delivery["digest"]
            own, = [m for m in sim.messages(chat=GROUP, text=f"broken {n}")]
            assert "flood" not in own["text"]


def test_slow_telegram_and_fast_producer_stay_small(tree_for, sim):
    seconds, most = (120, 1000000) if DEEP else (6, 20000)
    tree = tree_for(sim)
    sim.fault("delay", count=-1, ms=500)
    ids, peak = [], 0
    done = threading.Event()

    def produce():
        n = 0
        with Client(tree, timeout=60) as client:
            while not done.is_set() and n < most:
                batch = [f"slow-{n + i}." for i in range(200)]
                n += len(batch)
                for i, answer in zip(batch, client.send_all(
                        event(i, event_id=i, description="d" * 1000)
                        for i in batch)):
                    if answer["ok"]:
                        ids.append(i)
                    else:
                        assert answer["code"] == 75

    producer = threading.Thread(target=produce)
    producer.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peak = max(peak, tree_pss(tree))
        time.sleep(0.2)
    done.set()
    producer.join(60)
    assert not producer.is_alive()
    pending = tree.status()["queue"]["pending"]
    print(f"\n{len(ids)} events in {seconds} s, {pending} still wait, tree "
          f"PSS at most {peak / (1 << 20):.1f} MiB")
    if not sanitized():
        assert peak < PSS_MAX
    assert pending > 1000, "it was slow"
    # All are kept; when it is fast again all go out.
    sim.clear_faults()
    queue = wait_empty(tree, 600)
    assert queue["delivered"] == len(ids)
    assert sim.count()["messages"] >= len(ids)


def test_a_producer_that_is_faster_than_the_disk_is_slowed(tree_for, sim):
    """Nothing is answered before it is durable, so what is under way is
    bounded, however fast the producer writes."""
    tree = tree_for(sim)
    with Client(tree) as client:
        answers = client.send_all(
            event(f"fast {n}", event_id=f"fast-{n}") for n in range(5000))
    assert all(a["ok"] for a in answers)
    assert metrics(tree)["cctg_intake_waiting"] == 0
    wait_for(lambda: tree.status()["queue"]["delivered"] == 5000, 60)


def test_limits_of_groups_are_those_of_the_configuration(tree_for, sim):
    """A group without a limit gets each event as a message, at once."""
    tree = tree_for(sim)
    with Client(tree) as client:
        client.send_all((event(f"g{n}.") for n in range(100)), to=str(GROUP))
        wait_empty(tree, 5)
    assert sim.count(GROUP)["messages"] == 100


def test_bursts_are_those_of_the_configuration(tree_for, sim):
    tree = tree_for(sim, rate="global = 0  private = 0.5  "
                    "private_burst = 6  group_per_minute = 0")
    with Client(tree) as client:
        for n in range(7):
            client.send(event(f"u{n}.", "build_failed"), to="1001")
        # One place is kept for what is critical.
        sim.wait_messages(5, chat=1001)
        time.sleep(0.5)
        assert sim.count(1001)["messages"] == 5
        sim.wait_messages(6, timeout=3, chat=1001)


def test_many_chats_and_a_telegram_that_is_away(tree_for, sim):
    chats, each = (2000, 50) if DEEP else (400, 50)
    tree = tree_for(sim, telegram='timeout = "2s"')
    sim.fault("hang", count=-1)
    before = tree_pss(tree)
    with Client(tree) as client:
        for n in range(each):
            answers = []
            for at in range(0, chats, 200):
                part = range(at, min(at + 200, chats))
                client.write(*({"op": "send", "to": str(5000 + c),
                                "event": event(f"m{n}-{c}.",
                                               description="d" * 1500)}
                               for c in part))
                answers += [client.read() for _ in part]
            assert all(a["ok"] for a in answers), answers
        peak = 0
        for _ in range(8):
            peak = max(peak, tree_pss(tree))
            time.sleep(0.5)
        print(f"\n{chats} chats with {each} events each: PSS "
              f"{before / (1 << 20):.1f} -> {peak / (1 << 20):.1f} MiB")
        if not sanitized():
            assert peak < PSS_MAX
        sim.clear_faults()
        begin = time.monotonic()
        queue = wait_empty(tree, 120)
        print(f"empty after {time.monotonic() - begin:.1f} s")
        assert queue["delivered"] == chats * each


def test_full_store_refuses_until_there_is_room(tree_for, sim):
    tree = tree_for(sim, 'queue { max_size = "1M" }\n')
    with Client(tree) as client:
        client.queue("hold")
        answers = client.send_all(event(f"f{n}.", data={"n": "x" * 1000})
                                  for n in range(3000))
        refused = [a for a in answers if not a["ok"]]
        taken = len(answers) - len(refused)
        assert taken > 100 and refused
        for a in refused:
            assert a["code"] == 75 and "full" in a["error"], a
        assert tree.status()["state"] == "degraded"
        assert tree.ctl("send", "one more")[0] == 75
        tree.drop(event("file."))
        time.sleep(1)
        assert len(tree.waiting()) == 1
        client.queue("release")
        # History goes, so that there is room again.
        sim.wait_messages(1, text="file.", timeout=10)
        assert wait_empty(tree, 60)["delivered"] == taken + 1
        assert client.ask("send", event=event("after."))["ok"]
        print(f"\n{taken} taken, {len(refused)} refused")


def test_wait_outlives_the_queue(tree_for, sim):
    tree = tree_for(sim)
    with Client(tree) as client:
        client.queue("hold")
        client.write({"op": "send", "event": event("Awaited."),
                      "wait": "30s"})
        assert client.read()["ok"]
        pid = tree.kill("queue")
        tree.wait_replaced("queue", pid)
        with Client(tree) as other:
            other.queue("release")
        last = client.read()
        assert last["state"] == "delivered" and last["message_ids"]
