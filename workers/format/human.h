/*
 * Numbers, durations and times as people read them.
 */
#ifndef FORMAT_HUMAN_H
#define FORMAT_HUMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUMAN_SIZE 64 /* enough for every text below */

/*
 * A decimal number such as "65000", "-1.5" or "2e3", and nothing but that
 * (no hexadecimal, no infinity).  False if it is none.
 */
bool human_number(const char *, size_t len, double *);

/*
 * Milliseconds as "0.4 ms", "850 ms", "12.3 s", "1 min 5 s", "2 h 3 min" or
 * "3 d 4 h".  False (and buf untouched) if negative, not finite or absurd.
 */
bool human_duration(char *buf, size_t size, double ms);

/* A number of bytes of at least 1024 as "1.5 MiB"; false for others. */
bool human_bytes(char *buf, size_t size, double bytes);

/*
 * Use a time zone from now on: its file is read here and never again, so
 * that this works before a sandbox closes the file system.  Returns -1 if
 * there is no such zone (UTC is used then).
 */
int human_set_timezone(const char *name);

/* "21/Nov/26 05:50" in that zone. */
void human_time(char *buf, size_t size, int64_t wall_ms);
/* "05:50" */
void human_clock(char *buf, size_t size, int64_t wall_ms);

#endif
