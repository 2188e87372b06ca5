/*
 * Base64, for the files that travel in events.  Pure; called by cctgctl,
 * analyze and format.  (glibc has b64_pton(3), but before 2.37 in libresolv
 * only, which costs every worker more than this.)
 */
#include <stdint.h>
#include <string.h>

#include "common/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;
	uint32_t v;
	size_t i, left;

	for (i = 0; i < len; i += 3) {
		left = len - i;
		v = (uint32_t)p[i] << 16 |
		    (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
		    (left > 2 ? p[i + 2] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[v & 63] : '=';
	}
	*out = '\0';
}

ssize_t
base64_decode(const char *text, size_t len, void *out)
{
	static uint8_t value[256]; /* of a digit, plus 1 */
	uint8_t *o = out;
	uint32_t v = 0;
	size_t i, n = 0, pads = 0;
	unsigned char c;

	for (i = 0; value['A'] == 0 && i < 64; i++)
		value[(unsigned char)digits[63 - i]] = (uint8_t)(64 - i);
	for (i = 0; i < len; i++) {
		c = (unsigned char)text[i];
		if (value[c] != 0 && pads == 0) {
			v = v << 6 | (value[c] - 1U);
			if (++n % 4 != 0)
				continue;
			*o++ = (uint8_t)(v >> 16);
			*o++ = (uint8_t)(v >> 8);
			*o++ = (uint8_t)v;
		} else if (c == '=' && pads < 2)
			pads++;
		else if (c == '\0' || strchr(" \t\r\n", c) == NULL)
			return (-1);
	}
	/* One digit alone is less than a byte. */
	if (n % 4 == 1 || (pads > 0 && (n + pads) % 4 != 0))
		return (-1);
	if (n % 4 >= 2)
		*o++ = (uint8_t)(v >> (n % 4 == 2 ? 4 : 10));
	if (n % 4 == 3)
		*o++ = (uint8_t)(v >> 2);
	return (o - (uint8_t *)out);
}
