/*
 * cctg-analyze and cctg-compress as they run: spawned with a link and a slot,
 * configured, wired to a queue that is this test, sandboxed, asked, stopped.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "ipc/link.h"
#include "workers/worker.h"

#define PATIENCE_MS 10000
#define GENERATION 7
#define CLOCK_MS 1763700608105ULL

static struct event_base *base;
static struct link *sup, *queue;
static struct slot *slot;
static pid_t pid;
static bool ready, closed;
/* the last answer, copied */
static struct {
	int type;
	uint64_t id;
	size_t len, count;
	uint8_t data[1 << 20];
} answer;

static enum link_verdict
sup_message(struct link *l, const struct frame *f, void *arg)
{
	(void)l, (void)arg;
	if (f->type == WORKER_LIFE_READY)
		ready = true;
	return (LINK_DONE);
}

static enum link_verdict
queue_message(struct link *l, const struct frame *f, void *arg)
{
	(void)l, (void)arg;
	assert_true(f->len <= sizeof(answer.data));
	answer.type = f->type;
	answer.id = f->id;
	answer.len = f->len;
	memcpy(answer.data, f->data, f->len);
	answer.count++;
	return (LINK_DONE);
}

static void
link_closed(struct link *l, enum link_end end, void *arg)
{
	(void)l, (void)end;
	*(bool *)arg = true;
}

static const struct link_ops sup_ops = { .message = sup_message,
	.closed = link_closed };
static const struct link_ops queue_ops = { .message = queue_message,
	.closed = link_closed };
static bool sup_closed;

/* Turn the loop until the flag or count is as wanted. */
static void
turn_until(const bool *flag, size_t count)
{
	const struct timeval tick = { 0, 10000 };
	int64_t end = clock_mono_ms() + PATIENCE_MS;

	while ((flag != NULL && !*flag) ||
	    (flag == NULL && answer.count < count)) {
		assert_true(clock_mono_ms() < end);
		event_base_loopexit(base, &tick);
		event_base_loop(base, EVLOOP_ONCE);
		link_flush_all();
	}
}

static void
spawn(enum process_class class, const char *program)
{
	struct packer p = { 0 };
	char name[32];
	int sv[2], peer[2], slot_fd;

	if (base == NULL) /* links share what they have in the loop */
		base = event_base_new();
	slot = slot_create(&slot_fd);
	assert_non_null(slot);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, peer), 0);
	snprintf(name, sizeof(name), "%s/0", class_name(class));
	if ((pid = fork()) == 0) {
		int link_fd = dup(sv[1]), board_fd = dup(slot_fd);

		if (dup2(link_fd, WORKER_LINK_FD) == -1 ||
		    dup2(board_fd, WORKER_SLOT_FD) == -1)
			_exit(99);
		closefrom(WORKER_SLOT_FD + 1);
		execl(program, program, name, "4", (char *)NULL);
		_exit(98);
	}
	close(sv[1]);
	ready = closed = sup_closed = false;
	answer.count = 0;
	sup = link_new(base, sv[0], PC_SUPERVISOR, class, 0, &sup_ops,
	    &sup_closed);
	queue = link_new(base, peer[0], PC_QUEUE, class, GENERATION,
	    &queue_ops, &closed);
	pack_blob(&p, "{}", 2);
	assert_int_equal(link_send_packed(sup, SUP_CONFIG_SET, 0, &p), 0);
	pack_reset(&p);
	pack_u8(&p, PC_QUEUE);
	pack_u8(&p, 0);
	pack_u32(&p, GENERATION);
	assert_int_equal(link_send_fd(sup, SUP_PEER_WIRE, 0, p.buf, p.len,
	    peer[1]), 0);
	close(peer[1]);
	assert_int_equal(link_send(sup, SUP_WORK_START, 0, NULL, 0), 0);
	pack_free(&p);
	turn_until(&ready, 0);
}

