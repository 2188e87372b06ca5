/*
 * Questions to a view that have one number for an answer.  Pure.
 */
#include "workers/monitor/view.h"

static uint64_t view_sum(const struct view *, enum metric, unsigned int);

int64_t
view_gauge(const struct view *v, enum process_class class, enum metric m,
    int64_t min, int64_t max)
{
	int64_t value = (int64_t)v->own[class][m];

	return (value < min || value > max ? min : value);
}

static uint64_t
view_sum(const struct view *v, enum metric first, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += v->cell[first + i];
	return (sum);
}

const struct view_worker *
view_worker(const struct view *v, enum process_class class)
{
	for (size_t i = 0; i < v->nworkers; i++)
		if (v->worker[i].class == class)
			return (&v->worker[i]);
	return (NULL);
}

uint64_t
view_events_processed(const struct view *v)
{
	return (view_sum(v, M_events_final, FINAL_STATES));
}

/*
 * What the queue refuses is answered, rejected or put off by intake, which
 * counts each once; the queue's own count of the same is not added.
 */
uint64_t
view_errors(const struct view *v)
{
	return (view_sum(v, M_telegram_errors, TELEGRAM_ERRORS) +
	    v->cell[M_intake_bad_requests] +
	    v->cell[M_intake_rejected_files] +
	    v->cell[M_intake_deferred_files]);
}
