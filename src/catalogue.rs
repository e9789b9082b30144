//! Profiles: the built-in ones, their revisions, and which image picks which.
//!
//! A revision is named by a hash of its resolved content, parents included, so that the same
//! defaults have the same name wherever they come from.

pub mod asked;
pub mod check;
pub mod cluster;
pub mod definition;
pub mod offers;
pub mod peers;
pub mod profile;
mod proved;
pub mod reference;
pub mod refuse;
mod released;
mod trial;
mod variant;
mod without;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::asked::Asked;
use self::cluster::Content;
use self::offers::Offer;
use self::peers::Peers;
pub use self::profile::{Axis, Case};
use self::profile::{DataVolume, ProfileFile, ProfileSpec};
use self::refuse::Refusals;
use self::released::Released;
use self::trial::Trials;
pub use self::variant::Variant;
use crate::expand::{Source, placeholders};
use crate::image::Image;

/// The files of the built-in catalogue.
const BUILT_IN: &[(&str, &str)] = &[
    ("cassandra.yaml", include_str!("catalogue/cassandra.yaml")),
    ("consul.yaml", include_str!("catalogue/consul.yaml")),
    ("default.yaml", include_str!("catalogue/default.yaml")),
    ("elasticsearch.yaml", include_str!("catalogue/elasticsearch.yaml")),
    ("etcd.yaml", include_str!("catalogue/etcd.yaml")),
    ("kafka.yaml", include_str!("catalogue/kafka.yaml")),
    ("mariadb.yaml", include_str!("catalogue/mariadb.yaml")),
    ("memcached.yaml", include_str!("catalogue/memcached.yaml")),
    ("mongodb.yaml", include_str!("catalogue/mongodb.yaml")),
    ("mysql.yaml", include_str!("catalogue/mysql.yaml")),
    ("nats.yaml", include_str!("catalogue/nats.yaml")),
    ("opensearch.yaml", include_str!("catalogue/opensearch.yaml")),
    ("postgresql.yaml", include_str!("catalogue/postgresql.yaml")),
    ("rabbitmq.yaml", include_str!("catalogue/rabbitmq.yaml")),
    ("redis.yaml", include_str!("catalogue/redis.yaml")),
    ("solr.yaml", include_str!("catalogue/solr.yaml")),
    ("valkey.yaml", include_str!("catalogue/valkey.yaml")),
    ("zookeeper.yaml", include_str!("catalogue/zookeeper.yaml")),
];

/// The profile of images that no profile knows.
pub const DEFAULT: &str = "default";

/// All profiles that are known, in all their revisions.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    sources: BTreeMap<String, Arc<ProfileSpec>>,
    latest: BTreeMap<String, Arc<Profile>>,
    revisions: BTreeMap<(String, String), Arc<Profile>>,
    /// The names of profiles that come from the cluster: they win over the built-in ones.
    clusters: BTreeSet<String>,
    /// A fault of each profile of the cluster that is passed over for it, with nothing in its place.
    faulty: BTreeMap<String, String>,
    /// Revisions that built-in profiles once had.
    released: Arc<Released>,
    /// What the revisions of profiles from files hold: nothing else knows it.
    of_files: BTreeMap<(String, String), Arc<Content>>,
    /// What came of trying the profiles of a cluster, for all copies of this catalogue.
    trials: Arc<Trials>,
}

