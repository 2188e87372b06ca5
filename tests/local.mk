# Tests of the whole tree that are no single directory's.
EXTRA_DIST += tests/functional/submitlib.py \
	tests/functional/test_faults_clock.py \
	tests/functional/test_faults_disk.py \
	tests/functional/test_faults_input.py \
	tests/functional/test_faults_kill.py \
	tests/functional/test_faults_load.py \
	tests/functional/test_faults_order.py \
	tests/functional/test_faults_poison.py \
	tests/functional/test_faults_telegram.py \
	tests/functional/test_large.py tests/functional/test_metrics.py \
	tests/functional/test_monitor.py tests/functional/test_path.py \
	tests/functional/test_queue_events.py tests/functional/test_queue_flood.py \
	tests/functional/test_sources.py

# An event that kills who works on it, to be preloaded.
check_DATA += tests/functional/poison.so
EXTRA_DIST += tests/functional/poison.c
CLEANFILES += tests/functional/poison.so
tests/functional/poison.so: tests/functional/poison.c
	$(AM_V_CCLD)$(MKDIR_P) tests/functional && $(CC) -D_GNU_SOURCE \
	    $(CPPFLAGS) $(JSON_CFLAGS) -std=gnu17 -O2 -Wall -fPIC -shared \
	    $(LDFLAGS) -o $@ $(srcdir)/tests/functional/poison.c

# The same tests, larger, again and again for TIME seconds: at least once.
# "make crashloop TIME=3600 TESTS_OF='-k kill'"
.PHONY: crashloop
crashloop: all check-programs
	end=$$(($$(date +%s) + $${TIME:-300})); round=0; \
	while round=$$((round + 1)); do \
		echo "round $$round"; \
		CCTG_TEST_DEPTH=10 CCTG_BUILDDIR='$(abs_builddir)' \
		PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -s \
		    -p no:cacheprovider $(TESTS_OF) \
		    $(abs_srcdir)/tests/functional/test_faults_*.py \
		    $(abs_srcdir)/tests/functional/test_queue_*.py || exit 1; \
		test $$(date +%s) -lt $$end || break; \
	done

# The way back, and the drop-in for the bridge of the MCP server.
EXTRA_DIST += tests/functional/returnlib.py tests/functional/test_return.py \
	tests/functional/test_return_commands.py \
	tests/functional/test_return_kill.py \
	tests/functional/test_return_people.py \
	tests/functional/test_topics.py tests/functional/test_webhook.py \
	tests/functional/test_dropin.py
