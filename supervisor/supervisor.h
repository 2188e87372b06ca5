/*
 * What the files of the supervisor share.  One process, one event loop: all
 * of this belongs to the main thread.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <sys/queue.h>
#include <sys/types.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "common/scoreboard.h"
#include "ipc/link.h"
#include "supervisor/liveness.h"
#include "supervisor/memory.h"
#include "supervisor/policy.h"

struct event;
struct event_base;
struct json_object;
struct conf;
struct conf_source;

#define WORKER_NAME_SIZE 24
#define DRAIN_MS 5000	  /* a worker that drains is then asked to stop */
#define STOP_MS 2000	  /* and one that does not stop is killed */
#define STARTING_MS 60000 /* a store may have much to recover */
#define TICK_MS 1000

/*
 * A child: one incarnation of a worker, one process.  The current one serves;
 * a successor is started while the current one still serves; a leaver has
 * handed over to its successor and finishes what it has.
 */
enum child_role { ROLE_CURRENT, ROLE_SUCCESSOR, ROLE_LEAVER };

struct child {
	TAILQ_ENTRY(child) entry;
	struct worker *worker;
	enum child_role role;
	enum worker_state state; /* of a leaver: draining or stopping */
	pid_t pid;
	uint32_t generation;
	struct link *link; /* NULL once it is closed */
	struct slot *slot;
	int slot_fd;
	bool owns_slot;	    /* the worker's slot is another's now */
	uint64_t *inherited; /* successor: counters taken over so far */
	bool started;	    /* SUP_WORK_START is sent */
	bool drained;	    /* it said so */
	int64_t forked_ms, ready_at_ms; /* monotonic; 0 not yet */
	int64_t stopped_ms; /* job control stop noticed; 0 none */
	struct live_track live;
	enum live_verdict verdict; /* the last, to log changes only */
	struct mem_track mem;
	struct mem_sample used;
	int64_t sampled_ms; /* used was read */
	int64_t noted_ms;   /* and noted in mem */
	struct event *timer; /* of its state, as successor or leaver */
};
TAILQ_HEAD(child_list, child);

struct last_exit {
	bool set;
	int signal, code; /* one of them; signal 0: it exited */
	int64_t at_wall_ms;
	int64_t at_ms;		/* monotonic */
	int64_t ready_again_ms; /* -1 not yet */
};

/* A worker: a name, "format/0", and whatever serves under it. */
struct worker {
	TAILQ_ENTRY(worker) entry;
	char name[WORKER_NAME_SIZE];
	enum process_class class;
	unsigned int index;
	enum worker_state state;
	enum policy_goal goal;
	struct policy_history history;
	struct child *child;	 /* current; NULL while there is none */
	struct child *successor; /* starting; NULL mostly */
	struct slot *slot;	 /* of the current child, or the last */
	int slot_fd;
	struct event *timer; /* of its state */
	bool removed;	     /* no longer configured: forget when it is gone */
	const char *replace; /* why a new one is wanted; NULL: it is not */
	int64_t replace_after_ms;
	uint64_t spawned, crashes, restarts;
	uint64_t restarted_at; /* sup.changes when it was last ready again */
	int64_t unready_ms;	/* not ready since, monotonic; 0: ready */
	int64_t ready_wall_ms;	/* ready since; 0: not ready */
	int64_t ready_ms;	/* from fork to ready, the last time */
	struct last_exit last;
	struct board_row *row;
};
TAILQ_HEAD(worker_list, worker);

/* The supervisor itself. */
struct supervisor {
	struct event_base *base;
	struct conf *conf;
	struct conf_source *source;
	const char *progname;	/* "cctgd" or "cctelegram-bridge" */
	bool bridge;		/* started as cctelegram-bridge */
	const char *libexecdir;
	struct worker_list workers;
	struct child_list children;
	int tree_fd;		/* the tree's lock, which workers inherit */
	struct board *board;
	int board_fd;
	int64_t started_ms, started_wall_ms;
	bool was_ready;		/* READY=1 is sent */
	bool stopping;
	bool as_root;		/* workers get a user of their own */
	uid_t uid;		/* of the workers */
	gid_t gid;
	char *notice;		/* what status should mention; may be NULL */
	bool degraded;		/* as last reported */
	bool rewire;		/* a link could not be made: try again */
	uint64_t changes;	/* of any worker's state: waiters look then */
};
extern struct supervisor sup;

