/*
 * How each known key of an event's data is shown: the functions that the
 * table of fields.h names.  Called by layout.c.  What does not suit a field's
 * own form is shown by show_any(), as every unknown key is, so nothing is lost
 * because a producer used another type.
 */
#include <json.h>
#include <string.h>
#include <strings.h>

#include "workers/format/human.h"
#include "workers/format/layout.h"

#define JOIN_BYTES 48	  /* a longer value gets a line of its own */
#define INLINE_LIST 80	  /* bytes of a list written in one line */
#define INLINE_JSON 200	  /* bytes of JSON shown as code, not pre */
#define LIST_CONCISE 2000 /* bytes of a list before "+N more" */
#define LIST_DETAILED 8000
#define CODES_MAX 80 /* Telegram keeps 100 entities a message */
#define URL_MAX 2048

struct field;

/* Show functions return false if the value does not suit them. */
typedef bool show_fn(struct layout *, const struct field *,
    struct json_object *);

struct field {
	const char *key, *label; /* label NULL: made from the key */
	show_fn *show;
	enum field_group group;
};

static show_fn show_any, show_body, show_code, show_list, show_files,
    show_percent, show_megabytes, show_bytes, show_duration, show_expiry,
    show_current, show_place, show_url, show_actions, show_metadata,
    show_mode, show_block, show_snippet;

static const struct field fields[NFIELDS] = {
#define FIELD_ROW(name, key, label, show, group) \
	[FD_##name] = {key, label, show_##show, G_##group},
	FIELDS(FIELD_ROW)
#undef FIELD_ROW
};

/* Open addressing; 0 is empty, else the field's number plus 1. */
#define NSLOTS 256
static uint8_t slots[NSLOTS];
_Static_assert(NFIELDS < NSLOTS / 2, "the table of keys is too full");

static unsigned int
key_hash(const char *key)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * 16777619U;
	return (h ^ h >> 16);
}

void
show_init(void)
{
	unsigned int i, at;

	memset(slots, 0, sizeof(slots));
	for (i = 0; i < NFIELDS; i++) {
		at = key_hash(fields[i].key);
		while (slots[at % NSLOTS] != 0)
			at++;
		slots[at % NSLOTS] = (uint8_t)(i + 1);
	}
}

int
show_lookup(const char *key)
{
	unsigned int at = key_hash(key), i;

	for (; (i = slots[at % NSLOTS]) != 0; at++)
		if (strcmp(fields[i - 1].key, key) == 0)
			return ((int)(i - 1));
	return (-1);
}

static void
add_label(struct layout *l, const struct field *f)
{
	if (f->label != NULL)
		text_adds(l->text, f->label);
	else
		layout_label(l->text, f->key, strlen(f->key));
}

/* The same with "Label: ". */
static void
begin_labelled(struct layout *l, const struct field *f, bool joins)
{
	value_begin(l, f->group, joins);
	add_label(l, f);
	text_lit(l->text, ": ");
}

/* A line "Label:" for what follows below it. */
static void
begin_below(struct layout *l, const struct field *f)
{
	value_line(l);
	add_label(l, f);
	text_lit(l->text, ":");
}

static void
add_code(struct layout *l, struct span s)
{
	if (l->codes++ >= CODES_MAX) {
		text_add(l->text, s.p, s.len);
		return;
	}
	text_begin(l->text, TEXT_CODE, NULL, 0);
	text_add(l->text, s.p, s.len);
	text_end(l->text);
}

/* "Label:" and below it the text as a block of code. */
static void
add_block(struct layout *l, const struct field *f, struct span s,
    struct span language)
{
	begin_below(l, f);
	text_lit(l->text, "\n");
	text_begin(l->text, TEXT_PRE, language.p, language.len);
	text_add(l->text, s.p, s.len);
	text_end(l->text);
	value_gap(l);
}

static bool
show_json(struct layout *l, const struct field *f, struct json_object *v)
{
	static const struct span json = {"json", 4};
	struct span s = value_json(v);

	if (s.len > INLINE_JSON) {
		add_block(l, f, s, json);
		return (true);
	}
	begin_labelled(l, f, s.len <= JOIN_BYTES);
	add_code(l, s);
	return (true);
}

