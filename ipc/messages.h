/*
 * Every message that travels between two processes of the tree.
 *
 *	M(NAME, from, to, min, max, cost, fd)
 *
 * from and to are the classes that may send and receive it, min and max the
 * bounds of its payload in bytes, cost the credit that it spends: 1 for a
 * request, 0 for control frames (which overtake data) and for answers (each
 * is bounded by the request that it answers), fd 1 if a file descriptor
 * travels with it ("+fd" below).  The dispatcher of link.c checks all of that
 * before a handler sees the message.
 *
 * Fields are in host byte order and packed without gaps by pack.h, in the
 * order given here; "str" and "blob" are a u32 length and that many bytes.
 * "id" is the frame's own id field.  Left-over bytes make a message
 * malformed.
 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H

#include <stdint.h>

/* The process classes.  C(NAME, "name", pool). */
#define PROCESS_CLASSES(C)                \
	C(SUPERVISOR, "supervisor", 0)    \
	C(QUEUE, "queue", 0)              \
	C(INTAKE, "intake", 0)            \
	C(TELEGRAM, "telegram", 0)        \
	C(REDIS, "redis", 0)              \
	C(MONITOR, "monitor", 0)          \
	C(ANALYZE, "analyze", 1)          \
	C(FORMAT, "format", 1)            \
	C(COMPRESS, "compress", 1)

enum process_class {
#define CLASS_ENUM(name, text, pool) PC_##name,
	PROCESS_CLASSES(CLASS_ENUM)
#undef CLASS_ENUM
	NCLASSES
};

#define POOL_MAX 16 /* members of a pool, DESIGN: at most 16 */

/* Class masks for the table below. */
#define F_SUP (1U << PC_SUPERVISOR)
#define F_QUEUE (1U << PC_QUEUE)
#define F_INTAKE (1U << PC_INTAKE)
#define F_TELEGRAM (1U << PC_TELEGRAM)
#define F_REDIS (1U << PC_REDIS)
#define F_MONITOR (1U << PC_MONITOR)
#define F_ANALYZE (1U << PC_ANALYZE)
#define F_FORMAT (1U << PC_FORMAT)
#define F_COMPRESS (1U << PC_COMPRESS)
#define F_ANY ((1U << NCLASSES) - 1)
#define F_WORKER (F_ANY & ~F_SUP)

/*
 * The largest payload of any message: an event of 1 MiB, escaped and with
 * its fields, stays well below it; it fits the initial byte credit.
 */
#define MSG_MAX_BYTES (3U << 20)

/* An event as it comes in, in bytes (DESIGN section 13). */
#define EVENT_MAX_BYTES (1U << 20)

