/*
 * The log: one event, one line, to stderr with journal priorities (sd-daemon(3)
 * "<N>" prefixes, unless stderr is a terminal) or to syslog(3).
 * The x variants do not append strerror(errno).
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stddef.h>

enum log_level { LL_ERR = 3, LL_WARN = 4, LL_NOTICE = 5, LL_INFO = 6,
	LL_DEBUG = 7 };

/* name: what stands before the first colon, e.g. "format/0"; copied. */
void log_init(const char *name, enum log_level, int use_syslog);
void log_set_level(enum log_level);
enum log_level log_get_level(void);

void log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_errx(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *, ...) __attribute__((format(printf, 1, 2)));
/* Log and exit with 1 (fatal: with strerror).  Own invariants, start-up and
 * out of memory in a worker only; never for what came from outside. */
void fatal(const char *, ...)
    __attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/*
 * Text from outside made fit for a log line: control characters and invalid
 * UTF-8 as \xNN, cut to fit.  Returns buf.
 */
const char *log_escape(char *buf, size_t size, const char *text, size_t len);

#endif
