//! Claim templates and their mounts in the main container.
//!
//! A mount goes to the exact path where the image keeps its data: above it, the runtime would put
//! an anonymous volume over ours, and the data would be lost with the pod.

use serde_json::{Value, json};

use super::{Draft, Family, Offered, Source, scratch};
use crate::fault::{Fault, Reason};
use crate::intent::Storage;
use crate::names;
use crate::path::{ItemKey, Path, Step};
use crate::quantity::Quantity;
use crate::settings::text;

/// A claim and its mount, as wanted.
struct Wanted {
    claim: String,
    size: String,
    class: Option<String>,
    access: String,
    path: String,
    sub_path: Option<String>,
    /// Where the size comes from, and what nobody said.
    source: Source,
    class_source: Source,
    access_source: Source,
    path_source: Source,
    sub_path_source: Source,
    /// The annotation with which the user asked for it, if so.
    key: Option<String>,
}

pub(super) fn expand(draft: &mut Draft) {
    let mut wanted = Vec::new();
    wanted.extend(data_volume(draft));
    for (name, volume) in &draft.settings.intent.volumes {
        let key = format!("{}volume.{name}", names::PREFIX);
        let source = Source::Intent { key: key.as_str().into() };
        wanted.push(Wanted {
            claim: name.clone(),
            size: volume.size.clone(),
            class: volume.class.clone(),
            access: volume.access.clone().unwrap_or_else(|| "ReadWriteOnce".to_owned()),
            path: volume.path.clone(),
            sub_path: None,
            class_source: source.clone(),
            access_source: source.clone(),
            path_source: source.clone(),
            sub_path_source: source.clone(),
            source,
            key: Some(key),
        });
    }
    for volume in wanted {
        place(draft, &volume);
    }
    let defaults = &draft.settings.defaults;
    let offers = draft.offers(Family::Storage);
    let theirs = namesakes(draft.user, &offers);
    let named = |offer| volume_of(offer, &offers).filter(|name| theirs.contains(name)).map(str::to_owned);
    let namesakes: Vec<Option<String>> = offers.iter().map(named).collect();
    for (offer, name) in offers.into_iter().zip(namesakes) {
        match name {
            Some(name) => draft.withhold(offer.path, format!("you have a volume named {name}")),
            None if defaults.claims.keys().any(|template| class_path(template) == offer.path) => {}
            None => _ = draft.take(offer),
        }
    }
    for (template, class) in &defaults.claims {
        let claim = claim_path(template);
        let ours = draft.injections().iter().any(|injection| injection.path.starts_with(&claim));
        if ours || claim.lookup(draft.user).is_some() {
            draft.offer_leaf(class_path(template), Value::from(class.as_str()), &Source::Claims, false);
        }
    }
    scratch::expand(draft);
}

/// Where a claim template stands.
pub(crate) fn claim_path(template: &str) -> Path {
    claims().named(template.to_owned())
}

/// Where the storage class of a claim template stands.
pub(crate) fn class_path(template: &str) -> Path {
    claim_path(template).field("spec").field("storageClassName")
}

/// Where the size that a claim template asks for stands.
pub(crate) fn size_path(template: &str) -> Path {
    claim_path(template).field("spec").field("resources").field("requests").field("storage")
}

/// The names of offered volumes that the user gave to something else: a volume with another source
/// (the API server takes one source for each), or a claim template (which wins over the volume).
fn namesakes<'o>(user: &Value, offers: &'o [Offered]) -> Vec<&'o str> {
    let list = pod_volumes();
    let taken = |offer: &'o Offered| {
        let rest = offer.path.0.get(list.0.len()..).filter(|_| offer.path.starts_with(&list))?;
        let [Step::Item(key), source @ ..] = rest else { return None };
        let name = key.first()?;
        let volume = list.item(key.clone()).lookup(user);
        let other_source = volume.and_then(Value::as_object).is_some_and(|volume| {
            let ours =
                |field: &String| source.first().is_some_and(|s| matches!(s, Step::Field(f) if f == field));
            volume.keys().any(|field| field != "name" && !ours(field))
        });
        (other_source || claim_path(name).lookup(user).is_some()).then_some(name)
    };
    offers.iter().filter_map(taken).collect()
}

