#!/bin/sh
# What the image's entrypoint does as an ordinary user: arguments are valkey-server's. The image's build has protected
# mode off, Debian's has it on.
set -e
case ${1-} in -* | *.conf) set -- valkey-server "$@" ;; esac
if [ "$1" = valkey-server ]; then set -- "$@" --protected-mode no; fi
exec "$@"
