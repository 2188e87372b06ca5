/*
 * People: who may do what with the bot.
 */
#ifndef QUEUE_PERSON_H
#define QUEUE_PERSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/queue/pairing.h"
#include "workers/queue/role.h"

struct json_object;

/*
 * From the configuration: allowed_users are admins, whatever else was said of
 * them.
 */
void person_configure(struct json_object *config);
/* From the store, on start. */
void person_load(void);
enum role person_role(int64_t user_id);
/* Add or change; false if the configuration has that user already. */
bool person_add(int64_t user_id, enum role, const char *name);
bool person_remove(int64_t user_id); /* false: not there, or configured */
/*
 * Is this somebody who was let in by us, not by the configuration, and gets
 * events in private (RIGHT_RECEIVE)?
 */
bool person_is_guest(int64_t user_id);
/* Have the routes, which are new, lead to them, too. */
void person_reroute(void);
void person_list(void (*each)(int64_t, enum role, const char *name,
    bool configured, void *), void *arg);

/* A new one-time code; *expires_ms is wall time. */
void person_pair(char code[PAIR_CODE_SIZE], int64_t *expires_ms);
void person_clock_set(int64_t by_ms);
/* Somebody sends a code: true if it is right; then they are added. */
bool person_redeem(int64_t user_id, const char *name, const char *code);

#endif