/// One revision of a profile, parents merged in.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The short hash of its content.
    pub revision: String,
    /// One line for people.
    pub summary: String,
    /// Repositories that pick it.
    pub images: Vec<String>,
    /// The resource class of a set that names none.
    pub size: Option<String>,
    /// Resource classes.
    pub sizes: BTreeMap<String, Value>,
    /// Topology keys to spread over.
    pub spread: Vec<String>,
    /// Directories besides the data that the image writes to; `None` where that is not known.
    pub scratch: Option<Vec<String>>,
    /// What it refuses.
    pub refusals: Refusals,
    /// Lists of the set's pods, by the names of their placeholders.
    pub peers: BTreeMap<String, Peers>,
    /// Variables that are not set beside certain ones of the user's.
    pub yields: BTreeMap<String, Vec<String>>,
    /// Whether what it sets depends on how many pods the set was formed with.
    pub keeps_count: bool,
    /// What it asks for beside its sets.
    pub companions: Asked,
    /// What depends on the tag.
    pub axes: Vec<Axis>,
    /// Which layer gives `spread`, `scratch` and each of `sizes`.
    by: BTreeMap<String, Arc<str>>,
    /// What it takes away from parents that do not have it.
    idle: Vec<String>,
    /// What all layers offer up to the first that has variants; without those.
    offers: Arc<Vec<Offer>>,
    data: DataVolume,
    /// Which of them gives each field of it.
    data_by: BTreeMap<&'static str, Source>,
    /// The first layer that has variants and those behind it, the weakest first.
    varied: Vec<Varied>,
}

/// A layer of a profile from the first that has variants on: what it says wins over the variants of the
/// weaker ones.
#[derive(Debug, Clone)]
struct Varied {
    /// The profile that it is.
    name: Arc<str>,
    /// What it says in all variants; null of the first layer, where that is among the offers already.
    stateful_set: Value,
    data: DataVolume,
    /// Which of the axes are its own.
    axes: Range<usize>,
    /// What it takes away from the weaker ones, variants and all.
    without: Vec<String>,
}

/// Why a profile could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not YAML, or not a profile.
    #[error("{file}: not a profile: {message}")]
    Parse {
        /// The file.
        file: String,
        /// What the parser says.
        message: String,
    },
    /// A part of it has a fault.
    #[error("profile {name}: {part}: {what}")]
    Part {
        /// The profile.
        name: String,
        /// The field of its spec.
        part: &'static str,
        /// What is wrong.
        what: String,
    },
    /// `extends` names what is not there, or itself by way of others.
    #[error("profile {name}: extends {parent}, which {what}")]
    Extends {
        /// The profile.
        name: String,
        /// Its parent.
        parent: String,
        /// `does not exist` or `leads back to itself`.
        what: &'static str,
    },
}

impl Catalogue {
    /// The catalogue in the binary.
    ///
    /// # Errors
    /// None, unless the binary was built from broken files: a test loads them.
    pub fn built_in() -> Result<Self, LoadError> {
        let released = Arc::new(Released::built_in());
        Self { released, ..Self::default() }.with(BUILT_IN.iter().copied())
    }

    /// This catalogue with revisions that were released as these lines say.
    #[cfg(test)]
    pub(crate) fn with_released(self, lines: &'static str) -> Self {
        Self { released: Arc::new(Released::of(lines)), ..self }
    }

    /// This catalogue with further profiles, as (file name, YAML). One of a known name becomes the
    /// latest revision of it; the earlier ones stay, so that what is pinned to them stays too.
    ///
    /// # Errors
    /// Of the first file that is no profile or extends none.
    pub fn with<'a>(
        mut self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LoadError> {
        let options = serde_saphyr::options! { legacy_octal_numbers: true };
        let mut specs = BTreeMap::new();
        for (file, text) in files {
            let read: ProfileFile = serde_saphyr::from_str_with_options(text, options.clone())
                .map_err(|error| LoadError::Parse { file: file.to_owned(), message: error.to_string() })?;
            specs.insert(read.metadata.name.clone(), Arc::new(read.spec));
        }
        let replaced = std::mem::take(&mut self.sources);
        let mut sources = replaced.clone();
        sources.extend(specs);
        for name in sources.keys() {
            let chain = chain(name, &sources, &replaced)?;
            let profile = Arc::new(Profile::of_chain(name, &chain)?);
            let key = (name.clone(), profile.revision.clone());
            if !replaced.is_empty() && !self.revisions.contains_key(&key) {
                self.of_files.insert(key.clone(), Arc::new(Content::of(&chain)));
            }
            self.revisions.insert(key, Arc::clone(&profile));
            self.latest.insert(name.clone(), profile);
        }
        self.sources = sources;
        Ok(self)
    }

