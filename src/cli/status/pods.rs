//! Pods, their claims, and how many of them may be evicted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde_json::{Value, json};

use crate::cli::world::World;
use crate::companions::labels_of;
use crate::names;
use crate::quantity::Quantity;
use crate::settings::{replicas, text};

/// The pods that the set made, and what keeps them from being ready and current.
pub(super) fn of(set: &Value, world: &World, problems: &mut Vec<String>) -> Vec<Value> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let status = &set["status"];
    let pods: Vec<Value> = owned(set, world).map(|pod| told(pod, set)).collect();
    let wanted = replicas(set);
    let ready = status["readyReplicas"].as_u64().unwrap_or(0);
    if status["observedGeneration"] != set["metadata"]["generation"] {
        problems.push(
            "Kubernetes has not acted on its last change yet; if that lasts, kube-controller-manager is away"
                .to_owned(),
        );
    }
    if ready < wanted {
        let pods = world.known("Pod").map(|_| pods.as_slice());
        problems.push(unready((ready, wanted), pods, namespace, name));
    }
    for pod in pods.iter().filter(|pod| pod["ready"] == false) {
        if let Some(why) = pod["why"].as_str() {
            let pod = text(&pod["name"]);
            problems.push(format!("pod {pod}: {why}; {}", remedy(why, namespace, pod)));
        }
    }
    problems.extend(outdated(set, wanted));
    pods
}

/// That pods are missing; `pods` are those that are there, `None` where they could not be read.
fn unready((ready, wanted): (u64, u64), pods: Option<&[Value]>, namespace: &str, name: &str) -> String {
    let Some(pods) = pods else {
        return format!(
            "{ready} of {wanted} pods are ready; kubectl describe statefulset -n {namespace} {name} says more"
        );
    };
    let made = pods.len() as u64;
    if made < wanted && ready == made {
        // Pods are made one after the other, so a missing one may just not be its turn.
        return format!(
            "{made} of {wanted} pods are made; where no more come, kubectl describe statefulset -n {namespace} {name} \
             says why"
        );
    }
    let unready = pods.iter().find(|pod| pod["ready"] == false).map_or(name, |pod| text(&pod["name"]));
    format!("{ready} of {wanted} pods are ready; kubectl describe pod -n {namespace} {unready} says why")
}

/// Pods that still run an older revision of the set and are to be replaced.
fn outdated(set: &Value, wanted: u64) -> Option<String> {
    let (status, strategy) = (&set["status"], &set["spec"]["updateStrategy"]);
    if status["currentRevision"] == status["updateRevision"] {
        return None;
    }
    let updated = status["updatedReplicas"].as_u64().unwrap_or(0);
    let kept = strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    if updated >= wanted.saturating_sub(kept) {
        return None;
    }
    let what = format!("{updated} of {wanted} pods run the current revision");
    Some(if strategy["type"] == "OnDelete" {
        format!("{what}; delete the others one by one, since the update strategy is OnDelete")
    } else {
        format!("{what}; the others follow as soon as those before them are ready")
    })
}

/// What is said of pods that change when somebody deletes them.
pub(super) fn on_delete(set: &Value) -> Option<String> {
    outdated(set, replicas(set)).filter(|_| set["spec"]["updateStrategy"]["type"] == "OnDelete")
}

fn owned<'w>(set: &'w Value, world: &'w World) -> impl Iterator<Item = &'w Value> {
    let uid = &set["metadata"]["uid"];
    let owned = move |pod: &&Value| {
        let owners = pod["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().any(|owner| owner["uid"] == *uid)
    };
    world.within("Pod", text(&set["metadata"]["namespace"])).filter(owned)
}

fn told(pod: &Value, set: &Value) -> Value {
    let (name, namespace) = (text(&pod["metadata"]["name"]), text(&set["metadata"]["namespace"]));
    let ready = condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True");
    let service = text(&set["spec"]["serviceName"]);
    let dns = (!service.is_empty()).then(|| format!("{name}.{service}.{namespace}.svc"));
    let current = pod["metadata"]["labels"]["controller-revision-hash"] == set["status"]["updateRevision"];
    json!({
        "name": name, "phase": pod["status"]["phase"], "ready": ready, "current": current, "dns": dns,
        "why": if ready { None } else { why(pod) },
    })
}

fn condition<'p>(pod: &'p Value, kind: &str) -> Option<&'p Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Why a pod does not run, in the words of whoever tried: the scheduler, the kubelet.
fn why(pod: &Value) -> Option<String> {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return Some("is being deleted".to_owned());
    }
    let said = |place: &Value| {
        let (reason, message) = (text(&place["reason"]), text(&place["message"]));
        if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") }
    };
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|one| one["status"] == "False") {
        return Some(said(scheduled));
    }
    let statuses = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    let mut waiting = statuses.filter(|one| !one["state"]["waiting"]["reason"].is_null());
    waiting.next().map(|one| format!("{} {}", text(&one["name"]), said(&one["state"]["waiting"])))
}

