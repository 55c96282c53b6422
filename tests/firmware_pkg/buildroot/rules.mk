# Stands in for OpenWrt's rules.mk: the names that a package's Makefile may use.

INCLUDE_DIR:=$(TOPDIR)/include
PKG_BUILD_DIR=$(TOPDIR)/build_dir/$(PKG_NAME)-$(PKG_VERSION)
STAGING_DIR:=$(TOPDIR)/staging_dir
CP:=cp -fpR
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644
INSTALL_CONF:=install -m0600
