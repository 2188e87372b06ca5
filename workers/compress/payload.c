/*
 * One payload, packed and expanded; see payload.h.  Nothing that is packed
 * is believed: the expander of lz4 stays within the bounds it is given, and
 * the length must come out as the store has it.
 */
#include <limits.h>
#include <lz4.h>
#include <stdbool.h>
#include <string.h>

#include "workers/compress/payload.h"

static int pack_with_dictionary(const void *, int, void *, int, int);

size_t
payload_bound(size_t raw_bytes)
{
	if (raw_bytes > LZ4_MAX_INPUT_SIZE)
		return (0);
	return ((size_t)LZ4_compressBound((int)raw_bytes));
}

/*
 * Hashing the dictionary costs more than packing a small event; it is done
 * once, and the state, which does not point into itself, copied.
 */
static int
pack_with_dictionary(const void *raw, int bytes, void *out, int room,
    int level)
{
	static LZ4_stream_t prepared, stream;
	static bool ready;

	if (!ready) {
		LZ4_initStream(&prepared, sizeof(prepared));
		LZ4_loadDict(&prepared, payload_dictionary,
		    (int)payload_dictionary_bytes);
		ready = true;
	}
	memcpy(&stream, &prepared, sizeof(stream));
	return (LZ4_compress_fast_continue(&stream, raw, out, bytes, room,
	    level));
}

enum payload_encoding
payload_pack(const void *raw, size_t raw_bytes, int level, void *out,
    size_t *packed_bytes)
{
	bool dict = raw_bytes < PAYLOAD_DICT_MAX;
	size_t room = payload_bound(raw_bytes);
	int n;

	if (room == 0 || raw_bytes == 0)
		return (ENC_RAW);
	if (dict)
		n = pack_with_dictionary(raw, (int)raw_bytes, out, (int)room,
		    level);
	else
		n = LZ4_compress_fast(raw, out, (int)raw_bytes, (int)room,
		    level);
	if (n <= 0 || (size_t)n >= raw_bytes)
		return (ENC_RAW);
	*packed_bytes = (size_t)n;
	return (dict ? ENC_LZ4_DICT : ENC_LZ4);
}

int
payload_expand(unsigned int encoding, const void *packed,
    size_t packed_bytes, void *out, size_t raw_bytes)
{
	int n;

	if (packed_bytes > INT_MAX || raw_bytes > INT_MAX)
		return (-1);
	switch (encoding) {
	case ENC_RAW:
		if (packed_bytes != raw_bytes)
			return (-1);
		memcpy(out, packed, raw_bytes);
		return (0);
	case ENC_LZ4:
		n = LZ4_decompress_safe(packed, out, (int)packed_bytes,
		    (int)raw_bytes);
		break;
	case ENC_LZ4_DICT:
		n = LZ4_decompress_safe_usingDict(packed, out,
		    (int)packed_bytes, (int)raw_bytes, payload_dictionary,
		    (int)payload_dictionary_bytes);
		break;
	default:
		return (-1);
	}
	return (n >= 0 && (size_t)n == raw_bytes ? 0 : -1);
}
