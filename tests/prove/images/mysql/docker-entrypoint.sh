#!/bin/bash
# What the image's entrypoint does as an ordinary user, as far as the pods here ask for it: an empty data directory is
# initialised behind a server without networking, with root's password. The arguments stand for the image's my.cnf, in
# place of Debian's, which binds to loopback.
set -eo pipefail
case ${1-} in -*) set -- mysqld "$@" ;; esac
[[ $1 == mysqld ]] || exec "$@"
shift
socket=/var/run/mysqld/mysqld.sock
set -- mysqld --no-defaults --host-cache-size=0 --skip-name-resolve --datadir=/var/lib/mysql --socket="$socket" \
	--secure-file-priv=/var/lib/mysql-files --pid-file=/var/run/mysqld/mysqld.pid "$@"

if [[ ! -d /var/lib/mysql/mysql ]]; then
	[[ $MYSQL_ROOT_PASSWORD ]] || {
		echo 'no MYSQL_ROOT_PASSWORD' >&2
		exit 1
	}
	"$@" --initialize-insecure
	"$@" --daemonize --skip-networking
	mysql -uroot --socket="$socket" mysql <<-SQL
		ALTER USER root@localhost IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
		CREATE USER root@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
		GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
	SQL
	MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysqladmin -uroot --socket="$socket" shutdown
fi
exec "$@"
