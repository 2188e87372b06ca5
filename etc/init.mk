# Units and scripts of init systems.  They name the installed programs, and
# so are made from templates.
systemdsystemunitdir = $(prefix)/lib/systemd/system
systemduserunitdir = $(prefix)/lib/systemd/user
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
openrcdir = $(pkgdatadir)/openrc

nodist_systemdsystemunit_DATA = etc/systemd/cctgd.service
nodist_systemduserunit_DATA = etc/systemd/user/cctgd.service
dist_sysusers_DATA = etc/sysusers.d/cctg.conf
dist_tmpfiles_DATA = etc/tmpfiles.d/cctg.conf
# Where it belongs, /etc/init.d, another init system may be at home.
nodist_openrc_SCRIPTS = etc/openrc/cctgd

INIT_TEMPLATES = etc/systemd/cctgd.service.in \
	etc/systemd/cctgd-user.service.in etc/openrc/cctgd.in
EXTRA_DIST += $(INIT_TEMPLATES)
CLEANFILES += etc/systemd/cctgd.service etc/systemd/user/cctgd.service \
	etc/openrc/cctgd

FILL_IN = $(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|g' \
	-e 's|@sysconfdir[@]|$(sysconfdir)|g'

etc/systemd/cctgd.service: etc/systemd/cctgd.service.in Makefile
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/etc/systemd/cctgd.service.in >$@

etc/systemd/user/cctgd.service: etc/systemd/cctgd-user.service.in Makefile
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/etc/systemd/cctgd-user.service.in >$@

etc/openrc/cctgd: etc/openrc/cctgd.in Makefile
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/etc/openrc/cctgd.in >$@
