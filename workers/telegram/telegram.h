/*
 * Private header of cctg-telegram: what its files offer each other.
 *
 *	telegram.c  the process: life, configuration, state, probes
 *	calls.c     the calls under way, waiting and done: order per chat
 *	api.c       requests to the Bot API out, replies in
 *	loop.c      libcurl on libevent
 *	body.c      a call as the body of a request
 *	reply.c     the body of a reply, read
 *	outcome.c   what came back, judged
 *	breaker.c   the circuit breaker
 *	health.c    the state of all this, and when to look again
 *	poll.c      long polling for updates
 *	hook.c	    the webhook, if there is to be one
 *	hookstate.c what to do about it next
 *	commands.c  the list of commands that the bot shows
 *	pollstate.c when to poll again, and what is shown of it
 *	plain.c     HTML to plain text
 *	token.c     the shape of a token, and keeping it out of texts
 *
 * body to health, pollstate, hookstate, plain and token do no I/O.
 */
#ifndef WORKERS_TELEGRAM_TELEGRAM_H
#define WORKERS_TELEGRAM_TELEGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/metrics.h"
#include "ipc/link.h"

struct event_base;
struct json_object;
struct peer;

/* plain.c */

/*
 * Write html without its tags and with its entities decoded to out, which
 * may be html itself and needs len bytes at most.  Returns the length.
 */
size_t plain_from_html(char *out, const char *html, size_t len);

/* token.c */

/* Digits, a colon and the URL-safe rest, as the Bot API hands them out. */
bool token_is_valid(const char *);
/*
 * Overwrite every occurrence of the token, or of the secret half behind its
 * colon, in a text with asterisks.  An empty token changes nothing.
 */
void token_scrub(char *text, const char *token);

/* breaker.c */

#define BREAKER_FAILURES 5 /* in a row, with no success between */
#define BREAKER_MIN_MS	 1000
#define BREAKER_MAX_MS	 30000

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF };

struct breaker {
	enum breaker_state state;
	unsigned int failures; /* in a row */
	int64_t backoff_ms;    /* of the current or last opening */
	int64_t until_ms;      /* open: when it lets one through */
};

void breaker_init(struct breaker *);
/*
 * May a request begin now?  The first after the backoff is the probe and
 * makes the breaker half-open; until its result none other may.  If not,
 * *wait_ms says when to ask again.
 */
bool breaker_admit(struct breaker *, int64_t now_ms, int64_t *wait_ms);
/* A request ended.  Returns true if that has opened the breaker. */
bool breaker_result(struct breaker *, bool good, int64_t now_ms);
/* There is reason to try now: if it is open, its backoff is over. */
void breaker_hurry(struct breaker *, int64_t now_ms);
/* The probe ended without telling anything, or never began. */
void breaker_probe_void(struct breaker *, int64_t now_ms);

/* health.c */

enum telegram_state { TS_OFF, TS_CONNECTED, TS_DEGRADED, TS_DOWN };

/* What is known about the token's worth. */
enum token_state { TOKEN_UNKNOWN, TOKEN_GOOD, TOKEN_BAD };

struct health {
	bool has_token;
	enum token_state token;
	unsigned int refusals; /* of the token, in a row */
	struct breaker breaker;
	int64_t heard_ms;      /* when the Bot API last answered */
	int64_t not_before_ms; /* getMe was told to wait until then */
};

enum telegram_state health_state(const struct health *);
/* In how long getMe is due; -1 if never. */
int64_t health_probe_in_ms(const struct health *, int64_t now_ms);
/* Is all well, by an answer that is not old? */
bool health_is_known(const struct health *, int64_t now_ms);

#define CALLS_PARALLEL_MIN 4
#define CALLS_PARALLEL_MAX 32
#define PATIENCE_MS	   100
/*
 * How many requests at once, now that so many chats wait for one, the first
 * of them for so long: one more when the queue is longer than two rounds, or
 * does not move because the others hang.  A connection costs as much as
 * dozens of requests, so a short queue that moves is no reason.
 */
unsigned int health_parallel(unsigned int limit, unsigned int chats,
    int64_t waited_ms);

/* reply.c */

