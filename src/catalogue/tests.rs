use super::*;

#[test]
fn the_built_in_catalogue_loads() {
    let catalogue = Catalogue::built_in().unwrap();
    assert!(catalogue.latest(DEFAULT).is_some());
    assert_eq!(catalogue.for_image("mirror.corp/library/postgres:18").unwrap().name, "postgresql");
    assert!(catalogue.for_image("nginx").is_none());
}

#[test]
fn a_changed_profile_is_a_new_revision_and_the_old_one_stays() {
    let before = Catalogue::built_in().unwrap();
    let old = before.latest("postgresql").unwrap().revision.clone();
    let text = include_str!("postgresql.yaml").replace("Seconds: 120", "Seconds: 300");
    let after = before.with([("x", text.as_str())]).unwrap();
    assert_ne!(after.latest("postgresql").unwrap().revision, old);
    assert!(after.revision("postgresql", &old).is_some());
}

#[test]
fn words_for_people_make_no_revision() {
    let before = Catalogue::built_in().unwrap();
    let text = include_str!("postgresql.yaml").replace("one server", "a server");
    let after = before.clone().with([("x", text.as_str())]).unwrap();
    let revision = |c: &Catalogue| c.latest("postgresql").unwrap().revision.clone();
    assert_eq!(revision(&before), revision(&after));
}

#[test]
fn a_cycle_is_told() {
    let file = |name: &str, parent: &str| {
        format!(
            "apiVersion: stateward.dev/v1alpha1\nkind: StatefulSetProfile\nmetadata: {{name: {name}}}\n\
             spec: {{summary: x, extends: {parent}}}\n"
        )
    };
    let (a, b) = (file("a", "b"), file("b", "a"));
    let error = Catalogue::default().with([("a", a.as_str()), ("b", b.as_str())]).unwrap_err();
    assert_eq!(error.to_string(), "profile b: extends a, which leads back to itself");
}

/// The profile that knows an image, and the case of each of its axes that the tag tells.
fn chosen<'c>(catalogue: &'c Catalogue, image: &str) -> Option<(&'c str, Vec<Option<&'c str>>)> {
    let profile = catalogue.for_image(image)?;
    let image = Image::parse(image);
    let case = |axis: &'c Axis| axis.cases.iter().find(|c| c.fits(&image)).map(|c| c.name.as_str());
    Some((&profile.name, profile.axes.iter().map(case).collect()))
}

#[test]
fn images_choose_the_profile_and_tags_the_variant() {
    let catalogue = Catalogue::built_in().unwrap();
    for (image, profile, cases) in [
        ("postgres:16.4-alpine3.20", "postgresql", &[Some("17"), Some("alpine")][..]),
        ("postgres:18-trixie", "postgresql", &[Some("18"), Some("debian")]),
        ("postgres:latest", "postgresql", &[None, Some("debian")]),
        ("postgres@sha256:00", "postgresql", &[None, None]),
        ("redis:8.2", "redis", &[Some("7"), Some("debian")]),
        ("public.ecr.aws/docker/library/redis:7.4-alpine3.21", "redis", &[Some("7"), Some("alpine")]),
        ("redis:6.2.21-bookworm", "redis", &[Some("6"), Some("debian")]),
        ("redis:alpine", "redis", &[None, Some("alpine")]),
        ("redis@sha256:00", "redis", &[None, None]),
        ("valkey/valkey:8.1.3-bookworm", "valkey", &[Some("debian")]),
        ("mirror.corp:5000/valkey/valkey:9-alpine", "valkey", &[Some("alpine")]),
        ("docker.io/library/memcached:1.6-alpine", "memcached", &[]),
        ("mariadb:11.8-ubi", "mariadb", &[Some("999")]),
        ("mirror.corp/dockerhub/library/mysql:8.4-oraclelinux9", "mysql", &[Some("999")]),
        ("mysql@sha256:00", "mysql", &[None]),
    ] {
        assert_eq!(chosen(&catalogue, image), Some((profile, cases.to_vec())), "{image}");
    }
}

/// What merely has a like name keeps its data elsewhere, under another user, or has none.
#[test]
fn look_alikes_are_not_taken() {
    let catalogue = Catalogue::built_in().unwrap();
    for image in [
        "redis/redis-stack:7.4.0-v3",
        "redis/redis-stack-server:latest",
        "bitnami/redis:8.0",
        "bitnamilegacy/redis-cluster:7.2",
        "redislabs/redis:7.4",
        "oliver006/redis_exporter:v1.74.0",
        "rediscommander/redis-commander:latest",
        "valkey:8",
        "bitnami/valkey:8.1",
        "valkey/valkey-bundle:8.1",
        "mysql/mysql-server:8.0",
        "container-registry.oracle.com/mysql/community-server:8.4",
        "prom/mysqld-exporter:v0.17.2",
        "percona/percona-xtradb-cluster:8.0",
        "bitnami/mysql:9.4",
        "bitnami/mariadb-galera:11.8",
        "mariadb/maxscale:24.02",
        "mariadb-galera:11",
        "bitnami/memcached:1.6",
        "quay.io/prometheus/memcached-exporter:v0.15.3",
        "corp/memcached:1.6",
    ] {
        assert_eq!(chosen(&catalogue, image), None, "{image}");
    }
}
