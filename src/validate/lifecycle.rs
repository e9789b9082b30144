//! How pods end: restart policy, deadline, grace period and hooks.

use super::handlers;
use super::place::Place;
use super::pod::{Parts, Role};
use super::probes::not_for_init;
use crate::fault::{Fault, Reason};

/// What the API server fills in for `terminationGracePeriodSeconds`.
const DEFAULT_GRACE: i64 = 30;

pub(super) fn check(parts: &Parts, faults: &mut Vec<Fault>) {
    let Some(spec) = &parts.pod else {
        return;
    };
    if let Some(policy) = spec.text("restartPolicy").filter(|policy| *policy != "Always") {
        faults.push(spec.fault_at(
            "restartPolicy",
            Reason::Invalid,
            format!("{policy:?} is not for a StatefulSet"),
            "remove it, or write Always",
        ));
    }
    if let Some(deadline) = spec.field("activeDeadlineSeconds") {
        faults.push(deadline.fault(
            Reason::Invalid,
            format!("{} would end each pod after that time, which a StatefulSet may not", deadline.value),
            "remove it",
        ));
    }
    check_grace(spec, faults);
    let grace = spec.number("terminationGracePeriodSeconds").unwrap_or(DEFAULT_GRACE);
    for container in &parts.containers {
        let Some(lifecycle) = container.place.field("lifecycle") else {
            continue;
        };
        if container.role == Role::Init {
            faults.push(not_for_init(&lifecycle));
            continue;
        }
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.field(hook) {
                handlers::check(&hook, &container.place, &["exec", "httpGet", "tcpSocket", "sleep"], faults);
            }
        }
        check_sleep(&lifecycle, grace, faults);
    }
}

fn check_grace(spec: &Place, faults: &mut Vec<Fault>) {
    let field = "terminationGracePeriodSeconds";
    let problem = match spec.number(field) {
        Some(0) => "0 kills at once and frees the name before the node has confirmed that the pod is gone: \
                    two pods of one ordinal could write to the same volume"
            .to_owned(),
        Some(grace) if grace < 0 => format!("{grace} is below 1"),
        _ => return,
    };
    faults.push(spec.fault_at(
        field,
        Reason::Invalid,
        problem,
        "write how many seconds an orderly stop takes, for example 60",
    ));
}

/// The last hook runs within the grace period: what is left after it is the container's to stop in.
/// Of the first, the API server asks for no less.
fn check_sleep(lifecycle: &Place, grace: i64, faults: &mut Vec<Fault>) {
    for hook in ["postStart", "preStop"] {
        let Some(sleep) = lifecycle.descend(&[hook, "sleep"]) else {
            continue;
        };
        sleep.at_least("seconds", 0, faults);
        let seconds = sleep.number("seconds").unwrap_or_default();
        let fits = seconds < grace || (hook == "postStart" && seconds == grace);
        // A grace period that is no good was named already.
        if grace > 0 && !fits {
            faults.push(sleep.fault_at(
                "seconds",
                Reason::Contradiction,
                format!("{seconds} does not fit into terminationGracePeriodSeconds, {grace}"),
                format!(
                    "sleep less, or write terminationGracePeriodSeconds: {}",
                    seconds.saturating_add(DEFAULT_GRACE)
                ),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(pod: &Value) -> Vec<String> {
        let object = json!({"spec": {"template": {"spec": pod}}});
        let mut faults = Vec::new();
        check(&Parts::of(&object), &mut faults);
        let strip = |f: &Fault| f.to_string().replace("spec.template.spec.", "");
        faults.iter().map(strip).collect()
    }

    fn sleeping(seconds: i64, grace: &Value) -> Value {
        let lifecycle = json!({"preStop": {"sleep": {"seconds": seconds}}});
        json!({"terminationGracePeriodSeconds": grace, "containers": [{"name": "app", "lifecycle": lifecycle}]})
    }

    #[test]
    fn ordinary_pods_pass() {
        assert_eq!(faults(&sleeping(29, &json!(null))), [""; 0]);
        assert_eq!(faults(&sleeping(30, &json!(60))), [""; 0]);
        let always = json!({"restartPolicy": "Always", "containers": [
            {"lifecycle": {"stopSignal": "SIGINT", "postStart": {"exec": {"command": ["x"]}}}},
        ]});
        assert_eq!(faults(&always), [""; 0]);
    }

    #[test]
    fn pods_of_a_set_run_for_good() {
        assert_eq!(
            faults(&json!({"restartPolicy": "OnFailure", "activeDeadlineSeconds": 60})),
            [
                "restartPolicy: \"OnFailure\" is not for a StatefulSet; remove it, or write Always",
                "activeDeadlineSeconds: 60 would end each pod after that time, which a StatefulSet may not; \
                 remove it",
            ]
        );
    }

    #[test]
    fn the_grace_period_is_above_zero() {
        let remedy = "write how many seconds an orderly stop takes, for example 60";
        let zero = faults(&sleeping(5, &json!(0)));
        assert_eq!(zero.len(), 1);
        assert!(zero[0].starts_with("terminationGracePeriodSeconds: 0 kills at once"));
        assert!(zero[0].ends_with(remedy));
        assert_eq!(
            faults(&json!({"terminationGracePeriodSeconds": -1})),
            [format!("terminationGracePeriodSeconds: -1 is below 1; {remedy}")]
        );
    }

    #[test]
    fn sleep_leaves_time_to_stop_in() {
        assert_eq!(
            faults(&sleeping(30, &json!(null))),
            ["containers[name=\"app\"].lifecycle.preStop.sleep.seconds: 30 does not fit into \
                 terminationGracePeriodSeconds, 30; sleep less, or write terminationGracePeriodSeconds: 60"]
        );
        assert_eq!(
            faults(&sleeping(-1, &json!(null))),
            ["containers[name=\"app\"].lifecycle.preStop.sleep.seconds: -1 is below 0; write 0 or more"]
        );
    }

    #[test]
    fn hooks_have_one_handler() {
        let pod = json!({"containers": [{"name": "app", "lifecycle": {
            "preStop": {}, "postStart": {"exec": {"command": ["x"]}, "sleep": {"seconds": 1}},
        }}], "initContainers": [{"name": "init", "lifecycle": {"preStop": {}}}]});
        assert_eq!(
            faults(&pod),
            [
                "containers[name=\"app\"].lifecycle.postStart: has 2 handlers: exec and sleep; keep one, for \
                 example exec",
                "containers[name=\"app\"].lifecycle.preStop: no handler; write one of exec, httpGet, \
                 tcpSocket, sleep",
                "initContainers[name=\"init\"].lifecycle: an init container that runs to its end cannot have \
                 this; remove it, or make the container a sidecar with restartPolicy: Always",
            ]
        );
    }
}
