//! Laws 5 and 6: what an UPDATE leaves as it is, after any history.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use stateward::engine::Decision;
use stateward::fault::Reason;
use stateward::hash::canonical;
use stateward::names::{PREFIX, RECORD};

use crate::cases;
use crate::clients::{Client, World};
use crate::engines::{ENGINES, engine};
use crate::manifests::{MAIN, field, image, intent, main, manifest, removal, small};
use crate::merging::strategic;
use crate::server::{Answer, Server, admit, operations};

/// What may happen to a set in its life.
#[derive(Debug, Clone)]
enum Event {
    /// The manifest gains a fragment, and is sent.
    Edit(Client, Value),
    /// The manifest is as it was at first, and is sent.
    Send(Client),
    /// `kubectl annotate` or `label`; `null` takes away.
    Metadata(Value),
    /// `kubectl scale`.
    Scale(u64),
    /// `kubectl set image`, `set env`, `patch`.
    Patch(Value),
    /// `kubectl rollout undo`.
    Undo(usize),
    /// A change while the webhook is away.
    Away(Value),
    /// The label that opts in.
    Managed(bool),
    /// Another version of stateward takes over.
    Version(usize),
}

fn client() -> impl Strategy<Value = Client> {
    select(vec![Client::Replace, Client::Apply, Client::ServerApply])
}

fn fragment() -> impl Strategy<Value = Value> {
    prop_oneof![3 => field(), 2 => intent(), 1 => image().prop_map(|image| main(json!({"image": image})))]
}

/// Changes to labels, annotations and finalizers that concern nobody here.
fn metadata() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"annotations": {"example.com/note": "y"}}),
        json!({"annotations": {"example.com/note": null}}),
        json!({"labels": {"team": "y"}}),
        json!({"labels": {"app.kubernetes.io/name": null}}),
        json!({"finalizers": ["example.com/other"]}),
        json!({"finalizers": null}),
        json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Own", "name": "o", "uid": "1"}]}),
    ])
}

/// An annotation of ours, set or taken away.
fn wish() -> impl Strategy<Value = Value> {
    (intent(), any::<bool>()).prop_map(|(intent, keep)| {
        let mut wish = intent["metadata"].clone();
        for part in ["annotations", "labels"] {
            for value in wish[part].as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
                if !keep {
                    *value = Value::Null;
                }
            }
        }
        wish.as_object_mut().expect("a map").retain(|_, value| !value.is_null());
        wish
    })
}

/// What is done while the webhook is away.
fn away() -> impl Strategy<Value = Value> {
    prop_oneof![field(), removal(), wish().prop_map(|metadata| json!({"metadata": metadata}))]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (client(), fragment()).prop_map(|(client, fragment)| Event::Edit(client, fragment)),
        3 => client().prop_map(Event::Send),
        1 => metadata().prop_map(Event::Metadata),
        2 => wish().prop_map(Event::Metadata),
        1 => (0..6_u64).prop_map(Event::Scale),
        3 => field().prop_map(Event::Patch),
        1 => image().prop_map(|image| Event::Patch(main(json!({"image": image})))),
        2 => (0..9_usize).prop_map(Event::Undo),
        1 => away().prop_map(Event::Away),
        1 => removal().prop_map(Event::Patch),
        1 => any::<bool>().prop_map(Event::Managed),
        2 => (0..ENGINES).prop_map(Event::Version),
    ]
}

fn history() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..7)
}

/// A set's life, from its creation on.
struct Life {
    world: World,
    first: Value,
    manifest: Value,
}

impl Life {
    /// `None` if the manifest is refused.
    fn begin(manifest: &Value, client: Client, webhook: bool) -> Result<Option<Self>, TestCaseError> {
        let mut server = Server::new(engine(0));
        server.webhook = webhook;
        let mut world = World::new(server);
        let answer = world.send(client, manifest).map_err(TestCaseError::fail)?;
        world.server.webhook = true;
        let life = Self { world, first: manifest.clone(), manifest: manifest.clone() };
        Ok(matches!(answer, Answer::Stored(_)).then_some(life))
    }

    fn live(&mut self, event: &Event) -> Result<Answer, TestCaseError> {
        self.happen(event).map_err(|why| TestCaseError::fail(format!("{event:?}: {why}")))
    }

