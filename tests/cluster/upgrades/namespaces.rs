//! What a set gets by its namespace is part of its pin: every command that tells who is behind sees it.

use std::fs;

use serde_json::{Value, json};

use super::{expect, json_of, one, revised, settled, stateward};
use crate::harness::{Client, Snapshot, Space, cluster, postgres, run, wait_for};
use crate::platform::{dry_run, profile};

const SIZES: &str = "size small in place of size medium, as its namespace has it now";

fn memory(set: &Snapshot) -> Value {
    set.container("postgres")["resources"]["limits"]["memory"].clone()
}

/// `sets` and `behind` of the profile, and how many are so by their namespace.
fn counted(space: &Space) -> [Value; 3] {
    let told = json_of(&stateward(space, &["profiles", "postgresql", "-o", "json"], "").ok())[0].clone();
    [told["sets"].clone(), told["behind"].clone(), told["revisions"][0]["otherDefaults"].clone()]
}

fn behind(space: &Space) -> Value {
    json_of(&stateward(space, &["status", "statefulset.apps/db", "-o", "json"], "").ok())[0]["behind"].clone()
}

/// An account of this namespace with the rights of a `ClusterRole` in it; gives the identity to run as.
fn identity(space: &Space, role: &str, rules: Option<&Value>) -> String {
    let name = format!("{role}-{}", space.name);
    let kind = if rules.is_some() { "Role" } else { "ClusterRole" };
    let group = "rbac.authorization.k8s.io";
    space.as_admin(
        "create",
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": role}}),
    );
    if let Some(rules) = rules {
        let own = json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": role}, "rules": rules,
        });
        space.as_admin("create", &own);
    }
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": role},
        "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": space.name}],
    });
    space.as_admin("create", &binding);
    let token = space.as_admin_says(&["create", "token", role]).ok().stdout;
    let of_admin = fs::read_to_string(cluster().kubeconfig("admin")).unwrap();
    let line = of_admin.lines().find(|line| line.trim_start().starts_with("token:")).unwrap();
    let own = of_admin.replace(line, &format!("      token: {}", token.trim()));
    fs::write(cluster().kubeconfig(&name), own).unwrap();
    name
}

/// Who has rights in one namespace alone reads that one, and who has not even those is told of revisions alone.
fn as_who_may_read_less(space: &Space) {
    let diff = |identity: &str| {
        let arguments = ["diff", "db", "--namespace", &space.name];
        run(env!("CARGO_BIN_EXE_stateward"), identity, &arguments, "", &[])
    };
    let said = diff(&identity(space, "view", None));
    assert!(!said.success() && said.stdout.contains(SIZES), "{said:?}");
    let rules = json!([{"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"]}]);
    let said = diff(&identity(space, "blind", Some(&rules))).ok();
    assert!(!said.stdout.contains("in place of"), "{said:?}");
}

#[test]
fn other_defaults_of_a_namespace_are_seen_and_brought_by_an_upgrade() {
    let space = Space::new("upgrade-namespace");
    let before = space.create(Client::Apply, &postgres("db"));
    let _ = space.send(Client::Apply, &postgres("own").annotate("size", "large")).ok();
    space.snapshot("own");
    settled(&space);
    assert_eq!((counted(&space), behind(&space)), ([json!(2), json!(0), json!(0)], json!([])));
    let _ = stateward(&space, &["diff", "db"], "").ok();

    let _ = space.kubectl(&["annotate", "namespace", &space.name, "stateward.dev/size=small"]).ok();
    wait_for("the webhook to know", || {
        let said = dry_run(&space, &postgres("other"));
        if said.stdout.contains("\"memory\": \"512Mi\"") { Ok(()) } else { Err(format!("{said:?}")) }
    });
    assert_eq!((counted(&space), behind(&space)), ([json!(2), json!(1), json!(1)], json!([SIZES])));
    let table = stateward(&space, &["profiles"], "").ok().stdout;
    assert!(table.contains("1 set has other defaults than its namespace gives now"), "{table}");
    let said = stateward(&space, &["diff", "sts/db"], "");
    assert!(!said.success() && said.stdout.contains(SIZES), "{said:?}");
    let explained = stateward(&space, &["explain", "db"], "").ok().stdout;
    let brought = explained.split("would bring").nth(1).expect("an upgrade");
    assert!(brought.contains("512Mi"), "{explained}");
    let said = stateward(&space, &["upgrade", "--all", "--dry-run"], "");
    assert!(!said.success() && said.stdout.contains(SIZES), "{said:?}");
    as_who_may_read_less(&space);
    before.assert_unchanged(&space.snapshot("db"), "looked at");

    let said = stateward(&space, &["upgrade", "--all", "-o", "json"], "").ok();
    expect(&said, &[("db", "moved"), ("own", "there")]);
    assert!(json_of(&said)[0]["message"].to_string().contains(SIZES), "{said:?}");
    assert_eq!(memory(&space.snapshot("db")), "512Mi");
    assert_eq!((counted(&space), behind(&space)), ([json!(2), json!(0), json!(0)], json!([])));
    let _ = stateward(&space, &["diff", "db"], "").ok();
    let said = stateward(&space, &["upgrade", "--all", "-o", "json"], "").ok();
    expect(&said, &[("db", "there"), ("own", "there")]);
}

#[test]
fn the_status_of_a_profile_counts_them_too() {
    let space = Space::new("behind-namespace");
    let large = json!({"limits": {"memory": "256Mi"}});
    revised(&space, &profile(&space.name, "64Mi").set("/spec/sizes/large", large));
    space.create(Client::Apply, &one("q", &space.name));
    // Whoever wrote all that the sizes differ in has nothing to expect of an upgrade.
    let own = one("own", &space.name).main("resources", json!({"limits": {"memory": "100Mi"}}));
    space.create(Client::Apply, &own);
    let wait_counted = |expected: &str| {
        wait_for("the profile's status", || {
            let columns = "jsonpath={.status.inUse} {.status.behind}";
            let said = space.as_admin_says(&["get", "statefulsetprofile", &space.name, "-o", columns]).ok();
            if said.stdout == expected { Ok(()) } else { Err(said.stdout) }
        });
    };
    wait_counted("2 0");
    let _ = space.kubectl(&["annotate", "namespace", &space.name, "stateward.dev/size=large"]).ok();
    wait_counted("2 1");
    let behind = |set: &str| {
        let said = stateward(&space, &["status", set, "--wait", "-o", "json"], "").ok();
        json_of(&said)[0]["behind"].as_array().expect("a list").len()
    };
    assert_eq!((behind("q"), behind("own")), (1, 0));
    let said = stateward(&space, &["upgrade", "--all", "-o", "json"], "").ok();
    expect(&said, &[("own", "there"), ("q", "moved")]);
    wait_counted("2 0");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &space.name]).ok();
}
