//! What a cluster, or one namespace of it, holds that a command looks at.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::jiff::Timestamp;
use kube::api::ApiResource;
use serde_json::Value;

use super::Failure;
use super::cluster::{Cluster, ClusterArgs, Pauses, Tries, Unlisted};
use super::named;
use super::report::{Exit, Report};
use crate::companions::hosts::CLAIMING;
use crate::companions::neighbours::{Neighbours, is_ours};
use crate::companions::{Companion, Kind, Labels, Role, annotations_of, labels_of};
use crate::controller::served::Served;
use crate::controller::unknown;
use crate::engine::Facts;
use crate::names;
use crate::settings::{Defaults, text};

/// Which sets of which cluster a command is about, and how it tells of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SetsArgs {
    /// A StatefulSet: NAME or sts/NAME; else all that the command is for
    #[arg(value_parser = named::set)]
    pub name: Option<String>,
    /// Where it is.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Where the sets are, and how it is told of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PlaceArgs {
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: SetsFormat,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `-o` of commands that tell of sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SetsFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// A kind that commands look at.
#[derive(Debug, Clone)]
pub struct Listed {
    /// `kind`.
    pub name: &'static str,
    /// For the client.
    pub resource: ApiResource,
    /// The objects of all namespaces matter, if the reader may see them.
    everywhere: bool,
    /// Nothing can be said without it; else what the reader may not see is not looked at.
    needed: bool,
    /// Of which objects the metadata is asked for, and nothing else: by this label.
    pub metadata_of: Option<&'static str>,
}

impl Listed {
    fn of<K: kube::Resource<DynamicType = ()>>(name: &'static str) -> Self {
        let resource = ApiResource::erase::<K>(&());
        Self { name, resource, everywhere: false, needed: true, metadata_of: None }
    }

    pub(super) fn statefulsets() -> Self {
        Self::of::<StatefulSet>("StatefulSet")
    }

    fn namespaces() -> Self {
        Self { everywhere: true, needed: false, ..Self::of::<Namespace>("Namespace") }
    }

    /// Kinds that stand beside sets, or that tell how sets do.
    fn beside_sets(served: Served) -> Vec<Self> {
        let mut all = vec![
            Self::of::<PersistentVolumeClaim>("PersistentVolumeClaim"),
            Self::of::<Pod>("Pod"),
            Self { needed: false, ..Self::of::<EndpointSlice>("EndpointSlice") },
            // Values are nobody's business here.
            Self { needed: false, metadata_of: Some(names::COMPANION), ..Self::of::<Secret>("Secret") },
        ];
        let built_in = Kind::ALL.into_iter().filter(|kind| !kind.is_optional() && *kind != Kind::Secret);
        let kinds = built_in.map(|kind| (kind, kind.resource())).chain(served);
        all.extend(kinds.map(|(kind, resource)| Self {
            name: kind.as_str(),
            resource,
            everywhere: CLAIMING.contains(&kind),
            needed: matches!(kind, Kind::Service | Kind::PodDisruptionBudget | Kind::Ingress),
            metadata_of: None,
        }));
        all
    }
}

/// Whether objects of a kind stand beside sets.
pub(super) fn is_companion(kind: &str) -> bool {
    Kind::ALL.iter().any(|known| known.as_str() == kind)
}

/// A kind that was read, and from which namespace; from all without one.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The kind.
    pub kind: Listed,
    /// The namespace.
    pub namespace: Option<String>,
}

impl PlaceArgs {
    /// The namespace asked for, else that of the context; `None` for all.
    pub fn namespace<'n>(&self, asked: Option<&'n str>, cluster: &'n Cluster) -> Option<&'n str> {
        (!self.all_namespaces).then_some(asked.unwrap_or(&cluster.namespace))
    }
}

impl SetsArgs {
    /// What is in the namespace asked for, or in all; of the sets those that were named.
    pub fn read(&self, namespace: Option<&str>) -> Result<(Cluster, World), Failure> {
        let cluster = self.place.cluster.connect()?;
        let world = World::read(&cluster, self.place.namespace(namespace, &cluster))?;
        let mut world = world.of_a_namespace()?;
        world.name.clone_from(&self.name);
        Ok((cluster, world))
    }
}

