dist_man_MANS += man/cctg-events.5 man/cctg-protocol.7 man/cctgctl.1 man/cctgd.8 man/cctgd.conf.5
