# Judging and rendering are a library, so that tests can link it.
noinst_LIBRARIES += workers/monitor/libmonitor.a
workers_monitor_libmonitor_a_SOURCES = \
	workers/monitor/expose.c workers/monitor/expose.h \
	workers/monitor/health.c workers/monitor/health.h \
	workers/monitor/report.c \
	workers/monitor/slots.c workers/monitor/slots.h \
	workers/monitor/view.c workers/monitor/view.h

pkglibexec_PROGRAMS += cctg-monitor
cctg_monitor_SOURCES = \
	workers/monitor/clients.c workers/monitor/clients.h \
	workers/monitor/http.c workers/monitor/http.h \
	workers/monitor/monitor.c
cctg_monitor_LDADD = workers/monitor/libmonitor.a $(WORKER_LIBS)

if HAVE_CMOCKA
MONITOR_TEST_LIBS = workers/monitor/libmonitor.a ipc/libipc.a \
	$(COMMON_TEST_LIBS)
check_PROGRAMS += tests/unit/test_monitor_expose \
	tests/unit/test_monitor_health tests/unit/test_monitor_slots
TESTS += tests/unit/test_monitor_expose tests/unit/test_monitor_health \
	tests/unit/test_monitor_slots
tests_unit_test_monitor_expose_SOURCES = tests/unit/test_monitor_expose.c
tests_unit_test_monitor_expose_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_monitor_expose_LDADD = $(MONITOR_TEST_LIBS)
tests_unit_test_monitor_health_SOURCES = tests/unit/test_monitor_health.c
tests_unit_test_monitor_health_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_monitor_health_LDADD = $(MONITOR_TEST_LIBS)
tests_unit_test_monitor_slots_SOURCES = tests/unit/test_monitor_slots.c
tests_unit_test_monitor_slots_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_monitor_slots_LDADD = $(MONITOR_TEST_LIBS)
endif
