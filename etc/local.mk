# The sample is installed twice: always beside the program's data, and as the
# configuration where there is none yet.
dist_pkgdata_DATA = etc/cctgd.conf
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = etc/completions/cctgctl

install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)/cctg"
	test -e "$(DESTDIR)$(sysconfdir)/cctg/cctgd.conf" || \
	    $(INSTALL_DATA) $(srcdir)/etc/cctgd.conf \
	    "$(DESTDIR)$(sysconfdir)/cctg/cctgd.conf"

uninstall-hook:
	if cmp -s $(srcdir)/etc/cctgd.conf \
	    "$(DESTDIR)$(sysconfdir)/cctg/cctgd.conf"; then \
	    rm -f "$(DESTDIR)$(sysconfdir)/cctg/cctgd.conf"; fi
	-rmdir "$(DESTDIR)$(sysconfdir)/cctg" 2>/dev/null
