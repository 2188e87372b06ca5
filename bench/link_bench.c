/*
 * Links beside a bare socketpair: messages of 1 KB a second and the
 * processor time of one, and the round trip of one.  Two processes, each on
 * a core of its own where there are two.
 *
 *	link_bench [-n messages] [-t trips]
 *
 * Raw: the sender copies messages into a buffer of 64 KiB and writes it, the
 * receiver reads 64 KiB and looks at each message; ping-pong is a blocking
 * read and write.  Link: link.c as the workers use it, with their loop, its
 * credit and its counters.
 *
 * Prints "name value unit" lines.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "bench/bench_stat.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "ipc/frame.h"
#include "ipc/link.h"

#define MESSAGE 1024
#define BUFFER 65536
#define WARM 1000 /* round trips that are not counted */

static uint8_t message[MESSAGE], buffer[BUFFER];
static struct event_base *base;
static long total = 2000000, trips = 20000;
static long count; /* messages sent or received, round trips made */
static int64_t *trip_ns, sent_ns;

static void pin(unsigned int);
static double both(const char *, void (*)(int), void (*)(int), long);
static void read_all(int, void *, size_t);
static void write_all(int, const void *, size_t);
static void raw_send(int);
static void raw_receive(int);
static void raw_ping(int);
static void raw_pong(int);
static struct link *open_link(int, enum process_class, enum process_class,
    const struct link_ops *);
static void run_loop(void);
static void link_sender(int);
static void link_receiver(int);
static void link_ping(int);
static void link_pong(int);
static void print_trips(const char *);

static void
pin(unsigned int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	/* With one core they share it. */
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/*
 * Run here() in this process and there() in another, over a socketpair;
 * prints the processor time of both a message.  Returns seconds.
 */
static double
both(const char *name, void (*here)(int), void (*there)(int), long n)
{
	double cpu = bench_cpu_s(RUSAGE_SELF) + bench_cpu_s(RUSAGE_CHILDREN);
	int sv[2], status;
	int64_t began_us;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
	began_us = clock_mono_us();
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		close(sv[0]);
		pin(1);
		there(sv[1]);
		_exit(0);
	}
	close(sv[1]);
	pin(0);
	count = 0;
	here(sv[0]);
	if (waitpid(pid, &status, 0) == -1 || status != 0)
		errx(1, "%s: the other process failed", name);
	began_us = clock_mono_us() - began_us;
	cpu = bench_cpu_s(RUSAGE_SELF) + bench_cpu_s(RUSAGE_CHILDREN) - cpu;
	printf("%s_cpu %.3f us/message\n", name, cpu * 1e6 / (double)n);
	return ((double)began_us / 1e6);
}

/* The socketpair itself. */

static void
read_all(int fd, void *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)p + done, len - done);

		if (n <= 0)
			err(1, "read");
		done += (size_t)n;
	}
}

static void
write_all(int fd, const void *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)p + done, len - done);

		if (n <= 0)
			err(1, "write");
		done += (size_t)n;
	}
}

static void
raw_send(int fd)
{
	size_t len = 0;

	for (long i = 0; i < total; i++) {
		if (len + MESSAGE > BUFFER) {
			write_all(fd, buffer, len);
			len = 0;
		}
		memcpy(message, &i, sizeof(i));
		memcpy(buffer + len, message, MESSAGE);
		len += MESSAGE;
	}
	write_all(fd, buffer, len);
	close(fd);
}

static void
raw_receive(int fd)
{
	size_t have = 0, at;
	long expected = 0, i;
	ssize_t n;

	while ((n = read(fd, buffer + have, BUFFER - have)) > 0) {
		have += (size_t)n;
		for (at = 0; have - at >= MESSAGE; at += MESSAGE) {
			memcpy(&i, buffer + at, sizeof(i));
			if (i != expected++)
				errx(1, "order");
		}
		memmove(buffer, buffer + at, have - at);
		have -= at;
	}
	if (expected != total)
		errx(1, "%ld messages of %ld", expected, total);
}

static void
raw_ping(int fd)
{
	for (count = 0; count < trips + WARM; count++) {
		sent_ns = clock_mono_ns();
		write_all(fd, message, MESSAGE);
		read_all(fd, message, MESSAGE);
		if (count >= WARM)
			trip_ns[count - WARM] = clock_mono_ns() - sent_ns;
	}
	close(fd);
}

static void
raw_pong(int fd)
{
	for (long i = 0; i < trips + WARM; i++) {
		read_all(fd, message, MESSAGE);
		write_all(fd, message, MESSAGE);
	}
}

/* Links, as workers have them. */

static struct link *
open_link(int fd, enum process_class self, enum process_class peer,
    const struct link_ops *ops)
{
	struct link *l;
	int slot;

	log_init("bench", LL_ERR, 0);
	if (slot_create(&slot) == NULL || scoreboard_attach(slot) == -1)
		err(1, "slot");
	close(slot);
	if (base == NULL && (base = event_base_new()) == NULL)
		errx(1, "event loop");
	if ((l = link_new(base, fd, self, peer, 1, ops, NULL)) == NULL)
		err(1, "link");
	return (l);
}

