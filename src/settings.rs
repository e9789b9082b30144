//! Labels, annotations, image and profile of one StatefulSet, resolved into what expansion needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::profile::Axis;
use crate::catalogue::{Catalogue, DEFAULT, Profile, Variant};
use crate::fault::{Fault, Reason};
use crate::image::Image;
use crate::intent::{Intent, RevisionWish};
use crate::names;
use crate::path::Path;

/// What a set is pinned to, from its creation on: profile, revision, variant and main container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pin {
    /// The profile's name.
    pub profile: String,
    /// The profile's revision.
    pub revision: String,
    /// The cases of the profile's axes, in their order.
    pub cases: Vec<String>,
    /// The main container's name; empty where a pin was read from a claim, which does not say it.
    pub main: String,
    /// How many pods the set was formed with, where its profile makes something of that.
    pub formed: Option<u64>,
    /// The defaults of its namespace.
    pub defaults: Defaults,
}

/// Defaults that a set finds in its namespace, in annotations of that and in claims that a set of its name left
/// there: stronger than a profile's, weaker than a set's own. They are part of what a set is pinned to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Defaults {
    /// `size`: the resource class, in profiles that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// `storage-class` of the data volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The storage classes of claims that were there before the set, by claim template: stronger than any
    /// that the namespace or a profile gives.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}

impl Defaults {
    /// The names of the annotations, without the prefix.
    pub const KEYS: [&str; 2] = ["size", "storage-class"];

    /// What a namespace's annotations say. A value that a set could not have is passed over.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        let intent = |name: &'static str| {
            let key = format!("{}{name}", names::PREFIX);
            let given = annotations.get(&key)?;
            let (intent, faults) = Intent::parse(None, Some(&serde_json::json!({key: given})));
            faults.is_empty().then_some(intent)
        };
        Self {
            size: intent("size").and_then(|intent| intent.size),
            storage_class: intent("storage-class").and_then(|intent| intent.storage_class),
            claims: BTreeMap::new(),
        }
    }

    /// The annotations that say the same.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let values = Self::KEYS.into_iter().zip([&self.size, &self.storage_class]);
        values.filter_map(|(key, value)| Some((format!("{}{key}", names::PREFIX), value.clone()?))).collect()
    }

    /// What an upgrade brings of these to a set that was pinned to others: its claims are made, and a class
    /// is for those that are to come.
    #[must_use]
    pub fn brought_to(self, pinned: &Self) -> Self {
        Self { storage_class: pinned.storage_class.clone(), claims: pinned.claims.clone(), ..self }
    }

    /// The size of sets that name none: sizes are each profile's own, and a namespace has sets of many.
    #[must_use]
    pub fn size_in<'a>(&'a self, profile: &'a Profile) -> Option<&'a str> {
        self.own_size_in(profile).or(profile.size.as_ref()).map(String::as_str)
    }

    /// The size that these give to sets of a profile, which has to have it.
    #[must_use]
    pub fn own_size_in(&self, profile: &Profile) -> Option<&String> {
        self.size.as_ref().filter(|size| profile.sizes.contains_key(*size))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One StatefulSet's settings: nothing in here can be malformed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The set's name.
    pub name: String,
    /// What the user asked for.
    pub intent: Intent,
    /// The main container's name.
    pub main: String,
    /// How many pods it asks for.
    pub replicas: u64,
    /// How many it was formed with; as many as now where nothing says so.
    pub formed: u64,
    /// The defaults of its namespace.
    pub defaults: Defaults,
    /// The profile in use.
    pub profile: Arc<Profile>,
    /// The cases in use, one for each axis of the profile.
    pub cases: Vec<String>,
    /// The profile in these cases.
    pub variant: Variant,
    /// Axes that the image's tag does not tell; the first case of each stands in `cases`.
    pub unresolved: Vec<Axis>,
}

impl Pin {
    /// Reads `postgresql@5f3c9a12/18,debian`, as claims carry it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, cases) = text.split_once('/').unwrap_or((text, ""));
        let (profile, revision) = id.split_once('@')?;
        (!profile.is_empty() && !revision.is_empty()).then(|| Self {
            profile: profile.to_owned(),
            revision: revision.to_owned(),
            cases: cases.split(',').filter(|case| !case.is_empty()).map(str::to_owned).collect(),
            main: String::new(),
            formed: None,
            defaults: Defaults::default(),
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.profile, self.revision)?;
        if self.cases.is_empty() { Ok(()) } else { write!(f, "/{}", self.cases.join(",")) }
    }
}

