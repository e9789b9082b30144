#!/bin/bash
# What the image's entrypoint does as an ordinary user is nothing; its configuration is here, since the Debian package
# has another one.
set -e
mkdir -p /etc/rabbitmq/conf.d
printf '%s\n' 'loopback_users.guest = false' 'log.console = true' >/etc/rabbitmq/conf.d/10-defaults.conf
exec "$@"
