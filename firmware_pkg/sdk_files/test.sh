#!/bin/sh
# OpenWrt's CI runs this on a box with the package: NAME VERSION.

[ "$1" = backfence ] || exit 0
MICROPYPATH=.frozen:/usr/lib/backfence micropython -m backfence.agent --version | grep -F "$2"