impl Settings {
    /// The settings of a set without a pin: the profile that the user picks, else the one that
    /// knows the main container's image, else `default`.
    ///
    /// # Errors
    /// A profile, revision or main container that does not exist.
    pub fn choose(object: &Value, intent: &Intent, catalogue: &Catalogue) -> Result<Self, Vec<Fault>> {
        let main = main_container(object, intent, catalogue)?;
        let latest = match &intent.profile {
            Some(name) => catalogue.latest(name).ok_or_else(|| vec![unknown_profile(name, catalogue)])?,
            None => catalogue
                .for_image(image_of(object, &main))
                .or_else(|| catalogue.latest(DEFAULT))
                .ok_or_else(|| vec![unknown_profile(DEFAULT, catalogue)])?,
        };
        let profile = match wish(intent) {
            Some((key, wish)) => wished(key, wish, latest, catalogue).map_err(|fault| vec![fault])?,
            None => Arc::clone(latest),
        };
        let image = Image::parse(image_of(object, &main));
        let mut unresolved = Vec::new();
        let mut cases = Vec::new();
        for axis in &profile.axes {
            let case = axis.cases.iter().find(|case| case.fits(&image)).or_else(|| {
                unresolved.push(axis.clone());
                axis.cases.first()
            });
            cases.extend(case.map(|case| case.name.clone()));
        }
        Ok(Self::of(object, intent, main, profile, cases, unresolved))
    }

    /// The settings of a set that is pinned. `None` if nobody knows the pin's revision any more.
    ///
    /// A main container that was renamed is chosen anew.
    #[must_use]
    pub fn pinned(object: &Value, intent: &Intent, pin: &Pin, catalogue: &Catalogue) -> Option<Self> {
        let profile = Arc::clone(catalogue.revision(&pin.profile, &pin.revision)?);
        let main = pinned_main(object, intent, pin);
        let settings = Self::new(object, intent, main, profile, pin.cases.clone());
        Some(settings.formed_as(pin).with_defaults(pin.defaults.clone()))
    }

    /// These settings, for a set that was formed with as many pods as its pin says.
    #[must_use]
    pub fn formed_as(self, pin: &Pin) -> Self {
        Self { formed: pin.formed.unwrap_or(self.formed), ..self }
    }

    /// These settings with defaults of a namespace.
    #[must_use]
    pub fn with_defaults(self, defaults: Defaults) -> Self {
        Self { defaults, ..self }
    }

    /// Settings of these parts, every axis told.
    #[must_use]
    pub fn new(
        object: &Value,
        intent: &Intent,
        main: String,
        profile: Arc<Profile>,
        cases: Vec<String>,
    ) -> Self {
        Self::of(object, intent, main, profile, cases, Vec::new())
    }

    fn of(
        object: &Value,
        intent: &Intent,
        main: String,
        profile: Arc<Profile>,
        cases: Vec<String>,
        unresolved: Vec<Axis>,
    ) -> Self {
        let names: Vec<&str> = cases.iter().map(String::as_str).collect();
        Self {
            name: text(&object["metadata"]["name"]).to_owned(),
            intent: intent.clone(),
            main,
            replicas: replicas(object),
            formed: replicas(object),
            defaults: Defaults::default(),
            variant: profile.variant(&names),
            profile,
            cases,
            unresolved,
        }
    }

    /// These settings with other cases of the profile's axes.
    #[must_use]
    pub fn with_cases(&self, cases: Vec<String>) -> Self {
        let names: Vec<&str> = cases.iter().map(String::as_str).collect();
        let variant = self.profile.variant(&names);
        Self { cases, variant, unresolved: Vec::new(), ..self.clone() }
    }

    /// What a set with these settings is pinned to.
    #[must_use]
    pub fn pin(&self) -> Pin {
        Pin {
            profile: self.profile.name.clone(),
            revision: self.profile.revision.clone(),
            cases: self.cases.clone(),
            main: self.main.clone(),
            formed: self.profile.keeps_count.then_some(self.formed),
            defaults: self.defaults.clone(),
        }
    }
}