/* The Bot API's answer. */
struct reply {
	bool json;	      /* an object with a boolean "ok" */
	bool ok;
	int64_t message_id;   /* result.message_id; 0 none */
	int error_code;	      /* 0 none */
	int64_t retry_after_s; /* parameters; 0 none or unusable */
	int64_t migrate_to;   /* parameters; 0 none */
	char description[512]; /* cut at a whole character */
	char username[64];    /* result.username, of getMe */
	int64_t thread_id;    /* result.message_thread_id; 0 none */
	/* Of getWebhookInfo; "" and 0 where there is nothing. */
	char hook_url[1100], hook_error[256];
	int64_t hook_error_s; /* wall time */
	/* result, if that is a list: the updates; see reply_clear(). */
	struct json_object *list;
};

void reply_parse(struct reply *, const char *body, size_t len);
/* Frees its list. */
void reply_clear(struct reply *);

/* outcome.c */

/*
 * A(NAME, method of the Bot API).  Up to API_CALLS they are the queue's, in
 * the order of enum call_method; the others are our own.
 */
#define API_LIST(A)                       \
	A(SEND, "sendMessage")            \
	A(EDIT, "editMessageText")        \
	A(DOCUMENT, "sendDocument")       \
	A(ANSWER, "answerCallbackQuery")  \
	A(REACT, "setMessageReaction")    \
	A(TOPIC, "createForumTopic")      \
	A(GETME, "getMe")                 \
	A(UPDATES, "getUpdates")          \
	A(COMMANDS, "setMyCommands")      \
	A(SETHOOK, "setWebhook")          \
	A(HOOKINFO, "getWebhookInfo")     \
	A(NOHOOK, "deleteWebhook")

enum api_method {
#define API_ENUM(name, text) API_##name,
	API_LIST(API_ENUM)
#undef API_ENUM
	API_METHODS
};
#define API_CALLS (API_TOPIC + 1)

/* How a request went, as api.c saw it. */
struct evidence {
	enum api_method method;
	int curl_code;	      /* CURLcode */
	bool begun;	      /* a connection was there, writing began */
	bool written;	      /* all of the request is with the kernel */
	long status;	      /* of HTTP; 0 none came */
	int64_t retry_header_s; /* Retry-After; 0 none or unusable */
	const char *curl_text; /* libcurl's words, "" none; token removed */
	enum token_state token;
};

/* What the breaker makes of it. */
enum host_health { HOST_GOOD, HOST_FAILED, HOST_SILENT };

struct verdict {
	enum call_outcome outcome;
	enum host_health host;
	bool parse_error;      /* 400 "can't parse entities" */
	bool timed_out;
	bool token_doubt;      /* a 404 that getMe must explain */
	bool stale;	       /* asked with settings that are gone */
	int status;	       /* of HTTP; 0 none came */
	int code;	       /* the API's error_code, else the status */
	int64_t retry_after_ms;
	int64_t message_id, migrate_to;
	char description[512];
};

#define RETRY_AFTER_DEFAULT_S 5
#define RETRY_AFTER_MAX_S     86400

void outcome_judge(struct verdict *, const struct evidence *,
    const struct reply *);

/* pollstate.c */

enum poll_shown { POLL_OFF, POLL_POLLING, POLL_CONFLICT, POLL_WEBHOOK };

/*
 * How a poll ended.
 * P(NAME, first wait, longest wait, in seconds, what is shown then)
 */
#define POLL_EVENTS(P)                                                     \
	P(ANSWERED, 0, 0, POLL_POLLING) /* with updates, or none */        \
	P(CONFLICT, 3, 60, POLL_CONFLICT) /* 409: another one polls */     \
	P(LIMITED, 1, 60, POLL_OFF)	/* 429; not before retry_after */  \
	P(STALLED, 0, 60, POLL_OFF)	/* no answer within its time */    \
	P(GARBAGE, 1, 60, POLL_OFF)	/* an answer, but no updates */    \
	P(FAILED, 1, 60, POLL_OFF)	/* connection, server, refused */

enum poll_event {
#define POLL_ENUM(name, first, longest, shown) PE_##name,
	POLL_EVENTS(POLL_ENUM)
#undef POLL_ENUM
	NPOLLEVENTS
};

#define POLL_LIMIT_MAX	    100 /* updates in one answer (Bot API) */
#define POLL_PROBE_S	    5
#define POLL_EPISODE_MS	    90000
#define POLL_STALL_MS	    15000 /* beyond the time-out that was asked */

