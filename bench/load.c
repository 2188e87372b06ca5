/*
 * Events into submit.sock, as many as it takes, with so little processor
 * time that it does not disturb what is measured.
 *
 *	load -s SOCKET [-n events] [-w window] [-c chats] [-i prefix] [-r]
 *
 * window requests are under way at most (1: one at a time; default 512);
 * chats > 0 sends in turn to so many private chats, from 1000 on.  Ids are of
 * UUIDv7, as cctgctl gives them; with a prefix that and a counter; with -r
 * random ones, which an index likes least.
 * Prints "name value unit" lines: rate, latency from writing a request to
 * its answer, processor time, and how many were refused; exits 1 if any was.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_stat.h"
#include "common/clock.h"
#include "common/uuid.h"

#define LINE_MAX_BYTES 1024
#define OUT_BYTES (256 << 10)

static long total = 10000, window = 512, chats;
static const char *prefix;
static bool random_ids;
static char out[OUT_BYTES], in[65536];
static size_t out_off, out_len, line_len;
static char line[LINE_MAX_BYTES]; /* the beginning of an answer */
static long sent, answered, refused;
static int64_t *at_us; /* when each was written, then how long it took */

static int connect_to(const char *);
static void make_id(char *, size_t);
static void put_event(void);
static void fill(void);
static void drain(int);
static void take(const char *, size_t);
static void answer(void);
static void turn(int);

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path))
		errx(2, "%s: too long", path);
	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		err(1, "%s", path);
	return (fd);
}

static void
make_id(char *id, size_t size)
{
	uint32_t r[4];
	char v7[UUID_SIZE];

	if (prefix != NULL) {
		snprintf(id, size, "%s-%ld", prefix, sent);
	} else if (random_ids) {
		arc4random_buf(r, sizeof(r));
		snprintf(id, size, "%08x-%04x-4%03x-8%03x-%04x%08x", r[0],
		    r[1] >> 16, r[1] & 0xfff, r[2] >> 20, r[2] & 0xffff,
		    r[3]);
	} else {
		uuid_v7(v7);
		strlcpy(id, v7, size);
	}
}

/* One request of about 600 bytes, no two of the same content. */
static void
put_event(void)
{
	static char text[301];
	char to[40] = "", id[80];
	int n;

	make_id(id, sizeof(id));
	if (text[0] == '\0')
		memset(text, 'x', sizeof(text) - 1);
	if (chats > 0)
		snprintf(to, sizeof(to), ",\"to\":\"%ld\"",
		    1000 + sent % chats);
	n = snprintf(out + out_len, sizeof(out) - out_len,
	    "{\"op\":\"send\",\"event\":{\"type\":\"info_notification\","
	    "\"event_id\":\"%s\",\"source\":\"load\",\"title\":"
	    "\"Event %ld\",\"description\":\"%s %s\",\"data\":{"
	    "\"status\":\"completed\",\"duration_ms\":%ld,"
	    "\"files_affected\":[\"src/a.c\",\"src/b.c\"]}}%s}\n",
	    id, sent, id, text, sent % 10000, to);
	out_len += (size_t)n;
	at_us[sent++] = clock_mono_us();
}

static void
fill(void)
{
	if (out_off == out_len)
		out_off = out_len = 0;
	while (sent < total && sent - answered < window &&
	    sizeof(out) - out_len >= LINE_MAX_BYTES)
		put_event();
}

static void
answer(void)
{
	static const char good[] = "{\"ok\":true";

	if (line_len < sizeof(good) - 1 ||
	    memcmp(line, good, sizeof(good) - 1) != 0) {
		if (refused++ == 0)
			warnx("%.*s", (int)line_len, line);
	}
	if (answered == total)
		errx(1, "more answers than requests");
	at_us[answered] = clock_mono_us() - at_us[answered];
	answered++;
	line_len = 0;
}

static void
take(const char *p, size_t n)
{
	for (const char *end = p + n; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);
		size_t room = sizeof(line) - line_len;

		memcpy(line + line_len, p, len < room ? len : room);
		line_len += len < room ? len : room;
		if (nl == NULL)
			return;
		answer();
		p = nl + 1;
	}
}

static void
drain(int fd)
{
	ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

	if (n == 0)
		errx(1, "closed after %ld answers", answered);
	if (n == -1 && errno != EAGAIN)
		err(1, "recv");
	if (n > 0)
		take(in, (size_t)n);
}

static void
turn(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	ssize_t n;

	fill();
	if (out_off < out_len) {
		n = send(fd, out + out_off, out_len - out_off,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			err(1, "send");
		if (n > 0)
			out_off += (size_t)n;
		if (out_off < out_len)
			p.events |= POLLOUT;
	}
	if (poll(&p, 1, 30000) == 0)
		errx(1, "no answer within 30 s, after %ld", answered);
	if (p.revents & (POLLIN | POLLHUP | POLLERR))
		drain(fd);
}

int
main(int argc, char *argv[])
{
	const char *path = NULL;
	int64_t began_us;
	double s;
	int c, fd;

	while ((c = getopt(argc, argv, "c:i:n:rs:w:")) != -1) {
		switch (c) {
		case 'c':
			chats = (long)strtonum(optarg, 0, 1000000, NULL);
			break;
		case 'i':
			prefix = optarg;
			break;
		case 'n':
			total = (long)strtonum(optarg, 1, 100000000, NULL);
			break;
		case 'r':
			random_ids = true;
			break;
		case 's':
			path = optarg;
			break;
		case 'w':
			window = (long)strtonum(optarg, 1, 100000, NULL);
			break;
		default:
			path = NULL;
			optind = argc;
		}
	}
	if (path == NULL)
		errx(2, "usage: load -s SOCKET [-n events] [-w window] "
		    "[-c chats] [-i prefix] [-r]");
	if ((at_us = calloc((size_t)total, sizeof(*at_us))) == NULL)
		err(1, "calloc");
	fd = connect_to(path);
	began_us = clock_mono_us();
	while (answered < total)
		turn(fd);
	s = (double)(clock_mono_us() - began_us) / 1e6;
	bench_sort(at_us, (size_t)total);
	printf("load_rate %.0f events/s\n", (double)total / s);
	printf("load_p50 %lld us\nload_p99 %lld us\n",
	    (long long)bench_percentile(at_us, (size_t)total, 50),
	    (long long)bench_percentile(at_us, (size_t)total, 99));
	printf("load_cpu %.2f us/event\n",
	    bench_cpu_s(RUSAGE_SELF) * 1e6 / (double)total);
	printf("load_refused %ld events\n", refused);
	return (refused > 0);
}
