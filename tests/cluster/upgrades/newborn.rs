//! Sets of which the controller has made nothing yet, since they were made a moment ago.

use super::{expect, json_of, memory, one, pin, revised, stateward};
use crate::harness::{Client, Space};
use crate::platform::profile;

/// What a script does: apply, and upgrade.
#[test]
fn a_set_that_was_just_made_is_waited_for_and_moved() {
    let space = Space::new("upgrade-newborn");
    let name = space.name.clone();
    let first = revised(&space, &profile(&name, "64Mi"));
    let second = revised(&space, &profile(&name, "128Mi"));
    let once = one("q", &name).annotate("upgrade-to", &format!("{name}@{first}"));
    let _ = space.send(Client::Apply, &once).ok();
    let status = json_of(&stateward(&space, &["status", "q", "-o", "json"], ""))[0].clone();
    let problems = status["problems"].to_string();
    assert!(problems.contains("it was made ") && !problems.contains("controller"), "{problems}");
    assert_eq!(pin(&space, "q"), format!("{name}@{first}"));
    let said = stateward(&space, &["upgrade", "q", "-o", "json"], "").ok();
    expect(&said, &[("q", "moved")]);
    assert_eq!(pin(&space, "q"), format!("{name}@{second}"));
    assert_eq!(memory(&space.snapshot("q")), "128Mi");
    let _ = stateward(&space, &["status", "q", "--wait"], "").ok();
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok();
}
