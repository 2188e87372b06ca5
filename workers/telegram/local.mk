# The decisions of cctg-telegram, apart from what does I/O: tested alone.
noinst_LIBRARIES += workers/telegram/libtelegram.a
workers_telegram_libtelegram_a_SOURCES = \
	workers/telegram/telegram.h \
	workers/telegram/body.c workers/telegram/bot_commands.h \
	workers/telegram/breaker.c \
	workers/telegram/health.c \
	workers/telegram/hookstate.c \
	workers/telegram/outcome.c \
	workers/telegram/plain.c \
	workers/telegram/pollstate.c \
	workers/telegram/reply.c \
	workers/telegram/token.c
workers_telegram_libtelegram_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)

pkglibexec_PROGRAMS += cctg-telegram
cctg_telegram_SOURCES = \
	workers/telegram/api.c \
	workers/telegram/calls.c \
	workers/telegram/commands.c \
	workers/telegram/hook.c \
	workers/telegram/loop.c workers/telegram/loop.h \
	workers/telegram/poll.c \
	workers/telegram/telegram.c
cctg_telegram_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
cctg_telegram_LDADD = workers/telegram/libtelegram.a $(WORKER_LIBS) \
	$(CURL_LIBS)

# Plays the supervisor and the queue for one worker.
check_PROGRAMS += tests/functional/telegram-queue
tests_functional_telegram_queue_SOURCES = tests/functional/telegram-queue.c \
	tests/functional/play.c tests/functional/play.h
tests_functional_telegram_queue_LDADD = ipc/libipc.a common/libcommon.a \
	$(EVENT_LIBS) $(JSON_LIBS) $(BSD_LIBS)
EXTRA_DIST += tests/functional/test_telegram.py \
	tests/functional/test_return_path.py \
	tests/functional/test_telegram_poll.py

if HAVE_CMOCKA
telegram_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(CURL_CFLAGS)
telegram_test_ldadd = workers/telegram/libtelegram.a ipc/libipc.a \
	common/libcommon.a $(CMOCKA_LIBS) $(JSON_LIBS) $(BSD_LIBS)

check_PROGRAMS += tests/unit/test_telegram_outcome
TESTS += tests/unit/test_telegram_outcome
tests_unit_test_telegram_outcome_SOURCES = \
	tests/unit/test_telegram_outcome.c
tests_unit_test_telegram_outcome_CPPFLAGS = $(telegram_test_cppflags)
tests_unit_test_telegram_outcome_LDADD = $(telegram_test_ldadd)

check_PROGRAMS += tests/unit/test_telegram_poll
TESTS += tests/unit/test_telegram_poll
tests_unit_test_telegram_poll_SOURCES = tests/unit/test_telegram_poll.c
tests_unit_test_telegram_poll_CPPFLAGS = $(telegram_test_cppflags)
tests_unit_test_telegram_poll_LDADD = $(telegram_test_ldadd)

check_PROGRAMS += tests/unit/test_telegram_text
TESTS += tests/unit/test_telegram_text
tests_unit_test_telegram_text_SOURCES = tests/unit/test_telegram_text.c
tests_unit_test_telegram_text_CPPFLAGS = $(telegram_test_cppflags)
tests_unit_test_telegram_text_LDADD = $(telegram_test_ldadd)

check_PROGRAMS += tests/unit/test_telegram_breaker
TESTS += tests/unit/test_telegram_breaker
tests_unit_test_telegram_breaker_SOURCES = \
	tests/unit/test_telegram_breaker.c
tests_unit_test_telegram_breaker_CPPFLAGS = $(telegram_test_cppflags)
tests_unit_test_telegram_breaker_LDADD = $(telegram_test_ldadd)
endif
