//! Sending the same again never restarts anything, whatever happened in between.

use serde_json::{Value, json};
use stateward::expand::{Expansion, Injection, Source};
use stateward::path::Path;
use stateward::settings::Settings;

use crate::harness::{
    Answer, Client, Hook, Manifest, Place, Said, Snapshot, Space, app, away, changed_by, cluster,
    expanded_by, forward, inject_sidecar, postgres,
};

/// One set for each client, so that each has only what its own client leaves on an object; and one
/// that is never sent again, for requests that touch the metadata alone.
struct Sets<'a> {
    space: &'a Space,
    /// The manifest in the folder of the person who uses the client.
    of: Vec<(Client, Manifest)>,
    metadata: Manifest,
}

impl<'a> Sets<'a> {
    fn create(space: &'a Space, manifest: &Manifest) -> Self {
        let of: Vec<_> =
            Client::ALL.into_iter().map(|client| (client, manifest.clone().named(client.name()))).collect();
        for (client, manifest) in &of {
            let said = match client {
                Client::Replace => space.kubectl_with(&["create", "-f", "-"], &manifest.text()),
                // A second manager comes to an object that a first one made.
                Client::SecondManager => space.send(Client::ServerSide, manifest),
                _ => space.send(*client, manifest),
            };
            let _ = said.ok();
        }
        let metadata = manifest.clone().named("metadata");
        let _ = space.kubectl_with(&["create", "-f", "-"], &metadata.text()).ok();
        Self { space, of, metadata }
    }

    fn names(&self) -> Vec<&str> {
        self.of.iter().map(|(_, manifest)| manifest.name()).chain([self.metadata.name()]).collect()
    }

    /// Does something to every set.
    fn each(&self, what: impl Fn(&Space, &str)) {
        for name in self.names() {
            self.space.snapshot(name);
            what(self.space, name);
        }
    }

    /// The same edit in every folder: what was changed in the cluster is written down there too.
    fn written_down(mut self, edit: impl Fn(Manifest) -> Manifest, for_clients: &[Client]) -> Self {
        for (client, manifest) in &mut self.of {
            if for_clients.contains(client) {
                *manifest = edit(manifest.clone());
            }
        }
        self
    }

    /// Sends everything again, twice, and looks. No warning may claim a restart.
    fn assert_repeats_change_nothing(&self) {
        self.assert_repeats(|said| {
            let _ = said.silent_about(&["restarts"]);
        });
    }

    fn assert_repeats(&self, look: impl Fn(Said)) {
        let before: Vec<Snapshot> = self.names().into_iter().map(|name| self.space.snapshot(name)).collect();
        for round in ["first", "second"] {
            for ((client, manifest), before) in self.of.iter().zip(&before) {
                look(self.space.send(*client, manifest).ok());
                let after = self.space.snapshot(manifest.name());
                before.assert_unchanged(&after, &format!("{round} {} of the same", client.name()));
            }
            let name = self.metadata.name();
            let last = before.last().expect("the set for metadata");
            for arguments in [
                ["label", "statefulset", name, &format!("team={round}"), "--overwrite"],
                ["annotate", "statefulset", name, &format!("note={round}"), "--overwrite"],
            ] {
                look(self.space.kubectl(&arguments).ok());
                last.assert_unchanged(&self.space.snapshot(name), &arguments.join(" "));
            }
            let patch = r#"{"metadata":{"finalizers":[]}}"#;
            let _ = self.space.kubectl(&["patch", "statefulset", name, "--type=merge", "-p", patch]).ok();
            last.assert_unchanged(&self.space.snapshot(name), "a patch of the finalizers");
        }
    }
}

#[test]
fn after_creation() {
    let space = Space::new("after-creation");
    Sets::create(&space, &postgres("db")).assert_repeats_change_nothing();
}

