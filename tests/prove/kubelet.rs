//! What a kubelet reads of a pod: its environment, its command, its user.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::image::Image;
use crate::set::Set;

/// Which pod of its set it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) ordinal: u32,
    pub(crate) address: Ipv4Addr,
}

/// What the container is started with.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// User, group and group of the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) number: u32,
    pub(crate) group: u32,
    pub(crate) volumes: u32,
}

impl User {
    /// As the security contexts say, the container's before the pod's.
    ///
    /// # Panics
    /// If a number is missing: every profile of the catalogue names one.
    pub(crate) fn of(set: &Set) -> Self {
        let number = |field: &str| {
            let [container, pod] =
                [&set.main, &set.pod].map(|object| object["securityContext"][field].as_u64());
            container.or(pod).and_then(|number| u32::try_from(number).ok())
        };
        let user = number("runAsUser").expect("runAsUser is set");
        let group = number("runAsGroup").expect("runAsGroup is set");
        assert_ne!(user, 0, "runs as root");
        Self { number: user, group, volumes: number("fsGroup").unwrap_or(group) }
    }
}

/// The main container's process: what the pod says over what the image says.
pub(crate) fn process(set: &Set, image: &Image, pod: &Identity) -> Process {
    let mut environment: BTreeMap<String, String> = image.environment().into_iter().collect();
    environment.insert("HOSTNAME".to_owned(), pod.name.clone());
    for source in list(&set.main["envFrom"]) {
        assert_eq!(
            source["secretRef"]["name"],
            format!("{}-generated", set.name),
            "a source that is not there"
        );
        environment.extend(set.secret.clone());
    }
    // Only what stands in the pod can be referred to, not the image's variables.
    let mut known: BTreeMap<String, String> =
        if list(&set.main["envFrom"]).is_empty() { BTreeMap::new() } else { set.secret.clone() };
    for variable in list(&set.main["env"]) {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some(path) => field(path, pod),
            None => expand(variable["value"].as_str().unwrap_or_default(), &known),
        };
        known.insert(variable["name"].as_str().unwrap().to_owned(), value);
    }
    let words = |field: &str| -> Option<Vec<String>> {
        let words = set.main[field].as_array()?;
        Some(words.iter().map(|word| expand(word.as_str().unwrap(), &known)).collect())
    };
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    // A command takes the place of both ENTRYPOINT and CMD.
    let command = match (words("command"), words("args")) {
        (Some(command), args) => [command, args.unwrap_or_default()].concat(),
        (None, Some(args)) => [owned(image.entrypoint), args].concat(),
        (None, None) => [owned(image.entrypoint), owned(image.cmd)].concat(),
    };
    environment.extend(known);
    Process { command, environment }
}

/// What the downward API answers.
fn field(path: &str, pod: &Identity) -> String {
    match path {
        "metadata.name" => pod.name.clone(),
        "metadata.namespace" => "default".to_owned(),
        "metadata.labels['apps.kubernetes.io/pod-index']" => pod.ordinal.to_string(),
        "status.podIP" => pod.address.to_string(),
        _ => panic!("the field {path} is not known here"),
    }
}

/// Expands `$(NAME)`, as `third_party/forked/golang/expansion` of Kubernetes: `$$` is a dollar, and a variable that
/// is not known stays as it is written.
pub(crate) fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (written, length) = match after.chars().next() {
            Some('$') => ("$".to_owned(), 1),
            Some('(') if after.contains(')') => {
                let end = after.find(')').unwrap();
                let name = &after[1..end];
                (known.get(name).cloned().unwrap_or_else(|| format!("$({name})")), end + 1)
            }
            _ => ("$".to_owned(), 0),
        };
        expanded.push_str(&written);
        rest = &after[length..];
    }
    expanded + rest
}

/// The items of a list that may be missing.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_kubernetes_expands_them() {
        let known = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expanded) in [
            ("$(A)-$(B)", "1-$(B)"),
            ("$$(A)", "$(A)"),
            ("a$b$", "a$b$"),
            ("$(A", "$(A"),
            ("x$(A)y$$", "x1y$"),
        ] {
            assert_eq!(expand(text, &known), expanded, "{text}");
        }
    }
}
