/*
 * The log; see log.h.  Called by every process.  Never fails: a line that
 * cannot be written is lost, for there is nobody to tell.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "common/log.h"

#define LINE_SIZE 2048 /* a longer line is cut */

static char log_name[32] = "cctg";
static enum log_level log_level = LL_INFO;
static int log_syslog, log_prefix, log_socket;

static void log_unblock(void);
static void log_write(const char *, size_t);
static void log_line(enum log_level, int, const char *, va_list)
    __attribute__((format(printf, 3, 0)));

void
log_init(const char *name, enum log_level level, int use_syslog)
{
	strlcpy(log_name, name, sizeof(log_name));
	log_level = level;
	log_syslog = use_syslog;
	log_prefix = !isatty(STDERR_FILENO);
	log_unblock();
	if (use_syslog)
		openlog("cctgd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/*
 * Whoever reads the log may stop reading; that must not stop us.  A pipe is
 * opened anew, because O_NONBLOCK on the description that we were given would
 * also hit those that we share it with.
 */
static void
log_unblock(void)
{
	struct stat st;
	int fd;

	log_socket = 0;
	if (fstat(STDERR_FILENO, &st) == -1)
		return;
	log_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode))
		return;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1) {
		(void)dup2(fd, STDERR_FILENO);
		close(fd);
	}
}

static void
log_write(const char *line, size_t len)
{
	ssize_t n;

	if (log_socket)
		n = send(STDERR_FILENO, line, len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(STDERR_FILENO, line, len);
	if (n == -1) {
		/* Nobody is left to tell. */
	}
}

void
log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level
log_get_level(void)
{
	return (log_level);
}

/* error: an errno to append, or 0. */
static void
log_line(enum log_level level, int error, const char *fmt, va_list ap)
{
	int saved = errno;
	char line[LINE_SIZE];
	int n = 0, m;

	if (level > log_level)
		return;
	if (!log_syslog && log_prefix)
		n = snprintf(line, sizeof(line), "<%d>", level);
	m = snprintf(line + n, sizeof(line) - (size_t)n, "%s: ", log_name);
	n += m;
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	if (m > 0)
		n += m;
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	if (error != 0) {
		m = snprintf(line + n, sizeof(line) - (size_t)n, ": %s",
		    strerror(error));
		n += m;
		if (n > (int)sizeof(line) - 2)
			n = (int)sizeof(line) - 2;
	}
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' '; /* one event, one line */
	if (log_syslog) {
		line[n] = '\0';
		syslog(level, "%s", line);
	} else {
		line[n++] = '\n';
		log_write(line, (size_t)n);
	}
	errno = saved;
}

#define LOG_FUNCTION(name, level, error)      \
	void name(const char *fmt, ...)       \
	{                                     \
		va_list ap;                   \
		int e = (error);              \
                                              \
		va_start(ap, fmt);            \
		log_line(level, e, fmt, ap);  \
		va_end(ap);                   \
	}

LOG_FUNCTION(log_warn, LL_WARN, errno)
LOG_FUNCTION(log_warnx, LL_WARN, 0)
LOG_FUNCTION(log_errx, LL_ERR, 0)
LOG_FUNCTION(log_notice, LL_NOTICE, 0)
LOG_FUNCTION(log_info, LL_INFO, 0)
LOG_FUNCTION(log_debug, LL_DEBUG, 0)

void
fatal(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(LL_ERR, e, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LL_ERR, 0, fmt, ap);
	va_end(ap);
	exit(1);
}

const char *
log_escape(char *buf, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c >= 0x7f)
			n += (size_t)snprintf(buf + n, size - n, "\\x%02x", c);
		else
			buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return (buf);
}
