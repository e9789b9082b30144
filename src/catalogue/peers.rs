//! Lists with an entry for each pod of a set, by which its members find each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How such a list is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peers {
    /// One entry: `$(pod)` is the pod's name, `$(ordinal)` counts from 0, `$(number)` from 1, and
    /// `$(service)` is the headless Service.
    pub each: String,
    /// What stands between them.
    pub separator: String,
    /// Only where there are so many pods; the list is empty otherwise, as a single server needs it that
    /// waits for others once it knows of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// At most so many entries, those of the lowest ordinals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// What becomes of the list when the count of replicas changes.
    #[serde(default)]
    pub when_scaled: WhenScaled,
}

/// What becomes of a list of peers when the count of replicas changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum WhenScaled {
    /// It is written anew, which restarts all pods.
    #[default]
    Rewrite,
    /// It stays as it was formed: the system needs it to form alone, or learns of new members by itself.
    Keep,
}

impl Peers {
    /// The list for so many pods of the set `name`.
    #[must_use]
    pub fn list(&self, name: &str, service: &str, replicas: u64) -> String {
        if self.from.is_some_and(|from| replicas < from) {
            return String::new();
        }
        let count = self.first.map_or(replicas, |first| first.min(replicas));
        let entry = |ordinal: u64| {
            self.each
                .replace("$(pod)", &format!("{name}-{ordinal}"))
                .replace("$(ordinal)", &ordinal.to_string())
                .replace("$(number)", &(ordinal + 1).to_string())
                .replace("$(service)", service)
        };
        (0..count).map(entry).collect::<Vec<_>>().join(&self.separator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_for_each_pod() {
        let mut peers = Peers {
            each: "server.$(number)=$(pod).$(service):2888 # $(ordinal)".to_owned(),
            separator: "; ".to_owned(),
            from: None,
            first: None,
            when_scaled: WhenScaled::Keep,
        };
        let two = "server.1=zk-0.zk-headless:2888 # 0; server.2=zk-1.zk-headless:2888 # 1";
        assert_eq!(peers.list("zk", "zk-headless", 2), two);
        peers.first = Some(2);
        assert_eq!(peers.list("zk", "zk-headless", 5), two);
        assert_eq!(peers.list("zk", "zk-headless", 0), "");
        peers.from = Some(2);
        assert_eq!(peers.list("zk", "zk-headless", 1), "");
        assert_eq!(peers.list("zk", "zk-headless", 2), two);
    }
}
