/*
 * Links between two ends that both behave: order, batches, credit, large
 * payloads, descriptors, and every way to end one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>

#include <cmocka.h>

#include "ipc/credit.h"
#include "tests/unit/link_ends.h"

static struct end a, b;

static void
assert_saw(const struct end *e, size_t i, enum msg_type type, uint64_t id,
    size_t len)
{
	assert_true(i < e->nsaw);
	assert_int_equal(e->saw[i].type, type);
	assert_int_equal(e->saw[i].id, id);
	assert_int_equal(e->saw[i].len, len);
	assert_true(e->saw[i].good);
}

/* Messages of many lengths in one batch, more than the window holds. */
static void
send_and_check(int buffer, size_t messages, size_t step, size_t longest)
{
	size_t sent = 0, seen = 0;

	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, buffer);
	while (seen < messages) {
		while (sent < messages) {
			size_t len = 39 + sent * step % longest;

			if (send_filled(&a, INTAKE_EVENT_SUBMIT, sent, len)
			    == -1)
				break;
			sent++;
		}
		assert_true(sent == messages || errno == EAGAIN);
		b.nsaw = 0;
		settle();
		assert_true(b.nsaw > 0);
		for (size_t i = 0; i < b.nsaw; i++, seen++)
			assert_saw(&b, i, INTAKE_EVENT_SUBMIT, seen,
			    39 + seen * step % longest);
	}
	assert_int_equal(a.closed + b.closed, 0);
	ends_close(&a, &b);
}

static void
test_order_and_contents(void **state)
{
	(void)state;
	send_and_check(0, 20000, 37, 2000);
}

/* The socket takes a few kilobytes at a time, in the middle of frames. */
static void
test_partial_writes(void **state)
{
	(void)state;
	send_and_check(1, 1500, 977, 30000);
	send_and_check(4608, 300, 40009, FRAME_INLINE_MAX - 39);
}

/* Both ways at once, over small buffers. */
static void
test_both_directions(void **state)
{
	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 1);
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, i,
		    5000), 0);
		assert_int_equal(send_filled(&b, QUEUE_QUERY_ANSWER, i,
		    7000), 0);
	}
	settle();
	assert_int_equal(a.nsaw, 100);
	assert_int_equal(b.nsaw, 100);
	for (uint64_t i = 0; i < 100; i++) {
		assert_saw(&b, i, INTAKE_EVENT_SUBMIT, i, 5000);
		assert_saw(&a, i, QUEUE_QUERY_ANSWER, i, 7000);
	}
	ends_close(&a, &b);
}

/* A control frame passes data that waits, and splits no frame. */
static void
test_control_overtakes(void **state)
{
	size_t at = 0;

	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 1);
	link_pause(b.link, true);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, i,
		    40000), 0);
	settle(); /* the socket is full, in the middle of a frame */
	assert_int_equal(link_send(a.link, INTAKE_QUERY_CANCEL, 1000, NULL, 0),
	    0);
	link_pause(b.link, false);
	settle();
	assert_int_equal(b.nsaw, 51);
	while (b.saw[at].type != INTAKE_QUERY_CANCEL)
		at++;
	assert_true(at < 10);
	for (size_t i = 0; i < b.nsaw; i++) {
		if (i != at)
			assert_saw(&b, i, INTAKE_EVENT_SUBMIT, i - (i > at),
			    40000);
	}
	ends_close(&a, &b);
}

static void
test_credit_runs_out_and_comes_back(void **state)
{
	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 0);
	b.verdict = LINK_KEEP;
	for (uint64_t i = 0; i < CREDIT_MSGS; i++) {
		assert_int_equal(link_credit(a.link), CREDIT_MSGS - i);
		assert_true(link_can_send(a.link, INTAKE_EVENT_SUBMIT, 100));
		assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, i, 100),
		    0);
	}
	assert_int_equal(link_stalls(a.link), 0);
	assert_false(link_can_send(a.link, INTAKE_EVENT_SUBMIT, 100));
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 0, 100), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(link_stalls(a.link), 1);
	/* Control needs none. */
	assert_int_equal(link_send(a.link, INTAKE_QUERY_CANCEL, 1, NULL, 0),
	    0);
	settle();
	assert_int_equal(b.nsaw, CREDIT_MSGS + 1);
	assert_int_equal(link_credit(a.link), 0);
	assert_int_equal(a.writable, 0);
	for (int i = 0; i < CREDIT_MSGS / 2 - 1; i++)
		link_release(b.link, 100);
	settle();
	assert_int_equal(a.writable, 0);
	link_release(b.link, 100);
	settle();
	assert_int_equal(a.writable, 1);
	/* It had none left: the window grows. */
	assert_int_equal(link_credit(a.link), CREDIT_MSGS_MAX -
	    CREDIT_MSGS / 2);
	for (int i = 0; i < CREDIT_MSGS / 2; i++)
		link_release(b.link, 100);
	settle();
	assert_int_equal(a.writable, 1); /* only after another EAGAIN */
	assert_true(link_credit(a.link) <= CREDIT_MSGS_MAX);
	/* Once more than was taken: our own mistake costs the link. */
	link_release(b.link, 100);
	settle();
	assert_int_equal(b.closed, 1);
	assert_int_equal(b.how, LINK_ERROR);
	ends_close(&a, &b);
}

