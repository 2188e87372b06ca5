noinst_LIBRARIES += ipc/libipc.a
ipc_libipc_a_SOURCES = ipc/credit.c ipc/credit.h ipc/frame.c ipc/frame.h \
	ipc/link.c ipc/link.h ipc/memfd.c ipc/memfd.h ipc/messages.h \
	ipc/outbuf.c ipc/outbuf.h ipc/pack.c ipc/pack.h

if HAVE_CMOCKA
IPC_TESTS = tests/unit/test_credit tests/unit/test_frame \
	tests/unit/test_link tests/unit/test_link_hostile tests/unit/test_pack
check_PROGRAMS += $(IPC_TESTS)
TESTS += $(IPC_TESTS)
IPC_TEST_LIBS = ipc/libipc.a common/libcommon.a $(CMOCKA_LIBS) \
	$(EVENT_LIBS) $(JSON_LIBS) $(SECCOMP_LIBS) $(BSD_LIBS)
tests_unit_test_credit_SOURCES = tests/unit/test_credit.c
tests_unit_test_credit_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_credit_LDADD = $(IPC_TEST_LIBS)
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c
tests_unit_test_frame_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_frame_LDADD = $(IPC_TEST_LIBS)
tests_unit_test_pack_SOURCES = tests/unit/test_pack.c
tests_unit_test_pack_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_pack_LDADD = $(IPC_TEST_LIBS)
tests_unit_test_link_SOURCES = tests/unit/test_link.c tests/unit/link_ends.h
tests_unit_test_link_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_link_LDADD = $(IPC_TEST_LIBS)
tests_unit_test_link_hostile_SOURCES = tests/unit/test_link_hostile.c \
	tests/unit/link_ends.h
tests_unit_test_link_hostile_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_link_hostile_LDADD = $(IPC_TEST_LIBS)
endif

# The credit protocol, checked by spin(1).
MODEL_DIR = $(srcdir)/tests/model
EXTRA_DIST += tests/model/credit.pml tests/model/run.sh
.PHONY: model
model:
	sh $(MODEL_DIR)/run.sh $(MODEL_DIR)/credit.pml
