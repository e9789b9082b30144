//! Kinds that a cluster has not got hold nothing up.

use serde_json::{Value, json};

use super::{expect, json_of, memory, one, revised, settled, stateward};
use crate::definitions::Definitions;
use crate::harness::{Client, Space, wait_for};
use crate::platform::profile;

/// What `status` says of the set's companions for this role, and all that it finds wrong.
fn told(space: &Space, role: &str) -> (String, Value) {
    let status = json_of(&stateward(space, &["status", "q", "-o", "json"], ""))[0].clone();
    let line = status["companions"].as_array().expect("companions").iter().find(|line| line["role"] == role);
    let state = line.and_then(|line| line["state"].as_str()).unwrap_or("not told");
    (state.to_owned(), status["problems"].clone())
}

#[test]
fn a_set_moves_where_the_cluster_lacks_what_its_profile_or_its_user_asks_for() {
    let _definitions = Definitions::turn();
    let space = Space::new("upgrade-absent");
    let name = space.name.clone();
    let asking = |memory: &str| {
        let monitor = json!({"endpoints": [{"port": "http-metrics"}]});
        profile(&name, memory).set("/spec/companions", json!({"serviceMonitor": monitor}))
    };
    revised(&space, &asking("64Mi"));
    space.create(Client::Apply, &one("q", &name));
    settled(&space);
    let (state, problems) = told(&space, "monitor");
    assert!(state.starts_with("none: this cluster has no ServiceMonitor; install "), "{state}");
    assert_eq!(problems, json!([]));

    // Its user waits for a route, and is told so.
    let _ = space.kubectl(&["annotate", "statefulset/q", "stateward.dev/gateway=infra/public"]).ok();
    wait_for("nothing but the route to be wrong", || match told(&space, "route").1 {
        Value::Array(wrong) if wrong.len() == 1 => Ok(()),
        wrong => Err(wrong.to_string()),
    });
    let (state, problems) = told(&space, "route");
    assert_eq!(state, "not made");
    assert!(problems[0].as_str().expect("text").starts_with("this cluster has no TCPRoute; "), "{problems}");
    assert!(!stateward(&space, &["status", "q"], "").success());

    revised(&space, &asking("128Mi"));
    let said = stateward(&space, &["upgrade", "q", "--timeout", "90s", "-o", "json"], "").ok();
    expect(&said, &[("q", "moved")]);
    assert_eq!(memory(&space.snapshot("q")), "128Mi");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}
