/*
 * cctgd.conf, by libConfuse.  Called by conf.c with the text of the file.
 *
 * libConfuse is told that every value is text, so that the judgement of all
 * values is that of conf_value.c, which can go on after a bad one, and the
 * line is known: libConfuse calls value_seen() when it reads a value.
 *
 * It stops at the first key that it does not know.  In order to name all of
 * them, the text is parsed again with that key made known, until none is
 * left; only then a last pass takes the values.
 */
#include <confuse.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_private.h"

#define UNKNOWN_MAX 100

struct unknown {
	char section[64]; /* libConfuse's name of the section */
	char name[64];
	enum { AS_KEY, AS_SECTION, AS_TITLED } is;
	int line;
};

/*
 * libConfuse's callbacks carry no pointer of ours; a load is not reentrant.
 */
static struct parse {
	struct conf_load *load;
	const char *path;
	const char *text;
	struct unknown unknown[UNKNOWN_MAX];
	size_t nunknown;
	bool probing; /* looking for unknown keys only */
	bool found;   /* one more was found */
} p;

static cfg_opt_t *options_new(const char *leaf, int depth);
static void options_free(cfg_opt_t *);
static void parse_once(void);
static int value_seen(cfg_t *, cfg_opt_t *, const char *, void *);
static void error_seen(cfg_t *, const char *, va_list)
    __attribute__((format(printf, 2, 0)));
static void take_empty_lists(cfg_t *);
static void take_sections(cfg_t *);

static const char *const leaves[] = {
#define SECTION_LEAF(name, path, leaf) leaf,
	CONF_SECTIONS(SECTION_LEAF)
#undef SECTION_LEAF
};

void
conf_file_parse(struct conf_load *load, const char *path, char *text)
{
	const char *why;
	size_t i;
	int line;

	if ((why = conf_text_clean(text, &line)) != NULL) {
		conf_problem(load->problems, true, path, line, "%s", why);
		load->conf->cut = true;
		return;
	}
	memset(&p, 0, sizeof(p));
	p.load = load;
	p.path = path;
	p.text = text;
	p.probing = true;
	do {
		p.found = false;
		parse_once();
	} while (p.found);
	p.probing = false;
	parse_once();
	for (i = 0; i < p.nunknown; i++)
		if (p.unknown[i].line != 0)
			conf_problem(load->problems, true, path,
			    p.unknown[i].line, "unknown %s \"%s\"",
			    p.unknown[i].is == AS_KEY ? "key" : "section",
			    p.unknown[i].name);
}

/* Is it a section that stands directly in the one called leaf? */
static bool
section_within(enum conf_section section, const char *leaf)
{
	const char *path = conf_section_path(section);
	const char *dot = strrchr(path, '.');

	if (section == CS_TOP)
		return (false);
	if (dot == NULL)
		return (strcmp(leaf, "root") == 0);
	return (strlen(leaf) == (size_t)(dot - path) &&
	    strncmp(path, leaf, strlen(leaf)) == 0);
}

/* What libConfuse may find in the section called leaf. */
static cfg_opt_t *
options_new(const char *leaf, int depth)
{
	cfg_opt_t *v, end = CFG_END();
	size_t i, n = 0;
	int s;

	v = calloc(conf_nkeys + CONF_NSECTIONS + p.nunknown + 1, sizeof(*v));
	if (v == NULL)
		return (NULL);
	for (i = 0; i < conf_nkeys; i++) {
		cfg_opt_t one = CFG_STR_CB(conf_keys[i].name, NULL,
		    CFGF_NODEFAULT, value_seen);
		cfg_opt_t list = CFG_STR_LIST_CB(conf_keys[i].name, NULL,
		    CFGF_NODEFAULT, value_seen);

		if (strcmp(leaves[conf_keys[i].section], leaf) == 0)
			v[n++] = conf_type_is_list(conf_keys[i].type) ? list :
			    one;
	}
	for (s = 0; s < CONF_NSECTIONS && depth < 3; s++) {
		bool titled = s == CS_CHAT || s == CS_ROUTE;
		cfg_opt_t sec = CFG_SEC(leaves[s], NULL, titled ?
		    CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NONE);

		if (!section_within((enum conf_section)s, leaf))
			continue;
		v[n] = sec;
		v[n++].subopts = options_new(leaves[s], depth + 1);
	}
	for (i = 0; i < p.nunknown && depth < 8; i++) {
		struct unknown *u = &p.unknown[i];
		cfg_opt_t list = CFG_STR_LIST(u->name, NULL, CFGF_NODEFAULT);
		cfg_opt_t sec = CFG_SEC(u->name, NULL, u->is == AS_TITLED ?
		    CFGF_MULTI | CFGF_TITLE : CFGF_MULTI);

		if (strcmp(u->section, leaf) != 0)
			continue;
		v[n] = u->is == AS_KEY ? list : sec;
		if (u->is != AS_KEY)
			v[n].subopts = options_new(u->name, depth + 1);
		n++;
	}
	v[n] = end;
	return (v);
}

