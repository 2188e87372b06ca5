/*
 * cctg-format as a process: played supervisor and queue on real links, in its
 * sandbox.  The program's path comes from the environment or is the one that
 * was built here.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/scoreboard.h"
#include "ipc/link.h"

#define GENERATION 7
#define TIMEOUT_S 20 /* a sanitizer on a loaded machine takes its time */
#define NJOBS 500

static enum link_verdict from_worker(struct link *, const struct frame *,
    void *);
static void closed(struct link *, enum link_end, void *);

static const struct link_ops ops = {.message = from_worker, .closed = closed};

static struct event_base *base;
static struct link *sup, *queue;
static struct slot *slot;
static pid_t worker;

/* What came back. */
static unsigned int ready, answers, ends, parts;
static char text[65536];
static size_t document_len;

static enum link_verdict
from_worker(struct link *l, const struct frame *f, void *arg)
{
	struct unpacker u;
	struct span html;
	unsigned int i, n;

	(void)l;
	(void)arg;
	if (f->type == WORKER_LIFE_READY)
		ready++;
	if (f->type != FORMAT_TEXT_DONE)
		return (LINK_DONE);
	unpack_init(&u, f->data, f->len);
	unpack_u32(&u);
	for (n = unpack_u16(&u); n > 0; n--)
		unpack_span(&u);
	parts = unpack_u16(&u);
	for (i = 0; i < parts; i++) {
		unpack_u8(&u);
		html = unpack_span(&u);
		if (i == 0 && html.len < sizeof(text)) {
			memcpy(text, html.p, html.len);
			text[html.len] = '\0';
		}
		unpack_span(&u);
		document_len = unpack_span(&u).len;
	}
	assert_true(unpack_done(&u));
	answers++;
	return (LINK_DONE);
}

static void
closed(struct link *l, enum link_end end, void *arg)
{
	(void)l;
	(void)end;
	(void)arg;
	ends++;
}

/* Run the loop until the counter has that value. */
static void
until(const unsigned int *counter, unsigned int value)
{
	const struct timeval tick = {0, 10000};
	int i;

	for (i = 0; *counter < value && i < TIMEOUT_S * 100; i++) {
		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
	}
	assert_int_equal(*counter, value);
}

static void
spawn(const char *path, int link_fd, int slot_fd)
{
	char *args[] = {strdup("cctg-format"), strdup("format/0"),
	    strdup("4"), NULL};
	int a, b;

	if ((worker = fork()) == -1)
		fail();
	if (worker != 0) {
		free(args[0]);
		free(args[1]);
		free(args[2]);
		return;
	}
	a = fcntl(link_fd, F_DUPFD, 10);
	b = fcntl(slot_fd, F_DUPFD, 10);
	dup2(a, 3);
	dup2(b, 4);
	closefrom(5);
	execv(path, args);
	_exit(127);
}

static int
setup(void **state)
{
	static const char config[] = "{\"timezone\":\"Asia/Tokyo\"}";
	const char *path = getenv("CCTG_FORMAT");
	struct packer p = {0};
	int sv[2], slot_fd;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LL_ERR, 0);
	assert_non_null(base = event_base_new());
	assert_non_null(slot = slot_create(&slot_fd));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	spawn(path != NULL ? path : "./cctg-format", sv[1], slot_fd);
	close(sv[1]);
	close(slot_fd);
	assert_non_null(sup = link_new(base, sv[0], PC_SUPERVISOR, PC_FORMAT,
	    0, &ops, NULL));
	pack_blob(&p, config, sizeof(config) - 1);
	assert_int_equal(link_send_packed(sup, SUP_CONFIG_SET, 0, &p), 0);
	pack_reset(&p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	pack_u8(&p, PC_QUEUE);
	pack_u8(&p, 0);
	pack_u32(&p, GENERATION);
	assert_int_equal(link_send_fd(sup, SUP_PEER_WIRE, 0, p.buf, p.len,
	    sv[1]), 0);
	close(sv[1]);
	pack_free(&p);
	assert_non_null(queue = link_new(base, sv[0], PC_QUEUE, PC_FORMAT,
	    GENERATION, &ops, NULL));
	assert_int_equal(link_send(sup, SUP_WORK_START, 0, NULL, 0), 0);
	until(&ready, 1);
	return (0);
}

