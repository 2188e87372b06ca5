/*
 * store.c - the chats and the messages in them.  Messages stand in one list
 * in the order of their arrival and in a hash by chat and id; the list is a
 * ring of --record-max, so that a long benchmark does not fill the memory.
 * Pure memory: no input, no output.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define CHAT_BUCKETS	1024

static void	drop(struct message *);
static uint64_t	hash(int64_t, int64_t);
static void	rehash(void);

static struct chat	 *chats[CHAT_BUCKETS];
static struct message	**buckets;
static size_t		  nbuckets;
static uint64_t		  last_seq;
static int64_t		  last_id;	/* of private chats and groups */

static uint64_t
hash(int64_t a, int64_t b)
{
	uint64_t	h;

	h = (uint64_t)a * 0x9e3779b97f4a7c15ULL + (uint64_t)b;
	h *= 0xbf58476d1ce4e5b9ULL;
	return (h ^ h >> 29);
}

struct chat *
store_chat(int64_t id)
{
	struct chat	*c;

	for (c = chats[hash(id, 0) % CHAT_BUCKETS]; c != NULL; c = c->next)
		if (c->id == id)
			return (c);
	return (NULL);
}

/*
 * A chat with what its number says of it: positive is a private chat,
 * below -10^12 a supergroup, any other negative one a group.
 */
struct chat *
store_chat_make(int64_t id)
{
	struct chat	*c;
	char		 name[64];
	size_t		 i = hash(id, 0) % CHAT_BUCKETS;

	if ((c = store_chat(id)) != NULL)
		return (c);
	c = xcalloc(1, sizeof(*c));
	c->id = id;
	if (id > 0) {
		c->type = CHAT_PRIVATE;
		(void)snprintf(name, sizeof(name), "User %lld", (long long)id);
	} else {
		c->type = id < SUPERGROUPS ? CHAT_SUPERGROUP :
		    CHAT_GROUP;
		(void)snprintf(name, sizeof(name), "Group %lld",
		    (long long)id);
	}
	c->title = xstrdup(name);
	c->next = chats[i];
	chats[i] = c;
	return (c);
}

void
store_each_chat(void (*each)(struct chat *, void *), void *arg)
{
	struct chat	*c;
	size_t		 i;

	for (i = 0; i < CHAT_BUCKETS; i++)
		for (c = chats[i]; c != NULL; c = c->next)
			each(c, arg);
}

/* Keep the hash at least as large as the number of messages. */
static void
rehash(void)
{
	struct message	*m;
	size_t		 i;

	nbuckets = nbuckets == 0 ? 4096 : nbuckets * 2;
	free(buckets);
	buckets = xcalloc(nbuckets, sizeof(*buckets));
	TAILQ_FOREACH(m, &sim.messages, order) {
		i = hash(m->chat->id, m->id) & (nbuckets - 1);
		m->next = buckets[i];
		buckets[i] = m;
	}
}

/* Forget a message. */
static void
drop(struct message *m)
{
	struct message	**pp;
	size_t		  i;

	pp = &buckets[hash(m->chat->id, m->id) & (nbuckets - 1)];
	while (*pp != NULL && *pp != m)
		pp = &(*pp)->next;
	if (*pp != NULL)
		*pp = m->next;
	TAILQ_REMOVE(&sim.messages, m, order);
	sim.nmessages--;
	for (i = 0; i < m->nedits; i++)
		free(m->edits[i].text);
	free(m->edits);
	rich_free(&m->body);
	free(m->raw);
	free(m->markup);
	free(m->reaction);
	free(m->file_name);
	free(m->mime);
	free(m->file);
	free(m);
}

/* A new message in this chat; supergroups count their own ids. */
struct message *
store_add(struct chat *c)
{
	struct message	*m;
	size_t		 i;

	while (sim.nmessages >= sim.record_max)
		drop(TAILQ_FIRST(&sim.messages));
	if (sim.nmessages >= nbuckets)
		rehash();
	m = xcalloc(1, sizeof(*m));
	m->chat = c;
	m->seq = ++last_seq;
	if (c->type == CHAT_SUPERGROUP || c->type == CHAT_CHANNEL)
		m->id = ++c->last_id;
	else
		m->id = ++last_id;
	i = hash(c->id, m->id) & (nbuckets - 1);
	m->next = buckets[i];
	buckets[i] = m;
	TAILQ_INSERT_TAIL(&sim.messages, m, order);
	sim.nmessages++;
	return (m);
}

struct message *
store_find(struct chat *c, int64_t id)
{
	struct message	*m;

	if (nbuckets == 0)
		return (NULL);
	for (m = buckets[hash(c->id, id) & (nbuckets - 1)]; m != NULL;
	    m = m->next)
		if (m->chat == c && m->id == id)
			return (m->deleted ? NULL : m);
	return (NULL);
}

struct message *
store_file(int64_t no)
{
	struct message	*m;

	TAILQ_FOREACH(m, &sim.messages, order)
		if (m->file_no == no && no != 0)
			return (m);
	return (NULL);
}

/* Replace the text, keep the one before; takes what is in the new one. */
void
store_edit(struct message *m, struct rich *body, int64_t now_us)
{
	struct edit	*e;

	if ((m->nedits & (m->nedits - 1)) == 0)
		m->edits = xreallocarray(m->edits,
		    m->nedits == 0 ? 1 : m->nedits * 2, sizeof(*m->edits));
	e = &m->edits[m->nedits++];
	e->at_us = now_us;
	e->text = xstrdup(m->body.text == NULL ? "" : m->body.text);
	if (body == NULL)
		return;
	rich_free(&m->body);
	m->body = *body;
	memset(body, 0, sizeof(*body));
}

/* Forget all messages and chats; message ids go on, so none comes twice. */
void
store_reset(void)
{
	struct chat	*c;
	size_t		 i;

	while (!TAILQ_EMPTY(&sim.messages))
		drop(TAILQ_FIRST(&sim.messages));
	for (i = 0; i < CHAT_BUCKETS; i++)
		while ((c = chats[i]) != NULL) {
			chats[i] = c->next;
			limit_free(&c->limit);
			free(c->title);
			free(c->username);
			free(c->topics);
			free(c);
		}
}
