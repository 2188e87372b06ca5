/*
 * What the files of cctg-queue share.
 *
 *	queue.c	   life of the worker, configuration, who handles a message
 *	accept.c   events from intake: chats, store, answer when durable
 *	alert.c	   events of our own: workers that crash, a damaged store
 *	commit.c   group commit, and what may happen only after it
 *	chat.c	   chats, their lanes, loading from the store
 *	topic.c	   topics of forums that are made for projects and sessions
 *	sched.c	   which job goes next, and when to look again
 *	stage.c	   asking the pools: analysis, rendering
 *	call.c	   asking Telegram, and what follows from the outcome
 *	digest.c   many events in one message
 *	final.c	   ends of deliveries and events
 *	update.c   what people sent; command.c their commands
 *	prompt.c   questions with buttons; prompt_answer.c prompt_show.c
 *	person.c   people and their roles
 *	response.c answers on their way to files
 *	note.c	   calls that are no deliveries
 *	silence.c  matchers that suppress for a time
 *	mode.c	   local, nomad, mute; hold; quiet hours
 *	query.c	   questions of people, by way of intake
 *	archive.c  old payloads into segments, old events out
 *	twin.c	   events of one task that share its id
 *	dedup.c	   content fingerprints of the last seconds (pure)
 *	jump.c	   when the wall clock is set; skew.c what it was (pure)
 *	moved.c	   groups that got another id (pure)
 *	rate.c route.c verdict.c   decisions (pure), and
 *	role.c pairing.c option.c press.c decision.c escape.c idlist.c offset.c
 *	store.c	   SQLite
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/event_types.h"
#include "common/uuid.h"
#include "ipc/link.h"
#include "ipc/pack.h"
#include "workers/queue/rate.h"
#include "workers/queue/route.h"
#include "workers/queue/store.h"
#include "workers/worker.h"

#define LANE_WINDOW 256		    /* jobs of a lane kept in memory */
#define MEMORY_BYTES (12U << 20)    /* payloads kept in memory, all chats */
#define AHEAD_JOBS 32		    /* rendered ahead, chat without a limit */
#define AHEAD_BYTES (8U << 20)	    /* … in all chats */
#define LOSSES_MAX 2		    /* workers lost by one job: poison */

/* An event in memory, shared by its deliveries. */
enum evm_stage { EV_RAW, EV_ASKED, EV_KNOWN };

struct evm {
	int64_t seq;
	enum evm_stage stage;
	struct peer *asked; /* the analysis that has it, while EV_ASKED */
	int64_t asked_us;
	int refs; /* deliveries in memory */
	LIST_HEAD(, job) jobs;
	int open_left;	 /* deliveries not final; -1: not known yet */
	int worst;	 /* final state that the event will have */
	bool reopened;	 /* one of its deliveries had ended before */
	int losses;
	int type, severity, kind, flags; /* enum event_type, ... */
	int64_t received_ms, expires_ms;
	int encoding;
	uint32_t raw_bytes;
	char *payload; /* raw until EV_KNOWN, then normalised; NULL: on disk */
	size_t payload_bytes;
	/* from the analysis */
	bool attached; /* has files */
	char *title, *task_id;
	LIST_ENTRY(evm) hash;
	TAILQ_ENTRY(evm) wait; /* for an analysis */
	bool waiting;
};

enum job_stage {
	JOB_QUEUED,	/* in its lane */
	JOB_RENDERING,	/* in its lane, a format worker has it */
	JOB_RENDERED,	/* in its lane, text is here */
	JOB_MARKING,	/* "sending" is about to be committed */
	JOB_CALLING,	/* telegram has it */
	JOB_UNCLEAR,	/* of an earlier queue: waiting for telegram's report */
	JOB_FINISHING	/* its end is about to be committed */
};

struct part {
	int kind;
	const char *html, *name;
	const void *document;
	size_t document_bytes;
};

TAILQ_HEAD(job_list, job);

/* A delivery in memory: one event for one chat.  First what is looked at in
 * search of another: there are thousands. */
struct job {
	int64_t id;
	LIST_ENTRY(job) hash;
	TAILQ_ENTRY(job) entry; /* lane, members, or a list of commit.c */
	struct evm *ev;
	enum job_stage stage;
	bool in_lane;
	int lane;
	struct chat *chat;
	int attempts, parts_done, flags, losses;
	int64_t not_before_ms; /* wall clock */
	char *messages;
	/* rendering */
	struct peer *asked;
	int64_t asked_us;
	struct part *part; /* with their texts behind them */
	int nparts;
	size_t part_bytes;
	char **options;
	int noptions;
	/* calling */
	struct peer *called;
	int64_t called_us;
	int64_t thread; /* where it was sent to; 0: none */
	bool is_edit, closing;
	bool updating; /* counted in chat->updating */
	int64_t edit_message;
	/* digest: this job carries others */
	struct job_list members;
	int nmembers;
	struct job *leader;
	/* final */
	int final_state;
	char *reason;
	LIST_ENTRY(job) sibling; /* of the same event */
};

