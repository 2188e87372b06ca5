/*
 * sim.h - what the files of the simulator share: the one state, chats,
 * messages, calls.  See README.md for what is simulated and for the control
 * API.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/buf.h"
#include "tests/sim/limits.h"
#include "tests/sim/params.h"
#include "tests/sim/rich.h"

struct bufferevent;
struct event_base;
struct evhttp;
struct evhttp_request;
struct json_object;

#define TEXT_MAX	4096	/* UTF-16 units after parsing */
#define CAPTION_MAX	1024
#define CALLBACK_MAX	64	/* bytes of callback_data */
#define SUPERGROUPS	(-1000000000000LL)	/* their ids are below */
#define DOC_KEEP	(1 << 20)	/* content of a document that is kept */

enum chat_type { CHAT_PRIVATE, CHAT_GROUP, CHAT_SUPERGROUP, CHAT_CHANNEL };
enum chat_access { ACCESS_OK, ACCESS_BLOCKED, ACCESS_KICKED };

struct chat {
	struct chat	*next;		/* in its bucket */
	int64_t		 id;
	enum chat_type	 type;
	enum chat_access access;
	bool		 declared;
	bool		 forum;
	char		*title;		/* or first name */
	char		*username;
	int64_t		 migrated_to;
	int64_t		 last_id;	/* message ids of a supergroup */
	int64_t		*topics;
	size_t		 ntopics;
	bool		 no_topics;	/* the bot may not make any */
	uint64_t	 received;	/* messages of the bot */
	struct limit	 limit;
};

struct edit {
	int64_t		 at_us;
	char		*text;		/* that it had before */
};

struct message {
	TAILQ_ENTRY(message) order;
	struct message	*next;		/* in its bucket */
	struct chat	*chat;
	int64_t		 id;
	int64_t		 thread;	/* 0: none */
	int64_t		 reply_to;	/* 0: none */
	int64_t		 user;		/* 0: the bot */
	uint64_t	 seq;
	int64_t		 at_us;
	bool		 deleted;
	bool		 silent;
	bool		 pinned;
	char		*raw;		/* as sent, if it was marked up */
	const char	*parse_mode;	/* a constant, or NULL */
	struct rich	 body;		/* text or caption */
	char		*markup;	/* JSON of the inline keyboard */
	char		*reaction;
	const char	*media;		/* "document", "photo" or NULL */
	char		*file_name;
	char		*mime;
	char		*file;		/* up to DOC_KEEP of its content */
	size_t		 file_size;
	int64_t		 file_no;
	struct edit	*edits;
	size_t		 nedits;
};

struct method;

/* One call of a method, while it is worked on. */
struct call {
	struct evhttp_request	*req;
	const struct method	*method;
	const struct params	*params;
	const char		*type;		/* of the body */
	const char		*body;
	size_t			 body_len;
	int64_t			 chat_id;	/* 0: none or not a number */
	int64_t			 now_us;
	struct buf		*out;		/* the JSON of the result */
	int			 status;
	char			 description[256];
	int64_t			 retry_after;
	int64_t			 migrate_to;
	bool			 parked;	/* somebody else answers */
};

#define STATUS_SLOTS	600

struct stats {
	uint64_t	 requests;
	uint64_t	 connections;
	uint64_t	 in_flight;
	uint64_t	 max_in_flight;
	uint64_t	 polls_open;
	uint64_t	 unknown_methods;
	uint64_t	 bad_tokens;
	uint64_t	 faults;
	uint64_t	 dropped;	/* connections closed by a fault */
	uint64_t	 by_status[STATUS_SLOTS];
	uint64_t	 messages;
	uint64_t	 edits;
	uint64_t	 deletes;
	uint64_t	 documents;
	int64_t		 first_us;	/* first and last accepted send */
	int64_t		 last_us;
};

TAILQ_HEAD(message_list, message);

struct sim {
	struct event_base	*base;
	struct evhttp		*http;
	const char		*token;
	const char		*bot_name;
	int64_t			 bot_id;
	bool			 strict_chats;
	bool			 console;
	bool			 color;
	uint64_t		 record_max;
	struct limit_rates	 rates;
	struct limit		 global;
	struct stats		 stats;
	struct message_list	 messages;	/* oldest first */
	uint64_t		 nmessages;
};

extern struct sim	 sim;

struct parked;
typedef void (*parked_wake)(void *, bool gone);

/* server.c: HTTP. */
void	 server_listen(int port, const char *port_file);
/* Close all connections. */
void	 server_stop(void);
/* The answer to a request; what and type may be NULL for JSON. */
void	 server_reply(struct evhttp_request *, int, const char *type,
	    const char *body, size_t, const char *retry_after);
