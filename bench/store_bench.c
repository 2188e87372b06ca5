/*
 * What an event costs the store: accept, sending and final in transactions
 * of 64, with 1 000 and with a million events queued, and the memory for it.
 * Prints "name value unit" lines.  Called by hand and by cctg-bench.
 *
 *	store_bench [-d directory] [-n events] [-q queued]
 */
#include "config.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event_types.h"
#include "common/log.h"
#include "common/uuid.h"
#include "tests/scratch_dir.h"
#include "workers/queue/store.h"

#define BATCH 64
#define PAYLOAD 600

struct run {
	struct store *st;
	int64_t *latency_us;
	size_t n;
	int64_t cursor; /* of the open deliveries */
	int64_t id[BATCH], sending[BATCH];
	size_t nid, nsending;
	char payload[PAYLOAD];
};

static int64_t	cpu_us(void);
static int64_t	pss_kb(void);
static int	compare(const void *, const void *);
static void	put_event(struct run *);
static void	fill(struct run *, int64_t);
static void	note_id(const struct store_delivery *, void *);
static void	turn(struct run *);
static double	cycle(struct run *, const char *, int64_t);
static void	accepts(struct run *, int64_t);
static void	singles(struct run *, int);
static void	warm(const char *, int64_t);
static void	note_row(const struct store_row *, void *);
static void	note_count(int32_t, int, int64_t, void *);
static void	timed(const char *, int64_t);
static void	reads(struct run *);
static void	prune(struct run *);