fn remedy(why: &str, namespace: &str, pod: &str) -> String {
    let describe = format!("kubectl describe pod -n {namespace} {pod} says more");
    if why.contains("CrashLoopBackOff") {
        return format!("kubectl logs -n {namespace} {pod} --previous says why");
    }
    if why.contains("ImagePull") {
        return format!("mend the image's name, or give the pod its pull secret; {describe}");
    }
    describe
}

/// The claims of the set's templates, by their names (`TEMPLATE-SET-ORDINAL`).
pub(super) fn claims(set: &Value, world: &World, problems: &mut Vec<String>) -> Vec<Value> {
    let (namespace, name) = (text(&set["metadata"]["namespace"]), text(&set["metadata"]["name"]));
    let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let templates: Vec<&str> = templates.map(|template| text(&template["metadata"]["name"])).collect();
    let is_claim = |claim: &&Value| {
        let claim = text(&claim["metadata"]["name"]);
        templates.iter().any(|template| names::is_claim_of(claim, template, name))
    };
    let mut lines = Vec::new();
    for claim in world.within("PersistentVolumeClaim", namespace).filter(is_claim) {
        let asked = &claim["spec"]["resources"]["requests"]["storage"];
        let class = &claim["spec"]["storageClassName"];
        let size = claim["status"]["capacity"].get("storage").unwrap_or(asked);
        let (claim, phase) = (text(&claim["metadata"]["name"]), &claim["status"]["phase"]);
        let describe = format!("kubectl describe pvc -n {namespace} {claim} says why");
        if phase != "Bound" {
            problems.push(format!("claim {claim} is {}; {describe}", text(phase)));
        } else if is_smaller(size, asked) {
            problems.push(format!("claim {claim} has {} of {}; {describe}", text(size), text(asked)));
        }
        lines.push(json!({"name": claim, "size": size, "requested": asked, "phase": phase, "class": class}));
    }
    lines
}

fn is_smaller(size: &Value, asked: &Value) -> bool {
    match (Quantity::parse(text(size)), Quantity::parse(text(asked))) {
        (Ok(size), Ok(asked)) => size < asked,
        _ => false,
    }
}

/// How many pods may be evicted now, by whosever budget selects them; `None` without one.
pub(super) fn headroom(set: &Value, world: &World, problems: &mut Vec<String>) -> Option<u64> {
    let labels = labels_of(&set["spec"]["template"]);
    let selects = |budget: &&Value| {
        let selector = serde_json::from_value::<LabelSelector>(budget["spec"]["selector"].clone()).ok();
        let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
        selector.is_some_and(|selector| selector.matches(&labels))
    };
    let namespace = text(&set["metadata"]["namespace"]);
    let budgets: Vec<&Value> = world.within("PodDisruptionBudget", namespace).filter(selects).collect();
    if let [_, _, ..] = budgets.as_slice() {
        let names: Vec<&str> = budgets.iter().map(|budget| text(&budget["metadata"]["name"])).collect();
        problems.push(format!(
            "PodDisruptionBudgets {} select the same pods, so that no pod can be evicted; delete all but one",
            names.join(" and ")
        ));
        return Some(0);
    }
    let budget = budgets.first()?;
    problems.extend(uncounted(set, budget));
    budget["status"]["disruptionsAllowed"].as_u64()
}

/// What keeps a budget from counting the pods: it follows them by a controller of its own, somewhat later.
fn uncounted(set: &Value, budget: &Value) -> Option<String> {
    let (metadata, status) = (&budget["metadata"], &budget["status"]);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let (counted, ready) = (number(&status["currentHealthy"]), number(&set["status"]["readyReplicas"]));
    let current = number(&status["observedGeneration"]) >= number(&metadata["generation"]);
    (!current || counted < ready).then(|| {
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        format!(
            "PodDisruptionBudget {name} counts {counted} of {ready} ready pods, so that an eviction may fail; \
             kubectl describe pdb -n {namespace} {name} says why if it stays so"
        )
    })
}