static int
teardown(void **state)
{
	int status;

	(void)state;
	assert_int_equal(link_send(sup, SUP_WORK_STOP, 0, NULL, 0), 0);
	link_flush_all();
	assert_int_equal(waitpid(worker, &status, 0), worker);
	link_free(sup);
	link_free(queue);
	event_base_free(base);
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1);
}

static void
ask(uint64_t job, enum format_what what, const char *event, size_t len)
{
	struct packer p = {0};

	pack_u8(&p, (uint8_t)what);
	pack_u8(&p, 0);
	pack_u64(&p, 0);
	pack_u64(&p, 0);
	pack_blob(&p, event, len);
	/* Credit comes back with the answers. */
	while (link_send_packed(queue, QUEUE_FORMAT_ASK, job, &p) == -1) {
		assert_int_equal(errno, EAGAIN);
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	}
	pack_free(&p);
}

#define EVENT                                                              \
	"{\"type\":\"task_failed\",\"title\":\"T <1>\",\"source\":\"s\","  \
	"\"description\":\"\",\"timestamp\":\"2026-11-21T04:50:08.105Z\"," \
	"\"data\":{\"exit_code\":3}}"

/* The zone was read before the sandbox closed the file system. */
static void
answers_in_its_zone(void **state)
{
	(void)state;
	answers = 0;
	ask(1, FMT_EVENT, EVENT, sizeof(EVENT) - 1);
	until(&answers, 1);
	assert_string_equal(text, "❌ <b>T &lt;1&gt;</b>\n"
	    "⏰ 21/Nov/26 13:50 · s\n\nExit code: 3");
	assert_int_equal(parts, 1);
}

static void
many_jobs(void **state)
{
	int64_t done = slot->cell[M_format_jobs];
	int i;

	(void)state;
	answers = 0;
	for (i = 0; i < NJOBS; i++)
		ask((uint64_t)i + 1, FMT_EVENT, EVENT, sizeof(EVENT) - 1);
	until(&answers, NJOBS);
	assert_int_equal(slot->cell[M_format_jobs] - (uint64_t)done, NJOBS);
	for (i = 0; i < SLOT_JOBS; i++)
		assert_int_equal(slot->job[i], 0);
}

static void
shows_what_it_cannot_read(void **state)
{
	(void)state;
	answers = 0;
	ask(1, FMT_DIGEST, "{\"ti\xfftle<", 9);
	until(&answers, 1);
	assert_non_null(strstr(text, "An event that cannot be read"));
	assert_non_null(strstr(text, "{\"ti�tl"));
}

static void
a_large_event(void **state)
{
	static char event[EVENT_MAX_BYTES];
	size_t n;

	(void)state;
	memset(event, 'x', sizeof(event));
	n = (size_t)snprintf(event, sizeof(event), "{\"type\":\"custom_event\","
	    "\"title\":\"big\",\"data\":{\"results\":\"");
	event[n] = 'x';
	memcpy(event + sizeof(event) - 3, "\"}}", 3);
	answers = 0;
	ask(1, FMT_EVENT, event, sizeof(event));
	until(&answers, 1);
	assert_int_equal(parts, 2);
	assert_true(document_len > EVENT_MAX_BYTES - 200);
}

/* Last: the queue's link does not survive it, the worker does. */
static void
malformed_costs_the_link(void **state)
{
	(void)state;
	ends = 0;
	assert_int_equal(link_send(queue, QUEUE_FORMAT_ASK, 1,
	    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	    "\xff\xff\xff\xff\xff\xff\xff\xff", 23), 0);
	until(&ends, 1);
	assert_int_equal(waitpid(worker, NULL, WNOHANG), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_its_zone),
		cmocka_unit_test(many_jobs),
		cmocka_unit_test(shows_what_it_cannot_read),
		cmocka_unit_test(a_large_event),
		cmocka_unit_test(malformed_costs_the_link),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