/// The volume that an offer belongs to: one of the pod's, or the one that a mount mounts.
fn volume_of<'o>(offer: &'o Offered, offers: &'o [Offered]) -> Option<&'o str> {
    let list = offer.path.0.iter().position(
        |step| matches!(step, Step::Field(field) if matches!(field.as_ref(), "volumes" | "volumeMounts")),
    )?;
    let Some(Step::Item(key)) = offer.path.0.get(list + 1) else { return None };
    if offer.path.0[list] == Step::named("volumes") {
        return key.first();
    }
    let name = Path::of(&offer.path.0[..=list + 1]).field("name");
    offers.iter().find(|other| other.path == name).map(|other| text(&other.value))
}

fn pod_volumes() -> Path {
    Path::fields(&["spec", "template", "spec", "volumes"])
}

/// The data volume, if there is to be one; a fault where the user asks for one and nobody knows
/// where the data is.
fn data_volume(draft: &mut Draft) -> Option<Wanted> {
    let intent = &draft.settings.intent;
    let data = &draft.settings.variant.data;
    let key = |name: &str| format!("{}{name}", names::PREFIX);
    if intent.storage == Some(Storage::None) {
        draft.withhold(claims(), format!("{} is none", key("storage")));
        return None;
    }
    let asked = intent.storage.is_some();
    let path = intent.mount_path.as_ref().or(data.mount_path.as_ref());
    let size = match &intent.storage {
        Some(Storage::Size(size)) => Some(size),
        _ => data.size.as_ref(),
    };
    let (Some(path), Some(size)) = (path, size) else {
        if let Some(fault) = half_said(draft, asked, path.is_some()) {
            draft.fault(fault);
        }
        return None;
    };
    let intended = |said: bool, name: &str, field: &str| {
        let of_profile = || Source::Profile { name: draft.settings.profile.name.as_str().into() };
        let given = || draft.settings.variant.data_by(field).cloned();
        if said { Source::Intent { key: key(name).into() } } else { given().unwrap_or_else(of_profile) }
    };
    let source = intended(asked, "storage", "size");
    let claim = data.claim.clone().unwrap_or_else(|| "data".to_owned());
    let defaults = &draft.settings.defaults;
    // Claims that are there say it instead, once their template is.
    let given = defaults.storage_class.as_ref().filter(|_| !defaults.claims.contains_key(&claim));
    Some(Wanted {
        claim,
        size: size.clone(),
        class: intent.storage_class.as_ref().or(given).cloned(),
        access: intent.access_mode.clone().unwrap_or_else(|| "ReadWriteOnce".to_owned()),
        path: path.clone(),
        sub_path: if intent.mount_path.is_some() { None } else { data.sub_path.clone() },
        class_source: match (&intent.storage_class, given) {
            (None, Some(_)) => Source::Namespace { key: key("storage-class").into() },
            _ => Source::Intent { key: key("storage-class").into() },
        },
        access_source: match intent.access_mode {
            Some(_) => Source::Intent { key: key("access-mode").into() },
            None => source.clone(),
        },
        source,
        path_source: intended(intent.mount_path.is_some(), "mount-path", "mountPath"),
        sub_path_source: intended(false, "mount-path", "subPath"),
        key: asked.then(|| key("storage")),
    })
}

