#!/bin/bash
# What the image's entrypoint does as an ordinary user, as far as the pods here ask for it: an empty data directory is
# initialised behind a server without networking, with root's password and the user of the healthcheck. Debian's
# configuration binds to loopback, the image's does not.
set -eo pipefail
case ${1-} in -*) set -- mariadbd "$@" ;; esac
[[ $1 == mariadbd ]] || exec "$@"
set -- "$@" --bind-address='*'

data=/var/lib/mysql
if [[ ! -d $data/mysql ]]; then
	[[ $MARIADB_ROOT_PASSWORD ]] || {
		echo 'no MARIADB_ROOT_PASSWORD' >&2
		exit 1
	}
	mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db
	mariadbd --skip-networking &
	server=$!
	client=(mariadb -uroot --protocol=socket)
	until "${client[@]}" -e 'select 1' >/dev/null 2>&1; do kill -0 $server && sleep 0.2; done
	check=$(head -c 24 /dev/urandom | base64)
	{
		for host in 127.0.0.1 ::1 localhost; do
			echo "CREATE USER healthcheck@'$host' IDENTIFIED BY '$check'; GRANT USAGE ON *.* TO healthcheck@'$host';"
		done
		echo "CREATE USER root@'%' IDENTIFIED BY '$MARIADB_ROOT_PASSWORD'; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
		echo "ALTER USER root@localhost IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';"
	} | "${client[@]}"
	(
		umask 077
		printf '[mariadb-client]\nuser=healthcheck\npassword=%s\nprotocol=tcp\n' "$check" >"$data/.my-healthcheck.cnf"
	)
	kill $server
	wait $server
fi
exec "$@"
