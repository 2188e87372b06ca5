/*
 * intake-queue: runs cctg-intake alone and plays the supervisor and the
 * queue for it.  Driven by test_intake.py, by the benchmarks and by hand.
 *
 * Commands beside those of play.h:
 *	config {…,"submit":PATH,"http":bool}  with these listeners
 *	answer {"how":"accept"|"hold"|"refuse","code","error","field"}
 *			what becomes of events from now on; what is held is
 *			answered when that ends.  The queue after one that
 *			died knows what that accepted
 *	line {"id","json","more"}  QUEUE_QUERY_ANSWER
 *	respond {"id","name","content"}  QUEUE_RESPONSE_WRITE
 *	quiet			do not print events, only count them
 *	count			prints how many there were, and duplicates
 *	slot			prints metrics
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/json.h"
#include "tests/functional/play.h"

#define ID_OFFSET 11 /* of event_id in INTAKE_EVENT_SUBMIT */
#define EVENT_ID_SIZE 1025

static bool quiet;
static struct json_object *known; /* ids that were accepted */
static uint64_t naccepted, nduplicates;
static struct {
	enum { ACCEPT, HOLD, REFUSE } how;
	uint16_t code;
	char error[200], field[32];
} manner;
static struct held {
	uint64_t token;
	size_t len;
	char *id;
} *held;
static size_t nheld;

static void do_answer(struct json_object *);
static void do_line(struct json_object *);
static void do_respond(struct json_object *);
static void do_quiet(struct json_object *);
static void do_count(struct json_object *);
static void do_slot(struct json_object *);
static void listeners(struct json_object *);
static void held_forget(void);
static void listen_submit(const char *);
static void listen_http(void);
static void event_answer(uint64_t, const char *);
static void held_answer(void);
static enum link_verdict queue_message(struct link *, const struct frame *,
    void *);
static enum link_verdict on_submit(const struct frame *);
static enum link_verdict on_submit_quiet(const struct frame *,
    struct unpacker *);
static enum link_verdict on_query(const struct frame *);
static enum link_verdict on_responded(const struct frame *);
static void add_span(struct json_object *, const char *, struct span);

static const struct play_command commands[] = {
	{ "answer", do_answer },
	{ "line", do_line },
	{ "respond", do_respond },
	{ "quiet", do_quiet },
	{ "count", do_count },
	{ "slot", do_slot },
	{ NULL, NULL }
};

static const struct play play = {
	.class = PC_INTAKE,
	.name = "intake",
	.commands = commands,
	.message = queue_message,
	.begin = listeners,
	.died = held_forget,
};

int
main(int argc, char **argv)
{
	known = json_object_new_object();
	return (play_main(argc, argv, &play));
}

static void
listeners(struct json_object *config)
{
	const char *submit = json_str(config, "submit", NULL);

	if (submit != NULL)
		listen_submit(submit);
	if (json_flag(config, "http", false))
		listen_http();
}

static void
held_forget(void)
{
	while (nheld > 0)
		free(held[--nheld].id);
}

/* Commands. */

static void
listen_submit(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    chmod(path, 0666) == -1 || listen(fd, 1024) == -1)
		err(1, "%s", path);
	play_share("submit", fd);
}

static void
listen_http(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd;

	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1 ||
	    listen(fd, 128) == -1)
		err(1, "http");
	printf("{\"event\":\"http\",\"port\":%d}\n", ntohs(sin.sin_port));
	play_share("intake:127.0.0.1", fd);
}

static void
do_answer(struct json_object *o)
{
	const char *how = json_str(o, "how", "accept");

	manner.how = strcmp(how, "hold") == 0 ? HOLD :
	    strcmp(how, "refuse") == 0 ? REFUSE : ACCEPT;
	manner.code = (uint16_t)json_i64(o, "code", 75);
	strlcpy(manner.error, json_str(o, "error", "the store is full"),
	    sizeof(manner.error));
	strlcpy(manner.field, json_str(o, "field", ""),
	    sizeof(manner.field));
	if (manner.how != HOLD)
		held_answer();
}

static void
do_line(struct json_object *o)
{
	struct packer p = { 0 };

	pack_u8(&p, json_flag(o, "more", false));
	pack_str(&p, json_str(o, "json", "{}"));
	play_send(QUEUE_QUERY_ANSWER, (uint64_t)json_i64(o, "id", 0), &p);
	pack_free(&p);
}

static void
do_respond(struct json_object *o)
{
	struct packer p = { 0 };

	pack_str(&p, json_str(o, "name", ""));
	pack_str(&p, json_str(o, "content", ""));
	play_send(QUEUE_RESPONSE_WRITE, (uint64_t)json_i64(o, "id", 0), &p);
	pack_free(&p);
}

static void
do_quiet(struct json_object *o)
{
	(void)o;
	quiet = true;
}

static void
do_count(struct json_object *o)
{
	(void)o;
	printf("{\"event\":\"count\",\"accepted\":%" PRIu64
	    ",\"duplicates\":%" PRIu64 "}\n", naccepted, nduplicates);
}

