/*
 * A thin layer between SQLite and the system that gathers writes.
 *
 * SQLite writes each frame of the WAL with two calls, 24 bytes and a page,
 * and a checkpoint each page with one.  Most of them adjoin, so here they
 * become one pwrite(2) for up to GATHER_BYTES.  What is gathered is written
 * before anything that could notice: a read of these bytes, a flush, a
 * change or a question of size, the close.  A failed write is reported there
 * at the latest; a commit ends with a flush (synchronous=FULL), so that none
 * is acknowledged before its writes were done.
 *
 * The other calls go through to SQLite's own "unix" layer.  Shared memory
 * and memory mapping are left out: with locking_mode=EXCLUSIVE SQLite does
 * without them.  Called by SQLite only.
 */
#include "config.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workers/queue/store_int.h"

#define GATHER_BYTES (64 * 1024)

/* SQLite allocates it, with the base layer's own file behind it. */
struct gather_file {
	sqlite3_file face;  /* what SQLite calls */
	sqlite3_file *base; /* the same file of the layer below */
	uint8_t *data;	    /* NULL until something is written */
	sqlite3_int64 at;
	int len;
};

static int	gather_open(sqlite3_vfs *, const char *, sqlite3_file *, int,
		    int *);
static struct gather_file *gather(sqlite3_file *);
static int	flush(struct gather_file *);
static int	f_close(sqlite3_file *);
static int	f_read(sqlite3_file *, void *, int, sqlite3_int64);
static int	f_write(sqlite3_file *, const void *, int, sqlite3_int64);
static int	f_truncate(sqlite3_file *, sqlite3_int64);
static int	f_sync(sqlite3_file *, int);
static int	f_size(sqlite3_file *, sqlite3_int64 *);
static int	f_lock(sqlite3_file *, int);
static int	f_unlock(sqlite3_file *, int);
static int	f_check_lock(sqlite3_file *, int *);
static int	f_control(sqlite3_file *, int, void *);
static int	f_sector(sqlite3_file *);
static int	f_device(sqlite3_file *);

static sqlite3_vfs *base_vfs;

static const sqlite3_io_methods gather_methods = {
	.iVersion = 1,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_check_lock,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_device,
};

static struct gather_file *
gather(sqlite3_file *f)
{
	return ((struct gather_file *)(void *)f);
}

/* Write what is gathered; if that fails it is forgotten, as the write is. */
static int
flush(struct gather_file *g)
{
	int len = g->len;

	if (len == 0)
		return (SQLITE_OK);
	g->len = 0;
	return (g->base->pMethods->xWrite(g->base, g->data, len, g->at));
}

static int
f_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
	struct gather_file *g = gather(f);
	int rc;

	if (g->len > 0 && (at != g->at + g->len ||
	    g->len + len > GATHER_BYTES) && (rc = flush(g)) != SQLITE_OK)
		return (rc);
	if (len > GATHER_BYTES ||
	    (g->data == NULL && (g->data = malloc(GATHER_BYTES)) == NULL))
		return (g->base->pMethods->xWrite(g->base, data, len, at));
	if (g->len == 0)
		g->at = at;
	memcpy(g->data + g->len, data, (size_t)len);
	g->len += len;
	return (SQLITE_OK);
}

static int
f_read(sqlite3_file *f, void *data, int len, sqlite3_int64 at)
{
	struct gather_file *g = gather(f);
	int rc;

	if (g->len > 0 && at < g->at + g->len && at + len > g->at &&
	    (rc = flush(g)) != SQLITE_OK)
		return (rc);
	return (g->base->pMethods->xRead(g->base, data, len, at));
}

static int
f_close(sqlite3_file *f)
{
	struct gather_file *g = gather(f);
	int rc = flush(g), rc2;

	free(g->data);
	g->data = NULL;
	rc2 = g->base->pMethods->xClose(g->base);
	return (rc != SQLITE_OK ? rc : rc2);
}

static int
f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct gather_file *g = gather(f);
	int rc = flush(g);

	return (rc != SQLITE_OK ? rc :
	    g->base->pMethods->xTruncate(g->base, size));
}

static int
f_sync(sqlite3_file *f, int flags)
{
	struct gather_file *g = gather(f);
	int rc = flush(g);

	return (rc != SQLITE_OK ? rc :
	    g->base->pMethods->xSync(g->base, flags));
}

static int
f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	struct gather_file *g = gather(f);
	int rc = flush(g);

	return (rc != SQLITE_OK ? rc :
	    g->base->pMethods->xFileSize(g->base, size));
}

static int
f_lock(sqlite3_file *f, int level)
{
	return (gather(f)->base->pMethods->xLock(gather(f)->base, level));
}

static int
f_unlock(sqlite3_file *f, int level)
{
	struct gather_file *g = gather(f);
	int rc = flush(g), rc2;

	rc2 = g->base->pMethods->xUnlock(g->base, level);
	return (rc != SQLITE_OK ? rc : rc2);
}

static int
f_check_lock(sqlite3_file *f, int *held)
{
	return (gather(f)->base->pMethods->xCheckReservedLock(gather(f)->base,
	    held));
}

static int
f_control(sqlite3_file *f, int op, void *arg)
{
	struct gather_file *g = gather(f);
	int rc = flush(g);

	return (rc != SQLITE_OK ? rc :
	    g->base->pMethods->xFileControl(g->base, op, arg));
}

static int
f_sector(sqlite3_file *f)
{
	return (gather(f)->base->pMethods->xSectorSize(gather(f)->base));
}

static int
f_device(sqlite3_file *f)
{
	return (gather(f)->base->pMethods->xDeviceCharacteristics(
	    gather(f)->base));
}

static int
gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
    int *out)
{
	struct gather_file *g = gather(f);
	int rc;

	(void)vfs;
	memset(g, 0, sizeof(*g));
	g->base = (sqlite3_file *)(void *)(g + 1);
	rc = base_vfs->xOpen(base_vfs, name, g->base, flags, out);
	/* Without methods SQLite does not close it. */
	if (g->base->pMethods != NULL)
		f->pMethods = &gather_methods;
	return (rc);
}

int
store_register_vfs(void)
{
	static sqlite3_vfs vfs;

	if (base_vfs != NULL)
		return (0);
	if ((base_vfs = sqlite3_vfs_find(NULL)) == NULL)
		return (-1);
	/* The other functions of it take any vfs, and use only pAppData. */
	vfs = *base_vfs;
	vfs.pNext = NULL;
	vfs.zName = STORE_VFS;
	vfs.szOsFile = (int)sizeof(struct gather_file) + base_vfs->szOsFile;
	vfs.xOpen = gather_open;
	return (sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? 0 : -1);
}