#define MESSAGES(M)                                                           \
	/* Links.  u32 messages, u32 bytes */                                 \
	M(LINK_CREDIT_GRANT, F_ANY, F_ANY, 8, 8, 0, 0)                        \
                                                                              \
	/* Supervisor to worker. */                                           \
	/* blob JSON: the worker's part of the configuration */               \
	M(SUP_CONFIG_SET, F_SUP, F_WORKER, 4, MSG_MAX_BYTES, 0, 0)            \
	/* +fd; str name: a listening socket, "submit", "http", "intake" */   \
	M(SUP_LISTENER_SHARE, F_SUP, F_WORKER, 4, 300, 0, 1)                  \
	/* +fd; u8 class, u8 index: another worker's slot, read-only */       \
	M(SUP_SLOT_SHARE, F_SUP, F_WORKER, 2, 2, 0, 1)                        \
	/* +fd; u8 class, u8 index, u32 generation of the peer */             \
	M(SUP_PEER_WIRE, F_SUP, F_WORKER, 6, 6, 0, 1)                         \
	/* u8 class, u8 index, u32 generation, u32 n, u64 job[n]: what the    \
	 * peer's slot said that it was executing when it went */             \
	M(SUP_PEER_LOST, F_SUP, F_WORKER, 10, 10 + 8 * 64, 0, 0)              \
	/* all wired: begin */                                                \
	M(SUP_WORK_START, F_SUP, F_WORKER, 0, 0, 0, 0)                        \
	/* u32 ms: finish what is begun, take nothing new, then say so */     \
	M(SUP_WORK_DRAIN, F_SUP, F_WORKER, 4, 4, 0, 0)                        \
	/* commit and exit 0 */                                               \
	M(SUP_WORK_STOP, F_SUP, F_WORKER, 0, 0, 0, 0)                         \
	/* u8 level */                                                        \
	M(SUP_LOG_SET, F_SUP, F_WORKER, 1, 1, 0, 0)                           \
	/* id; str what: a text about the worker is wanted ("metrics") */     \
	M(SUP_TEXT_ASK, F_SUP, F_WORKER, 4, 4096, 0, 0)                       \
	/* u8 over, i64 wall ms when it began, str worker, str how it went:   \
	 * a worker crashes again and again, or no more; people are to know   \
	 * it, once, though each new queue is told */                         \
	M(SUP_ALERT_TELL, F_SUP, F_QUEUE, 17, 1024, 0, 0)                     \
                                                                              \
	/* Worker to supervisor. */                                           \
	/* id; blob text: answers SUP_TEXT_ASK */                             \
	M(WORKER_TEXT_TELL, F_WORKER, F_SUP, 4, MSG_MAX_BYTES, 0, 0)          \
	/* wired, sandboxed, working */                                       \
	M(WORKER_LIFE_READY, F_WORKER, F_SUP, 0, 0, 0, 0)                     \
	/* drained: may be stopped */                                         \
	M(WORKER_LIFE_DRAINED, F_WORKER, F_SUP, 0, 0, 0, 0)                   \
	/* u8 class, u8 index, u32 generation: the link to that peer is       \
	 * broken though nobody may have died; a new one is wanted */         \
	M(WORKER_LINK_LOST, F_WORKER, F_SUP, 6, 6, 0, 0)                      \
	/* an admin wants all workers replaced */                             \
	M(WORKER_RESTART_ASK, F_QUEUE, F_SUP, 0, 0, 0, 0)                     \
                                                                              \
	/* Intake and queue. */                                               \
	/* id = token; u8 origin, u8 flags, u8 severity, u64 ttl_ms (0: none  \
	 * given), str event_id, str type, str source, str task_id,           \
	 * str title, str to, blob event JSON */                              \
	M(INTAKE_EVENT_SUBMIT, F_INTAKE, F_QUEUE, 39, MSG_MAX_BYTES, 1, 0)    \
	/* id = token; u64 seq, u8 duplicate: it is on disk */                \
	M(QUEUE_EVENT_ACCEPT, F_QUEUE, F_INTAKE, 9, 9, 0, 0)                  \
	/* id = token; u16 code (sysexits), str error, str field */           \
	M(QUEUE_EVENT_REFUSE, F_QUEUE, F_INTAKE, 10, 4096, 0, 0)              \
	/* id = query; u32 uid of the asker, blob JSON request */             \
	M(INTAKE_QUERY_ASK, F_INTAKE, F_QUEUE, 8, MSG_MAX_BYTES, 1, 0)        \
	/* id = query; u8 more (a stream goes on), blob JSON, one line */     \
	M(QUEUE_QUERY_ANSWER, F_QUEUE, F_INTAKE, 5, MSG_MAX_BYTES, 0, 0)      \
	/* id = query: the asker has gone */                                  \
	M(INTAKE_QUERY_CANCEL, F_INTAKE, F_QUEUE, 0, 0, 0, 0)                 \
	/* id = token, rising; i64 update_id, blob JSON: an update that came  \
	 * to the webhook */                                                  \
	M(INTAKE_UPDATE_TELL, F_INTAKE, F_QUEUE, 12, MSG_MAX_BYTES, 1, 0)     \
                                                                              \
	/* Queue and analyze. */                                              \
	/* id = seq; u8 encoding, u32 raw bytes, u64 received_ms,             \
	 * u8 flags, blob event (JSON when expanded) */                       \
	M(QUEUE_ANALYZE_ASK, F_QUEUE, F_ANALYZE, 18, MSG_MAX_BYTES, 1, 0)     \
	/* id = seq; u8 kind, u8 severity, u8 flags, u64 fingerprint,         \
	 * str type, str source, str task_id, str title, str mode,            \
	 * blob normalised event JSON */                                      \
	M(ANALYZE_EVENT_DONE, F_ANALYZE, F_QUEUE, 35, MSG_MAX_BYTES, 0, 0)    \
	/* id = seq; str reason */                                            \
	M(ANALYZE_EVENT_REFUSE, F_ANALYZE, F_QUEUE, 4, 4096, 0, 0)            \
                                                                              \
	/* Queue and format. */                                               \
	/* id = job; u8 what, u8 flags, u64 started_ms, u64 now_ms,           \
	 * blob JSON: the normalised event, or {"members":[…],"total":n} */   \
	M(QUEUE_FORMAT_ASK, F_QUEUE, F_FORMAT, 22, MSG_MAX_BYTES, 1, 0)       \
	/* id = job; u32 members named (digest), u16 n options, n * str,      \
	 * u16 n parts, n * { u8 kind, str html (text or caption),            \
	 * str document name, blob document }: texts first */                 \
	M(FORMAT_TEXT_DONE, F_FORMAT, F_QUEUE, 8, MSG_MAX_BYTES, 0, 0)        \
                                                                              \
	/* Queue and compress. */                                             \
	/* id = job; u8 operation, u32 raw bytes (expand), blob */            \
	M(QUEUE_COMPRESS_ASK, F_QUEUE, F_COMPRESS, 9, MSG_MAX_BYTES, 1, 0)    \
	/* id = job; u8 ok, u8 encoding, u32 raw bytes, blob */               \
	M(COMPRESS_DATA_DONE, F_COMPRESS, F_QUEUE, 10, MSG_MAX_BYTES, 0, 0)   \
                                                                              \
	/* Queue and telegram. */                                             \
	/* id = call; u8 method, u8 flags, u32 attempt, i64 chat, i64 thread, \
	 * i64 message_id (edits), str text (HTML), str reply_markup JSON,    \
	 * str document name, blob document */                                \
	M(QUEUE_CALL_ASK, F_QUEUE, F_TELEGRAM, 46, MSG_MAX_BYTES, 1, 0)       \
	/* id = call; u8 outcome, u32 attempt (as asked), u16 HTTP status,    \
	 * u32 error_code, u64 retry_after_ms, i64 message_id,                \
	 * i64 migrate_to, str description */                                 \
	M(TELEGRAM_CALL_DONE, F_TELEGRAM, F_QUEUE, 39, 65536, 0, 0)           \
	/* u8 survivor (an earlier queue has sent QUEUE_CALL_SEEN, so it knew \
	 * of every telegram before this one), u32 n, u64 id[n]: the          \
	 * first message to every new queue, also with n = 0: calls of the    \
	 * one before that are still under way, or done and not yet seen      \
	 * (their TELEGRAM_CALL_DONE follow at once or when they end) */      \
	M(TELEGRAM_CALL_REPORT, F_TELEGRAM, F_QUEUE, 5, 5 + 8 * 4096, 0, 0)   \
	/* u32 n, u64 id[n]: these outcomes are on disk, forget them */       \
	M(QUEUE_CALL_SEEN, F_QUEUE, F_TELEGRAM, 4, 4 + 8 * 4096, 0, 0)        \
	/* i64 offset, str url: poll for updates from there on; url: the      \
	 * webhook that an earlier telegram has set, "" none */               \
	M(QUEUE_POLL_SET, F_QUEUE, F_TELEGRAM, 12, 4096, 0, 0)                \
	/* str url: this webhook is being set, "": it is none of ours now */  \
	M(TELEGRAM_HOOK_TELL, F_TELEGRAM, F_QUEUE, 4, 4096, 0, 0)             \
	/* id = update_id; blob JSON: one update of the Bot API */            \
	M(TELEGRAM_UPDATE_TELL, F_TELEGRAM, F_QUEUE, 4, MSG_MAX_BYTES, 1, 0)  \
	/* str name of the bot, without "@" */                                \
	M(TELEGRAM_NAME_TELL, F_TELEGRAM, F_QUEUE, 4, 300, 0, 0)              \
	/* id = that of an update's TELL: its effect is on disk, and that of  \
	 * all that were told before it */                                    \
	M(QUEUE_UPDATE_SEEN, F_QUEUE, F_TELEGRAM | F_INTAKE, 0, 0, 0, 0)      \
                                                                              \
	/* Queue and intake: answers of people, as files. */                  \
	/* id; str name, blob JSON */                                         \
	M(QUEUE_RESPONSE_WRITE, F_QUEUE, F_INTAKE, 8, EVENT_MAX_BYTES, 1, 0)  \
	/* id; u8 ok, str error: the file is on disk, or why not */           \
	M(INTAKE_RESPONSE_DONE, F_INTAKE, F_QUEUE, 5, 4096, 0, 0)

