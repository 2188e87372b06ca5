/*
 * What the files of cctg-intake share.
 *
 *	files.c  the events directory       ┐ producers: they run by turns
 *	client.c connections of submit.sock ┤ (turns.c), build an offer from
 *	http.c   the HTTP listener          ┘ what they read (offer.c), and
 *	                                      hand it over (pending.c)
 *	webhook.c    updates that Telegram posts to the HTTP listener
 *	responses.c  the responses directory: the queue's answers
 *	query.c  the other operations of submit.sock, passed on to the queue
 *
 * Back-pressure is in one place: turns.c lets a producer run only while
 * pending_ready() says that the queue takes more.
 */
#ifndef WORKERS_INTAKE_INTAKE_H
#define WORKERS_INTAKE_INTAKE_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "ipc/link.h"
#include "ipc/pack.h"

struct event_base;
struct evhttp_request;
struct json_object;
struct peer;

/* intake.c: the configuration. */
struct intake_config {
	char *events_dir;
	char *responses_dir;	   /* NULL: no responses are written */
	int64_t responses_keep_ms; /* 0: for ever */
	char *group;	  /* whose members may use submit.sock */
	char *http_token; /* NULL: none is asked for */
	gid_t gid;	  /* of the workers; (gid_t)-1: they are root */
};
extern struct intake_config intake_config;

/*
 * turns.c: who runs next.  A producer has input at hand; run() takes at most
 * quota events and returns true if there is more.  It is called again when
 * its next turn comes, never while the queue takes nothing.
 */
struct producer {
	TAILQ_ENTRY(producer) entry;
	bool queued;
	bool (*run)(struct producer *, unsigned int quota);
};
void turns_init(struct event_base *);
void turns_want(struct producer *);
/* Run it at once if no other waits for its turn; false: it has to wait. */
bool turns_now(struct producer *);
void turns_forget(struct producer *);
/* The queue may take more now. */
void turns_wake(void);
/* No producer runs any more: the worker drains. */
void turns_stop(void);

/*
 * pending.c: events handed to the queue and not yet answered.  All of them
 * are kept, and handed to the next queue, in order, if this one goes.
 */
struct pending_ops {
	/* It is on disk.  id is valid during the call. */
	void (*accepted)(void *arg, struct span id, bool duplicate);
	/* It is not, and will not be handed over again. */
	void (*refused)(void *arg, const struct error *);
};
#define PENDING_MAX 1024	   /* events */
#define PENDING_BYTES (8U << 20) /* of all of them */
/* May a producer hand over another event? */
bool pending_ready(void);
/*
 * Hand over one INTAKE_EVENT_SUBMIT; the payload is copied.  read_us is when
 * the event was read, monotonic.  Returns its token, or 0 when out of memory
 * or not ready.
 */
uint64_t pending_add(const struct packer *, const struct pending_ops *,
    void *arg, int64_t read_us);
/* The producer has gone: the event is still accepted, nobody is told. */
void pending_disown(uint64_t token);
/* The queue to hand events to, or NULL: there is none now. */
void pending_set_queue(struct peer *);
struct link *pending_queue_link(void);
/* Hand over what could not be handed over before. */
void pending_pump(void);
/* QUEUE_EVENT_ACCEPT and QUEUE_EVENT_REFUSE. */
enum link_verdict pending_answer(const struct frame *);
size_t pending_count(void);

/* offer.c: from the text of an event to a message for the queue. */
struct offer {
	enum event_origin origin;
	bool trusted;
	bool silent;	    /* asked for beside the event */
	uint64_t ttl_ms;    /* 0: not given beside the event */
	const char *to;	    /* NULL: not given beside the event */
	const char *id;	    /* of an event without one; NULL: a new UUIDv7 */
	const char *text;   /* the event's JSON */
	size_t len;
	int64_t read_us;
};
/*
 * Check the event and hand it over.  Returns its token, or 0 with the error
 * filled: code 65 for a bad event, 75 when there is no room.
 */
uint64_t offer_submit(const struct offer *, const struct pending_ops *,
    void *arg, struct error *);

/* files.c */
void files_init(struct event_base *);
/* Watch and scan the events directory from now on. */
void files_start(void);
/* Take nothing more; what was accepted is still removed. */
void files_stop(void);
/* Nothing waits to be removed. */
bool files_idle(void);
/* Who owns the directory: whose events are trusted; (uid_t)-1 if unknown. */
uid_t files_owner(void);

/* directory.c: make it with its parents.  Returns 0, or -1 with errno. */
int directory_make(const char *path, mode_t);

/* responses.c: answers of people, as files. */
void responses_init(struct event_base *);
void responses_start(void);
/* QUEUE_RESPONSE_WRITE */
enum link_verdict responses_write(const struct frame *);
void responses_queue_lost(void);
bool responses_idle(void); /* every one is written */

/* query.c: requests of people for the queue. */
struct query;
struct query_ops {
	/* One line of answer.  Without more it is the last, and the query is
	 * freed when this returns. */
	void (*line)(void *arg, struct span json, bool more);
};
/*
 * Pass a request on.  A stream (a subscription) is asked again, of the next
 * queue, when the queue is lost; other requests too unless their answer had
 * begun.  NULL when out of memory.
 */
struct query *query_ask(uid_t uid, struct span json, bool stream,
    const struct query_ops *, void *arg);
/* The asker has gone.  Frees the query. */
void query_cancel(struct query *);
/* QUEUE_QUERY_ANSWER */
enum link_verdict query_answer(const struct frame *);
/* Pass on what could not be passed on before. */
void query_pump(void);
void query_queue_lost(void);

/* client.c */
void client_listen(int fd); /* owns fd */
void client_start(struct event_base *);
void client_stop(void);
bool client_idle(void); /* every answer is written */

/* http.c */
void http_listen(struct event_base *, int fd);
void http_start(void);
void http_stop(void);
/* Answer with a status and an error; NULL: the usual text of the status. */
void http_error(struct evhttp_request *, int status, const struct error *);
void http_reply(struct evhttp_request *, int status, const struct buf *);

/* webhook.c: updates from Telegram, by way of http.c. */
/* path NULL: there is no webhook.  Returns 0, or -1 without memory. */
int webhook_configure(const char *path, const char *secret);
bool webhook_is_path(const char *);
/* A request to that path; answers it, now or later. */
void webhook_take(struct event_base *, struct evhttp_request *);
/* Tell the queue what it could not be told before. */
void webhook_pump(void);
/* QUEUE_UPDATE_SEEN */
enum link_verdict webhook_seen(const struct frame *);
void webhook_queue_lost(void);
size_t webhook_count(void); /* not answered yet */

#endif
