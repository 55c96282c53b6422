# Stands in for OpenWrt's network.sh: /tmp/address is the address of every network.

network_get_ipaddr() {
	read -r "$1" < /tmp/address
}