struct lane_queue {
	struct job_list jobs; /* by id */
	int loaded;	      /* jobs of this lane in memory, in or out of it */
	int64_t open;	      /* open deliveries, in memory or not */
	int64_t cursor;	      /* ids up to here were loaded */
	int64_t last;	      /* the last id that exists: behind if > cursor */
};

/* What the topics of one chat share, since Telegram's limits are the chat's. */
struct room {
	int64_t chat_id;
	struct rate_budget budget;
	int64_t pause_until_ms; /* monotonic */
	int64_t limited_at_ms;	/* last 429, monotonic */
	int64_t bulk;		/* open deliveries in all bulk lanes */
	LIST_ENTRY(room) all;
};

struct topic;

struct chat {
	int32_t id;
	int64_t chat_id, thread; /* thread < 0: that of topic, see topic.h */
	bool suspended;
	int64_t left_seq; /* events up to it are not for it any more; 0 none */
	struct room *room;
	struct topic *topic; /* NULL: none of ours */
	struct lane_queue lane[NLANES];
	int inflight;		/* marked or called */
	int updating;		/* changes of progress messages under way */
	int64_t collecting_ms;	/* a digest has been waiting since; 0: none */
	int ahead;		/* about so many jobs are rendered ahead */
	bool active;		/* on the scheduler's list */
	TAILQ_ENTRY(chat) entry;
	LIST_ENTRY(chat) all;
};

enum mode { MODE_LOCAL, MODE_NOMAD, MODE_MUTE };

/* What the configuration says, and the state that everything shares. */
struct queue {
	struct store *store;
	struct route_table *routes;
	struct rate_conf rate;
	struct rate_budget bot;
	char state_dir[1024];
	bool detailed; /* style */
	bool mark_resent;
	int64_t ttl_ms, dedup_window_ms;
	int64_t digest_after_ms, digest_collect_ms;
	int digest_max;
	int64_t compress_min_bytes;
	int64_t max_bytes; /* of the store; 0: no limit */
	int64_t store_bytes; /* after the last commit */
	bool full;	     /* they are more than max_bytes */
	int quiet_from, quiet_to; /* minutes of the day; -1 none */
	struct store_prune prune;
	int64_t archive_after_ms;

	enum mode mode;
	int64_t muted_seq;     /* events behind it are muted */
	int64_t mute_until_ms; /* wall clock; 0 no end */
	bool held;	       /* by people, also over restarts */
	bool draining;	       /* nothing new is begun: this process goes */
	int64_t bot_pause_until_ms; /* monotonic */
	size_t memory_bytes;	    /* of payloads */
	size_t part_bytes;	    /* of rendered parts */
	struct store_totals totals;
	int64_t open_events;
	int64_t undurable_seq; /* from here on still to be committed */
};
extern struct queue queue;

/* accept.c */
enum link_verdict accept_submit(struct peer *, const struct frame *);
void accept_intake_lost(struct peer *); /* nobody waits for its answers */
/* COMPRESS_DATA_DONE, of the archive too; what was asked is stored raw when
 * the worker is lost. */
enum link_verdict accept_packed(struct peer *, const struct frame *);
void accept_compress_lost(void);
/* After a salvage: route anew what lost its deliveries.  0 or -1. */
int accept_orphans(void);
void accept_committed(bool ok); /* commit.c tells */
/* Is there room in the store?  To be called when it or its limit changed. */
void accept_measure(void);
/*
 * An event of our own: payload is its JSON; to is a chat as in
 * INTAKE_EVENT_SUBMIT, "" where the routes say.  An id that was accepted
 * before is not accepted again; NULL: a new one.
 */
void accept_own(const char *id, const char *type, const char *title,
    const char *payload, const char *to, enum severity);

/* alert.c */
enum link_verdict alert_tell(const struct frame *); /* SUP_ALERT_TELL */
/* Say whether the store was damaged; now and then, as the old file may go. */
void alert_damage(void);

/* commit.c */
void commit_init(void);
void commit_soon(void); /* there are operations: commit within 5 ms */
bool commit_failing(void); /* the last one failed; it is tried again */
/* Have the job called, or ended, once all that was put so far is on disk. */
void commit_then_call(struct job *);
void commit_then_end(struct job *);
/* Tell telegram that the outcome of this call is on disk, then. */
void commit_then_seen(int64_t id);