/// How many pods a StatefulSet asks for.
#[must_use]
pub fn replicas(object: &Value) -> u64 {
    object["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// The containers of a StatefulSet, none if there is no such list.
#[must_use]
pub fn containers(object: &Value) -> &[Value] {
    object["spec"]["template"]["spec"]["containers"].as_array().map_or(&[], Vec::as_slice)
}

/// The path of the list of containers.
#[must_use]
pub fn containers_path() -> Path {
    Path::fields(&["spec", "template", "spec", "containers"])
}

/// The image of a container; empty if there is none.
#[must_use]
pub fn image_of<'a>(object: &'a Value, container: &str) -> &'a str {
    containers(object).iter().find(|c| c["name"] == container).map_or("", |c| text(&c["image"]))
}

/// The wish for a revision that holds at creation: the one for once before the standing one.
#[must_use]
pub fn wish(intent: &Intent) -> Option<(&'static str, &RevisionWish)> {
    let once = intent.upgrade_to.as_ref().map(|wish| (names::UPGRADE_TO, wish));
    once.or_else(|| intent.profile_revision.as_ref().map(|wish| (names::PROFILE_REVISION, wish)))
}

/// The revision that a wish asks for, `latest` being the newest of the profile in use.
///
/// # Errors
/// A revision that nobody knows.
pub fn wished(
    key: &str,
    wish: &RevisionWish,
    latest: &Arc<Profile>,
    catalogue: &Catalogue,
) -> Result<Arc<Profile>, Fault> {
    let RevisionWish::Exact { profile, revision } = wish else {
        return Ok(Arc::clone(latest));
    };
    if *profile != latest.name {
        let problem = format!("{profile}@{revision} is no revision of {}, the profile in use", latest.name);
        let remedy = format!("write latest, or set the label {} to {profile} too", names::PROFILE);
        return Err(Fault::new(Reason::Contradiction, key, problem, remedy));
    }
    catalogue.revision(profile, revision).map(Arc::clone).ok_or_else(|| {
        let known: Vec<String> = catalogue.revisions(profile).map(|known| known.id()).collect();
        let problem = format!("nobody knows the revision {profile}@{revision}");
        Fault::new(Reason::NotFound, key, problem, format!("write latest, or one of {}", known.join(", ")))
    })
}

/// The main container of a pinned set: the one that the user names, else the pinned one, else, if
/// that was renamed, chosen anew.
#[must_use]
pub fn pinned_main(object: &Value, intent: &Intent, pin: &Pin) -> String {
    let named = intent.main_container.iter().chain([&pin.main]).find(|name| has_container(object, name));
    named.cloned().unwrap_or_else(|| default_main(object, |_| false))
}

/// The fault of naming a main container that is not there.
#[must_use]
pub fn unknown_main(object: &Value, intent: &Intent) -> Option<Fault> {
    let name = intent.main_container.as_ref().filter(|name| !has_container(object, name))?;
    let names: Vec<&str> = containers(object).iter().map(|c| text(&c["name"])).collect();
    let key = format!("{}main-container", names::PREFIX);
    let problem = format!("no container is named {name:?}");
    Some(Fault::new(Reason::NotFound, key, problem, format!("write one of {}", names.join(", "))))
}

/// The container that gets the profile: the one that the user names, else the one that kubectl
/// means by default, else the first whose image a profile knows, else the first.
fn main_container(object: &Value, intent: &Intent, catalogue: &Catalogue) -> Result<String, Vec<Fault>> {
    if let Some(fault) = unknown_main(object, intent) {
        return Err(vec![fault]);
    }
    let known = |image: &str| catalogue.for_image(image).is_some();
    Ok(intent.main_container.clone().unwrap_or_else(|| default_main(object, known)))
}

/// The container that kubectl means by default, else the first whose image is known, else the first.
fn default_main(object: &Value, known: impl Fn(&str) -> bool) -> String {
    let annotated = text(&object["spec"]["template"]["metadata"]["annotations"][names::DEFAULT_CONTAINER]);
    let all = containers(object);
    let main = all
        .iter()
        .find(|container| container["name"] == annotated)
        .or_else(|| all.iter().find(|container| known(text(&container["image"]))))
        .or(all.first());
    main.map_or_else(String::new, |container| text(&container["name"]).to_owned())
}

fn has_container(object: &Value, name: &str) -> bool {
    containers(object).iter().any(|container| container["name"] == name)
}

