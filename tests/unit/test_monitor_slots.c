/* Views of real shared memory, also of slots that have gone mad. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/clock.h"
#include "common/scoreboard.h"
#include "workers/monitor/expose.h"
#include "workers/monitor/health.h"
#include "workers/monitor/slots.h"

static struct board *board;
static struct view view;

static struct slot *
share(enum process_class class, unsigned int index)
{
	struct slot *s;
	int fd;

	assert_non_null(s = slot_create(&fd));
	slots_share(class, index, fd);
	return (s);
}

static void
row(unsigned int i, enum process_class class, unsigned int index,
    enum worker_state state, int32_t pid)
{
	struct board_row *r = &board->row[i];

	r->class = class;
	r->index = index;
	r->state = state;
	r->pid = pid;
	r->ready_ms = 5;
	r->used = 1;
	if (board->rows < i + 1)
		board->rows = i + 1;
}

/* Before anything is shared, and when what is shared is no slot. */
static void
test_nothing_shared(void **state)
{
	int fd[2];
	size_t len;
	char *text;

	(void)state;
	slots_view(&view);
	assert_int_equal(view.nworkers, 0);
	text = expose_text(&view, &len);
	assert_non_null(text);
	free(text);
	assert_int_equal(pipe(fd), 0);
	slots_share(PC_QUEUE, 0, fd[0]);
	slots_share(PC_SUPERVISOR, 0, fd[1]);
	assert_int_equal(fcntl(fd[0], F_GETFD), -1); /* both are closed */
	assert_int_equal(fcntl(fd[1], F_GETFD), -1);
	slots_share(PC_FORMAT, POOL_MAX, open("/dev/null", O_RDONLY));
}

static void
test_sums_and_rows(void **state)
{
	struct slot *a, *b;
	int fd;

	(void)state;
	assert_non_null(board = board_create(&fd));
	slots_share(PC_SUPERVISOR, 0, fd);
	board->started_mono_ms = clock_mono_ms() - 5000;
	board->pss_bytes = 1000;
	board->cell[M_worker_restarts] = 2;
	row(0, PC_QUEUE, 0, WS_READY, 10);
	row(1, PC_FORMAT, 1, WS_BACKOFF, 0);
	board->row[0].pss_bytes = 500;
	board->row[1].unready_ms = clock_mono_ms() - 300;
	a = share(PC_QUEUE, 0);
	b = share(PC_FORMAT, 1);
	a->cell[M_format_jobs] = 40;
	b->cell[M_format_jobs] = 2;
	a->turn_ns = clock_mono_ns() - 7000000000;
	a->link[3] = (struct slot_link){ SLOT_LINK_UP, PC_FORMAT, 1, 99, 4 };
	slots_view(&view);
	assert_in_range(view.uptime_ms, 5000, 6000);
	assert_int_equal(view.memory_bytes, 1500);
	assert_int_equal(view.cell[M_format_jobs], 42);
	assert_int_equal(view.cell[M_worker_restarts], 2);
	assert_int_equal(view.nworkers, 2);
	assert_string_equal(view.worker[0].name, "queue");
	assert_in_range(view.worker[0].silent_ms, 7000, 8000);
	assert_int_equal(view.worker[0].unready_ms, 0);
	assert_string_equal(view.worker[1].name, "format/1");
	assert_int_equal(view.worker[1].state, WS_BACKOFF);
	assert_in_range(view.worker[1].unready_ms, 300, 1300);
	assert_int_equal(view.nlinks, 1);
	assert_string_equal(view.link[0].worker, "queue");
	assert_string_equal(view.link[0].peer, "format/1");
	assert_int_equal(view.link[0].credit, 99);
	a->link[3].used = SLOT_LINK_DOWN;
	slots_view(&view);
	assert_false(view.link[0].up);
}

/* A successor's slot lacks at first what its predecessor counted last. */
static void
test_counters_never_go_back(void **state)
{
	struct slot *s;

	(void)state;
	s = share(PC_FORMAT, 1);
	s->cell[M_format_jobs] = 1;
	s->cell[M_queue_pending] = 7;
	slots_view(&view);
	assert_int_equal(view.cell[M_format_jobs], 42);
	assert_int_equal(view.cell[M_queue_pending], 7); /* a gauge may */
	s->cell[M_format_jobs] = 3;
	slots_view(&view);
	assert_int_equal(view.cell[M_format_jobs], 43);
}

static void
test_processor_time(void **state)
{
	(void)state;
	board->row[0].cpu_us = 1000000;
	board->cpu_us = 500000;
	slots_view(&view);
	/* 1.5 s in a little more than 5. */
	assert_true(view.cpu_percent > 20 && view.cpu_percent <= 30);
	/* Another process begins at nothing: never a negative use. */
	board->row[0].pid = 11;
	board->row[0].cpu_us = 0;
	slots_view(&view);
	assert_true(view.cpu_percent > 0 && view.cpu_percent <= 10);
}

static void
fill(void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((unsigned char *)p)[i] = (unsigned char)random();
}

/* Random bytes in every slot: nothing but nonsense figures comes of it. */
static void
test_mad_slots(void **state)
{
	struct json_object *o;
	struct slot *s[3];
	size_t len;
	char *text;

	(void)state;
	srandom(7);
	s[0] = share(PC_QUEUE, 0);
	s[1] = share(PC_TELEGRAM, 0);
	s[2] = share(PC_FORMAT, 1);
	row(2, PC_TELEGRAM, 0, WS_READY, 12);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 3; i++)
			fill(s[i], sizeof(*s[i]));
		for (int i = 0; i < SLOT_LINKS; i++)
			if (round % 2) /* also with plausible peers */
				s[0]->link[i] = (struct slot_link){
					(uint32_t)random() % 3,
					(uint32_t)random() % (NCLASSES + 1),
					(uint32_t)random() % (POOL_MAX + 1),
					(uint32_t)random(), UINT64_MAX };
		memset(s[1]->note, 0xc3, sizeof(s[1]->note));
		slots_view(&view);
		assert_true(view.nlinks <= VIEW_LINKS);
		assert_true(memchr(view.bot, '\0', sizeof(view.bot)) != NULL);
		text = expose_text(&view, &len);
		assert_int_equal(strlen(text), len);
		free(text);
		o = health_report(&view);
		text = strdup(json_object_to_json_string(o));
		json_object_put(o);
		o = json_tokener_parse(text);
		assert_non_null(o);
		json_object_put(o);
		free(text);
	}
}

/* A board row out of bounds is none; a state out of bounds is no good one. */
static void
test_rows_out_of_bounds(void **state)
{
	(void)state;
	board->rows = UINT32_MAX;
	row(3, NCLASSES, 0, WS_READY, 1);
	row(4, PC_FORMAT, POOL_MAX, WS_READY, 1);
	row(5, PC_ANALYZE, 0, (enum worker_state)99, 1);
	board->rows = UINT32_MAX;
	memset(board->reason, 'x', sizeof(board->reason));
	slots_view(&view);
	assert_int_equal(view.nworkers, 4);
	assert_int_equal(view.worker[3].state, WS_FAILED);
	assert_in_range(strlen(view.reason), 100, sizeof(view.reason) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_shared),
		cmocka_unit_test(test_sums_and_rows),
		cmocka_unit_test(test_counters_never_go_back),
		cmocka_unit_test(test_processor_time),
		cmocka_unit_test(test_mad_slots),
		cmocka_unit_test(test_rows_out_of_bounds),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