static void
test_credit_by_bytes(void **state)
{
	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 0);
	b.verdict = LINK_KEEP;
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 1,
	    MSG_MAX_BYTES), 0);
	assert_false(link_can_send(a.link, INTAKE_EVENT_SUBMIT,
	    MSG_MAX_BYTES));
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 2,
	    MSG_MAX_BYTES), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 2, 1000), 0);
	settle();
	assert_int_equal(b.nsaw, 2);
	assert_int_equal(a.writable, 0);
	link_release(b.link, MSG_MAX_BYTES);
	settle();
	assert_int_equal(a.writable, 1);
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 3,
	    MSG_MAX_BYTES), 0);
	settle();
	assert_saw(&b, 2, INTAKE_EVENT_SUBMIT, 3, MSG_MAX_BYTES);
	ends_close(&a, &b);
}

static void
test_payloads_in_memory_files(void **state)
{
	static const size_t len[] = { FRAME_INLINE_MAX, FRAME_INLINE_MAX + 1,
		100000, 1 << 20, MSG_MAX_BYTES };
	int before = open_descriptors();

	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 1);
	for (uint64_t i = 0; i < 25; i++) {
		assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, i,
		    len[i % 5]), 0);
		/* What is sent is a copy. */
		memset(payload, 0, len[i % 5]);
		/* A small one between them keeps its place. */
		assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 100 + i,
		    50), 0);
		settle();
	}
	assert_int_equal(b.nsaw, 50);
	for (uint64_t i = 0; i < 25; i++) {
		assert_saw(&b, 2 * i, INTAKE_EVENT_SUBMIT, i, len[i % 5]);
		assert_saw(&b, 2 * i + 1, INTAKE_EVENT_SUBMIT, 100 + i, 50);
	}
	ends_close(&a, &b);
	assert_int_equal(open_descriptors(), before);
}

/* Large answers cost no credit: many wait at once. */
static void
test_queued_memory_files_are_closed(void **state)
{
	int before = open_descriptors();

	(void)state;
	ends_open(&a, PC_QUEUE, &b, PC_INTAKE, 1);
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(send_filled(&a, QUEUE_QUERY_ANSWER, i,
		    70000), 0);
	assert_true(open_descriptors() > before + 30);
	ends_close(&a, &b);
	assert_int_equal(open_descriptors(), before);
}

static void
test_refused_sends(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct packer p = { 0 };

	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 0);
#define REFUSED(call, error)                      \
	do {                                      \
		errno = 0;                        \
		assert_int_equal(call, -1);       \
		assert_int_equal(errno, error);   \
	} while (0)
	REFUSED(link_send(a.link, INTAKE_EVENT_SUBMIT, 1, payload, 38),
	    EMSGSIZE);
	REFUSED(link_send(a.link, INTAKE_EVENT_SUBMIT, 1, payload,
	    MSG_MAX_BYTES + 1), EMSGSIZE);
	REFUSED(link_send(a.link, INTAKE_QUERY_CANCEL, 1, payload, 1),
	    EMSGSIZE);
	REFUSED(link_send(a.link, QUEUE_EVENT_ACCEPT, 1, payload, 9), EPERM);
	REFUSED(link_send(a.link, NMSGS, 1, payload, 9), EPERM);
	REFUSED(link_send(a.link, QUEUE_QUERY_ANSWER, 1, payload, 100000),
	    EPERM);
	REFUSED(link_send_fd(a.link, INTAKE_QUERY_CANCEL, 1, NULL, 0, fd),
	    EPERM);
	REFUSED(link_send_fd(a.link, SUP_LISTENER_SHARE, 1, payload,
	    FRAME_INLINE_MAX + 1, fd), EMSGSIZE);
	p.failed = true;
	REFUSED(link_send_packed(a.link, INTAKE_QUERY_CANCEL, 1, &p), ENOMEM);
	link_free(b.link);
	b.link = NULL;
	settle();
	assert_int_equal(a.closed, 1);
	REFUSED(link_send(a.link, INTAKE_QUERY_CANCEL, 1, NULL, 0), EPIPE);
	assert_int_equal(link_credit(a.link), 0);
	assert_false(link_can_send(a.link, INTAKE_QUERY_CANCEL, 0));
	settle();
	assert_int_equal(a.closed, 1); /* once */
	ends_close(&a, &b);
	close(fd);
}

