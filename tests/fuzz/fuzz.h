/*
 * What every fuzz target gives to its driver: fuzz_main.c, which mutates the
 * captured events, or libFuzzer, which calls the same two functions.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);
/*
 * A seed made from one captured event; up to size bytes into buf.  Returns
 * its length.  Called by fuzz_main.c.
 */
size_t fuzz_seed(const uint8_t *event, size_t len, uint8_t *buf, size_t size);

/* Unlike assert(3), also in builds with NDEBUG. */
#define FUZZ_CHECK(x)                                                     \
	do {                                                              \
		if (!(x)) {                                               \
			fprintf(stderr, "%s:%d: %s does not hold\n",      \
			    __FILE__, __LINE__, #x);                      \
			abort();                                          \
		}                                                         \
	} while (0)

#endif