static void
stop(void)
{
	int status;

	if (!sup_closed)
		link_send(sup, SUP_WORK_STOP, 0, NULL, 0);
	turn_until(&sup_closed, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	link_free(sup);
	link_free(queue);
}

static void
ask_analyze(uint64_t id, const char *event, uint8_t flags)
{
	struct packer p = { 0 };
	size_t n = answer.count;

	pack_u8(&p, ENC_RAW);
	pack_u32(&p, (uint32_t)strlen(event));
	pack_u64(&p, CLOCK_MS);
	pack_u8(&p, flags);
	pack_blob(&p, event, strlen(event));
	assert_int_equal(link_send_packed(queue, QUEUE_ANALYZE_ASK, id, &p),
	    0);
	pack_free(&p);
	turn_until(NULL, n + 1);
	assert_int_equal(answer.id, id);
}

#if !defined(CCTG_ASAN) && !defined(CCTG_COVERAGE)
static void
check_sandboxed(void)
{
	char path[64], text[4096];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	if (getenv("CCTG_SANDBOX") == NULL)
		assert_non_null(strstr(text, "Seccomp:\t2"));
}
#else
static void
check_sandboxed(void)
{
}
#endif

static void
test_analyze(void **state)
{
	struct unpacker u;
	struct span json;

	(void)state;
	spawn(PC_ANALYZE, "./cctg-analyze");
	check_sandboxed();
	ask_analyze(5, "{\"type\":\"task_failed\",\"event_id\":\"e\","
		       "\"title\":\"token: a1b2c3d4e5f6\"}", 0);
	assert_int_equal(answer.type, ANALYZE_EVENT_DONE);
	unpack_init(&u, answer.data, answer.len);
	assert_int_equal(unpack_u8(&u), EK_FINAL);
	assert_int_equal(unpack_u8(&u), SEV_HIGH);
	assert_int_equal(unpack_u8(&u), AN_REDACTED);
	assert_int_not_equal(unpack_u64(&u), 0);
	assert_true(span_eq(unpack_span(&u), "task_failed"));
	assert_true(span_eq(unpack_span(&u), "unknown"));
	assert_true(span_eq(unpack_span(&u), "e"));
	assert_true(span_eq(unpack_span(&u), "token: [token masked]"));
	assert_true(span_eq(unpack_span(&u), ""));
	json = unpack_span(&u);
	assert_true(unpack_done(&u));
	assert_true(json.len > 2 && json.p[0] == '{');
	assert_null(memmem(json.p, json.len, "a1b2c3", 6));

	ask_analyze(6, "{\"type\":\"x\"}", 0);
	assert_int_equal(answer.type, ANALYZE_EVENT_REFUSE);
	ask_analyze(7, "not JSON", 0);
	assert_int_equal(answer.type, ANALYZE_EVENT_REFUSE);
	ask_analyze(8, "{\"type\":\"info_notification\",\"data\":{"
		       "\"command\":\"/cct:mute\"}}", EV_TRUSTED);
	assert_int_equal(answer.data[0], EK_MODE);
	assert_int_equal(slot->cell[M_analyze_jobs], 4);
	assert_int_equal(slot->cell[M_analyze_secrets], 1);
	assert_int_equal(slot->job[0], 0);
	assert_false(closed);
	stop();
}

static void
ask_compress(uint8_t operation, uint32_t raw, const void *data, size_t len)
{
	struct packer p = { 0 };
	size_t n = answer.count;

	pack_u8(&p, operation);
	pack_u32(&p, raw);
	pack_blob(&p, data, len);
	assert_int_equal(link_send_packed(queue, QUEUE_COMPRESS_ASK, 9, &p),
	    0);
	pack_free(&p);
	turn_until(NULL, n + 1);
	assert_int_equal(answer.type, COMPRESS_DATA_DONE);
}

static struct span
compressed(bool *ok, uint8_t *encoding, uint32_t *raw)
{
	struct unpacker u;
	struct span data;

	unpack_init(&u, answer.data, answer.len);
	*ok = unpack_u8(&u) != 0;
	*encoding = unpack_u8(&u);
	*raw = unpack_u32(&u);
	data = unpack_span(&u);
	assert_true(unpack_done(&u));
	return (data);
}

static void
test_compress(void **state)
{
	char text[8000], packed[8000];
	struct packer members = { 0 };
	struct span out;
	uint8_t encoding;
	uint32_t raw, i;
	bool ok;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 7);
	spawn(PC_COMPRESS, "./cctg-compress");
	check_sandboxed();
	ask_compress(CMP_PACK, 0, text, sizeof(text));
	out = compressed(&ok, &encoding, &raw);
	assert_true(ok);
	assert_int_equal(encoding, ENC_LZ4_DICT);
	assert_int_equal(raw, sizeof(text));
	assert_true(out.len < 200);
	memcpy(packed, out.p, out.len);
	for (i = 0; i < 3; i++) {
		pack_u64(&members, 40 + i);
		pack_u8(&members, encoding);
		pack_u32(&members, raw);
		pack_blob(&members, packed, out.len);
	}
	ask_compress(CMP_EXPAND_DICT, raw, packed, out.len);
	out = compressed(&ok, &encoding, &raw);
	assert_true(ok);
	assert_int_equal(out.len, sizeof(text));
	assert_memory_equal(out.p, text, sizeof(text));

	ask_compress(CMP_SEGMENT, 0, members.buf, members.len);
	out = compressed(&ok, &encoding, &raw);
	assert_true(ok);
	assert_int_equal(raw, 3 * sizeof(text));
	assert_true(out.len < sizeof(packed));
	memcpy(packed, out.p, out.len);
	ask_compress(CMP_UNSEGMENT, 0, packed, out.len);
	out = compressed(&ok, &encoding, &raw);
	assert_true(ok);
	assert_int_equal(out.len, 3 * (8 + 1 + 4 + 4 + sizeof(text)));
	assert_memory_equal(out.p + out.len - sizeof(text), text,
	    sizeof(text));

	/* Damage is answered, not died of. */
	ask_compress(CMP_UNSEGMENT, 0, text, sizeof(text));
	compressed(&ok, &encoding, &raw);
	assert_false(ok);
	ask_compress(CMP_EXPAND, 100, text, sizeof(text));
	compressed(&ok, &encoding, &raw);
	assert_false(ok);
	ask_compress(CMP_SEGMENT, 0, text, sizeof(text));
	compressed(&ok, &encoding, &raw);
	assert_false(ok);
	assert_false(closed);
	pack_free(&members);
	stop();
}

static void
test_a_bad_message_costs_the_link(void **state)
{
	uint8_t junk[18];

	(void)state;
	spawn(PC_ANALYZE, "./cctg-analyze");
	memset(junk, 0xff, sizeof(junk));
	assert_int_equal(link_send(queue, QUEUE_ANALYZE_ASK, 1, junk,
	    sizeof(junk)), 0);
	turn_until(&closed, 0);
	assert_false(sup_closed);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_analyze),
		cmocka_unit_test(test_compress),
		cmocka_unit_test(test_a_bad_message_costs_the_link),
	};

	log_init("test_pools", LL_ERR, 0);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
