/*
 * The scoreboard: slots of shared memory; see scoreboard.h.
 *
 * Writers are single-threaded, each on its own slot, so relaxed stores do;
 * readers only ever want recent values.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/scoreboard.h"

static struct slot *own_slot;
static _Atomic uint64_t *own_cell;

static void *shared_create(const char *, size_t, int *);
static const void *shared_map_readonly(int, size_t);

static const char *const state_names[NWORKERSTATES] = {
#define STATE_NAME(name, text) [WS_##name] = text,
	WORKER_STATES(STATE_NAME)
#undef STATE_NAME
};

static const int64_t bounds_us[HIST_NBOUNDS] = { HIST_BOUNDS };

const char *
worker_state_name(enum worker_state s)
{
	return (s < NWORKERSTATES ? state_names[s] : "?");
}

static void *
shared_create(const char *name, size_t size, int *fdp)
{
	void *map;
	int fd;

	if ((fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)) == -1)
		return (NULL);
	/* Fixed in size: a worker must not make the supervisor's reads
	 * fault by truncating it. */
	if (ftruncate(fd, (off_t)size) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
	    == -1) {
		close(fd);
		return (NULL);
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		close(fd);
		return (NULL);
	}
	*fdp = fd;
	return (map);
}

struct slot *
slot_create(int *fdp)
{
	struct slot *s = shared_create("cctg-slot", sizeof(*s), fdp);

	if (s != NULL) {
		s->magic = SLOT_MAGIC;
		s->size = sizeof(*s);
	}
	return (s);
}

struct board *
board_create(int *fdp)
{
	struct board *b = shared_create("cctg-board", sizeof(*b), fdp);

	if (b != NULL) {
		b->magic = SLOT_MAGIC;
		b->size = sizeof(*b);
	}
	return (b);
}

static const void *
shared_map_readonly(int fd, size_t size)
{
	const uint32_t *head;
	struct stat st;
	void *map;

	if (fstat(fd, &st) == -1)
		return (NULL);
	if ((size_t)st.st_size != size) {
		errno = EINVAL;
		return (NULL);
	}
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return (NULL);
	head = map;
	if (head[0] != SLOT_MAGIC || head[1] != size) {
		munmap(map, size);
		errno = EINVAL;
		return (NULL);
	}
	return (map);
}

const struct slot *
slot_map_readonly(int fd)
{
	return (shared_map_readonly(fd, sizeof(struct slot)));
}

const struct board *
board_map_readonly(int fd)
{
	return (shared_map_readonly(fd, sizeof(struct board)));
}

int
scoreboard_attach(int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) == -1)
		return (-1);
	if ((size_t)st.st_size != sizeof(struct slot)) {
		errno = EINVAL;
		return (-1);
	}
	map = mmap(NULL, sizeof(struct slot), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return (-1);
	own_slot = map;
	own_cell = own_slot->cell;
	return (0);
}

void
scoreboard_attach_board(struct board *b)
{
	own_cell = b->cell;
}

struct slot *
scoreboard_own(void)
{
	return (own_slot);
}

void
slot_turn(void)
{
	if (own_slot == NULL)
		return;
	atomic_store_explicit(&own_slot->turn_ns, clock_mono_ns(),
	    memory_order_relaxed);
	atomic_store_explicit(&own_slot->turns, own_slot->turns + 1,
	    memory_order_relaxed);
}

void
slot_job_begin(uint64_t id)
{
	if (own_slot == NULL)
		return;
	for (int i = 0; i < SLOT_JOBS; i++) {
		if (own_slot->job[i] != 0)
			continue;
		atomic_store_explicit(&own_slot->job[i], id,
		    memory_order_relaxed);
		if (i == 0)
			atomic_store_explicit(&own_slot->job_ns,
			    clock_mono_ns(), memory_order_relaxed);
		return;
	}
}

void
slot_job_end(uint64_t id)
{
	if (own_slot == NULL)
		return;
	for (int i = 0; i < SLOT_JOBS; i++) {
		if (own_slot->job[i] != id)
			continue;
		atomic_store_explicit(&own_slot->job[i], 0,
		    memory_order_relaxed);
		atomic_store_explicit(&own_slot->jobs_done,
		    own_slot->jobs_done + 1, memory_order_relaxed);
		return;
	}
}

void
slot_note(const char *text)
{
	if (own_slot != NULL)
		strlcpy(own_slot->note, text, sizeof(own_slot->note));
}

/* The peer's own entry, or one never used, or that of another that is gone. */
struct slot_link *
slot_link_up(uint32_t class, uint32_t index)
{
	struct slot_link *l, *unused = NULL, *down = NULL;

	if (own_slot == NULL)
		return (NULL);
	for (l = own_slot->link; l < own_slot->link + SLOT_LINKS; l++) {
		if (l->used == SLOT_LINK_FREE) {
			unused = unused == NULL ? l : unused;
		} else if (l->class == class && l->index == index) {
			l->used = SLOT_LINK_UP;
			return (l);
		} else if (l->used == SLOT_LINK_DOWN)
			down = l;
	}
	if ((l = unused != NULL ? unused : down) == NULL)
		return (NULL);
	l->class = class;
	l->index = index;
	l->credit = 0;
	l->stalls = 0;
	l->used = SLOT_LINK_UP;
	return (l);
}

void
slot_links_reset(void)
{
	for (int i = 0; own_slot != NULL && i < SLOT_LINKS; i++)
		if (own_slot->link[i].used == SLOT_LINK_UP)
			own_slot->link[i].used = SLOT_LINK_DOWN;
}

void
metric_add(enum metric m, uint64_t n)
{
	if (own_cell != NULL)
		atomic_store_explicit(&own_cell[m],
		    atomic_load_explicit(&own_cell[m], memory_order_relaxed)
		    + n, memory_order_relaxed);
}

void
metric_addv(enum metric m, unsigned int index, uint64_t n)
{
	metric_add((enum metric)(m + index), n);
}

void
metric_set(enum metric m, int64_t v)
{
	if (own_cell != NULL)
		atomic_store_explicit(&own_cell[m], (uint64_t)v,
		    memory_order_relaxed);
}

int64_t
metric_get(enum metric m)
{
	if (own_cell == NULL)
		return (0);
	return ((int64_t)atomic_load_explicit(&own_cell[m],
	    memory_order_relaxed));
}

void
metric_observe_us(enum metric m, int64_t us)
{
	unsigned int i;

	if (us < 0)
		us = 0; /* the wall clock may have been set back */
	for (i = 0; i < HIST_NBOUNDS && us > bounds_us[i]; i++)
		continue;
	metric_addv(m, i, 1);
	metric_addv(m, HIST_NBOUNDS + 1, (uint64_t)us);
}
