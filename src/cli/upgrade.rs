//! `upgrade`: moves sets to another revision of their profile, one restart at a time.
//!
//! All that is written is the annotation that a person would write; the webhook takes it out again. So
//! a run that was broken off is taken up by the next: a set that is there already is passed over.

mod outcome;
mod wave;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use self::outcome::{Outcome, Told};
use self::wave::Wave;
use super::Failure;
use super::cluster::Cluster;
use super::granted::Granted;
use super::known::Known;
use super::moves::Move;
use super::named;
use super::preview::{self, Outlook};
use super::report::Report;
use super::status::{is_managed, unmanaged};
use super::world::{Listed, PlaceArgs, SetsFormat, World};
use crate::catalogue::Catalogue;
use crate::configuration::Configuration;
use crate::intent::{self, RevisionWish};
use crate::record::Record;
use crate::server::duration;
use crate::settings::{Pin, text};

/// Arguments of `upgrade`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpgradeArgs {
    /// Which sets.
    #[command(flatten)]
    pub which: Which,
    /// Where they are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The revision: latest, PROFILE@REVISION, or REVISION of the profile that each set has
    #[arg(long, value_name = "REVISION", default_value = "latest", value_parser = target)]
    pub to: Target,
    /// Say what would change, as preview does, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How many sets of a namespace may be on their way at a time
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub max_unavailable_sets: NonZeroUsize,
    /// How long a set may take to come back; then nothing further is moved, and the exit code is 1
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
    /// Move sets that are not ready, too
    #[arg(long)]
    pub force: bool,
}

/// One of these.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// A StatefulSet: NAME or sts/NAME
    #[arg(conflicts_with = "all_namespaces", value_parser = named::set)]
    pub name: Option<String>,
    /// Managed sets with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// All managed sets
    #[arg(long)]
    pub all: bool,
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// What the annotation takes.
    Wish(String, RevisionWish),
    /// A revision of whatever profile.
    Revision(String),
}

fn target(written: &str) -> Result<Target, String> {
    let read = |text: &str| intent::wish(text).map_err(|complaint| complaint.to_string());
    if written.contains('@') || written.eq_ignore_ascii_case("latest") {
        return Ok(Target::Wish(written.to_owned(), read(written)?));
    }
    // Read with a profile in front, to hear what is wrong with the rest.
    read(&format!("x@{written}"))?;
    Ok(Target::Revision(written.to_owned()))
}

impl Target {
    /// The value of the annotation.
    fn wish(&self, pin: Option<&Pin>) -> String {
        match (self, pin) {
            (Self::Wish(text, _), _) => text.clone(),
            (Self::Revision(revision), Some(pin)) => format!("{}@{revision}", pin.profile),
            (Self::Revision(_), None) => "latest".to_owned(),
        }
    }

    /// Why nothing at all can be meant: nobody knows the revision.
    fn is_unknown(&self, catalogue: &Catalogue) -> Option<String> {
        let known = |name: &str, revision: &str| catalogue.revision(name, revision).is_some();
        match self {
            Self::Wish(_, RevisionWish::Latest) => None,
            Self::Wish(text, RevisionWish::Exact { profile, revision }) => (!known(profile, revision)).then(|| {
                format!("nobody knows the revision {text}; stateward profiles {profile} lists those that there are")
            }),
            Self::Revision(revision) => {
                let mut profiles = catalogue.profiles();
                (!profiles.any(|profile| known(&profile.name, revision))).then(|| {
                    format!("no profile has a revision {revision}; stateward profiles NAME lists those of a profile")
                })
            }
        }
    }

    /// Why a set that was not named is not meant; `None` where it is.
    fn misses(&self, pin: Option<&Pin>, catalogue: &Catalogue) -> Option<String> {
        let Some(pin) = pin else {
            let latest = matches!(self, Self::Wish(_, RevisionWish::Latest));
            return (!latest).then(|| "it was never expanded; --to latest expands it".to_owned());
        };
        match self {
            Self::Wish(_, RevisionWish::Exact { profile, .. }) if *profile != pin.profile => {
                Some(format!("its profile is {}", pin.profile))
            }
            Self::Revision(revision) if catalogue.revision(&pin.profile, revision).is_none() => {
                Some(format!("its profile {} has no revision {revision}", pin.profile))
            }
            _ => None,
        }
    }
}

/// The names of sets, by their namespaces.
type Names = BTreeMap<String, BTreeSet<String>>;

