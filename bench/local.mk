noinst_PROGRAMS += bench/limit_curl
bench_limit_curl_SOURCES = bench/limit_curl.c
bench_limit_curl_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
bench_limit_curl_LDADD = common/libcommon.a $(CURL_LIBS) $(EVENT_LIBS) \
	$(BSD_LIBS)
noinst_PROGRAMS += bench/limit_files
bench_limit_files_SOURCES = bench/limit_files.c
bench_limit_files_LDADD = common/libcommon.a $(BSD_LIBS)
noinst_PROGRAMS += bench/link_bench bench/load bench/limit_exec bench/empty
bench_link_bench_SOURCES = bench/link_bench.c bench/bench_stat.h
bench_link_bench_LDADD = ipc/libipc.a common/libcommon.a $(EVENT_LIBS) \
	$(JSON_LIBS) $(BSD_LIBS)
bench_load_SOURCES = bench/load.c bench/bench_stat.h
bench_load_LDADD = common/libcommon.a $(BSD_LIBS)
bench_limit_exec_SOURCES = bench/limit_exec.c bench/bench_stat.h
bench_limit_exec_LDADD = common/libconf.a ipc/libipc.a common/libcommon.a \
	$(CONFUSE_LIBS) $(EVENT_LIBS) $(JSON_LIBS) $(BSD_LIBS)
bench_empty_SOURCES = bench/empty.c

# Figures beside their limits: make bench ARGS="--quick --only link"
dist_noinst_SCRIPTS += bench/run
EXTRA_DIST += bench/README.md
.PHONY: bench
bench: all
	@python3 $(srcdir)/bench/run --build . $(ARGS)
