noinst_LIBRARIES += workers/analyze/libanalyze.a
workers_analyze_libanalyze_a_SOURCES = \
	workers/analyze/attach.c workers/analyze/attach.h \
	workers/analyze/judge.c workers/analyze/judge.h \
	workers/analyze/normalise.c workers/analyze/normalise.h \
	workers/analyze/redact.c workers/analyze/redact.h \
	workers/analyze/tree.c workers/analyze/tree.h

pkglibexec_PROGRAMS += cctg-analyze
cctg_analyze_SOURCES = workers/analyze/analyze.c
cctg_analyze_LDADD = workers/analyze/libanalyze.a \
	workers/compress/libpayload.a $(WORKER_LIBS) $(LZ4_LIBS) -lm

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_attach tests/unit/test_normalise \
	tests/unit/test_redact
TESTS += tests/unit/test_attach tests/unit/test_normalise \
	tests/unit/test_redact
tests_unit_test_attach_SOURCES = tests/unit/test_attach.c
tests_unit_test_attach_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_attach_LDADD = workers/analyze/libanalyze.a \
	$(COMMON_TEST_LIBS) -lm
tests_unit_test_normalise_SOURCES = tests/unit/test_normalise.c
tests_unit_test_normalise_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) \
	-DFIXTURES='"$(srcdir)/tests/fixtures/events"'
tests_unit_test_normalise_LDADD = workers/analyze/libanalyze.a \
	$(COMMON_TEST_LIBS) -lm
tests_unit_test_redact_SOURCES = tests/unit/test_redact.c
tests_unit_test_redact_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_redact_LDADD = workers/analyze/libanalyze.a $(COMMON_TEST_LIBS)
endif