    /// What people read of sets at the latest revision of a profile, whatever that is today.
    #[cfg(test)]
    pub(crate) fn without_revision(&self, profile: &str, told: &str) -> String {
        told.replace(&self.latest[profile].revision, "0badcafe")
    }

    /// The latest revision of a profile.
    #[must_use]
    pub fn latest(&self, name: &str) -> Option<&Arc<Profile>> {
        self.latest.get(name)
    }

    /// A certain revision of a profile.
    #[must_use]
    pub fn revision(&self, name: &str, revision: &str) -> Option<&Arc<Profile>> {
        let known = self.revisions.get(&(name.to_owned(), revision.to_owned()));
        known.or_else(|| self.released.get(name, revision))
    }

    /// The revisions that are known of a profile.
    pub fn revisions(&self, name: &str) -> impl Iterator<Item = &Arc<Profile>> {
        let is_known =
            |of: &Arc<Profile>| self.revisions.contains_key(&(of.name.clone(), of.revision.clone()));
        let released = self.released.all_of(name).filter(move |profile| !is_known(profile));
        self.revisions.values().filter(move |profile| profile.name == name).chain(released)
    }

    /// What a revision holds that this process knows without a cluster: of a built-in profile, or of one
    /// from a file.
    #[must_use]
    pub fn content(&self, name: &str, revision: &str) -> Option<Content> {
        let of_file = self.of_files.get(&(name.to_owned(), revision.to_owned()));
        of_file.map(|content| Content::clone(content)).or_else(|| self.released.content(name, revision))
    }

    /// Whether it knows the same revisions as `other`.
    pub(crate) fn knows_the_same(&self, other: &Self) -> bool {
        self.revisions.keys().eq(other.revisions.keys())
    }

    /// The latest revisions of all profiles, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.latest.values()
    }

    /// The profile that knows this image.
    #[must_use]
    pub fn for_image(&self, image: &str) -> Option<&Arc<Profile>> {
        let name = Image::parse(image).name();
        let matches = |profile: &&Arc<Profile>| profile.images.iter().any(|known| known == name);
        let of_cluster = self.clusters.iter().filter_map(|name| self.latest.get(name)).find(matches);
        of_cluster.or_else(|| self.latest.values().find(matches))
    }
}

