bin_PROGRAMS += cctgctl
cctgctl_SOURCES = \
	ctl/agent.c ctl/ask.c ctl/call.c ctl/cctgctl.c ctl/choice.c \
	ctl/completion.c ctl/control.c ctl/ctl.h ctl/disk.c ctl/disk.h \
	ctl/edit.c ctl/edit.h ctl/event.c ctl/hook.c ctl/hook.h \
	ctl/hook_ask.c ctl/mcp.c ctl/mcp.h ctl/mcp_bridge.c ctl/mcp_job.c \
	ctl/mcp_listen.c \
	ctl/mcp_responses.c ctl/mcp_rpc.c ctl/mcp_schema.c ctl/mcp_send.c \
	ctl/mcp_tasks.c ctl/mcp_tools.c ctl/mcp_types.c ctl/mode.c \
	ctl/offer.c ctl/offer.h ctl/payload.c ctl/people.c ctl/print.c \
	ctl/prompt.c ctl/prompt.h ctl/queue.c ctl/run.c ctl/send.c \
	ctl/send.h \
	ctl/settings.c ctl/setup.c ctl/setup.h ctl/spool.c ctl/status.c \
	ctl/table.c ctl/talk.c ctl/verbs.c ctl/verbs.h ctl/where.c
cctgctl_LDADD = common/libconf.a common/libcommon.a $(CONFUSE_LIBS) \
	$(JSON_LIBS) $(BSD_LIBS) -lm

# The unit of etc/systemd, as a string for setup.c.
CLEANFILES += ctl/unit.inc
ctl/setup.$(OBJEXT): ctl/unit.inc
ctl/unit.inc: etc/systemd/user/cctgd.service
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's/[\\"]/\\&/g' \
	    -e 's/.*/"&\\n"/' etc/systemd/user/cctgd.service >$@

EXTRA_DIST += tests/functional/test_conf.py tests/functional/ctllib.py \
	tests/functional/test_ctl.py tests/functional/test_ctl_people.py \
	tests/functional/test_ctl_return.py \
	tests/functional/test_ctl_hook.py tests/functional/test_ctl_run.py \
	tests/functional/test_ctl_setup.py \
	tests/functional/test_ctl_tree.py tests/functional/mcplib.py \
	tests/functional/test_mcp.py tests/functional/test_mcp_sdk.py \
	tests/functional/test_mcp_tree.py \
	tests/functional/mcp/client.mjs tests/functional/mcp/package.json

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_call
TESTS += tests/unit/test_call
tests_unit_test_call_SOURCES = tests/unit/test_call.c ctl/agent.c ctl/call.c \
	ctl/choice.c
tests_unit_test_call_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_call_LDADD = common/libcommon.a $(CMOCKA_LIBS) $(JSON_LIBS) \
	$(BSD_LIBS)

check_PROGRAMS += tests/unit/test_mcp_schema
TESTS += tests/unit/test_mcp_schema
tests_unit_test_mcp_schema_SOURCES = tests/unit/test_mcp_schema.c \
	ctl/mcp_schema.c ctl/mcp_tools.c ctl/mcp_types.c
tests_unit_test_mcp_schema_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mcp_schema_LDADD = common/libcommon.a $(CMOCKA_LIBS) \
	$(JSON_LIBS) $(BSD_LIBS) -lm
endif
