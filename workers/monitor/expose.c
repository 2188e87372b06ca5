/*
 * The exposition of metrics.  Pure: a view in, text out.
 *
 * Four parts, each a table: figures that the MCP server of co8/cctelegram
 * picks out by their name's end, and therefore first and bare; the names of
 * its bridge; the table of metrics.h; what is known of each worker and link.
 *
 * Names: counters end in _total; gauges that hold a wall time in ms become
 * _timestamp_seconds; histograms are kept in us and shown in _seconds.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "common/nitems.h"
#include "common/scoreboard.h"
#include "workers/monitor/expose.h"
#include "workers/monitor/health.h"

struct row;

static double figure_uptime(const struct view *);
static double figure_processed(const struct view *);
static double figure_sent(const struct view *);
static double figure_errors(const struct view *);
static double figure_memory(const struct view *);
static double figure_cpu(const struct view *);
static double figure_watcher(const struct view *);
static double figure_degraded(const struct view *);
static double worker_up(const struct view_worker *);
static double worker_restarts(const struct view_worker *);
static double worker_crashes(const struct view_worker *);
static double worker_ready(const struct view_worker *);
static void expose_head(FILE *, const char *, const char *, const char *);
static void expose_figures(FILE *, const struct view *, size_t, size_t);
static void expose_histogram(FILE *, const struct view *, enum metric,
    const char *, const char *);
static void expose_table(FILE *, const struct view *);
static void expose_gauge(FILE *, const struct view *, const struct row *);
static void expose_vector(FILE *, const struct view *, const struct row *);
static void expose_workers(FILE *, const struct view *);
static void expose_processes(FILE *, const struct view *);
static void expose_links(FILE *, const struct view *);
static char *expose_close(FILE *, char **);

/* Bare figures.  The first NBRIEF are those of the MCP server, which takes
 * the first match of NAME\s+(\d+(\.\d+)?): no help begins with a digit. */
#define NBRIEF 6
static const struct figure {
	const char *name, *type, *help;
	double (*value)(const struct view *);
	int places;
} figures[] = {
	{ "process_uptime_seconds", "gauge",
	    "Time since the supervisor started", figure_uptime, 3 },
	{ "events_processed_total", "counter",
	    "Events that reached a final state", figure_processed, 0 },
	{ "telegram_messages_sent_total", "counter",
	    "Messages that Telegram took", figure_sent, 0 },
	{ "errors_total", "counter",
	    "Failed calls of the Bot API and refused events and requests",
	    figure_errors, 0 },
	{ "memory_usage_bytes", "gauge",
	    "Memory of the whole tree (PSS)", figure_memory, 0 },
	{ "cpu_usage_percent", "gauge",
	    "Processor use of the whole tree, 100 is one core", figure_cpu,
	    3 },
	{ "cc_telegram_events_processed_total", "counter",
	    "Events that reached a final state", figure_processed, 0 },
	{ "cc_telegram_messages_sent_total", "counter",
	    "Messages that Telegram took", figure_sent, 0 },
	{ "cc_telegram_errors_total", "counter",
	    "Failed calls of the Bot API and refused events and requests",
	    figure_errors, 0 },
	{ "cc_telegram_file_watcher_events_total", "counter",
	    "Notifications of the file watcher", figure_watcher, 0 },
	{ "cc_telegram_memory_usage_bytes", "gauge",
	    "Memory of the whole tree (PSS)", figure_memory, 0 },
	{ "cc_telegram_cpu_usage_percent", "gauge",
	    "Processor use of the whole tree, 100 is one core", figure_cpu,
	    3 },
	{ "cctg_degraded", "gauge",
	    "Is the tree degraded or unhealthy?  1 or 0", figure_degraded,
	    0 },
};

/* The bridge's histograms, from ours. */
static const struct {
	const char *name, *help;
	enum metric from;
} bridge_histograms[] = {
	{ "cc_telegram_event_processing_duration_seconds",
	    "From acceptance to delivery", M_end_to_end_latency },
	{ "cc_telegram_message_duration_seconds",
	    "From giving a call to Telegram to its outcome",
	    M_send_latency },
};

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_VECTOR, KIND_HISTOGRAM };

