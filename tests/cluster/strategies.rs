//! Profiles with an update strategy: of what stands beside its type, the API server takes one kind alone.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Space};
use crate::platform::{apply, profile, queue, wait_admitted, wait_used};

fn with(name: &str, parent: &str, strategy: &Value) -> Manifest {
    profile(name, "64Mi")
        .set("/spec/extends", json!(parent))
        .set("/spec/statefulSet/spec/updateStrategy", strategy.clone())
}

/// Waits until new sets get what the profile says.
fn used(space: &Space, profile: &Manifest) {
    apply(space, profile);
    let name = profile.name();
    let revision = wait_used(space, name)["revision"].as_str().expect("a revision").to_owned();
    wait_admitted(space, &queue("probe", name), &format!("{name}@{revision}"));
}

#[test]
fn pods_are_replaced_when_they_are_deleted_where_the_profile_says_so() {
    let space = Space::new("strategy");
    let (above, name) = (format!("{}-above", space.name), space.name.clone());
    let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let on_delete = json!({"type": "OnDelete"});
    used(&space, &with(&above, "default", &partition));
    let child = with(&name, &above, &on_delete);
    let _ = space
        .as_admin_with(&["create", "--dry-run=server", "-f", "-"], &child.text())
        .ok()
        .silent_about(&["updateStrategy"]);
    used(&space, &child);

    let strategy = |set: &str| space.get(set)["spec"]["updateStrategy"].clone();
    let before = space.create(Client::Apply, &queue("parents", &above));
    assert_eq!(strategy("parents"), partition, "{before:?}");
    for client in [Client::Apply, Client::ServerSide, Client::Replace] {
        let ten = queue(client.name(), &name);
        let before = space.create(client, &ten);
        assert_eq!(strategy(client.name()), on_delete, "{client:?}");
        let _ = space.send(client, &ten).ok();
        before.assert_unchanged(&space.snapshot(client.name()), "the same manifest again");
        let bare = space.send(Client::Replace, &ten).ok();
        let _ = bare.silent_about(&["is invalid"]);
        assert_eq!(strategy(client.name()), on_delete, "{client:?}, replaced");
        // A partition makes it one of rolling updates; without it, it is the profile's again.
        let set = format!("statefulset/{}", client.name());
        let of = |strategy: &Value| json!({"spec": {"updateStrategy": strategy}}).to_string();
        let own = json!({"rollingUpdate": {"partition": 1}});
        let _ = space.kubectl(&["patch", &set, "--type=merge", "-p", &of(&own)]).ok();
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
        assert_eq!(strategy(client.name()), rolling, "{client:?}");
        let none = json!({"rollingUpdate": null});
        let _ = space.kubectl(&["patch", &set, "--type=merge", "-p", &of(&none)]).ok();
        assert_eq!(strategy(client.name()), on_delete, "{client:?}, without the partition");
    }
    let explained = space.stateward(&["explain", "statefulset", "apply"]).ok();
    assert!(explained.stdout.contains("updateStrategy.type"), "{explained:?}");
    for profile in [&name, &above] {
        let _ = space.as_admin_says(&["delete", "statefulsetprofile", profile]).ok();
    }
}

#[test]
fn a_set_that_says_it_itself_gets_nothing_beside_it() {
    let space = Space::new("strategy-own");
    for client in Client::APPLY {
        let set =
            queue(client.name(), "strategy-own").set("/spec/updateStrategy", json!({"type": "OnDelete"}));
        let before = space.create(client, &set);
        assert_eq!(space.get(client.name())["spec"]["updateStrategy"], json!({"type": "OnDelete"}));
        let _ = space.send(client, &set).ok();
        before.assert_unchanged(&space.snapshot(client.name()), "the same manifest again");
    }
}