impl Profile {
    /// The profile that these layers make, the weakest first.
    fn of_chain(name: &str, chain: &[(&str, &ProfileSpec)]) -> Result<Self, LoadError> {
        let mut profile = Self {
            name: name.to_owned(),
            revision: revision(chain),
            summary: String::new(),
            images: Vec::new(),
            size: None,
            sizes: BTreeMap::new(),
            spread: Vec::new(),
            by: BTreeMap::new(),
            scratch: None,
            refusals: Refusals::new(),
            peers: BTreeMap::new(),
            yields: BTreeMap::new(),
            keeps_count: false,
            companions: Asked::default(),
            axes: Vec::new(),
            idle: Vec::new(),
            offers: Arc::default(),
            data: DataVolume::default(),
            data_by: BTreeMap::new(),
            varied: Vec::new(),
        };
        let (mut companions, mut refuse, mut offers) = (Value::Null, Value::Null, Vec::new());
        for (index, (name, spec)) in chain.iter().enumerate() {
            profile.idle = profile.take_away(spec, &mut offers, (&mut companions, &mut refuse));
            for (all, own) in [(&mut companions, &spec.companions), (&mut refuse, &spec.refuse)] {
                if !own.is_null() {
                    json_patch::merge(all, own);
                }
            }
            profile.layer(name, spec, &mut offers);
            profile.summary.clone_from(&spec.summary);
            // One that builds on the one whose place it takes is for the same images.
            let again = index > 0 && chain[index - 1].0 == *name;
            if !again || !spec.matching.images.is_empty() {
                profile.images.clone_from(&spec.matching.images);
            }
            profile.size = spec.size.clone().or(profile.size);
            profile.sizes.extend(spec.sizes.clone());
            profile.by.extend(spec.sizes.keys().map(|size| (format!("sizes.{size}"), (*name).into())));
            if let Some(spread) = &spec.spread {
                profile.spread.clone_from(spread);
                profile.by.insert("spread".to_owned(), (*name).into());
            }
            if let Some(scratch) = &spec.scratch {
                profile.scratch = Some(scratch.clone());
                profile.by.insert("scratch".to_owned(), (*name).into());
            }
            profile.peers.extend(spec.peers.clone());
            profile.yields.extend(spec.yields.clone());
        }
        offers::complete(&mut offers);
        profile.offers = Arc::new(offers);
        let fault = |part| move |what| LoadError::Part { name: name.to_owned(), part, what };
        profile.companions = Asked::parse(&companions).map_err(fault("companions"))?;
        profile.refusals = refuse::parse(&refuse).map_err(fault("refuse"))?;
        profile.check_peers().map_err(fault("statefulSet"))?;
        profile.keeps_count = placeholders::keeps_count(&profile);
        Ok(profile)
    }

    /// Takes a further layer: into the offers as long as there are no variants, which come between.
    fn layer(&mut self, name: &str, spec: &ProfileSpec, offers: &mut Vec<Offer>) {
        let first = self.axes.len();
        self.axes.extend(spec.variants.iter().cloned());
        let axes = first..self.axes.len();
        let name: Arc<str> = name.into();
        if !self.varied.is_empty() {
            let (stateful_set, data) = (spec.stateful_set.clone(), spec.data.clone());
            self.varied.push(Varied { name, stateful_set, data, axes, without: spec.without.clone() });
            return;
        }
        let source = Source::Profile { name: Arc::clone(&name) };
        offers::merge(offers, &spec.stateful_set, &source, false);
        self.data = self.data.merged(&spec.data);
        self.data_by.extend(spec.data.given().map(|field| (field, source.clone())));
        if !axes.is_empty() {
            let (stateful_set, data) = (Value::Null, DataVolume::default());
            self.varied.push(Varied { name, stateful_set, data, axes, without: Vec::new() });
        }
    }

    /// The layer that gives `field`: this profile or an ancestor.
    pub(crate) fn layer_of(&self, field: &str) -> Source {
        Source::Profile { name: self.by.get(field).map_or_else(|| self.name.as_str().into(), Arc::clone) }
    }

    /// Where its data is, where that is the same in all variants.
    pub(crate) fn data_path(&self) -> Option<String> {
        self.data.mount_path.clone()
    }

