pkglibexec_PROGRAMS += cctg-queue
cctg_queue_SOURCES = workers/queue/accept.c workers/queue/acted.c \
	workers/queue/acted.h workers/queue/alert.c \
	workers/queue/archive.c workers/queue/jump.c workers/queue/skew.c \
	workers/queue/call.c workers/queue/chat.c workers/queue/commit.c \
	workers/queue/dedup.c workers/queue/digest.c workers/queue/final.c \
	workers/queue/command.c workers/queue/decision.c \
	workers/queue/decision.h workers/queue/escape.c workers/queue/escape.h \
	workers/queue/idlist.c workers/queue/idlist.h \
	workers/queue/mode.c workers/queue/moved.c \
	workers/queue/note.c workers/queue/note.h workers/queue/option.c \
	workers/queue/option.h \
	workers/queue/pairing.c workers/queue/pairing.h workers/queue/person.c \
	workers/queue/person.h workers/queue/press.c workers/queue/press.h \
	workers/queue/prompt.c workers/queue/prompt.h \
	workers/queue/prompt_answer.c workers/queue/prompt_private.h \
	workers/queue/prompt_show.c \
	workers/queue/query.c workers/queue/query.h workers/queue/query_order.c \
	workers/queue/query_people.c workers/queue/query_watch.c \
	workers/queue/queue.c workers/queue/recall.c workers/queue/response.c \
	workers/queue/response.h workers/queue/role.c workers/queue/role.h \
	workers/queue/update.c workers/queue/update.h \
	workers/queue/queue.h workers/queue/rate.c workers/queue/rate.h \
	workers/queue/route.c workers/queue/route.h workers/queue/sched.c workers/queue/silence.c \
	workers/queue/stage.c workers/queue/topic.c workers/queue/topic.h \
	workers/queue/topic_rule.c workers/queue/topic_rule.h \
	workers/queue/twin.c workers/queue/verdict.c workers/queue/verdict.h
cctg_queue_LDADD = workers/queue/libstore.a $(PAYLOAD_LIBS) \
	$(WORKER_LIBS) $(SQLITE_LIBS)

# The store: SQLite, and nothing else of the queue.
noinst_LIBRARIES += workers/queue/libstore.a
workers_queue_libstore_a_SOURCES = workers/queue/store.c \
	workers/queue/store.h workers/queue/store_exec.c \
	workers/queue/store_int.h workers/queue/store_list.c \
	workers/queue/store_ops.c workers/queue/store_read.c \
	workers/queue/store_record.h workers/queue/store_repair.c \
	workers/queue/store_salvage.c workers/queue/store_sending.c \
	workers/queue/store_sql.h workers/queue/store_vfs.c
