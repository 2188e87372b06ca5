/*
 * limits.h - the rate limits of the Bot API: so many calls in any second
 * (whole bot) or minute (one group), a bucket with a small burst for a
 * private chat, and the penalty that the real service lets run out before
 * it takes anything more.
 */
#ifndef SIM_LIMITS_H
#define SIM_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct limit_rates {
	int64_t	global;		/* in any second, all chats; 0: none */
	int64_t	private_rate;	/* a second in one private chat; 0: none */
	int64_t	private_burst;
	int64_t	group;		/* in any minute in one group; 0: none */
};

/* The history of one chat or of the bot; all zero is a fresh one. */
struct limit {
	int64_t	 until_ms;	/* a penalty holds until then */
	int64_t	 spent;		/* private: thousandths of a token */
	int64_t	 at_ms;		/* private: when that was */
	int64_t	*log;		/* others: when the last calls were */
	size_t	 size;
	size_t	 head;		/* the oldest of them */
};

enum limit_class { LIMIT_GLOBAL, LIMIT_PRIVATE, LIMIT_GROUP };

/*
 * May a call be made now?  0, or the seconds to wait, rounded up, at least
 * 1; then a penalty begins that is not prolonged by further attempts: they
 * are refused with what is left of it.  Takes nothing.  now_ms is > 0.
 */
int64_t	limit_ask(struct limit *, const struct limit_rates *,
	    enum limit_class, int64_t now_ms);
/* Note a call that was granted. */
void	limit_note(struct limit *, const struct limit_rates *,
	    enum limit_class, int64_t now_ms);
void	limit_free(struct limit *);
/* "global=30,private=1,private_burst=3,group=20"; 0, or -1 if it is bad. */
int	limit_parse(struct limit_rates *, const char *);

#endif /* SIM_LIMITS_H */