static bool
show_string(struct layout *l, const struct field *f, struct span s, bool code)
{
	struct span none = {"", 0};

	if (s.len == 0) {
		begin_labelled(l, f, true);
		text_lit(l->text, "(empty)");
	} else if (!value_one_line(s) && code) {
		add_block(l, f, s, none);
	} else if (!value_one_line(s)) {
		begin_below(l, f);
		text_lit(l->text, "\n");
		text_add(l->text, s.p, s.len);
		value_gap(l);
	} else {
		begin_labelled(l, f, s.len <= JOIN_BYTES);
		if (code)
			add_code(l, s);
		else
			text_add(l->text, s.p, s.len);
	}
	return (true);
}

static bool
show_any(struct layout *l, const struct field *f, struct json_object *v)
{
	if (value_is_scalar(v))
		return (show_string(l, f, value_scalar(v), false));
	return (show_list(l, f, v) || show_json(l, f, v));
}

static bool
show_code(struct layout *l, const struct field *f, struct json_object *v)
{
	return (value_is_scalar(v) &&
	    show_string(l, f, value_scalar(v), true));
}

/* A text of its own, without a label; a repetition of the title or the
 * description has gone before. */
static bool
show_body(struct layout *l, const struct field *f, struct json_object *v)
{
	(void)f;
	if (!json_object_is_type(v, json_type_string) ||
	    json_object_get_string_len(v) == 0)
		return (false);
	value_paragraph(l, value_scalar(v));
	return (true);
}

/* Can it be written in one line?  -1 if it is not a list of scalars. */
static int
list_inline(struct json_object *v, size_t n)
{
	struct json_object *item;
	struct span s;
	size_t i, bytes = 0;
	int fits = 1;

	for (i = 0; i < n; i++) {
		item = json_object_array_get_idx(v, i);
		if (!value_is_scalar(item))
			return (-1);
		if (!fits)
			continue;
		s = value_scalar(item);
		bytes += s.len + 2;
		if (bytes > INLINE_LIST || !value_one_line(s))
			fits = 0;
	}
	return (fits);
}

static bool
add_list(struct layout *l, const struct field *f, struct json_object *v,
    bool code)
{
	size_t n, i, limit, begin;
	struct span s;
	int in_line;

	if (!json_object_is_type(v, json_type_array))
		return (false);
	n = json_object_array_length(v);
	if ((in_line = list_inline(v, n)) == -1)
		return (false);
	begin_labelled(l, f, n == 0);
	if (n == 0)
		text_lit(l->text, "none");
	else if (!in_line)
		text_addf(l->text, "%zu", n);
	limit = l->detailed ? LIST_DETAILED : LIST_CONCISE;
	begin = l->text->plain.len;
	for (i = 0; i < n; i++) {
		if (!l->unclipped && l->text->plain.len - begin > limit) {
			text_addf(l->text, "\n+%zu more", n - i);
			break;
		}
		if (!in_line)
			text_lit(l->text, "\n• ");
		else if (i > 0)
			text_lit(l->text, ", ");
		s = value_scalar(json_object_array_get_idx(v, i));
		if (s.len == 0)
			text_lit(l->text, "\"\"");
		else if (code)
			add_code(l, s);
		else
			text_add(l->text, s.p, s.len);
	}
	return (true);
}

static bool
show_list(struct layout *l, const struct field *f, struct json_object *v)
{
	return (add_list(l, f, v, false));
}

static bool
show_files(struct layout *l, const struct field *f, struct json_object *v)
{
	return (add_list(l, f, v, true) || show_code(l, f, v));
}

/* A number as it is written, with a unit behind it unless it is there. */
static bool
with_unit(struct layout *l, const struct field *f, struct json_object *v,
    const char *unit)
{
	struct span s;
	double n;

	if (!value_is_scalar(v))
		return (false);
	s = value_trimmed(value_scalar(v));
	if (s.len > 0 && s.p[s.len - 1] == '%' && unit[0] == '%')
		s.len--;
	if (!human_number(s.p, s.len, &n))
		return (false);
	begin_labelled(l, f, true);
	text_add(l->text, s.p, s.len);
	text_adds(l->text, unit);
	return (true);
}

