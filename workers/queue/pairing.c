/*
 * Pairing; see pairing.h.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "workers/queue/pairing.h"

static struct pairing_sender *sender_find(struct pairing *, int64_t, int64_t);
static struct pairing_sender *sender_room(struct pairing *, int64_t);
static void sender_wrong(struct pairing *, int64_t, int64_t);
static void sender_forget(struct pairing *, struct pairing_sender *);
static void code_forget(struct pairing *, struct pairing_code *);
static struct pairing_code *code_find(struct pairing *, const char *, int64_t);

int
pairing_add_code(struct pairing *p, const char *code, int64_t expires_ms)
{
	struct pairing_code *c;

	if (strlen(code) != PAIR_CODE_CHARS ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return (-1);
	strlcpy(c->code, code, sizeof(c->code));
	c->expires_ms = expires_ms;
	LIST_INSERT_HEAD(&p->codes, c, entry);
	return (0);
}

int
pairing_add_sender(struct pairing *p, const struct pairing_sender *s)
{
	for (size_t i = 0; i < PAIRING_SENDERS_MAX; i++)
		if (p->senders[i].user_id == 0) {
			p->senders[i] = *s;
			return (0);
		}
	return (-1);
}

static void
code_forget(struct pairing *p, struct pairing_code *c)
{
	p->code_changed(c->code, 0);
	LIST_REMOVE(c, entry);
	free(c);
}

/* NULL: there is none like this now.  Those whose hour is over go. */
static struct pairing_code *
code_find(struct pairing *p, const char *text, int64_t now_ms)
{
	size_t len = strcspn(text, " \t\r\n");
	struct pairing_code *c, *next, *found = NULL;

	for (c = LIST_FIRST(&p->codes); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->expires_ms <= now_ms)
			code_forget(p, c);
		else if (len == PAIR_CODE_CHARS &&
		    strncasecmp(c->code, text, len) == 0)
			found = c;
	}
	return (found);
}

/* NULL: no wrong code within the hour. */
static struct pairing_sender *
sender_find(struct pairing *p, int64_t user_id, int64_t now_ms)
{
	for (size_t i = 0; i < PAIRING_SENDERS_MAX; i++)
		if (p->senders[i].user_id == user_id &&
		    p->senders[i].until_ms > now_ms)
			return (&p->senders[i]);
	return (NULL);
}

static void
sender_forget(struct pairing *p, struct pairing_sender *s)
{
	s->wrong = 0;
	s->until_ms = 0;
	p->sender_changed(s);
	s->user_id = 0;
}

/*
 * A place for one more: their own of before, or that of the one who was heard
 * of longest ago; but whoever is locked out stays so while others can go.
 */
static struct pairing_sender *
sender_room(struct pairing *p, int64_t user_id)
{
	struct pairing_sender *s, *room = NULL;
	bool locked, room_locked = false;

	for (s = p->senders; s < p->senders + PAIRING_SENDERS_MAX; s++) {
		if (s->user_id == user_id)
			return (s);
		locked = s->wrong >= PAIRING_WRONG_MAX;
		if (room == NULL || (room_locked && !locked) ||
		    (room_locked == locked && s->until_ms < room->until_ms)) {
			room = s;
			room_locked = locked;
		}
	}
	return (room);
}

static void
sender_wrong(struct pairing *p, int64_t user_id, int64_t now_ms)
{
	struct pairing_sender *s = sender_find(p, user_id, now_ms);

	if (s == NULL) {
		s = sender_room(p, user_id);
		if (s->user_id != 0 && s->user_id != user_id)
			sender_forget(p, s);
		s->user_id = user_id;
		s->wrong = 0;
	}
	s->wrong++;
	s->until_ms = now_ms + PAIRING_LOCK_MS;
	p->sender_changed(s);
}

void
pairing_shift(struct pairing *p, int64_t by_ms)
{
	struct pairing_sender *s;
	struct pairing_code *c;

	LIST_FOREACH(c, &p->codes, entry) {
		c->expires_ms += by_ms;
		p->code_changed(c->code, c->expires_ms);
	}
	for (s = p->senders; s < p->senders + PAIRING_SENDERS_MAX; s++) {
		if (s->user_id == 0)
			continue;
		s->until_ms += by_ms;
		p->sender_changed(s);
	}
}

int
pairing_wrong(const struct pairing *p, int64_t user_id, int64_t now_ms)
{
	for (size_t i = 0; i < PAIRING_SENDERS_MAX; i++)
		if (p->senders[i].user_id == user_id &&
		    p->senders[i].until_ms > now_ms)
			return (p->senders[i].wrong);
	return (0);
}

enum pairing_result
pairing_try(struct pairing *p, int64_t user_id, const char *text,
    int64_t now_ms)
{
	struct pairing_sender *s;
	struct pairing_code *c;

	if (pairing_wrong(p, user_id, now_ms) >= PAIRING_WRONG_MAX)
		return (PAIRING_LOCKED);
	if ((c = code_find(p, text, now_ms)) == NULL) {
		sender_wrong(p, user_id, now_ms);
		return (PAIRING_WRONG);
	}
	code_forget(p, c);
	if ((s = sender_find(p, user_id, now_ms)) != NULL)
		sender_forget(p, s);
	return (PAIRING_RIGHT);
}