static void
options_free(cfg_opt_t *v)
{
	size_t i;

	if (v == NULL)
		return;
	for (i = 0; v[i].name != NULL; i++)
		options_free(v[i].subopts);
	free(v);
}

static void
parse_once(void)
{
	cfg_opt_t *options;
	cfg_t *cfg;
	bool failed;

	options = options_new("root", 0);
	cfg = options != NULL ? cfg_init(options, CFGF_NONE) : NULL;
	if (cfg == NULL) {
		conf_problem(p.load->problems, true, NULL, 0, "out of memory");
		options_free(options);
		return;
	}
	cfg_set_error_function(cfg, error_seen);
	failed = cfg_parse_buf(cfg, p.text) != CFG_SUCCESS;
	if (!p.probing) {
		p.load->conf->cut = failed;
		take_empty_lists(cfg);
		take_sections(cfg);
	}
	cfg_free(cfg);
	options_free(options);
}

/* Is the section itself one that nobody knows? */
static struct unknown *
unknown_section(const char *leaf)
{
	size_t i;

	for (i = 0; i < p.nunknown; i++)
		if (strcmp(p.unknown[i].name, leaf) == 0 &&
		    p.unknown[i].is != AS_KEY)
			return (&p.unknown[i]);
	return (NULL);
}

/*
 * The text between the quotes of a message of libConfuse, which ends with
 * it: "no such option 'modee'".
 */
static bool
quoted(const char *message, const char *start, char *name, size_t size)
{
	const char *from;
	size_t len;

	if (strncmp(message, start, strlen(start)) != 0 ||
	    (from = strchr(message, '\'')) == NULL)
		return (false);
	strlcpy(name, from + 1, size);
	if ((len = strlen(name)) == 0)
		return (false);
	if (name[len - 1] == '\'')
		name[len - 1] = '\0';
	return (true);
}

/*
 * While probing: learn one more unknown key, or that an unknown one is a
 * section.  Keys within unknown sections are learned, but not complained of.
 */
static void
probe_seen(cfg_t *cfg, const char *message)
{
	struct unknown *u;
	char name[64];

	if (quoted(message, "no such option", name, sizeof(name))) {
		if (p.nunknown == UNKNOWN_MAX)
			return;
		u = &p.unknown[p.nunknown++];
		strlcpy(u->section, cfg_name(cfg), sizeof(u->section));
		strlcpy(u->name, name, sizeof(u->name));
		u->line = unknown_section(cfg_name(cfg)) != NULL ? 0 :
		    cfg->line;
		p.found = true;
	} else if (quoted(message, "missing equal sign", name, sizeof(name)) ||
	    quoted(message, "missing opening brace", name, sizeof(name))) {
		for (u = p.unknown; u < p.unknown + p.nunknown; u++)
			if (strcmp(u->name, name) == 0 &&
			    strcmp(u->section, cfg_name(cfg)) == 0 &&
			    u->is != AS_TITLED) {
				u->is++;
				p.found = true;
			}
	}
}

static void
error_seen(cfg_t *cfg, const char *fmt, va_list ap)
{
	char message[300];

	vsnprintf(message, sizeof(message), fmt, ap);
	if (p.probing)
		probe_seen(cfg, message);
	else
		conf_problem(p.load->problems, true, p.path, cfg->line, "%s",
		    message);
}

/* The chat of that name, made if it is a new one; NULL: out of memory. */
static struct conf_chat *
chat_get(const char *name)
{
	struct conf *conf = p.load->conf;
	struct conf_chat *v;
	size_t i;

	for (i = 0; i < conf->nchats; i++)
		if (strcmp(conf->chats[i].name, name) == 0)
			return (&conf->chats[i]);
	v = reallocarray(conf->chats, conf->nchats + 1, sizeof(*v));
	if (v == NULL)
		return (NULL);
	conf->chats = v;
	v += conf->nchats;
	memset(v, 0, sizeof(*v));
	if ((v->name = strdup(name)) == NULL)
		return (NULL);
	for (i = 0; i < conf_nkeys; i++)
		if (conf_keys[i].section == CS_CHAT)
			conf_value_default(&conf_keys[i], v);
	conf->nchats++;
	return (v);
}

static struct conf_route *
route_get(const char *name)
{
	struct conf *conf = p.load->conf;
	struct conf_route *v;
	size_t i;

	for (i = 0; i < conf->nroutes; i++)
		if (strcmp(conf->routes[i].name, name) == 0)
			return (&conf->routes[i]);
	v = reallocarray(conf->routes, conf->nroutes + 1, sizeof(*v));
	if (v == NULL)
		return (NULL);
	conf->routes = v;
	v += conf->nroutes;
	memset(v, 0, sizeof(*v));
	if ((v->name = strdup(name)) == NULL)
		return (NULL);
	for (i = 0; i < conf_nkeys; i++)
		if (conf_keys[i].section == CS_ROUTE)
			conf_value_default(&conf_keys[i], v);
	conf->nroutes++;
	return (v);
}

