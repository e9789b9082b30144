#!/bin/sh
# What the image's entrypoint does: arguments are memcached's.
set -e
case ${1-} in -*) set -- memcached "$@" ;; esac
exec "$@"
