/*
 * People: who may do what with the bot.
 */
#ifndef QUEUE_PERSON_H
#define QUEUE_PERSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* R(NAME, "name"), each may do all that the one before may. */
#define ROLES(R)                 \
	R(NONE, "none")          \
	R(VIEWER, "viewer")      \
	R(OPERATOR, "operator")  \
	R(APPROVER, "approver")  \
	R(ADMIN, "admin")

enum role {
#define ROLE_ENUM(name, text) ROLE_##name,
	ROLES(ROLE_ENUM)
#undef ROLE_ENUM
	NROLES
};
const char *role_name(enum role);
int role_by_name(const char *); /* -1 if there is none */

/* From the configuration: allowed_users are admins. */
void person_configure(struct json_object *config);
/* From the store, on start. */
void person_load(void);
enum role person_role(int64_t user_id);
/* Add or change; false if the configuration has that user already. */
bool person_add(int64_t user_id, enum role, const char *name);
bool person_remove(int64_t user_id); /* false: not there, or configured */
void person_list(void (*each)(int64_t, enum role, const char *name,
    bool configured, void *), void *arg);

#define PAIR_CODE_SIZE 9 /* 8 characters and the NUL */
/* A new one-time code; *expires_ms is wall time. */
void person_pair(char code[PAIR_CODE_SIZE], int64_t *expires_ms);
/* Somebody sends a code: true if it is right; then they are added. */
bool person_redeem(int64_t user_id, const char *name, const char *code);

#endif
