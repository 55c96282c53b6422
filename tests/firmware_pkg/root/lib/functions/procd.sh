# Stands in for procd's shell functions.  Each call is a line of /tmp/procd.log, its words
# between tabs.  Where /tmp/procd.run is, the instance is also run, and killed as procd does.

procd_call() {
	{
		printf '%s' "$1"
		shift
		[ $# = 0 ] || printf '\t%s' "$@"
		printf '\n'
	} >> /tmp/procd.log
}

for name in add_jail add_jail_mount add_jail_mount_rw add_reload_trigger \
	add_reload_interface_trigger open_data close_data set_config_changed; do
	eval "procd_$name() { procd_call $name \"\$@\"; }"
done
for name in add_array add_object add_string close_array close_object; do
	eval "json_$name() { procd_call json_$name \"\$@\"; }"
done

procd_open_instance() {
	procd_call open_instance
	instance_environment=
}

procd_set_param() {
	procd_call set_param "$@"
	case "$1" in
	command)
		shift
		instance_command="$*"
		;;
	env)
		shift
		instance_environment="$*"
		;;
	esac
}

procd_close_instance() {
	procd_call close_instance
	[ -e /tmp/procd.run ] || return 0
	# shellcheck disable=SC2086 # many words
	env $instance_environment $instance_command >> /tmp/agent.log 2>&1 &
	echo $! > /tmp/procd.pid
}

procd_kill() {
	procd_call kill "$1"
	[ -e /tmp/procd.pid ] || return 0
	local pid tenths=0
	read -r pid < /tmp/procd.pid
	kill -TERM "$pid"
	while [ $tenths -lt 100 ] && kill -0 "$pid" 2> /dev/null; do
		sleep 0.1
		tenths=$((tenths + 1))
	done
	kill -KILL "$pid" 2> /dev/null && procd_call killed_hard
	rm /tmp/procd.pid
}

procd_add_validation() {
	uci_validate_section() { procd_call validation "$@"; }
	"$@"
}

uci_validate_section() {
	local package="$1" section="$3" result error
	shift 3
	result="$(/sbin/validate_data "$package" "$section" "$@" 2> /dev/null)"
	error=$?
	eval "$result"
	[ $error = 0 ] || /sbin/validate_data "$package" "$section" "$@" > /dev/null
	return $error
}
