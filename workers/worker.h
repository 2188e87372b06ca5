/*
 * The common life of a worker: what every cctg-* process does from main()
 * to exit, so that reading one is reading all.
 *
 *	main() → worker_main(): log, title, slot (fd 4), supervisor link (fd 3)
 *	SUP_CONFIG_SET   → configure()
 *	SUP_LISTENER_SHARE → listener()          (workers that listen)
 *	SUP_PEER_WIRE    → peer_up(), once a peer and again after each loss
 *	SUP_WORK_START   → start(), then the sandbox, then worker_ready()
 *	messages of peers → message(), none before start()
 *	SUP_PEER_LOST    → peer_lost()
 *	SUP_WORK_DRAIN   → drain(); worker_drained() when done
 *	SUP_WORK_STOP    → stop(), exit 0
 *	end of file on fd 3 (the supervisor has gone) → stop(), exit 0 within 1 s
 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/link.h"

struct event_base;
struct json_object;

#define WORKER_LINK_FD 3
#define WORKER_SLOT_FD 4

struct peer {
	enum process_class class;
	unsigned int index;
	uint32_t generation;
	struct link *link; /* NULL once lost */
	void *data;	   /* the worker's own, NULL at first */
};

struct worker_ops {
	enum process_class class;
	/* Called for the first configuration and for each reload.  Returns
	 * 0, or -1 after logging why (first time: exit 78). */
	int (*configure)(struct json_object *, bool first);
	void (*listener)(const char *name, int fd); /* owns fd */
	void (*slot)(enum process_class, unsigned int index, int fd);
	void (*peer_up)(struct peer *);
	/* job: ids that the peer was executing when it died (n may be 0). The
	 * peer is freed afterwards.  Its link is gone already. */
	void (*peer_lost)(struct peer *, const uint64_t *job, size_t n);
	/* All peers are wired.  Open what must be opened.  Returns 0 when
	 * ready (the sandbox is entered and READY is sent), 1 if
	 * worker_ready() will be called later, -1 after logging (exit 1). */
	int (*start)(void);
	enum link_verdict (*message)(struct peer *, const struct frame *);
	/* Optional: credit is there again for this peer. */
	void (*writable)(struct peer *);
	/* Take nothing new and finish; NULL: drained at once. */
	void (*drain)(uint32_t grace_ms);
	/* Last act before exit; must not take longer than 0.5 s. */
	void (*stop)(void);
	/* SUP_ALERT_TELL (PC_QUEUE only). */
	enum link_verdict (*alert)(const struct frame *);
	/* Optional: text for `what`, malloc'd, or NULL. */
	char *(*text)(const char *what);
};

/* argv: "cctg-NAME CLASS/INDEX LEVEL".  Returns the exit code. */
int worker_main(int argc, char **argv, const struct worker_ops *);

struct event_base *worker_base(void);
/* Enter the sandbox of this class and report READY. */
void worker_ready(void);
void worker_drained(void);
/* Have the supervisor replace all workers (PC_QUEUE only). */
void worker_restart_all(void);
/* The index-th connected peer of a class; NULL if there is none.  Iterate
 * with worker_peer_next(class, NULL). */
struct peer *worker_peer_next(enum process_class, struct peer *);
const char *worker_name(void); /* "format/0" */
bool worker_draining(void);

#endif
