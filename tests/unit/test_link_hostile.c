/*
 * A peer that sends nonsense loses its link, once, and nothing else happens:
 * no descriptor stays open, and another link of the process goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>

#include <cmocka.h>

#include "ipc/credit.h"
#include "tests/unit/link_ends.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static struct end victim, good_a, good_b;
static int raw; /* the hostile end */
static int before;
static int64_t malformed;

/* A queue that has a bad intake and a good format worker. */
static int
hostile_setup(void **state)
{
	int sv[2];

	(void)state;
	before = open_descriptors();
	malformed = metric_get(M_link_malformed);
	ends_open(&good_a, PC_FORMAT, &good_b, PC_QUEUE, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) == -1)
		return (-1);
	raw = sv[1];
	end_open(&victim, sv[0], PC_QUEUE, PC_INTAKE, GENERATION);
	return (0);
}

static void
expect_end(enum link_end how)
{
	settle();
	assert_int_equal(victim.closed, 1);
	assert_int_equal(victim.how, how);
	assert_int_equal(metric_get(M_link_malformed),
	    malformed + (how == LINK_MALFORMED));
}

static int
hostile_teardown(void **state)
{
	(void)state;
	/* The neighbour still works. */
	assert_int_equal(send_filled(&good_a, FORMAT_TEXT_DONE, 1, 500), 0);
	settle();
	assert_int_equal(good_b.nsaw, 1);
	assert_true(good_b.saw[0].good);
	assert_int_equal(good_a.closed + good_b.closed, 0);
	ends_close(&good_a, &good_b);
	link_free(victim.link);
	close(raw);
	assert_int_equal(open_descriptors(), before);
	return (0);
}

static struct frame_header
header(enum msg_type type, uint32_t len)
{
	struct frame_header h = { .version = FRAME_VERSION,
		.type = (uint16_t)type, .length = len, .id = 1,
		.generation = GENERATION };

	return (h);
}

static void
say(const void *data, size_t len)
{
	assert_int_equal(write(raw, data, len), (ssize_t)len);
}

static void
say_header(struct frame_header h)
{
	say(&h, sizeof(h));
}

/* Bytes with descriptors. */
static void
say_with(const void *data, size_t len, const int *fd, size_t n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(32 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen =
	    CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fd, n * sizeof(int));
	assert_int_equal(sendmsg(raw, &msg, 0), (ssize_t)len);
}

#define HOSTILE(name, how, ...)         \
	static void name(void **state)  \
	{                               \
		(void)state;            \
		__VA_ARGS__             \
		expect_end(how);        \
	}

/* Headers. */
HOSTILE(test_version, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	h.version = 2;
	say_header(h);
})
HOSTILE(test_type, LINK_MALFORMED, {
	say_header(header(NMSGS, 0));
})
HOSTILE(test_flags, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	h.flags = 0x80;
	say_header(h);
})
HOSTILE(test_reserved, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	h.reserved = 1;
	say_header(h);
})
HOSTILE(test_too_short, LINK_MALFORMED, {
	say_header(header(INTAKE_EVENT_SUBMIT, 38));
})
HOSTILE(test_too_long, LINK_MALFORMED, {
	say_header(header(INTAKE_QUERY_CANCEL, 1));
})
HOSTILE(test_four_gigabytes, LINK_MALFORMED, {
	say_header(header(INTAKE_EVENT_SUBMIT, UINT32_MAX));
})
HOSTILE(test_large_inline, LINK_MALFORMED, {
	say_header(header(INTAKE_EVENT_SUBMIT, FRAME_INLINE_MAX + 1));
})
HOSTILE(test_not_its_to_send, LINK_MALFORMED, {
	say_header(header(SUP_WORK_STOP, 0));
})
HOSTILE(test_refused_by_the_handler, LINK_MALFORMED, {
	victim.verdict = LINK_BAD;
	say_header(header(INTAKE_QUERY_CANCEL, 0));
	say_header(header(INTAKE_QUERY_CANCEL, 0));
	settle();
	assert_int_equal(victim.nsaw, 1);
})