/// The objects, as the API server gives them.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// What was read, and from where.
    pub origins: Vec<Origin>,
    /// The set that the command is about; all without one.
    pub name: Option<String>,
    /// The namespace that was read; all without one.
    pub namespace: Option<String>,
    /// When it was looked at last; `None` where nobody read a clock.
    pub seen: Option<Timestamp>,
    objects: BTreeMap<&'static str, Vec<Value>>,
    /// The kinds that this cluster has not got.
    unserved: BTreeSet<Kind>,
    /// The kinds of which it gave no answer, while it gave others; and why.
    unread: BTreeMap<&'static str, String>,
}

impl World {
    /// Reads one namespace, or all. What the reader may not see of other namespaces (their labels,
    /// their Ingresses) counts as not there; where there is no answer at all, nothing does. One kind that alone gives no
    /// answer, as where its conversion fails or the server of its API group is away, is [`Self::unread`].
    pub fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, Failure> {
        let mut world = Self::of(cluster, namespace, &[Listed::statefulsets(), Listed::namespaces()])?;
        let asked = cluster.served().or_else(|_| {
            // One that is away altogether is waited for, or ends the command.
            cluster.answers()?;
            cluster.served()
        });
        let optional = || Kind::ALL.into_iter().filter(|kind| kind.is_optional());
        let (served, silent) = asked
            .unwrap_or_else(|why| (Served::new(), optional().map(|kind| (kind, why.to_string())).collect()));
        let is_known = |kind: &Kind| served.contains_key(kind) || silent.contains_key(kind);
        world.unserved = optional().filter(|kind| !is_known(kind)).collect();
        world.unread = silent.into_iter().map(|(kind, why)| (kind.as_str(), why)).collect();
        world.take_what_answers(cluster, Listed::beside_sets(served))?;
        Ok(world)
    }

    /// Whether there was an answer of every kind.
    pub(super) fn is_whole(&self) -> bool {
        self.unread.is_empty()
    }

    /// Is what there is now, if all of it was read; what gave no answer before is asked for again.
    pub(super) fn look_again(&mut self, cluster: &Cluster) {
        self.look_at_the_clock();
        if !self.is_whole()
            && let Ok(now) = Self::read(cluster, self.namespace.as_deref())
        {
            *self = Self { name: self.name.take(), ..now };
        }
    }

