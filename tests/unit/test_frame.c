/* The checks of a frame header: every type between every pair of classes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "ipc/link.h"

static struct frame_header
header(unsigned int type, uint32_t len)
{
	struct frame_header h = { .version = FRAME_VERSION,
		.type = (uint16_t)type, .length = len };

	if (type < NMSGS && msg_table[type].fd)
		h.flags = FRAME_FD;
	else if (len > FRAME_INLINE_MAX)
		h.flags = FRAME_MEMFD;
	return (h);
}

static bool
may(unsigned int type, int from, int to)
{
	return ((msg_table[type].from & 1U << from) != 0 &&
	    (msg_table[type].to & 1U << to) != 0);
}

#define EACH_PAIR(from, to)                       \
	for (int from = 0; from < NCLASSES; from++) \
		for (int to = 0; to < NCLASSES; to++)

/* Just the senders and receivers that the table names, at both bounds. */
static void
test_every_type_and_pair(void **state)
{
	(void)state;
	for (unsigned int t = 0; t < NMSGS; t++) {
		const struct msg_info *m = &msg_table[t];
		struct frame_header low = header(t, m->min);
		struct frame_header high = header(t, m->max);
		int allowed = 0;

		assert_true(m->min <= m->max && m->max <= MSG_MAX_BYTES);
		EACH_PAIR(from, to) {
			enum frame_error want = may(t, from, to) ? FRAME_OK :
			    FRAME_BAD_SENDER;

			allowed += want == FRAME_OK;
			assert_int_equal(frame_check(&low, from, to), want);
			assert_int_equal(frame_check(&high, from, to), want);
		}
		assert_true(allowed > 0);
	}
}

/* The length comes before the sender: a peer learns nothing by trying. */
static void
test_every_length_bound(void **state)
{
	(void)state;
	for (unsigned int t = 0; t < NMSGS; t++) {
		const struct msg_info *m = &msg_table[t];
		uint32_t outside[] = { m->min - 1, m->max + 1,
			MSG_MAX_BYTES + 1, UINT32_MAX, 1U << 31 };

		for (size_t i = 0; i < 5; i++) {
			struct frame_header h = header(t, outside[i]);

			if (m->min == 0 && i == 0)
				continue;
			EACH_PAIR(from, to)
				assert_int_equal(frame_check(&h, from, to),
				    FRAME_BAD_LENGTH);
		}
	}
}

static void
test_large_payloads_only_as_memfd(void **state)
{
	struct frame_header h = header(INTAKE_EVENT_SUBMIT,
	    FRAME_INLINE_MAX + 1);

	(void)state;
	assert_int_equal(frame_check(&h, PC_INTAKE, PC_QUEUE), FRAME_OK);
	h.flags = 0;
	assert_int_equal(frame_check(&h, PC_INTAKE, PC_QUEUE),
	    FRAME_BAD_LENGTH);
	h.length--;
	assert_int_equal(frame_check(&h, PC_INTAKE, PC_QUEUE), FRAME_OK);
}

/* Every other version, type, flag and reserved word. */
static void
test_bad_headers(void **state)
{
	struct frame_header good = header(LINK_CREDIT_GRANT, 8), h;

	(void)state;
	assert_int_equal(frame_check(&good, PC_QUEUE, PC_FORMAT), FRAME_OK);
	for (unsigned int v = 0; v < 256; v++) {
		h = good;
		h.version = (uint8_t)v;
		assert_int_equal(frame_check(&h, PC_QUEUE, PC_FORMAT),
		    v == FRAME_VERSION ? FRAME_OK : FRAME_BAD_VERSION);
		h = good;
		h.flags = (uint8_t)v;
		assert_int_equal(frame_check(&h, PC_QUEUE, PC_FORMAT),
		    (v & ~FRAME_MEMFD) == 0 ? FRAME_OK : FRAME_BAD_FLAGS);
	}
	for (unsigned int t = NMSGS; t <= UINT16_MAX; t++) {
		h = good;
		h.type = (uint16_t)t;
		assert_int_equal(frame_check(&h, PC_QUEUE, PC_FORMAT),
		    FRAME_BAD_TYPE);
	}
	for (int bit = 0; bit < 32; bit++) {
		h = good;
		h.reserved = 1U << bit;
		assert_int_equal(frame_check(&h, PC_QUEUE, PC_FORMAT),
		    FRAME_BAD_VERSION);
	}
}

/* With each type a descriptor comes always or never. */
static void
test_descriptor_flags(void **state)
{
	int with = 0;

	(void)state;
	for (unsigned int t = 0; t < NMSGS; t++) {
		struct frame_header h = header(t, msg_table[t].min);

		with += msg_table[t].fd;
		EACH_PAIR(from, to) {
			if (!may(t, from, to))
				continue;
			h.flags = msg_table[t].fd ? 0 : FRAME_FD;
			assert_int_equal(frame_check(&h, from, to),
			    FRAME_BAD_FLAGS);
			h.flags = FRAME_FD | FRAME_MEMFD;
			assert_int_equal(frame_check(&h, from, to),
			    FRAME_BAD_FLAGS);
		}
	}
	assert_int_equal(with, 3);
}

/* Answers and control frames cost nothing, so that neither can be stuck
 * behind a window; nothing costs more than one. */
static void
test_costs(void **state)
{
	static const char *const free_verbs[] = { "_ACCEPT", "_ANSWER",
		"_CANCEL", "_DONE", "_DRAIN", "_GRANT", "_LOST", "_REFUSE",
		"_SEEN", "_SET", "_START", "_STOP" };

	(void)state;
	for (unsigned int t = 0; t < NMSGS; t++) {
		const char *verb = strrchr(msg_table[t].name, '_');

		assert_true(msg_table[t].cost <= 1);
		if (msg_table[t].from == F_SUP || msg_table[t].to == F_SUP)
			assert_int_equal(msg_table[t].cost, 0);
		for (size_t i = 0; i < 12; i++)
			if (strcmp(verb, free_verbs[i]) == 0)
				assert_int_equal(msg_table[t].cost, 0);
	}
	assert_int_equal(msg_table[INTAKE_EVENT_SUBMIT].cost, 1);
	assert_int_equal(msg_table[QUEUE_CALL_ASK].cost, 1);
}

static void
test_names(void **state)
{
	(void)state;
	for (int c = 0; c < NCLASSES; c++)
		assert_int_equal(class_by_name(class_name(c)), c);
	assert_int_equal(class_by_name("nonsense"), -1);
	assert_string_equal(class_name(NCLASSES), "?");
	assert_string_equal(msg_name(NMSGS), "?");
	assert_string_equal(msg_name(SUP_WORK_START), "SUP_WORK_START");
	assert_string_equal(outcome_name(NOUTCOMES), "?");
	assert_string_equal(outcome_name(CO_AMBIGUOUS), "ambiguous");
	assert_true(class_is_pool(PC_FORMAT));
	assert_false(class_is_pool(PC_QUEUE));
	assert_false(class_is_pool(NCLASSES));
	for (int e = FRAME_OK; e <= FRAME_BAD_FLAGS; e++)
		assert_true(strlen(frame_strerror(e)) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_and_pair),
		cmocka_unit_test(test_every_length_bound),
		cmocka_unit_test(test_large_payloads_only_as_memfd),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_descriptor_flags),
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
