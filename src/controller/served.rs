//! Which of the kinds that come by CustomResourceDefinitions the cluster serves. They come and go
//! while we run, so the API server is asked again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::core::{ApiResource, GroupVersion};
use kube::{Client, discovery};

use crate::companions::{GATEWAY, Kind, MONITORING};

/// How to address the kinds that are served.
pub(crate) type Served = BTreeMap<Kind, ApiResource>;

/// The pause between two questions.
pub(crate) const PAUSE: Duration = Duration::from_secs(15);
/// For the groups that there are.
const PATIENCE: Duration = Duration::from_secs(10);
/// For one group. Another API server may answer for it, and the rest does not wait for that one.
pub(super) const GROUP_PATIENCE: Duration = Duration::from_secs(5);
/// The versions whose shapes we know, the best first. What we write means the same in all of them.
const VERSIONS: [&str; 4] = ["v1", "v1beta1", "v1alpha3", "v1alpha2"];

/// What the API server says, group by group.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Of the groups that answered.
    pub(crate) served: Served,
    /// The groups that are there and gave no answer. Nothing is known of their kinds by it.
    pub(crate) silent: BTreeMap<&'static str, kube::Error>,
}

/// Asks which kinds are served now. A group without an answer hides no other.
///
/// # Errors
/// No answer of which groups there are.
pub(crate) async fn ask(client: &Client) -> Result<Answer, kube::Error> {
    let groups = in_time(PATIENCE, client.list_api_groups()).await?.groups;
    let asked = [GATEWAY, MONITORING].into_iter().filter_map(|name| {
        let group = groups.iter().find(|group| group.name == name)?;
        Some(async move { (name, in_time(GROUP_PATIENCE, resources(client, group)).await) })
    });
    Ok(Answer::of(join_all(asked).await))
}

/// What a group serves in the versions that we know, the best first.
async fn resources(client: &Client, group: &APIGroup) -> Result<Vec<ApiResource>, kube::Error> {
    let has = |version: &&str| group.versions.iter().any(|known| known.version == *version);
    let asked = VERSIONS.into_iter().filter(has).map(async |version| {
        let found = discovery::pinned_group(client, &GroupVersion::gv(&group.name, version)).await?;
        Ok(found.versioned_resources(version).into_iter().map(|(resource, _)| resource).collect::<Vec<_>>())
    });
    let answers: Result<Vec<_>, kube::Error> = join_all(asked).await.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
}

async fn in_time<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let answer = tokio::time::timeout(patience, asked).await;
    answer.unwrap_or_else(|_| {
        // The client repeats by itself what was answered by 429 and, where all groups were asked for, by 503.
        let late = format!("no answer within {} s but to ask again", patience.as_secs());
        Err(kube::Error::Service(late.into()))
    })
}

impl Answer {
    fn of(groups: Vec<(&'static str, Result<Vec<ApiResource>, kube::Error>)>) -> Self {
        let mut all = Self::default();
        for (name, answer) in groups {
            match answer {
                Ok(resources) => {
                    for resource in resources {
                        if let Some(kind) = kind_of(&resource) {
                            all.served.entry(kind).or_insert(resource);
                        }
                    }
                }
                Err(error) => {
                    all.silent.insert(name, error);
                }
            }
        }
        all
    }

    /// What is served, and of the groups that gave no answer what was served `before`.
    pub(super) fn beside(&self, before: &Served) -> Served {
        let kept = before.iter().filter(|(kind, _)| self.silent.contains_key(kind.group()));
        self.served.iter().chain(kept).map(|(kind, resource)| (*kind, resource.clone())).collect()
    }

    /// The kinds of the groups that gave no answer.
    pub(crate) fn silent_kinds(&self) -> BTreeSet<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.silent.contains_key(kind.group())).collect()
    }
}

fn kind_of(resource: &ApiResource) -> Option<Kind> {
    let is = |kind: &Kind| kind.as_str() == resource.kind && kind.group() == resource.group;
    Kind::ALL.into_iter().filter(|kind| kind.is_optional()).find(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(kind: Kind, version: &str) -> ApiResource {
        let mut resource = kind.resource();
        resource.api_version = format!("{}/{version}", resource.group);
        version.clone_into(&mut resource.version);
        resource
    }

    fn silence<T>() -> Result<T, kube::Error> {
        Err(kube::Error::Service("no answer in time".into()))
    }

    #[test]
    fn a_group_without_an_answer_hides_no_other() {
        let monitors = vec![resource(Kind::ServiceMonitor, "v1")];
        let answer = Answer::of(vec![(GATEWAY, silence()), (MONITORING, Ok(monitors))]);
        assert!(answer.served.keys().eq([&Kind::ServiceMonitor]), "{answer:?}");
        let routes = [Kind::HttpRoute, Kind::TcpRoute, Kind::TlsRoute];
        assert_eq!(answer.silent_kinds(), routes.into());
    }

    #[test]
    fn of_a_group_without_an_answer_what_was_known_is_kept_and_nothing_else() {
        let known = |kinds: &[(Kind, &str)]| -> Served {
            kinds.iter().map(|(kind, version)| (*kind, resource(*kind, version))).collect()
        };
        let before = known(&[(Kind::HttpRoute, "v1beta1"), (Kind::ServiceMonitor, "v1")]);
        let silent = Answer::of(vec![(GATEWAY, silence()), (MONITORING, Ok(Vec::new()))]);
        assert_eq!(silent.beside(&before), known(&[(Kind::HttpRoute, "v1beta1")]), "the monitors are gone");
        assert_eq!(silent.beside(&Served::new()), Served::new());
        let routes = vec![resource(Kind::HttpRoute, "v1"), resource(Kind::HttpRoute, "v1beta1")];
        let answered = Answer::of(vec![(GATEWAY, Ok(routes))]);
        assert_eq!(answered.beside(&before), known(&[(Kind::HttpRoute, "v1")]), "the best version");
        let absent = Answer::of(Vec::new());
        assert_eq!(absent.beside(&before), Served::new());
    }
}
