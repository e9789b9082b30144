//! What a profile refuses, by name: counts of replicas that make no cluster, variables without which
//! the image does not start.
//!
//! Read from the newest revision of the profile, whatever a set is pinned to: a refusal changes no
//! set, and what is known to go wrong today is told to everyone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::check::words;

/// Refusals by their names, which `acknowledge` takes.
pub type Refusals = BTreeMap<String, Refusal>;

/// One thing that a profile refuses, unless the set says that it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// The counts that it concerns; every set where it is absent.
    #[serde(default)]
    pub replicas: Option<Counts>,
    /// What makes it right.
    #[serde(default)]
    pub unless: Unless,
    /// Whether it concerns a first start alone: not a set whose claims are there.
    #[serde(default)]
    pub first_start: bool,
    /// What is wrong; said behind `3 replicas of NAME:` or `NAME:`.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

/// Counts of replicas; all that is said of them has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Counts {
    /// At least so many.
    pub from: Option<u64>,
    /// An even number.
    pub even: bool,
    /// Another one than the set has, where it has pods and is to have some.
    pub changed: bool,
    /// Fewer than the set has, where it is to have some.
    pub fewer: bool,
}

/// What makes right what is refused otherwise: any of it in the main container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unless {
    /// Names of variables. A ConfigMap or Secret that is taken whole (`envFrom`) counts as all of them,
    /// since what is in it is not known here.
    pub env: Vec<String>,
    /// Words of `command` or `args`, or what they begin with.
    pub args: Vec<String>,
}

/// Reads `refuse` of a profile, its parents' merged in; null where none has it. Gives what can be read, and
/// what is wrong with the rest.
#[must_use]
pub fn parse(refuse: &Value) -> (Refusals, Vec<String>) {
    const AT: &str = "spec.refuse";
    if refuse.is_null() {
        return Default::default();
    }
    let (refusals, mut faults) = words::read_all::<Refusals>(AT, refuse.clone());
    let mut refusals = refusals.unwrap_or_default();
    refusals.retain(|name, refusal| {
        let wrong = if refusal.replicas.as_ref().is_some_and(|counts| *counts == Counts::default()) {
            format!("{AT}.{name}.replicas: says nothing; write from, even, changed or fewer")
        } else if refusal.replicas.is_none() && refusal.unless == Unless::default() {
            format!("{AT}.{name}: refuses every set; write replicas, or unless with env or args")
        } else {
            return true;
        };
        // One of which a part cannot be read is told already.
        if !faults.iter().any(|fault| fault.starts_with(&format!("{AT}.{name}."))) {
            faults.push(wrong);
        }
        false
    });
    (refusals, faults)
}

impl Refusal {
    /// Whether it speaks against this set, which replaces one of `before` replicas where there is one.
    #[must_use]
    pub fn holds(&self, replicas: u64, before: Option<u64>, main: &Value, generated: &[String]) -> bool {
        let counts = self.replicas.as_ref().is_none_or(|counts| counts.hold(replicas, before));
        counts && !self.unless.is_in(main, generated)
    }
}

impl Counts {
    /// Whether it is about a change of the count, and not about the count.
    #[must_use]
    pub fn compare(&self) -> bool {
        self.changed || self.fewer
    }

    fn hold(&self, replicas: u64, before: Option<u64>) -> bool {
        let changed = before.is_some_and(|before| before > 0 && replicas > 0 && before != replicas);
        self.from.is_none_or(|from| from <= replicas)
            && (!self.even || (replicas > 0 && replicas.is_multiple_of(2)))
            && (!self.changed || changed)
            && (!self.fewer || (changed && before.is_some_and(|before| replicas < before)))
    }
}

impl Unless {
    fn is_in(&self, main: &Value, generated: &[String]) -> bool {
        let items = |list: &str| main[list].as_array().map_or(&[][..], Vec::as_slice);
        let named = |name: &String| {
            generated.contains(name) || items("env").iter().any(|item| item["name"] == name.as_str())
        };
        // Of what `generate-secret` makes the names are known; of all else that is taken whole they are not.
        let unseen = items("envFrom").len() > usize::from(!generated.is_empty());
        let said = |word: &String| {
            let words = items("command").iter().chain(items("args"));
            words.filter_map(Value::as_str).any(|given| given.starts_with(word.as_str()))
        };
        (!self.env.is_empty() && unseen) || self.env.iter().any(named) || self.args.iter().any(said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(value: &Value) -> Refusal {
        let mut value = value.clone();
        (value["problem"], value["remedy"]) = (json!("p"), json!("r"));
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn counts() {
        let none = Value::Null;
        let holds = |counts: Value, replicas, before| {
            refusal(&json!({"replicas": counts})).holds(replicas, before, &none, &[])
        };
        assert!(holds(json!({"from": 2}), 2, None) && !holds(json!({"from": 2}), 1, None));
        assert!(holds(json!({"even": true}), 4, None));
        assert!(!holds(json!({"even": true}), 3, None) && !holds(json!({"even": true}), 0, None));
        assert!(holds(json!({"changed": true}), 5, Some(3)));
        assert!(holds(json!({"fewer": true}), 1, Some(3)));
        for (replicas, before) in [(5, Some(3)), (3, Some(3)), (0, Some(3)), (3, None)] {
            assert!(!holds(json!({"fewer": true}), replicas, before), "{replicas} {before:?}");
        }
        for (replicas, before) in [(3, Some(3)), (3, None), (0, Some(3)), (3, Some(0))] {
            assert!(!holds(json!({"changed": true}), replicas, before), "{replicas} {before:?}");
        }
    }

    #[test]
    fn variables_and_words() {
        let env = refusal(&json!({"unless": {"env": ["A", "A_FILE"]}}));
        let holds = |main: Value, generated: &[&str]| {
            let generated: Vec<String> = generated.iter().map(|&name| name.to_owned()).collect();
            env.holds(1, None, &main, &generated)
        };
        let own = json!([{"secretRef": {"name": "x-generated"}}]);
        assert!(holds(json!({"env": [{"name": "B"}]}), &[]));
        assert!(holds(json!({"envFrom": own}), &["B"]));
        assert!(!holds(json!({"envFrom": own}), &["A"]));
        assert!(!holds(json!({"env": [{"name": "A_FILE", "value": "/x"}]}), &[]));
        assert!(!holds(json!({"envFrom": [{"secretRef": {"name": "theirs"}}]}), &[]));
        let args = refusal(&json!({"unless": {"args": ["--replSet"]}}));
        assert!(!args.holds(3, None, &json!({"args": ["--replSet=rs0"]}), &[]));
        assert!(args.holds(3, None, &json!({"args": ["--other"], "envFrom": own}), &[]));
    }

    #[test]
    fn what_refuses_everything_or_nothing_is_refused() {
        for (wrong, why) in [
            (json!({"a": {"problem": "p", "remedy": "r"}}), "spec.refuse.a: refuses every set"),
            (
                json!({"a": {"problem": "p", "remedy": "r", "replicas": {}}}),
                "spec.refuse.a.replicas: says nothing; write from",
            ),
            (
                json!({"a": {"problem": "p", "replicas": {"from": 2}}}),
                "spec.refuse.a.remedy: is missing; write remedy:",
            ),
            (
                json!({"a": {"problem": "p", "remedy": "r", "count": 2}}),
                "there is no field \"count\"; write one of replicas",
            ),
        ] {
            let (_, faults) = parse(&wrong);
            assert!(faults.len() == 1 && faults[0].contains(why), "{wrong}: {faults:?}");
        }
        assert_eq!(parse(&Value::Null), Default::default());
    }
}
