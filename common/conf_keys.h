/*
 * Every key of cctgd.conf, once.  The structures of conf.h, the parser, the
 * export to the workers, the comparison on reload, and the tests of manual
 * and sample file are made from these tables.
 *
 *	K(SECTION, name, TYPE, member, "default", "accepts", classes, WHEN,
 *	    "what it is")
 *
 * SECTION	where the key stands, see CONF_SECTIONS.
 * TYPE		see CONF_TYPES.
 * default	as it would be written in the file; a list as words divided by
 *		blanks.  "" for keys whose default depends on who starts the
 *		daemon (conf.c) and for lists and texts that are empty.
 * accepts	"LOW..HIGH" for numbers, durations and sizes; the words for a
 *		WORD, "alias=word" being another spelling.
 * classes	the processes that are told of it (and are replaced by a
 *		reload that changes it).
 * WHEN		RELOAD: a reload applies it; RESTART: only a new start does.
 */
#ifndef COMMON_CONF_KEYS_H
#define COMMON_CONF_KEYS_H

#define CONF_SECTIONS(S)                 \
	S(TOP, "", "root")               \
	S(TELEGRAM, "telegram", "telegram") \
	S(RATE, "telegram.rate", "rate") \
	S(WEBHOOK, "telegram.webhook", "webhook") \
	S(DIGEST, "digest", "digest")    \
	S(WORKERS, "workers", "workers") \
	S(COMPRESSION, "compression", "compression") \
	S(HISTORY, "history", "history") \
	S(QUEUE, "queue", "queue")       \
	S(REDIS, "redis", "redis")       \
	S(MONITOR, "monitor", "monitor") \
	S(INTAKE, "intake", "intake")    \
	S(WATCHDOG, "watchdog", "watchdog") \
	S(HOOKS, "hooks", "hooks")       \
	S(CHAT, "chat", "chat")          \
	S(ROUTE, "route", "route")

/* T(TYPE, type in C, suffix of the key in JSON). */
#define CONF_TYPES(T)                                   \
	T(TEXT, char *, "")                             \
	T(PATH, char *, "")                             \
	T(URL, char *, "")                              \
	T(ZONE, char *, "")                             \
	T(FLAG, bool, "")                               \
	T(WORD, int, "")     /* index of the word */    \
	T(INTEGER, int64_t, "")                         \
	T(NUMBER, double, "")                           \
	T(DURATION, int64_t, "_ms")                     \
	T(SIZE, int64_t, "_bytes")                      \
	T(HOURS, struct conf_hours, "")                 \
	T(TEXTS, struct conf_list, "")                  \
	T(ADDRESS, char *, "")	   /* host:port or "" */ \
	T(ADDRESSES, struct conf_list, "")              \
	T(IDS, struct conf_ids, "")

#define F_CTL 0 /* only cctgctl reads it, anew for each hook */

