//! What is wrong with a text, said by a grammar that does not know under which key it stands.

use std::collections::BTreeSet;

use crate::fault::{Fault, Reason};
use crate::intent::Key;

/// Longer values are cut in messages: a refusal is read on a terminal.
const SHOWN: usize = 48;
/// More items than anyone writes by hand; the answer to more must stay small.
const MOST_ITEMS: usize = 64;

/// One complaint about a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Complaint {
    /// The class of the fault.
    pub reason: Reason,
    /// What is wrong, with the offending part.
    pub problem: String,
    /// What to write instead; absent means the grammar of the key and its example.
    pub remedy: Option<String>,
}

impl Complaint {
    pub(crate) fn invalid(problem: impl Into<String>) -> Self {
        Self { reason: Reason::Invalid, problem: problem.into(), remedy: None }
    }

    pub(crate) fn duplicate(problem: impl Into<String>) -> Self {
        Self { reason: Reason::Duplicate, remedy: Some("write it once".to_owned()), problem: problem.into() }
    }

    /// The same complaint with a remedy of its own.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same complaint, with a remedy if there is one.
    pub(crate) fn maybe(mut self, remedy: Option<String>) -> Self {
        self.remedy = remedy;
        self
    }

    /// The fault of `field`, which stands under `key`.
    pub(crate) fn at(self, field: &str, key: &Key) -> Fault {
        let remedy =
            self.remedy.unwrap_or_else(|| format!("write {}, for example `{}`", key.grammar, key.example));
        Fault::new(self.reason, field, self.problem, remedy)
    }
}

impl From<Complaint> for Vec<Complaint> {
    fn from(complaint: Complaint) -> Self {
        vec![complaint]
    }
}

/// `text` in quotes, cut where it is long.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}

/// Reads each item of a comma-separated list, and complains about all that are wrong.
pub(crate) fn items<T>(
    text: &str,
    read: impl Fn(&str) -> Result<T, Complaint>,
) -> Result<Vec<T>, Vec<Complaint>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (index, item) in text.split(',').map(str::trim).enumerate() {
        if index == MOST_ITEMS {
            bad.push(Complaint::invalid(format!("{} has more than {MOST_ITEMS} items", quote(text))));
            break;
        }
        if item.is_empty() {
            let problem = format!("{} has an empty item", quote(text));
            bad.push(Complaint::invalid(problem).remedy("write one comma between two items"));
            continue;
        }
        match read(item) {
            Ok(item) => good.push(item),
            Err(complaint) => bad.push(complaint),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Complains about each item whose `key` an earlier one has.
pub(crate) fn distinct<T, K: Ord>(
    items: &[T],
    key: impl Fn(&T) -> K,
    show: impl Fn(&T) -> String,
) -> Vec<Complaint> {
    let mut seen = BTreeSet::new();
    items
        .iter()
        .filter(|item| !seen.insert(key(item)))
        .map(|item| Complaint::duplicate(format!("{} stands twice", show(item))))
        .collect()
}

/// `items`, or what is wrong with them.
pub(crate) fn unless<T>(items: T, bad: Vec<Complaint>) -> Result<T, Vec<Complaint>> {
    if bad.is_empty() { Ok(items) } else { Err(bad) }
}

/// The candidate nearest to `word`, if one is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = kebab(word);
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &kebab(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `storageClass` and `storage_class` as `storage-class`, so that habits of other formats are near.
fn kebab(word: &str) -> String {
    let mut kebab = String::with_capacity(word.len() + 2);
    for letter in word.chars() {
        match letter {
            '_' | ' ' => kebab.push('-'),
            _ if letter.is_uppercase() && !kebab.is_empty() => {
                kebab.push('-');
                kebab.extend(letter.to_lowercase());
            }
            _ => kebab.extend(letter.to_lowercase()),
        }
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(quote("a\"b"), r#""a\"b""#);
        let quoted = quote(&"ä".repeat(100));
        assert_eq!(quoted.chars().count(), SHOWN + 3, "{quoted}");
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["storage", "storage-class", "ports"];
        assert_eq!(nearest("storge", known), Some("storage"));
        assert_eq!(nearest("storageClass", known), Some("storage-class"));
        assert_eq!(nearest("storage_class", known), Some("storage-class"));
        assert_eq!(nearest("port", known), Some("ports"));
        assert_eq!(nearest("replicas", known), None);
    }

    #[test]
    fn a_list_tells_all_its_faults_and_not_endlessly_many() {
        let refuse = |item: &str| Err::<(), _>(Complaint::invalid(item));
        let problems = |text: &str| {
            let complaints = items(text, refuse).unwrap_err();
            complaints.into_iter().map(|c| c.problem).collect::<Vec<_>>()
        };
        assert_eq!(problems("a, ,b"), ["a", "\"a, ,b\" has an empty item", "b"]);
        assert_eq!(problems(&"a,".repeat(1000)).len(), MOST_ITEMS + 1);
    }
}