/// The fault of an annotation about the data volume that lacks another one to mean anything.
fn half_said(draft: &Draft, asked: bool, has_path: bool) -> Option<Fault> {
    let intent = &draft.settings.intent;
    let key = |name: &str| format!("{}{name}", names::PREFIX);
    if asked && !has_path {
        let profile = &draft.settings.profile.name;
        return Some(Fault::new(
            Reason::Missing,
            key("storage"),
            format!("neither {} nor profile {profile} says where the data is", key("mount-path")),
            format!(
                "add {}: /path/of/the/data, pick a profile with the label {}, or write a \
                 volumeClaimTemplate and its volumeMount yourself",
                key("mount-path"),
                names::PROFILE
            ),
        ));
    }
    let alone = [
        ("mount-path", intent.mount_path.is_some()),
        ("storage-class", intent.storage_class.is_some()),
        ("access-mode", intent.access_mode.is_some()),
    ];
    let (name, _) = alone.into_iter().find(|(_, said)| *said && !asked)?;
    let problem = format!("there is no data volume: {} is absent", key("storage"));
    let remedy = format!("add {}: 10Gi, or take this one away", key("storage"));
    Some(Fault::new(Reason::Missing, key(name), problem, remedy))
}

pub(super) fn claims() -> Path {
    Path::fields(&["spec", "volumeClaimTemplates"])
}

/// Offers one claim and its mount, or says why not.
fn place(draft: &mut Draft, wanted: &Wanted) {
    let claim = claim_path(&wanted.claim);
    let mount = draft.main().field("volumeMounts").item(ItemKey::text("mountPath", wanted.path.clone()));
    if let Some(obstacle) = obstacle(draft, wanted) {
        if let Some(fault) = obstacle.fault(draft, wanted) {
            draft.fault(fault);
        }
        draft.withhold(claim, obstacle.why.clone());
        draft.withhold(mount, obstacle.why);
        return;
    }
    if let Some(fault) = idle_wish(draft, wanted, &claim) {
        draft.fault(fault);
    }
    let source = |field: &str| match field {
        "storageClassName" => &wanted.class_source,
        "accessModes" => &wanted.access_source,
        _ => &wanted.source,
    };
    draft.offer_by(&claim, &claim_template(draft, wanted), source, false);
    let block = claim.lookup(draft.user).is_some_and(|c| c["spec"]["volumeMode"] == "Block");
    if block {
        draft.withhold(mount, "the claim is a raw block device");
    } else if is_mounted(draft, &wanted.claim) {
        draft.withhold(mount, format!("you mount {} yourself", wanted.claim));
    } else {
        let mut value = json!({"mountPath": wanted.path, "name": wanted.claim});
        if let Some(sub_path) = &wanted.sub_path {
            value["subPath"] = Value::from(sub_path.as_str());
        }
        let source =
            |field: &str| if field == "subPath" { &wanted.sub_path_source } else { &wanted.path_source };
        draft.offer_by(&mount, &value, source, true);
    }
}

/// The fault of a size that is asked for and means nothing, since the user's own claim has another.
fn idle_wish(draft: &Draft, wanted: &Wanted, claim: &Path) -> Option<Fault> {
    let key = wanted.key.as_ref()?;
    let own = &claim.lookup(draft.user)?["spec"]["resources"]["requests"]["storage"];
    let differs = Quantity::parse(text(own)).ok()? != Quantity::parse(&wanted.size).ok()?;
    let problem = format!("your claim template {} asks for {}", wanted.claim, text(own));
    differs.then(|| {
        Fault::new(Reason::Contradiction, key, problem, "take the annotation away, or write the same size")
    })
}

/// A claim template with all that the API server would fill in.
fn claim_template(draft: &Draft, wanted: &Wanted) -> Value {
    let size = Quantity::parse(&wanted.size).map_or_else(|_| wanted.size.clone(), |q| q.canonical());
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": wanted.claim,
            "labels": {names::STATEFULSET: draft.settings.name},
            "annotations": {names::PIN: draft.settings.pin().to_string()},
        },
        "spec": {
            "accessModes": [wanted.access],
            "resources": {"requests": {"storage": size}},
            "volumeMode": "Filesystem",
        },
    });
    if let Some(class) = &wanted.class {
        claim["spec"]["storageClassName"] = Value::from(class.as_str());
    }
    claim
}

