/*
 * Plays the supervisor and the queue for one worker under test.
 *
 *	NAME-queue PATH-OF-THE-WORKER < commands
 *
 * Commands are JSON objects, one a line, with "op"; what the worker says is
 * printed the same way, with "event".  These are common to all:
 *	config {"config":{…}}	SUP_CONFIG_SET; the first starts the worker
 *	die			the queue dies
 *	wire			another comes
 *	rewire			both
 *	drain {"ms":N} stop
 */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include "common/scoreboard.h"
#include "ipc/link.h"

struct json_object;

struct play_command {
	const char *op; /* NULL ends a list */
	void (*run)(struct json_object *);
};

struct play {
	enum process_class class; /* of the worker */
	const char *name;	  /* as its argument, "telegram/0" */
	const struct play_command *commands;
	/* what it says to the queue */
	enum link_verdict (*message)(struct link *, const struct frame *,
	    void *);
	void (*writable)(void);	  /* optional: credit is there again */
	void (*begin)(struct json_object *); /* optional: before it starts */
	void (*died)(void);	  /* optional: the queue has */
};

/* NULL: there is no queue at the moment. */
extern struct link *play_queue;
extern struct slot *play_slot;

int play_main(int argc, char **argv, const struct play *);
/* As the supervisor. */
void play_tell(enum msg_type, const void *, size_t);
void play_share(const char *name, int fd); /* closes fd */
/* As the queue. */
void play_send(enum msg_type, uint64_t id, const struct packer *);
void play_print(struct json_object *);

#endif