/* A temporary file that holds one number. */
static int
numbered_file(int number)
{
	FILE *f = tmpfile();
	int fd;

	assert_non_null(f);
	fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
	assert_int_equal(pwrite(fd, &number, sizeof(number), 0),
	    sizeof(number));
	fclose(f);
	return (fd);
}

/* Each descriptor arrives with its own frame, among frames that carry a
 * payload in another one and frames without. */
static void
test_descriptors_in_order(void **state)
{
	int before = open_descriptors(), number, files = 0;

	(void)state;
	ends_open(&a, PC_SUPERVISOR, &b, PC_INTAKE, 1);
	for (int i = 0; i < 150; i++) {
		int fd = numbered_file(i);

		fill(payload, (uint64_t)i, 20);
		assert_int_equal(link_send_fd(a.link, SUP_LISTENER_SHARE,
		    (uint64_t)i, payload, 20, fd), 0);
		close(fd); /* the link has its own */
		if (i % 3 == 0)
			assert_int_equal(send_filled(&a, SUP_CONFIG_SET, 1000,
			    3000), 0);
		if (i % 5 == 0)
			assert_int_equal(send_filled(&a, SUP_CONFIG_SET, 2000,
			    90000), 0);
		if (i % 40 == 0)
			settle();
	}
	settle();
	assert_int_equal(b.nsaw, 150 + 50 + 30);
	for (size_t i = 0; i < b.nsaw; i++) {
		assert_true(b.saw[i].good);
		if (b.saw[i].type != SUP_LISTENER_SHARE) {
			assert_int_equal(b.saw[i].fd, -1);
			continue;
		}
		assert_int_equal(b.saw[i].id, files);
		assert_int_equal(pread(b.saw[i].fd, &number, sizeof(number),
		    0), sizeof(number));
		assert_int_equal(number, files++);
		assert_true(fcntl(b.saw[i].fd, F_GETFD) & FD_CLOEXEC);
		close(b.saw[i].fd);
	}
	assert_int_equal(files, 150);
	ends_close(&a, &b);
	assert_int_equal(open_descriptors(), before);
}

static void
test_stale_generation_is_dropped(void **state)
{
	int before = open_descriptors(), sv[2];
	int64_t stale = metric_get(M_link_stale);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	end_open(&a, sv[0], PC_SUPERVISOR, PC_INTAKE, GENERATION);
	end_open(&b, sv[1], PC_INTAKE, PC_SUPERVISOR, GENERATION + 1);
	assert_int_equal(link_generation(a.link), GENERATION);
	assert_int_equal(link_peer(a.link), PC_INTAKE);
	assert_int_equal(send_filled(&a, SUP_CONFIG_SET, 1, 100), 0);
	assert_int_equal(send_filled(&a, SUP_CONFIG_SET, 2, 100000), 0);
	fill(payload, 3, 20);
	assert_int_equal(link_send_fd(a.link, SUP_LISTENER_SHARE, 3, payload,
	    20, STDERR_FILENO), 0);
	settle();
	assert_int_equal(b.nsaw, 0);
	assert_int_equal(b.closed, 0);
	assert_int_equal(metric_get(M_link_stale), stale + 3);
	ends_close(&a, &b);
	assert_int_equal(open_descriptors(), before);
}

/* Freed in each of its own handlers, with more to read and to write. */
static void
test_free_inside_handlers(void **state)
{
	int before = open_descriptors();

	(void)state;
	for (int i = 0; i < 3; i++) {
		ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 0);
		b.free_in_message = i == 0;
		b.free_in_closed = a.free_in_closed = true;
		a.free_in_writable = i == 1;
		b.verdict = i == 2 ? LINK_BAD : LINK_DONE;
		for (uint64_t n = 0; n < CREDIT_MSGS; n++) {
			assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT,
			    n, 100), 0);
			assert_int_equal(send_filled(&b, QUEUE_QUERY_ANSWER,
			    n, 100), 0);
		}
		assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 0, 100),
		    -1);
		settle();
		assert_int_equal(b.nsaw, i == 1 ? CREDIT_MSGS : 1);
		assert_null(a.link);
		assert_null(b.link);
		assert_int_equal(a.closed, i == 1 ? 0 : 1);
		assert_int_equal(open_descriptors(), before);
	}
}