static bool
show_percent(struct layout *l, const struct field *f, struct json_object *v)
{
	return (with_unit(l, f, v, "%"));
}

static bool
show_megabytes(struct layout *l, const struct field *f, struct json_object *v)
{
	return (with_unit(l, f, v, " MB"));
}

static bool
show_bytes(struct layout *l, const struct field *f, struct json_object *v)
{
	char buf[HUMAN_SIZE];
	struct span s;
	double n;

	if (!value_number(v, &n))
		return (false);
	s = value_scalar(v);
	begin_labelled(l, f, true);
	if (human_bytes(buf, sizeof(buf), n)) {
		text_adds(l->text, buf);
		text_lit(l->text, " (");
		text_add(l->text, s.p, s.len);
		text_lit(l->text, " bytes)");
	} else {
		text_add(l->text, s.p, s.len);
		text_lit(l->text, " bytes");
	}
	return (true);
}

static bool
show_duration(struct layout *l, const struct field *f, struct json_object *v)
{
	char buf[HUMAN_SIZE];
	double ms;

	if (!value_number(v, &ms) || !human_duration(buf, sizeof(buf), ms))
		return (false);
	begin_labelled(l, f, true);
	text_adds(l->text, buf);
	return (true);
}

static bool
show_expiry(struct layout *l, const struct field *f, struct json_object *v)
{
	char buf[HUMAN_SIZE];
	bool in_ms = f == &fields[FD_TIMEOUT_MS];
	double n;

	if (l->type != ET_APPROVAL_REQUEST || !value_number(v, &n) ||
	    !human_duration(buf, sizeof(buf), in_ms ? n : n * 60e3))
		return (false);
	if (approval_is_decided(l))
		return (true); /* it cannot expire any more */
	value_gap(l);
	value_begin(l, f->group, true);
	text_lit(l->text, "Expires in ");
	text_adds(l->text, buf);
	return (true);
}

/* What the daemon's mode is called, and what it means. */
static bool
show_mode(struct layout *l, const struct field *f, struct json_object *v)
{
	static const struct {
		const char *said, *words;
	} modes[] = {
		{"local", "local (events come here)"},
		{"nomad", "nomad (events come here, and are answered here)"},
		{"mute", "mute (events are muted, approvals are silent)"},
		{"muted", "mute (events are muted, approvals are silent)"}};
	size_t i;

	if (!json_object_is_type(v, json_type_string))
		return (false);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcasecmp(json_object_get_string(v), modes[i].said) != 0)
			continue;
		begin_labelled(l, f, false);
		text_adds(l->text, modes[i].words);
		return (true);
	}
	return (false);
}

static bool
show_current(struct layout *l, const struct field *f, struct json_object *v)
{
	struct json_object *threshold = l->value[FD_THRESHOLD];
	struct span s;

	if (threshold == NULL || !value_is_scalar(threshold) ||
	    !value_is_scalar(v))
		return (false);
	l->value[FD_THRESHOLD] = NULL;
	s = value_scalar(v);
	begin_labelled(l, f, true);
	text_add(l->text, s.p, s.len);
	text_lit(l->text, " (threshold ");
	s = value_scalar(threshold);
	text_add(l->text, s.p, s.len);
	text_lit(l->text, ")");
	return (true);
}

/* "src/a.c:42" */
static bool
show_place(struct layout *l, const struct field *f, struct json_object *v)
{
	struct json_object *number = l->value[FD_LINE_NUMBER];
	struct span s;
	double n;

	if (!json_object_is_type(v, json_type_string))
		return (show_files(l, f, v));
	s = value_scalar(v);
	if (s.len == 0 || !value_one_line(s) || !value_number(number, &n))
		return (show_code(l, f, v));
	l->value[FD_LINE_NUMBER] = NULL;
	begin_labelled(l, f, s.len <= JOIN_BYTES);
	l->codes++;
	text_begin(l->text, TEXT_CODE, NULL, 0);
	text_add(l->text, s.p, s.len);
	text_lit(l->text, ":");
	s = value_scalar(number);
	text_add(l->text, s.p, s.len);
	text_end(l->text);
	return (true);
}