workers_queue_libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
STORE_LIBS = workers/queue/libstore.a common/libcommon.a $(SQLITE_LIBS) \
	$(BSD_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_store tests/unit/test_store_damage \
	tests/unit/test_store_fault tests/unit/test_store_list
TESTS += tests/unit/test_store tests/unit/test_store_damage \
	tests/unit/test_store_fault tests/unit/test_store_list
store_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(SQLITE_CFLAGS)
store_test_common = tests/scratch_dir.h tests/unit/store_events.h
tests_unit_test_store_SOURCES = tests/unit/test_store.c $(store_test_common)
tests_unit_test_store_CPPFLAGS = $(store_test_cppflags)
tests_unit_test_store_LDADD = $(STORE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_store_damage_SOURCES = tests/unit/test_store_damage.c \
	$(store_test_common)
tests_unit_test_store_damage_CPPFLAGS = $(store_test_cppflags)
tests_unit_test_store_damage_LDADD = $(STORE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_store_fault_SOURCES = tests/unit/test_store_fault.c \
	tests/functional/faultfs.c $(store_test_common)
tests_unit_test_store_fault_CPPFLAGS = $(store_test_cppflags)
tests_unit_test_store_fault_LDADD = $(STORE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_store_list_SOURCES = tests/unit/test_store_list.c \
	$(store_test_common)
tests_unit_test_store_list_CPPFLAGS = $(store_test_cppflags)
tests_unit_test_store_list_LDADD = $(STORE_LIBS) $(CMOCKA_LIBS)

# What the queue decides, without the queue.
check_PROGRAMS += tests/unit/test_acted tests/unit/test_dedup \
	tests/unit/test_moved \
	tests/unit/test_pairing tests/unit/test_press tests/unit/test_rate \
	tests/unit/test_role tests/unit/test_route tests/unit/test_skew \
	tests/unit/test_topic_rule tests/unit/test_verdict
TESTS += tests/unit/test_acted tests/unit/test_dedup tests/unit/test_moved \
	tests/unit/test_pairing tests/unit/test_press tests/unit/test_rate \
	tests/unit/test_role tests/unit/test_route tests/unit/test_skew \
	tests/unit/test_topic_rule tests/unit/test_verdict
queue_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
queue_test_libs = common/libcommon.a $(CMOCKA_LIBS) $(JSON_LIBS) $(BSD_LIBS)
tests_unit_test_acted_SOURCES = tests/unit/test_acted.c workers/queue/acted.c
tests_unit_test_acted_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_acted_LDADD = $(queue_test_libs)
tests_unit_test_topic_rule_SOURCES = tests/unit/test_topic_rule.c \
	workers/queue/topic_rule.c
tests_unit_test_topic_rule_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_topic_rule_LDADD = $(queue_test_libs)
tests_unit_test_dedup_SOURCES = tests/unit/test_dedup.c workers/queue/dedup.c
tests_unit_test_dedup_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_dedup_LDADD = $(queue_test_libs)
tests_unit_test_skew_SOURCES = tests/unit/test_skew.c workers/queue/skew.c
tests_unit_test_skew_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_skew_LDADD = $(queue_test_libs)
tests_unit_test_moved_SOURCES = tests/unit/test_moved.c workers/queue/moved.c
tests_unit_test_moved_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_moved_LDADD = $(queue_test_libs)
tests_unit_test_pairing_SOURCES = tests/unit/test_pairing.c \
	workers/queue/pairing.c
tests_unit_test_pairing_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_pairing_LDADD = $(queue_test_libs)
tests_unit_test_press_SOURCES = tests/unit/test_press.c \
	workers/queue/decision.c workers/queue/escape.c \
	workers/queue/idlist.c workers/queue/option.c \
	workers/queue/press.c workers/queue/role.c
tests_unit_test_press_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_press_LDADD = $(queue_test_libs)
tests_unit_test_role_SOURCES = tests/unit/test_role.c workers/queue/role.c
tests_unit_test_role_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_role_LDADD = $(queue_test_libs)
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c workers/queue/rate.c
tests_unit_test_rate_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_rate_LDADD = $(queue_test_libs)
tests_unit_test_route_SOURCES = tests/unit/test_route.c \
	workers/queue/route.c workers/queue/topic_rule.c
tests_unit_test_route_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_route_LDADD = $(queue_test_libs)
tests_unit_test_verdict_SOURCES = tests/unit/test_verdict.c workers/queue/verdict.c
tests_unit_test_verdict_CPPFLAGS = $(queue_test_cppflags)
tests_unit_test_verdict_LDADD = $(queue_test_libs)
endif

EXTRA_DIST += tests/functional/test_store.py

# Failing disks for programs under test, to be preloaded.
check_DATA = tests/functional/faultfs.so tests/functional/clockset.so
CLEANFILES += tests/functional/faultfs.so tests/functional/clockset.so
tests/functional/faultfs.so: tests/functional/faultfs.c
	$(AM_V_CCLD)$(MKDIR_P) tests/functional && $(CC) -D_GNU_SOURCE \
	    $(CPPFLAGS) -std=gnu17 -O2 -Wall -fPIC -shared $(LDFLAGS) -o $@ \
	    $(srcdir)/tests/functional/faultfs.c

# A wall clock that is set, the same way.
EXTRA_DIST += tests/functional/clockset.c
tests/functional/clockset.so: tests/functional/clockset.c
	$(AM_V_CCLD)$(MKDIR_P) tests/functional && $(CC) -D_GNU_SOURCE \
	    $(CPPFLAGS) -std=gnu17 -O2 -Wall -fPIC -shared $(LDFLAGS) -o $@ \
	    $(srcdir)/tests/functional/clockset.c

# Without TIME, a few rounds.
check_PROGRAMS += tests/unit/test_store_crash
TESTS += tests/unit/test_store_crash
tests_unit_test_store_crash_SOURCES = tests/unit/test_store_crash.c \
	tests/scratch_dir.h tests/unit/store_events.h
tests_unit_test_store_crash_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_store_crash_LDADD = $(STORE_LIBS)

# Kill the store again and again for TIME seconds.
.PHONY: crashtest
crashtest: tests/unit/test_store_crash$(EXEEXT)
	CRASH_SECONDS=$${TIME:-60} tests/unit/test_store_crash

# What the store costs, and the limit of the same disk.
noinst_PROGRAMS += bench/store_bench bench/limit_sqlite
bench_store_bench_SOURCES = bench/store_bench.c tests/scratch_dir.h
bench_store_bench_LDADD = $(STORE_LIBS)
bench_limit_sqlite_SOURCES = bench/limit_sqlite.c tests/scratch_dir.h
bench_limit_sqlite_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
bench_limit_sqlite_LDADD = common/libcommon.a $(SQLITE_LIBS) $(BSD_LIBS)
