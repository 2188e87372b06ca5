# The Bot API simulator: used by the tests, the benchmarks and ./try.
noinst_LIBRARIES += tests/sim/libsim.a
tests_sim_libsim_a_SOURCES = \
	tests/sim/buf.c tests/sim/buf.h \
	tests/sim/html.c \
	tests/sim/limits.c tests/sim/limits.h \
	tests/sim/markdown.c \
	tests/sim/mdv2.c \
	tests/sim/params.c tests/sim/params.h \
	tests/sim/rich.c tests/sim/rich.h

noinst_PROGRAMS += tests/sim/cctg-sim
tests_sim_cctg_sim_SOURCES = \
	tests/sim/call.c \
	tests/sim/cctg-sim.c \
	tests/sim/chats.c \
	tests/sim/commands.c \
	tests/sim/console.c \
	tests/sim/edit.c \
	tests/sim/faults.c \
	tests/sim/inspect.c \
	tests/sim/methods.c tests/sim/methods.h \
	tests/sim/people.c \
	tests/sim/send.c \
	tests/sim/server.c \
	tests/sim/shape.c \
	tests/sim/sim.h \
	tests/sim/store.c \
	tests/sim/updates.c \
	tests/sim/webhook.c
tests_sim_cctg_sim_LDADD = tests/sim/libsim.a $(EVENT_LIBS) $(JSON_LIBS) $(BSD_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_sim_parse tests/unit/test_sim_limits \
	tests/unit/test_sim_params
TESTS += tests/unit/test_sim_parse tests/unit/test_sim_limits \
	tests/unit/test_sim_params
tests_unit_test_sim_parse_SOURCES = tests/unit/test_sim_parse.c
tests_unit_test_sim_parse_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sim_parse_LDADD = tests/sim/libsim.a $(CMOCKA_LIBS) \
	$(JSON_LIBS) $(BSD_LIBS)
tests_unit_test_sim_limits_SOURCES = tests/unit/test_sim_limits.c
tests_unit_test_sim_limits_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sim_limits_LDADD = tests/sim/libsim.a $(CMOCKA_LIBS) \
	$(JSON_LIBS) $(BSD_LIBS)
tests_unit_test_sim_params_SOURCES = tests/unit/test_sim_params.c
tests_unit_test_sim_params_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sim_params_LDADD = tests/sim/libsim.a $(CMOCKA_LIBS) \
	$(JSON_LIBS) $(BSD_LIBS)
endif

EXTRA_DIST += \
	tests/functional/conftest.py \
	tests/functional/simlib.py \
	tests/functional/test_sim.py \
	tests/sim/README.md