#[test]
fn with_api_defaults_written_out() {
    let space = Space::new("explicit-defaults");
    let manifest = postgres("db")
        .replicas(1)
        .set("/spec/podManagementPolicy", json!("OrderedReady"))
        .set("/spec/revisionHistoryLimit", json!(10))
        .set("/spec/updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}))
        .set("/spec/template/spec/terminationGracePeriodSeconds", json!(30))
        .set("/spec/template/spec/restartPolicy", json!("Always"))
        .set("/spec/template/spec/dnsPolicy", json!("ClusterFirst"))
        .set("/spec/template/spec/securityContext", json!({}))
        .main("terminationMessagePath", json!("/dev/termination-log"))
        .main("imagePullPolicy", json!("IfNotPresent"));
    Sets::create(&space, &manifest).assert_repeats_change_nothing();
}

#[test]
fn with_a_profile_whose_pods_start_at_once() {
    let space = Space::new("parallel");
    let manifest = app("p").main("image", json!("example.com/parallel:1")).replicas(2);
    let sets = Sets::create(&space, &manifest);
    let policy = &space.get("replace")["spec"]["podManagementPolicy"];
    assert_eq!(policy, "Parallel", "the profile of the tests is not in use");
    sets.assert_repeats_change_nothing();
}

#[test]
fn after_scale() {
    let space = Space::new("after-scale");
    let sets = Sets::create(&space, &app("a"));
    sets.each(|space, name| {
        let before = space.snapshot(name);
        let _ = space.kubectl(&["scale", "statefulset", name, "--replicas=3"]).ok();
        before.assert_not_restarted(&space.snapshot(name), "scale");
    });
    // A PUT without replicas asks for one, as without us.
    sets.written_down(|manifest| manifest.replicas(3), &[Client::Replace]).assert_repeats_change_nothing();
}

#[test]
fn after_undo() {
    let space = Space::new("after-undo");
    let sets = Sets::create(&space, &postgres("db"));
    sets.each(|space, name| {
        let before = space.snapshot(name);
        let _ =
            space.kubectl(&["set", "image", &format!("statefulset/{name}"), "postgres=postgres:18.1"]).ok();
        space.snapshot(name);
        let _ = space.kubectl(&["rollout", "undo", &format!("statefulset/{name}")]).ok();
        assert_eq!(before.template, space.snapshot(name).template, "undo of {name} is not exact");
    });
    sets.assert_repeats_change_nothing();
}

#[test]
fn after_taking_the_label_off_and_on() {
    let space = Space::new("label-off-and-on");
    let sets = Sets::create(&space, &postgres("db"));
    sets.each(|space, name| {
        let before = space.snapshot(name);
        for label in ["stateward.dev/managed-", "stateward.dev/managed=true"] {
            let _ = space.kubectl(&["label", "statefulset", name, label]).ok();
            before.assert_unchanged(&space.snapshot(name), label);
        }
    });
    sets.assert_repeats_change_nothing();
}

#[test]
fn after_a_removal_while_unlabelled() {
    let space = Space::new("removal-unlabelled");
    let sets = Sets::create(&space, &postgres("db"));
    sets.each(|space, name| {
        let _ = space.kubectl(&["label", "statefulset", name, "stateward.dev/managed-"]).ok();
        remove_readiness_probe(space, name);
        let _ = space.kubectl(&["label", "statefulset", name, "stateward.dev/managed=true"]).ok();
        let now = space.snapshot(name);
        let probe = &now.container("postgres")["readinessProbe"];
        assert!(probe.is_null(), "{name}: the label brought the probe back: {probe}");
    });
    sets.assert_repeats_change_nothing();
}

#[test]
fn after_edits_while_the_webhook_was_away() {
    let (space, hook) = space_with_hook("edited-while-away", "Ignore", vec![forward(&cluster().stateward)]);
    let sets = Sets::create(&space, &postgres("db"));
    sets.each(|_, _| ());
    hook.answer(vec![away()]);
    sets.each(|space, name| {
        remove_readiness_probe(space, name);
        let patch = r#"{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":77}}}}"#;
        let _ = space.kubectl(&["patch", "statefulset", name, "--type=merge", "-p", patch]).ok();
    });
    hook.answer(vec![forward(&cluster().stateward)]);
    // A PUT that lacks the new grace period asks for the old one.
    let grace =
        |manifest: Manifest| manifest.set("/spec/template/spec/terminationGracePeriodSeconds", json!(77));
    sets.written_down(grace, &[Client::Replace]).assert_repeats_change_nothing();
}

#[test]
fn after_the_catalogue_changed() {
    let (space, hook) = space_with_hook("changed-catalogue", "Fail", vec![forward(&cluster().stateward)]);
    let sets = Sets::create(&space, &postgres("db"));
    let changed = changed_catalogue("nothing-unasked");
    hook.answer(vec![forward(&changed)]);
    assert_in_use(&space);
    sets.assert_repeats_change_nothing();
}

#[test]
fn after_the_expansion_code_changed() {
    let (space, hook) = space_with_hook("changed-code", "Fail", vec![forward(&cluster().stateward)]);
    let sets = Sets::create(&space, &postgres("db"));
    hook.answer(vec![expanded_by(newer)]);
    assert_in_use(&space);
    sets.assert_repeats_change_nothing();
}

#[test]
fn while_old_and_new_code_answer_in_turn() {
    let both = vec![expanded_by(stateward::expand::expand), expanded_by(newer)];
    let (space, _hook) = space_with_hook("code-in-turn", "Fail", both);
    Sets::create(&space, &postgres("db")).assert_repeats_change_nothing();
}

/// What a later version may do: leave something out, change something, add something.
fn newer(user: &Value, settings: &Settings) -> Expansion {
    let mut expansion = stateward::expand::expand(user, settings);
    let names = |injection: &Injection, field: &str| injection.path.to_string().contains(field);
    expansion.injections.retain(|injection| !names(injection, "livenessProbe"));
    for injection in &mut expansion.injections {
        if names(injection, "terminationGracePeriodSeconds") {
            injection.value = json!(99);
        }
    }
    expansion.injections.push(Injection {
        path: Path::fields(&["spec", "template", "metadata", "annotations", "example.com/newer"]),
        value: json!("yes"),
        source: Source::Builtin,
        data: false,
        over_default: false,
    });
    expansion
}

#[test]
fn while_two_catalogues_answer_in_turn() {
    let changed = changed_catalogue("in-turn");
    let both = vec![forward(&cluster().stateward), forward(&changed)];
    let (space, _hook) = space_with_hook("in-turn", "Fail", both);
    Sets::create(&space, &postgres("db")).assert_repeats_change_nothing();
}

#[test]
fn with_another_webhook_before_us() {
    beside_another_webhook("before-us", Place::Before);
}

#[test]
fn with_another_webhook_after_us() {
    beside_another_webhook("after-us", Place::After);
}

fn beside_another_webhook(name: &str, place: Place) {
    let space = Space::labelled(name, &[(place.label(), name)]);
    let hook = Hook::start(name, place, "Fail", vec![changed_by(inject_sidecar)]);
    hook.wait_asked(&space);
    let sets = Sets::create(&space, &postgres("db"));
    for name in sets.names() {
        let now = space.snapshot(name);
        let sidecar = &now.container("mesh")["readinessProbe"];
        assert!(sidecar.is_null(), "{name}: the sidecar got a probe: {sidecar}");
    }
    // What a later webhook puts back is not known to us, who see it missing: the warning may err.
    match place {
        Place::After => sets.assert_repeats(drop),
        _ => sets.assert_repeats_change_nothing(),
    }
}

/// A stateward whose built-in PostgreSQL and default profiles were changed in every way that would
/// restart a pod, were they applied to what is there.
fn changed_catalogue(name: &str) -> crate::harness::Stateward {
    cluster().replica(name, &["--profiles", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/changed")])
}

/// The changed catalogue has to be in use, or a test that nothing changes would prove nothing.
fn assert_in_use(space: &Space) {
    let fresh = space.create(Client::Apply, &postgres("fresh"));
    assert_eq!(fresh.pod("/terminationGracePeriodSeconds"), 99, "the changed profile is not in use");
}

fn space_with_hook(name: &str, failure: &str, answers: Vec<Answer>) -> (Space, Hook) {
    let space = Space::labelled(name, &[(Place::Instead.label(), name)]);
    let hook = Hook::start(name, Place::Instead, failure, answers);
    hook.wait_asked(&space);
    (space, hook)
}

fn remove_readiness_probe(space: &Space, name: &str) {
    let index = space.get(name)["spec"]["template"]["spec"]["containers"]
        .as_array()
        .and_then(|all| all.iter().position(|container| container["name"] == "postgres"))
        .expect("the main container");
    let patch = json!([
        {"op": "remove", "path": format!("/spec/template/spec/containers/{index}/readinessProbe")},
    ]);
    let arguments = ["patch", "statefulset", name, "--type=json", "-p", &patch.to_string()];
    let _ = space.kubectl(&arguments).ok();
}