/* tree.c: the workers, what happens to them, what is done about it. */
int tree_configure(void);
void tree_start(void);
struct worker *tree_find(const char *name);
struct worker *tree_find_index(unsigned int class, unsigned int index);
void tree_event(struct worker *, enum policy_event);
void tree_restart(struct worker *, const char *why);
void tree_stop_worker(struct worker *);
struct child *tree_child(enum process_class);
bool tree_all_ready(void);
void tree_changed(void);
void tree_refresh(void); /* title, board, readiness; after any change */
void tree_left(struct child *, const siginfo_t *);
void tree_sweep(void);

/* replace.c: make-before-break. */
void replace_want(struct worker *, const char *why);
void replace_next(enum process_class);
void replace_ready(struct child *);
void replace_drained(struct child *);
void replace_left(struct child *);
void replace_promote(struct worker *);

/* spawn.c: start a process; NULL after logging why it could not be. */
struct child *spawn_child(struct worker *, enum child_role);
void spawn_free(struct child *);

/* child.c: what children say and are told. */
int child_attach(struct child *, int fd);
void child_introduce(struct child *);
void child_configure(struct child *);
void child_share_slot(struct child *monitor, unsigned int class,
    unsigned int index, int fd);
void child_send_u32(struct child *, enum msg_type, uint32_t);
void child_send(struct child *, enum msg_type);
void child_log_level(struct child *, unsigned int level);
int child_ask(struct child *, uint64_t id, const char *what);
void child_kill(struct child *, int sig);
struct child *child_find(pid_t);

/* wire.c: the links between workers. */
void wire_child(struct child *);
void wire_lost(struct child *, bool crashed);
void wire_broken(struct child *, unsigned int class, unsigned int index,
    uint32_t generation);
void wire_retry(void);
bool wire_complete(const struct child *);

/* reap.c */
int reap_init(void);
const char *reap_describe(char *, size_t, int sig, int code);

/* obituary.c: the last words of the dead. */
#define OBITUARY_ASK (UINT64_C(1) << 63) /* id of a question for it */
void obituary_take(struct child *, int sig, int code);
void obituary_note(struct child *, const char *text, size_t len);
struct json_object *obituary_json(void);

/* watch.c: the tick: liveness, memory, everything once a second. */
int watch_init(void);

/* listen.c: the sockets that workers accept on. */
int listen_configure(void);
void listen_share(struct child *);
void listen_retry(void);
const char *listen_trouble(void);
bool listen_settled(void);
void listen_close(void);

/* control.c and ops.c: control.sock. */
int control_init(void);
void control_poll(void);
void control_text(uint64_t id, const void *, size_t);
void control_close(void);

/* status.c */
struct json_object *status_json(void);
struct json_object *status_workers(void);
struct json_object *status_seconds(int64_t ms);
void status_put(struct json_object *, const char *key,
    struct json_object *value);
void status_append(struct json_object *array, struct json_object *item);
/* Why the whole is degraded; NULL if it is not. */
const char *status_degraded(void);

/* notify.c: systemd's and s6's readiness protocols. */
int notify_init(int ready_fd);
void notify_ready(void);
void notify_status(const char *);
void notify_reloading(void);
void notify_reloaded(void);
void notify_stopping(void);

/* reload.c.  On failure the old configuration stays; error is for free(). */
int reload_now(struct json_object *answer, char **error);
enum log_level reload_configured_level(void);
void reload_log_level(enum log_level);
/* Read the configuration at start-up: 0, or -1 with every problem printed. */
int reload_first(void);

/* shutdown.c */
void shutdown_begin(const char *why);
void shutdown_step(void);

/* lock.c: one instance.  Returns 0, 1 if another holds it (its pid in pid,
 * 0 if unknown), -1 after logging. */
int lock_take(const char *dir, unsigned int wait_ms, pid_t *pid);
int lock_tree(const char *dir);

/* setup.c: users, directories, daemon. */
int setup_user(void);
int setup_directories(void);
int setup_daemon(void);
void setup_daemon_ready(void);
void setup_confine(void);

#endif