static void
run_loop(void)
{
	for (;;) {
		slot_turn();
		if (event_base_loop(base, EVLOOP_ONCE) == -1)
			errx(1, "event loop");
		if (event_base_got_break(base))
			return;
	}
}

static void
send_more(struct link *l, void *arg)
{
	(void)arg;
	while (count < total) {
		memcpy(message, &count, sizeof(count));
		if (link_send(l, INTAKE_EVENT_SUBMIT, (uint64_t)count,
		    message, MESSAGE) == -1) {
			if (errno != EAGAIN)
				err(1, "link_send");
			return;
		}
		count++;
	}
}

static enum link_verdict
sender_message(struct link *l, const struct frame *f, void *arg)
{
	(void)l, (void)f, (void)arg;
	event_base_loopbreak(base);
	return (LINK_DONE);
}

static void
sender_closed(struct link *l, enum link_end end, void *arg)
{
	(void)l, (void)end, (void)arg;
	errx(1, "the link ended");
}

static void
link_sender(int fd)
{
	static const struct link_ops ops = { sender_message, sender_closed,
		send_more };
	struct link *l = open_link(fd, PC_INTAKE, PC_QUEUE, &ops);

	send_more(l, NULL);
	run_loop();
	link_free(l);
}

static enum link_verdict
receiver_message(struct link *l, const struct frame *f, void *arg)
{
	long i;

	(void)arg;
	memcpy(&i, f->data, sizeof(i));
	if (++count == total)
		link_send(l, QUEUE_EVENT_ACCEPT, 0, message, 9);
	return (i == count - 1 ? LINK_DONE : LINK_BAD);
}

static void
receiver_closed(struct link *l, enum link_end end, void *arg)
{
	(void)l, (void)arg;
	_exit(end != LINK_EOF);
}

static void
link_receiver(int fd)
{
	static const struct link_ops ops = { receiver_message,
		receiver_closed, NULL };

	count = 0;
	open_link(fd, PC_QUEUE, PC_INTAKE, &ops);
	run_loop();
}

static void
ping(struct link *l)
{
	sent_ns = clock_mono_ns();
	if (link_send(l, INTAKE_EVENT_SUBMIT, 0, message, MESSAGE) == -1)
		err(1, "link_send");
}

static enum link_verdict
ping_message(struct link *l, const struct frame *f, void *arg)
{
	(void)f, (void)arg;
	if (count >= WARM)
		trip_ns[count - WARM] = clock_mono_ns() - sent_ns;
	if (++count < trips + WARM)
		ping(l);
	else
		event_base_loopbreak(base);
	return (LINK_DONE);
}

static void
link_ping(int fd)
{
	static const struct link_ops ops = { ping_message, sender_closed,
		NULL };
	struct link *l = open_link(fd, PC_INTAKE, PC_QUEUE, &ops);

	ping(l);
	run_loop();
	link_free(l);
}

static enum link_verdict
pong_message(struct link *l, const struct frame *f, void *arg)
{
	(void)arg;
	if (link_send(l, QUEUE_QUERY_ANSWER, f->id, f->data, f->len) == -1)
		err(1, "link_send");
	return (LINK_DONE);
}

static void
link_pong(int fd)
{
	static const struct link_ops ops = { pong_message, receiver_closed,
		NULL };

	open_link(fd, PC_QUEUE, PC_INTAKE, &ops);
	run_loop();
}

static void
print_trips(const char *name)
{
	bench_sort(trip_ns, (size_t)trips);
	printf("%s_p50 %.2f us\n", name,
	    (double)bench_percentile(trip_ns, (size_t)trips, 50) / 1e3);
	printf("%s_p99 %.2f us\n", name,
	    (double)bench_percentile(trip_ns, (size_t)trips, 99) / 1e3);
}

int
main(int argc, char *argv[])
{
	double s;
	int c;

	while ((c = getopt(argc, argv, "n:t:")) != -1) {
		switch (c) {
		case 'n':
			total = (long)strtonum(optarg, 1, 1L << 32, NULL);
			break;
		case 't':
			trips = (long)strtonum(optarg, 1, 1L << 32, NULL);
			break;
		default:
			errx(2, "usage: link_bench [-n messages] [-t trips]");
		}
	}
	if ((trip_ns = calloc((size_t)trips, sizeof(*trip_ns))) == NULL)
		err(1, "calloc");
	setvbuf(stdout, NULL, _IOLBF, 0);
	s = both("raw", raw_send, raw_receive, total);
	printf("raw_rate %.0f messages/s\n", (double)total / s);
	s = both("link", link_sender, link_receiver, total);
	printf("link_rate %.0f messages/s\n", (double)total / s);
	both("raw_trip", raw_ping, raw_pong, trips);
	print_trips("raw_trip");
	both("link_trip", link_ping, link_pong, trips);
	print_trips("link_trip");
	return (0);
}
