# Fuzz targets.  make check runs each for a moment, always the same way;
# make fuzz TIME=60 runs each for so many seconds from another seed.  With
# clang, fuzz_main.c can be left out and -fsanitize=fuzzer put in.
FUZZ_TARGETS = tests/fuzz/fuzz_event tests/fuzz/fuzz_segment \
	tests/fuzz/fuzz_link
FUZZ_DRIVER = tests/fuzz/fuzz_main.c tests/fuzz/fuzz.h
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) \
	-DFUZZ_SEEDS='"$(srcdir)/tests/fixtures/events"'
FUZZ_LIBS = ipc/libipc.a common/libcommon.a $(EVENT_LIBS) $(JSON_LIBS) \
	$(SECCOMP_LIBS) $(BSD_LIBS)

check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
tests_fuzz_fuzz_event_SOURCES = tests/fuzz/fuzz_event.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_event_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_event_LDADD = workers/analyze/libanalyze.a $(FUZZ_LIBS) -lm
tests_fuzz_fuzz_segment_SOURCES = tests/fuzz/fuzz_segment.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_segment_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_segment_LDADD = workers/compress/libpayload.a $(FUZZ_LIBS) \
	$(LZ4_LIBS)
tests_fuzz_fuzz_link_SOURCES = tests/fuzz/fuzz_link.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_link_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_link_LDADD = $(FUZZ_LIBS)

CLEANFILES += fuzz-failure

TIME = 60
.PHONY: fuzz
fuzz: $(FUZZ_TARGETS)
	for t in $(FUZZ_TARGETS); do \
		./$$t -s $$(date +%s) -t $(TIME) || exit 1; \
	done
