//! Other versions of stateward, which answer in turn with this one.

use std::sync::LazyLock;

use serde_json::{Value, json};
use stateward::catalogue::Catalogue;
use stateward::engine::Engine;
use stateward::expand::{Expansion, Injection, Source, expand};
use stateward::fault::{Fault, Reason};
use stateward::path::Path;
use stateward::settings::Settings;

/// How many [`engine`]s there are; the first is the one of this version.
pub(crate) const ENGINES: usize = 8;

/// One of the versions.
pub(crate) fn engine(number: usize) -> Engine {
    static ALL: LazyLock<Vec<Engine>> = LazyLock::new(|| (0..ENGINES).map(made).collect());
    ALL[number].clone()
}

fn made(number: usize) -> Engine {
    let mut engine = Engine::built_in().expect("the catalogue loads");
    match number {
        1 => engine.expand = more,
        2 => engine.expand = less,
        3 => engine.expand = other,
        4 => engine.expand = nothing,
        5 => engine.expand = stricter,
        6 => {
            engine.catalogue =
                catalogue(&[("terminationGracePeriodSeconds: 120", "terminationGracePeriodSeconds: 90")])
                    .into();
        }
        7 => {
            engine.catalogue = catalogue(&[
                ("mountPath: /var/lib/postgresql/data}", "mountPath: /data}"),
                ("mountPath: /var/lib/postgresql}", "mountPath: /data}"),
                ("runAsUser: 999", "runAsUser: 1999"),
                ("size: 10Gi", "size: 50Gi"),
                ("periodSeconds: 5", "periodSeconds: 7"),
                ("automountServiceAccountToken: false", "automountServiceAccountToken: true"),
            ])
            .into();
        }
        _ => {}
    }
    engine
}

/// The built-in catalogue with a later PostgreSQL.
fn catalogue(changes: &[(&str, &str)]) -> Catalogue {
    let mut text = include_str!("../../src/catalogue/postgresql.yaml").to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let built_in = Catalogue::built_in().expect("the catalogue loads");
    built_in.with([("postgresql.yaml", text.as_str())]).expect("the changed profile loads")
}

fn more(user: &Value, settings: &Settings) -> Expansion {
    let mut expansion = expand(user, settings);
    let pod = Path::fields(&["spec", "template", "spec"]);
    let container = stateward::settings::containers_path().named(settings.main.clone());
    for (path, value) in [
        (pod.field("shareProcessNamespace"), json!(true)),
        (pod.field("affinity").field("nodeAffinity"), json!({"later": true})),
        (container.field("env").named("LATER").field("value"), json!("x")),
        (container.field("lifecycle").field("preStop").field("sleep").field("seconds"), json!(5)),
    ] {
        if path.lookup(user).is_none() {
            let source = Source::Builtin;
            expansion.injections.push(Injection { path, value, source, data: false, over_default: false });
        }
    }
    expansion
}

fn less(user: &Value, settings: &Settings) -> Expansion {
    let mut expansion = expand(user, settings);
    expansion.injections.retain(|injection| injection.path.to_string().len() % 3 != 0);
    expansion
}

fn other(user: &Value, settings: &Settings) -> Expansion {
    let mut expansion = expand(user, settings);
    for injection in &mut expansion.injections {
        injection.value = match &injection.value {
            Value::Number(number) => json!(number.as_i64().unwrap_or(0) + 1),
            Value::Bool(flag) => json!(!flag),
            value => value.clone(),
        };
    }
    expansion
}

fn nothing(_: &Value, _: &Settings) -> Expansion {
    Expansion::default()
}

fn stricter(user: &Value, settings: &Settings) -> Expansion {
    let mut expansion = expand(user, settings);
    let fault = Fault::new(Reason::Contradiction, "stateward.dev/size", "no longer allowed", "take it away");
    expansion.faults.push(fault);
    expansion
}
