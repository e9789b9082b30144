//! The systems whose servers come from packages.

use crate::image::{Image, PLAIN};
use crate::proof::{self, System};

/// docker-library/redis: the image's build leaves out protected mode, which Debian's has.
#[test]
fn redis() {
    proof::single(&System {
        example: "redis",
        tag: "redis:8.0",
        image: Image {
            server: "redis",
            user: ("redis", 999, 999),
            entrypoint: &["docker-entrypoint.sh"],
            cmd: &["redis-server"],
            workdir: "/data",
            owned: &[("755", "/data")],
            ..PLAIN
        },
        write: "redis-cli -e set key \"$1\" && redis-cli -e save",
        read: "redis-cli -e get key",
        durable: true,
        recovers: None,
        ends: &[0],
        members: "",
        memory: ("", 0),
    });
}

#[test]
fn valkey() {
    proof::single(&System {
        example: "valkey",
        tag: "valkey/valkey:8.1",
        image: Image {
            server: "valkey",
            user: ("valkey", 999, 999),
            entrypoint: &["docker-entrypoint.sh"],
            cmd: &["valkey-server"],
            workdir: "/data",
            owned: &[("755", "/data")],
            ..PLAIN
        },
        write: "valkey-cli -e set key \"$1\"",
        read: "valkey-cli -e get key",
        durable: true,
        recovers: None,
        ends: &[0],
        members: "",
        memory: ("", 0),
    });
}

#[test]
fn memcached() {
    proof::single(&System {
        example: "memcached",
        tag: "memcached:1.6",
        image: Image {
            server: "memcached",
            user: ("memcache", 11211, 11211),
            entrypoint: &["docker-entrypoint.sh"],
            cmd: &["memcached"],
            ..PLAIN
        },
        write: r#"exec 3<>/dev/tcp/127.0.0.1/11211; printf 'set key 0 0 %d\r\n%s\r\nquit\r\n' ${#1} "$1" >&3; grep STORED <&3"#,
        read: "",
        durable: false,
        recovers: None,
        ends: &[0],
        members: "",
        memory: (
            r"exec 3<>/dev/tcp/127.0.0.1/11211; printf 'stats\r\nquit\r\n' >&3
              sed -n 's/^STAT limit_maxbytes \([0-9]*\).*/\1/p' <&3",
            70,
        ),
    });
}

/// docker-library/postgres.
const POSTGRES: Image = Image {
    server: "postgresql",
    user: ("postgres", 999, 999),
    path: "/usr/lib/postgresql/17/bin",
    env: &[("LANG", "C.UTF-8"), ("PGDATA", "/var/lib/postgresql/data")],
    entrypoint: &["docker-entrypoint.sh"],
    cmd: &["postgres"],
    stop: "INT",
    owned: &[
        ("1777", "/var/lib/postgresql"),
        ("3777", "/run/postgresql"),
        ("1777", "/var/lib/postgresql/data"),
    ],
    ..PLAIN
};

fn postgresql(tag: &'static str, image: Image) {
    proof::single(&System {
        example: "postgresql",
        tag,
        image,
        write: "psql -qU postgres -v ON_ERROR_STOP=1 -c 'create table if not exists kept(value text)' \
                -c \"insert into kept values ('$1')\"",
        read: "psql -qtAU postgres -c 'select value from kept order by ctid desc limit 1'",
        durable: true,
        recovers: Some("automatic recovery in progress"),
        ends: &[0],
        members: "",
        memory: (
            "psql -qtAU postgres -c \"select setting::bigint * 8192 from pg_settings where name = 'shared_buffers'\"",
            25,
        ),
    });
}

#[test]
fn postgresql_17() {
    postgresql("postgres:17", POSTGRES);
}

#[test]
fn postgresql_18() {
    let (server, path) = ("postgresql-18", "/usr/lib/postgresql/18/bin");
    let env = &[("LANG", "C.UTF-8"), ("PGDATA", "/var/lib/postgresql/18/docker")];
    let owned = &[("1777", "/var/lib/postgresql"), ("3777", "/run/postgresql")];
    postgresql("postgres:18", Image { server, env, path, owned, ..POSTGRES });
}

/// docker-library/mysql.
#[test]
fn mysql() {
    proof::single(&System {
        example: "mysql",
        tag: "mysql:9.7",
        image: Image {
            server: "mysql",
            user: ("mysql", 999, 999),
            entrypoint: &["docker-entrypoint.sh"],
            cmd: &["mysqld"],
            owned: &[("1777", "/var/lib/mysql"), ("1777", "/run/mysqld"), ("750", "/var/lib/mysql-files")],
            ..PLAIN
        },
        write: r#"export MYSQL_PWD="$MYSQL_ROOT_PASSWORD"; mysql -uroot -S /run/mysqld/mysqld.sock -e "create table if not exists mysql.kept(id int auto_increment primary key, value text); insert into mysql.kept(value) values ('$1')""#,
        read: r#"export MYSQL_PWD="$MYSQL_ROOT_PASSWORD"; mysql -uroot -S /run/mysqld/mysqld.sock -BN -e 'select value from mysql.kept order by id desc limit 1'"#,
        durable: true,
        recovers: Some("Starting XA crash recovery"),
        ends: &[0],
        members: "",
        memory: (
            r#"export MYSQL_PWD="$MYSQL_ROOT_PASSWORD"; mysql -uroot -S /run/mysqld/mysqld.sock -BN -e 'select @@innodb_buffer_pool_size'"#,
            25,
        ),
    });
}

/// MariaDB/mariadb-docker.
#[test]
fn mariadb() {
    proof::single(&System {
        example: "mariadb",
        tag: "mariadb:11.8",
        image: Image {
            server: "mariadb",
            user: ("mysql", 999, 999),
            env: &[("LANG", "C.UTF-8")],
            entrypoint: &["docker-entrypoint.sh"],
            cmd: &["mariadbd"],
            owned: &[("1777", "/var/lib/mysql"), ("1777", "/run/mysqld")],
            ..PLAIN
        },
        write: r#"mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" -e "create table if not exists mysql.kept(id int auto_increment primary key, value text) engine=innodb; insert into mysql.kept(value) values ('$1')""#,
        read: r#"mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" -BN -e 'select value from mysql.kept order by id desc limit 1'"#,
        durable: true,
        recovers: Some("Starting crash recovery"),
        ends: &[0],
        members: "",
        memory: (
            r#"mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" -BN -e 'select @@innodb_buffer_pool_size'"#,
            50,
        ),
    });
}
