//! `profiles`: which profiles there are, where they come from, and how many sets have which revision.

mod told;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Failure;
use super::behind::Sizes;
use super::cluster::{Cluster, ClusterArgs};
use super::known::Known;
use super::report::{Exit, Report};
use super::world::{Listed, SetsFormat, World};
use crate::catalogue::{Catalogue, Profile};
use crate::record::Record;

/// Arguments of `profiles`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProfilesArgs {
    /// A profile, of which all is told; else a line for each
    pub name: Option<String>,
    /// Ask no cluster: the built-in profiles and those of --profiles alone
    #[arg(long)]
    pub offline: bool,
    /// Output format
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: SetsFormat,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// How many sets have which revision, by profile and revision.
pub(super) type Counts = BTreeMap<(String, String), Count>;

/// Sets of one revision.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// All of them.
    sets: u64,
    /// Those whose namespace gives other defaults today than they are pinned to.
    otherwise: u64,
}

/// Lists them. Exit code 1 where one has a fault, or there is none of that name.
pub fn run(args: &ProfilesArgs, namespace: Option<&str>, catalogue: Catalogue) -> Result<Report, Failure> {
    let (known, counts) = args.known(namespace, catalogue)?;
    let mut report = Report { stderr: known.note.clone(), ..Report::default() };
    let mut all = of(&known, counts.as_ref());
    if let Some(name) = &args.name {
        all.retain(|profile| profile["name"] == name.as_str());
        let Some(profile) = all.first_mut() else {
            return Err(Failure::Cluster(format!("no profile {name}; stateward profiles lists them")));
        };
        if let Some(latest) = known.joined.catalogue.latest(name) {
            detail(profile, latest);
        }
    }
    if all.iter().any(|profile| profile["faults"].as_array().is_some_and(|faults| !faults.is_empty())) {
        report.end(Exit::Findings);
    }
    report.stdout = match (args.output, &args.name) {
        (SetsFormat::Json, _) => format!("{:#}\n", Value::from(all)),
        (SetsFormat::Text, Some(_)) => all.iter().map(told::whole).collect(),
        (SetsFormat::Text, None) => told::table(&all),
    };
    Ok(report)
}

impl ProfilesArgs {
    /// What is known, and the counts where a cluster was asked.
    fn known(&self, namespace: Option<&str>, base: Catalogue) -> Result<(Known, Option<Counts>), Failure> {
        if self.offline {
            return Ok((Known::offline(base), None));
        }
        let named = self.cluster.kubeconfig.is_some() || self.cluster.context.is_some();
        let cluster = match self.cluster.connect() {
            Ok(cluster) => cluster,
            Err(failure) if named => return Err(failure),
            Err(_) => {
                let mut known = Known::offline(base);
                known.note.push_str("note: no kubeconfig, so no cluster was asked\n");
                return Ok((known, None));
            }
        };
        let mut known = Known::read(base.clone(), &cluster).unwrap_or_else(|failure| {
            let mut known = Known::offline(base);
            known.note = format!("note: profiles of the cluster are missing here: {failure}\n");
            known
        });
        match counts(&cluster, namespace, &known.joined.catalogue) {
            Ok(counts) => Ok((known, Some(counts))),
            // Who may look at one namespace alone still learns what there is.
            Err(failure) if known.note.is_empty() || namespace.is_none() => {
                known.note.push_str(&format!("note: sets are not counted: {failure}\n"));
                Ok((known, None))
            }
            Err(failure) => Err(failure),
        }
    }
}

fn counts(cluster: &Cluster, namespace: Option<&str>, catalogue: &Catalogue) -> Result<Counts, Failure> {
    let mut counts = Counts::new();
    let world = World::of_namespaces(cluster, namespace)?;
    cluster.pages(&Listed::statefulsets(), namespace, None, |sets| {
        for set in &sets {
            count(set, &world, catalogue, &mut counts);
        }
        Ok(())
    })?;
    Ok(counts)
}

fn count(set: &Value, world: &World, catalogue: &Catalogue, counts: &mut Counts) {
    let Some(pin) = Record::pin_of(set) else { return };
    let sizes = Sizes::behind(&pin, set, world, catalogue);
    let count = counts.entry((pin.profile, pin.revision)).or_default();
    count.sets += 1;
    count.otherwise += u64::from(sizes.is_some());
}

/// All that is known by name, and profiles of which sets are left alone.
pub(super) fn of(known: &Known, counts: Option<&Counts>) -> Vec<Value> {
    let catalogue = &known.joined.catalogue;
    let mut names: Vec<&str> = catalogue.profiles().map(|profile| profile.name.as_str()).collect();
    names.extend(known.joined.verdicts.keys().map(String::as_str));
    names.extend(counts.into_iter().flatten().map(|((profile, _), _)| profile.as_str()));
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| one(name, known, counts)).collect()
}

fn one(name: &str, known: &Known, counts: Option<&Counts>) -> Value {
    let catalogue = &known.joined.catalogue;
    let latest = catalogue.latest(name);
    let of_this = || counts.into_iter().flatten().filter(|((profile, _), _)| profile == name);
    let current = latest.map(|latest| latest.revision.as_str());
    let is_current = |revision: &str| Some(revision) == current;
    let sets = || of_this().map(|(_, count)| count.sets).sum::<u64>();
    let behind = |((_, revision), count): (&(String, String), &Count)| match current {
        Some(current) if current == revision => count.otherwise,
        Some(_) => count.sets,
        // There is nothing to be behind.
        None => 0,
    };
    let mut revisions: Vec<&str> =
        catalogue.revisions(name).map(|profile| profile.revision.as_str()).collect();
    revisions.extend(of_this().map(|((_, revision), _)| revision.as_str()));
    revisions.sort_unstable_by_key(|revision| (Some(*revision) != current, *revision));
    revisions.dedup();
    let revisions = revisions.into_iter().map(|revision| {
        let count = counts
            .map(|counts| counts.get(&(name.to_owned(), revision.to_owned())).copied().unwrap_or_default());
        json!({
            "revision": revision, "sets": count.map(|count| count.sets), "current": is_current(revision),
            "otherDefaults": count.map(|count| count.otherwise),
            "kept": known.is_kept(name, revision), "known": catalogue.revision(name, revision).is_some(),
        })
    });
    let verdict = known.joined.verdicts.get(name);
    let waits = verdict.is_some_and(|verdict| verdict.faults.is_empty() && !verdict.current);
    json!({
        "name": name, "from": latest.map_or("nowhere", |_| known.origin(name)), "revision": current,
        "summary": latest.map(|latest| &latest.summary), "revisions": revisions.collect::<Vec<_>>(),
        "sets": counts.map(|_| sets()), "behind": counts.map(|_| of_this().map(behind).sum::<u64>()),
        "faults": verdict.map(|verdict| verdict.faults.clone()).unwrap_or_default(), "waits": waits,
    })
}

/// What one profile says beyond the line that it has in the list.
fn detail(told: &mut Value, profile: &Profile) {
    told["images"] = json!(profile.images);
    told["size"] = json!(profile.size);
    told["sizes"] = json!(profile.sizes);
    told["variants"] = profile
        .axes
        .iter()
        .map(|axis| {
            let cases: Vec<&str> = axis.cases.iter().map(|case| case.name.as_str()).collect();
            json!({"name": axis.name, "cases": cases})
        })
        .collect();
    told["refuses"] = profile
        .refusals
        .iter()
        .map(|(name, refusal)| json!({"name": name, "problem": refusal.problem, "remedy": refusal.remedy}))
        .collect();
}

#[cfg(test)]
mod tests;
