/*
 * Identifiers and the hash that goes with them.  Every process that makes or
 * looks up event ids calls it; it keeps nothing but the last id made and a
 * small stock of random bytes.  It cannot fail: getrandom(2) gives 256 bytes
 * or fewer at once as soon as the kernel's pool is ready, and before that an
 * id made from the clock and the process id is still unique on this host.
 */
#include <sys/random.h>

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/uuid.h"

#define RANDOM_STOCK 256 /* the most that getrandom(2) never cuts short */

static uint64_t random_u64(void);
static void put_hex(char *, uint64_t, int);
static void uuid_print(char out[UUID_SIZE], uint64_t, uint64_t);
static bool is_uuid(const char *, size_t);

static uint64_t
random_u64(void)
{
	static uint8_t stock[RANDOM_STOCK];
	static size_t left;
	struct timespec ts;
	uint64_t v;

	if (left < sizeof(v)) {
		if (getrandom(stock, sizeof(stock), 0) !=
		    (ssize_t)sizeof(stock)) {
			clock_gettime(CLOCK_MONOTONIC, &ts);
			return (hash64_mix((uint64_t)ts.tv_nsec << 32 ^
			    (uint64_t)ts.tv_sec << 20 ^
			    (uint64_t)getpid()));
		}
		left = sizeof(stock);
	}
	left -= sizeof(v);
	memcpy(&v, stock + left, sizeof(v));
	return (v);
}

static void
put_hex(char *out, uint64_t v, int digits)
{
	static const char hex[] = "0123456789abcdef";

	while (digits-- > 0) {
		out[digits] = hex[v & 15];
		v >>= 4;
	}
}

static void
uuid_print(char out[UUID_SIZE], uint64_t hi, uint64_t lo)
{
	put_hex(out, hi >> 32, 8);
	out[8] = '-';
	put_hex(out + 9, hi >> 16, 4);
	out[13] = '-';
	put_hex(out + 14, hi, 4);
	out[18] = '-';
	put_hex(out + 19, lo >> 48, 4);
	out[23] = '-';
	put_hex(out + 24, lo, 12);
	out[36] = '\0';
}

/*
 * 48 bits of milliseconds, then 12 bits that start as the fraction of the
 * millisecond and count on when ids come faster than that or the wall clock
 * goes back (RFC 9562 section 6.2, method 3), then 62 random bits.
 */
void
uuid_v7(char out[UUID_SIZE])
{
	static uint64_t last;
	struct timespec ts;
	uint64_t stamp, ns;

	clock_gettime(CLOCK_REALTIME, &ts);
	ns = (uint64_t)ts.tv_nsec;
	stamp = ((uint64_t)ts.tv_sec * 1000 + ns / 1000000) << 12 |
	    (ns % 1000000) * 4096 / 1000000;
	if (stamp <= last)
		stamp = last + 1;
	last = stamp;
	uuid_print(out, (stamp >> 12) << 16 | 0x7000 | (stamp & 0xfff),
	    (random_u64() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL);
}

/* The finaliser of MurmurHash3: every bit of the input reaches every other. */
uint64_t
hash64_mix(uint64_t v)
{
	v ^= v >> 33;
	v *= 0xff51afd7ed558ccdULL;
	v ^= v >> 33;
	v *= 0xc4ceb9fe1a85ec53ULL;
	v ^= v >> 33;
	return (v);
}

void
uuid_from_bytes(char out[UUID_SIZE], const void *data, size_t len)
{
	/* The basis and the prime of FNV-1a with 128 bits. */
	const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13b;
	unsigned __int128 h =
	    (unsigned __int128)0x6c62272e07bb0142ULL << 64 |
	    0x62b821756295c58dULL;
	const uint8_t *p = data;
	uint64_t hi, lo;
	size_t i;

	for (i = 0; i < len; i++) {
		h ^= p[i];
		h *= prime;
	}
	/* Short inputs leave the upper half nearly alone; spread the lower. */
	lo = (uint64_t)h;
	hi = (uint64_t)(h >> 64) ^ hash64_mix(lo);
	lo ^= hash64_mix(hi);
	uuid_print(out, (hi & ~0xf000ULL) | 0x8000,
	    (lo & 0x3fffffffffffffffULL) | 0x8000000000000000ULL);
}

uint64_t
hash64(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		seed ^= p[i];
		seed *= 0x100000001b3ULL;
	}
	return (seed);
}

static bool
is_uuid(const char *id, size_t len)
{
	size_t i;

	if (len != UUID_SIZE - 1)
		return (false);
	for (i = 0; i < len; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (id[i] != '-')
				return (false);
		} else if (!isxdigit((unsigned char)id[i]))
			return (false);
	}
	return (true);
}

/*
 * Ids that are no UUID often end in a counter: those that differ only in it
 * stay together, in its order.  Below zero, where no UUIDv7 is.
 */
static int64_t
counted_key(const char *id, size_t len)
{
	uint64_t count = 0;
	size_t stem = len;

	while (stem > 0 && isdigit((unsigned char)id[stem - 1]))
		stem--;
	for (size_t i = stem; i < len; i++)
		count = count * 10 + (uint64_t)(id[i] - '0');
	/* A number of more than 32 bits: its upper part is a hash, too. */
	return ((int64_t)(1ULL << 63 |
	    hash64_mix(hash64(HASH64_INIT, id, stem) ^ count >> 32) >> 32
	    << 32 | (count & UINT32_MAX)));
}

int64_t
uuid_index_key(const char *id, size_t len)
{
	uint64_t v = 0;
	size_t i;
	int c;

	if (!is_uuid(id, len))
		return (counted_key(id, len));
	for (i = 0; i < 18; i++) {
		c = (unsigned char)id[i];
		if (c == '-')
			continue;
		c = isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
		v = v << 4 | (uint64_t)c;
	}
	return ((int64_t)v);
}