/* chat.c */
int chat_init(void);
struct chat *chat_get(int64_t chat_id, int64_t thread); /* NULL: no memory */
struct chat *chat_known(int64_t chat_id, int64_t thread); /* NULL: it is not */
struct chat *chat_by_id(int32_t id);
/* All of them, in no order; NULL at the end. */
struct chat *chat_first(void);
struct chat *chat_next(struct chat *);
/* Telegram gave the group another number: follow, and remember it. */
void chat_migrate(struct chat *, int64_t new_id);
/* Telegram shut us out (403): its deliveries end dead until it is resumed. */
void chat_suspend(struct chat *, const char *reason);
void chat_resume(struct chat *);
/* What waits for this private chat, up to seq, is not sent any more. */
void chat_leave(struct chat *, int64_t seq);
void chat_reconfigure(void); /* new rates */
void chat_refill(struct chat *, int lane); /* from the store */
/* So many deliveries more are open in a lane. */
void chat_open(struct chat *, int lane, int64_t n);

/* Events and jobs in memory (chat.c). */
struct evm *evm_find(int64_t seq); /* NULL: it is not in memory */
struct evm *evm_new(int64_t seq);  /* its deliveries are its references */
void evm_unref(struct evm *);	   /* without any it is freed */
/* Takes the text over; NULL: it is on disk only. */
void evm_set_payload(struct evm *, char *, size_t);
/* The id that its sender knows, fit for a log line; until the next call. */
const char *evm_id(int64_t seq);
/* The callback may free the one that it is given. */
void evm_iterate(void (*)(struct evm *, void *), void *);
int evm_load(struct evm *); /* payload from the store; 0 or -1 */
/* Is it on disk?  What is not may still be refused: nothing may leave, and
 * no end be put, before it is. */
bool evm_durable(const struct evm *);
/* Analysed, too: its deliveries may go on. */
bool evm_settled(const struct evm *);
struct job *job_find(int64_t id);
struct job *job_new(int64_t id, struct chat *, int lane, struct evm *);
void job_free(struct job *);
void job_insert(struct job *);	/* into its lane, by id */
void job_remove(struct job *);	/* out of its lane */
void job_drop_parts(struct job *);
/* It changes a progress message from now on, or has done so. */
void job_updates(struct job *, bool);
void job_iterate(void (*)(struct job *, void *), void *);
void job_save(struct job *, int state); /* store_put_delivery() of it */

/* sched.c */
void sched_init(void);
void sched_wake(struct chat *); /* something changed for this chat */
void sched_soon(void); /* look again in this turn of the loop */
void sched_wake_all(void); /* … at every chat */
/* Is the bulk of this chat more than its rate carries away in time? */
bool sched_backlogged(const struct chat *);

/* stage.c */
void stage_analyze(struct evm *, bool first);
void stage_forget(struct evm *); /* it is about to be freed */
/* What came with the last commit is on disk, or has been taken back: what
 * the analysis said about it counts now, or not. */
void stage_committed(bool ok);
void stage_pump(void); /* there may be credit, or work, again */
/* ANALYZE_EVENT_DONE and ANALYZE_EVENT_REFUSE. */
enum link_verdict stage_known(struct peer *, const struct frame *);
enum link_verdict stage_unknowable(struct peer *, const struct frame *);
int stage_render(struct job *); /* 0, or -1: no credit now */
enum link_verdict stage_rendered(struct peer *, const struct frame *);
/* A worker of a pool has gone: these, which it was executing, count as lost
 * once; all others are given out again. */
void stage_lost(struct peer *, const uint64_t *, size_t);

/* call.c */
/* Is there a telegram worker with credit for its next call? */
bool call_possible(const struct job *);
void call_mark(struct job *); /* put "sending"; called after the commit */
void call_begin(struct job *);
/* TELEGRAM_CALL_DONE and TELEGRAM_CALL_REPORT. */
enum link_verdict call_done(struct peer *, const struct frame *);
enum link_verdict call_report(struct peer *, const struct frame *);
void call_parts_done(struct job *); /* every part has arrived */
/* The telegram worker has gone: how these ended, which it was executing, is
 * unclear; all others are given out again. */
void call_lost(struct peer *, const uint64_t *, size_t);
void call_recover(void); /* on start: deliveries left in "sending" */
void call_seen(const int64_t *, size_t);

/* digest.c */
/* Shall this job go within a digest? */
bool digest_wanted(const struct chat *, const struct job *);
/* Collect members for lead; false: better wait until chat->collecting_ms +
 * collect_ms. */
