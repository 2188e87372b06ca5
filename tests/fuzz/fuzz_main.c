/*
 * A small driver for fuzz targets where libFuzzer is not to be had: takes
 * seeds from a directory, mutates them with a generator that begins from a
 * known state, and leaves the input behind when the target dies.
 *
 *	fuzz_X [-n runs] [-s seed] [-t seconds] [file …]
 *
 * Without -t, 5000 runs, always the same: that is what make check does.
 * With files, runs these and nothing else: to see a failure again.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (64U << 10)
#define SEEDS_MAX 64
#define MUTATIONS_MAX 5
#define RUNS 5000

static struct {
	uint8_t data[INPUT_MAX];
	size_t len;
} seeds[SEEDS_MAX], input;
static size_t nseeds;
static uint64_t state;

/* Text that means something to one of the targets. */
#define WORD(text) { text, sizeof(text) - 1 }
struct word {
	const char *text;
	size_t len;
};
static const struct word words[] = { WORD("\""), WORD("{"), WORD("}"),
	WORD("["), WORD("]"), WORD(","), WORD(":"), WORD("[[[[[[[["),
	WORD("\\u0000"), WORD("\\ud800"), WORD("\xff"), WORD("\xed\xa0\x80"),
	WORD("\xf0\x9f\x98\x80"), WORD("\r\n"), WORD("\033[1m"),
	WORD("\\u001b["), WORD("ghp_0123456789abcdefghijABCDEFGHIJ"),
	WORD("-----BEGIN RSA PRIVATE KEY-----"), WORD("-----END "),
	WORD("password="), WORD("://a:b@"), WORD("Bearer "), WORD("sk-"),
	WORD("eyJaaaaaaaaaa.eyJaaaaaaaaaa."), WORD("123456789:"),
	WORD("AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"), WORD("cctgseg1"),
	WORD("\0\0\0\0"), WORD("\xff\xff\xff\xff"), WORD("\1\0\0\0") };
/* JSON values to stand where another stood. */
static const struct word values[] = { WORD("null"), WORD("true"), WORD("0"),
	WORD("-1.5"), WORD("1e999"), WORD("NaN"), WORD("1."), WORD("\"\""),
	WORD("\" \\u0000 \""), WORD("{}"), WORD("[]"), WORD("\"12.5\""),
	WORD("[1,\"a\",[{\"b\":null}]]"), WORD("18446744073709551616"),
	WORD("{\"password\":\"hunter2\",\"n\":{\"\xff\":1,\"\xfe\":2}}"),
	WORD("[\"-----BEGIN RSA PRIVATE KEY-----\",\"MIIEabcdef\",\"x\"]") };
#define PICK(table) (&(table)[below(sizeof(table) / sizeof((table)[0]))])

static uint64_t next_random(void);
static size_t below(size_t);
static void insert(size_t, const void *, size_t);
static void cut(size_t, size_t);
static void change_value(size_t);
static void mutate(void);
static void load_seeds(const char *);
static void keep_input(int);
static size_t read_file(const char *, uint8_t *, size_t);

/* splitmix64 */
static uint64_t
next_random(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31));
}

static size_t
below(size_t n)
{
	return (n == 0 ? 0 : (size_t)(next_random() % n));
}

static void
insert(size_t at, const void *data, size_t n)
{
	if (n > INPUT_MAX - input.len)
		return;
	memmove(input.data + at + n, input.data + at, input.len - at);
	memcpy(input.data + at, data, n);
	input.len += n;
}

static void
cut(size_t at, size_t n)
{
	if (n > input.len - at)
		n = input.len - at;
	memmove(input.data + at, input.data + at + n, input.len - at - n);
	input.len -= n;
}

/* Another value behind the next colon, if this is JSON. */
static void
change_value(size_t at)
{
	const struct word *v = PICK(values);
	size_t end;

	while (at < input.len && input.data[at] != ':')
		at++;
	if (at == input.len)
		return;
	for (end = ++at; end < input.len && input.data[end] != ',' &&
	    input.data[end] != '}'; end++)
		;
	cut(at, end - at);
	insert(at, v->text, v->len);
}