/* Close the connection without another byte. */
void	 server_drop(struct evhttp_request *);
/*
 * Keep a request without an answer.  wake is called once: after ms (-1:
 * never) or when the peer has gone, then the request is freed behind it.
 * server_unpark() takes it back before that; the caller answers.
 */
struct parked *server_park(struct evhttp_request *, int64_t ms, parked_wake,
	    void *);
struct evhttp_request *server_unpark(struct parked *);
int64_t	 server_now_us(void);
int64_t	 server_mono_ms(void);


/* call.c: the result of a call. */
int	 call_fail(struct call *, int, const char *, ...)
	    __attribute__((__format__(printf, 3, 4)));
/* The whole answer of a finished call. */
void	 call_answer(const struct call *, struct buf *);
/* The chat of the call, or NULL with the call failed. */
struct chat *call_chat(struct call *);
/* 0, or -1 with the call failed because of the rate limits. */
int	 call_admit(struct call *, struct chat *);
/* A text parameter as UTF-8 or NULL with the call failed. */
int	 call_text(struct call *, const char *, struct rich *,
	    const char **mode);
/* The inline keyboard as JSON text, NULL if there is none. */
int	 call_markup(struct call *, char **);
/* For methods whose result is just that. */
int	 call_true(struct call *);

/* store.c: chats and messages. */
struct chat	*store_chat(int64_t);		/* NULL: not there */
struct chat	*store_chat_make(int64_t);
struct message	*store_add(struct chat *);
struct message	*store_find(struct chat *, int64_t);
struct message	*store_file(int64_t);		/* by its number */
void		 store_edit(struct message *, struct rich *, int64_t);
void		 store_reset(void);
void		 store_each_chat(void (*)(struct chat *, void *), void *);

/* shape.c: the JSON of Bot API objects. */
void	 shape_bot(struct buf *);
void	 shape_user(struct buf *, int64_t);
void	 shape_chat(struct buf *, const struct chat *);
void	 shape_message(struct buf *, const struct message *);

/* faults.c */
enum fault_kind {
	FAULT_NONE, FAULT_429, FAULT_STATUS, FAULT_CLOSE_BEFORE,
	FAULT_CLOSE_AFTER, FAULT_DELAY, FAULT_GARBAGE, FAULT_NONJSON,
	FAULT_MIGRATE, FAULT_FORBIDDEN, FAULT_HANG, FAULT_TRUNCATE
};

struct fault {
	TAILQ_ENTRY(fault) entry;
	enum fault_kind	 kind;
	const char	*name;		/* of the kind */
	bool		 act;		/* run the method first */
	char		*method;	/* NULL: any */
	int64_t		 chat;		/* 0: any */
	int64_t		 count;		/* left; -1: for ever */
	int64_t		 after;		/* let so many pass first */
	int64_t		 hits;
	int64_t		 ms;
	int64_t		 status;
	int64_t		 migrate_to;
	char		*retry_after;	/* as it goes out; NULL: none */
	char		*retry_header;
	char		*body;
	char		*type;		/* content type of the body */
	char		*description;
};

/* The fault that applies to this call, which it uses up; or NULL. */
struct fault	*fault_take(const char *method, int64_t chat);
int		 fault_add(struct json_object *, const char **error);
void		 fault_clear(void);
void		 fault_json(struct buf *);

/* updates.c: the queue of updates and long polling. */
void	 updates_init(void);
/* A new update of this kind; b is its inside.  0 if nobody wants it. */
int64_t	 updates_add(const char *kind, const struct buf *);
int	 updates_redeliver(int64_t);
/* The oldest one for the webhook, NULL if there is none. */
const char *updates_first(size_t *);
void	 updates_pop(void);
uint64_t updates_pending(void);
/* What kinds are wanted; NULL leaves it, anything else is the new list. */
void	 updates_allow(struct json_object *);
/* End a long poll that waits, since another one or a webhook has come. */
void	 updates_conflict(void);
void	 updates_reset(void);

/* people.c: what persons do; the answers to their presses. */
int	 people_act(struct json_object *, struct buf *, const char **);
void	 people_answers_json(struct buf *, int64_t limit);
void	 people_reset(void);

/* webhook.c */
bool	 webhook_active(void);
/* There is something to deliver, perhaps. */
void	 webhook_kick(void);
void	 webhook_reset(void);

/* inspect.c: /sim. */
void	 inspect_request(struct evhttp_request *, const char *path,
	    const char *query);
/* Note a call and how it ended for /sim/requests. */
void	 inspect_note(const struct call *, const char *outcome);

/* console.c: the chat for a person. */
void	 console_message(const struct message *);
void	 console_edit(const struct message *);
void	 console_delete(const struct message *);
void	 console_note(const struct chat *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));

#endif /* SIM_SIM_H */
