/*
 * cctg-sim.c - a stand-in for the Telegram Bot API on this host, for tests,
 * benchmarks and ./try.  One process, one loop, everything in memory.
 * README.md tells what it does and how it is controlled.
 */
#include "config.h"

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "tests/sim/sim.h"

static struct event_base *new_base(void);
static void	on_signal(evutil_socket_t, short, void *);
static void	set_option(int, const char *);
static void	usage(void) __attribute__((__noreturn__));

enum { OPT_PORT = 1, OPT_PORT_FILE, OPT_TOKEN, OPT_STRICT, OPT_LIMITS,
    OPT_STRICT_CHATS, OPT_CONSOLE, OPT_RECORD_MAX, OPT_BOT_NAME };

static const struct option options[] = {
	{ "port",		required_argument,	NULL, OPT_PORT },
	{ "port-file",		required_argument,	NULL, OPT_PORT_FILE },
	{ "token",		required_argument,	NULL, OPT_TOKEN },
	{ "strict",		no_argument,		NULL, OPT_STRICT },
	{ "limits",		required_argument,	NULL, OPT_LIMITS },
	{ "strict-chats",	no_argument,	NULL, OPT_STRICT_CHATS },
	{ "console",		no_argument,		NULL, OPT_CONSOLE },
	{ "record-max",		required_argument,	NULL, OPT_RECORD_MAX },
	{ "bot-name",		required_argument,	NULL, OPT_BOT_NAME },
	{ NULL, 0, NULL, 0 }
};

struct sim	 sim = {
	.bot_name = "cctg_sim_bot",
	.bot_id = 123456789,
	.record_max = 200000,
	.messages = TAILQ_HEAD_INITIALIZER(sim.messages),
};

static int		 port;
static const char	*port_file;

static void
usage(void)
{
	(void)fprintf(stderr, "usage: cctg-sim [--port N] [--port-file FILE] "
	    "[--token TOKEN] [--strict]\n\t[--limits global=N,private=N,"
	    "private_burst=N,group=N] [--strict-chats]\n\t[--console] "
	    "[--record-max N] [--bot-name NAME]\n");
	exit(2);
}

static void
on_signal(evutil_socket_t sig, short what, void *base)
{
	(void)sig;
	(void)what;
	(void)event_base_loopbreak(base);
}

static void
set_option(int opt, const char *arg)
{
	const char	*error = NULL;

	switch (opt) {
	case OPT_PORT:
		port = (int)strtonum(arg, 0, 65535, &error);
		break;
	case OPT_PORT_FILE:
		port_file = arg;
		break;
	case OPT_TOKEN:
		sim.token = arg;
		if (strtoll(arg, NULL, 10) > 0)
			sim.bot_id = strtoll(arg, NULL, 10);
		break;
	case OPT_STRICT:
		/* What Telegram's own documentation tells bots to keep to. */
		(void)limit_parse(&sim.rates,
		    "global=30,private=1,private_burst=3,group=20");
		break;
	case OPT_LIMITS:
		if (limit_parse(&sim.rates, arg) == -1)
			error = "bad limits";
		break;
	case OPT_STRICT_CHATS:
		sim.strict_chats = true;
		break;
	case OPT_CONSOLE:
		sim.console = true;
		break;
	case OPT_RECORD_MAX:
		sim.record_max = (uint64_t)strtonum(arg, 1, INT32_MAX, &error);
		break;
	case OPT_BOT_NAME:
		sim.bot_name = arg;
		break;
	default:
		usage();
	}
	if (error != NULL)
		errx(2, "%s: %s", arg, error);
}

/*
 * evhttp turns reading and writing of a connection on and off for each
 * request; with the change list most of that never reaches the kernel.
 */
static struct event_base *
new_base(void)
{
	struct event_base	*base;
	struct event_config	*config;

	if ((config = event_config_new()) == NULL ||
	    event_config_require_features(config, EV_FEATURE_EARLY_CLOSE) ==
	    -1 || event_config_set_flag(config,
	    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == -1 ||
	    (base = event_base_new_with_config(config)) == NULL)
		errx(1, "no event base that notices closed connections");
	event_config_free(config);
	return (base);
}

int
main(int argc, char *argv[])
{
	struct event	*term, *intr;
	int		 opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(opt, optarg);
	if (optind != argc)
		usage();
	(void)signal(SIGPIPE, SIG_IGN);
	sim.color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	sim.base = new_base();
	updates_init();
	server_listen(port, port_file);
	term = evsignal_new(sim.base, SIGTERM, on_signal, sim.base);
	intr = evsignal_new(sim.base, SIGINT, on_signal, sim.base);
	if (term == NULL || intr == NULL || evsignal_add(term, NULL) == -1 ||
	    evsignal_add(intr, NULL) == -1)
		errx(1, "evsignal_new");
	(void)event_base_dispatch(sim.base);
	event_free(term);
	event_free(intr);
	server_stop();
	event_base_free(sim.base);
	return (0);
}