/* One small change somewhere. */
static void
mutate(void)
{
	uint8_t copy[256];
	size_t at = below(input.len), n, w;
	const typeof(seeds[0]) *other;
	const struct word *word;

	switch (below(11)) {
	case 0: /* one bit */
		if (input.len > 0)
			input.data[at] ^= (uint8_t)(1 << below(8));
		break;
	case 1: /* one byte */
		if (input.len > 0)
			input.data[at] = (uint8_t)next_random();
		break;
	case 2:
		cut(at, 1 + below(32));
		break;
	case 3: /* the end is missing */
		if (below(4) == 0)
			input.len = at;
		break;
	case 4: /* a piece twice, also far away */
		n = 1 + below(sizeof(copy) - 1);
		if (n > input.len - at)
			n = input.len - at;
		memcpy(copy, input.data + at, n);
		insert(below(input.len + 1), copy, n);
		break;
	case 5:
	case 6:
		word = PICK(words);
		insert(at, word->text, word->len);
		break;
	case 7:
	case 8:
	case 9:
		change_value(at);
		break;
	case 10: /* a piece of another seed */
		other = &seeds[below(nseeds)];
		n = below(other->len);
		w = 1 + below(200);
		insert(at, other->data + n,
		    w < other->len - n ? w : other->len - n);
		break;
	}
}

static size_t
read_file(const char *path, uint8_t *buf, size_t size)
{
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (0);
	n = read(fd, buf, size);
	close(fd);
	return (n > 0 ? (size_t)n : 0);
}

static void
load_seeds(const char *dir)
{
	static uint8_t event[INPUT_MAX];
	struct dirent **names;
	char path[1024];
	size_t len;
	int i, n;

	/* Sorted: the same runs on every file system. */
	n = scandir(dir, &names, NULL, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		free(names[i]);
		len = read_file(path, event, sizeof(event));
		if (len > 0 && nseeds < SEEDS_MAX) {
			seeds[nseeds].len = fuzz_seed(event, len,
			    seeds[nseeds].data, INPUT_MAX);
			nseeds++;
		}
	}
	if (n >= 0)
		free(names);
}

/* The target died: what of? */
static void
keep_input(int sig)
{
	int fd = open("fuzz-failure", O_CREAT | O_WRONLY | O_TRUNC, 0600);

	if (fd != -1 && write(fd, input.data, input.len) != -1)
		close(fd);
	signal(sig, SIG_DFL);
	raise(sig);
}

int
main(int argc, char **argv)
{
	time_t end = 0;
	unsigned long runs = RUNS, done;
	size_t i, n;
	int c;

	state = 1;
	while ((c = getopt(argc, argv, "n:s:t:")) != -1) {
		switch (c) {
		case 'n':
			runs = strtoul(optarg, NULL, 10);
			break;
		case 's':
			state = strtoull(optarg, NULL, 10);
			break;
		case 't':
			end = time(NULL) + (time_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return (EX_USAGE);
		}
	}
	LLVMFuzzerInitialize(&argc, &argv);
	for (; optind < argc; optind++) {
		input.len = read_file(argv[optind], input.data, INPUT_MAX);
		LLVMFuzzerTestOneInput(input.data, input.len);
		end = -1;
	}
	if (end == -1)
		return (0);
	signal(SIGABRT, keep_input);
	signal(SIGSEGV, keep_input);
	signal(SIGBUS, keep_input);
	load_seeds(FUZZ_SEEDS);
	if (nseeds == 0) {
		fprintf(stderr, "no seeds in %s\n", FUZZ_SEEDS);
		return (EX_NOINPUT);
	}
	for (done = 0; end != 0 ? done % 64 != 0 || time(NULL) < end :
	    done < runs; done++) {
		i = below(nseeds);
		input.len = seeds[i].len;
		memcpy(input.data, seeds[i].data, input.len);
		for (n = below(MUTATIONS_MAX + 1); n > 0; n--)
			mutate();
		LLVMFuzzerTestOneInput(input.data, input.len);
	}
	printf("%s: %lu runs\n", argv[0], done);
	return (0);
}
