/*
 * The configuration: cctgd.conf, the environment and the flags, as one
 * structure.  Read by cctgd (start and reload) and by cctgctl (where the
 * sockets are); workers get their part of it as JSON from conf_export().
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf_keys.h"
#include "ipc/messages.h"

struct conf_list {
	char **v;
	size_t n;
};

struct conf_ids {
	int64_t *v;
	size_t n;
};

/* Minutes since midnight; from_min is -1 where there are none. */
struct conf_hours {
	int from_min;
	int to_min;
};

enum conf_section {
#define CONF_SECTION_ENUM(name, path, leaf) CS_##name,
	CONF_SECTIONS(CONF_SECTION_ENUM)
#undef CONF_SECTION_ENUM
	CONF_NSECTIONS
};

enum conf_type {
#define CONF_TYPE_ENUM(name, ctype, suffix) CT_##name,
	CONF_TYPES(CONF_TYPE_ENUM)
#undef CONF_TYPE_ENUM
	CONF_NTYPES
};

#define CONF_CTYPE(name, ctype, suffix) typedef ctype conf_ctype_##name;
CONF_TYPES(CONF_CTYPE)
#undef CONF_CTYPE

#define CONF_MEMBER(section, name, type, member, ...) conf_ctype_##type member;

struct conf_chat {
	char *name;
	int line; /* of its section */
	CONF_CHAT_KEYS(CONF_MEMBER)
};

struct conf_route {
	char *name;
	int line;
	int chat_line; /* of its key chat */
	CONF_ROUTE_KEYS(CONF_MEMBER)
};

enum conf_mode { MODE_LOCAL, MODE_NOMAD, MODE_MUTE };
enum conf_style { STYLE_CONCISE, STYLE_DETAILED };
enum conf_topic { TOPIC_NONE, TOPIC_AUTO, TOPIC_PROJECT, TOPIC_SESSION };

struct conf {
	CONF_KEYS(CONF_MEMBER)
	struct conf_chat *chats;
	size_t nchats;
	struct conf_route *routes;
	size_t nroutes;

	char *file;	     /* the file that was read, or NULL */
	bool bridge;	     /* started as cctelegram-bridge */
	bool user_given;     /* user does not stand there by default */
	bool group_given;    /* the same of group */
	bool cut;	     /* an error ended the file before its end … */
	bool runtime_dir_given; /* … and whether it came to these keys */
	bool events_dir_given;
	char *token;	     /* of the bot; never to be printed; or NULL */
	char *monitor_token; /* bearer token of /metrics and /report */
	char *intake_token;  /* bearer token of HTTP POST */
	char *webhook_secret; /* from the file, or made by the supervisor */
};
#undef CONF_MEMBER

enum conf_when { CW_RELOAD, CW_RESTART };

/* A row of the tables in conf_keys.h. */
struct conf_key {
	enum conf_section section;
	enum conf_type type;
	const char *name;
	size_t offset; /* in struct conf, conf_chat or conf_route */
	const char *def;
	const char *accepts;
	unsigned int classes; /* 1 << enum process_class */
	enum conf_when when;
	const char *doc;
};

extern const struct conf_key conf_keys[];
extern const size_t conf_nkeys;
/* "telegram.rate", "" for the keys outside of all sections. */
const char *conf_section_path(enum conf_section);

/* A flag of the command line: key "runtime_dir" or "telegram.api_url". */
struct conf_flag {
	const char *key;
	const char *value;
};

struct conf_source {
	const char *file;	/* --config, or NULL */
	const char *progname;	/* argv[0] */
	char *const *env;	/* "NAME=VALUE", NULL at the end */
	const char *cwd;	/* where .env is looked for and what relative
				 * paths of flags and environment start from;
				 * NULL: no .env, and the present directory,
				 * as it is for cctgctl */
	uid_t uid;		/* whose defaults apply: 0 or not */
	bool client;		/* cctgctl: no tokens, no semantic checks */
	const struct conf_flag *flags;
	size_t nflags;
};

struct conf_problem {
	bool error; /* else a warning */
	int line;
	char *text; /* "file:line: message", "VARIABLE: message" */
};

/* Start with all zero; what conf_load() found, by line. */
struct conf_problems {
	struct conf_problem *v;
	size_t n;
	size_t nerrors;
};

/*
 * Read everything.  Returns the configuration, to be freed with conf_free(),
 * or NULL if there was an error (of which there is then at least one among
 * the problems; the caller exits with 78).  With client set, errors do not
 * make it fail: see cut.
 */
struct conf *conf_load(const struct conf_source *, struct conf_problems *);
void conf_free(struct conf *);
void conf_problems_free(struct conf_problems *);

/*
 * The part of one class of workers, as JSON text to be freed; NULL when out
 * of memory.  It is secret for those that get a token.
 */
char *conf_export(const struct conf *, enum process_class);

/*
 * What a reload changes: returns the classes (1 << class) whose part is
 * another, 1 << PC_SUPERVISOR for keys that the supervisor itself uses, and
 * appends the paths of the keys that only a restart applies to the list
 * (conf_list_free()).  Those keep their old value: they are exchanged
 * between the two, so the old one must be freed afterwards, not used.
 */
unsigned int conf_diff(struct conf *old, struct conf *new, struct conf_list *);
void conf_list_free(struct conf_list *);

/* Row of "telegram.rate.global", or NULL. */
const struct conf_key *conf_key_find(const char *path);

/* May this be a webhook's secret_token?  The Bot API is particular. */
bool conf_secret_ok(const char *);

#endif
