//! A StatefulSet as it is named on the command line: as kubectl takes it and prints it.

/// The name in `NAME`, `sts/NAME`, `statefulset/NAME` or `statefulset.apps/NAME`.
///
/// # Errors
/// Another kind, or no name.
pub fn set(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        None => name("", text),
        Some((kind, rest)) if is_set(kind) => name(kind, rest),
        Some((kind, _)) => {
            Err(format!("{kind} is another kind: stateward looks after StatefulSets alone; write {WAYS}"))
        }
    }
}

/// Whether kubectl would take this for StatefulSets.
#[must_use]
pub fn is_set(kind: &str) -> bool {
    let kinds = [
        "sts",
        "statefulset",
        "statefulsets",
        "statefulset.apps",
        "statefulsets.apps",
        "statefulsets.v1.apps",
    ];
    kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// How a set may be named.
pub const WAYS: &str = "NAME, sts/NAME or statefulset.apps/NAME";

fn name(kind: &str, name: &str) -> Result<String, String> {
    if name.is_empty() || name.contains('/') {
        let kind = if kind.is_empty() { "this" } else { kind };
        return Err(format!("{kind} is not followed by one name; write {WAYS}"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_as_kubectl_has_them() {
        for text in [
            "db",
            "sts/db",
            "StatefulSet/db",
            "statefulsets/db",
            "statefulset.apps/db",
            "statefulsets.apps/db",
        ] {
            assert_eq!(set(text).as_deref(), Ok("db"), "{text}");
        }
        let why = set("deployment.apps/db").unwrap_err();
        assert!(
            why.starts_with("deployment.apps is another kind: stateward looks after StatefulSets alone"),
            "{why}"
        );
        for text in ["", "sts/", "sts/db/1"] {
            assert!(set(text).unwrap_err().contains("one name; write NAME"), "{text}");
        }
    }
}
