/*
 * Fault injection: places at which a test can make a step fail.  Built with
 * --enable-fault-injection only; otherwise a point costs nothing.
 *
 * CCTG_FAULT in the environment says which fail, divided by commas:
 *
 *	NAME:ERROR[:AFTER[:COUNT]]
 *
 * ERROR is a name (ENOSPC) or a number of errno(3); AFTER passes come first
 * (0), then COUNT failures (all further ones).
 */
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

#ifdef CCTG_FAULTS
/*
 * Shall the step of this name fail?  Returns 0, or the error with errno set to
 * it, as in: if (fault_point("intake-unlink") != 0) rc = -1.
 */
int fault_point(const char *name);
#else
#define fault_point(name) 0
#endif

#endif
