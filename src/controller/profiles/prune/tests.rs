use serde_json::Value;

use super::*;
use crate::catalogue::Catalogue;
use crate::catalogue::cluster::Given;
use crate::profiles;
use crate::record::Record;
use crate::settings::Pin;

const DAYS: Duration = Duration::from_hours(720);
const QUEUE: &str = "{summary: a queue, extends: default, sizes: {small: {limits: {memory: 1Gi}}}}";

fn given(spec: &str) -> Given {
    Given { name: "queue".to_owned(), spec: Ok(Arc::new(serde_saphyr::from_str(spec).unwrap())) }
}

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// The one kept revision of [`QUEUE`], and its object.
fn queue() -> Value {
    let joined = Catalogue::built_in().unwrap().join(&[given(QUEUE)], &[]);
    let mut object = profiles::revision_object(&joined.unkept[0], 1);
    object["metadata"]["uid"] = json!("u-1");
    object["metadata"]["resourceVersion"] = json!("7");
    object
}

/// As the API server would merge the patch of a note.
fn noted(object: &Value, note: Note, now: Timestamp) -> Value {
    let mut merged = object.clone();
    json_patch::merge(&mut merged, &note.patch(&read(object), now));
    merged
}

fn read(object: &Value) -> Shelved {
    profiles::shelved(&serde_json::from_value(object.clone()).unwrap()).unwrap()
}

fn ago(text: &str) -> Timestamp {
    now() - text.parse::<SignedDuration>().unwrap()
}

/// What is done to an object when no profile is there.
fn act(object: &Value, uses: &Uses, retention: Duration) -> Option<Act> {
    act_with(object, &[], uses, retention)
}

fn act_with(object: &Value, given: &[Given], uses: &Uses, retention: Duration) -> Option<Act> {
    let shelved = read(object);
    let kept = if shelved.state.withdrawn.is_so() { vec![] } else { vec![shelved.kept.clone()] };
    let joined = Catalogue::built_in().unwrap().join(given, &kept);
    let shelf = Shelf::from([("x".to_owned(), Arc::new(shelved))]);
    let acts = decide(&shelf, &joined, uses, (now(), retention));
    acts.first().map(|(_, act)| *act)
}

fn pinned(object: &Value) -> Uses {
    let labels = &object["metadata"]["labels"];
    let text = |name: &str| labels[name].as_str().unwrap().to_owned();
    let pin = format!("{}@{}", text(names::PROFILE), text("stateward.dev/revision"));
    let record = Record::new("db", Pin::parse(&pin).unwrap()).to_text();
    Uses::of(
        [json!({"metadata": {"name": "db", "annotations": {names::RECORD: record}}})].into_iter(),
        |_, _| false,
    )
}

#[test]
fn from_unused_to_gone() {
    let none = Uses::default();
    let object = queue();
    assert_eq!(act(&object, &none, DAYS), Some(Act::Note(Note::Unused)));
    let fresh = noted(&object, Note::Unused, ago("719h"));
    assert_eq!(act(&fresh, &none, DAYS), None);
    let old = noted(&object, Note::Unused, ago("720h"));
    assert_eq!(act(&old, &none, DAYS), Some(Act::Note(Note::Withdrawn)));
    let withdrawn = noted(&old, Note::Withdrawn, ago("9m"));
    assert_eq!(act(&withdrawn, &none, DAYS), None);
    let withdrawn = noted(&old, Note::Withdrawn, ago("10m"));
    assert_eq!(act(&withdrawn, &none, DAYS), Some(Act::Delete));
    // What is not kept long without use is not withdrawn for longer.
    let withdrawn = noted(&old, Note::Withdrawn, ago("2s"));
    assert_eq!(act(&withdrawn, &none, Duration::from_secs(2)), Some(Act::Delete));
    // Webhooks find what has this label, and the controller all of them.
    assert!(withdrawn["metadata"]["labels"][names::PROFILE].is_null());
    assert!(withdrawn["metadata"]["labels"][profiles::shelf::ALL].is_string());
    assert_eq!(read(&withdrawn).kept.profile, "queue");
}