    /// Reads what namespaces say of their sets, and no set.
    pub fn of_namespaces(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, Failure> {
        Self::of(cluster, namespace, &[Listed::namespaces()])
    }

    /// Reads kinds without an answer of which there is nothing to judge.
    fn of(cluster: &Cluster, namespace: Option<&str>, kinds: &[Listed]) -> Result<Self, Failure> {
        let mut world = Self { namespace: namespace.map(str::to_owned), ..Self::default() };
        world.look_at_the_clock();
        for kind in kinds {
            world.take(cluster, kind, Tries::Again)?;
        }
        Ok(world)
    }

    /// Takes in kinds without an answer of which the rest can be judged.
    fn take_what_answers(&mut self, cluster: &Cluster, kinds: Vec<Listed>) -> Result<(), Failure> {
        let mut failed = Vec::new();
        for kind in kinds {
            match self.take(cluster, &kind, Tries::Once) {
                Err(Unlisted::Failed(_)) => failed.push(kind),
                taken => taken?,
            }
        }
        if !failed.is_empty() {
            cluster.answers()?;
            self.take_late(cluster, failed);
        }
        Ok(())
    }

    /// Takes in the objects of a kind that the reader may see.
    fn take(&mut self, cluster: &Cluster, kind: &Listed, tries: Tries) -> Result<(), Unlisted> {
        let namespace = self.namespace.clone();
        let everywhere = kind.everywhere.then(|| cluster.list(kind, None, tries));
        let (from, list) = match everywhere {
            Some(Err(Unlisted::Hidden(_))) | None => {
                // Namespaces are in no namespace. Who has rights in one alone may read that one.
                if kind.name == "Namespace" {
                    if let Some(name) = &namespace
                        && let Some(object) = cluster.namespace_object(name)?
                    {
                        self.put("Namespace", object);
                    }
                    return Ok(());
                }
                let list = cluster.list(kind, namespace.as_deref(), tries);
                (namespace, list)
            }
            Some(list) => (None, list),
        };
        match list {
            Ok(list) => {
                self.objects.insert(kind.name, list);
                self.origins.push(Origin { kind: kind.clone(), namespace: from });
            }
            Err(Unlisted::Hidden(_)) if !kind.needed => {}
            Err(why) => return Err(why),
        }
        Ok(())
    }

    /// Asks again for kinds of which there was no answer, and notes those of which there is none.
    fn take_late(&mut self, cluster: &Cluster, mut failed: Vec<Listed>) {
        let mut pauses = Pauses::of_one_kind();
        loop {
            failed.retain(|kind| {
                let why = self.take(cluster, kind, Tries::Once).err();
                match &why {
                    Some(why) => self.unread.insert(kind.name, why.to_string()),
                    None => self.unread.remove(kind.name),
                };
                why.is_some()
            });
            if failed.is_empty() || !cluster.rest(&mut pauses) {
                return;
            }
        }
    }

    /// Why nobody knows how any set does: there was no answer of a kind by which each is judged.
    #[must_use]
    pub(super) fn blind(&self) -> Option<&str> {
        let kinds = ["Pod", "PersistentVolumeClaim", "Service", "EndpointSlice", "PodDisruptionBudget"];
        kinds.into_iter().find_map(|kind| self.unread(kind))
    }

    /// Why there was no answer of a kind; `None` where there was one.
    #[must_use]
    pub fn unread(&self, kind: &str) -> Option<&str> {
        self.unread.get(kind).map(String::as_str)
    }

    /// The kind without an answer that keeps a set's companion from being decided: its own, or one of which somebody
    /// may have its host for longer. The controller makes and deletes none meanwhile.
    #[must_use]
    pub fn hides(&self, set: &Value, companion: &Companion) -> Option<Kind> {
        let unread = Kind::ALL.into_iter().filter(|kind| self.unread(kind.as_str()).is_some()).collect();
        let ours = self.ours(set).filter_map(|object| Some((Role::of(object)?, object)));
        unknown::hidden(companion, &unread, ours)
    }

    /// Tells of the kinds of which there was no answer while there was one of others, and ends as where the cluster
    /// does not answer. What follows for the command ends each line.
    pub fn tell_unread(
        &self,
        report: &mut Report,
        matters: impl Fn(&str) -> bool,
        follows: impl Fn(&str) -> String,
    ) {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (kind, why) in self.unread.iter().filter(|(kind, _)| matters(kind)) {
            all.entry(why).or_default().push(kind);
        }
        for (why, kinds) in all {
            report.stderr.push_str(&format!("error: {why}; {}\n", follows(&kinds.join(", "))));
            report.end(Exit::Cluster);
        }
    }

    /// Notes that it is looked at now.
    pub fn look_at_the_clock(&mut self) {
        self.seen = Some(Timestamp::now());
    }

    /// With these objects of a kind.
    #[must_use]
    pub fn with(mut self, kind: &'static str, objects: Vec<Value>) -> Self {
        self.objects.insert(kind, objects);
        self
    }

    /// Whether the cluster has not got a kind.
    #[must_use]
    pub fn lacks(&self, kind: Kind) -> bool {
        self.unserved.contains(&kind)
    }

    /// Without an answer of a kind.
    #[cfg(test)]
    pub(super) fn without_answer_of(mut self, kind: &'static str, why: &str) -> Self {
        self.objects.remove(kind);
        self.unread.insert(kind, why.to_owned());
        self
    }

    /// Without a kind.
    #[cfg(test)]
    pub(super) fn lacking(mut self, kind: Kind) -> Self {
        self.unserved.insert(kind);
        self
    }

    /// The objects of a kind; `None` if they could not be read.
    #[must_use]
    pub fn known(&self, kind: &str) -> Option<&[Value]> {
        self.objects.get(kind).map(Vec::as_slice)
    }

    /// The objects of a kind, to be kept up to date.
    pub fn known_mut(&mut self, kind: &'static str) -> &mut Vec<Value> {
        self.objects.entry(kind).or_default()
    }

    /// Takes an object in, in place of what it was before.
    pub fn put(&mut self, kind: &'static str, object: Value) {
        let is = |other: &Value| {
            ["namespace", "name"].iter().all(|field| other["metadata"][field] == object["metadata"][field])
        };
        let objects = self.known_mut(kind);
        match objects.iter().position(is) {
            Some(at) => objects[at] = object,
            None => objects.push(object),
        }
    }

    /// The objects of a kind in one namespace, as far as they could be read.
    pub fn within<'w>(&'w self, kind: &str, namespace: &str) -> impl Iterator<Item = &'w Value> {
        let objects = self.known(kind).unwrap_or_default();
        objects.iter().filter(move |object| object["metadata"]["namespace"] == namespace)
    }

    /// The sets that the command is about.
    pub fn sets(&self) -> impl Iterator<Item = &Value> {
        let sets = self.known("StatefulSet").unwrap_or_default().iter();
        sets.filter(|set| self.name.as_deref().is_none_or(|name| set["metadata"]["name"] == name))
    }

    /// Where the command looked, in words.
    #[must_use]
    pub fn place(&self) -> String {
        self.namespace.as_ref().map_or("any namespace".to_owned(), |name| format!("namespace {name}"))
    }

    /// The option by which a command looks there.
    #[must_use]
    pub fn option(&self) -> String {
        self.namespace.as_ref().map_or("-A".to_owned(), |name| format!("-n {name}"))
    }

    /// This world, unless it is known that there is no such namespace: in one that is misspelt nothing is wrong.
    pub fn of_a_namespace(self) -> Result<Self, Failure> {
        match (&self.namespace, self.known("Namespace")) {
            (Some(name), Some(_)) if self.namespace_object(name).is_none() => {
                Err(Failure::Cluster(format!("no namespace {name}")))
            }
            _ => Ok(self),
        }
    }

    /// The companions that stand beside a set and are its own; Secrets are nobody's.
    pub fn ours<'w>(&'w self, set: &'w Value) -> impl Iterator<Item = &'w Value> {
        let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Secret);
        let objects = kinds.flat_map(move |kind| self.within(kind.as_str(), namespace));
        objects.filter(move |object| {
            object["metadata"]["ownerReferences"][0]["uid"] == set["metadata"]["uid"] && is_ours(object, name)
        })
    }

    /// The labels of a namespace.
    #[must_use]
    pub fn labels(&self, namespace: &str) -> Labels {
        self.namespace_object(namespace).map(labels_of).unwrap_or_default()
    }

    /// What a namespace gives to sets that are made in it now; `None` where it could not be read.
    #[must_use]
    pub fn defaults(&self, namespace: &str) -> Option<Defaults> {
        self.namespace_object(namespace)?;
        Some(Defaults::of(&self.namespace_annotations(namespace)))
    }

    fn namespace_object(&self, name: &str) -> Option<&Value> {
        let mut namespaces = self.known("Namespace").unwrap_or_default().iter();
        namespaces.find(|object| object["metadata"]["name"] == name)
    }

    /// What stands beside the sets of a namespace, and what claims hosts in any.
    #[must_use]
    pub fn neighbours(&self, namespace: &str) -> Neighbours {
        let served = Kind::ALL.into_iter().filter(|kind| !self.unserved.contains(kind));
        let near = served.map(|kind| {
            let objects = self.known(kind.as_str()).unwrap_or_default().iter();
            let is_near =
                |object: &&Value| CLAIMING.contains(&kind) || object["metadata"]["namespace"] == namespace;
            (kind, objects.filter(is_near).cloned().collect())
        });
        near.collect()
    }
}

/// What a reader of the cluster knows when the engine is asked as the webhook would be.
impl Facts for World {
    fn namespace_labels(&self, namespace: &str) -> Labels {
        self.labels(namespace)
    }

    fn namespace_annotations(&self, namespace: &str) -> Labels {
        let found = self.namespace_object(namespace);
        found.map(annotations_of).unwrap_or_default()
    }

    fn claim_pin(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}
