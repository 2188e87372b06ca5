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

/* Crashing again and again, from the first time until it is stable. */
struct episode {
	int64_t began_wall_ms; /* 0: none yet */
	int64_t ended_ms;      /* monotonic; 0: it goes on */
	char how[192];	       /* the end that made it too many */
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
	struct episode episode;
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

/* Bring the list of workers in line with the configuration: the number of
 * new ones, or -1 after logging. */
int tree_configure(void);
/* Start those that were never started. */
void tree_start(void);
/* By class and index; NULL if there is none. */
struct worker *tree_find_index(unsigned int class, unsigned int index);
/* The current child of a class that is no pool; NULL if there is none. */
struct child *tree_child(enum process_class);
/* Something happened to a worker: do what policy.c says about it. */
void tree_event(struct worker *, enum policy_event);
/* Replace a worker, in a pool without a gap.  why is not copied. */
void tree_restart(struct worker *, const char *why);
/* Let it finish and leave, not to come back until somebody asks. */
void tree_stop_worker(struct worker *);
/* A child was reaped; it is freed. */
void tree_left(struct child *, const siginfo_t *);
/* Forget the workers that are no longer configured and have gone. */
void tree_sweep(void);
/* Something is not as it was: tree_refresh() is called from the loop. */
void tree_changed(void);
/* Bring title, board, readiness and waiting clients up to date. */
void tree_refresh(void);

/* replace.c: make-before-break. */

/* A new one is wanted, as soon as no other of its class is being replaced.
 * why is not copied. */
void replace_want(struct worker *, const char *why);
/* Begin the next replacement that is wanted in a class. */
void replace_next(enum process_class);
/* A successor is ready and takes over. */
void replace_ready(struct child *);
/* A leaver has finished and is asked to go. */
void replace_drained(struct child *);
/* A successor or leaver is dead; the caller frees it. */
void replace_left(struct child *);
/* The current child died: its successor takes the name before it is ready. */
void replace_promote(struct worker *);

/* spawn.c: a process for a worker. */

/* Start one; NULL after logging why it could not be. */
struct child *spawn_child(struct worker *, enum child_role);
/* Take a reaped one out of sup.children and free it. */
void spawn_free(struct child *);

/* child.c: what children say and are told.  What cannot be sent is logged;
 * to a child whose link is closed nothing is said. */

/* Take over our end of its link.  0, or -1 with errno: fd stays open. */
int child_attach(struct child *, int fd);
/* All that a new one is told before it is wired. */
void child_introduce(struct child *);
/* Its part of the configuration. */
void child_configure(struct child *);
/* Let the monitor read a slot or the board, fd. */
void child_share_slot(struct child *monitor, unsigned int class,
    unsigned int index, int fd);
/* A message without fields, and one with a single u32. */
void child_send(struct child *, enum msg_type);
void child_send_u32(struct child *, enum msg_type, uint32_t);
/* An enum log_level. */
void child_log_level(struct child *, unsigned int level);
/* Ask for a text: control_text(), or obituary_note() for OBITUARY_ASK, gets
 * it.  0, or -1 if the question could not be sent. */
int child_ask(struct child *, uint64_t id, const char *what);
/* kill(2). */
void child_kill(struct child *, int sig);
/* NULL if none of ours has that pid. */
struct child *child_find(pid_t);

/* wire.c: the links between workers. */

/* Wire a child to all its peers; with the last wire it may start. */
void wire_child(struct child *);
/* A child is gone: tell its peers, and after a crash its jobs. */
void wire_lost(struct child *, bool crashed);
/* A child says that its link to a peer broke, though nobody died. */
void wire_broken(struct child *, unsigned int class, unsigned int index,
    uint32_t generation);
/* Make the wires that could not be made before. */
void wire_retry(void);

/* reap.c */

/* Watch for SIGCHLD.  0, or -1 with errno. */
int reap_init(void);
/* "signal 9 (Killed)", or "exit 78" where sig is 0; returns the buffer. */
const char *reap_describe(char *, size_t, int sig, int code);

/* alert.c: what people should know about a worker. */
void alert_begin(struct worker *, const char *how);
void alert_end(struct worker *);
void alert_queue_ready(void);

/* obituary.c: the last words of the dead. */
#define OBITUARY_ASK (UINT64_C(1) << 63) /* id of a question for it */
/* Log and keep what a child that crashed left in its slot. */
void obituary_take(struct child *, int sig, int code);
/* Keep what a child says about itself. */
void obituary_note(struct child *, const char *text, size_t len);
/* All that are kept, the latest first; to be put, NULL without memory. */
struct json_object *obituary_json(void);

/* watch.c: the tick: liveness, memory, everything once a second.  0, or -1
 * with errno. */
int watch_init(void);

/* listen.c: the sockets that workers accept on. */

/* Bind those of the configuration.  0, or -1 without memory; an address that
 * is taken is no error. */
int listen_configure(void);
/* Hand a new child those of its class. */
void listen_share(struct child *);
/* Bind what was taken before; once a second. */
void listen_retry(void);
/* What is not bound and why, for status; NULL: all are. */
const char *listen_trouble(void);
/* Need readiness not wait for them any longer? */
bool listen_settled(void);
/* Refuse new connections from now on. */
void listen_close(void);

/* control.c and ops.c: control.sock. */

/* Listen.  0, or -1 with errno. */
int control_init(void);
/* Answer the clients whose waiting is over. */
void control_poll(void);
/* The text that the client of that id asked for; it may have gone. */
void control_text(uint64_t id, const void *, size_t);
/* Remove the socket; the last act. */
void control_close(void);

/* status.c: objects are to be put, NULL without memory. */

/* All of `cctgctl status --json`, and its workers alone. */
struct json_object *status_json(void);
struct json_object *status_workers(void);
/* Milliseconds as a number of seconds. */
struct json_object *status_seconds(int64_t ms);
/* Add a value, which is taken over; without memory it is left out. */
void status_put(struct json_object *, const char *key,
    struct json_object *value);
void status_append(struct json_object *array, struct json_object *item);
/* Something that status should mention from now on. */
void status_notice(const char *, ...) __attribute__((format(printf, 1, 2)));
/* Why the whole is degraded, until the next call; NULL if it is not. */
const char *status_degraded(void);

/* notify.c: systemd's and s6's readiness protocols. */

/* Find out who is to be told; ready_fd is s6's, or -1.  0, or -1 with errno. */
int notify_init(int ready_fd);
void notify_ready(void);
/* A line for people. */
void notify_status(const char *);
/* A reload begins, and has ended, well or not. */
void notify_reloading(void);
void notify_reloaded(void);
void notify_stopping(void);

/* secret.c: give the configuration a secret of the webhook, if it wants one. */
void secret_provide(struct conf *);

/* reload.c: the configuration. */

/* At start-up: 0 with sup.conf set, or -1 with every problem printed. */
int reload_first(void);
/* Again.  0 with answer filled; on failure -1, the old one stays and *error
 * has the first problem, for free(). */
int reload_now(struct json_object *answer, char **error);
/* What the configuration says about logging. */
enum log_level reload_configured_level(void);
/* Log so much in all processes until the configuration changes. */
void reload_log_level(enum log_level);

/* shutdown.c */

/* Begin to stop; the second time, kill whoever is left. */
void shutdown_begin(const char *why);
/* Go on as far as the workers have got; after every change. */
void shutdown_step(void);

/* lock.c: one instance, one tree. */

/* 0; 1 if another holds it after wait_ms, whose pid is in *pid, 0 if that is
 * unknown; -1 with errno. */
int lock_take(const char *dir, unsigned int wait_ms, pid_t *pid);
/* Wait for the workers of a dead supervisor, and kill those that stay.  The
 * descriptor that holds the lock, or -1 with errno. */
int lock_tree(const char *dir);

/* setup.c: users, directories, daemon.  0, or -1; setup_daemon() with errno,
 * the others after logging. */

/* Who the workers are: fills uid, gid, as_root and notice. */
int setup_user(void);
/* Make the directories that are not there. */
int setup_directories(void);
/* Go to the background; the parent waits for setup_daemon_ready(). */
int setup_daemon(void);
void setup_daemon_ready(void);
/* Give up the capabilities that are not needed, and core dumps. */
void setup_confine(void);

#endif
