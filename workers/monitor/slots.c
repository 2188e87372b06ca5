/*
 * The scoreboard as the monitor reads it: maps what the supervisor shares and
 * makes a view of it.
 *
 * Called by monitor.c (sharing) and whoever answers a request (looking).
 * Readers take no lock and believe nothing: a slot is written by a worker
 * that may have gone mad, so indices are checked, names are made here from
 * class and index, and texts are escaped.  A slot that cannot be mapped is
 * logged and left out.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "ipc/link.h"
#include "workers/monitor/slots.h"

/* A successor's counters lack, until its predecessor has left, what that one
 * counted meanwhile: a drain of 5 s and a stop of 2 s at most. */
#define MERGE_MS 10000
/* The supervisor reads times and memory every 5 s, so the processor's use is
 * measured over several of its readings. */
#define CPU_WINDOW_MS 15000

/* The processor time of one process, as read some time ago. */
struct cpu_mark {
	int32_t pid;
	uint64_t cpu_us;
};

static const struct board *board;
static const struct slot *slot[NCLASSES][POOL_MAX];
static uint64_t floors[NMETRICCELLS]; /* counters are not below these … */
static int64_t floors_until_ms;	      /* … until then */
static struct {
	int64_t at_ms;
	struct cpu_mark mark[BOARD_ROWS + 1]; /* rows, the supervisor */
} older, newer;

static void slots_map_board(int);
static void slots_sum(uint64_t *);
static void slots_own(struct view *);
static void slots_raise(uint64_t *);
static bool slots_is_gauge(unsigned int);
static void view_add_worker(struct view *, const struct board_row *);
static void view_add_links(struct view *, const char *, const struct slot *);
static void view_name(char *, unsigned int, unsigned int);
static void view_text(char *, size_t, const char *, size_t);
static void view_cpu(struct view *);
static void cpu_marks(struct cpu_mark *);
static uint64_t cpu_since(const struct cpu_mark *, const struct cpu_mark *);

static inline uint64_t
load(const _Atomic uint64_t *p)
{
	return (atomic_load_explicit(p, memory_order_relaxed));
}

void
slots_share(enum process_class class, unsigned int index, int fd)
{
	uint64_t sum[NMETRICCELLS];
	const struct slot *s;

	if (class == PC_SUPERVISOR) {
		slots_map_board(fd);
		return;
	}
	if (index >= POOL_MAX || (s = slot_map_readonly(fd)) == NULL) {
		log_warn("cannot read the slot of %s/%u; its figures are "
		    "missing", class_name(class), index);
		close(fd);
		return;
	}
	close(fd);
	if (slot[class][index] != NULL) {
		slots_sum(sum);
		slots_raise(sum);
		memcpy(floors, sum, sizeof(floors));
		floors_until_ms = clock_mono_ms() + MERGE_MS;
		munmap((void *)(uintptr_t)slot[class][index], sizeof(*s));
	}
	slot[class][index] = s;
}

static void
slots_map_board(int fd)
{
	const struct board *b = board_map_readonly(fd);

	if (b == NULL)
		log_warn("cannot read the supervisor's board; its figures are "
		    "missing");
	else {
		if (board != NULL)
			munmap((void *)(uintptr_t)board, sizeof(*board));
		board = b;
	}
	close(fd);
}

/* Sums. */

static void
slots_sum(uint64_t *cell)
{
	const struct slot *s;

	for (unsigned int i = 0; i < NMETRICCELLS; i++)
		cell[i] = board == NULL ? 0 : load(&board->cell[i]);
	for (unsigned int c = 0; c < NCLASSES; c++)
		for (unsigned int n = 0; n < POOL_MAX; n++) {
			if ((s = slot[c][n]) == NULL)
				continue;
			for (unsigned int i = 0; i < NMETRICCELLS; i++)
				cell[i] += load(&s->cell[i]);
		}
}

static void
slots_own(struct view *v)
{
	for (unsigned int c = 0; c < NCLASSES; c++)
		for (unsigned int i = 0; slot[c][0] != NULL &&
		    i < NMETRICCELLS; i++)
			v->own[c][i] = load(&slot[c][0]->cell[i]);
}

/* A counter that went back would be taken for one that began anew. */
static void
slots_raise(uint64_t *cell)
{
	if (clock_mono_ms() >= floors_until_ms)
		return;
	for (unsigned int i = 0; i < NMETRICCELLS; i++)
		if (cell[i] < floors[i] && !slots_is_gauge(i))
			cell[i] = floors[i];
}

static bool
slots_is_gauge(unsigned int cell)
{
#define NOT_GAUGE(name, ...)
#define IS_GAUGE(name, help) case M_##name:
	switch (cell) {
	METRICS(NOT_GAUGE, IS_GAUGE, NOT_GAUGE, NOT_GAUGE)
		return (true);
	default:
		return (false);
	}
#undef NOT_GAUGE
#undef IS_GAUGE
}

/* Views. */