static int64_t
cpu_us(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ((int64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
	    ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

static int64_t
pss_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kb = 0;

	if (f == NULL)
		return (0);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %ld", &kb) == 1)
			break;
	fclose(f);
	return (kb);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return ((x > y) - (x < y));
}

static void
put_event(struct run *r)
{
	struct store_event e = { .type = "task_progress", .source = "bench",
		.title = "Compiling the thing", .severity = SEV_LOW,
		.received_ms = clock_wall_ms(), .payload = r->payload,
		.payload_bytes = PAYLOAD, .raw_bytes = PAYLOAD };
	struct store_delivery d = { .chat = 1, .lane = LANE_BULK };
	char id[UUID_SIZE];

	uuid_v7(id);
	e.id = e.task_id = id;
	e.expires_ms = e.received_ms + 7 * 86400 * 1000LL;
	e.seq = store_next_seq(r->st);
	d.id = DELIVERY_ID(e.seq, 0);
	if (store_find_id(r->st, id, UUID_SIZE - 1) != 0)
		errx(1, "a new id was found");
	if (store_put_event(r->st, &e, &d, 1) == -1)
		err(1, "store_put_event");
}

static void
fill(struct run *r, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		put_event(r);
		if ((i % 1024 == 1023 || i == n - 1) &&
		    store_commit(r->st) == -1)
			errx(1, "commit: %s", store_error(r->st));
	}
}

static void
note_id(const struct store_delivery *d, void *arg)
{
	struct run *r = arg;

	r->id[r->nid++] = d->id;
}

/* What a busy scheduler does between two commits. */
static void
turn(struct run *r)
{
	struct store_totals t = { .delivered = BATCH };
	struct store_delivery d = { .chat = 1, .lane = LANE_BULK,
		.state = DS_DELIVERED, .attempts = 1, .parts_done = 1,
		.messages = "1234567" };
	int64_t before;
	size_t i;

	for (i = 0; i < BATCH; i++)
		put_event(r);
	for (i = 0; i < r->nsending; i++) {
		d.id = r->sending[i];
		d.done_ms = clock_wall_ms();
		store_put_delivery(r->st, &d);
	}
	store_count(r->st, &t);
	r->nid = 0;
	store_load_open(r->st, 1, LANE_BULK, r->cursor, BATCH, note_id, r);
	for (i = 0; i < r->nid; i++)
		store_put_sending(r->st, r->id[i], 1);
	memcpy(r->sending, r->id, sizeof(r->id));
	r->nsending = r->nid;
	r->cursor = r->id[r->nid - 1];
	before = clock_mono_us();
	if (store_commit(r->st) == -1)
		errx(1, "commit: %s", store_error(r->st));
	r->latency_us[r->n++] = clock_mono_us() - before;
}

static double
cycle(struct run *r, const char *name, int64_t n)
{
	int64_t wall, cpu, i, turns = n / BATCH;
	double ns;

	r->latency_us = calloc((size_t)turns, sizeof(int64_t));
	r->n = 0;
	wall = clock_mono_us();
	cpu = cpu_us();
	for (i = 0; i < turns; i++)
		turn(r);
	wall = clock_mono_us() - wall;
	cpu = cpu_us() - cpu;
	qsort(r->latency_us, r->n, sizeof(int64_t), compare);
	ns = (double)cpu * 1000 / (double)(turns * BATCH);
	printf("store_event_cpu_%s %.0f ns\n", name, ns);
	printf("store_event_wall_%s %.0f ns\n", name,
	    (double)wall * 1000 / (double)(turns * BATCH));
	printf("store_commit_p50_%s %lld us\n", name,
	    (long long)r->latency_us[r->n / 2]);
	printf("store_commit_p99_%s %lld us\n", name,
	    (long long)r->latency_us[r->n * 99 / 100]);
	printf("store_commit_max_%s %lld us\n", name,
	    (long long)r->latency_us[r->n - 1]);
	printf("store_pss_%s %lld kB\n", name, (long long)pss_kb());
	free(r->latency_us);
	return (ns);
}

/* Only accepting, beside limit_sqlite_batch64. */
static void
accepts(struct run *r, int64_t n)
{
	int64_t start = clock_mono_us(), i;
	int k;

	for (i = 0; i < n; i += BATCH) {
		for (k = 0; k < BATCH; k++)
			put_event(r);
		if (store_commit(r->st) == -1)
			errx(1, "commit: %s", store_error(r->st));
	}
	printf("store_accept_batch64 %.0f events/s\n",
	    (double)i * 1e6 / (double)(clock_mono_us() - start));
}

/* One event a commit, beside limit_sqlite_commit. */
static void
singles(struct run *r, int n)
{
	int64_t *us = calloc((size_t)n, sizeof(*us)), start;
	int i;

	if (us == NULL)
		err(1, "calloc");
	for (i = 0; i < n; i++) {
		start = clock_mono_us();
		put_event(r);
		if (store_commit(r->st) == -1)
			errx(1, "commit: %s", store_error(r->st));
		us[i] = clock_mono_us() - start;
	}
	qsort(us, (size_t)n, sizeof(*us), compare);
	printf("store_single_p50 %lld us\n", (long long)us[n / 2]);
	printf("store_single_p99 %lld us\n", (long long)us[n * 99 / 100]);
	free(us);
}

/*
 * Let the kernel have as much memory for the page cache as the database will
 * need.  On a virtual machine whose host gives memory at the first touch,
 * that touch would count as the cost of an event otherwise.
 */
static void
warm(const char *dir, int64_t bytes)
{
	static char block[1 << 20];
	char path[600];
	int64_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/warm", dir);
	if ((f = fopen(path, "we")) == NULL)
		err(1, "%s", path);
	for (n = 0; n < bytes; n += (int64_t)sizeof(block))
		fwrite(block, sizeof(block), 1, f);
	fclose(f);
	unlink(path);
}

static void
note_row(const struct store_row *row, void *arg)
{
	(void)row;
	(*(int *)arg)++;
}

static void
note_count(int32_t chat, int lane, int64_t n, void *arg)
{
	(void)chat;
	(void)lane;
	*(int64_t *)arg += n;
}

static void
timed(const char *name, int64_t start_us)
{
	printf("store_%s %lld us\n", name,
	    (long long)(clock_mono_us() - start_us));
}

/* What start and people ask, with everything queued. */
static void
reads(struct run *r)
{
	static const struct {
		const char *name;
		int state;
		bool open, final;
	} lists[] = { { "list_all_50", -1, false, false },
		{ "list_open_50", -1, true, false },
		{ "list_final_50", -1, false, true },
		{ "list_dead_50", DS_DEAD, false, false } };
	int64_t start = clock_mono_us(), n = 0;
	int rows = 0;
	size_t i;

	store_count_open(r->st, note_count, &n);
	timed("count_open_1m", start);
	start = clock_mono_us();
	r->nid = 0;
	store_load_sending(r->st, note_id, r);
	timed("load_sending_1m", start);
	start = clock_mono_us();
	store_oldest_open(r->st);
	timed("oldest_open_1m", start);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		start = clock_mono_us();
		store_list(r->st, lists[i].state, lists[i].open,
		    lists[i].final, 0, 50, note_row, &rows);
		timed(lists[i].name, start);
	}
	start = clock_mono_us();
	store_check(r->st);
	timed("integrity_check_1m", start);
}

