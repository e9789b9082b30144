#!/bin/bash
# What `--connect` of the image's healthcheck.sh tells: any answer over TCP is a connection, a refusal of the password
# too.
[[ $* == --connect ]] || exit 1
file=/var/lib/mysql/.my-healthcheck.cnf
said=$(mariadb ${file:+$([[ -f $file ]] && echo --defaults-extra-file="$file")} -h localhost --protocol tcp -e 'select 1' 2>&1)
[[ $said != *"Can't connect"* ]]