/* A peer that dies has answered: what is in the socket counts. */
static void
end_with_data(bool drain)
{
	ends_open(&a, PC_QUEUE, &b, PC_INTAKE, 0);
	for (uint64_t i = 0; i < 600; i++)
		assert_int_equal(send_filled(&b, INTAKE_QUERY_CANCEL, i, 0),
		    0);
	link_flush_all();
	link_free(b.link);
	b.link = NULL;
	/* Our own write fails first. */
	assert_int_equal(link_send(a.link, QUEUE_QUERY_ANSWER, 1, payload,
	    100), 0);
	link_flush_all();
	if (drain)
		link_drain(a.link);
	else
		settle();
	assert_int_equal(a.nsaw, 600);
	for (uint64_t i = 0; i < 600; i++)
		assert_saw(&a, i, INTAKE_QUERY_CANCEL, i, 0);
	assert_int_equal(a.closed, 1);
	assert_int_equal(a.how, LINK_EOF);
	link_drain(a.link);
	settle();
	assert_int_equal(a.closed, 1);
	ends_close(&a, &b);
}

static void
test_end_of_file_with_data(void **state)
{
	(void)state;
	end_with_data(false);
}

static void
test_drain(void **state)
{
	(void)state;
	end_with_data(true);
	link_drain(NULL);
}

/* More than a turn reads, and a write that failed before. */
static void
test_much_data_before_the_end(void **state)
{
	int big = 4 << 20;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	end_open(&a, sv[0], PC_INTAKE, PC_QUEUE, GENERATION);
	end_open(&b, sv[1], PC_QUEUE, PC_INTAKE, GENERATION);
	link_pause(a.link, true);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(send_filled(&b, QUEUE_QUERY_ANSWER, i,
		    20000), 0);
	settle();
	link_free(b.link);
	b.link = NULL;
	link_pause(a.link, false);
	assert_int_equal(link_send(a.link, INTAKE_QUERY_CANCEL, 1, NULL, 0),
	    0);
	link_flush_all();
	assert_int_equal(link_send(a.link, INTAKE_QUERY_CANCEL, 1, NULL, 0),
	    -1);
	settle();
	assert_true(a.nsaw > 5); /* as many as the socket had taken */
	for (size_t i = 0; i < a.nsaw; i++)
		assert_saw(&a, i, QUEUE_QUERY_ANSWER, i, 20000);
	assert_int_equal(a.closed, 1);
	assert_int_equal(a.how, LINK_EOF);
	ends_close(&a, &b);
}

static void
test_pause(void **state)
{
	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 0);
	link_pause(b.link, true);
	link_pause(b.link, true);
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 1, 100), 0);
	settle();
	assert_int_equal(b.nsaw, 0);
	link_pause(b.link, false);
	settle();
	assert_int_equal(b.nsaw, 1);
	ends_close(&a, &b);
}

/* What was queued and not written goes with the link. */
static void
test_free_with_frames_queued(void **state)
{
	(void)state;
	ends_open(&a, PC_INTAKE, &b, PC_QUEUE, 0);
	link_free(NULL);
	/* Freed with frames queued, marked for the end of the turn. */
	assert_int_equal(send_filled(&a, INTAKE_EVENT_SUBMIT, 1, 100), 0);
	link_free(a.link);
	a.link = NULL;
	settle();
	assert_int_equal(b.nsaw, 0);
	assert_int_equal(b.closed, 1);
	ends_close(&a, &b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_contents),
		cmocka_unit_test(test_partial_writes),
		cmocka_unit_test(test_both_directions),
		cmocka_unit_test(test_control_overtakes),
		cmocka_unit_test(test_credit_runs_out_and_comes_back),
		cmocka_unit_test(test_credit_by_bytes),
		cmocka_unit_test(test_payloads_in_memory_files),
		cmocka_unit_test(test_queued_memory_files_are_closed),
		cmocka_unit_test(test_refused_sends),
		cmocka_unit_test(test_descriptors_in_order),
		cmocka_unit_test(test_stale_generation_is_dropped),
		cmocka_unit_test(test_free_inside_handlers),
		cmocka_unit_test(test_end_of_file_with_data),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_much_data_before_the_end),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_free_with_frames_queued),
	};

	return (cmocka_run_group_tests(tests, ends_setup, NULL));
}
