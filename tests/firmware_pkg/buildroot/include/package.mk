# Stands in for OpenWrt's package.mk: `make` builds a package into $(DESTINATION), and writes
# beside it what the package manager would be told.  As there, the package's text is expanded
# once by $(call) and once by $(eval).

define BuildPackage
$(eval $(Package/$(1)))
export CONTROL_DEPENDS:=$(strip $(DEPENDS))
export CONTROL_USER:=$(USERID)
define Export
$(Package/$(1)/conffiles)
endef
export CONFFILES:=$$(Export)
define Postrm
$(Package/$(1)/postrm)
endef
export POSTRM:=$$(value Postrm)

all:
	rm -rf $(PKG_BUILD_DIR) $(DESTINATION)
	mkdir -p $(PKG_BUILD_DIR) $(DESTINATION)
	$(Build/Prepare)
	$(Build/Configure)
	$(Build/Compile)
	$(call Package/$(1)/install,$(DESTINATION))
	printf '%s\n' "$$$$CONTROL_DEPENDS" "$$$$CONTROL_USER" "$$$$CONFFILES" > $(DESTINATION).control
	printf '%s\n' "$$$$POSTRM" > $(DESTINATION).postrm
endef