static const struct row {
	const char *name, *label, *help;
	enum metric first;
	enum kind kind;
	unsigned int n;
} table[] = {
#define ROW_C(name, help) { #name, NULL, help, M_##name, KIND_COUNTER, 1 },
#define ROW_G(name, help) { #name, NULL, help, M_##name, KIND_GAUGE, 1 },
#define ROW_V(name, label, n, help) \
	{ #name, label, help, M_##name, KIND_VECTOR, n },
#define ROW_H(name, help) \
	{ #name, NULL, help, M_##name, KIND_HISTOGRAM, HIST_CELLS },
	METRICS(ROW_C, ROW_G, ROW_V, ROW_H)
#undef ROW_C
#undef ROW_G
#undef ROW_V
#undef ROW_H
};

/* What is told of each worker. */
static const struct {
	const char *name, *type, *help;
	double (*value)(const struct view_worker *);
	int places;
} worker_figures[] = {
	{ "cctg_worker_up", "gauge", "Is the worker ready?  1 or 0",
	    worker_up, 0 },
	{ "cctg_worker_restarts_total", "counter",
	    "Times that the worker was started again", worker_restarts, 0 },
	{ "cctg_worker_crashes_total", "counter",
	    "Times that the worker died", worker_crashes, 0 },
	{ "cctg_worker_ready_seconds", "gauge",
	    "From fork to ready, the last time", worker_ready, 3 },
};

/* What is told of each worker and of the supervisor. */
enum process_field { FIELD_RSS, FIELD_PSS, FIELD_CPU };
static const struct {
	const char *name, *type, *help;
} process_figures[] = {
	[FIELD_RSS] = { "cctg_worker_rss_bytes", "gauge",
	    "Resident memory" },
	[FIELD_PSS] = { "cctg_worker_pss_bytes", "gauge",
	    "Memory with its share of what is shared" },
	[FIELD_CPU] = { "cctg_worker_cpu_seconds_total", "counter",
	    "Processor time of this incarnation" },
};

static const int64_t bounds_us[HIST_NBOUNDS] = { HIST_BOUNDS };

char *
expose_text(const struct view *v, size_t *len)
{
	char *text = NULL;
	FILE *f;

	if ((f = open_memstream(&text, len)) == NULL)
		return (NULL);
	expose_figures(f, v, 0, nitems(figures));
	for (size_t i = 0; i < nitems(bridge_histograms); i++)
		expose_histogram(f, v, bridge_histograms[i].from,
		    bridge_histograms[i].name, bridge_histograms[i].help);
	expose_head(f, "cctg_build_info", "gauge", "What is running");
	fprintf(f, "cctg_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	expose_table(f, v);
	expose_workers(f, v);
	expose_processes(f, v);
	expose_links(f, v);
	return (expose_close(f, &text));
}

char *
expose_brief(const struct view *v, size_t *len)
{
	char *text = NULL;
	FILE *f;

	if ((f = open_memstream(&text, len)) == NULL)
		return (NULL);
	expose_figures(f, v, 0, NBRIEF);
	return (expose_close(f, &text));
}

static char *
expose_close(FILE *f, char **text)
{
	bool failed = ferror(f) != 0;

	if (fclose(f) != 0 || failed) {
		free(*text);
		return (NULL);
	}
	return (*text);
}

static void
expose_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Bare figures. */

static void
expose_figures(FILE *f, const struct view *v, size_t from, size_t to)
{
	for (const struct figure *p = figures + from; p < figures + to; p++) {
		expose_head(f, p->name, p->type, p->help);
		fprintf(f, "%s %.*f\n", p->name, p->places, p->value(v));
	}
}

static double
figure_uptime(const struct view *v)
{
	return (v->uptime_ms < 0 ? 0 : (double)v->uptime_ms / 1000);
}

static double
figure_processed(const struct view *v)
{
	return ((double)view_events_processed(v));
}

static double
figure_sent(const struct view *v)
{
	return ((double)v->cell[M_telegram_sent]);
}

static double
figure_errors(const struct view *v)
{
	return ((double)view_errors(v));
}

static double
figure_memory(const struct view *v)
{
	return ((double)v->memory_bytes);
}

static double
figure_cpu(const struct view *v)
{
	return (v->cpu_percent);
}

static double
figure_watcher(const struct view *v)
{
	return ((double)v->cell[M_intake_watcher_events]);
}

static double
figure_degraded(const struct view *v)
{
	struct health h;

	health_judge(v, &h);
	return (h.status != HEALTHY);
}

/* The table of metrics.h. */

static void
expose_table(FILE *f, const struct view *v)
{
	const struct row *r;
	char name[96];

	for (r = table; r < table + nitems(table); r++) {
		switch (r->kind) {
		case KIND_COUNTER:
			if (r->first == M_worker_restarts)
				break; /* is shown for each worker */
			snprintf(name, sizeof(name), "cctg_%s_total", r->name);
			expose_head(f, name, "counter", r->help);
			fprintf(f, "%s %llu\n", name,
			    (unsigned long long)v->cell[r->first]);
			break;
		case KIND_GAUGE:
			expose_gauge(f, v, r);
			break;
		case KIND_VECTOR:
			expose_vector(f, v, r);
			break;
		case KIND_HISTOGRAM:
			snprintf(name, sizeof(name), "cctg_%s_seconds",
			    r->name);
			expose_histogram(f, v, r->first, name, r->help);
			break;
		}
	}
}

static void
expose_gauge(FILE *f, const struct view *v, const struct row *r)
{
	int64_t value = (int64_t)v->cell[r->first];
	size_t len = strlen(r->name);
	char name[96];

	if (len > 3 && strcmp(r->name + len - 3, "_ms") == 0) {
		snprintf(name, sizeof(name), "cctg_%.*s_timestamp_seconds",
		    (int)len - 3, r->name);
		expose_head(f, name, "gauge", r->help);
		fprintf(f, "%s %.3f\n", name, (double)value / 1000);
		return;
	}
	snprintf(name, sizeof(name), "cctg_%s", r->name);
	expose_head(f, name, "gauge", r->help);
	fprintf(f, "%s %lld\n", name, (long long)value);
}

static void
expose_vector(FILE *f, const struct view *v, const struct row *r)
{
	const char *label;
	char name[96];

	snprintf(name, sizeof(name), "cctg_%s_total", r->name);
	expose_head(f, name, "counter", r->help);
	for (unsigned int i = 0; i < r->n; i++)
		if ((label = metrics_label(r->first, i)) != NULL)
			fprintf(f, "%s{%s=\"%s\"} %llu\n", name, r->label,
			    label, (unsigned long long)v->cell[r->first + i]);
}

static void
expose_histogram(FILE *f, const struct view *v, enum metric first,
    const char *name, const char *help)
{
	uint64_t count = 0;

	expose_head(f, name, "histogram", help);
	for (unsigned int i = 0; i < HIST_NBOUNDS; i++) {
		count += v->cell[first + i];
		fprintf(f, "%s_bucket{le=\"%g\"} %llu\n", name,
		    (double)bounds_us[i] / 1e6, (unsigned long long)count);
	}
	count += v->cell[first + HIST_NBOUNDS];
	fprintf(f, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n",
	    name, (unsigned long long)count, name,
	    (double)v->cell[first + HIST_NBOUNDS + 1] / 1e6, name,
	    (unsigned long long)count);
}

/* Workers. */

static void
expose_workers(FILE *f, const struct view *v)
{
	for (size_t i = 0; i < nitems(worker_figures); i++) {
		expose_head(f, worker_figures[i].name, worker_figures[i].type,
		    worker_figures[i].help);
		for (size_t n = 0; n < v->nworkers; n++)
			fprintf(f, "%s{worker=\"%s\"} %.*f\n",
			    worker_figures[i].name, v->worker[n].name,
			    worker_figures[i].places,
			    worker_figures[i].value(&v->worker[n]));
	}
	expose_head(f, "cctg_worker_state", "gauge",
	    "The state that the worker is in, as a label");
	for (size_t n = 0; n < v->nworkers; n++)
		fprintf(f, "cctg_worker_state{worker=\"%s\",state=\"%s\"} "
		    "1\n", v->worker[n].name,
		    worker_state_name(v->worker[n].state));
}

static double
worker_up(const struct view_worker *w)
{
	return (w->state == WS_READY);
}

static double
worker_restarts(const struct view_worker *w)
{
	return ((double)w->restarts);
}

static double
worker_crashes(const struct view_worker *w)
{
	return ((double)w->crashes);
}

static double
worker_ready(const struct view_worker *w)
{
	return ((double)w->ready_ms / 1000);
}

static void
expose_process(FILE *f, enum process_field field, const char *name,
    uint64_t rss, uint64_t pss, uint64_t cpu_us)
{
	const char *metric = process_figures[field].name;

	if (field == FIELD_CPU)
		fprintf(f, "%s{worker=\"%s\"} %.6f\n", metric, name,
		    (double)cpu_us / 1e6);
	else
		fprintf(f, "%s{worker=\"%s\"} %llu\n", metric, name,
		    (unsigned long long)(field == FIELD_RSS ? rss : pss));
}

static void
expose_processes(FILE *f, const struct view *v)
{
	const struct view_worker *w;

	for (enum process_field i = 0; i < nitems(process_figures); i++) {
		expose_head(f, process_figures[i].name,
		    process_figures[i].type, process_figures[i].help);
		expose_process(f, i, "supervisor", v->rss_bytes, v->pss_bytes,
		    v->cpu_us);
		for (w = v->worker; w < v->worker + v->nworkers; w++)
			expose_process(f, i, w->name, w->rss_bytes,
			    w->pss_bytes, w->cpu_us);
	}
}

/* Links. */

static void
expose_links(FILE *f, const struct view *v)
{
	const struct view_link *l;

	expose_head(f, "cctg_link_up", "gauge",
	    "Is there a link to that peer?  1 or 0");
	for (l = v->link; l < v->link + v->nlinks; l++)
		fprintf(f, "cctg_link_up{worker=\"%s\",peer=\"%s\"} %d\n",
		    l->worker, l->peer, l->up);
	expose_head(f, "cctg_link_credit", "gauge",
	    "Messages that the worker may send to that peer");
	for (l = v->link; l < v->link + v->nlinks; l++)
		fprintf(f, "cctg_link_credit{worker=\"%s\",peer=\"%s\"} %u\n",
		    l->worker, l->peer, l->up ? l->credit : 0);
	expose_head(f, "cctg_link_peer_stalls_total", "counter",
	    "Sends to that peer that found no credit");
	for (l = v->link; l < v->link + v->nlinks; l++)
		fprintf(f, "cctg_link_peer_stalls_total{worker=\"%s\","
		    "peer=\"%s\"} %llu\n", l->worker, l->peer,
		    (unsigned long long)l->stalls);
}

/* JSON. */

static struct json_object *
expose_json_row(const struct view *v, const struct row *r)
{
	struct json_object *o = json_object_new_object();
	const char *label;
	uint64_t count = 0;

	for (unsigned int i = 0; r->kind == KIND_VECTOR && i < r->n; i++)
		if ((label = metrics_label(r->first, i)) != NULL)
			json_object_object_add(o, label,
			    json_object_new_uint64(v->cell[r->first + i]));
	if (r->kind == KIND_VECTOR)
		return (o);
	for (unsigned int i = 0; i <= HIST_NBOUNDS; i++)
		count += v->cell[r->first + i];
	json_object_object_add(o, "count", json_object_new_uint64(count));
	json_object_object_add(o, "sum_us", json_object_new_uint64(
	    v->cell[r->first + HIST_NBOUNDS + 1]));
	return (o);
}

struct json_object *
expose_json(const struct view *v)
{
	struct json_object *o = json_object_new_object(), *value;

	for (const struct row *r = table; r < table + nitems(table); r++) {
		if (r->kind == KIND_COUNTER)
			value = json_object_new_uint64(v->cell[r->first]);
		else if (r->kind == KIND_GAUGE)
			value = json_object_new_int64(
			    (int64_t)v->cell[r->first]);
		else
			value = expose_json_row(v, r);
		json_object_object_add(o, r->name, value);
	}
	return (o);
}
