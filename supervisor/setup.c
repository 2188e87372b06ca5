/*
 * Before the tree: the workers' user, the directories, --daemon, and what the
 * supervisor keeps of root's powers.  Errors here end the start.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <linux/capability.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/nitems.h"
#include "supervisor/supervisor.h"

#define DAEMON_WAIT_MS 30000

static int setup_directory(const char *, mode_t, uid_t);
static int setup_parents(const char *);
static bool setup_is_empty(const char *);

/* Of --daemon: the parent waits at the other end. */
static int daemon_fd = -1;

/*
 * Started as root: who are the workers?  An absent user that was configured
 * is an error, the absent default one only a warning, and then the workers
 * keep the caller's identity, as they do when there is to be no user.
 */
int
setup_user(void)
{
	const struct conf *conf = sup.conf;
	struct passwd *pw;
	struct group *gr;

	sup.uid = geteuid();
	sup.gid = getegid();
	if (sup.uid != 0 || conf->user[0] == '\0')
		return (0);
	if ((pw = getpwnam(conf->user)) == NULL) {
		if (conf->user_given) {
			log_errx("user \"%s\" does not exist", conf->user);
			return (-1);
		}
		status_notice("user \"%s\" does not exist: the workers run "
		    "as root", conf->user);
		log_warnx("user \"%s\" does not exist: the workers run as "
		    "root", conf->user);
		return (0);
	}
	sup.uid = pw->pw_uid;
	sup.gid = pw->pw_gid;
	if ((gr = getgrnam(conf->group)) != NULL)
		sup.gid = gr->gr_gid;
	else if (conf->group_given) {
		log_errx("group \"%s\" does not exist", conf->group);
		return (-1);
	}
	sup.as_root = sup.uid != 0;
	return (0);
}

/* Make the directories that are not there.  Returns 0, or -1 after logging. */
int
setup_directories(void)
{
	const struct conf *conf = sup.conf;
	const struct {
		const char *path;
		mode_t mode;
		uid_t owner;
	} dirs[] = {
		/* The sockets in it are passed: no worker needs to write. */
		{conf->runtime_dir, sup.as_root ? 0750 : 0700, geteuid()},
		{conf->state_dir, 0700, sup.uid},
		/* Members of the group drop files into it. */
		{conf->events_dir, sup.as_root ? 0770 : 0750, sup.uid},
		{conf->responses_dir, 0750, sup.uid},
	};
	size_t i;

	for (i = 0; i < nitems(dirs); i++)
		if (setup_directory(dirs[i].path, dirs[i].mode,
		    dirs[i].owner) == -1) {
			log_warn("cannot make the directory %s", dirs[i].path);
			return (-1);
		}
	return (0);
}

/*
 * A directory that is there is left as it is, except an empty one of root's,
 * as a service manager or a packager makes it: that becomes the workers'.
 */
static int
setup_directory(const char *path, mode_t mode, uid_t owner)
{
	struct stat st;
	int made;

	if (path == NULL || path[0] == '\0') {
		errno = ENOENT;
		return (-1);
	}
	made = mkdir(path, mode);
	if (made == -1 && errno == ENOENT && setup_parents(path) == 0)
		made = mkdir(path, mode);
	/* Another one that starts now may have made it. */
	if (made == -1 && errno != EEXIST)
		return (-1);
	if (stat(path, &st) == -1)
		return (-1);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return (-1);
	}
	if (sup.as_root && st.st_uid == 0 && setup_is_empty(path) &&
	    (chown(path, owner, sup.gid) == -1 || chmod(path, mode) == -1))
		return (-1);
	return (0);
}

static int
setup_parents(const char *path)
{
	char *copy, *slash;
	int rc = 0;

	if ((copy = strdup(path)) == NULL)
		return (-1);
	for (slash = strchr(copy + 1, '/'); slash != NULL && rc == 0;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) == -1 && errno != EEXIST)
			rc = -1;
		*slash = '/';
	}
	free(copy);
	return (rc);
}

static bool
setup_is_empty(const char *path)
{
	struct dirent *d;
	DIR *dir;
	int n = 0;

	if ((dir = opendir(path)) == NULL)
		return (false);
	while ((d = readdir(dir)) != NULL)
		n += strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0;
	closedir(dir);
	return (n == 0);
}

/*
 * Go to the background.  The parent stays until the child reports readiness
 * (then it exits with 0), dies or takes too long (then with 1), so that a
 * script that starts the daemon knows.
 */
int
setup_daemon(void)
{
	struct pollfd ready = {.events = POLLIN};
	int pair[2], null;
	char c;

	if (pipe2(pair, O_CLOEXEC) == -1)
		return (-1);
	switch (fork()) {
	case -1:
		return (-1);
	case 0:
		close(pair[0]);
		break;
	default:
		close(pair[1]);
		ready.fd = pair[0];
		if (poll(&ready, 1, DAEMON_WAIT_MS) == 0)
			warnx("still starting; see the log");
		_exit(ready.revents != 0 && read(pair[0], &c, 1) == 1 ? 0 : 1);
	}
	daemon_fd = pair[1];
	if (setsid() == -1 || chdir("/") == -1 ||
	    (null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(null, STDERR_FILENO) == -1)
		return (-1);
	if (null > STDERR_FILENO)
		close(null);
	return (0);
}

void
setup_daemon_ready(void)
{
	if (daemon_fd == -1)
		return;
	if (write(daemon_fd, "", 1) == -1) {
		/* The parent has gone: nobody is waiting. */
	}
	close(daemon_fd);
	daemon_fd = -1;
}

/*
 * Keep only what spawning, watching and the sockets need.  The token is in
 * our memory, so no core dump, either.
 */
void
setup_confine(void)
{
	/* One byte: see spawn_limits(). */
	struct rlimit core = {1, RLIM_INFINITY};
	static const unsigned int kept[] = {CAP_SETUID, CAP_SETGID, CAP_KILL,
		CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE, CAP_SYS_PTRACE,
		CAP_NET_BIND_SERVICE, CAP_SYS_RESOURCE};
	struct __user_cap_header_struct head = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct had[2], keep[2] = {0};
	size_t i;

	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = core.rlim_max < 1 ? core.rlim_max : 1;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
	if (!sup.as_root)
		return;
	for (i = 0; i < nitems(kept); i++)
		keep[kept[i] / 32].permitted |= 1U << kept[i] % 32;
	if (syscall(SYS_capget, &head, had) == -1) {
		log_debug("cannot read the capabilities: %s", strerror(errno));
		return;
	}
	/* In a container some of them may be missing already. */
	for (i = 0; i < nitems(keep); i++) {
		keep[i].permitted &= had[i].permitted;
		keep[i].effective = keep[i].permitted;
	}
	if (syscall(SYS_capset, &head, keep) == -1)
		log_debug("cannot drop capabilities: %s", strerror(errno));
}