/// Moves the sets, or says what would change. Exit code 1 where a set is not where it should be, 4 where
/// the cluster did not let it be known.
pub fn run(
    args: &UpgradeArgs,
    namespace: Option<&str>,
    catalogue: Catalogue,
    given: Option<Configuration>,
) -> Result<Report, Failure> {
    let cluster = args.place.cluster.connect()?;
    let world = World::of_namespaces(&cluster, args.place.namespace(namespace, &cluster))?;
    let mut world = world.of_a_namespace()?;
    world.name.clone_from(&args.which.name);
    let known = Known::read(catalogue, &cluster)?;
    let engine = known.engine();
    if let (None, Some(why)) = (&args.which.name, args.to.is_unknown(&engine.catalogue)) {
        return Err(Failure::Cluster(format!("{}{why}", known.note)));
    }
    if args.dry_run {
        return dry_run(args, &cluster, &mut world, &known);
    }
    let sets = args.names(&cluster, &mut world)?;
    let granted = Granted::find(given, &cluster);
    let mut wave = Wave::new(args, &cluster, &engine, &granted, sets.values().map(BTreeSet::len).sum());
    let mut told: Vec<Told> = Vec::new();
    for (within, names) in &sets {
        if wave.is_stopped() {
            told.extend(names.iter().map(|name| Told::new(within, name, Outcome::NotBegun)));
        } else {
            told.extend(wave.through(within, names));
        }
    }
    let mut report = Report { stderr: known.note, ..Report::default() };
    report.stderr.push_str(&outcome::advice(&told, args));
    for one in &told {
        report.end(one.outcome.exit());
    }
    report.stdout = match args.place.output {
        SetsFormat::Json => format!("{:#}\n", told.iter().map(Told::json).collect::<Value>()),
        SetsFormat::Text if told.is_empty() => {
            format!("no managed StatefulSets in {} are meant\n", world.place())
        }
        SetsFormat::Text => outcome::text(&told),
    };
    Ok(report)
}

fn dry_run(
    args: &UpgradeArgs,
    cluster: &Cluster,
    world: &mut World,
    known: &Known,
) -> Result<Report, Failure> {
    let engine = known.engine();
    let mut outlooks = Vec::new();
    args.each(cluster, world, |set, world| {
        let pin = Record::pin_of(set);
        let is_meant = || {
            set["metadata"]["deletionTimestamp"].is_null()
                && args.to.misses(pin.as_ref(), &engine.catalogue).is_none()
        };
        if args.which.name.is_some() || is_meant() {
            let moved = Move::of(set, world, &engine, &args.to.wish(pin.as_ref()))?;
            outlooks.push(Outlook { moved, is_there: true, anew: Vec::new() });
        }
        Ok(())
    })?;
    // Pages come in the order of the API server's keys, to which shop-b is before shop.
    outlooks.sort_by(|a, b| (&a.moved.namespace, &a.moved.name).cmp(&(&b.moved.namespace, &b.moved.name)));
    Ok(preview::report(args.place.output, &[], &outlooks, known.note.clone()))
}

impl UpgradeArgs {
    /// The sets that are meant. Each is read again when its turn comes, so no more of them is kept.
    fn names(&self, cluster: &Cluster, world: &mut World) -> Result<Names, Failure> {
        let mut names = Names::new();
        self.each(cluster, world, |set, _| {
            let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
            names.entry(namespace.to_owned()).or_default().insert(name.to_owned());
            Ok(())
        })?;
        Ok(names)
    }

    /// Hands over the sets that are meant, page by page.
    fn each(
        &self,
        cluster: &Cluster,
        world: &mut World,
        mut each: impl FnMut(&Value, &World) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let place = world.namespace.clone();
        if let (Some(name), Some(namespace)) = (&self.which.name, &place) {
            if let Some(set) = cluster.find::<StatefulSet>(name, namespace)? {
                world.put("StatefulSet", set);
            }
            let found = world.sets().find(|set| is_managed(set, world));
            return each(found.ok_or_else(|| unmanaged(name, world))?, world);
        }
        // The API server reads selectors; nobody else has to.
        let labels = self.which.selector.as_deref();
        cluster.pages(&Listed::statefulsets(), place.as_deref(), labels, |sets| {
            sets.iter().filter(|set| is_managed(set, world)).try_for_each(|set| each(set, world))
        })
    }
}

#[cfg(test)]
mod tests;
