//! What every rendering keeps, whatever the values.

use std::collections::BTreeSet;
use std::fs;

use clap::{Args, Command};
use serde_json::{Value, json};
use stateward::configuration::Configuration;
use stateward::server::WebhookArgs;

use crate::helm::{SETS, chart, object, objects, of_kind, render_set, render_with};

/// The labels by which the pods of a component are found.
fn selector(component: &str) -> Value {
    json!({"app.kubernetes.io/name": "stateward", "app.kubernetes.io/component": component})
}

#[test]
fn the_bundle_is_rendered_only_where_it_is_given() {
    for set in ["default", "cert-manager", "everything"] {
        for (file, text) in render_set(set) {
            assert!(!text.contains("caBundle:"), "{set}/{file}");
        }
    }
    let given = objects(&render_set("given"));
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        for entry in object(&given, kind, "stateward")["webhooks"].as_array().unwrap() {
            assert!(entry["clientConfig"]["caBundle"].is_string(), "{kind}: {entry}");
        }
    }
}

#[test]
fn cert_manager_is_told_where_the_bundle_goes() {
    let rendered = objects(&render_set("cert-manager"));
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let annotations = &object(&rendered, kind, "stateward")["metadata"]["annotations"];
        assert_eq!(annotations["cert-manager.io/inject-ca-from"], "guard/stateward-serving");
    }
    let leaf = &object(&rendered, "Certificate", "stateward-serving")["spec"];
    assert_eq!(leaf["dnsNames"], json!(["stateward.guard.svc", "stateward.guard.svc.cluster.local"]));
    assert_eq!(leaf["issuerRef"]["name"], "stateward-ca");
    // An issuer of one's own needs no CA of ours.
    let rendered = objects(&render_set("everything"));
    assert_eq!(of_kind(&rendered, "Certificate").len(), 1);
    assert!(of_kind(&rendered, "Issuer").is_empty());
}

/// Tools that track by this label prune what carries it.
#[test]
fn nothing_carries_the_instance_label() {
    for set in SETS {
        for (file, text) in render_set(set) {
            assert!(!text.contains("app.kubernetes.io/instance"), "{set}/{file}");
        }
    }
}

#[test]
fn everything_carries_our_name_and_nobody_takes_it_away() {
    let rendered = objects(&render_set("everything"));
    for object in &rendered {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "stateward", "{}", object["metadata"]);
        assert_eq!(labels["team"], "platform", "{}", object["metadata"]);
    }
}