/* The steps of pruning what was delivered, and their commits. */
static void
prune(struct run *r)
{
	struct store_prune p = { .max_age_ms = 1 };
	int64_t start, step, longest = 0, commit, worst = 0, n = 0;
	int steps = 0;

	start = clock_mono_us();
	do {
		step = clock_mono_us();
		n += store_prune(r->st, &p, clock_wall_ms() + 1000, 256,
		    false);
		commit = clock_mono_us();
		if (store_commit(r->st) == -1)
			errx(1, "commit: %s", store_error(r->st));
		if (commit - step > longest)
			longest = commit - step;
		if (clock_mono_us() - commit > worst)
			worst = clock_mono_us() - commit;
	} while (p.cursor != 0 && ++steps < 400);
	printf("store_prune %.0f ns\n", (double)(clock_mono_us() - start) *
	    1000 / (double)(n > 0 ? n : 1));
	printf("store_prune_step_max %lld us\n", (long long)longest);
	printf("store_prune_commit_max %lld us\n", (long long)worst);
}

int
main(int argc, char *argv[])
{
	static struct run r;
	int64_t n = 50000, queued = 1000000, start;
	const char *parent = NULL;
	char dir[512];
	double few, many;
	int c;

	while ((c = getopt(argc, argv, "d:n:q:")) != -1) {
		switch (c) {
		case 'd':
			parent = optarg;
			break;
		case 'n':
			n = strtoll(optarg, NULL, 10);
			break;
		case 'q':
			queued = strtoll(optarg, NULL, 10);
			break;
		default:
			errx(2, "usage: store_bench [-d directory] "
			    "[-n events] [-q queued]");
		}
	}
	log_init("store_bench", LL_NOTICE, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(r.payload, 'x', sizeof(r.payload));
	scratch_dir_make(dir, sizeof(dir), parent);
	warm(dir, (queued + 4 * n) * 1000);
	if ((r.st = store_open(dir)) == NULL)
		errx(1, "store_open");
	singles(&r, 1000);
	accepts(&r, n);
	store_close(r.st);
	scratch_dir_remove(dir);
	scratch_dir_make(dir, sizeof(dir), parent);
	if ((r.st = store_open(dir)) == NULL)
		errx(1, "store_open");
	fill(&r, 1000);
	few = cycle(&r, "1k", n);
	start = clock_mono_us();
	fill(&r, queued);
	printf("store_fill %.0f ns\n", (double)(clock_mono_us() - start) *
	    1000 / (double)queued);
	many = cycle(&r, "1m", n);
	printf("store_event_ratio %.2f x\n", many / few);
	printf("store_bytes %lld B\n", (long long)store_bytes(r.st));
	reads(&r);
	prune(&r);
	store_close(r.st);
	start = clock_mono_us();
	if ((r.st = store_open(dir)) == NULL)
		errx(1, "store_open");
	printf("store_open_1m %lld us\n",
	    (long long)(clock_mono_us() - start));
	store_close(r.st);
	scratch_dir_remove(dir);
	return (0);
}
