# Stands in for OpenWrt's rc.common and procd: runs an init script's functions
# and prints each call to procd, its words between tabs.
#
#     sh rc_common.sh INIT_SCRIPT UCI_FILE FUNCTION
#
# ADDRESS is the address of the box's network; IPKG_INSTROOT holds lib/functions/network.sh.

config_load() {
	local kind name value
	while read -r kind name value; do
		value="${value#\'}"
		[ "$kind" = option ] && eval "CONFIG_main_$name=\${value%\'}"
	done < "$uci_file"
}

config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}"
}

config_get_bool() {
	config_get "$@"
}

procd_call() {
	printf '%s' "$1"
	shift
	[ $# = 0 ] || printf '\t%s' "$@"
	printf '\n'
}

for name in open_instance close_instance set_param add_jail add_jail_mount add_jail_mount_rw \
	add_reload_trigger add_reload_interface_trigger; do
	eval "procd_$name() { procd_call $name \"\$@\"; }"
done

logger() {
	procd_call logger "$@"
	sed 's/^/| /'
}

chown() { procd_call chown "$@"; }

uci_file="$2"
. "$1"
"$3"
