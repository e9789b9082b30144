//! Profiles: the built-in ones, their revisions, and which image picks which.
//!
//! A revision is named by a hash of its resolved content, parents included, so that the same
//! defaults have the same name wherever they come from.

pub mod asked;
pub mod check;
pub mod cluster;
pub mod definition;
mod files;
pub mod offers;
pub mod peers;
pub mod profile;
mod proved;
pub mod reference;
pub mod refuse;
mod released;
mod resolve;
mod trial;
mod variant;
mod without;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

pub use self::asked::Asked;
use self::cluster::Content;
pub use self::files::Judged;
use self::offers::Offer;
use self::peers::Peers;
pub use self::profile::{Axis, Case};
use self::profile::{DataVolume, ProfileFile, ProfileSpec};
use self::refuse::Refusals;
use self::released::Released;
pub use self::resolve::NO_PARENT;
use self::resolve::chain;
use self::trial::Trials;
pub use self::variant::Variant;
pub(crate) use self::without::FIELDS as HANDED_DOWN;
use crate::expand::Source;
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
    /// Parts of it have faults.
    #[error("profile {name}: {}", .faults.join("; "))]
    Faults {
        /// The profile.
        name: String,
        /// What is wrong, each with its field and what to write instead.
        faults: Vec<String>,
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
            let profile = Arc::new(Profile::whole(name, &chain)?);
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

#[cfg(test)]
mod tests;
