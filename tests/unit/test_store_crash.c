/*
 * The store killed at random moments.  A child accepts events, ends some of
 * them, and tells each number only after its commit; it is killed, and what
 * it told must be there, whole, in a database without fault.
 *
 * CRASH_SECONDS says for how long; without it, ten rounds.
 */
#include "config.h"

#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/scratch_dir.h"
#include "tests/unit/store_events.h"
#include "workers/queue/store_int.h"

#define ROUNDS 10
#define EVENTS_MAX 4000000

/* What the child tells after a commit: accepted [from, to), and those below
 * ended are delivered. */
struct told {
	int from, to, ended;
};

static uint8_t *accepted; /* by number: acknowledged */

static void	child(const char *, int, int, int) __attribute__((noreturn));
static void	check(const char *, int, int);
static int	round_of(const char *, int *, int *);

static void
child(const char *dir, int next, int ended, int fd)
{
	struct store_delivery d = { .chat = 1, .state = DS_DELIVERED,
		.messages = "1" };
	struct store *st = store_open(dir);
	struct told told;
	int i, n;

	if (st == NULL)
		_exit(2);
	srand((unsigned int)getpid());
	for (;;) {
		told.from = next;
		for (n = 1 + rand() % 64; n > 0; n--)
			events_put(st, next++, 1, LANE_BULK, DS_QUEUED);
		told.to = next;
		for (i = 0; i < 32 && ended < told.from; i++, ended++) {
			char id[32];

			snprintf(id, sizeof(id), "event-%d", ended);
			d.id = DELIVERY_ID(store_find_id(st, id, strlen(id)),
			    0);
			store_put_sending(st, d.id, 1);
			store_put_delivery(st, &d);
		}
		told.ended = ended;
		if (store_commit(st) == -1)
			_exit(3);
		if (write(fd, &told, sizeof(told)) != sizeof(told))
			_exit(0);
	}
}

/* Everything acknowledged up to that number is there. */
static void
check(const char *dir, int next, int ended)
{
	struct store *st = store_open(dir);
	struct store_delivery d;
	const char *verdict;
	char id[32];
	int i, from = next > 20000 ? next - 20000 : 0;
	int64_t seq;

	if (st == NULL)
		errx(1, "the store does not open");
	if (store_damaged(st) != NULL)
		errx(1, "after a kill: %s", store_damaged(st));
	verdict = store_check(st);
	if (strcmp(verdict, "ok") != 0)
		errx(1, "after a kill: %s", verdict);
	for (i = from; i < next; i++) {
		if (!accepted[i])
			continue;
		if (!events_whole(st, i))
			errx(1, "event %d was acknowledged and is lost", i);
		snprintf(id, sizeof(id), "event-%d", i);
		seq = store_find_id(st, id, strlen(id));
		if (store_get_delivery(st, DELIVERY_ID(seq, 0), &d) != 1)
			errx(1, "the delivery of event %d is lost", i);
		if (i < ended && d.state != DS_DELIVERED)
			errx(1, "event %d was delivered and is in state %d", i,
			    d.state);
	}
	store_close(st);
}

/* Start a child and kill it; how many events it told. */
static int
round_of(const char *dir, int *next, int *ended)
{
	struct told told;
	int fd[2], i, n = 0, to = *next;
	pid_t pid;

	if (pipe(fd) == -1 || (pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		close(fd[0]);
		child(dir, *next, *ended, fd[1]);
	}
	close(fd[1]);
	usleep((useconds_t)(rand() % 150000));
	kill(pid, SIGKILL);
	while (read(fd[0], &told, sizeof(told)) == sizeof(told)) {
		for (i = told.from; i < told.to; i++, n++)
			accepted[i] = 1;
		to = told.to;
		*ended = told.ended;
	}
	close(fd[0]);
	if (waitpid(pid, &i, 0) == -1 || !WIFSIGNALED(i))
		errx(1, "the child ended with status %x", i);
	/* A commit that was done and not told may be there: its numbers are
	 * not used again. */
	*next = to + 64;
	return (n);
}

int
main(void)
{
	const char *seconds = getenv("CRASH_SECONDS");
	int64_t end = seconds == NULL ? 0 :
	    clock_mono_ms() + strtol(seconds, NULL, 10) * 1000;
	int rounds = 0, next = 0, ended = 0, events = 0;
	char dir[256];

	log_init("test_store_crash", LL_WARN, 0);
	accepted = calloc(EVENTS_MAX, 1);
	if (accepted == NULL)
		err(1, "calloc");
	srand((unsigned int)time(NULL));
	scratch_dir_make(dir, sizeof(dir), NULL);
	while ((end == 0 ? rounds < ROUNDS : clock_mono_ms() < end) &&
	    next < EVENTS_MAX - 1000000) {
		events += round_of(dir, &next, &ended);
		check(dir, next, ended);
		rounds++;
	}
	printf("crash: %d rounds, %d events acknowledged, none lost\n",
	    rounds, events);
	scratch_dir_remove(dir);
	free(accepted);
	return (events > 0 ? 0 : 1);
}
