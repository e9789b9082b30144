//! `preview`: what a profile would change before anybody applies it. Nothing is written.

mod files;
mod live;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use self::live::Judge;
use super::Failure;
use super::input::{InputArgs, Source};
use super::judge;
use super::known::Known;
use super::moves::Move;
use super::report::{Exit, Report};
use super::world::{Listed, PlaceArgs, SetsFormat, World};
use crate::catalogue::cluster::{Given, Joined};
use crate::catalogue::{Catalogue, check};
use crate::engine::Engine;
use crate::settings::text;

/// Arguments of `preview`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PreviewArgs {
    /// The profiles.
    #[command(flatten)]
    pub input: InputArgs,
    /// Manifests of sets (files, or directories with all that is below them), as if each were new, with the
    /// profiles among them as those that there are; else the sets of the cluster
    #[arg(value_name = "MANIFESTS", conflicts_with = "all_namespaces")]
    pub manifests: Vec<PathBuf>,
    /// The sets of the cluster.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What would become of one set.
#[derive(Debug, Default)]
pub struct Outlook {
    /// If it were moved; of a manifest, if it were applied for the first time.
    pub moved: Move,
    /// Whether it is there.
    pub is_there: bool,
    /// Why a new set like it would be admitted otherwise than today, or not at all.
    pub anew: Vec<String>,
}

impl Outlook {
    /// Whether anything would be another than today.
    #[must_use]
    pub fn is_news(&self) -> bool {
        let moves = !self.moved.refused.is_empty() || self.moved.changes_objects();
        moves || !self.anew.is_empty()
    }

    /// Whether it would be pinned to something else, and nothing in it be another.
    fn is_repinned_alone(&self) -> bool {
        !self.is_news() && self.moved.is_behind()
    }

    fn json(&self) -> Value {
        let mut told = self.moved.json();
        told["live"] = Value::from(self.is_there);
        told["anew"] = json!(self.anew);
        told
    }

    /// What becomes of it, in lines that say not which set it is.
    fn told(&self) -> (String, String) {
        let mut out = String::new();
        out.extend(self.moved.fields.iter().map(|field| format!("  {}\n", field.told())));
        out.extend(self.moved.beside.iter().map(|line| format!("  {line}\n")));
        if self.is_there && self.moved.refused.is_empty() {
            out.push_str(&format!("  {}\n", self.moved.pods()));
        }
        out.extend(self.moved.refused.iter().map(|fault| format!("  refused: {fault}\n")));
        out.extend(self.anew.iter().map(|line| format!("  a new one like it: {line}\n")));
        let new = if self.is_there { "" } else { ", if it is new" };
        (format!("{new}: {}", self.way()), out)
    }

    /// From where to where. A manifest that is refused stays at no revision, since it is at none.
    fn way(&self) -> String {
        match (self.is_there, self.moved.from.as_str(), self.moved.to.as_str()) {
            (false, "", "") => "is refused today".to_owned(),
            (false, from, "") => format!("gets {from} today"),
            _ => self.moved.way(),
        }
    }
}

