# Included by the Makefile: the service's files, and packages of it.

SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
FILL := sed -e 's|@BINDIR@|$(BINDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@DATADIR@|$(DATADIR)|g' \
	-e 's|@DOCDIR@|$(DOCDIR)|g; s|@VERSION@|$(VERSION)|g'

# The unit and the configuration of the service; one that is there stays as it is.
.PHONY: install-service
install-service:
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/moon2m
	$(FILL) packaging/moon2m.service > $(DESTDIR)$(UNITDIR)/moon2m.service
	[ -e $(DESTDIR)$(SYSCONFDIR)/moon2m/moon2m.conf.lua ] || \
		$(FILL) packaging/moon2m.conf.lua > $(DESTDIR)$(SYSCONFDIR)/moon2m/moon2m.conf.lua

# A Debian package in out/; DEB_REVISION numbers builds of one version.
DEB_REVISION ?= 1
DEB_TREE := out/deb-tree
DEBS_DEB := dpkg-dev binutils
.PHONY: deb deps-deb
deps-deb:
	$(call install_debs,$(DEBS_RUN) $(DEBS_DEB))
deb: deps-deb
	@rm -rf $(DEB_TREE)
	@$(MAKE) --no-print-directory install install-service PREFIX=/usr DESTDIR=$(CURDIR)/$(DEB_TREE) \
		UNITDIR=/lib/systemd/system >/dev/null
	@packaging/deb/build $(DEB_TREE) $(VERSION)-$(DEB_REVISION) out

# Installs, runs, upgrades, removes and purges it in a Debian of its own (CHROOT: one that is there and
# is copied), as root.
.PHONY: deb-test deps-deb-test
deps-deb-test:
	$(call install_debs,$(DEBS_RUN) $(DEBS_DEB) debootstrap)
deb-test: deps-deb-test
	@$(MAKE) --no-print-directory deb
	@CHROOT=$(CHROOT) tests/deb/run $(VERSION)

# The package under a systemd of its own, in a container; as root.  CHROOT as above, with systemd.
.PHONY: systemd-test deps-systemd-test
deps-systemd-test:
	$(call install_debs,$(DEBS_RUN) $(DEBS_DEB) debootstrap systemd-container)
systemd-test: deps-systemd-test
	@$(MAKE) --no-print-directory deb
	@CHROOT=$(CHROOT) tests/deb/boot $(VERSION)