/* The structure that a key of this section is a member of. */
static void *
base_of(const struct conf_key *key, cfg_t *cfg)
{
	struct conf_route *route;

	switch (key->section) {
	case CS_CHAT:
		return (chat_get(cfg_title(cfg)));
	case CS_ROUTE:
		route = route_get(cfg_title(cfg));
		if (route != NULL && strcmp(key->name, "chat") == 0)
			route->chat_line = cfg->line;
		return (route);
	default:
		return (p.load->conf);
	}
}

static const struct conf_key *
key_of(cfg_t *cfg, const char *name)
{
	size_t i;

	for (i = 0; i < conf_nkeys; i++)
		if (strcmp(leaves[conf_keys[i].section], cfg_name(cfg)) == 0 &&
		    strcmp(conf_keys[i].name, name) == 0)
			return (&conf_keys[i]);
	return (NULL);
}

/* libConfuse has read a value: cfg->line is where. */
static int
value_seen(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct conf_key *key = key_of(cfg, cfg_opt_name(opt));
	char why[CONF_WHY_SIZE] = "out of memory";
	void *base;

	*(const char **)result = value;
	if (p.probing || key == NULL)
		return (0);
	p.load->lines[key - conf_keys] = cfg->line;
	if ((base = base_of(key, cfg)) == NULL ||
	    conf_value_set(key, base, value, cfg_opt_size(opt) == 1, why,
	    sizeof(why)) == -1)
		conf_problem(p.load->problems, true, p.path, cfg->line, "%s",
		    why);
	if (strcmp(key->name, "user") == 0)
		p.load->conf->user_given = true;
	if (strcmp(key->name, "group") == 0 && key->section == CS_TOP)
		p.load->conf->group_given = true;
	return (0);
}

/* "listen = {}" has no value to be seen, but is not the default. */
static void
take_empty_lists(cfg_t *cfg)
{
	const struct conf_key *key;
	cfg_opt_t *opt;
	unsigned int i;

	for (i = 0; i < cfg_num(cfg); i++) {
		opt = cfg_getnopt(cfg, i);
		if (opt->type == CFGT_SEC && !(opt->flags & CFGF_TITLE) &&
		    cfg_opt_size(opt) == 1)
			take_empty_lists(cfg_opt_getnsec(opt, 0));
		if (!(opt->flags & CFGF_LIST) || cfg_opt_size(opt) > 0 ||
		    !(opt->flags & CFGF_MODIFIED) ||
		    (key = key_of(cfg, cfg_opt_name(opt))) == NULL)
			continue;
		conf_value_free(key, p.load->conf);
	}
}

/*
 * The line where a section that ends at line begins: libConfuse knows only
 * the end.
 */
static int
section_line(const char *leaf, const char *title, int line)
{
	const char *from, *s;
	int at, last = line;

	for (s = p.text, at = 1; at <= last; at++) {
		from = s + strspn(s, " \t");
		if (strncmp(from, leaf, strlen(leaf)) == 0) {
			from += strlen(leaf);
			from += strspn(from, " \t\"'");
			if (strncmp(from, title, strlen(title)) == 0 &&
			    strchr(" \t\"'{\n", from[strlen(title)]) != NULL)
				line = at;
		}
		if ((s = strchr(s, '\n')) == NULL)
			break;
		s++;
	}
	return (line);
}

/*
 * Sections without any key have not been seen, and the order of the routes
 * decides, so bring all of them into the order of the file.
 */
static void
take_sections(cfg_t *cfg)
{
	struct conf_route *route, hold;
	struct conf_chat *chat;
	struct conf *conf = p.load->conf;
	unsigned int i;
	cfg_t *sec;

	for (i = 0; i < cfg_size(cfg, "chat"); i++) {
		sec = cfg_getnsec(cfg, "chat", i);
		if ((chat = chat_get(cfg_title(sec))) != NULL)
			chat->line = section_line("chat", cfg_title(sec),
			    sec->line);
	}
	for (i = 0; i < cfg_size(cfg, "route"); i++) {
		sec = cfg_getnsec(cfg, "route", i);
		if ((route = route_get(cfg_title(sec))) == NULL)
			continue;
		route->line = section_line("route", cfg_title(sec),
		    sec->line);
		hold = *route;
		memmove(&conf->routes[i + 1], &conf->routes[i],
		    (size_t)(route - &conf->routes[i]) * sizeof(hold));
		conf->routes[i] = hold;
	}
}
