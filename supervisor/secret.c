/*
 * The secret of the webhook: Telegram sends it along with each update, and
 * intake takes nothing without it.  Where telegram.webhook.secret_file names
 * none, the supervisor makes one and keeps it in state_dir, so that Telegram,
 * which knows it, need not be told another at each start.  Called at start
 * and at each reload.
 *
 * The directory belongs to the workers: nothing in it is followed or trusted.
 */
#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/log.h"
#include "supervisor/supervisor.h"

#define FILE_NAME "webhook.secret"
#define SECRET_BYTES 32 /* in hex twice as many; the Bot API takes 256 */

static bool secret_read(int, char *, size_t);
static int secret_make(char *, size_t);
static int secret_write(int, const char *);

void
secret_provide(struct conf *conf)
{
	/* Kept for a directory that cannot be written. */
	static char secret[2 * SECRET_BYTES + 2];
	int dir;

	if (*conf->webhook_url == '\0' || conf->webhook_secret != NULL)
		return;
	dir = open(conf->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!secret_read(dir, secret, sizeof(secret))) {
		if (*secret == '\0' && secret_make(secret, sizeof(secret)) ==
		    -1) {
			log_warn("webhook: cannot make a secret");
			goto done;
		}
		if (secret_write(dir, secret) == -1)
			log_warn("cannot write %s/" FILE_NAME ": the next "
			    "start makes another secret", conf->state_dir);
	}
	conf->webhook_secret = strdup(secret);
done:
	if (dir != -1)
		close(dir);
}

static bool
secret_read(int dir, char *secret, size_t size)
{
	char text[sizeof("x") + 2 * SECRET_BYTES];
	struct stat st;
	ssize_t n = -1;
	int fd;

	if (dir == -1 || (fd = openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC)) == -1)
		return (false);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 2 * SECRET_BYTES)
		return (false);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (!conf_secret_ok(text))
		return (false);
	strlcpy(secret, text, size);
	return (true);
}

static int
secret_make(char *secret, size_t size)
{
	unsigned char raw[SECRET_BYTES];
	size_t i;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return (-1);
	for (i = 0; i < sizeof(raw); i++)
		snprintf(secret + 2 * i, size - 2 * i, "%02x", raw[i]);
	explicit_bzero(raw, sizeof(raw));
	return (0);
}

/* Whole or not at all. */
static int
secret_write(int dir, const char *secret)
{
	static const char part[] = FILE_NAME ".part";
	size_t len = strlen(secret);
	int fd, rc = -1, saved;

	if (dir == -1)
		return (-1);
	(void)unlinkat(dir, part, 0);
	fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1)
		return (-1);
	if (write(fd, secret, len) == (ssize_t)len && write(fd, "\n", 1) == 1 &&
	    fsync(fd) == 0 && renameat(dir, part, dir, FILE_NAME) == 0)
		rc = 0;
	saved = errno;
	close(fd);
	if (rc == -1)
		(void)unlinkat(dir, part, 0);
	errno = saved;
	return (rc);
}