/* Ends. */
HOSTILE(test_end_of_file, LINK_EOF, {
	shutdown(raw, SHUT_WR);
})
HOSTILE(test_half_a_header, LINK_EOF, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	say(&h, 11);
	settle();
	assert_int_equal(victim.closed, 0);
	shutdown(raw, SHUT_WR);
})
HOSTILE(test_half_a_payload, LINK_EOF, {
	say_header(header(INTAKE_EVENT_SUBMIT, 1000));
	say(payload, 999);
	settle();
	assert_int_equal(victim.closed, 0);
	assert_int_equal(victim.nsaw, 0);
	shutdown(raw, SHUT_WR);
})

/* Byte by byte is slow, not wrong. */
HOSTILE(test_byte_by_byte, LINK_EOF, {
	struct frame_header h = header(INTAKE_EVENT_SUBMIT, 100);
	uint8_t all[sizeof(h) + 100];

	memcpy(all, &h, sizeof(h));
	fill(all + sizeof(h), 1, 100);
	for (size_t i = 0; i < sizeof(all); i++) {
		assert_int_equal(victim.nsaw, 0);
		say(all + i, 1);
		settle();
	}
	assert_int_equal(victim.nsaw, 1);
	assert_true(victim.saw[0].good);
	shutdown(raw, SHUT_WR);
})

/* Credit. */
HOSTILE(test_grant_beyond_the_largest_window, LINK_MALFORMED, {
	const uint32_t grant[2] = { CREDIT_MSGS_MAX - CREDIT_MSGS + 1, 0 };
	say_header(header(LINK_CREDIT_GRANT, 8));
	say(grant, sizeof(grant));
})
HOSTILE(test_grant_of_bytes_not_spent, LINK_MALFORMED, {
	const uint32_t grant[2] = { 0, 1 };
	say_header(header(LINK_CREDIT_GRANT, 8));
	say(grant, sizeof(grant));
})
HOSTILE(test_grant_of_everything, LINK_MALFORMED, {
	const uint32_t grant[2] = { UINT32_MAX, UINT32_MAX };
	say_header(header(LINK_CREDIT_GRANT, 8));
	say(grant, sizeof(grant));
})
HOSTILE(test_more_messages_than_granted, LINK_MALFORMED, {
	victim.verdict = LINK_KEEP;
	for (int i = 0; i < CREDIT_MSGS + 1; i++) {
		assert_int_equal(victim.closed, 0);
		say_header(header(INTAKE_EVENT_SUBMIT, 39));
		say(payload, 39);
		settle();
	}
	assert_int_equal(victim.nsaw, CREDIT_MSGS);
})
HOSTILE(test_more_bytes_than_granted, LINK_MALFORMED, {
	victim.verdict = LINK_KEEP;
	for (int i = 0; i <= (int)(CREDIT_BYTES / 60000); i++) {
		assert_int_equal(victim.closed, 0);
		say_header(header(INTAKE_EVENT_SUBMIT, 60000));
		say(payload, 60000);
		settle();
	}
	assert_int_equal(victim.nsaw, CREDIT_BYTES / 60000);
})

/* Descriptors. */
static int
memory_file(size_t len, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_not_equal(fd, -1);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	if (seals != 0)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return (fd);
}

/* An event of 100000 bytes that is said to be in fd, which is closed. */
static void
say_memory_file(int fd)
{
	struct frame_header h = header(INTAKE_EVENT_SUBMIT, 100000);

	h.flags = FRAME_MEMFD;
	if (fd == -1) {
		say_header(h);
		return;
	}
	say_with(&h, sizeof(h), &fd, 1);
	close(fd);
}