#[test]
fn selectors_find_the_pods_of_one_component_and_stay_as_they_are() {
    for set in SETS {
        let rendered = objects(&render_set(set));
        for deployment in of_kind(&rendered, "Deployment") {
            let component = deployment["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap();
            let spec = &deployment["spec"];
            // Immutable: another one would need the Deployment to be deleted.
            assert_eq!(spec["selector"]["matchLabels"], selector(component), "{set}");
            for (key, value) in selector(component).as_object().unwrap() {
                assert_eq!(&spec["template"]["metadata"]["labels"][key], value, "{set}");
            }
        }
        let by_labels = of_kind(&rendered, "Service").into_iter().map(|service| &service["spec"]["selector"]);
        let budgets = of_kind(&rendered, "PodDisruptionBudget").into_iter();
        let budgets = budgets.map(|budget| &budget["spec"]["selector"]["matchLabels"]);
        let policies = of_kind(&rendered, "NetworkPolicy").into_iter();
        let policies = policies.map(|policy| &policy["spec"]["podSelector"]["matchLabels"]);
        for found in by_labels.chain(budgets).chain(policies).filter(|found| !found.is_null()) {
            let component = found["app.kubernetes.io/component"].as_str().unwrap();
            assert_eq!(*found, selector(component), "{set}");
        }
    }
}

#[test]
fn pods_ask_for_nothing_privileged() {
    for set in SETS {
        let rendered = objects(&render_set(set));
        for deployment in of_kind(&rendered, "Deployment") {
            let pod = &deployment["spec"]["template"]["spec"];
            let context = &pod["securityContext"];
            assert_eq!(
                (&context["runAsNonRoot"], &context["runAsUser"]),
                (&json!(true), &json!(65532)),
                "{set}"
            );
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{set}");
            for volume in pod["volumes"].as_array().into_iter().flatten() {
                let kinds: Vec<&str> = volume.as_object().unwrap().keys().map(String::as_str).collect();
                let allowed = ["configMap", "name", "projected", "secret"];
                assert!(kinds.iter().all(|kind| allowed.contains(kind)), "{set}: {volume}");
            }
            for container in pod["containers"].as_array().unwrap() {
                let expected = json!({
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                });
                assert_eq!(container["securityContext"], expected, "{set}");
                // Throttled, the webhook would answer too late.
                assert!(container["resources"]["limits"]["cpu"].is_null(), "{set}");
                assert!(container["resources"]["requests"]["memory"].is_string(), "{set}");
                // A single file that is mounted never changes.
                let mounts = container["volumeMounts"].as_array().into_iter().flatten();
                assert!(mounts.into_iter().all(|mount| mount["subPath"].is_null()), "{set}");
            }
        }
    }
}

#[test]
fn a_budget_never_blocks_every_drain() {
    let rendered = objects(&render_with(&["webhook.replicas=1", "controller.replicas=1"]).unwrap());
    assert!(of_kind(&rendered, "PodDisruptionBudget").is_empty());
    let rendered = objects(&render_set("default"));
    assert_eq!(of_kind(&rendered, "PodDisruptionBudget").len(), 2);
    for budget in of_kind(&rendered, "PodDisruptionBudget") {
        assert_eq!(budget["spec"]["maxUnavailable"], 1);
        assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    }
}

/// Every (kind of role, role, group, resource, verb, name) that is granted.
fn rights(rendered: &[Value]) -> BTreeSet<[String; 6]> {
    let mut rights = BTreeSet::new();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    for kind in ["ClusterRole", "Role"] {
        for role in of_kind(rendered, kind) {
            let name = role["metadata"]["name"].as_str().unwrap();
            for rule in role["rules"].as_array().unwrap() {
                let names = list(&rule["resourceNames"]).join(",");
                for (group, resource) in list(&rule["apiGroups"]).iter().flat_map(|group| {
                    list(&rule["resources"]).into_iter().map(move |resource| (group.clone(), resource))
                }) {
                    for verb in list(&rule["verbs"]) {
                        rights.insert([kind, name, &group, &resource, &verb, &names].map(str::to_owned));
                    }
                }
            }
        }
    }
    rights
}

#[test]
fn rights_are_the_least() {
    for set in SETS {
        let rights = rights(&objects(&render_set(set)));
        assert!(rights.iter().flatten().all(|part| part != "*"), "{set}: {rights:?}");
        for [kind, role, _, resource, verb, names] in &rights {
            if resource == "secrets" && kind == "ClusterRole" {
                assert_eq!((role.as_str(), verb.as_str()), ("stateward-controller", "create"), "{set}");
            }
            if resource == "secrets" && verb != "create" {
                assert_eq!(names, "stateward-certificates", "{set}");
            }
            if resource.ends_with("configurations") {
                assert_eq!(names, "stateward", "{set}");
            }
            assert!(!["escalate", "bind", "impersonate"].contains(&verb.as_str()), "{set}");
            assert!(!["pods", "nodes", "pods/exec"].contains(&resource.as_str()), "{set}");
        }
    }
    // Who does not keep the certificates has no right to them.
    for set in ["cert-manager", "given"] {
        let rights = rights(&objects(&render_set(set)));
        let of_webhook = rights.iter().filter(|right| right[1] == "stateward-webhook");
        let resources: BTreeSet<&str> = of_webhook.map(|right| right[3].as_str()).collect();
        let read = ["controllerrevisions", "namespaces", "persistentvolumeclaims", "statefulsetprofiles"];
        assert_eq!(resources, BTreeSet::from(read), "{set}");
    }
    let without = rights(&objects(&render_set("everything")));
    for resource in ["secrets", "ingresses", "httproutes"] {
        assert!(without.iter().all(|right| right[3] != resource), "{resource}");
    }
}

/// Whoever reviews the chart should not have to guess.
#[test]
fn every_right_says_which_step_needs_it() {
    for file in ["webhook-rbac.yaml", "controller-rbac.yaml"] {
        let text = fs::read_to_string(chart().join("templates").join(file)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with("- apiGroups:")) {
            assert!(pair[0].starts_with("# "), "{file}: no reason above {:?}", pair[1]);
        }
    }
}

/// What the chart writes, the program has to understand.
#[test]
fn the_webhook_understands_its_arguments_and_environment() {
    let command = WebhookArgs::augment_args(Command::new("webhook"));
    let known: BTreeSet<&str> =
        command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
    for set in SETS {
        let rendered = objects(&render_set(set));
        let pod = &object(&rendered, "Deployment", "stateward-webhook")["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let arguments =
            container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
        let parsed = command.clone().try_get_matches_from(arguments);
        assert!(parsed.is_ok(), "{set}: {}", parsed.unwrap_err());
        for variable in container["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(known.contains(name) || ["POD_NAMESPACE", "TZ"].contains(&name), "{set}: {name}");
        }
    }
}

#[test]
fn a_pod_ends_after_it_has_drained() {
    for (delay, grace) in [("10", 30), ("60", 80)] {
        let setting = format!("webhook.shutdownDelaySeconds={delay}");
        let rendered = objects(&render_with(&[&setting]).unwrap());
        let pod = &object(&rendered, "Deployment", "stateward-webhook")["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], grace);
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        assert!(arguments.contains(&json!(format!("--shutdown-delay={delay}s"))), "{arguments:?}");
    }
}

/// The configuration is read again when it changes, profiles are not.
#[test]
fn pods_start_anew_for_what_is_read_at_the_start_alone() {
    let templates = |settings: &[&str]| {
        let rendered = objects(&render_with(settings).unwrap());
        ["stateward-webhook", "stateward-controller"]
            .map(|name| object(&rendered, "Deployment", name)["spec"]["template"].clone())
    };
    let [webhook, controller] = templates(&[r"profiles.a\.yaml=one"]);
    assert_eq!(
        templates(&[r"profiles.a\.yaml=one", "configuration.a=b"]),
        [webhook.clone(), controller.clone()]
    );
    let changed = templates(&[r"profiles.a\.yaml=two"]);
    assert!(changed[0] != webhook && changed[1] != controller);
}

#[test]
fn the_controller_understands_its_configuration() {
    for set in ["default", "everything"] {
        let rendered = objects(&render_set(set));
        let text = &object(&rendered, "ConfigMap", "stateward-configuration")["data"]["configuration.yaml"];
        let read = Configuration::parse(text.as_str().unwrap());
        assert!(read.is_ok(), "{set}: {:?}", read.unwrap_err());
    }
}