    fn happen(&mut self, event: &Event) -> Result<Answer, String> {
        let world = &mut self.world;
        match event {
            Event::Edit(client, fragment) => {
                strategic(&mut self.manifest, fragment);
                world.send(*client, &self.manifest)
            }
            Event::Send(client) => {
                self.manifest = self.first.clone();
                world.send(*client, &self.manifest)
            }
            Event::Metadata(metadata) => {
                world.edit(|object| json_patch::merge(&mut object["metadata"], metadata))
            }
            Event::Scale(replicas) => world.edit(|object| object["spec"]["replicas"] = json!(replicas)),
            Event::Patch(fragment) => world.edit(|object| strategic(object, fragment)),
            Event::Undo(number) => {
                let revisions = &world.server.revisions;
                let template = revisions[number % revisions.len()].clone();
                world.edit(|object| object["spec"]["template"] = template)
            }
            Event::Away(fragment) => {
                world.server.webhook = false;
                let mut fragment = fragment.clone();
                // What cannot change, the API server refuses by itself.
                if let Some(spec) = fragment["spec"].as_object_mut() {
                    spec.retain(|field, _| {
                        matches!(field.as_str(), "template" | "replicas" | "updateStrategy")
                    });
                }
                let answer = world.edit(|object| strategic(object, &fragment));
                world.server.webhook = true;
                answer
            }
            Event::Managed(on) => world
                .edit(|object| object["metadata"]["labels"]["stateward.dev/managed"] = json!(on.to_string())),
            Event::Version(number) => {
                world.server.engine = engine(*number);
                Ok(Answer::Stored(None))
            }
        }
    }
}

fn refused(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Refused(faults) => Some(format!("{faults:#?}")),
        Answer::Stored(_) => None,
    }
}

/// Fails where the template is not the same, saying where.
fn same_template(before: &Value, after: &Value, what: &str) -> Result<(), TestCaseError> {
    if canonical(before) == canonical(after) {
        return Ok(());
    }
    let changes = json_patch::diff(before, after);
    Err(TestCaseError::fail(format!("{what}: the template changes: {changes:#}")))
}

