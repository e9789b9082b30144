//! `env-from` and `generate-secret`.

use crate::intent::complaint::{Complaint, distinct, items, nearest, quote, unless};
use crate::intent::{EnvFrom, EnvFromKind, syntax};

const KINDS: [&str; 2] = ["configmap", "secret"];

/// `secret/db,configmap/app`.
pub(crate) fn from(text: &str) -> Result<Vec<EnvFrom>, Vec<Complaint>> {
    let sources = items(text, source)?;
    let bad = distinct(
        &sources,
        |source| (source.kind == EnvFromKind::Secret, source.name.clone()),
        |source| quote(&source.name),
    );
    unless(sources, bad)
}

/// `POSTGRES_PASSWORD,REPLICATION_PASSWORD`.
pub(crate) fn secret_keys(text: &str) -> Result<Vec<String>, Vec<Complaint>> {
    let keys = items(text, syntax::env_name)?;
    let bad = distinct(&keys, String::clone, |key| quote(key));
    unless(keys, bad)
}

fn source(item: &str) -> Result<EnvFrom, Complaint> {
    let Some((kind, name)) = item.split_once('/') else {
        return Err(Complaint::invalid(format!(
            "{} does not say whether it is a secret or a configmap",
            quote(item)
        )));
    };
    let (kind, what) = match kind.trim() {
        "configmap" => (EnvFromKind::ConfigMap, "name of a ConfigMap"),
        "secret" => (EnvFromKind::Secret, "name of a Secret"),
        other => {
            let hint = nearest(other, KINDS).map(|hint| format!("did you mean `{hint}/`?"));
            return Err(Complaint::invalid(format!("{} is neither `secret` nor `configmap`", quote(other)))
                .maybe(hint));
        }
    };
    Ok(EnvFrom { kind, name: syntax::subdomain(what, name.trim())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::testing::{bad, good};

    #[test]
    fn sources_in_the_order_written() {
        let source = |kind, name: &str| EnvFrom { kind, name: name.to_owned() };
        assert_eq!(
            from("secret/db, configmap / app.v1").unwrap(),
            [source(EnvFromKind::Secret, "db"), source(EnvFromKind::ConfigMap, "app.v1")]
        );
        good("env-from", &["secret/a", "secret/a,configmap/a"]);
    }

    #[test]
    fn sources_refused() {
        const WRITE: &str = "write secret/NAME and configmap/NAME, separated by commas, for example \
                             `secret/db,configmap/app`";
        bad(
            "env-from",
            &[
                ("db", &format!("\"db\" does not say whether it is a secret or a configmap; {WRITE}")),
                (
                    "ConfigMap/a",
                    "\"ConfigMap\" is neither `secret` nor `configmap`; did you mean `configmap/`?",
                ),
                ("pod/a", &format!("\"pod\" is neither `secret` nor `configmap`; {WRITE}")),
                ("secret/a,secret/a", "\"a\" stands twice; write it once"),
                (
                    "secret/",
                    &format!(
                        "\"\" is no name of a Secret: lower-case letters, digits, `-` and `.`, at most 253, with a \
                         letter or digit at both ends of each part; {WRITE}"
                    ),
                ),
            ],
        );
    }

    #[test]
    fn keys_of_the_generated_secret() {
        assert_eq!(secret_keys("A_B, _c1").unwrap(), ["A_B", "_c1"]);
        good("generate-secret", &["POSTGRES_PASSWORD", "A , B"]);
        bad(
            "generate-secret",
            &[
                ("A,A", "\"A\" stands twice; write it once"),
                (
                    "A-B",
                    "\"A-B\" is no name of an environment variable: letters, digits and `_`, not beginning with a \
                     digit; write names of environment variables, separated by commas, for example \
                     `POSTGRES_PASSWORD`",
                ),
                ("A,,B", "\"A,,B\" has an empty item; write one comma between two items"),
            ],
        );
    }
}