static bool
show_url(struct layout *l, const struct field *f, struct json_object *v)
{
	struct span s;
	size_t i;

	if (!json_object_is_type(v, json_type_string))
		return (false);
	s = value_scalar(v);
	if (s.len > URL_MAX || (strncasecmp(s.p, "http://", 7) != 0 &&
	    strncasecmp(s.p, "https://", 8) != 0))
		return (false);
	for (i = 0; i < s.len; i++)
		if (s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return (false); /* signed: over 0x7f, too */
	begin_labelled(l, f, false);
	text_begin(l->text, TEXT_LINK, s.p, s.len);
	text_add(l->text, s.p, s.len);
	text_end(l->text);
	return (true);
}

/* One of [{text, action, data?, style?}]: "• Text · action: x · style: y" */
static void
add_action(struct layout *l, struct json_object *action)
{
	struct json_object *text;
	struct span s;

	text_lit(l->text, "\n• ");
	if (value_is_scalar(action)) {
		s = value_scalar(action);
		text_add(l->text, s.p, s.len);
		return;
	}
	if (!json_object_object_get_ex(action, "text", &text) ||
	    !json_object_is_type(text, json_type_string)) {
		add_code(l, value_json(action));
		return;
	}
	s = value_scalar(text);
	text_add(l->text, s.p, s.len);
	json_object_object_foreach(action, key, member) {
		if (member == NULL || member == text)
			continue;
		text_lit(l->text, " · ");
		text_adds(l->text, key);
		text_lit(l->text, ": ");
		add_code(l, value_is_scalar(member) ? value_scalar(member) :
		    value_json(member));
	}
}

static bool
show_actions(struct layout *l, const struct field *f, struct json_object *v)
{
	size_t i, n;

	if (!json_object_is_type(v, json_type_array) ||
	    (n = json_object_array_length(v)) == 0)
		return (false);
	begin_below(l, f);
	for (i = 0; i < n; i++)
		add_action(l, json_object_array_get_idx(v, i));
	return (true);
}

/* Its members as if they were data's own, but those that the bar shows. */
static bool
show_metadata(struct layout *l, const struct field *f, struct json_object *v)
{
	(void)f;
	if (!json_object_is_type(v, json_type_object) ||
	    json_object_object_length(v) == 0)
		return (false);
	json_object_object_foreach(v, key, member) {
		if (l->progress.from_metadata &&
		    (strcmp(key, "current") == 0 ||
		    strcmp(key, "total") == 0))
			continue;
		show_other(l, key, member);
	}
	return (true);
}

static bool
show_block(struct layout *l, const struct field *f, struct json_object *v)
{
	struct span none = {"", 0};

	if (!json_object_is_type(v, json_type_string) ||
	    json_object_get_string_len(v) == 0)
		return (false);
	add_block(l, f, value_scalar(v), none);
	return (true);
}

/* Letters of a language's name that need no thought in an attribute. */
static struct span
language_name(struct json_object *v)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+#.-";
	struct span s = {"", 0}, none = {"", 0};

	if (json_object_is_type(v, json_type_string))
		s = value_scalar(v);
	if (s.len > 32 || strspn(s.p, name) != s.len)
		return (none);
	return (s);
}

static bool
show_snippet(struct layout *l, const struct field *f, struct json_object *v)
{
	struct json_object *language = NULL;

	if (!json_object_is_type(v, json_type_string) ||
	    json_object_get_string_len(v) == 0)
		return (false);
	json_object_object_get_ex(l->data, "language", &language);
	add_block(l, f, value_scalar(v), language_name(language));
	return (true);
}

void
show_field(struct layout *l, enum field_name name)
{
	const struct field *f = &fields[name];
	struct json_object *v = l->value[name];

	if (v == NULL)
		return;
	l->value[name] = NULL;
	if (!f->show(l, f, v))
		show_any(l, f, v);
}

void
show_other(struct layout *l, const char *key, struct json_object *v)
{
	struct field f = {key, NULL, show_any, G_OTHER};

	if (v != NULL)
		show_any(l, &f, v);
}
