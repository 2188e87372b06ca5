/*
 * Where the sockets and the events directory are: the flags say so, or the
 * environment, or the configuration that the daemon reads, too.  The file is
 * only read when it is needed, since every hook call of an agent comes by.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "ctl/ctl.h"

extern char **environ;

static struct conf *load(struct ctl *, const char *progname);
static void believe(struct ctl *, const struct conf *, bool);
static const char *runtime_dir(struct ctl *);

/* Why the configuration was not read to its end. */
static char problem[512];

/*
 * The configuration as far as it can be read: an error in it is the daemon's
 * matter, apart from a file that was asked for and is not there, and from one
 * that leaves open where things are, see believe().
 */
static struct conf *
load(struct ctl *ctl, const char *progname)
{
	struct conf_problems problems = { 0 };
	struct conf_flag flag = { "runtime_dir", ctl->runtime_dir };
	struct conf_source source = { .file = ctl->config, .env = environ,
		.progname = progname, .uid = geteuid(), .client = true,
		.flags = &flag, .nflags = 1 };
	struct conf *conf;

	conf = conf_load(&source, &problems);
	if (conf == NULL || (ctl->config != NULL &&
	    access(ctl->config, R_OK) == -1))
		ctl_fail(ctl, XC_CONFIG, "%s", problems.n > 0 ?
		    problems.v[0].text : "out of memory");
	if (conf->cut && problems.n > 0)
		strlcpy(problem, problems.v[0].text, sizeof(problem));
	conf_problems_free(&problems);
	return (conf);
}

/*
 * Behind the error may stand where the sockets or the events are; an event
 * must not be left where no daemon looks.  A hook and the command of another
 * go on with the default.
 */
static void
believe(struct ctl *ctl, const struct conf *conf, bool given)
{
	if (conf->cut && !given && !ctl->verb->hook && !ctl->verb->command)
		ctl_fail(ctl, XC_CONFIG, "%s", problem);
}

static struct conf *
configuration(struct ctl *ctl)
{
	static struct conf *conf;

	if (conf == NULL)
		conf = load(ctl, "cctgctl");
	return (conf);
}

/*
 * The configuration of the daemon that is running, where that can be told:
 * the bridge has the paths of a user, even if root started it.
 */
static struct conf *
running(struct ctl *ctl)
{
	static struct conf *bridge;
	struct conf *conf = configuration(ctl);
	char path[4096];

	believe(ctl, conf, conf->runtime_dir_given);
	if (geteuid() != 0 || conf->file != NULL)
		return (conf);
	snprintf(path, sizeof(path), "%s/control.sock", conf->runtime_dir);
	if (access(path, F_OK) == 0)
		return (conf);
	if (bridge == NULL)
		bridge = load(ctl, "cctelegram-bridge");
	snprintf(path, sizeof(path), "%s/control.sock", bridge->runtime_dir);
	return (access(path, F_OK) == 0 ? bridge : conf);
}

static const char *
runtime_dir(struct ctl *ctl)
{
	const char *env = getenv("CCTG_RUNTIME_DIR");

	if (ctl->runtime_dir != NULL)
		return (ctl->runtime_dir);
	if (env != NULL && *env != '\0')
		return (env);
	return (running(ctl)->runtime_dir);
}

const char *
where_socket(struct ctl *ctl, enum ctl_socket socket)
{
	static char path[4096];

	if (ctl->socket != NULL)
		return (ctl->socket);
	snprintf(path, sizeof(path), "%s/%s", runtime_dir(ctl),
	    socket == SOCKET_CONTROL ? "control.sock" : "submit.sock");
	return (path);
}

const char *
where_events_dir(struct ctl *ctl)
{
	struct conf *conf = configuration(ctl);

	believe(ctl, conf, conf->events_dir_given);
	return (conf->events_dir);
}

const char *
where_responses_dir(struct ctl *ctl)
{
	return (running(ctl)->responses_dir);
}

const struct conf *
where_conf(struct ctl *ctl)
{
	return (configuration(ctl));
}
