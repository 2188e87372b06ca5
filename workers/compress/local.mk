# Packing and expanding is a library: analyze and the queue expand for
# themselves.
noinst_LIBRARIES += workers/compress/libpayload.a
workers_compress_libpayload_a_SOURCES = \
	workers/compress/dictionary.c \
	workers/compress/payload.c workers/compress/payload.h \
	workers/compress/segment.c workers/compress/segment.h
PAYLOAD_LIBS = workers/compress/libpayload.a $(LZ4_LIBS)

pkglibexec_PROGRAMS += cctg-compress
cctg_compress_SOURCES = workers/compress/compress.c
cctg_compress_LDADD = workers/compress/libpayload.a $(WORKER_LIBS) $(LZ4_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_payload tests/unit/test_pools
TESTS += tests/unit/test_payload tests/unit/test_pools
tests_unit_test_payload_SOURCES = tests/unit/test_payload.c
tests_unit_test_payload_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_payload_LDADD = workers/compress/libpayload.a \
	ipc/libipc.a $(COMMON_TEST_LIBS) $(LZ4_LIBS)
# Runs the two programs.
tests_unit_test_pools_SOURCES = tests/unit/test_pools.c
tests_unit_test_pools_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_pools_LDADD = ipc/libipc.a $(COMMON_TEST_LIBS)
EXTRA_tests_unit_test_pools_DEPENDENCIES = cctg-analyze cctg-compress
endif