/// The fault of naming a profile that is not there, or that is passed over for a fault of its own.
#[must_use]
pub fn unknown_profile(name: &str, catalogue: &Catalogue) -> Fault {
    if let Some(fault) = catalogue.fault_of(name) {
        let problem = format!("profile {name} has a fault: {fault}");
        return Fault::new(Reason::NotFound, names::PROFILE, problem, "mend it");
    }
    let known: Vec<&str> = catalogue.profiles().map(|profile| profile.name.as_str()).collect();
    // Of a short name, all others are near.
    let far = (name.chars().count() / 3).min(2);
    let near = known.iter().find(|known| strsim::damerau_levenshtein(known, name) <= far);
    let remedy = match near {
        Some(near) => format!("did you mean {near}? There are {}", known.join(", ")),
        None => format!("write one of {}", known.join(", ")),
    };
    Fault::new(Reason::NotFound, names::PROFILE, format!("there is no profile {name:?}"), remedy)
}

/// A string's text; empty for anything else.
#[must_use]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::cluster::Given;

    /// A profile with a name of two letters.
    const D1: &str = "{apiVersion: stateward.dev/v1alpha1, kind: StatefulSetProfile, metadata: {name: d1}, spec: \
        {summary: x, extends: default}}";

    fn set(containers: &Value) -> Value {
        json!({"metadata": {"name": "db"}, "spec": {"template": {"spec": {"containers": containers}}}})
    }

    fn choose(object: &Value, intent: &Intent) -> Result<Settings, Vec<Fault>> {
        Settings::choose(object, intent, &Catalogue::built_in().unwrap())
    }

    #[test]
    fn the_container_whose_image_a_profile_knows_is_the_main_one() {
        let object = set(
            &json!([{"name": "proxy", "image": "envoy:1"}, {"name": "pg", "image": "postgres:18-alpine"}]),
        );
        let settings = choose(&object, &Intent::default()).unwrap();
        assert_eq!((settings.main.as_str(), settings.profile.name.as_str()), ("pg", "postgresql"));
        assert_eq!(settings.cases, ["18", "alpine"]);
        assert!(settings.pin().to_string().ends_with("/18,alpine"));
    }

    #[test]
    fn a_name_that_no_container_has_is_told() {
        let intent = Intent { main_container: Some("x".into()), ..Intent::default() };
        let faults = choose(&set(&json!([{"name": "a", "image": "b"}])), &intent).unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "stateward.dev/main-container: no container is named \"x\"; write one of a"
        );
    }

    #[test]
    fn an_unknown_profile_is_told_with_the_nearest() {
        let intent = Intent { profile: Some("postgresq".into()), ..Intent::default() };
        let faults = choose(&set(&json!([{"name": "a", "image": "b"}])), &intent).unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "stateward.dev/profile: there is no profile \"postgresq\"; did you mean postgresql? \
             There are cassandra, consul, default, elasticsearch, etcd, kafka, mariadb, memcached, mongodb, \
             mysql, nats, opensearch, postgresql, rabbitmq, redis, solr, valkey, zookeeper"
        );
    }

    #[test]
    fn of_a_short_name_no_other_is_near() {
        let told = unknown_profile("nat", &Catalogue::built_in().unwrap()).remedy;
        assert!(told.starts_with("did you mean nats? "), "{told}");
        let told = unknown_profile("qq", &Catalogue::built_in().unwrap().with([("x", D1)]).unwrap()).remedy;
        assert!(told.starts_with("write one of cassandra, "), "{told}");
    }

    #[test]
    fn a_profile_with_a_fault_is_not_called_absent() {
        let spec = serde_json::from_value(json!({"summary": "x", "extends": "nothing"})).unwrap();
        let given = Given { name: "qq".into(), spec: Ok(Arc::new(spec)) };
        let joined = Catalogue::built_in().unwrap().join(&[given], &[]);
        let told = unknown_profile("qq", &joined.catalogue).to_string();
        assert!(told.starts_with("stateward.dev/profile: profile qq has a fault: "), "{told}");
        assert!(told.ends_with("; mend it"), "{told}");
    }

    #[test]
    fn pins_are_read_as_they_are_written() {
        for text in ["postgresql@5f3c9a12/18,debian", "default@00000000"] {
            assert_eq!(Pin::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Pin::parse("postgresql"), None);
    }
}