    /// All that it may set, in whatever variant.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let cases = self.axes.iter().flat_map(|axis| &axis.cases);
        let layers = self.varied.iter().map(|layer| &layer.stateful_set);
        let offers = self.offers.iter().map(|offer| &offer.value);
        offers.chain(layers).chain(cases.map(|case| &case.stateful_set))
    }

    fn check_peers(&self) -> Result<(), String> {
        let known = |name: &str| self.peers.contains_key(name);
        let unknown = |value: &Value| placeholders::unknown_peers(value, known).pop();
        let mut found = self.values().find_map(unknown);
        // It may be in what a later layer takes away.
        if found.is_some() && self.varied.iter().any(|layer| !layer.without.is_empty()) {
            let variants = trial::combinations(&self.axes);
            found = variants.iter().find_map(|cases| {
                let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
                self.variant(&cases).offers.iter().find_map(|offer| unknown(&offer.value))
            });
        }
        match found {
            Some(name) => Err(format!("$(peers.{name}) is used, and peers has no {name}")),
            None => Ok(()),
        }
    }

    /// The pin of a set that uses this revision: `postgresql@5f3c9a12`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.revision)
    }

    /// This profile in the named cases: of each layer what it says in all of them, and over that its
    /// cases, in the order of its axes. Names that no axis has are passed over.
    #[must_use]
    pub fn variant(&self, cases: &[&str]) -> Variant {
        let (offers, data) = (Vec::clone(&self.offers), self.data.clone());
        let mut variant = Variant { offers, data, data_by: self.data_by.clone() };
        for Varied { name, stateful_set, data, axes, without } in &self.varied {
            without::apply(without, &mut variant.offers, &mut variant.data);
            let source = Source::Profile { name: Arc::clone(name) };
            if !stateful_set.is_null() {
                offers::merge(&mut variant.offers, stateful_set, &source, false);
                offers::complete(&mut variant.offers);
            }
            variant.take_data(data, &source);
            let all = self.axes[axes.clone()].iter().flat_map(|axis| &axis.cases);
            for case in all.filter(|case| cases.contains(&case.name.as_str())) {
                let (profile, of) = (Arc::clone(name), case.name.as_str().into());
                let source = Source::Variant { profile, variant: of };
                offers::merge(&mut variant.offers, &case.stateful_set, &source, true);
                variant.take_data(&case.data, &source);
            }
        }
        variant
    }
}

/// What is said of a parent that is not there.
pub const NO_PARENT: &str = "does not exist";

/// The profile and its ancestors, the weakest first. One that extends its own name builds on the one
/// whose place it takes.
fn chain<'a>(
    name: &'a str,
    sources: &'a BTreeMap<String, Arc<ProfileSpec>>,
    replaced: &'a BTreeMap<String, Arc<ProfileSpec>>,
) -> Result<Vec<(&'a str, &'a ProfileSpec)>, LoadError> {
    let mut chain: Vec<(&str, &ProfileSpec)> = Vec::new();
    let mut next = Some(name);
    while let Some(current) = next {
        let child = chain.last().map_or(name, |(child, _)| child);
        let fail = |what| LoadError::Extends { name: child.to_owned(), parent: current.to_owned(), what };
        let mut layers = chain.iter().rev();
        let of_its_name = layers.next().is_some_and(|(child, _)| *child == current);
        if layers.any(|(seen, _)| *seen == current) {
            return Err(fail("leads back to itself"));
        }
        let known = if of_its_name { replaced } else { sources };
        let (key, spec) = known.get_key_value(current).ok_or_else(|| fail(NO_PARENT))?;
        chain.push((key, spec));
        next = spec.extends.as_deref();
    }
    chain.reverse();
    Ok(chain)
}

/// A short hash of the resolved content: the first eight hex digits of SHA-256 over canonical JSON.
/// What does not change a set (the summary, the images that match, what is refused) does not count.
fn revision(chain: &[(&str, &ProfileSpec)]) -> String {
    let content: Vec<Value> = chain
        .iter()
        .map(|(name, spec)| {
            let mut content = json!({
                "name": name, "statefulSet": spec.stateful_set, "data": spec.data, "size": spec.size,
                "sizes": spec.sizes, "spread": spec.spread, "variants": spec.variants,
            });
            // Only where there is one: revisions that are older than these fields keep their names.
            if !spec.companions.is_null() {
                content["companions"] = spec.companions.clone();
            }
            if !spec.without.is_empty() {
                content["without"] = json!(spec.without);
            }
            if let Some(scratch) = &spec.scratch {
                content["scratch"] = json!(scratch);
            }
            if !spec.peers.is_empty() {
                content["peers"] = json!(spec.peers);
            }
            if !spec.yields.is_empty() {
                content["yields"] = json!(spec.yields);
            }
            content
        })
        .collect();
    let digest = Sha256::digest(crate::hash::canonical(&Value::Array(content)).as_bytes());
    digest.iter().take(4).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests;