#[test]
fn a_use_takes_it_back() {
    let object = queue();
    let uses = pinned(&object);
    assert_eq!(act(&object, &uses, DAYS), None);
    let marked = noted(&object, Note::Unused, ago("9000h"));
    assert_eq!(act(&marked, &uses, DAYS), Some(Act::Note(Note::Used)));
    let withdrawn = noted(&marked, Note::Withdrawn, ago("1h"));
    assert_eq!(act(&withdrawn, &uses, DAYS), Some(Act::Note(Note::Used)));
    assert_eq!(read(&noted(&withdrawn, Note::Used, now())).state, read(&object).state);
}

#[test]
fn what_a_profile_says_stays() {
    let none = Uses::default();
    let marked = noted(&queue(), Note::Unused, ago("9000h"));
    assert_eq!(act_with(&marked, &[given(QUEUE)], &none, DAYS), Some(Act::Note(Note::Used)));
    let withdrawn = noted(&marked, Note::Withdrawn, ago("1h"));
    assert_eq!(act_with(&withdrawn, &[given(QUEUE)], &none, DAYS), Some(Act::Note(Note::Used)));
    // It stands in for what is not kept yet.
    let edited = given(&QUEUE.replace("1Gi", "2Gi"));
    assert_eq!(act_with(&marked, &[edited], &none, DAYS), Some(Act::Note(Note::Used)));
}

#[test]
fn for_ever_is_for_ever() {
    let none = Uses::default();
    let object = queue();
    let marked = noted(&object, Note::Unused, ago("9000h"));
    let withdrawn = noted(&marked, Note::Withdrawn, ago("9000h"));
    for retention in [Duration::ZERO, DAYS] {
        let mut uses = none.clone();
        uses.unread = !retention.is_zero();
        assert_eq!(act(&object, &uses, retention), None);
        assert_eq!(act(&marked, &uses, retention), None);
        assert_eq!(act(&withdrawn, &uses, retention), Some(Act::Note(Note::Used)));
    }
}

#[test]
fn after_a_time_that_cannot_be_it_begins_anew() {
    let none = Uses::default();
    let future = noted(&queue(), Note::Unused, now() + SignedDuration::from_hours(1));
    assert_eq!(act(&future, &none, DAYS), Some(Act::Note(Note::Unused)));
    let withdrawn = noted(&future, Note::Withdrawn, now() + SignedDuration::from_hours(1));
    assert_eq!(act(&withdrawn, &none, DAYS), Some(Act::Note(Note::Used)));
    let mut scribbled = noted(&queue(), Note::Unused, now());
    scribbled["metadata"]["annotations"]["stateward.dev/unused-since"] = json!("long ago");
    assert_eq!(act(&scribbled, &none, DAYS), Some(Act::Note(Note::Unused)));
}

/// Revisions come back first, and what uses them is on its way.
#[test]
fn a_copy_from_a_backup_begins_anew() {
    let none = Uses::default();
    let marked = noted(&queue(), Note::Unused, ago("9000h"));
    let withdrawn = noted(&marked, Note::Withdrawn, ago("9000h"));
    let copied = |object: &Value| {
        let mut copy = object.clone();
        copy["metadata"]["uid"] = json!("u-2");
        copy
    };
    assert_eq!(act(&copied(&marked), &none, DAYS), Some(Act::Note(Note::Unused)));
    let back = copied(&withdrawn);
    assert_eq!(act(&back, &none, DAYS), Some(Act::Note(Note::Used)));
    let back = noted(&back, Note::Used, now());
    assert_eq!(act(&back, &none, DAYS), Some(Act::Note(Note::Unused)));
}

#[test]
fn a_note_is_for_the_object_that_was_seen() {
    let patch = Note::Unused.patch(&read(&queue()), now());
    let metadata = &patch["metadata"];
    assert_eq!((&metadata["uid"], &metadata["resourceVersion"]), (&json!("u-1"), &json!("7")));
    assert_eq!(metadata["annotations"]["stateward.dev/unused-since"], "2026-06-01T12:00:00Z");
}