/// What of the user's stands where the claim or its mount would go.
struct Obstacle {
    /// In words.
    why: String,
    /// The field that it is.
    at: Path,
    /// Whether it takes the claim's place: a mount at that very path.
    instead: bool,
}

impl Obstacle {
    /// The fault of it: a wish that cannot be fulfilled, or an image whose data would be left on the
    /// container's own disk without anybody having said so.
    fn fault(&self, draft: &Draft, wanted: &Wanted) -> Option<Fault> {
        let none = format!("{}storage: none", names::PREFIX);
        if let Some(key) = &wanted.key {
            let remedy = "take the annotation or your own volume away";
            return Some(Fault::new(Reason::Contradiction, key, self.why.clone(), remedy));
        }
        if self.instead {
            return None;
        }
        let problem = format!(
            "{}, where {} keeps its data: no claim can be mounted there",
            self.why, draft.settings.profile.name
        );
        let remedy = format!(
            "mount your volume at {}, or elsewhere, or say {none} if the data need not last",
            wanted.path
        );
        Some(Fault::new(Reason::Data, self.at.to_string(), problem, remedy))
    }
}

fn obstacle(draft: &Draft, wanted: &Wanted) -> Option<Obstacle> {
    let mounts = draft.main().field("volumeMounts");
    let others =
        draft.main_items("volumeMounts").iter().filter(|mount| mount["name"] != wanted.claim.as_str());
    let overlaps = others.filter_map(|mount| {
        let (name, path) = (text(&mount["name"]), text(&mount["mountPath"]));
        let how = overlap(path, &wanted.path)?;
        let why = format!("you mount {name} {how} {}", wanted.path);
        let at = mounts.item(ItemKey::text("mountPath", path.to_owned()));
        Some(Obstacle { why, at, instead: how == "at" })
    });
    let overlaps: Vec<Obstacle> = overlaps.collect();
    let instead = overlaps.iter().position(|obstacle| obstacle.instead).unwrap_or(0);
    overlaps.into_iter().nth(instead).or_else(|| namesake(draft, wanted))
}

/// A volume of the user's that has the claim's name; one that is mounted in the claim's place is
/// none.
fn namesake(draft: &Draft, wanted: &Wanted) -> Option<Obstacle> {
    let at = pod_volumes().named(wanted.claim.clone());
    at.lookup(draft.user)?;
    let same_path = |mount: &Value| overlap(text(&mount["mountPath"]), &wanted.path) == Some("at");
    let instead =
        draft.main_items("volumeMounts").iter().any(|m| m["name"] == wanted.claim.as_str() && same_path(m));
    let why = format!("you have a volume named {}, beside {}", wanted.claim, wanted.path);
    Some(Obstacle { why, at, instead })
}

/// How path `a` stands to path `b`, if one is the other or lies in it.
pub(super) fn overlap(a: &str, b: &str) -> Option<&'static str> {
    let (a, b) = (a.trim_end_matches('/'), b.trim_end_matches('/'));
    let inside = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|r| r.starts_with('/'));
    match () {
        () if a == b => Some("at"),
        () if inside(a, b) => Some("below"),
        () if inside(b, a) => Some("above"),
        () => None,
    }
}

/// Whether the user's main container mounts the volume, as files or as a device.
fn is_mounted(draft: &Draft, volume: &str) -> bool {
    ["volumeMounts", "volumeDevices"]
        .iter()
        .any(|list| draft.main_items(list).iter().any(|mount| mount["name"] == volume))
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn paths_overlap_by_whole_segments() {
        for (a, b, how) in [
            ("/data", "/data/", Some("at")),
            ("/data/wal", "/data", Some("below")),
            ("/", "/data", Some("above")),
            ("/data2", "/data", None),
        ] {
            assert_eq!(overlap(a, b), how, "{a} {b}");
        }
    }
}
