//! Keys under our prefix that nobody knows, and what was probably meant.

use crate::fault::{Fault, Reason};
use crate::intent::complaint::{nearest, quote};
use crate::intent::{KEYS, Key, On};
use crate::names::{PIN, PREFIX, RECORD, STATEFULSET};

/// What we write ourselves, and what for: no business of the user's, and not unknown.
pub(crate) const OURS: [(&str, On, &str); 3] = [
    (RECORD, On::Annotation, "the record of what was injected; an edit of it is undone"),
    (PIN, On::Annotation, "on claims: the profile and revision that their data was made with"),
    (STATEFULSET, On::Label, "on pods and claims: the name of their StatefulSet"),
];

/// Whether `full` is written by ourselves.
pub(crate) fn is_ours(full: &str, on: On) -> bool {
    OURS.iter().any(|(ours, stands, _)| *ours == full && *stands == on)
}

/// The fault of a key that is known, but stands among the labels and not the annotations, or the
/// other way round.
pub(crate) fn misplaced(full: &str, key: &Key) -> Fault {
    let (right, wrong) = match key.on {
        On::Annotation => (On::Annotation, On::Label),
        On::Label => (On::Label, On::Annotation),
    };
    let article = |on| match on {
        On::Annotation => "an annotation",
        On::Label => "a label",
    };
    Fault::new(
        Reason::Unknown,
        full,
        format!("it is {}, not {}", article(right), article(wrong)),
        format!("move it to {}", right.field()),
    )
}

/// The fault of a key that is not known at all.
pub(crate) fn unknown(name: &str, on: On) -> Fault {
    let remedy = match meant(name) {
        Some((meant, key)) if key.on == on => format!("did you mean `{PREFIX}{meant}`?"),
        Some((meant, key)) => format!("did you mean the {} `{PREFIX}{meant}`?", key.on.word()),
        None => "take it away; docs/annotations.md lists all keys".to_owned(),
    };
    Fault::new(
        Reason::Unknown,
        format!("{PREFIX}{name}"),
        format!("there is no {} {} of stateward", on.word(), quote(name)),
        remedy,
    )
}

fn meant(name: &str) -> Option<(String, &'static Key)> {
    // `volumes.wal` and `volume-wal` mean `volume.wal`.
    if let Some((head, rest)) = name.split_once(['.', '/'])
        && nearest(head, ["volume"]).is_some()
    {
        return Some((format!("volume.{rest}"), Key::find("volume.")?.0));
    }
    if let Some(rest) = name.strip_prefix("volume-").filter(|rest| !rest.is_empty()) {
        return Some((format!("volume.{rest}"), Key::find("volume.")?.0));
    }
    if nearest(name, ["volume"]).is_some() {
        return Some(("volume.<name>".to_owned(), Key::find("volume.")?.0));
    }
    let found = nearest(name, KEYS.iter().map(|key| key.name))?;
    Some((found.to_owned(), Key::find(found)?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen() {
        for (name, on, remedy) in [
            ("storge", On::Annotation, "did you mean `stateward.dev/storage`?"),
            ("storageClass", On::Annotation, "did you mean `stateward.dev/storage-class`?"),
            ("profil", On::Annotation, "did you mean the label `stateward.dev/profile`?"),
            ("port", On::Annotation, "did you mean `stateward.dev/ports`?"),
            ("volumes.wal", On::Annotation, "did you mean `stateward.dev/volume.wal`?"),
            ("volume-wal", On::Annotation, "did you mean `stateward.dev/volume.wal`?"),
            ("volumes", On::Annotation, "did you mean `stateward.dev/volume.<name>`?"),
            ("replicas", On::Annotation, "take it away; docs/annotations.md lists all keys"),
            ("", On::Label, "take it away; docs/annotations.md lists all keys"),
        ] {
            assert_eq!(unknown(name, on).remedy, remedy, "{name}");
        }
        assert_eq!(
            unknown("storge", On::Annotation).problem,
            "there is no annotation \"storge\" of stateward"
        );
    }
}