struct pollstate {
	enum poll_shown shown;
	bool conflict;		/* an episode of it */
	int64_t conflict_ms;	/* when the last was */
	int64_t answered_ms;	/* when the first poll that was answered
				 * since then began; -1 none */
	unsigned int failures[NPOLLEVENTS]; /* since an answer */
	unsigned int limit;	/* of updates in the next answer */
};

struct poll_end {
	enum poll_event event;
	int64_t began_ms, now_ms;
	int64_t asked_s;	/* how long Telegram was to wait */
	size_t updates;
	int64_t retry_after_ms;
};

void pollstate_init(struct pollstate *);
/* How long the next poll asks Telegram to wait, at most full_s. */
int64_t pollstate_timeout_s(const struct pollstate *, int64_t full_s);
/* A poll has ended.  dice is random.  Returns in how many milliseconds the
 * next may begin. */
int64_t pollstate_event(struct pollstate *, const struct poll_end *,
    uint32_t dice);
/* The offset to ask with: 0, none, if the last update came at heard_ms, so
 * long ago that Telegram may have begun to number them anew.  Of a clock that
 * goes on while the machine sleeps. */
int64_t pollstate_offset(int64_t offset, int64_t heard_ms, int64_t now_ms);
/* What a request's end means. */
enum poll_event pollstate_judge(const struct verdict *, bool has_list);

/* hookstate.c */

enum hook_step { HOOK_REST, HOOK_SET, HOOK_LOOK, HOOK_DELETE, HOOK_STEPS };

/* How a request about the webhook ended; the middle three are of LOOK. */
enum hook_event {
	HE_DONE,
	HE_SAME,    /* ours is there */
	HE_OTHER,   /* somebody else's is */
	HE_NONE,
	HE_REFUSED, /* it will never be taken so */
	HE_FAILED,
	NHOOKEVENTS
};

struct hookstate {
	bool wanted;	     /* else updates are polled for */
	enum hook_step step; /* the request to be made next */
	enum poll_shown shown;
	unsigned int failures; /* in a row */
};

/* ours: Telegram may have a webhook that we have set. */
void hookstate_init(struct hookstate *, bool wanted, bool ours);
/* is: the address that Telegram has; own: ours. */
enum hook_event hookstate_judge(const struct hookstate *,
    const struct verdict *, const char *is, const char *own);
/* The request of this step ended.  Returns in how many milliseconds the next
 * one is due, if there is one. */
int64_t hookstate_event(struct hookstate *, enum hook_event, int64_t check_ms,
    int64_t retry_after_ms, uint32_t dice);

/* body.c */

/* A call as the queue wants it.  Spans point into the call's own copy. */
struct call_fields {
	enum call_method method;
	uint8_t flags;
	uint32_t attempt;
	int64_t chat, thread, message_id;
	struct span text, markup, document_name, document;
};

/* Read QUEUE_CALL_ASK; false if it is malformed. */
bool body_unpack(struct call_fields *, const void *, size_t);
/* The JSON body of any call but a document's. */
void body_json(struct buf *, const struct call_fields *, bool plain);
enum api_method body_method(const struct call_fields *);
/* In which order must it stay?  A chat's id; an answer to a button has an
 * order of its own, which no chat's id can be, and so has the making of a
 * topic, for which the rest of the chat need not wait. */
int64_t body_lane(const struct call_fields *, uint64_t id);
/* Of getUpdates, from offset on (0: the oldest there are). */
void body_updates(struct buf *, int64_t offset, unsigned int limit,
    int64_t timeout_s);
/* Of setMyCommands. */
void body_commands(struct buf *);
/* Of setWebhook. */
void body_webhook(struct buf *, const char *url, const char *secret);
/* The thread to be named, 0 for none: the general topic (1) is omitted, as
 * the Bot API refuses it by its number. */
int64_t body_thread(const struct call_fields *);

/* api.c */

struct api;

struct api_settings {
	const char *url;     /* without a slash at its end */
	const char *token;
	long connect_timeout_ms, timeout_ms;
};

struct api_ops {
	/* A call is about to be written: from now on it may count. */
	void (*begun)(void *arg);
	/* A request has ended; called once for each that began, never from
	 * within the function that began it. */
	void (*done)(void *arg, const struct verdict *, const struct reply *);
};

