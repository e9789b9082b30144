//! Which of the kinds that come by CustomResourceDefinitions the cluster serves. They come and go
//! while we run, so the API server is asked again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::core::{ApiResource, GroupVersion};
use kube::{Client, discovery};

use crate::companions::{GATEWAY, Kind, MONITORING};

/// How to address the kinds that are served.
pub(crate) type Served = BTreeMap<Kind, ApiResource>;

/// The pause between two questions.
pub(crate) const PAUSE: Duration = Duration::from_secs(15);
/// For one question, which is some small requests.
const PATIENCE: Duration = Duration::from_secs(10);
/// The versions whose shapes we know, the best first. What we write means the same in all of them.
const VERSIONS: [&str; 4] = ["v1", "v1beta1", "v1alpha3", "v1alpha2"];

/// Asks which kinds are served now.
///
/// # Errors
/// No answer, or one that tells nothing: what was served before counts as served.
pub(crate) async fn ask(client: &Client) -> Result<Served, kube::Error> {
    let asked = tokio::time::timeout(PATIENCE, discover(client)).await;
    asked.unwrap_or_else(|_| Err(kube::Error::Service("no answer in time".into())))
}

async fn discover(client: &Client) -> Result<Served, kube::Error> {
    let mut served = Served::new();
    let groups = client.list_api_groups().await?.groups;
    for group in groups.into_iter().filter(|group| [GATEWAY, MONITORING].contains(&group.name.as_str())) {
        let has = |version: &&str| group.versions.iter().any(|known| known.version == *version);
        for version in VERSIONS.iter().filter(|version| has(version)) {
            let group = discovery::pinned_group(client, &GroupVersion::gv(&group.name, version)).await?;
            for (resource, _) in group.versioned_resources(version) {
                if let Some(kind) = kind_of(&resource) {
                    served.entry(kind).or_insert(resource);
                }
            }
        }
    }
    Ok(served)
}

fn kind_of(resource: &ApiResource) -> Option<Kind> {
    let is = |kind: &Kind| kind.as_str() == resource.kind && kind.group() == resource.group;
    Kind::ALL.into_iter().filter(|kind| kind.is_optional()).find(is)
}
