//! Containers: that there are any, and that each can be told from the others and has an image.

use std::collections::HashSet;

use super::names::{dns_label, label_like, not_a_label};
use super::pod::{Container, Parts};
use crate::fault::{Fault, Reason};

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let containers = &parts.containers;
    if !containers.iter().any(|c| c.role == super::pod::Role::Main) {
        faults.push(Fault::new(
            Reason::Missing,
            "spec.template.spec.containers",
            "no containers",
            "list at least one, for example - {name: postgres, image: \"postgres:18\"}",
        ));
    }
    let mut names = HashSet::new();
    for container in containers {
        match container.place.text("name") {
            Some(name) => check_name(container, name, &mut names, faults),
            None => faults.push(nameless(container)),
        }
        check_image(container, faults);
        container.place.one_of("imagePullPolicy", &["Always", "IfNotPresent", "Never"], faults);
    }
}

/// A name that we filled in would do once: at the next server-side apply the nameless item and the
/// named one count as two containers.
fn nameless(container: &Container) -> Fault {
    let image = container.place.text("image");
    let problem = match image {
        Some(image) => format!("the container with image {image:?} has no name"),
        None => "the container has no name".to_owned(),
    };
    let example = image.and_then(|image| label_like(repository(image)));
    container.place.fault_at(
        "name",
        Reason::Missing,
        problem,
        format!(
            "write it into the manifest, for example name: {}; one filled in for you would make the \
             next apply add a second container",
            example.as_deref().unwrap_or("app")
        ),
    )
}

fn check_name<'a>(
    container: &Container<'a>,
    name: &'a str,
    names: &mut HashSet<&'a str>,
    faults: &mut Vec<Fault>,
) {
    if !names.insert(name) {
        faults.push(container.place.fault_at(
            "name",
            Reason::Duplicate,
            format!("{name:?} is the name of another container too"),
            "give each container and init container a name of its own",
        ));
    } else if !dns_label(name) {
        let (problem, remedy) = not_a_label(name);
        faults.push(container.place.fault_at("name", Reason::Invalid, problem, remedy));
    }
}

fn check_image(container: &Container, faults: &mut Vec<Fault>) {
    let fault = match container.place.text("image") {
        None => (
            Reason::Missing,
            "no image".to_owned(),
            "write one with its version, for example image: \"postgres:18\"".to_owned(),
        ),
        Some(image) if image.trim() != image => (
            Reason::Invalid,
            format!("{image:?} has white space around it"),
            format!("write image: {:?}", image.trim()),
        ),
        Some(_) => return,
    };
    faults.push(container.place.fault_at("image", fault.0, fault.1, fault.2));
}

/// The last part of an image's name: `postgres` of `registry.example.com/library/postgres:18`.
fn repository(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(pod: &Value) -> Vec<String> {
        let object = json!({"spec": {"template": {"spec": pod}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn there_must_be_one() {
        let wanted = "spec.template.spec.containers: no containers; list at least one, for example \
                      - {name: postgres, image: \"postgres:18\"}";
        for pod in [json!({}), json!({"containers": null}), json!({"containers": "app"}), json!(null)] {
            assert_eq!(faults(&pod), [wanted]);
        }
    }

    #[test]
    fn a_nameless_one_is_named_in_the_manifest_or_not_at_all() {
        let pod = json!({"containers": [{"name": "", "image": "example.com/library/postgres:18"}]});
        assert_eq!(
            faults(&pod),
            ["spec.template.spec.containers[0].name: the container with image \
              \"example.com/library/postgres:18\" has no name; write it into the manifest, for example \
              name: postgres; one filled in for you would make the next apply add a second container"]
        );
    }

    #[test]
    fn names_are_unique_among_init_containers_too() {
        let pod = json!({
            "containers": [{"name": "app", "image": "app:1"}],
            "initContainers": [{"name": "app", "image": "app:1"}, {"name": "Set_Up", "image": "app:1"}],
        });
        assert_eq!(
            faults(&pod),
            [
                "spec.template.spec.initContainers[name=\"app\"].name: \"app\" is the name of another \
                 container too; give each container and init container a name of its own",
                "spec.template.spec.initContainers[name=\"Set_Up\"].name: \"Set_Up\" is not a DNS label; use \
                 at most 63 lower-case letters, digits and inner hyphens, for example \"set-up\""
            ]
        );
    }

    #[test]
    fn an_image_is_needed() {
        let pod = json!({"containers": [
            {"name": "app", "image": ""}, {"name": "log", "image": "log:1 ", "imagePullPolicy": "always"},
        ]});
        assert_eq!(
            faults(&pod),
            [
                "spec.template.spec.containers[name=\"app\"].image: no image; write one with its version, \
                 for example image: \"postgres:18\"",
                "spec.template.spec.containers[name=\"log\"].image: \"log:1 \" has white space around it; \
                 write image: \"log:1\"",
                "spec.template.spec.containers[name=\"log\"].imagePullPolicy: \"always\" is not known here; \
                 write Always or IfNotPresent or Never",
            ]
        );
    }
}
