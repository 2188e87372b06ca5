/*
 * Masking of secrets: what must not leave this machine in an event's text.
 *
 * One pass, no backtracking: a table tells for each byte whether a secret of
 * known form could begin there, or (":", "=") whether what is before or
 * behind it could be one.  What looks back is bounded; what looks ahead ends
 * at the first byte that cannot belong to it, and is either masked, so that
 * the pass goes on behind it, or at most LOOK_MAX bytes long.
 *
 * A hash, a UUID or a long word is no secret by its look; it takes a known
 * prefix, or a label such as "password=", for something to be masked.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/nitems.h"
#include "workers/analyze/redact.h"

#define LOOK_MAX 128  /* bytes that decide what something looks like */
#define LABEL_MAX 48  /* bytes of a label, looking back */
#define DIGITS_MAX 12 /* of the number that begins a bot token */

/* Sets of bytes. */
#define S_DIGIT 0x01
#define S_UPPER 0x02
#define S_LOWER 0x04
#define S_UNDER 0x08
#define S_DASH 0x10
#define S_B64 0x20 /* + / = */
#define S_DOT 0x40 /* . ~ */
#define S_ALPHA (S_UPPER | S_LOWER)
#define S_ALNUM (S_ALPHA | S_DIGIT)
#define S_WORD (S_ALNUM | S_UNDER)
#define S_TOKEN (S_WORD | S_DASH)

/* What a candidate must look like. */
enum look {
	ANY,
	RANDOM, /* has a piece that no word and no name looks like */
	EXACT	/* no byte of its set follows */
};

struct pattern {
	const char *prefix;
	uint8_t set;	   /* of what follows the prefix */
	uint8_t least;	   /* bytes that must follow */
	enum look look;
	const char *mask;
};

