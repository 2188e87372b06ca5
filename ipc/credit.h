/*
 * Credit arithmetic of one direction of a link.  Pure: no I/O, no clock.
 *
 * The receiver grants messages and bytes; the sender spends them.  Both ends
 * start from the same window, so that no first grant has to travel.
 *
 * Invariant, sender:   granted = available + spent
 * Invariant, receiver: window  = outstanding at the sender + held + owed
 */
#ifndef IPC_CREDIT_H
#define IPC_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

/* The window of a link: how it begins (DESIGN section 2), and what it grows
 * to under load.  128 leaves both ends asleep half of the time while grants
 * are on their way; 256 has 1.7 times its rate, more has no more. */
#define CREDIT_MSGS 128
#define CREDIT_MSGS_MAX 256
#define CREDIT_BYTES (4U << 20)
/*
 * Bytes go back from this part of the window on.  What is owed and not yet
 * granted must leave room for the largest message at the sender: if not, it
 * would wait for credit that a receiver with nothing to do never returns.
 */
#define CREDIT_BYTES_PART 4

struct credit_tx { /* sender's side */
	uint32_t most_msgs, window_bytes; /* that can be granted and unspent */
	uint64_t granted_msgs, granted_bytes;
	uint64_t spent_msgs, spent_bytes;
};

struct credit_rx { /* receiver's side */
	uint32_t window_msgs, window_bytes, most_msgs;
	uint64_t taken_msgs, taken_bytes;	/* received so far */
	uint64_t returned_msgs, returned_bytes; /* released by handlers */
	uint64_t granted_msgs, granted_bytes;	/* sent back, beyond window */
};

/* Both ends of a direction begin with the same window of msgs, which may grow
 * to most, and of bytes. */
void credit_tx_init(struct credit_tx *, uint32_t msgs, uint32_t most,
    uint32_t bytes);
void credit_rx_init(struct credit_rx *, uint32_t msgs, uint32_t most,
    uint32_t bytes);

/* True if n messages of bytes in all could be spent now. */
bool credit_can_spend(const struct credit_tx *, uint32_t n, uint32_t bytes);
/* Messages that may still be spent. */
uint32_t credit_available(const struct credit_tx *);
/* Spend; the caller has asked credit_can_spend(). */
void credit_spend(struct credit_tx *, uint32_t n, uint32_t bytes);
/*
 * A grant arrived.  Returns 0, or -1 if it gives back more than was spent,
 * which only a broken peer does.
 */
int credit_receive_grant(struct credit_tx *, uint32_t msgs, uint32_t bytes);

/*
 * A message arrived.  Returns 0, or -1 if the peer spent credit that it did
 * not have.
 */
int credit_take(struct credit_rx *, uint32_t n, uint32_t bytes);
/* The handler is done with n messages of bytes in all. */
void credit_release(struct credit_rx *, uint32_t n, uint32_t bytes);
/*
 * Is a grant due?  Due when half of the window in messages, or its part in
 * bytes, has been released and not yet granted, or anything at all if force
 * is set.  A sender that has used up all of its messages gets more than it
 * is owed, until the window is as large as it may be.
 * Fills what to send and counts it as granted.
 */
bool credit_grant_due(struct credit_rx *, bool force, uint32_t *msgs,
    uint32_t *bytes);
/* Do both invariants hold?  Checked at run time by link.c. */
bool credit_tx_ok(const struct credit_tx *);
bool credit_rx_ok(const struct credit_rx *);

#endif
