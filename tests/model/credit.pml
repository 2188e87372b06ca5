/*
 * The credit protocol of one direction of a link (ipc/credit.c), for spin(1).
 *
 * A sender has messages of any size that it may have, a receiver holds each
 * for as long as it likes and returns the credit in any order; grants travel
 * back when a part of the window is owed.  Shown: what is granted, spent,
 * under way, held and owed makes up the window at every moment; nobody waits
 * for ever (no invalid end state); every message arrives.
 *
 * Bytes are in units of 512 KiB: a window of 8, messages of up to 6, grants
 * from a quarter on, as in the code.  -DPART=2 is the rule that grants bytes
 * at half only: spin finds the sender that waits for 6 while 3 are owed.
 */
#ifndef PART
#define PART 4
#endif
#define WINDOW_MSGS 3	/* and what it may grow to: */
#define MOST_MSGS 4
#define WINDOW_BYTES 8
#define LARGEST 6
#define MESSAGES 6

chan data = [MOST_MSGS] of { byte };		/* size */
chan grants = [MOST_MSGS] of { byte, byte };	/* messages, bytes */

/* Sender: what may be spent; receiver: what is held and what is owed. */
byte window = WINDOW_MSGS;
byte can_msgs = WINDOW_MSGS, can_bytes = WINDOW_BYTES;
byte held_msgs, held_bytes;
byte owed_msgs, owed_bytes;
/* Under way, for the invariant only. */
byte way_msgs, way_bytes, back_msgs, back_bytes;
byte sent, received;

#define CONSERVED \
	(can_msgs + way_msgs + held_msgs + owed_msgs + back_msgs \
	    == window && \
	can_bytes + way_bytes + held_bytes + owed_bytes + back_bytes \
	    == WINDOW_BYTES)

active proctype sender()
{
	byte size, m, b;

	do
	:: sent < MESSAGES ->
		/* The next message has some size and waits for credit. */
		if
		:: size = 0
		:: size = 1
		:: size = 3
		:: size = LARGEST
		fi;
		do
		:: atomic { can_msgs >= 1 && can_bytes >= size ->
			can_msgs = can_msgs - 1;
			can_bytes = can_bytes - size;
			way_msgs++;
			way_bytes = way_bytes + size;
			data!size;
			sent++ };
			break
		:: atomic { grants?m, b ->
			can_msgs = can_msgs + m;
			can_bytes = can_bytes + b;
			back_msgs = back_msgs - m;
			back_bytes = back_bytes - b;
			/* A grant never exceeds what was spent. */
			assert(can_msgs <= MOST_MSGS &&
			    can_bytes <= WINDOW_BYTES) }
		od
	:: sent == MESSAGES -> break
	od;
end_done:
	do
	:: atomic { grants?m, b ->
		can_msgs = can_msgs + m;
		can_bytes = can_bytes + b;
		back_msgs = back_msgs - m;
		back_bytes = back_bytes - b }
	od
}

/* Sizes that are held, by number. */
byte held[LARGEST + 1];

inline release(size)
{
	held[size]--;
	held_msgs--;
	held_bytes = held_bytes - size;
	owed_msgs++;
	owed_bytes = owed_bytes + size;
}

active proctype receiver()
{
	byte size;

end_idle:
	do
	:: atomic { data?size ->
		way_msgs--;
		way_bytes = way_bytes - size;
		held[size]++;
		held_msgs++;
		held_bytes = held_bytes + size;
		/* No peer that keeps the rules overdraws. */
		assert(held_msgs <= window && held_bytes <= WINDOW_BYTES);
		received++ }
	:: atomic { held[0] > 0 -> release(0) }
	:: atomic { held[1] > 0 -> release(1) }
	:: atomic { held[3] > 0 -> release(3) }
	:: atomic { held[LARGEST] > 0 -> release(LARGEST) }
	:: atomic { (owed_msgs > 0 && owed_msgs >= window / 2) ||
	    (owed_bytes > 0 && owed_bytes >= WINDOW_BYTES / PART) ->
		/* A sender that has nothing left gets more. */
		if
		:: can_msgs + way_msgs + back_msgs == 0 ->
			owed_msgs = owed_msgs + MOST_MSGS - window;
			window = MOST_MSGS
		:: else
		fi;
		grants!owed_msgs, owed_bytes;
		back_msgs = back_msgs + owed_msgs;
		back_bytes = back_bytes + owed_bytes;
		owed_msgs = 0;
		owed_bytes = 0 }
	od
}

ltl conserved { [] CONSERVED }
ltl delivered { <> (received == MESSAGES) }
