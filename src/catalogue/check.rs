//! What is wrong with one profile by itself, beyond what its schema refuses.

pub(super) mod words;

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::Profile;
use super::profile::ProfileSpec;
use crate::fault::{Fault, Reason};
use crate::image::Image;
use crate::path::{ListKey, Path, list_key};
use crate::quantity::Quantity;
use crate::validate::names;

/// What keeps a profile from being used, each with its field and what to write instead.
#[must_use]
pub fn faults(spec: &ProfileSpec) -> Vec<String> {
    let mut faults = super::without::faults(spec);
    for (at, set) in statefulsets(spec) {
        of_set(&at, set, &mut faults);
    }
    for (class, amounts) in &spec.sizes {
        if !names::dns_label(class) {
            let (problem, remedy) = names::not_a_label(class);
            faults.push(format!("spec.sizes: {problem}, and no set could name it; {remedy}"));
        }
        for kind in ["requests", "limits"] {
            for (resource, amount) in amounts[kind].as_object().into_iter().flatten() {
                let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
                if let Err(why) = Quantity::parse(&text) {
                    faults.push(format!(
                        "spec.sizes.{class}.{kind}.{resource}: {text:?}: {why}; write 500m or 1Gi"
                    ));
                }
            }
        }
    }
    if let Some(Err(why)) = spec.data.size.as_deref().map(Quantity::parse) {
        faults.push(format!("spec.data.size: {why}; write a size such as 10Gi"));
    }
    if let Some(path) = spec.data.mount_path.as_ref().filter(|path| !path.starts_with('/')) {
        faults.push(format!("spec.data.mountPath: {path:?} is not absolute; begin it with /"));
    }
    if let Some(claim) = spec.data.claim.as_ref().filter(|claim| !names::dns_label(claim)) {
        let (problem, remedy) = names::not_a_label(claim);
        faults.push(format!("spec.data.claim: {problem}; {remedy}"));
    }
    faults.extend(cases(spec));
    images(spec, &mut faults);
    faults
}

/// A line of what is wrong with a profile in its parts. Each has the form `field: problem; remedy`.
#[must_use]
pub fn parted(line: &str) -> Fault {
    let (field, rest) = match field_end(line) {
        Some(end) => (&line[..end], &line[end + 2..]),
        None => ("spec", line),
    };
    let (problem, remedy) = rest.rsplit_once("; ").unwrap_or((rest, ""));
    Fault::new(Reason::Invalid, field, problem, remedy)
}

/// Where the field at the beginning of a line ends: keys in it may have colons, and stand in quotes then.
fn field_end(line: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            ':' if !quoted && line[at..].starts_with(": ") => return Some(at),
            _ => {}
        }
    }
    None
}

/// What is wrong with a partial StatefulSet that stands at `at`.
fn of_set(at: &str, set: &Value, faults: &mut Vec<String>) {
    if !set["spec"]["replicas"].is_null() {
        faults.push(format!(
            "{at}.spec.replicas: a profile sets no replicas; take it out, and say under refuse which counts are wrong"
        ));
    }
    if !set["metadata"].is_null() {
        faults.push(format!(
            "{at}.metadata: a profile says nothing of the set itself; write it under spec.template"
        ));
    }
    for field in ["selector", "serviceName"] {
        if !set["spec"][field].is_null() {
            faults.push(format!("{at}.spec.{field}: it follows from the set's name; take it out"));
        }
    }
    if let Some(at) = nameless(at, set) {
        faults.push(format!("{at}: a container has no name; write $(main) for the main one"));
    }
    for (field, only) in IDENTITY {
        if !set[field].is_null() && set[field] != only {
            faults.push(format!(
                "{at}.{field}: is {}, where a StatefulSet stands; take {field} out",
                set[field]
            ));
        }
    }
    let (_, wrong) = read(set.clone());
    faults.extend(wrong.into_iter().map(|wrong| {
        // What is wrong with the whole has no field.
        if wrong.starts_with(':') { format!("{at}{wrong}") } else { format!("{at}.{wrong}") }
    }));
}