proptest! {
    #![proptest_config(cases(150))]

    /// Law 5: metadata, finalizers and scaling change no template, whatever answers.
    #[test]
    fn nothing_happens_unasked(
        manifest in manifest(), client in client(), webhook in prop::bool::weighted(0.85), history in history(),
        version in 0..ENGINES, quiet in metadata(), replicas in 0..5_u64,
    ) {
        let Some(mut life) = Life::begin(&manifest, client, webhook)? else { return Ok(()) };
        for event in &history {
            life.live(event)?;
        }
        life.live(&Event::Version(version))?;
        for event in [Event::Metadata(quiet), Event::Scale(replicas), Event::Managed(false), Event::Managed(true)] {
            let before = life.world.server.template().clone();
            let meant = life.world.server.stored["metadata"]["annotations"]["stateward.dev/acknowledge"].is_string();
            let answer = life.live(&event)?;
            match &answer {
                // The history took away what says that separate replicas are meant.
                Answer::Refused(faults) if !meant && matches!(event, Event::Scale(_)) => {
                    prop_assert!(faults.iter().all(|fault| fault.field == "spec.replicas"), "{:?}", faults);
                }
                answer => prop_assert_eq!(refused(answer), None, "{:?}", event),
            }
            if let Answer::Stored(Some(admitted)) = &answer {
                let changes = operations(admitted);
                let changes = changes.0.iter().filter(|change| change.path().as_str().starts_with("/spec"));
                let changes: Vec<String> = changes.map(ToString::to_string).collect();
                prop_assert_eq!(changes, Vec::<String>::new(), "{:?}", event);
            }
            same_template(&before, life.world.server.template(), &format!("{event:?}"))?;
        }
    }

    /// Law 1 on UPDATE: after any history, admitting what is stored changes nothing.
    #[test]
    fn what_is_stored_stays(manifest in manifest(), client in client(), history in history()) {
        let Some(mut life) = Life::begin(&manifest, client, true)? else { return Ok(()) };
        for event in &history {
            life.live(event)?;
        }
        let before = life.world.server.template().clone();
        // What was done while we were away may change the record, once.
        life.world.edit(|_| ()).map_err(TestCaseError::fail)?;
        same_template(&before, life.world.server.template(), "sent as it is")?;
        let noted = json!({"annotations": {"example.com/seen": "x"}});
        life.live(&Event::Metadata(noted))?;
        same_template(&before, life.world.server.template(), "noted")?;
        let server = &life.world.server;
        let mut noted = server.stored.clone();
        noted["metadata"]["annotations"]["example.com/seen-again"] = json!("x");
        let decision = admit(&server.engine, Some(&server.stored), &noted).map_err(TestCaseError::fail)?;
        if let Decision::Admitted(admitted) = decision {
            prop_assert!(admitted.patch.is_none(), "{}", operations(&admitted));
        }
    }

    /// Law 5: the manifest sent again, by whichever client, after nothing of consequence.
    #[test]
    fn the_same_manifest_changes_nothing(
        manifest in manifest(), first in client(), again in prop::collection::vec(client(), 1..4),
        version in 0..ENGINES, quiet in metadata(), toggle in any::<bool>(),
    ) {
        let Some(mut life) = Life::begin(&manifest, first, true)? else { return Ok(()) };
        let before = life.world.server.template().clone();
        life.live(&Event::Version(version))?;
        life.live(&Event::Metadata(quiet))?;
        if toggle {
            life.live(&Event::Managed(false))?;
        }
        for client in again {
            let answer = life.live(&Event::Send(client))?;
            prop_assert_eq!(refused(&answer), None, "{:?}", client);
            same_template(&before, life.world.server.template(), &format!("{client:?}"))?;
        }
    }

    /// Law 5: whatever is set and taken away again, the first template is back.
    #[test]
    fn what_is_set_and_unset_leaves_no_trace(
        manifest in manifest(), client in client(), fragments in prop::collection::vec(fragment(), 1..3),
        quiet in prop::option::of(metadata()),
    ) {
        let Some(mut life) = Life::begin(&manifest, client, true)? else { return Ok(()) };
        let before = life.world.server.template().clone();
        for fragment in fragments {
            // A move of the pin is no taking back.
            if fragment.to_string().contains("profile-revision") {
                continue;
            }
            life.live(&Event::Edit(client, fragment))?;
            if let Some(quiet) = &quiet {
                life.live(&Event::Metadata(quiet.clone()))?;
            }
        }
        let answer = life.live(&Event::Send(client))?;
        // Another version was let in, since the user wrote where its data is: that does not go back.
        if let Answer::Refused(faults) = &answer
            && life.world.server.stored["spec"]["template"]["spec"]["containers"][0]["image"]
                != before["spec"]["containers"][0]["image"]
        {
            prop_assert!(faults.iter().all(|fault| fault.reason == Reason::Data), "{:?}", faults);
            return Ok(());
        }
        prop_assert_eq!(refused(&answer), None);
        same_template(&before, life.world.server.template(), "taken back")?;
    }

    /// Law 5: annotations set and taken away by `kubectl annotate`.
    #[test]
    fn annotations_come_and_go(manifest in small(), client in client(), wish in wish()) {
        prop_assume!(!wish.to_string().contains("profile-revision"));
        let Some(mut life) = Life::begin(&manifest, client, true)? else { return Ok(()) };
        let (template, metadata) = (life.world.server.template().clone(), life.world.server.stored["metadata"].clone());
        life.live(&Event::Metadata(wish.clone()))?;
        let mut back = wish;
        for part in ["annotations", "labels"] {
            for (key, value) in back[part].as_object_mut().into_iter().flatten() {
                *value = metadata[part][key.as_str()].clone();
            }
        }
        back.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let answer = life.live(&Event::Metadata(back))?;
        prop_assert_eq!(refused(&answer), None);
        same_template(&template, life.world.server.template(), "taken back")?;
    }

    /// Law 6: a replace with the first manifest is never taken for an edit of what cannot change.
    #[test]
    fn what_cannot_change_is_restored(manifest in manifest(), client in client(), history in history()) {
        let Some(mut life) = Life::begin(&manifest, client, true)? else { return Ok(()) };
        for event in &history {
            life.live(event)?;
        }
        let before = life.world.server.stored.clone();
        match life.live(&Event::Send(Client::Replace))? {
            Answer::Refused(faults) => {
                let edit = faults.iter().find(|fault| fault.reason == Reason::Immutable);
                prop_assert!(edit.is_none(), "{:?}", edit);
            }
            Answer::Stored(None) => {}
            Answer::Stored(Some(_)) => {
                let after = &life.world.server.stored;
                for field in ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"] {
                    prop_assert_eq!(canonical(&before["spec"][field]), canonical(&after["spec"][field]), "{}", field);
                }
            }
        }
    }

    /// An undo is exact, and the first template is among those that are remembered.
    #[test]
    fn an_undo_is_exact(manifest in small(), client in client(), change in field(), quiet in metadata(), version in 0..ENGINES) {
        let Some(mut life) = Life::begin(&manifest, client, true)? else { return Ok(()) };
        let first = life.world.server.template().clone();
        let answer = life.live(&Event::Patch(change))?;
        prop_assume!(refused(&answer).is_none());
        life.live(&Event::Version(version))?;
        let answer = life.live(&Event::Undo(0))?;
        prop_assert_eq!(refused(&answer), None);
        same_template(&first, life.world.server.template(), "undone")?;
        life.live(&Event::Metadata(quiet))?;
        same_template(&first, life.world.server.template(), "undone, then annotated")?;
    }
}

proptest! {
    #![proptest_config(cases(3))]

    /// The record does not grow with the number of updates.
    #[test]
    fn the_record_stays_small(manifest in manifest(), events in prop::collection::vec(event(), 60)) {
        let Some(mut life) = Life::begin(&manifest, Client::Apply, true)? else { return Ok(()) };
        for event in &events {
            life.live(event)?;
            let record = life.world.server.stored["metadata"]["annotations"][RECORD].as_str();
            let length = record.map_or(0, str::len);
            prop_assert!(length < 12_000, "{} bytes: {:?}", length, record);
        }
    }
}

/// Names that the fragments rely on.
#[test]
fn the_prefix_is_the_one_that_is_written_here() {
    assert_eq!((PREFIX, MAIN), ("stateward.dev/", "app"));
}