HOSTILE(test_no_descriptor, LINK_MALFORMED, {
	say_memory_file(-1);
})
HOSTILE(test_no_memory_file, LINK_MALFORMED, {
	say_memory_file(open("/dev/zero", O_RDONLY | O_CLOEXEC));
})
HOSTILE(test_not_sealed, LINK_MALFORMED, {
	say_memory_file(memory_file(100000, 0));
})
HOSTILE(test_sealed_but_writable, LINK_MALFORMED, {
	say_memory_file(memory_file(100000, F_SEAL_SHRINK | F_SEAL_GROW));
})
HOSTILE(test_sealed_but_could_shrink, LINK_MALFORMED, {
	say_memory_file(memory_file(100000, F_SEAL_WRITE | F_SEAL_GROW));
})
HOSTILE(test_memory_file_too_short, LINK_MALFORMED, {
	say_memory_file(memory_file(99999, SEALS));
})
HOSTILE(test_memory_file_too_long, LINK_MALFORMED, {
	say_memory_file(memory_file(100001, SEALS));
})
HOSTILE(test_empty_memory_file, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	int fd = memory_file(0, SEALS);

	h.flags = FRAME_MEMFD;
	say_with(&h, sizeof(h), &fd, 1);
	close(fd);
})
HOSTILE(test_descriptor_without_flag, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	const int fd = STDERR_FILENO;

	say_with(&h, sizeof(h), &fd, 1);
})
HOSTILE(test_descriptors_with_half_a_header, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	const int fd[3] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };

	say_with(&h, 5, fd, 3);
})
HOSTILE(test_descriptor_for_a_type_without, LINK_MALFORMED, {
	struct frame_header h = header(INTAKE_QUERY_CANCEL, 0);
	const int fd = STDERR_FILENO;

	h.flags = FRAME_FD;
	say_with(&h, sizeof(h), &fd, 1);
})

/* Random bytes, and good frames with random bits turned: the link may end,
 * but not otherwise than by one closed(). */
static void
test_random_bytes(void **state)
{
	struct frame_header h;
	uint8_t junk[512];
	int sv[2];

	(void)state;
	srandom(1);
	for (int run = 0; run < 5000; run++) {
		link_free(victim.link);
		close(raw);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK, 0, sv), 0);
		raw = sv[1];
		end_open(&victim, sv[0], PC_QUEUE, PC_INTAKE, GENERATION);
		for (int i = 0; i < 3 && victim.closed == 0; i++) {
			h = header((enum msg_type)(random() % NMSGS),
			    (uint32_t)(random() % 80));
			for (size_t n = 0; n < sizeof(junk); n++)
				junk[n] = (uint8_t)random();
			if (run % 2 == 0)
				memcpy(junk, &h, sizeof(h));
			junk[(size_t)random() % sizeof(h)] ^=
			    (uint8_t)(1 << random() % 8);
			(void)send(raw, junk, sizeof(junk), MSG_NOSIGNAL);
			settle();
		}
		assert_true(victim.closed <= 1);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, hostile_setup, \
	hostile_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = { T(test_version), T(test_type),
		T(test_flags), T(test_reserved), T(test_too_short),
		T(test_too_long), T(test_four_gigabytes),
		T(test_large_inline), T(test_not_its_to_send),
		T(test_refused_by_the_handler), T(test_end_of_file),
		T(test_half_a_header), T(test_half_a_payload),
		T(test_byte_by_byte), T(test_grant_beyond_the_largest_window),
		T(test_grant_of_bytes_not_spent),
		T(test_grant_of_everything),
		T(test_more_messages_than_granted),
		T(test_more_bytes_than_granted), T(test_no_descriptor),
		T(test_no_memory_file), T(test_not_sealed),
		T(test_sealed_but_writable), T(test_sealed_but_could_shrink),
		T(test_memory_file_too_short), T(test_memory_file_too_long),
		T(test_empty_memory_file), T(test_descriptor_without_flag),
		T(test_descriptors_with_half_a_header),
		T(test_descriptor_for_a_type_without), T(test_random_bytes) };

	return (cmocka_run_group_tests(tests, ends_setup, NULL));
}
