noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/base64.c common/base64.h \
	common/buf.c common/buf.h \
	common/clock.c common/clock.h \
	common/error.c common/error.h \
	common/event.c common/event.h \
	common/event_types.h \
	common/fault.c common/fault.h \
	common/json.c common/json.h \
	common/log.c common/log.h \
	common/metrics.c common/metrics.h \
	common/nitems.h \
	common/sandbox.c common/sandbox.h \
	common/scoreboard.c common/scoreboard.h \
	common/utf8.c common/utf8.h \
	common/uuid.c common/uuid.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_base64 tests/unit/test_buf \
	tests/unit/test_clock \
	tests/unit/test_event tests/unit/test_json \
	tests/unit/test_sandbox tests/unit/test_utf8 tests/unit/test_uuid
TESTS += tests/unit/test_base64 tests/unit/test_buf \
	tests/unit/test_clock \
	tests/unit/test_event tests/unit/test_json \
	tests/unit/test_sandbox tests/unit/test_utf8 tests/unit/test_uuid
COMMON_TEST_LIBS = common/libcommon.a $(CMOCKA_LIBS) $(EVENT_LIBS) \
	$(JSON_LIBS) $(SECCOMP_LIBS) $(BSD_LIBS)
tests_unit_test_base64_SOURCES = tests/unit/test_base64.c
tests_unit_test_base64_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base64_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c
tests_unit_test_buf_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_buf_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_clock_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_event_SOURCES = tests/unit/test_event.c
tests_unit_test_event_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_event_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_json_SOURCES = tests/unit/test_json.c
tests_unit_test_json_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_json_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c
tests_unit_test_sandbox_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sandbox_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_utf8_SOURCES = tests/unit/test_utf8.c
tests_unit_test_utf8_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_utf8_LDADD = $(COMMON_TEST_LIBS)
tests_unit_test_uuid_SOURCES = tests/unit/test_uuid.c
tests_unit_test_uuid_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_uuid_LDADD = $(COMMON_TEST_LIBS)

# Built with the points, whatever the programs are.
check_PROGRAMS += tests/unit/test_fault
TESTS += tests/unit/test_fault
tests_unit_test_fault_SOURCES = tests/unit/test_fault.c common/fault.c
tests_unit_test_fault_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) \
	-DCCTG_FAULTS=1
tests_unit_test_fault_LDADD = common/libcommon.a $(CMOCKA_LIBS) $(BSD_LIBS)
endif
