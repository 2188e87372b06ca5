# The common life of the workers.
noinst_LIBRARIES += workers/libworker.a
workers_libworker_a_SOURCES = workers/httpd.c workers/httpd.h \
	workers/worker.c workers/worker.h
# What every worker links, in this order.
WORKER_LIBS = workers/libworker.a ipc/libipc.a common/libcommon.a \
	$(EVENT_LIBS) $(JSON_LIBS) $(SECCOMP_LIBS) $(BSD_LIBS) $(BSDCTOR_LIBS)