/// What is wrong with the images that pick it.
fn images(spec: &ProfileSpec, faults: &mut Vec<String>) {
    for image in &spec.matching.images {
        let name = Image::parse(image).name();
        if name != image {
            faults
                .push(format!("spec.match.images: {image} is never met, being read as {name}; write {name}"));
        } else if image.contains('*') {
            faults.push(format!("spec.match.images: {image}: there are no patterns; write each repository"));
        // Of an empty one the schema tells.
        } else if !image.is_empty() && !is_repository(image) {
            faults.push(format!(
                "spec.match.images: {image:?} is no repository, and no image has it; write lower-case letters, digits \
                 and between them . _ - and /"
            ));
        }
    }
}

/// Cases that no image is of, and names that stand for two: pins tell cases apart by their names.
fn cases(spec: &ProfileSpec) -> Vec<String> {
    let mut faults = Vec::new();
    for (axis, variant) in spec.variants.iter().enumerate() {
        for (position, case) in variant.cases.iter().enumerate() {
            let at = format!("spec.variants[{axis}].cases[{position}]");
            if variant.cases[..position].iter().any(|other| other.name == case.name) {
                faults.push(format!(
                    "{at}.name: {:?} is the name of another case too; give each a name of its own",
                    case.name
                ));
            }
            if let (Some(from), Some(to)) = (case.major_from, case.major_to)
                && from > to
                && case.tag_contains.is_none()
                && !case.otherwise
            {
                faults.push(format!(
                    "{at}: majorFrom {from} is above majorTo {to}, and no image is of it; write {to} and {from}"
                ));
            }
        }
    }
    faults
}

/// Whether an image may have this repository (`distribution/reference`), runs of separators let pass.
fn is_repository(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split('/').all(|part| {
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && part.chars().all(|c| is_plain(c) || matches!(c, '.' | '_' | '-'))
    })
}

/// A size that neither it nor its parents have; a set that names none gets none then.
pub(super) fn unsized_of(profile: &mut Profile) -> Option<String> {
    let size = profile.size.take_if(|size| !profile.sizes.contains_key(size))?;
    let known: Vec<&str> = profile.sizes.keys().map(String::as_str).collect();
    let known =
        if known.is_empty() { "one, and its amounts under sizes".to_owned() } else { known.join(" or ") };
    Some(format!("spec.size: {size:?} is no class of its sizes, nor of its parents'; write {known}"))
}

/// What says that an object is a StatefulSet, which a part of one need not say.
const IDENTITY: [(&str, &str); 2] = [("apiVersion", "apps/v1"), ("kind", "StatefulSet")];

/// Reads a partial StatefulSet, and tells of each value that is not of its field's type, which is then left out.
fn read(mut set: Value) -> (Option<StatefulSet>, Vec<String>) {
    // Of another kind nothing would be read; that it is one is told apart.
    if let Some(set) = set.as_object_mut() {
        set.retain(|field, _| IDENTITY.iter().all(|(other, _)| field != other));
    }
    words::read_all("", set)
}

/// Fields of its StatefulSet that this version of stateward does not know: a typing error, or newer
/// than it. They are set all the same.
#[must_use]
pub fn unknown_fields(spec: &ProfileSpec) -> Vec<String> {
    let mut unknown = Vec::new();
    for (at, set) in statefulsets(spec) {
        let (read, wrong) = read(set.clone());
        // Values of other types are faults, and what stands below them is not read.
        if let (Some(read), true) = (read, wrong.is_empty()) {
            lost(&at, set, &serde_json::json!(read), &mut unknown);
        }
    }
    unknown
}

