/*
 * cctgd: the supervisor.  Options, start-up in order, and the event loop.
 *
 * Start-up may end in an error; once the loop runs nothing does but a
 * request to stop.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "config.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/nitems.h"
#include "supervisor/supervisor.h"

#define BRIDGE_NAME "cctelegram-bridge"
#define LOCK_WAIT_MS 2000 /* for one that is just going */

struct supervisor sup = {
	.workers = TAILQ_HEAD_INITIALIZER(sup.workers),
	.children = TAILQ_HEAD_INITIALIZER(sup.children),
	.progname = "cctgd",
	.libexecdir = CCTG_LIBEXECDIR,
};

static struct options {
	bool check, daemon, syslog, verbose;
	int ready_fd;
	const char *config;
	const char *runtime_dir;
} options = {.ready_fd = -1};

static const struct option long_options[] = {
	{"check", no_argument, NULL, 't'},
	{"config", required_argument, NULL, 'c'},
	{"daemon", no_argument, NULL, 'D'},
	{"debug", no_argument, NULL, 'd'},
	{"foreground", no_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"ready-fd", required_argument, NULL, 'R'},
	{"runtime-dir", required_argument, NULL, 'r'},
	{"syslog", no_argument, NULL, 's'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *);
static void parse_options(int, char **);
static void set_source(const char *);
static int take_lock(void);
static void open_standard_fds(void);
static void prepare(void);
static void catch_signals(void);
static void on_stop(evutil_socket_t, short, void *);
static void on_reload(evutil_socket_t, short, void *);
static void on_log(evutil_socket_t, short, void *);

int
main(int argc, char **argv)
{
	char *name = strrchr(argv[0], '/');

	open_standard_fds();
	name = name == NULL ? argv[0] : name + 1;
	if (strcmp(name, BRIDGE_NAME) == 0) {
		sup.bridge = true;
		sup.progname = BRIDGE_NAME;
	}
	parse_options(argc, argv);
	set_source(argv[0]);
	log_init(sup.progname, LL_INFO, 0);
	if (reload_first() == -1)
		return (EX_CONFIG);
	if (options.check) {
		printf("configuration OK\n");
		return (0);
	}
	if (options.daemon && setup_daemon() == -1)
		err(EX_OSERR, "cannot go to the background");
	if (options.syslog)
		setenv("CCTG_SYSLOG", "1", 1);
	log_init(sup.progname, reload_configured_level(), options.syslog);
	prepare();
	log_notice("version %s, %s", PACKAGE_VERSION,
	    sup.conf->file != NULL ? sup.conf->file : "no configuration file");
	if (tree_configure() == -1)
		fatal("cannot set up the workers");
	tree_start();
	if (event_base_dispatch(sup.base) == -1)
		log_warnx("the event loop ended");
	control_close();
	log_notice("stopped");
	return (0);
}

static void
usage(FILE *f)
{
	fprintf(f, "usage: %s [-dfhstvV] [-c file] [-R fd] [-r directory]\n"
	    "       %s -D [-c file] [-r directory]\n", sup.progname,
	    sup.progname);
}

static void
parse_options(int argc, char **argv)
{
	const char *errstr;
	int c;

	while ((c = getopt_long(argc, argv, "c:DdfhR:r:stvV", long_options,
	    NULL)) != -1)
		switch (c) {
		case 'c':
			options.config = optarg;
			break;
		case 'D':
			options.daemon = options.syslog = true;
			break;
		case 'd':
		case 'v':
			options.verbose = true;
			break;
		case 'f':
			options.daemon = false;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'R':
			options.ready_fd = (int)strtonum(optarg, 3, 1 << 20,
			    &errstr);
			if (errstr != NULL)
				errx(EX_USAGE, "--ready-fd: %s", errstr);
			break;
		case 'r':
			options.runtime_dir = optarg;
			break;
		case 's':
			options.syslog = true;
			break;
		case 't':
			options.check = true;
			break;
		case 'V':
			printf("cctgd %s\n", PACKAGE_VERSION);
			exit(0);
		default:
			usage(stderr);
			exit(EX_USAGE);
		}
	if (optind < argc) {
		usage(stderr);
		exit(EX_USAGE);
	}
}

/* Where the configuration comes from, now and at each reload. */
static void
set_source(const char *argv0)
{
	static struct conf_source source;
	static struct conf_flag flags[2];
	char *dir = getenv("CCTG_LIBEXECDIR");

	if (dir != NULL)
		sup.libexecdir = dir;
	source.file = options.config;
	source.progname = argv0;
	source.env = environ;
	source.cwd = getcwd(NULL, 0);
	source.uid = geteuid();
	source.flags = flags;
	if (options.runtime_dir != NULL)
		flags[source.nflags++] =
		    (struct conf_flag){"runtime_dir", options.runtime_dir};
	if (options.verbose)
		flags[source.nflags++] = (struct conf_flag){"log", "verbose"};
	sup.source = &source;
}

/* Descriptors 0 to 2 must not become a socket by accident. */
static void
open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

/* All that must succeed before the first worker is forked. */
static void
prepare(void)
{
	sup.started_ms = clock_mono_ms();
	sup.started_wall_ms = clock_wall_ms();
	if (setup_user() == -1)
		exit(EX_CONFIG);
	if (setup_directories() == -1 || take_lock() == -1)
		exit(EX_CANTCREAT);
	secret_provide(sup.conf);
	if ((sup.tree_fd = lock_tree(sup.conf->runtime_dir)) == -1)
		fatal("cannot lock %s/cctgd.tree", sup.conf->runtime_dir);
	if ((sup.base = event_base_new()) == NULL)
		fatalx("cannot create the event loop");
	if ((sup.board = board_create(&sup.board_fd)) == NULL)
		fatal("cannot create the board");
	sup.board->pid = getpid();
	sup.board->started_ms = sup.started_wall_ms;
	sup.board->started_mono_ms = sup.started_ms;
	scoreboard_attach_board(sup.board);
	catch_signals();
	if (notify_init(options.ready_fd) == -1)
		fatal("cannot tell the service manager (NOTIFY_SOCKET, "
		    "--ready-fd)");
	if (reap_init() == -1 || watch_init() == -1)
		fatal("cannot watch the workers");
	if (control_init() == -1)
		fatal("cannot listen on %s/control.sock",
		    sup.conf->runtime_dir);
	if (listen_configure() == -1)
		fatal("cannot set up the listeners");
	setup_confine();
}

/* One instance: the other one keeps running, we leave. */
static int
take_lock(void)
{
	pid_t pid;

	switch (lock_take(sup.conf->runtime_dir, LOCK_WAIT_MS, &pid)) {
	case 0:
		return (0);
	case 1:
		if (sup.bridge)
			exit(0);
		log_errx("already running as pid %d (%s/cctgd.lock)",
		    (int)pid, sup.conf->runtime_dir);
		exit(1);
	default:
		log_warn("cannot lock %s/cctgd.lock", sup.conf->runtime_dir);
		return (-1);
	}
}

static void
catch_signals(void)
{
	static const struct {
		int sig;
		event_callback_fn call;
	} signals[] = {
		{SIGTERM, on_stop},
		{SIGINT, on_stop},
		{SIGHUP, on_reload},
		{SIGUSR1, on_log},
	};
	struct event *ev;
	size_t i;

	/* What means nothing to it must not end it. */
	signal(SIGALRM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	for (i = 0; i < nitems(signals); i++) {
		ev = evsignal_new(sup.base, signals[i].sig, signals[i].call,
		    NULL);
		if (ev == NULL || event_add(ev, NULL) == -1)
			fatal("cannot catch signal %d", signals[i].sig);
	}
}

static void
on_stop(evutil_socket_t sig, short what, void *arg)
{
	(void)what, (void)arg;
	shutdown_begin(sig == SIGINT ? "SIGINT" : "SIGTERM");
}

static void
on_reload(evutil_socket_t sig, short what, void *arg)
{
	struct json_object *answer = json_object_new_object();
	char *error = NULL;

	(void)sig, (void)what, (void)arg;
	if (!sup.stopping)
		(void)reload_now(answer, &error);
	free(error);
	json_object_put(answer);
}

/* SIGUSR1 turns verbose logging on and off. */
static void
on_log(evutil_socket_t sig, short what, void *arg)
{
	(void)sig, (void)what, (void)arg;
	reload_log_level(log_get_level() == LL_DEBUG ? LL_INFO : LL_DEBUG);
}
