# Stands in for OpenWrt's functions.sh: what our scripts call, as OpenWrt documents it.

reset_cb() {
	option_cb() { :; }
}
reset_cb

# config_load PACKAGE: CONFIG_SECTION_OPTION from /etc/config/PACKAGE; option_cb for each.
config_load() {
	local kind name value section
	while read -r kind name value; do
		value="${value#\'}"
		value="${value%\'}"
		case "$kind" in
		config) section="$value" ;;
		option)
			eval "CONFIG_${section}_$name=\$value"
			option_cb "$name" "$value"
			;;
		esac
	done < "/etc/config/$1"
}

config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}"
}

# Installing and removing: users, enabling, starting, as the package managers call it.
default_postinst() {
	local name script pair
	name="$(basename "${1%.*}")"
	for pair in $(sed -n 's/^Require-User: *//p' "/usr/lib/opkg/info/$name.control"); do
		grep -q "^${pair%:*}:" /etc/passwd || echo "${pair%:*}:x:32768:32768:::/bin/false" >> /etc/passwd
		grep -q "^${pair#*:}:" /etc/group || echo "${pair#*:}:x:32768:" >> /etc/group
	done
	for script in $(grep '^/etc/init.d/' "/usr/lib/opkg/info/$name.list"); do
		[ "$PKG_UPGRADE" = 1 ] || "$script" enable
		"$script" start
	done
	return 0
}

default_prerm() {
	local name script
	name="$(basename "${1%.*}")"
	for script in $(grep '^/etc/init.d/' "/usr/lib/opkg/info/$name.list"); do
		[ "$PKG_UPGRADE" = 1 ] || "$script" disable
		"$script" stop
	done
}