#define CONF_KEYS(K)                                                          \
	K(TOP, state_dir, PATH, state_dir, "", "", F_QUEUE, RESTART,          \
	    "where the store is kept")                                        \
	K(TOP, runtime_dir, PATH, runtime_dir, "", "", F_SUP, RESTART,        \
	    "where control.sock, submit.sock and cctgd.lock are")             \
	K(TOP, events_dir, PATH, events_dir, "", "", F_INTAKE, RESTART,       \
	    "where event files are dropped")                                  \
	K(TOP, responses_dir, PATH, responses_dir, "", "", F_INTAKE, RESTART, \
	    "where response files are written")                               \
	K(TOP, responses_keep, DURATION, responses_keep_ms, "30d",            \
	    "0s..3650d", F_INTAKE, RELOAD,                                    \
	    "older response files are removed; 0: never")                     \
	K(TOP, user, TEXT, user, "cctg", "", F_SUP, RESTART,                  \
	    "the user that the workers run as when started as root")          \
	K(TOP, group, TEXT, group, "cctg", "", F_SUP | F_INTAKE, RESTART,     \
	    "the group of the workers and of the sockets")                    \
	K(TOP, mode, WORD, mode, "local", "local nomad mute muted=mute",      \
	    F_QUEUE, RELOAD, "the mode of a new store")                       \
	K(TOP, timezone, ZONE, timezone, "", "", F_FORMAT | F_QUEUE, RELOAD,  \
	    "the zone of the times shown and of quiet_hours")                 \
	K(TOP, style, WORD, style, "concise",                                 \
	    "concise detailed verbose=detailed full=detailed", F_QUEUE,       \
	    RELOAD, "how much of an event is shown")                          \
	K(TOP, quiet_hours, HOURS, quiet_hours, "", "", F_QUEUE, RELOAD,      \
	    "low and normal events are held between these times")             \
	K(TOP, ttl, DURATION, ttl_ms, "7d", "1s..3650d", F_QUEUE, RELOAD,     \
	    "how long the delivery of an event is tried")                     \
	K(TOP, dedup_window, DURATION, dedup_window_ms, "5s", "0s..1d",       \
	    F_QUEUE, RELOAD,                                                  \
	    "equal events within this time are one")                          \
	K(TOP, shutdown_grace, DURATION, shutdown_grace_ms, "5s",             \
	    "0s..10m", F_SUP, RELOAD, "how long a stop waits for the workers") \
	K(TOP, log, WORD, log, "brief", "brief verbose", F_SUP, RELOAD,       \
	    "how much is logged")                                             \
	K(TELEGRAM, token_file, PATH, token_file, "", "", F_SUP, RELOAD,      \
	    "the file that holds the bot's token")                            \
	K(TELEGRAM, api_url, URL, api_url, "https://api.telegram.org", "",    \
	    F_TELEGRAM, RELOAD, "the Bot API")                                \
	K(TELEGRAM, allow_insecure, FLAG, allow_insecure, "false", "", F_SUP, \
	    RELOAD, "http to another host is allowed")                        \
	K(TELEGRAM, allowed_users, IDS, allowed_users, "", "", F_QUEUE,       \
	    RELOAD, "the numeric ids of the people who may decide")           \
	K(TELEGRAM, mark_resent, FLAG, mark_resent, "true", "", F_QUEUE,      \
	    RELOAD, "mark a message that may be a repetition")                \
	K(TELEGRAM, connect_timeout, DURATION, connect_timeout_ms, "10s",     \
	    "100ms..10m", F_TELEGRAM, RELOAD,                                 \
	    "how long a connection may take to come about")                   \
	K(TELEGRAM, timeout, DURATION, timeout_ms, "60s", "1s..1h",           \
	    F_TELEGRAM, RELOAD, "how long a request may take")                \
	K(TELEGRAM, poll_timeout, DURATION, poll_timeout_ms, "50s",           \
	    "1s..50s", F_TELEGRAM, RELOAD,                                    \
	    "how long a poll for updates waits for one")                      \
	K(RATE, global, NUMBER, rate_global, "30", "0..10000", F_QUEUE,       \
	    RELOAD, "messages a second of the whole bot; 0: no limit")        \
	K(RATE, private, NUMBER, rate_private, "1", "0..10000", F_QUEUE,      \
	    RELOAD, "messages a second to one person; 0: no limit")           \
	K(RATE, private_burst, NUMBER, rate_private_burst, "3", "1..10000",   \
	    F_QUEUE, RELOAD, "messages to one person that may go at once")    \
	K(RATE, group_per_minute, NUMBER, rate_group_per_minute, "20",        \
	    "0..600000", F_QUEUE, RELOAD,                                     \
	    "messages a minute to one group; 0: no limit")                    \
	K(WEBHOOK, url, URL, webhook_url, "", "", F_INTAKE | F_TELEGRAM,      \
	    RELOAD, "where Telegram sends updates; empty: they are polled")   \
	K(WEBHOOK, secret_file, PATH, webhook_secret_file, "", "", F_SUP,     \
	    RELOAD, "the file with the secret that Telegram sends along")     \
	K(WEBHOOK, check, DURATION, webhook_check_ms, "5m", "1s..1d",         \
	    F_TELEGRAM, RELOAD,                                               \
	    "how often Telegram is asked whether it is still set")            \
	K(DIGEST, after, DURATION, digest_after_ms, "10s", "0s..1h",          \
	    F_QUEUE, RELOAD,                                                  \
	    "a backlog that would take longer is merged into digests")        \
	K(DIGEST, collect, DURATION, digest_collect_ms, "1s", "0s..1m",       \
	    F_QUEUE, RELOAD, "how long a digest waits for more events")       \
	K(DIGEST, max, INTEGER, digest_max, "200", "2..1000", F_QUEUE,        \
	    RELOAD, "the most events in a digest")                            \
	K(WORKERS, analyze, INTEGER, workers_analyze, "0", "0..16", F_SUP,    \
	    RELOAD, "size of the pool; 0: three quarters of the cores")       \
	K(WORKERS, format, INTEGER, workers_format, "0", "0..16", F_SUP,      \
	    RELOAD, "size of the pool; 0: three quarters of the cores")       \
	K(WORKERS, compress, INTEGER, workers_compress, "0", "0..16", F_SUP,  \
	    RELOAD, "size of the pool; 0: three quarters of the cores")       \
	K(COMPRESSION, level, INTEGER, compression_level, "1", "0..12",       \
	    F_QUEUE | F_COMPRESS, RELOAD, "of lz4; 0: nothing is compressed") \
	K(COMPRESSION, min_size, SIZE, compression_min_bytes, "4096",         \
	    "0..1G", F_QUEUE, RELOAD,                                         \
	    "smaller payloads are stored as they are")                        \
	K(HISTORY, keep, DURATION, history_keep_ms, "30d", "1m..3650d",       \
	    F_QUEUE, RELOAD, "how long delivered events are kept")            \
	K(HISTORY, archive_after, DURATION, history_archive_after_ms, "1h",   \
	    "0s..3650d", F_QUEUE, RELOAD,                                     \
	    "older ones are packed together; 0: never")                       \
	K(HISTORY, max_events, INTEGER, history_max_events, "1000000",        \
	    "0..1000000000", F_QUEUE, RELOAD,                                 \
	    "the most delivered events kept; 0: no limit")                    \
	K(HISTORY, max_size, SIZE, history_max_bytes, "1G", "0..1T",          \
	    F_QUEUE, RELOAD, "the most bytes kept for them; 0: no limit")     \
	K(QUEUE, max_size, SIZE, queue_max_bytes, "4G", "0..1T", F_QUEUE,     \
	    RELOAD, "a larger store takes no more events; 0: no limit")       \
	K(REDIS, url, URL, redis_url, "", "", F_REDIS, RELOAD,                \
	    "the server; empty: no Redis")                                    \
	K(REDIS, stream, TEXT, redis_stream, "cctg:events", "", F_REDIS,      \
	    RELOAD, "the stream that is read")                                \
	K(REDIS, group, TEXT, redis_group, "cctg", "", F_REDIS, RELOAD,       \
	    "the consumer group")                                             \
	K(MONITOR, listen, ADDRESSES, monitor_listen,                         \
	    "127.0.0.1:8080 [::1]:8080", "", F_SUP, RESTART,                  \
	    "where /health and /metrics are served; empty: nowhere")          \
	K(MONITOR, token_file, PATH, monitor_token_file, "", "", F_SUP,       \
	    RELOAD, "the file with the bearer token of /metrics and /report") \
	K(INTAKE, http, ADDRESS, intake_http, "", "", F_SUP, RESTART,         \
	    "where events are taken by HTTP POST; empty: nowhere")            \
	K(INTAKE, token_file, PATH, intake_token_file, "", "", F_SUP, RELOAD, \
	    "the file with the bearer token of HTTP POST")                    \
	K(WATCHDOG, heartbeat, DURATION, heartbeat_ms, "3s", "2s..10m",       \
	    F_SUP, RELOAD,                                                    \
	    "a worker without a turn for so long is stuck")                   \
	K(WATCHDOG, memory_soft, SIZE, memory_soft_bytes, "48M", "8M..1T",    \
	    F_SUP, RELOAD, "a worker larger than this is replaced")           \
	K(WATCHDOG, memory_hard, SIZE, memory_hard_bytes, "96M", "8M..1T",    \
	    F_SUP, RELOAD, "a worker larger than this is killed")             \
	K(HOOKS, on, TEXTS, hooks_on, "", "", F_CTL, RELOAD,                  \
	    "hooks of agents, quiet by default, that are asked or told")      \
	K(HOOKS, off, TEXTS, hooks_off, "", "", F_CTL, RELOAD,                \
	    "hooks of agents that are neither asked nor told")                \
	K(HOOKS, timeout, DURATION, hooks_timeout_ms, "10m", "1s..7d", F_CTL, \
	    RELOAD, "how long a hook waits for an answer")                    \
	K(HOOKS, to, TEXT, hooks_to, "", "", F_CTL, RELOAD,                   \
	    "the chat of what hooks ask and tell; empty: by the routes")

