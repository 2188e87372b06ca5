# The renderer is a library of its own, so that tests link what the worker
# runs.
noinst_LIBRARIES += workers/format/libformat.a
workers_format_libformat_a_SOURCES = \
	workers/format/approval.c \
	workers/format/attach.c workers/format/attach.h \
	workers/format/digest.c workers/format/digest.h \
	workers/format/document.c workers/format/document.h \
	workers/format/extend.h \
	workers/format/fields.h \
	workers/format/human.c workers/format/human.h \
	workers/format/layout.c workers/format/layout.h \
	workers/format/progress.c workers/format/progress.h \
	workers/format/render.c workers/format/render.h \
	workers/format/show.c \
	workers/format/split.c workers/format/split.h \
	workers/format/text.c workers/format/text.h \
	workers/format/utf.c workers/format/utf.h \
	workers/format/value.c

pkglibexec_PROGRAMS += cctg-format
cctg_format_SOURCES = workers/format/format.c
cctg_format_LDADD = workers/format/libformat.a $(WORKER_LIBS)

# Event files that the MCP server of co8/cctelegram really wrote.
EXTRA_DIST += tests/fixtures/events

if HAVE_CMOCKA
format_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) \
	-DFIXTURES='"$(abs_top_srcdir)/tests/fixtures/events"'
format_test_ldadd = workers/format/libformat.a ipc/libipc.a \
	common/libcommon.a $(CMOCKA_LIBS) $(JSON_LIBS) $(EVENT_LIBS) \
	$(SECCOMP_LIBS) $(BSD_LIBS)

check_PROGRAMS += tests/unit/test_format_utf
TESTS += tests/unit/test_format_utf
tests_unit_test_format_utf_SOURCES = tests/unit/test_format_utf.c
tests_unit_test_format_utf_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_utf_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_attach
TESTS += tests/unit/test_format_attach
tests_unit_test_format_attach_SOURCES = tests/unit/test_format_attach.c \
	tests/unit/format_renderer.h
tests_unit_test_format_attach_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_attach_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_text
TESTS += tests/unit/test_format_text
tests_unit_test_format_text_SOURCES = tests/unit/test_format_text.c \
	tests/unit/telegram_html.h
tests_unit_test_format_text_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_text_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_split
TESTS += tests/unit/test_format_split
tests_unit_test_format_split_SOURCES = tests/unit/test_format_split.c
tests_unit_test_format_split_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_split_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_human
TESTS += tests/unit/test_format_human
tests_unit_test_format_human_SOURCES = tests/unit/test_format_human.c
tests_unit_test_format_human_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_human_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_digest
TESTS += tests/unit/test_format_digest
tests_unit_test_format_digest_SOURCES = tests/unit/test_format_digest.c \
	tests/unit/format_renderer.h tests/unit/telegram_html.h
tests_unit_test_format_digest_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_digest_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_render
TESTS += tests/unit/test_format_render
tests_unit_test_format_render_SOURCES = tests/unit/test_format_render.c \
	tests/unit/format_renderer.h tests/unit/telegram_html.h
tests_unit_test_format_render_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_render_LDADD = $(format_test_ldadd)

check_PROGRAMS += tests/unit/test_format_random
TESTS += tests/unit/test_format_random
tests_unit_test_format_random_SOURCES = tests/unit/test_format_random.c \
	tests/unit/telegram_html.h
tests_unit_test_format_random_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_random_LDADD = $(format_test_ldadd)
tests_unit_test_format_random_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=realloc,--wrap=calloc,--wrap=reallocarray

# What analyze and format make of events together.
check_PROGRAMS += tests/unit/test_shown
TESTS += tests/unit/test_shown
tests_unit_test_shown_SOURCES = tests/unit/test_shown.c \
	tests/unit/format_renderer.h tests/unit/telegram_html.h
tests_unit_test_shown_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_shown_LDADD = workers/analyze/libanalyze.a \
	$(format_test_ldadd) -lm

check_PROGRAMS += tests/unit/test_format_worker
TESTS += tests/unit/test_format_worker
tests_unit_test_format_worker_SOURCES = tests/unit/test_format_worker.c
tests_unit_test_format_worker_CPPFLAGS = $(format_test_cppflags)
tests_unit_test_format_worker_LDADD = $(format_test_ldadd)
endif
