/*
 * The metrics that workers count, each in its own scoreboard slot; the
 * monitor sums them over the slots and renders them for Prometheus.
 *
 *	C(name, help)			counter
 *	G(name, help)			gauge, a signed integer
 *	V(name, label, n, help)		vector of n counters, one a label value
 *	H(name, help)			histogram of microseconds, shown in s
 *
 * Names here are without the prefix cctg_ and the suffixes (_total,
 * _seconds) that the renderer adds.  Label values: metrics_label().
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stdint.h>

#include "common/event_types.h"
#include "ipc/messages.h"

/* Buckets' upper bounds in microseconds; +Inf is the one after the last. */
#define HIST_BOUNDS                                                           \
	100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, \
	    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,  \
	    300000000
#define HIST_NBOUNDS 19
#define HIST_CELLS (HIST_NBOUNDS + 2) /* buckets with +Inf, then the sum */

#define FINAL_STATES 4	  /* delivered suppressed uncertain dead */
#define TELEGRAM_ERRORS 11
#define SUPPRESS_REASONS 4 /* muted duplicate expired cancelled */

#define METRICS(C, G, V, H)                                                    \
	/* intake */                                                           \
	C(intake_files, "Event files taken from the events directory")         \
	C(intake_requests, "Requests on submit.sock and the HTTP listener")    \
	C(intake_rejected_files, "Event files moved to rejected/")             \
	C(intake_deferred_files, "Event files that the queue refused to take") \
	C(intake_bad_requests, "Requests answered with an error")              \
	C(intake_watcher_events, "Notifications of the file watcher")          \
	C(intake_rescans, "Full scans of the events directory")                \
	C(webhook_updates, "Updates that came to the webhook")                 \
	C(webhook_refused, "Requests to the webhook without its secret")       \
	G(webhook_last_update_ms,                                              \
	    "When the last update came to the webhook, wall ms")               \
	G(intake_clients, "Clients connected to submit.sock")                  \
	G(intake_waiting, "Events handed to the queue and not yet durable")    \
	/* queue */                                                            \
	V(events_accepted, "type", NEVENTTYPES, "Events accepted, by type")    \
	C(events_refused, "Events that the queue refused")                     \
	C(events_duplicate, "Events suppressed as duplicates")                 \
	V(events_final, "state", FINAL_STATES,                                 \
	    "Events that reached a final state, by state")                     \
	V(events_suppressed, "reason", SUPPRESS_REASONS,                       \
	    "Suppressed events, by reason")                                    \
	C(events_ambiguous, "Requests whose outcome is not known")             \
	C(events_resent, "Messages sent again after an unknown outcome")       \
	C(events_quarantined, "Events set aside after two lost workers")       \
	C(events_redelivered, "Jobs given out again after a lost worker")      \
	C(digests, "Digest messages delivered")                                \
	C(digest_members, "Events delivered within digests")                   \
	C(store_commits, "Transactions committed")                             \
	C(store_commit_errors, "Transactions that failed")                     \
	G(store_bytes, "Size of the store in bytes")                           \
	G(store_damaged, "Was it damaged, and the old file is still there?")   \
	G(queue_pending, "Deliveries waiting")                                 \
	G(queue_inflight, "Deliveries being worked on")                        \
	G(queue_delivered, "Events delivered, total of the store")             \
	G(queue_suppressed, "Events suppressed, total of the store")           \
	G(queue_uncertain, "Events uncertain, total of the store")             \
	G(queue_dead, "Events dead, total of the store")                       \
	G(queue_oldest_ms, "When the oldest pending event came, wall ms")      \
	G(queue_accepting, "Does the store take events?  1 or 0")              \
	G(queue_held, "Is nothing sent until it is released?  1 or 0")         \
	G(queue_mode, "0 local, 1 nomad, 2 mute")                              \
	G(queue_last_event_ms, "When the last event came, wall ms")            \
	H(accept_latency, "From reading an event to its being durable")        \
	H(analyze_latency, "From asking the analysis to its answer")           \
	H(format_latency, "From asking the rendering to its answer")           \
	H(send_latency, "From giving a call to Telegram to its outcome")       \
	H(end_to_end_latency, "From acceptance to delivery")                   \
	C(updates, "Updates of people: messages and presses")                  \
	C(presses_refused, "Presses of buttons that were refused")             \
	/* CPU pools */                                                        \
	C(analyze_jobs, "Events analysed")                                     \
	C(analyze_secrets, "Secrets masked")                                   \
	C(format_jobs, "Texts rendered")                                       \
	C(compress_jobs, "Payloads compressed or expanded")                    \
	C(compress_bytes_in, "Bytes into compression")                         \
	C(compress_bytes_out, "Bytes out of compression")                      \
	/* telegram */                                                         \
	C(telegram_requests, "Requests to the Bot API")                        \
	C(telegram_sent, "Messages that Telegram took")                        \
	V(telegram_outcomes, "outcome", NOUTCOMES, "Calls, by outcome")        \
	V(telegram_errors, "code", TELEGRAM_ERRORS,                            \
	    "Calls that failed, by error")                                     \
	G(telegram_state, "0 off, 1 connected, 2 degraded, 3 down")            \
	G(telegram_token_refused, "1: Telegram refuses the bot token")         \
	G(telegram_poller, "0 off, 1 polling, 2 conflict, 3 webhook")          \
	G(telegram_last_update_ms, "When the last update came, wall ms")       \
	G(telegram_inflight, "Requests under way")                             \
	G(telegram_connections, "Connections open for sending")                \
	G(telegram_poll_connections, "Connections open for polling")           \
	C(telegram_breaker_opened, "Times that the circuit breaker opened")    \
	/* links, counted by link.c in every process */                        \
	C(link_frames_in, "Frames received")                                   \
	C(link_frames_out, "Frames sent")                                      \
	C(link_bytes_in, "Bytes received on links")                            \
	C(link_bytes_out, "Bytes sent on links")                               \
	C(link_stalls, "Sends that found no credit")                           \
	C(link_malformed, "Malformed frames, each cost its link")              \
	C(link_stale, "Frames of an older generation, dropped")                \
	/* supervisor */                                                       \
	C(worker_restarts, "Workers started again")                            \
	C(control_requests, "Requests on control.sock")                        \
	C(control_bad_requests, "Requests on control.sock with an error")

