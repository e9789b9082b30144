#!/bin/bash
# What the image's entrypoint does as an ordinary user, as far as the pods here ask for it: an empty data directory is
# initialised with the password, behind a server on the Unix socket alone. The image's sample configuration listens on
# all addresses, Debian's on loopback.
set -e
case ${1-} in -*) set -- postgres "$@" ;; esac
[[ $1 == postgres ]] || exec "$@"

mkdir -p "$PGDATA"
chmod 700 "$PGDATA"
if [[ ! -s $PGDATA/PG_VERSION ]]; then
	[[ $POSTGRES_PASSWORD ]] || {
		echo 'no POSTGRES_PASSWORD' >&2
		exit 1
	}
	initdb --username=postgres --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") -c listen_addresses='*'
	printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
	pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
