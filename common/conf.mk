# The configuration: only for the programs that read cctgd.conf.
noinst_LIBRARIES += common/libconf.a
common_libconf_a_SOURCES = \
	common/conf.c common/conf.h common/conf_keys.h common/conf_private.h \
	common/conf_check.c common/conf_env.c common/conf_export.c \
	common/conf_file.c common/conf_text.c common/conf_token.c \
	common/conf_value.c
common_libconf_a_CPPFLAGS = $(AM_CPPFLAGS) $(CONFUSE_CFLAGS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_conf tests/unit/test_conf_docs
TESTS += tests/unit/test_conf tests/unit/test_conf_docs
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/scratch_dir.h
tests_unit_test_conf_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_LDADD = common/libconf.a common/libcommon.a \
	$(CMOCKA_LIBS) $(CONFUSE_LIBS) $(JSON_LIBS) $(BSD_LIBS)
tests_unit_test_conf_docs_SOURCES = tests/unit/test_conf_docs.c
tests_unit_test_conf_docs_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_docs_LDADD = $(tests_unit_test_conf_LDADD)
endif