/// Items of lists that go by a key: those without it, which no set gets, and those with one that stands
/// there already, which are merged into it.
#[must_use]
pub fn keys(spec: &ProfileSpec) -> (Vec<String>, Vec<String>) {
    let (mut faults, mut remarks) = (Vec::new(), Vec::new());
    for (at, set) in statefulsets(spec) {
        let mut lists = Vec::new();
        collect_lists(&at, "", set, &mut lists);
        for List { at, name, keys, items } in lists {
            let keyed: Vec<_> = items.iter().map(|item| keys.of(item)).collect();
            for (position, key) in keyed.iter().enumerate() {
                let place = format!("{at}[{position}]");
                match key {
                    // It is told already.
                    None if name.ends_with("ontainers") => {}
                    None => faults.push(format!(
                        "{place}: has not by what an item of {name} is known, and no set would get it; write {}",
                        words::first_of(name)
                    )),
                    Some(key) if keyed[..position].contains(&Some(key.clone())) => {
                        remarks.push(format!("{place}: {key} stands there twice; what is said last holds"));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    (faults, remarks)
}

/// A list whose items go by keys.
struct List<'v> {
    at: String,
    name: &'v str,
    keys: ListKey,
    items: &'v [Value],
}

fn collect_lists<'v>(at: &str, name: &'v str, value: &'v Value, found: &mut Vec<List<'v>>) {
    match value {
        Value::Object(map) => {
            for (field, value) in map {
                collect_lists(&format!("{at}.{field}"), field, value, found);
            }
        }
        Value::Array(items) => {
            found.extend(list_key(name).map(|keys| List { at: at.to_owned(), name, keys, items }));
            for (position, item) in items.iter().enumerate() {
                collect_lists(&format!("{at}[{position}]"), "", item, found);
            }
        }
        _ => {}
    }
}

/// What it takes away from its parents, which who applies it may lose on the way.
#[must_use]
pub fn nulls(spec: &ProfileSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |at: &str, instead: &str| {
        let instead = match instead {
            "" => String::new(),
            instead => format!(", or write {instead} under spec.without"),
        };
        found.push(format!(
            "{at} is null, and client-side kubectl apply leaves nulls out; apply with --server-side{instead}"
        ));
    };
    for (at, set) in statefulsets(spec) {
        // What a case takes away is its own to say.
        let prefix = (at == "spec.statefulSet").then_some("statefulSet");
        each_null((&at, prefix.unwrap_or_default()), "", set, &mut tell);
    }
    each_null(("spec.companions", "companions"), "", &spec.companions, &mut tell);
    each_null(("spec.refuse", "refuse"), "", &spec.refuse, &mut tell);
    found
}

/// The nulls that somebody wrote and that are not in what was sent: `written` and `sent` are specs. Each
/// takes away nothing, and nobody said so.
#[must_use]
pub fn left_out(written: &Value, sent: &Value) -> Vec<String> {
    let nulls = |spec: &Value| {
        let mut found = Vec::new();
        // Of all others a null says no more than that they are not said.
        for field in super::without::FIELDS {
            let Some(value) = spec.get(field) else { continue };
            let whole = format!("spec.{field}");
            each_null((&whole, field), field, value, &mut |at, instead| {
                // Of a variant a null takes away in the StatefulSets of its cases alone.
                let takes = takes_by_null(field) && (field != "variants" || at.contains("].statefulSet."));
                found.push((at.to_owned(), instead.to_owned(), at != whole && takes));
            });
        }
        found
    };
    let still = nulls(sent);
    let lost = nulls(written).into_iter().filter(|null| !still.contains(null));
    lost.map(|(at, instead, by_null)| {
        let mut ways = Vec::new();
        if !instead.is_empty() {
            ways.push(format!("write {instead} under spec.without"));
        }
        if by_null {
            ways.push("apply with --server-side".to_owned());
        }
        let ways = if ways.is_empty() {
            "it says nothing here, so leave it out".to_owned()
        } else {
            ways.join(", or ")
        };
        format!("{at}: null was left out by client-side apply; {ways}")
    })
    .collect()
}

/// The fields below which null takes away. Of others the API server refuses it, or it says nothing.
fn takes_by_null(field: &str) -> bool {
    matches!(field, "companions" | "refuse" | "statefulSet" | "variants")
}

/// The nulls that the API server takes and that take nothing away.
#[must_use]
pub fn idle_nulls(spec: &Value) -> Vec<String> {
    let is_null = |spec: &Value, field: &str| {
        spec.pointer(&format!("/{}", field.replace('.', "/"))).is_some_and(Value::is_null)
    };
    let of_data = super::without::OF_DATA.map(|field| format!("data.{field}"));
    let others = ["scratch", "size", "spread"].map(str::to_owned);
    let own = of_data.clone().into_iter().chain(others);
    let own = own.filter(|field| is_null(spec, field)).map(|field| {
        format!("spec.{field} is null, which takes nothing away; write {field} under spec.without")
    });
    let of_cases = cases_in(spec).flat_map(|(at, case)| {
        let fields = of_data.iter().filter(move |field| is_null(case, field));
        fields.map(move |field| {
            format!(
                "{at}.{field} is null, which takes nothing away; leave it out, and write {field} in the cases alone \
                 that are to have it"
            )
        })
    });
    own.chain(of_cases).collect()
}

/// The cases of a profile's variants as they were sent, and where each stands.
fn cases_in(spec: &Value) -> impl Iterator<Item = (String, &Value)> {
    let variants = spec["variants"].as_array().into_iter().flatten();
    variants.enumerate().flat_map(|(axis, variant)| {
        let cases = variant["cases"].as_array().into_iter().flatten().enumerate();
        cases.map(move |(case, one)| (format!("spec.variants[{axis}].cases[{case}]"), one))
    })
}

/// Calls `tell` for each null below `value`, with its place and what `without` calls it; that is empty
/// where it has no name there.
fn each_null((at, named): (&str, &str), list: &str, value: &Value, tell: &mut dyn FnMut(&str, &str)) {
    let join = |name: &str| if named.is_empty() { String::new() } else { format!("{named}.{name}") };
    match value {
        // The whole may be absent.
        Value::Null if !list.is_empty() => tell(at, named),
        Value::Object(map) => {
            for (field, value) in map {
                each_null((&format!("{at}.{field}"), &join(field)), field, value, tell);
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                let key = list_key(list).and_then(|keys| keys.of(item));
                let path = key.map(|key| super::without::short(&Path::default().item(key)));
                let named = path.filter(|_| !named.is_empty()).map(|key| format!("{named}{key}"));
                each_null((&format!("{at}[{position}]"), &named.unwrap_or_default()), list, item, tell);
            }
        }
        _ => {}
    }
}

/// The partial StatefulSets of a profile and where each stands.
fn statefulsets(spec: &ProfileSpec) -> Vec<(String, &Value)> {
    let cases = spec.variants.iter().enumerate().flat_map(|(axis, variant)| {
        let cases = variant.cases.iter().enumerate();
        cases.map(move |(case, one)| {
            (format!("spec.variants[{axis}].cases[{case}].statefulSet"), &one.stateful_set)
        })
    });
    let all = std::iter::once(("spec.statefulSet".to_owned(), &spec.stateful_set)).chain(cases);
    all.filter(|(_, set)| !set.is_null()).collect()
}

fn nameless(at: &str, set: &Value) -> Option<String> {
    ["containers", "initContainers"].into_iter().find_map(|list| {
        let containers = set["spec"]["template"]["spec"][list].as_array()?;
        let position = containers.iter().position(|container| !container["name"].is_string())?;
        Some(format!("{at}.spec.template.spec.{list}[{position}].name"))
    })
}

/// Fields of `written` that `read` has not kept.
pub(super) fn lost(at: &str, written: &Value, read: &Value, unknown: &mut Vec<String>) {
    match written {
        Value::Object(map) => {
            for (field, value) in map {
                match read.get(field) {
                    // It says nothing that could be kept.
                    _ if value.is_null() => {}
                    Some(read) => lost(&format!("{at}.{field}"), value, read, unknown),
                    None => {
                        unknown
                            .push(format!("{at}.{field} is no field that this version of stateward knows"));
                    }
                }
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                lost(&format!("{at}[{position}]"), item, &read[position], unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
