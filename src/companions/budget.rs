//! The PodDisruptionBudget: a drain takes one pod after the other.

use serde_json::{Map, Value, json};

use super::{Companions, Role, manifest};
use crate::catalogue::Asked;
use crate::intent::{DisruptionBudget, IntOrPercent, Intent};
use crate::names;
use crate::settings::{replicas, text};

pub(super) fn desired(set: &Value, intent: &Intent, asked: &Asked, companions: &mut Companions) {
    let replicas = replicas(set);
    if replicas <= 1 {
        let why = "a budget for one pod either forbids every drain or protects nothing";
        return companions.withhold(Role::Budget, why);
    }
    if let Some((what, remedy)) = blocks(set, intent) {
        return companions.problem(Role::Budget, what, remedy);
    }
    let (field, count) = match intent.disruption_budget {
        Some(DisruptionBudget::None) => {
            return companions.withhold(Role::Budget, "stateward.dev/disruption-budget is none");
        }
        None => ("maxUnavailable", IntOrPercent::Int(1)),
        Some(DisruptionBudget::MaxUnavailable(count)) => ("maxUnavailable", count),
        Some(DisruptionBudget::MinAvailable(count)) => ("minAvailable", count),
    };
    let name = text(&set["metadata"]["name"]);
    let spec = &set["spec"];
    let mut selector = spec["selector"].clone();
    // These pods alone: a selector may hold pods of others, and nobody can evict what two budgets hold.
    if spec["template"]["metadata"]["labels"][names::STATEFULSET] == name
        && let Some(map) = selector.as_object_mut()
        && let Some(labels) = map.entry("matchLabels").or_insert_with(|| json!({})).as_object_mut()
    {
        labels.insert(names::STATEFULSET.to_owned(), Value::from(name));
    }
    let spec = json!({
        field: match count {
            IntOrPercent::Int(count) => Value::from(count),
            IntOrPercent::Percent(_) => Value::from(count.to_string()),
        },
        "selector": selector,
        // A pod that is broken anyway is no reason to stop a drain, unless a quorum needs it.
        "unhealthyPodEvictionPolicy": asked.disruption_budget.unhealthy_pod_eviction_policy.as_str(),
    });
    companions
        .want(Role::Budget, manifest(set, Role::Budget, name, Map::from_iter([("spec".to_owned(), spec)])));
}

/// Why a budget would block every drain, and what to write instead. Admission refuses it; a scale
/// that nobody admits may still bring it about.
#[must_use]
pub fn blocks(set: &Value, intent: &Intent) -> Option<(String, String)> {
    let replicas = replicas(set);
    let Some(DisruptionBudget::MinAvailable(count)) = intent.disruption_budget else {
        return None;
    };
    // As the API server rounds: up.
    let least = match count {
        IntOrPercent::Int(count) => u64::from(count),
        IntOrPercent::Percent(part) => (replicas * u64::from(part)).div_ceil(100),
    };
    (replicas > 1 && least >= replicas).then(|| {
        let what = format!("min-available={count} of {replicas} replicas would block every drain of a node");
        (what, format!("write max-unavailable=1, or at most min-available={}", replicas - 1))
    })
}

#[cfg(test)]
mod tests {
    use crate::companions::testing::{desired, set};
    use serde_json::json;

    use super::*;

    fn budget(replicas: u64, annotation: Option<&str>) -> Result<Value, String> {
        let mut set = set();
        set["spec"]["replicas"] = json!(replicas);
        let annotations =
            annotation.map_or(json!({}), |text| json!({"stateward.dev/disruption-budget": text}));
        let companions = desired(&set, &annotations);
        let made =
            companions.wanted.iter().find(|c| c.role == Role::Budget).map(|c| c.manifest["spec"].clone());
        let why = || {
            let withheld =
                companions.withheld.iter().filter(|w| w.role == Role::Budget).map(|w| w.why.clone());
            let problems = companions.problems.iter().map(|p| format!("{}; {}", p.what, p.remedy));
            withheld.chain(problems).collect::<String>()
        };
        made.ok_or_else(why)
    }

    #[test]
    fn one_pod_may_be_away() {
        assert_eq!(
            budget(3, None),
            Ok(json!({
                "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": {"stateward.dev/statefulset": "db"}},
            }))
        );
        assert_eq!(budget(3, Some("max-unavailable=30%")).unwrap()["maxUnavailable"], "30%");
        assert_eq!(budget(3, Some("min-available=2")).unwrap()["minAvailable"], 2);
        assert_eq!(budget(3, Some("min-available=50%")).unwrap()["minAvailable"], "50%");
    }

    #[test]
    fn it_holds_the_pods_of_this_set_alone() {
        let held = |selector: Value, labels: Value| {
            let mut set = set();
            set["spec"]["selector"] = selector;
            set["spec"]["template"]["metadata"]["labels"] = labels;
            desired(&set, &json!({})).wanted.into_iter().find(|one| one.role == Role::Budget).map(|one| {
                let budget = &one.manifest["spec"];
                budget["selector"].clone()
            })
        };
        let (own, ours) = (json!({"app": "db"}), json!({"app": "db", "stateward.dev/statefulset": "db"}));
        let selector = |labels: &Value| json!({"matchLabels": labels});
        assert_eq!(held(selector(&own), ours.clone()), Some(selector(&ours)));
        // An adopted set's pods may not carry our label.
        assert_eq!(held(selector(&own), own.clone()), Some(selector(&own)));
        let expressions = json!([{"key": "app", "operator": "Exists"}]);
        assert_eq!(
            held(json!({"matchExpressions": expressions}), ours),
            Some(json!({
                "matchExpressions": expressions, "matchLabels": {"stateward.dev/statefulset": "db"},
            }))
        );
    }

    #[test]
    fn one_replica_has_none() {
        for replicas in [0, 1] {
            assert!(budget(replicas, None).unwrap_err().starts_with("a budget for one pod"));
        }
        assert!(budget(3, Some("none")).unwrap_err().contains("is none"));
    }

    #[test]
    fn what_would_block_every_drain_is_told() {
        assert_eq!(
            budget(3, Some("min-available=3")).unwrap_err(),
            "min-available=3 of 3 replicas would block every drain of a node; write max-unavailable=1, or at most \
             min-available=2"
        );
        assert!(budget(2, Some("min-available=51%")).unwrap_err().contains("would block"));
    }
}
