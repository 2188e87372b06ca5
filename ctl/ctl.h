/*
 * cctgctl: the one tool for people, hooks and agents.
 *
 * cctgctl.c reads the options and runs a verb; verbs.c is the table of the
 * verbs, each of which lives in the file of its family (status.c, control.c,
 * send.c, queue.c, mode.c, ask.c, run.c, people.c, hook.c, setup.c,
 * completion.c).  where.c knows where the sockets are, talk.c speaks on them,
 * prompt.c asks people, print.c writes for them.
 *
 * A verb that cannot do its work ends the program with ctl_fail().
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct json_object;

/* Exit codes (DESIGN section 7), by their names in cctgctl(1). */
enum ctl_exit {
	XC_OK = 0,
	XC_FAILED = 1,
	XC_USAGE = 2,
	XC_DOWN = 3,
	XC_NOT_FOUND = 4,
	XC_DENIED = 5,
	XC_TIMED_OUT = 6,
	XC_NOT_ALLOWED = 7,
	XC_REJECTED = 8,
	XC_BUSY = 75,
	XC_CONFIG = 78,
};

enum option_kind { OPT_FLAG, OPT_VALUE, OPT_MAYBE /* --name[=VALUE] */ };

struct verb_option {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	const char *value; /* what the usage calls it */
	const char *doc;
};

struct ctl;

struct verb {
	const char *name;
	const char *operands; /* as the usage shows them */
	const char *words;    /* what the first operand may be, or NULL */
	const char *doc;
	const struct verb_option *options; /* ends with a name of NULL */
	int min, max;			   /* operands; max -1: any number */
	bool command; /* options end at the first operand */
	bool hook;    /* an agent calls it: it fails in silence */
	int (*run)(struct ctl *);
};

#define GIVEN_MAX 256

struct ctl {
	const struct verb *verb;
	char **operand;
	int noperands;
	struct {
		const struct verb_option *option;
		const char *value; /* NULL: none was given */
	} given[GIVEN_MAX];
	size_t ngiven;
	/* Options of every verb. */
	bool json;
	bool quiet;
	const char *config;
	const char *runtime_dir;
	const char *socket;
};

/* cctgctl.c */
/* The value of an option, the last one where it stands several times; "" for
 * one without a value, NULL where it was not given. */
const char *ctl_option(const struct ctl *, const char *name);
/* The n-th value of an option that may be given several times, or NULL. */
const char *ctl_option_nth(const struct ctl *, const char *name, size_t n);
/* A duration given as an option, def_ms where it is not; a bad one is fatal. */
int64_t ctl_option_ms(struct ctl *, const char *name, int64_t def_ms);
int64_t ctl_option_count(struct ctl *, const char *name, int64_t def);
/* Say what is wrong (as JSON with --json) and exit. */
void ctl_fail(const struct ctl *, enum ctl_exit, const char *, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void ctl_usage(const struct ctl *, const char *, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* Options of every verb. */
extern const struct verb_option global_options[];

/* verbs.c */
extern const struct verb *const verbs[]; /* ends with NULL */
const struct verb *verb_find(const char *name);

/* where.c: static texts. */
enum ctl_socket { SOCKET_CONTROL, SOCKET_SUBMIT };
const char *where_socket(struct ctl *, enum ctl_socket);
const char *where_events_dir(struct ctl *);
const char *where_responses_dir(struct ctl *);
/* The configuration; lives as long as the program. */
const struct conf *where_conf(struct ctl *);

/* talk.c */
struct talk {
	int fd;
	char *buf;
	size_t len, size, taken;
};
/* Returns 0 or -1 with errno. */
int talk_open(struct talk *, const char *path, int64_t deadline_ms);
int talk_write(struct talk *, const char *, size_t, int64_t deadline_ms);
/* The next line, NUL instead of newline, valid until the next call; NULL with
 * errno: ETIMEDOUT, 0 at the end, another. */
char *talk_line(struct talk *, int64_t deadline_ms);
void talk_close(struct talk *);
#define TALK_FOREVER INT64_MAX
#define TALK_MS 10000 /* for an answer that needs no waiting */

/*
 * One request, one answer, which the caller puts.  Any failure, and an answer
 * that is an error, ends the program with the exit code that it means.
 */
struct json_object *talk_ask(struct ctl *, enum ctl_socket,
    struct json_object *request, int64_t timeout_ms);
/* The same in two steps. */
void talk_connect(struct ctl *, struct talk *, enum ctl_socket,
    int64_t timeout_ms);
void talk_request(struct ctl *, struct talk *, struct json_object *request,
    int64_t timeout_ms);
struct json_object *talk_answer(struct ctl *, struct talk *,
    int64_t timeout_ms);
/* A connection error as an exit code. */
enum ctl_exit talk_exit(int error);
/* An answer as an exit code. */
enum ctl_exit talk_code(struct json_object *answer);
/* End the program if the answer is an error. */
void talk_check(struct ctl *, struct json_object *answer);
/* {"op": op} */
struct json_object *talk_op(const char *op);
void talk_add(struct json_object *, const char *key, const char *value);

/* print.c */
/* The answer as one document, without "ok". */
void print_json(struct json_object *);
void print_ok(const struct ctl *, struct json_object *answer, const char *, ...)
    __attribute__((format(printf, 3, 4)));
enum colour { PLAIN, BOLD, GREEN, YELLOW, RED };
/* Text in a colour, padded or cut to width columns (0: as it is); text from
 * outside is made fit to print. */
void print_field(const char *text, int width, enum colour);
void print_indent(int); /* so many blanks before the next field */
void print_line(void); /* ends it, without the blanks at its end */
/* How many columns the text takes. */
int print_width(const char *);
/* Those of the terminal; 0: it is none, or not known. */
int print_columns(void);
void print_nomem(void) __attribute__((noreturn));
const char *print_age(char *, size_t, double seconds);
const char *print_size(char *, size_t, double bytes);
/* "07:00:12" of today, "Nov  9 07:00" of this year, else the date; local
 * time.  "-" for NULL. */
const char *print_time(char *, size_t, const char *rfc3339);
/* "2026-11-21 07:00:12"; local time. */
const char *print_moment(char *, size_t, const char *rfc3339);
enum colour print_state_colour(const char *state);

/* table.c */
struct table_column {
	const char *head;
	int least; /* it may be cut to so many columns; 0: never */
	int hide;  /* what goes first where there is no room; 0: it stays */
	bool right; /* as numbers stand */
};
#define TABLE_HIDE_MAX 4
struct table;
struct table *table_new(const struct table_column *, size_t);
/* The next cell of the row. */
void table_cell(struct table *, const char *text, enum colour);
void table_print(struct table *); /* and free it */

#endif
