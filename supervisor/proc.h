/*
 * What the kernel says about a process, in proc(5).
 */
#ifndef SUPERVISOR_PROC_H
#define SUPERVISOR_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char state;	 /* as in proc_pid_stat(5): R S D T t Z … */
	uint64_t cpu_us; /* user and system, in steps of a clock tick */
};

/*
 * Read the start of /proc/PID/name as text.  Returns its length, or -1 with
 * errno when it is not there or empty.
 */
ssize_t proc_read(pid_t, const char *name, char *buf, size_t size);
/* 0, or -1 when there is no such process. */
int proc_stat(pid_t, struct proc_stat *);

#endif