static void
do_slot(struct json_object *o)
{
	(void)o;
	printf("{\"event\":\"slot\"");
#define SHOW(name) printf(",\"" #name "\":%" PRIu64, play_slot->cell[M_##name])
	SHOW(intake_files);
	SHOW(intake_requests);
	SHOW(intake_rejected_files);
	SHOW(intake_bad_requests);
	SHOW(intake_watcher_events);
	SHOW(intake_rescans);
	SHOW(intake_clients);
	SHOW(intake_waiting);
	SHOW(link_stalls);
	printf(",\"turns\":%" PRIu64 "}\n", play_slot->turns);
}

/* What the worker says. */

static enum link_verdict
queue_message(struct link *l, const struct frame *f, void *arg)
{
	(void)l, (void)arg;
	switch (f->type) {
	case INTAKE_EVENT_SUBMIT:
		return (on_submit(f));
	case INTAKE_QUERY_ASK:
		return (on_query(f));
	case INTAKE_RESPONSE_DONE:
		return (on_responded(f));
	case INTAKE_QUERY_CANCEL:
		printf("{\"event\":\"cancel\",\"id\":%" PRIu64 "}\n", f->id);
		return (LINK_DONE);
	default:
		return (LINK_BAD);
	}
}

/* As little as possible, so that it is intake that is measured. */
static enum link_verdict
on_submit_quiet(const struct frame *f, struct unpacker *u)
{
	char id[EVENT_ID_SIZE];
	struct span s;

	u->p += ID_OFFSET;
	s = unpack_span(u);
	if (u->failed || s.len >= sizeof(id))
		return (LINK_BAD);
	memcpy(id, s.p, s.len);
	id[s.len] = '\0';
	event_answer(f->id, id);
	return (LINK_DONE);
}

static enum link_verdict
on_submit(const struct frame *f)
{
	struct json_object *o;
	struct unpacker u;
	struct span id;
	char *copy;

#define ADD(key, value) json_object_object_add(o, key, value)
	unpack_init(&u, f->data, f->len);
	if (quiet && manner.how == ACCEPT)
		return (on_submit_quiet(f, &u));
	o = json_object_new_object();
	ADD("event", json_object_new_string("submit"));
	ADD("origin", json_object_new_int(unpack_u8(&u)));
	ADD("flags", json_object_new_int(unpack_u8(&u)));
	ADD("severity", json_object_new_int(unpack_u8(&u)));
	ADD("ttl_ms", json_object_new_uint64(unpack_u64(&u)));
	id = unpack_span(&u);
	add_span(o, "id", id);
	add_span(o, "type", unpack_span(&u));
	add_span(o, "source", unpack_span(&u));
	add_span(o, "task_id", unpack_span(&u));
	add_span(o, "title", unpack_span(&u));
	add_span(o, "to", unpack_span(&u));
	add_span(o, "json", unpack_span(&u));
	if (!unpack_done(&u)) {
		json_object_put(o);
		return (LINK_BAD);
	}
	if (!quiet)
		play_print(o);
	json_object_put(o);
	if ((copy = span_dup(id)) == NULL)
		err(1, "id");
	if (manner.how != HOLD) {
		event_answer(f->id, copy);
		free(copy);
		return (LINK_DONE);
	}
	held = reallocarray(held, nheld + 1, sizeof(*held));
	if (held == NULL)
		err(1, "held");
	held[nheld++] = (struct held){ f->id, f->len, copy };
	return (LINK_KEEP);
}

static void
event_answer(uint64_t token, const char *id)
{
	static struct packer p;
	bool duplicate = json_object_object_get_ex(known, id, NULL);

	pack_reset(&p);
	if (manner.how == REFUSE) {
		pack_u16(&p, manner.code);
		pack_str(&p, manner.error);
		pack_str(&p, manner.field);
		(void)link_send_packed(play_queue, QUEUE_EVENT_REFUSE, token,
		    &p);
		return;
	}
	naccepted++;
	nduplicates += duplicate;
	if (!duplicate)
		json_object_object_add(known, id, NULL);
	pack_u64(&p, naccepted);
	pack_u8(&p, duplicate);
	(void)link_send_packed(play_queue, QUEUE_EVENT_ACCEPT, token, &p);
}

static void
held_answer(void)
{
	for (size_t i = 0; i < nheld; i++) {
		event_answer(held[i].token, held[i].id);
		link_release(play_queue, held[i].len);
		free(held[i].id);
	}
	nheld = 0;
}

static enum link_verdict
on_query(const struct frame *f)
{
	struct json_object *o = json_object_new_object();
	struct unpacker u;

	unpack_init(&u, f->data, f->len);
	ADD("event", json_object_new_string("query"));
	ADD("id", json_object_new_uint64(f->id));
	ADD("uid", json_object_new_int64(unpack_u32(&u)));
	add_span(o, "json", unpack_span(&u));
	play_print(o);
	json_object_put(o);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

static enum link_verdict
on_responded(const struct frame *f)
{
	struct json_object *o = json_object_new_object();
	struct unpacker u;

	unpack_init(&u, f->data, f->len);
	ADD("event", json_object_new_string("responded"));
	ADD("id", json_object_new_uint64(f->id));
	ADD("ok", json_object_new_boolean(unpack_u8(&u)));
	add_span(o, "error", unpack_span(&u));
	play_print(o);
	json_object_put(o);
	return (unpack_done(&u) ? LINK_DONE : LINK_BAD);
}

static void
add_span(struct json_object *o, const char *key, struct span s)
{
	ADD(key, json_object_new_string_len(s.p, (int)s.len));
}