#define CONF_CHAT_KEYS(K)                                                     \
	K(CHAT, id, INTEGER, id, "0", "-9007199254740991..9007199254740991",  \
	    F_QUEUE, RELOAD, "the chat's number")                             \
	K(CHAT, thread, INTEGER, thread, "0", "0..2147483647", F_QUEUE,       \
	    RELOAD, "the topic in a forum; 0: none")                          \
	K(CHAT, topic, WORD, topic, "none", "none auto project session",      \
	    F_QUEUE, RELOAD,                                                  \
	    "make a topic of its own for each project or session")

#define CONF_ROUTE_KEYS(K)                                                    \
	K(ROUTE, type, TEXTS, type, "", "", F_QUEUE, RELOAD,                  \
	    "patterns, one of which the event's type must match")             \
	K(ROUTE, source, TEXTS, source, "", "", F_QUEUE, RELOAD,              \
	    "patterns, one of which the event's source must match")           \
	K(ROUTE, chat, TEXTS, chat, "", "", F_QUEUE, RELOAD,                  \
	    "names of the chats that get the event")                          \
	K(ROUTE, silent, FLAG, silent, "false", "", F_QUEUE, RELOAD,          \
	    "send without notification")                                      \
	K(ROUTE, digest, FLAG, digest, "true", "", F_QUEUE, RELOAD,           \
	    "may be merged into digests")                                     \
	K(ROUTE, ttl, DURATION, ttl_ms, "0s", "0s..3650d", F_QUEUE, RELOAD,   \
	    "how long delivery is tried; 0: as without a route")              \
	K(ROUTE, continue, FLAG, go_on, "false", "", F_QUEUE, RELOAD,         \
	    "the routes after this one are looked at, too")

#endif
