//! Sets that an upgrade has nothing to wait for, and a namespace that is none.

use serde_json::json;

use super::{expect, one, pin, revised, settled, stateward};
use crate::harness::{Client, Space, run};
use crate::platform::profile;

#[test]
fn a_set_whose_pods_somebody_deletes_holds_up_no_other() {
    let space = Space::new("upgrade-on-delete");
    let name = space.name.clone();
    revised(&space, &profile(&name, "64Mi"));
    let by_hand = one("a", &name).set("/spec/updateStrategy", json!({"type": "OnDelete"}));
    for set in [by_hand, one("b", &name), one("gone", &name)] {
        space.create(Client::Apply, &set);
    }
    settled(&space);
    let held = r#"{"metadata": {"finalizers": ["example.com/held"]}}"#;
    let _ = space.kubectl(&["patch", "statefulset", "gone", "--type=merge", "-p", held]).ok();
    let _ = space.kubectl(&["delete", "statefulset", "gone", "--wait=false"]).ok();
    let second = revised(&space, &profile(&name, "128Mi"));
    let all = ["upgrade", "--all", "--timeout", "60s", "-o", "json"];
    let said = stateward(&space, &all, "").ok();
    expect(&said, &[("a", "moved"), ("b", "moved"), ("gone", "passed over")]);
    let _ = said.mentions(&["gone: passed over: it is being deleted"]);
    assert_eq!(pin(&space, "a"), format!("{name}@{second}"));
    // Nobody deleted it yet: that is told, and hinders no further run.
    let said = stateward(&space, &["status", "a"], "");
    assert!(!said.success(), "{said:?}");
    let left = "0 of 1 pods run the current revision; delete the others one by one";
    assert!(said.stdout.contains(left), "{said:?}");
    let said = stateward(&space, &all, "").ok();
    expect(&said, &[("a", "there"), ("b", "there"), ("gone", "passed over")]);
    let said = stateward(&space, &["diff", "gone"], "");
    assert!(said.stdout.contains("refused: it is being deleted"), "{said:?}");
    let _ = stateward(&space, &["eject", "gone"], "")
        .ok()
        .mentions(&["is being deleted: what is applied before"]);
    let _ = stateward(&space, &["upgrade", "--all", "--dry-run"], "").ok();

    let free = r#"{"metadata": {"finalizers": null}}"#;
    let _ = space.kubectl(&["patch", "statefulset", "gone", "--type=merge", "-p", free]).ok();
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}

#[test]
fn in_a_namespace_that_is_none_nothing_is_well() {
    for command in [
        &["status", "--wait"][..],
        &["adopt", "--dry-run"],
        &["eject", "q"],
        &["upgrade", "--all"],
        &["upgrade", "--all", "--dry-run"],
    ] {
        let arguments = [command, &["--namespace", "none-of-this-name"]].concat();
        let said = run(env!("CARGO_BIN_EXE_stateward"), "admin", &arguments, "", &[]);
        assert!(!said.success(), "{said:?}");
        let _ = said.mentions(&["error: no namespace none-of-this-name"]);
    }
}
