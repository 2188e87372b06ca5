/*
 * Words for the values of gauges and labels of vectors; the cells themselves
 * are in the slot (scoreboard.c).
 */
#include <stddef.h>

#include "common/metrics.h"
#include "common/nitems.h"
#include "ipc/link.h"

static const char *const type_names[NEVENTTYPES] = {
#define TYPE_NAME(name, text, emoji, severity, category) [ET_##name] = text,
	EVENT_TYPES(TYPE_NAME)
#undef TYPE_NAME
	[ET_UNKNOWN] = "unknown",
};

static const char *const state_names[FINAL_STATES] = { "delivered",
	"suppressed", "uncertain", "dead" };
static const char *const reason_names[SUPPRESS_REASONS] = { "muted",
	"duplicate", "expired", "cancelled" };

/* Codes are HTTP statuses of the Bot API; the last three have none. */
static const struct {
	int code;
	const char *label;
} errors[TELEGRAM_ERRORS] = {
	{ 400, "400" }, { 401, "401" }, { 403, "403" }, { 404, "404" },
	{ 409, "409" }, { 413, "413" }, { 429, "429" }, { 500, "5xx" },
	{ -1, "timeout" }, { -2, "network" }, { -3, "other" },
};
#define ERROR_5XX 7
#define ERROR_TIMEOUT 8
#define ERROR_NETWORK 9
#define ERROR_OTHER 10

static const char *const outcome_labels[NOUTCOMES] = {
#define OUTCOME_LABEL(name, text) [CO_##name] = text,
	CALL_OUTCOMES(OUTCOME_LABEL)
#undef OUTCOME_LABEL
};

static const struct {
	enum metric gauge;
	int64_t n;
	const char *word[4];
} gauge_words[] = {
	{ M_queue_mode, 3, { "local", "nomad", "mute" } },
	{ M_telegram_state, 4, { "off", "connected", "degraded", "down" } },
	{ M_telegram_poller, 4, { "off", "polling", "conflict",
	    "webhook" } },
};

const char *
metrics_word(enum metric gauge, int64_t v)
{
	for (size_t i = 0; i < nitems(gauge_words); i++)
		if (gauge_words[i].gauge == gauge)
			return (gauge_words[i].word[v < 0 ||
			    v >= gauge_words[i].n ? 0 : v]);
	return (NULL);
}

const char *
metrics_label(enum metric first, unsigned int i)
{
	switch (first) {
	case M_events_accepted:
		return (i < NEVENTTYPES ? type_names[i] : NULL);
	case M_events_final:
		return (i < FINAL_STATES ? state_names[i] : NULL);
	case M_events_suppressed:
		return (i < SUPPRESS_REASONS ? reason_names[i] : NULL);
	case M_telegram_outcomes:
		return (i < NOUTCOMES ? outcome_labels[i] : NULL);
	case M_telegram_errors:
		return (i < TELEGRAM_ERRORS ? errors[i].label : NULL);
	default:
		return (NULL);
	}
}

unsigned int
metrics_telegram_error(int code, int timed_out)
{
	if (code == 0)
		return (timed_out ? ERROR_TIMEOUT : ERROR_NETWORK);
	if (code >= 500 && code <= 599)
		return (ERROR_5XX);
	for (unsigned int i = 0; i < TELEGRAM_ERRORS; i++)
		if (errors[i].code == code)
			return (i);
	return (ERROR_OTHER);
}
