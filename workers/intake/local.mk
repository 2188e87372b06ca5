# All but main(), so that tests link what the worker runs.
noinst_LIBRARIES += workers/intake/libintake.a
workers_intake_libintake_a_SOURCES = \
	workers/intake/answer.c \
	workers/intake/client.c workers/intake/client.h \
	workers/intake/directory.c \
	workers/intake/files.c workers/intake/files.h \
	workers/intake/filetab.c \
	workers/intake/http.c \
	workers/intake/offer.c \
	workers/intake/pending.c \
	workers/intake/query.c \
	workers/intake/reject.c \
	workers/intake/request.c workers/intake/request.h \
	workers/intake/responses.c \
	workers/intake/scan.c \
	workers/intake/session.c \
	workers/intake/turns.c \
	workers/intake/verdict.c \
	workers/intake/watch.c \
	workers/intake/webhook.c

pkglibexec_PROGRAMS += cctg-intake
cctg_intake_SOURCES = workers/intake/intake.c workers/intake/intake.h
cctg_intake_LDADD = workers/intake/libintake.a $(WORKER_LIBS)

# Plays the supervisor and the queue for one worker.
check_PROGRAMS += tests/functional/intake-queue
tests_functional_intake_queue_SOURCES = tests/functional/intake-queue.c \
	tests/functional/play.c tests/functional/play.h
tests_functional_intake_queue_LDADD = ipc/libipc.a common/libcommon.a \
	$(EVENT_LIBS) $(JSON_LIBS) $(BSD_LIBS)
EXTRA_DIST += tests/functional/intakelib.py tests/functional/test_intake.py \
	tests/functional/test_intake_files.py \
	tests/functional/test_intake_responses.py \
	tests/functional/test_intake_submit.py

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_intake_request tests/unit/test_intake_files \
	tests/unit/test_intake_pending
TESTS += tests/unit/test_intake_request tests/unit/test_intake_files \
	tests/unit/test_intake_pending
tests_unit_test_intake_request_SOURCES = tests/unit/test_intake_request.c
tests_unit_test_intake_request_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_intake_request_LDADD = workers/intake/libintake.a \
	ipc/libipc.a common/libcommon.a $(JSON_LIBS) $(CMOCKA_LIBS) $(BSD_LIBS)
tests_unit_test_intake_files_SOURCES = tests/unit/test_intake_files.c \
	tests/scratch_dir.h
tests_unit_test_intake_files_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_intake_files_LDADD = workers/intake/libintake.a \
	common/libcommon.a $(CMOCKA_LIBS) $(BSD_LIBS)
# With a link of its own: neither libipc's nor libintake's that need one.
tests_unit_test_intake_pending_SOURCES = tests/unit/test_intake_pending.c \
	workers/intake/pending.c workers/intake/turns.c ipc/pack.c
tests_unit_test_intake_pending_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_intake_pending_LDADD = common/libcommon.a $(EVENT_LIBS) \
	$(CMOCKA_LIBS) $(BSD_LIBS)
endif