/* Can requests go there?  http or https, and as a whole a URL. */
bool api_url_ok(const char *);
/* libcurl's global state; before the sandbox.  -1 after logging. */
int api_init(void);
/* A set of connections of its own: one for sending, one for polling.  So
 * many are kept open; the gauge shows how many are. */
struct api *api_new(struct event_base *, const struct api_ops *,
    unsigned int connections, enum metric gauge);
/* Ends all requests without done(). */
void api_free(struct api *);
/* From the next request on.  Returns 0, or -1 with errno. */
int api_configure(struct api *, const struct api_settings *);
void api_token_state(struct api *, enum token_state);
/* Begin a call, without entities if plain; fields is read before it returns.
 * Returns 0, or -1 with errno. */
int api_start(struct api *, const struct call_fields *, bool plain,
    void *arg);
/* The same for a request of our own, with a JSON body or none; it may take
 * timeout_ms, 0: as long as a text. */
int api_start_own(struct api *, enum api_method, const struct buf *body,
    int64_t timeout_ms, void *arg);
/* End all requests now, with done(): what was written is ambiguous. */
void api_abort_all(struct api *);

/* calls.c */

struct calls_ops {
	/* May a request begin now?  If not, that is the call's verdict. */
	bool (*admit)(struct verdict *);
	/* It could not be begun after all (out of memory). */
	void (*failed)(void);
	/* The last call under way has ended. */
	void (*idle)(void);
};

/* What came before waits until then.  Returns 0, or -1 without memory. */
int calls_init(struct event_base *, struct api *, const struct calls_ops *);
/* A queue, the first or another: report, and repeat what it is owed. */
void calls_queue_up(struct peer *);
void calls_queue_lost(struct peer *);
enum link_verdict calls_ask(struct peer *, const struct frame *);
enum link_verdict calls_seen(const struct frame *);
/* Answer every call that waits with this, and all that come from now on;
 * NULL: take calls again. */
void calls_close(const struct verdict *);
/* api.c's callbacks for arg = a call. */
void calls_begun(void *);
void calls_done(void *, const struct verdict *);
unsigned int calls_running(void);

/* poll.c */

struct poll_ops {
	/* A poll was answered: the host is there and knows the token. */
	void (*heard)(void);
	/* It failed for its token or for the host, or so it seems: getMe
	 * knows. */
	void (*doubted)(void);
	/* The queue says which webhook was set before, "" none. */
	void (*former)(const char *url);
};

/* Returns 0, or -1 without memory. */
int poll_init(struct event_base *, const struct poll_ops *);
/* Other settings, from now on. */
int poll_configure(const struct api_settings *, int64_t timeout_ms);
/* Polling goes on only with a token that is known to be good. */
void poll_token(enum token_state);
enum link_verdict poll_set(struct peer *, const struct frame *);
enum link_verdict poll_seen(struct peer *, const struct frame *);
void poll_queue_lost(struct peer *);
/* The queue takes more. */
void poll_writable(struct peer *);
/* A webhook stands in the way of polling: show this meanwhile. */
void poll_hold(bool, enum poll_shown);
/* For good: the worker drains. */
void poll_stop(void);
void poll_free(void);

/* hook.c */

/* Returns 0, or -1 without memory. */
int hook_init(struct event_base *, struct api *);
/* url "": none, updates are polled for. */
void hook_configure(const char *url, const char *secret, int64_t check_ms);
/* What the queue remembers of an earlier telegram, "" nothing. */
void hook_former(const char *url);
/* The queue can be told again what it could not be told before. */
void hook_tell(void);
void hook_queue_lost(void);
void hook_token(enum token_state);
/* api.c's callback for arg = hook_arg(). */
void *hook_arg(void);
void hook_done(const struct verdict *, const struct reply *);
void hook_stop(void);

/* commands.c */

/* Returns 0, or -1 without memory. */
int commands_init(struct event_base *, struct api *);
/* The list has to be sent, again if it was. */
void commands_want(void);
/* The token is good, or is not. */
void commands_token(enum token_state);
/* api.c's callback for arg = commands_arg(). */
void *commands_arg(void);
void commands_done(const struct verdict *);
void commands_stop(void);

#endif