enum metric {
#define METRIC_ONE(name, help) M_##name,
#define METRIC_VEC(name, label, n, help) \
	M_##name, M_##name##_LAST = M_##name + (n)-1,
#define METRIC_HIST(name, help) \
	M_##name, M_##name##_LAST = M_##name + HIST_CELLS - 1,
	METRICS(METRIC_ONE, METRIC_ONE, METRIC_VEC, METRIC_HIST)
#undef METRIC_ONE
#undef METRIC_VEC
#undef METRIC_HIST
	NMETRICCELLS
};

/* In this process's own slot; no-ops before scoreboard_attach(). */
void metric_add(enum metric, uint64_t);
void metric_addv(enum metric, unsigned int index, uint64_t);
void metric_set(enum metric, int64_t);
int64_t metric_get(enum metric);
void metric_observe_us(enum metric, int64_t us);

/*
 * What the value of a gauge that is no number stands for: of queue_mode,
 * telegram_state and telegram_poller.  A value that it cannot have, which is
 * what a reader of another's slot must expect, counts as 0; NULL for other
 * gauges.
 */
const char *metrics_word(enum metric, int64_t value);
/* The value of a vector's label at index, e.g. "task_failed"; NULL if none. */
const char *metrics_label(enum metric first, unsigned int index);
/* The index of an error for telegram_errors from an HTTP or API code (0:
 * none came; timed_out tells a time-out from another network error). */
unsigned int metrics_telegram_error(int code, int timed_out);

#endif
