# What decides, apart from what acts: tested alone.
noinst_LIBRARIES += supervisor/libsupervisor.a
supervisor_libsupervisor_a_SOURCES = \
	supervisor/environment.c supervisor/environment.h \
	supervisor/liveness.c supervisor/liveness.h \
	supervisor/memory.c supervisor/memory.h \
	supervisor/policy.c supervisor/policy.h \
	supervisor/proc.c supervisor/proc.h

sbin_PROGRAMS += cctgd
cctgd_SOURCES = \
	supervisor/cctgd.c supervisor/supervisor.h \
	supervisor/alert.c \
	supervisor/child.c \
	supervisor/control.c supervisor/control.h \
	supervisor/listen.c supervisor/listen.h \
	supervisor/lock.c \
	supervisor/notify.c \
	supervisor/obituary.c \
	supervisor/ops.c \
	supervisor/reap.c \
	supervisor/reload.c \
	supervisor/replace.c \
	supervisor/secret.c \
	supervisor/setup.c \
	supervisor/shutdown.c \
	supervisor/spawn.c \
	supervisor/status.c \
	supervisor/tree.c \
	supervisor/watch.c \
	supervisor/wire.c
cctgd_LDADD = supervisor/libsupervisor.a ipc/libipc.a common/libconf.a \
	common/libcommon.a $(EVENT_LIBS) $(JSON_LIBS) $(CONFUSE_LIBS) \
	$(BSD_LIBS) $(BSDCTOR_LIBS)

# A worker that misbehaves on command.
check_PROGRAMS += tests/functional/dummy-worker
tests_functional_dummy_worker_SOURCES = tests/functional/dummy-worker.c
tests_functional_dummy_worker_LDADD = $(WORKER_LIBS)

if HAVE_CMOCKA
SUPERVISOR_TESTS = tests/unit/test_environment tests/unit/test_liveness \
	tests/unit/test_memory tests/unit/test_policy
check_PROGRAMS += $(SUPERVISOR_TESTS)
TESTS += $(SUPERVISOR_TESTS)
SUPERVISOR_TEST_LIBS = supervisor/libsupervisor.a common/libcommon.a \
	$(CMOCKA_LIBS) $(BSD_LIBS)
tests_unit_test_environment_SOURCES = tests/unit/test_environment.c
tests_unit_test_environment_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_environment_LDADD = $(SUPERVISOR_TEST_LIBS)
tests_unit_test_liveness_SOURCES = tests/unit/test_liveness.c
tests_unit_test_liveness_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_liveness_LDADD = $(SUPERVISOR_TEST_LIBS)
tests_unit_test_memory_SOURCES = tests/unit/test_memory.c
tests_unit_test_memory_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_memory_LDADD = $(SUPERVISOR_TEST_LIBS)
tests_unit_test_policy_SOURCES = tests/unit/test_policy.c
tests_unit_test_policy_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_policy_LDADD = $(SUPERVISOR_TEST_LIBS)
endif

EXTRA_DIST += tests/functional/dummylib.py \
	tests/functional/test_supervisor.py \
	tests/functional/test_supervisor_control.py \
	tests/functional/test_supervisor_deaths.py \
	tests/functional/test_supervisor_replace.py \
	tests/functional/treelib.py