enum msg_type {
#define MSG_ENUM(name, from, to, min, max, cost, fd) name,
	MESSAGES(MSG_ENUM)
#undef MSG_ENUM
	NMSGS
};

/* INTAKE_EVENT_SUBMIT origin */
enum event_origin { ORIGIN_FILE, ORIGIN_SOCKET, ORIGIN_HTTP, ORIGIN_REDIS };

/* INTAKE_EVENT_SUBMIT and QUEUE_ANALYZE_ASK flags */
#define EV_TRUSTED 0x01 /* sent by the owner of the events directory */
#define EV_SILENT 0x02	/* to be sent without notification */

/* ANALYZE_EVENT_DONE kind */
enum event_kind {
	EK_PLAIN,
	EK_PROGRESS,	 /* an update of a task's one message */
	EK_FINAL,	 /* ends a task: closes its progress message, if any */
	EK_APPROVAL,
	EK_MODE		 /* asks for another mode; str mode names it */
};

/* ANALYZE_EVENT_DONE flags */
#define AN_REDACTED 0x01 /* secrets were masked: store title and payload */
#define AN_ATTACHED 0x02 /* has files: no member of a digest */

/* Encodings of payloads, in the store and in frames */
enum payload_encoding { ENC_RAW, ENC_LZ4, ENC_LZ4_DICT };