/// Sets to which the same happens are told of together, in the order in which they were found.
fn together(news: &[&Outlook]) -> String {
    let mut groups: Vec<Vec<&Outlook>> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for outlook in news {
        let place = *places.entry(outlook.told()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(outlook);
    }
    groups.iter().map(|group| group_told(group)).collect()
}

fn group_told(group: &[&Outlook]) -> String {
    let (way, lines) = group.first().map(|outlook| outlook.told()).unwrap_or_default();
    if let [Outlook { moved: Move { namespace, name, .. }, .. }] = group {
        return format!("StatefulSet {namespace}/{name}{way}\n{lines}");
    }
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Outlook { moved, .. } in group {
        names.entry(&moved.namespace).or_default().push(&moved.name);
    }
    let names = names.iter().map(|(namespace, sets)| format!("  in {namespace}: {}\n", sets.join(", ")));
    let way = way.replace("it is", "they are");
    format!("{} StatefulSets{way}\n{}  each of them:\n{lines}", group.len(), names.collect::<String>())
}

/// Reads the profiles and the sets, and tells. Exit code 1 where anything in a set changes or is wrong.
pub fn run(args: &PreviewArgs, namespace: Option<&str>, base: Catalogue) -> Result<Report, Failure> {
    let new = given(&args.input)?;
    if !args.manifests.is_empty() {
        let input = InputArgs { files: args.manifests.clone(), recursive: true };
        let sources = input.read().map_err(Failure::Input)?;
        let known = Known::offline(base).applied(&judge::profiles_in(&sources));
        let after = known.with(&new);
        let outlooks = files::outlooks(&sources, namespace.unwrap_or("default"), &known, &after)?;
        return Ok(report(args.place.output, &profiles(&new, &known, &after), &outlooks, known.note));
    }
    let cluster = args.place.cluster.connect()?;
    let known = Known::read(base, &cluster)?;
    let after = known.with(&new);
    let namespace = args.place.namespace(namespace, &cluster);
    let world = World::of_namespaces(&cluster, namespace)?.of_a_namespace()?;
    let judge = Judge::new(&world, &known, &after, &new);
    let mut outlooks = Vec::new();
    cluster.pages(&Listed::statefulsets(), namespace, None, |sets| {
        outlooks.extend(judge.outlooks(sets.iter())?);
        Ok(())
    })?;
    Ok(report(args.place.output, &profiles(&new, &known, &after), &outlooks, known.note))
}

/// The profiles in the files.
fn given(input: &InputArgs) -> Result<Vec<Given>, Failure> {
    let sources: Vec<Source> = super::sources(input)?;
    let new = judge::profiles_in(&sources);
    if new.is_empty() {
        return Err(Failure::Usage(
            "-f names no StatefulSetProfile, and there is nothing to preview".to_owned(),
        ));
    }
    Ok(new)
}

/// What becomes of the profiles themselves, and of those that extend them.
fn profiles(new: &[Given], known: &Known, after: &Joined) -> Vec<Value> {
    let revision = |catalogue: &Catalogue, name: &str| catalogue.latest(name).map(|latest| latest.id());
    let before = &known.joined;
    let mut told = Vec::new();
    for (name, verdict) in &after.verdicts {
        let was = before.verdicts.get(name).map(|verdict| verdict.faults.as_slice()).unwrap_or_default();
        let one = new.iter().find(|one| one.name == *name);
        let faults: Vec<&String> =
            verdict.faults.iter().filter(|fault| one.is_some() || !was.contains(fault)).collect();
        let (from, to) = (revision(&before.catalogue, name), revision(&after.catalogue, name));
        if one.is_none() && faults.is_empty() && from == to {
            continue;
        }
        let spec = one.and_then(|one| one.spec.as_ref().ok());
        let warnings = spec.map(|spec| check::unknown_fields(spec)).unwrap_or_default();
        told.push(json!({"name": name, "from": from, "to": to, "faults": faults, "warnings": warnings}));
    }
    told
}

/// Whether sets of a profile may change by the new ones.
fn concerns(name: &str, known: &Known, after: &Joined, new: &[Given]) -> bool {
    let id = |catalogue: &Catalogue| catalogue.latest(name).map(|latest| latest.id());
    new.iter().any(|one| one.name == name) || id(&known.joined.catalogue) != id(&after.catalogue)
}

/// What is printed of profiles and sets.
pub(super) fn report(format: SetsFormat, profiles: &[Value], outlooks: &[Outlook], stderr: String) -> Report {
    let mut report = Report { stderr, ..Report::default() };
    let faulty =
        profiles.iter().any(|profile| profile["faults"].as_array().is_some_and(|all| !all.is_empty()));
    let news: Vec<&Outlook> = outlooks.iter().filter(|outlook| outlook.is_news()).collect();
    if faulty || !news.is_empty() {
        report.end(Exit::Findings);
    }
    report.stdout = match format {
        SetsFormat::Json => {
            let repinned = outlooks.iter().filter(|outlook| outlook.is_repinned_alone());
            let sets: Vec<Value> = news.iter().copied().chain(repinned).map(Outlook::json).collect();
            format!("{:#}\n", json!({"profiles": profiles, "looked": outlooks.len(), "sets": sets}))
        }
        SetsFormat::Text => {
            let profiles: String = profiles.iter().map(profile_told).collect();
            profiles + &together(&news) + &summary(outlooks, &news)
        }
    };
    report
}

fn profile_told(profile: &Value) -> String {
    let name = text(&profile["name"]);
    let way = match (profile["from"].as_str(), profile["to"].as_str()) {
        (None, None) => "is not used".to_owned(),
        (None, Some(to)) => format!("is new: {to}"),
        (Some(from), None) => format!("{from} is used no more"),
        (Some(from), Some(to)) if from == to => format!("stays at {to}"),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    };
    let mut out = format!("StatefulSetProfile {name}: {way}\n");
    let lines = |field: &str| profile[field].as_array().cloned().unwrap_or_default();
    out.extend(lines("faults").iter().map(|fault| format!("  fault: {}\n", text(fault))));
    out.extend(lines("warnings").iter().map(|warning| format!("  warning: {}\n", text(warning))));
    out
}

fn summary(outlooks: &[Outlook], news: &[&Outlook]) -> String {
    let refused = news.iter().filter(|outlook| !outlook.moved.refused.is_empty()).count();
    let changed =
        news.iter().filter(|outlook| outlook.moved.refused.is_empty() && outlook.moved.changes_objects());
    let pods: u64 = news.iter().map(|outlook| outlook.moved.restarts).sum();
    let anew = news.iter().filter(|outlook| !outlook.anew.is_empty()).count();
    let restart = if pods == 1 { "restarts" } else { "restart" };
    let sets = if outlooks.len() == 1 { "set" } else { "sets" };
    let mut out = format!(
        "{} of {} {sets} would change and {} {restart}; {refused} would be refused",
        changed.count(),
        outlooks.len(),
        super::moves::pods(pods),
    );
    if anew > 0 {
        out.push_str(&format!("; new ones like {anew} would be admitted otherwise"));
    }
    let repinned: Vec<&Move> =
        outlooks.iter().filter(|one| one.is_repinned_alone()).map(|one| &one.moved).collect();
    if !repinned.is_empty() {
        let noted = repinned.iter().any(|moved| moved.from == moved.to);
        let defaults = if noted { ", or their namespace's defaults of today" } else { "" };
        out.push_str(&format!(
            "; {} only get the new revision{defaults}: nothing in them changes",
            repinned.len()
        ));
    }
    out + "\n"
}

/// Engines of before and after.
fn engines(known: &Known, after: &Joined) -> (Engine, Engine) {
    (known.engine(), Engine::new(Arc::clone(&after.catalogue)))
}

#[cfg(test)]
mod tests;