/* Grouped by the first byte: pattern_first[] needs that. */
static const struct pattern patterns[] = {
	{ "AKIA", S_UPPER | S_DIGIT, 16, EXACT, "[aws key id masked]" },
	{ "ASIA", S_UPPER | S_DIGIT, 16, EXACT, "[aws key id masked]" },
	{ "ABIA", S_UPPER | S_DIGIT, 16, EXACT, "[aws key id masked]" },
	{ "ACCA", S_UPPER | S_DIGIT, 16, EXACT, "[aws key id masked]" },
	{ "AIza", S_TOKEN, 35, EXACT, "[google key masked]" },
	{ "ghp_", S_WORD, 20, ANY, "[github token masked]" },
	{ "gho_", S_WORD, 20, ANY, "[github token masked]" },
	{ "ghu_", S_WORD, 20, ANY, "[github token masked]" },
	{ "ghs_", S_WORD, 20, ANY, "[github token masked]" },
	{ "ghr_", S_WORD, 20, ANY, "[github token masked]" },
	{ "github_pat_", S_WORD, 20, ANY, "[github token masked]" },
	{ "glpat-", S_TOKEN, 20, ANY, "[gitlab token masked]" },
	{ "hooks.slack.com/", S_TOKEN | S_B64, 16, ANY,
	    "[slack webhook masked]" },
	{ "hf_", S_ALNUM, 30, RANDOM, "[huggingface token masked]" },
	{ "npm_", S_ALNUM, 36, RANDOM, "[npm token masked]" },
	{ "pypi-", S_TOKEN, 50, RANDOM, "[pypi token masked]" },
	{ "rk_live_", S_ALNUM, 16, ANY, "[stripe key masked]" },
	{ "sk-ant-", S_TOKEN, 16, ANY, "[anthropic key masked]" },
	{ "sk-proj-", S_TOKEN, 16, ANY, "[openai key masked]" },
	{ "sk-svcacct-", S_TOKEN, 16, ANY, "[openai key masked]" },
	{ "sk-admin-", S_TOKEN, 16, ANY, "[openai key masked]" },
	{ "sk-", S_TOKEN, 20, RANDOM, "[openai key masked]" },
	{ "sk_live_", S_ALNUM, 16, ANY, "[stripe key masked]" },
	{ "sk_test_", S_ALNUM, 16, ANY, "[stripe key masked]" },
	{ "xoxa-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxb-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxc-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxd-", S_TOKEN | S_B64, 10, ANY, "[slack token masked]" },
	{ "xoxe-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxe.", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxo-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxp-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxr-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xoxs-", S_TOKEN, 10, ANY, "[slack token masked]" },
	{ "xapp-", S_TOKEN, 10, ANY, "[slack token masked]" }
};

/* What a label says about the value behind it. */
enum label { L_NONE, L_PASSWORD, L_TOKEN, L_SECRET, L_AUTHORIZATION };

/* A label is known by its end: DB_PASSWORD, clientSecret, x-api-key.
 * Grouped by the last byte: label_last[] needs that. */
#define LABEL(end, label) { end, sizeof(end) - 1, label }
static const struct {
	const char *end;
	size_t len;
	enum label label;
} labels[] = {
	LABEL("password", L_PASSWORD), LABEL("passwd", L_PASSWORD),
	LABEL("_pwd", L_PASSWORD),
	LABEL("passphrase", L_PASSWORD),
	LABEL("passwort", L_PASSWORD), LABEL("kennwort", L_PASSWORD),
	LABEL("secret", L_SECRET),
	LABEL("token", L_TOKEN), LABEL("authorization", L_AUTHORIZATION),
	LABEL("api_key", L_SECRET), LABEL("apikey", L_SECRET),
	LABEL("api-key", L_SECRET), LABEL("access_key", L_SECRET),
	LABEL("accesskey", L_SECRET), LABEL("access-key", L_SECRET),
	LABEL("secret_key", L_SECRET), LABEL("secretkey", L_SECRET),
	LABEL("secret-key", L_SECRET), LABEL("private_key", L_SECRET),
	LABEL("privatekey", L_SECRET), LABEL("auth_key", L_SECRET),
	LABEL("accountkey", L_SECRET), LABEL("signing_key", L_SECRET),
	LABEL("encryption_key", L_SECRET)
};

static const char *const label_masks[] = { "", "[password masked]",
	"[token masked]", "[secret masked]", "[token masked]" };

/* What stands behind "password=" and is none. */
static const char *const no_passwords[] = { "true", "false", "null", "none",
	"nil", "undefined", "empty", "unset", "set", "required", "optional",
	"missing", "invalid", "valid", "incorrect", "wrong", "expired",
	"changed", "unchanged", "updated", "reset", "enabled", "disabled",
	"hidden", "redacted", "masked", "removed", "string", "text",
	"default", "unknown", "failed", "accepted", "correct", "weak",
	"strong", "prompt", "auto", "no", "yes", "ok", "on", "off" };

/* A secret found: bytes [start, end) and what to put there. */
struct hit {
	size_t start, end;
	const char *mask;
};

struct scan {
	const char *p;
	size_t len;
	size_t done; /* all before was copied: a hit may not reach back */
	bool pem_end_missing;
	bool pem_open; /* the last private key had no end */
	struct hit hit;
};

static uint8_t set_of[256];
static uint8_t trigger[256];	    /* bit n: tries[n] */
static uint8_t anywhere;	    /* those that may be within a word */
static uint8_t pattern_first[256]; /* index + 1 */
static uint8_t label_last[256];	    /* index + 1 */

static void tables_build(void);
static size_t run(const struct scan *, size_t, uint8_t, size_t);
static bool starts(const struct scan *, size_t, const char *);
static bool in_set(const struct scan *, size_t, uint8_t);
static bool looks_random(const char *, size_t, size_t);
static bool looks_password(const char *, size_t);
static bool is_placeholder(const char *, size_t);
static enum label label_of(const char *, size_t);
static bool found(struct scan *, size_t, size_t, const char *);
static bool try_prefix(struct scan *, size_t);
static bool try_jwt(struct scan *, size_t);
static bool try_pem(struct scan *, size_t);
static bool try_bot_token(struct scan *, size_t);
static bool try_url(struct scan *, size_t);
static bool try_bearer(struct scan *, size_t);
static bool try_option(struct scan *, size_t);
static bool try_label(struct scan *, size_t);
static size_t scheme_length(const struct scan *, size_t);
static bool try_value(struct scan *, size_t, enum label, bool);
static bool try_whole(struct scan *, const char *);
static size_t pem_body(const struct scan *, size_t, size_t *);
static size_t pem_end(struct scan *, size_t);
static bool pem_continues(struct scan *);
static bool next_hit(struct scan *, size_t);

/* What to try at a byte, in this order. */
static const struct {
	const char *bytes;
	bool (*try)(struct scan *, size_t);
	bool starts; /* only where no word goes on: most letters are inside */
} tries[] = {
	{ "Aghnprsx", try_prefix, true },
	{ "e", try_jwt, true },
	{ "-", try_pem, false },
	{ "-", try_option, false },
	{ "bB", try_bearer, true },
	{ ":", try_url, false },
	{ ":", try_bot_token, false },
	{ ":=", try_label, false }
};

static void
tables_build(void)
{
	size_t i;
	const char *c;
	int b;

	for (b = 0; b < 128; b++) {
		set_of[b] = (uint8_t)((isdigit(b) ? S_DIGIT : 0) |
		    (isupper(b) ? S_UPPER : 0) | (islower(b) ? S_LOWER : 0));
	}
	set_of['_'] = S_UNDER;
	set_of['-'] = S_DASH;
	set_of['+'] = set_of['/'] = set_of['='] = S_B64;
	set_of['.'] = set_of['~'] = S_DOT;
	for (i = nitems(patterns); i-- > 0;)
		pattern_first[(uint8_t)patterns[i].prefix[0]] =
		    (uint8_t)(i + 1);
	for (i = nitems(labels); i-- > 0;)
		label_last[(uint8_t)labels[i].end[labels[i].len - 1]] =
		    (uint8_t)(i + 1);
	for (i = 0; i < nitems(tries); i++) {
		if (!tries[i].starts)
			anywhere |= (uint8_t)(1 << i);
		for (c = tries[i].bytes; *c != '\0'; c++)
			trigger[(uint8_t)*c] |= (uint8_t)(1 << i);
	}
}

/* How many bytes from i on are of the set, counted up to most. */
static size_t
run(const struct scan *s, size_t i, uint8_t set, size_t most)
{
	size_t n = 0;

	while (n < most && i + n < s->len &&
	    (set_of[(uint8_t)s->p[i + n]] & set) != 0)
		n++;
	return (n);
}

static bool
starts(const struct scan *s, size_t i, const char *with)
{
	size_t n = strlen(with);

	return (s->len - i >= n && memcmp(s->p + i, with, n) == 0);
}

/* Is there a byte at i, and is it of the set?  (i may be -1.) */
static bool
in_set(const struct scan *s, size_t i, uint8_t set)
{
	return (i < s->len && (set_of[(uint8_t)s->p[i]] & set) != 0);
}

/*
 * Is there a piece between punctuation, of at least so many bytes, that mixes
 * letters and digits; or one that mixes cases like no name does; or one
 * longer than any word?
 */
static bool
looks_random(const char *p, size_t len, size_t least)
{
	size_t i, n = 0, turns = 0;
	uint8_t seen = 0, set, last = 0;

	for (i = 0; i <= len && i <= LOOK_MAX; i++) {
		set = i < len ? set_of[(uint8_t)p[i]] & S_ALNUM : 0;
		if (set == 0) {
			n = turns = 0;
			seen = last = 0;
			continue;
		}
		n++;
		seen |= set;
		if ((set & S_ALPHA) != 0) {
			turns += last != 0 && set != last;
			last = set;
		}
		if ((n >= least && (seen & S_DIGIT) != 0 &&
		    (seen & S_ALPHA) != 0) || (n >= 16 && turns >= 5) ||
		    n >= 40)
			return (true);
	}
	return (false);
}

/* Behind "password:" in prose: more than a plain word. */
static bool
looks_password(const char *p, size_t len)
{
	size_t i, turns = 0;
	uint8_t set, last = 0;

	if (len < 6)
		return (false);
	for (i = 0; i < len && i < LOOK_MAX; i++) {
		if (isdigit((unsigned char)p[i]) ||
		    strchr("!@#$%^&*?~+", p[i]) != NULL)
			return (true);
		if ((set = set_of[(uint8_t)p[i]] & S_ALPHA) != 0) {
			turns += last != 0 && set != last;
			last = set;
		}
	}
	return (turns >= 2);
}

/* A variable, a pattern, a note of ours, or a word that says something
 * about the password: none itself. */
static bool
is_placeholder(const char *p, size_t len)
{
	size_t i;

	if (len == 0 || strchr("$%<{[*(&", p[0]) != NULL)
		return (true);
	for (i = 0; i < len && (p[i] == 'x' || p[i] == 'X' || p[i] == '.');
	    i++)
		;
	if (i == len)
		return (true);
	for (i = 0; i < nitems(no_passwords); i++) {
		if (strlen(no_passwords[i]) == len &&
		    strncasecmp(p, no_passwords[i], len) == 0)
			return (true);
	}
	return (false);
}

/* What the label of len bytes that ends before p says. */
static enum label
label_of(const char *p, size_t len)
{
	size_t i, n;
	int last;

	if (len == 0)
		return (L_NONE);
	last = tolower((unsigned char)p[-1]);
	if ((i = label_last[(uint8_t)last]) == 0)
		return (L_NONE);
	for (i--; i < nitems(labels); i++) {
		n = labels[i].len;
		if (labels[i].end[n - 1] != last)
			break;
		if (len >= n && strncasecmp(p - n, labels[i].end, n) == 0)
			return (labels[i].label);
	}
	return (L_NONE);
}

static bool
found(struct scan *s, size_t start, size_t end, const char *mask)
{
	if (start < s->done)
		return (false);
	s->hit.start = start;
	s->hit.end = end;
	s->hit.mask = mask;
	return (true);
}

static bool
try_prefix(struct scan *s, size_t i)
{
	const struct pattern *t = patterns +
	    pattern_first[(uint8_t)s->p[i]] - 1;
	char first = s->p[i];
	size_t body, n;

	if (in_set(s, i - 1, S_WORD))
		return (false);
	for (; t < patterns + nitems(patterns) && t->prefix[0] == first;
	    t++) {
		if (!starts(s, i, t->prefix))
			continue;
		body = i + strlen(t->prefix);
		if ((n = run(s, body, t->set, t->least)) < t->least)
			continue;
		if (t->look == EXACT && in_set(s, body + n, S_WORD))
			continue;
		if (t->look == RANDOM &&
		    !looks_random(s->p + body, run(s, body, t->set,
		    LOOK_MAX), 16))
			continue;
		if (t->look != EXACT)
			n = run(s, body, t->set, s->len);
		return (found(s, i, body + n, t->mask));
	}
	return (false);
}

/* RFC 7519: three parts of base64url with dots; JWE has five.  The first is
 * a JSON object, so it begins with "eyJ". */
static bool
try_jwt(struct scan *s, size_t i)
{
	size_t end = i, n, parts;

	if (in_set(s, i - 1, S_TOKEN) || !starts(s, i, "eyJ"))
		return (false);
	for (parts = 0; parts < 5; parts++) {
		n = run(s, end, S_TOKEN, s->len);
		if (n < 10 && !(n == 0 && parts >= 2))
			break;
		end += n;
		if (end >= s->len || s->p[end] != '.') {
			parts++;
			break;
		}
		end++;
	}
	if (parts < 3)
		return (false);
	if (s->p[end - 1] == '.') /* of a sentence, or an empty signature */
		end--;
	return (found(s, i, end, "[jwt masked]"));
}

/* Where the END line behind i ends; 0 if there is none. */
static size_t
pem_end(struct scan *s, size_t i)
{
	const char *e, *q;
	size_t left;

	if (s->pem_end_missing)
		return (0);
	e = memmem(s->p + i, s->len - i, "-----END ", 9);
	if (e == NULL) {
		s->pem_end_missing = true; /* and so for all later ones */
		return (0);
	}
	e += 9;
	left = s->len - (size_t)(e - s->p);
	q = memmem(e, left < 64 ? left : 64, "-----", 5);
	return ((size_t)((q != NULL ? q + 5 : e) - s->p));
}

/* Where what could be the inside of a key ends; counts its base64 bytes. */
static size_t
pem_body(const struct scan *s, size_t i, size_t *count)
{
	for (*count = 0; i < s->len; i++) {
		if (in_set(s, i, S_ALNUM | S_B64))
			++*count;
		else if (s->p[i] == '\0' ||
		    strchr(" \t\r\n\\:,-", s->p[i]) == NULL)
			break;
	}
	return (i);
}

/* RFC 7468: private keys as a whole; certificates and public keys stay. */
static bool
try_pem(struct scan *s, size_t i)
{
	const char *q;
	size_t body, end, left, n;

	if (!starts(s, i, "-----BEGIN "))
		return (false);
	body = i + 11;
	left = s->len - body;
	q = memmem(s->p + body, left < 48 ? left : 48, "PRIVATE KEY", 11);
	if (q == NULL)
		return (false);
	body = (size_t)(q - s->p) + 11;
	left = s->len - body;
	q = memmem(s->p + body, left < 12 ? left : 12, "-----", 5);
	if (q == NULL || memchr(s->p + i + 5, '-',
	    (size_t)(q - s->p) - i - 5) != NULL)
		return (false);
	body = (size_t)(q - s->p) + 5;
	if ((end = pem_end(s, body)) == 0) {
		end = pem_body(s, body, &n);
		if (n < 16 && end < s->len)
			return (false);
		s->pem_open = end == s->len;
	}
	return (found(s, i, end, "[private key masked]"));
}

/* The next string of an array in which a private key was begun. */
static bool
pem_continues(struct scan *s)
{
	size_t end, n;

	if ((end = pem_end(s, 0)) == 0) {
		end = pem_body(s, 0, &n);
		if (end < s->len)
			return (false);
		s->pem_open = true;
		s->pem_end_missing = false;
	}
	return (found(s, 0, end, "[private key masked]"));
}

/* Telegram: the bot's id, a colon and 35 bytes; in URLs behind "bot". */
static bool
try_bot_token(struct scan *s, size_t i)
{
	size_t n, start = i;

	while (start > 0 && i - start <= DIGITS_MAX &&
	    in_set(s, start - 1, S_DIGIT))
		start--;
	if (i - start < 6 || i - start > DIGITS_MAX)
		return (false);
	if (in_set(s, start - 1, S_WORD) &&
	    (start < 3 || memcmp(s->p + start - 3, "bot", 3) != 0))
		return (false);
	n = run(s, i + 1, S_TOKEN, 51);
	if (n != 35 && (n < 30 || n > 50 || !starts(s, i + 1, "AA")))
		return (false);
	return (found(s, start, i + 1 + n, "[telegram token masked]"));
}

/* The password of scheme://user:password@host. */
static bool
try_url(struct scan *s, size_t i)
{
	size_t at = 0, colon = 0, j;

	if (!starts(s, i, "://") || !in_set(s, i - 1, S_ALNUM))
		return (false);
	for (j = i + 3; j < s->len; j++) {
		if ((unsigned char)s->p[j] <= ' ' ||
		    strchr("/?#\"'`<>\\", s->p[j]) != NULL)
			break;
		if (s->p[j] == ':' && colon == 0)
			colon = j;
		else if (s->p[j] == '@')
			at = j;
	}
	if (colon == 0 || at <= colon + 1 ||
	    is_placeholder(s->p + colon + 1, at - colon - 1))
		return (false);
	return (found(s, colon + 1, at, "[password masked]"));
}

static bool
try_bearer(struct scan *s, size_t i)
{
	size_t n, start = i + 7;

	if (s->len - i < 7 || in_set(s, i - 1, S_WORD) ||
	    strncasecmp(s->p + i, "bearer ", 7) != 0)
		return (false);
	n = run(s, start, S_TOKEN | S_B64 | S_DOT, s->len);
	if (n < 16 || !looks_random(s->p + start, n, 8))
		return (false);
	return (found(s, start, start + n, "[token masked]"));
}

/* --password value */
static bool
try_option(struct scan *s, size_t i)
{
	size_t end, n;
	enum label label;

	if (!starts(s, i, "--") || (i > 0 && !isspace(
	    (unsigned char)s->p[i - 1])))
		return (false);
	n = run(s, i + 2, S_TOKEN, LABEL_MAX);
	end = i + 2 + n;
	if (n == 0 || end + 1 >= s->len || s->p[end] != ' ' ||
	    (label = label_of(s->p + end, n)) == L_NONE)
		return (false);
	return (try_value(s, end + 1, label, false));
}

/* label=value, label: value, "label": "value", label => value */
static bool
try_label(struct scan *s, size_t i)
{
	size_t end = i, n = 0, j = i + 1;
	enum label label;

	while (end > 0 && i - end < 4 &&
	    strchr(s->p[i] == '=' ? " \t\"'\\]:" : " \t\"'\\]",
	    s->p[end - 1]) != NULL && s->p[end - 1] != '\0')
		end--;
	while (n < LABEL_MAX && n < end && in_set(s, end - n - 1, S_TOKEN))
		n++;
	if (n == 0 || (label = label_of(s->p + end, n)) == L_NONE)
		return (false);
	if (j < s->len && s->p[i] == '=' && s->p[j] == '>')
		j++;
	else if (j < s->len && (s->p[j] == '=' || s->p[j] == ':'))
		return (false); /* ==, :=, :: */
	return (try_value(s, j, label, s->p[i] == '=' && end == i));
}

/* Length of the scheme and the blank in "Authorization: Basic …" at i. */
static size_t
scheme_length(const struct scan *s, size_t i)
{
	static const char *const schemes[] = { "bearer ", "basic ", "token ",
		"apikey " };
	size_t k, n;

	for (k = 0; k < nitems(schemes); k++) {
		n = strlen(schemes[k]);
		if (s->len - i >= n &&
		    strncasecmp(s->p + i, schemes[k], n) == 0)
			return (n);
	}
	return (0);
}

/*
 * The value that begins at i, or behind blanks and a quote.  attached: it
 * is written so that it can hardly be prose.
 */
static bool
try_value(struct scan *s, size_t i, enum label label, bool attached)
{
	const char *stop = "\\\"'`,;&<>|()]}";
	size_t end, n, blanks = 0;
	bool scheme = false, secret;

	for (; i < s->len && blanks < 4 && s->p[i] == ' '; blanks++)
		i++;
	if (label == L_AUTHORIZATION && (n = scheme_length(s, i)) > 0) {
		scheme = true;
		i += n;
	}
	for (; i < s->len && s->p[i] != '\0' &&
	    strchr("\\\"'`", s->p[i]) != NULL; i++)
		stop = "\\\"'`";
	for (end = i; end < s->len && (unsigned char)s->p[end] > ' ' &&
	    strchr(stop, s->p[end]) == NULL; end++)
		;
	if (end < s->len && s->p[end] == '(') /* a call */
		return (false);
	while (end > i && strchr(".:", s->p[end - 1]) != NULL)
		end--;
	n = end - i;
	if (is_placeholder(s->p + i, n) || label_of(s->p + end, n) == label)
		return (false);
	if (label == L_PASSWORD && attached && blanks == 0)
		secret = n >= 4;
	else if (label == L_PASSWORD || scheme)
		secret = looks_password(s->p + i, n);
	else
		secret = n >= 8 && looks_random(s->p + i, n, 8);
	return (secret && found(s, i, end, label_masks[label]));
}

/* A whole string that stands under a key which says what it is. */
static bool
try_whole(struct scan *s, const char *label)
{
	size_t len = strlen(label), i;
	enum label what;

	if ((what = label_of(label + len, len)) == L_NONE)
		return (false);
	if (what != L_PASSWORD)
		return (memmem(s->p, s->len, "://", 3) == NULL &&
		    try_value(s, 0, what, false) && s->hit.end == s->len);
	for (i = 0; i < s->len; i++) {
		if (isspace((unsigned char)s->p[i]))
			return (false);
	}
	if (s->len < 4 || is_placeholder(s->p, s->len))
		return (false);
	return (found(s, 0, s->len, label_masks[what]));
}

bool
redact_number(const char *label)
{
	size_t len = strlen(label);

	return (label_of(label + len, len) == L_PASSWORD);
}

/* The next secret at or behind i. */
static bool
next_hit(struct scan *s, size_t i)
{
	uint8_t todo;
	size_t t;

	for (; i < s->len; i++) {
		if ((todo = trigger[(uint8_t)s->p[i]]) == 0)
			continue;
		if (in_set(s, i - 1, S_WORD))
			todo &= anywhere;
		for (t = 0; todo != 0; t++, todo >>= 1) {
			if ((todo & 1) != 0 && tries[t].try(s, i))
				return (true);
		}
	}
	return (false);
}

int
redact_text(struct redactor *r, const char *p, size_t len, const char *label,
    char **out, size_t *outlen)
{
	struct scan s = { .p = p, .len = len };
	struct buf masked = { 0 };
	bool hit;

	if (trigger[':'] == 0)
		tables_build();
	*out = NULL;
	*outlen = 0;
	hit = r->pem_open && r->pem_label == label && label != NULL &&
	    pem_continues(&s);
	if (!hit)
		hit = next_hit(&s, 0);
	if (!hit && label != NULL)
		hit = try_whole(&s, label);
	for (; hit; hit = next_hit(&s, s.done)) {
		buf_add(&masked, p + s.done, s.hit.start - s.done);
		buf_str(&masked, s.hit.mask);
		s.done = s.hit.end;
		r->masked++;
	}
	r->pem_open = s.pem_open;
	r->pem_label = label;
	if (masked.len == 0 && !masked.failed)
		return (0);
	buf_add(&masked, p + s.done, len - s.done);
	buf_add(&masked, "", 1);
	if (masked.failed) {
		buf_free(&masked);
		return (-1);
	}
	*out = masked.p;
	*outlen = masked.len - 1;
	return (1);
}