/* QUEUE_FORMAT_ASK what */
enum format_what { FMT_EVENT, FMT_DIGEST, FMT_PROGRESS, FMT_SUMMARY };

/* QUEUE_FORMAT_ASK flags */
#define FMT_RESENT 0x01	  /* mark as possibly repeated */
#define FMT_DETAILED 0x02 /* style detailed, not concise */
#define FMT_CLOSING 0x04  /* progress: the task has ended */

/* FORMAT_TEXT_DONE part kinds */
enum part_kind { PART_TEXT, PART_DOCUMENT };
#define TEXTS_MAX 4	   /* more, and the text becomes a document */
#define ATTACHMENTS_MAX 10 /* files of an event, behind the text */
#define PARTS_MAX (TEXTS_MAX + ATTACHMENTS_MAX)
#define OPTIONS_MAX 10

/* QUEUE_COMPRESS_ASK operations */
enum compress_op { CMP_PACK, CMP_SEGMENT, CMP_EXPAND, CMP_EXPAND_DICT,
	CMP_UNSEGMENT };

/* QUEUE_CALL_ASK methods */
enum call_method {
	CALL_SEND,
	CALL_EDIT,
	CALL_DOCUMENT,
	CALL_ANSWER, /* a callback query; its id is the document name field */
	CALL_REACT,  /* to message_id, with the emoji in text */
	CALL_TOPIC   /* make a forum topic named text; the id of its thread
		      * comes back as message_id */
};

/* QUEUE_CALL_ASK flags */
#define CALL_SILENT 0x01 /* disable_notification */
#define CALL_PLAIN 0x02	 /* no parse_mode */

/*
 * How a call to Telegram ended (DESIGN sections 3 and 8).
 * O(NAME, "name").
 */
#define CALL_OUTCOMES(O)                                                  \
	O(DELIVERED, "delivered")      /* 200 with the message's id */    \
	O(UNCHANGED, "unchanged")      /* edit: "not modified" */         \
	O(NOT_SENT, "not_sent")	       /* nobody took it: try again */    \
	O(RATE_LIMITED, "rate_limited") /* 429: not before retry_after */ \
	O(AMBIGUOUS, "ambiguous")      /* written, no usable answer */    \
	O(REFUSED, "refused")	       /* 400, 404: never will be taken */ \
	O(GONE, "gone")		       /* edit: no such message */	  \
	O(UNAUTHORISED, "unauthorised") /* 401: the token is bad */	  \
	O(SUSPENDED, "suspended")      /* 403: this chat shut us out */   \
	O(MIGRATED, "migrated")	       /* the chat has another id now */

enum call_outcome {
#define OUTCOME_ENUM(name, text) CO_##name,
	CALL_OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
	NOUTCOMES
};

#endif