bool digest_collect(struct chat *, struct job *lead, int64_t now_ms);
/* Its members for QUEUE_FORMAT_ASK.  0, or -1 without memory. */
int digest_pack(const struct job *, struct packer *);
void digest_dissolve(struct job *); /* members back to the lane */

/* final.c */
/* The end of a delivery and of those that it carries: put it, and free the
 * job when that is on disk. */
void final_put(struct job *, int state, const char *reason);
void final_done(struct job *); /* it is: commit.c tells */
void final_reopen(struct evm *); /* one that had ended is tried again */
/* Learn how many of its deliveries are open, while the store can be read;
 * ending is one of them whose end was not counted yet, or NULL. */
void final_known(struct evm *, const struct job *ending);
/* Count n (1 or -1) events accepted, or ended in this state. */
void final_count(int state, int n);
void final_gauges(void); /* bring those of the queue up to date */

/* mode.c */
void mode_load(void); /* on start */
/* until_ms: wall clock, of a mute, 0: no end; who: for the log. */
void mode_set(enum mode, int64_t until_ms, const char *who);
const char *mode_name(enum mode);
int mode_by_name(const char *); /* -1: there is none */
/* May this job go now?  false: it is held. */
bool mode_allows(const struct job *, bool *silent);
/* Does this event belong into the summary, not into the chat? */
bool mode_swallows(const struct evm *);
/* Wall ms when the mode or quiet hours change next by themselves; 0 never. */
int64_t mode_next_change(void);
void mode_event(int64_t seq, enum mode); /* asked for by an event */
void mode_hold(bool);
enum mode mode_before(void); /* to which the end of a mute goes back */
void mode_tick(void); /* has a mute ended? */
void mode_clock_set(int64_t by_ms);

/* query.c */
enum link_verdict query_ask(struct peer *, const struct frame *);
enum link_verdict query_cancel(struct peer *, const struct frame *);
void query_intake_lost(struct peer *); /* and all that it asked */
/* For those who tail or wait: committed just now. */
void query_event_accepted(int64_t seq);
void query_delivery_ended(const struct job *);
void query_prompt_settled(const char *event_id);
void query_committed(bool ok); /* commit.c tells */
void query_prompt_failed(int64_t seq, const char *why); /* never was one */
bool query_is_attended(const char *event_id); /* somebody waits for it */
struct json_object;
void query_tell_response(struct json_object *); /* to those who tail */

/* silence.c */
#define NSILENCEKEYS 5 /* type, source, title, task_id, severity */
void silence_load(void);
void silence_clock_set(int64_t by_ms);
bool silence_any(void); /* is there one at all? */
/* Is an event with these values silenced now? */
bool silence_matches(const char *const value[NSILENCEKEYS]);

/* recall.c: which event a message of late carried. */
void recall_add(int64_t chat_id, const char *messages, int64_t seq);
int64_t recall_find(int64_t chat_id, int64_t message_id); /* 0: unknown */

/* archive.c */
#define ARCHIVE_ASK_ID UINT64_MAX /* of its QUEUE_COMPRESS_ASK */
void archive_init(void);
void archive_soon(void); /* there may be something to do */
/* The segment is packed, or could not be. */
void archive_packed(bool ok, const void *, size_t);
void archive_compress_lost(void);

/* twin.c */
/*
 * An event with this id was accepted as seq.  Returns the seq of which this
 * one is a duplicate, or 0 if it is another event: then own_id is its id.
 */
int64_t twin_find(const char *id, struct span payload, int64_t seq,
    char own_id[UUID_SIZE]);

/* moved.c */
/* The id under which Telegram knows this chat now. */
int64_t moved_to(int64_t chat_id);
/* False: nothing new, or no memory. */
bool moved_add(int64_t from, int64_t to);
/* All of them as text, to be freed, and back. */
char *moved_text(void);
void moved_load(const char *);

/* jump.c */
void jump_load(void);
void jump_check(void); /* was the clock set?  Then all that waits is told */
/* The wall clock; what was made of an older reading has been corrected. */
int64_t jump_wall_ms(void);

/* skew.c */
/* By how much was the wall clock set since the last look?  steady_ms is of a
 * clock that nobody sets. */
int64_t skew_look(int64_t wall_ms, int64_t steady_ms);
/* It was set before this event came. */
void skew_add(int64_t seq, int64_t by_ms);
/* And since this event came? */
int64_t skew_since(int64_t seq);
/* All of it as text, to be freed, and back. */
char *skew_text(void);
void skew_load(const char *);

/* dedup.c */
/* True if the same fingerprint came from another event within window_ms. */
bool dedup_seen(uint64_t fingerprint, int64_t seq, int64_t received_ms,
    int64_t window_ms);

#endif