void
slots_view(struct view *v)
{
	int64_t started_ms;
	uint32_t rows;

	memset(v, 0, sizeof(*v));
	v->wall_ms = clock_wall_ms();
	slots_sum(v->cell);
	slots_raise(v->cell);
	slots_own(v);
	if (slot[PC_TELEGRAM][0] != NULL)
		view_text(v->bot, sizeof(v->bot), slot[PC_TELEGRAM][0]->note,
		    sizeof(slot[PC_TELEGRAM][0]->note));
	if (board == NULL)
		return;
	started_ms = board->started_mono_ms;
	v->uptime_ms = clock_mono_ms() - started_ms;
	v->degraded = board->degraded != 0;
	view_text(v->reason, sizeof(v->reason), board->reason,
	    sizeof(board->reason));
	v->rss_bytes = load(&board->rss_bytes);
	v->pss_bytes = load(&board->pss_bytes);
	v->cpu_us = load(&board->cpu_us);
	v->memory_bytes = v->pss_bytes;
	rows = board->rows;
	for (uint32_t i = 0; i < rows && i < BOARD_ROWS; i++)
		view_add_worker(v, &board->row[i]);
	view_cpu(v);
}

static void
view_add_worker(struct view *v, const struct board_row *row)
{
	struct view_worker *w = &v->worker[v->nworkers];
	unsigned int class = row->class, index = row->index;
	uint32_t state = row->state;
	int64_t unready_ms = row->unready_ms, turn_ns;
	const struct slot *s;

	if (!row->used || class >= NCLASSES || index >= POOL_MAX)
		return;
	v->nworkers++;
	view_name(w->name, class, index);
	w->class = class;
	w->state = state < NWORKERSTATES ? state : WS_FAILED;
	if (w->state != WS_READY)
		w->unready_ms = clock_mono_ms() - unready_ms;
	w->ready_ms = row->ready_ms;
	w->was_ready = w->ready_ms > 0 || w->state == WS_READY;
	w->restarts = load(&row->restarts);
	w->crashes = load(&row->crashes);
	w->rss_bytes = load(&row->rss_bytes);
	w->pss_bytes = load(&row->pss_bytes);
	w->cpu_us = load(&row->cpu_us);
	v->memory_bytes += w->pss_bytes;
	if ((s = slot[class][index]) == NULL)
		return;
	turn_ns = s->turn_ns;
	if (w->state == WS_READY && turn_ns > 0)
		w->silent_ms = (clock_mono_ns() - turn_ns) / 1000000;
	view_add_links(v, w->name, s);
}

static void
view_add_links(struct view *v, const char *worker, const struct slot *s)
{
	struct view_link *l;
	const struct slot_link *from;
	uint32_t class, index, used;

	for (unsigned int i = 0; i < SLOT_LINKS && v->nlinks < VIEW_LINKS;
	    i++) {
		from = &s->link[i];
		used = from->used;
		class = from->class;
		index = from->index;
		if (used == SLOT_LINK_FREE || class >= NCLASSES ||
		    index >= POOL_MAX)
			continue;
		l = &v->link[v->nlinks++];
		strlcpy(l->worker, worker, sizeof(l->worker));
		view_name(l->peer, class, index);
		l->up = used == SLOT_LINK_UP;
		l->credit = from->credit;
		l->stalls = load(&from->stalls);
	}
}

static void
view_name(char *name, unsigned int class, unsigned int index)
{
	if (class_is_pool(class))
		snprintf(name, VIEW_NAME_SIZE, "%s/%u", class_name(class),
		    index);
	else
		strlcpy(name, class_name(class), VIEW_NAME_SIZE);
}

/* Text that may change while it is read: copied first, then made fit. */
static void
view_text(char *out, size_t size, const char *shared, size_t len)
{
	char copy[sizeof(((struct slot *)NULL)->note)];

	if (len > sizeof(copy))
		len = sizeof(copy);
	memcpy(copy, shared, len);
	log_escape(out, size, copy, strnlen(copy, len));
}

/* Processor time. */

/*
 * Use of the processor in the window that ends now; since the start for the
 * first one.  Nothing is done between requests: a window is as long as the
 * time since the request before last, CPU_WINDOW_MS at least.
 */
static void
view_cpu(struct view *v)
{
	struct cpu_mark now[BOARD_ROWS + 1];
	int64_t now_ms = clock_mono_ms(), from_ms;
	uint64_t us = 0;

	cpu_marks(now);
	from_ms = older.at_ms != 0 ? older.at_ms : now_ms - v->uptime_ms;
	for (size_t i = 0; i < BOARD_ROWS + 1; i++)
		us += cpu_since(&older.mark[i], &now[i]);
	if (now_ms > from_ms)
		v->cpu_percent = (double)us / 10 / (double)(now_ms - from_ms);
	if (newer.at_ms == 0 || now_ms - newer.at_ms >= CPU_WINDOW_MS) {
		older = newer;
		newer.at_ms = now_ms;
		memcpy(newer.mark, now, sizeof(now));
	}
}

static void
cpu_marks(struct cpu_mark *mark)
{
	memset(mark, 0, (BOARD_ROWS + 1) * sizeof(*mark));
	for (size_t i = 0; i < BOARD_ROWS; i++)
		if (board->row[i].used) {
			mark[i].pid = board->row[i].pid;
			mark[i].cpu_us = load(&board->row[i].cpu_us);
		}
	mark[BOARD_ROWS].cpu_us = load(&board->cpu_us);
}

/* Another process has begun at zero; its time is not less than before. */
static uint64_t
cpu_since(const struct cpu_mark *from, const struct cpu_mark *to)
{
	if (from->pid != to->pid || to->cpu_us < from->cpu_us)
		return (to->cpu_us);
	return (to->cpu_us - from->cpu_us);
}
