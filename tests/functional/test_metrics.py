"""Each figure counts what its help says: what happened here is known."""

import os
import signal

from simlib import wait_for
from submitlib import Client, event, metrics, wait_empty

COUNTED = {
    # five events, one of them as a file; the first comes once more
    "events_accepted_total{type=\"info_notification\"}": 4,
    "events_accepted_total{type=\"approval_request\"}": 1,
    "events_duplicate_total": 1,
    "events_suppressed_total{reason=\"duplicate\"}": 0,
    "events_final_total{state=\"delivered\"}": 5,
    "events_final_total{state=\"dead\"}": 0,
    "events_quarantined_total": 0,
    "queue_delivered": 5,
    "queue_dead": 0,
    "queue_uncertain": 0,
    "queue_suppressed": 0,
    "queue_pending": 0,
    "queue_inflight": 0,
    "queue_accepting": 1,
    "queue_held": 0,
    "intake_files_total": 1,
    "intake_waiting": 0,
    "presses_refused_total": 1,
    "telegram_inflight": 0,
    "telegram_state": 1,
    "telegram_poller": 1,
    "accept_latency_seconds_count": 6,
    "analyze_latency_seconds_count": 5,
    "format_latency_seconds_count": 5,
    "end_to_end_latency_seconds_count": 5,
    "link_malformed_total": 0,
}
AT_LEAST = {
    "intake_bad_requests_total": 1,
    "intake_requests_total": 7,
    "intake_clients": 1,
    "intake_rescans_total": 1,
    "intake_watcher_events_total": 1,
    "store_commits_total": 5,
    "store_bytes": 4096,
    "analyze_jobs_total": 5,
    "analyze_secrets_total": 1,
    "format_jobs_total": 5,
    "compress_jobs_total": 1,
    "compress_bytes_in_total": 6000,
    "compress_bytes_out_total": 10,
    "telegram_requests_total": 5,
    "telegram_outcomes_total{outcome=\"delivered\"}": 5,
    "telegram_connections": 1,
    "telegram_poll_connections": 1,
    "telegram_last_update_timestamp_seconds": 1_700_000_000,
    "queue_last_event_timestamp_seconds": 1_700_000_000,
    "send_latency_seconds_count": 5,
    "updates_total": 1,
    "link_frames_in_total": 10,
    "link_frames_out_total": 10,
    "link_bytes_in_total": 1000,
    "link_bytes_out_total": 1000,
    "control_requests_total": 1,
    "control_bad_requests_total": 1,
}


def summed(tree):
    """{name: value} without the prefix, added up over the workers."""
    totals = {}
    for name, value in metrics(tree).items():
        short = name.removeprefix("cctg_")
        totals[short] = value
        if "{" in short and "worker=" in short:
            plain = short[:short.index("{")]
            totals[plain] = totals.get(plain, 0) + value
    return totals


def test_every_figure_counts_what_it_says(tree, sim):
    with Client(tree) as client:
        client.send(event("one", event_id="one"))
        assert client.ask("send", event=event("one", event_id="one"))[
            "duplicate"]
        client.send(event("large", description="again " * 1000))
        client.send(event("secret", data={"token": "ghp_" + "a" * 36}))
        question = client.send(event("May I?", "approval_request"))
        assert not client.ask("send", event={"type": "x"})["ok"]
        tree.drop(event("a file"))
        wait_empty(tree)
        message, = sim.messages(text="May I?")
        sim.press(message, "Deny", user=4711)
        assert not tree.ask("nonsense")["ok"]

        def differ():
            found = summed(tree)
            counted = {**COUNTED,
                       "telegram_sent_total": sim.count()["messages"]}
            wrong = {k: (found.get(k), v) for k, v in counted.items()
                     if found.get(k, 0) != v}
            wrong.update({k: (found.get(k), v) for k, v in AT_LEAST.items()
                          if found.get(k, 0) < v})
            return wrong

        wait_for(lambda: not differ(), why=differ)
        assert client.show(question)["state"] == "delivered"


def test_jobs_of_a_lost_worker_are_counted_as_redelivered(tree):
    os.kill(tree.pid("format/0"), signal.SIGSTOP)
    with Client(tree) as client:
        client.send(event("stuck", event_id="stuck"))
        # The supervisor sees that it stands still, and replaces it.
        client.wait_state("stuck", "delivered", 30)
    assert summed(tree)["events_redelivered_total"] == 1


def test_what_a_full_store_refuses_is_counted(tree_for, sim):
    tree = tree_for(sim, 'queue { max_size = "1" }')
    with Client(tree) as client:
        answer = client.ask("send", event=event("no room"))
        assert not answer["ok"] and answer["code"] == 75
    assert summed(tree)["events_refused_total"] == 1
    assert summed(tree)["queue_accepting"] == 0
