/*
 * The verbs.  A new one is a struct verb verb_NAME in the file of its family
 * and a line here; parser, usage, completion and the tests of the manual
 * take it from the table.
 */
#ifndef CTL_VERBS_H
#define CTL_VERBS_H

#define VERBS(V)      \
	V(status)     \
	V(workers)    \
	V(crashes)    \
	V(ping)       \
	V(wait)       \
	V(restart)    \
	V(stop)       \
	V(reload)     \
	V(drain)      \
	V(log)        \
	V(send)       \
	V(ask)        \
	V(run)        \
	V(queue)      \
	V(history)    \
	V(tail)       \
	V(subscribe)  \
	V(hook)       \
	V(mcp)        \
	V(approvals)  \
	V(mode)       \
	V(mute)       \
	V(unmute)     \
	V(silence)    \
	V(pair)       \
	V(users)      \
	V(chats)      \
	V(metrics)    \
	V(setup)      \
	V(completion) \
	V(help)

#define VERB_EXTERN(name) extern const struct verb verb_##name;
VERBS(VERB_EXTERN)
#undef VERB_EXTERN

#endif
