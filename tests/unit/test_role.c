/*
 * Roles: what each may do, and every command for each of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/queue/role.h"
#include "workers/queue/update.h"

/* As cctgd(8) says it, not as the code does. */
static const struct {
	const char *name;
	const char *roles; /* v o p a: who may */
} expected[] = {
	{ "start", "vopa" }, { "help", "vopa" }, { "status", "vopa" },
	{ "queue", "vopa" }, { "tasks", "vopa" }, { "todo", "vopa" },
	{ "last", "vopa" }, { "pending", "vopa" }, { "doctor", "vopa" },
	{ "mode", "opa" }, { "local", "opa" }, { "nomad", "opa" },
	{ "mute", "opa" }, { "unmute", "opa" },
	{ "approve", "pa" }, { "deny", "pa" },
	{ "restart", "a" },
};

static const struct {
	const char *name;
	enum role least;
} commands[] = {
#define COMMAND_ROW(name, old, role, function, help) { name, role },
	COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static const struct {
	enum role role;
	char letter;
	const char *name;
} roles[] = {
	{ ROLE_NONE, '-', "none" }, { ROLE_VIEWER, 'v', "viewer" },
	{ ROLE_OPERATOR, 'o', "operator" }, { ROLE_APPROVER, 'p', "approver" },
	{ ROLE_ADMIN, 'a', "admin" },
};

static void
test_each_command_for_each_role(void **state)
{
	(void)state;
	assert_int_equal(nitems(commands), nitems(expected));
	for (size_t i = 0; i < nitems(commands); i++) {
		size_t k = 0;

		while (strcmp(expected[k].name, commands[i].name) != 0)
			assert_true(++k < nitems(expected));
		for (size_t r = 0; r < nitems(roles); r++)
			assert_int_equal(roles[r].role >= commands[i].least,
			    strchr(expected[k].roles, roles[r].letter) !=
			    NULL);
	}
}

static void
test_rights_of_each_role(void **state)
{
	static const struct {
		enum right right;
		const char *roles;
	} rights[] = {
		{ RIGHT_SPEAK, "vopa" }, { RIGHT_LOOK, "vopa" },
		{ RIGHT_ANSWER, "pa" }, { RIGHT_RECEIVE, "pa" },
	};

	(void)state;
	assert_int_equal(nitems(rights), NRIGHTS);
	for (size_t i = 0; i < nitems(rights); i++)
		for (size_t r = 0; r < nitems(roles); r++)
			assert_int_equal(role_may(roles[r].role,
			    rights[i].right), strchr(rights[i].roles,
			    roles[r].letter) != NULL);
}

static void
test_names_lead_back_to_their_roles(void **state)
{
	(void)state;
	assert_int_equal(nitems(roles), NROLES);
	for (size_t r = 0; r < nitems(roles); r++) {
		assert_string_equal(role_name(roles[r].role), roles[r].name);
		assert_int_equal(role_by_name(roles[r].name),
		    roles[r].role == ROLE_NONE ? -1 : (int)roles[r].role);
	}
	assert_int_equal(role_by_name("root"), -1);
	assert_int_equal(role_by_name("Admin"), -1);
	assert_int_equal(role_by_name(""), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_command_for_each_role),
		cmocka_unit_test(test_rights_of_each_role),
		cmocka_unit_test(test_names_lead_back_to_their_roles),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
