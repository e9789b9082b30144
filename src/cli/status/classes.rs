//! Claims of another storage class than those to come will have. Pure.

use serde_json::Value;

use crate::names::{self, class_shown as shown};
use crate::settings::text;

/// A line for each claim template whose class is not that of claims that are there. Nothing is wrong for that:
/// somebody may be moving a set from one class to another.
pub(super) fn told(set: &Value, claims: &[Value]) -> Vec<String> {
    let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates.filter_map(|template| of_template(set, template, claims)).collect()
}

fn of_template(set: &Value, template: &Value, claims: &[Value]) -> Option<String> {
    let (name, volume) = (text(&set["metadata"]["name"]), text(&template["metadata"]["name"]));
    let class = template["spec"]["storageClassName"].as_str()?;
    let others = claims.iter().filter(|claim| names::is_claim_of(text(&claim["name"]), volume, name));
    let others = others.filter(|claim| claim["class"].as_str().is_some_and(|other| other != class));
    let told: Vec<String> =
        others.map(|claim| format!("{} ({})", text(&claim["name"]), shown(text(&claim["class"])))).collect();
    let are = if told.len() == 1 { "is" } else { "are" };
    (!told.is_empty()).then(|| {
        format!(
            "{} {are} of another storage class than {}, which claims to come get: for the same one write it into the \
             set's manifest ({}storage-class, or the claim template), delete the set with --cascade=orphan and apply it",
            told.join(", "),
            shown(class),
            names::PREFIX
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_of_another_class_than_their_template_are_named() {
        let claim = |name: &str, class: Value| json!({"name": name, "class": class});
        let claims = [
            claim("data-db-0", json!("slow")),
            claim("data-db-1", json!("fast")),
            claim("data-db-2", json!("old")),
            claim("wal-db-0", json!("slow")),
            claim("wal-db-1", Value::Null),
        ];
        let set = |data: Value, wal: Value| {
            let template =
                |name: &str, class| json!({"metadata": {"name": name}, "spec": {"storageClassName": class}});
            json!({"metadata": {"name": "db"}, "spec": {"volumeClaimTemplates": [template("data", data), template("wal", wal)]}})
        };
        let told = |data, wal| told(&set(data, wal), &claims);
        let lines = told(json!("fast"), json!("slow"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        let start = "data-db-0 (slow), data-db-2 (old) are of another storage class than fast, which claims to come get: ";
        assert!(lines[0].starts_with(start), "{lines:?}");
        assert!(told(json!("slow"), json!("fast"))[1].starts_with("wal-db-0 (slow) is of another "));
        // `""` is a class too.
        let claims = [claim("data-db-0", json!("")), claim("data-db-1", json!("fast"))];
        let of = |class: &str| super::told(&set(json!(class), Value::Null), &claims);
        assert!(of("fast")[0].starts_with("data-db-0 (\"\") is of another storage class than fast, "));
        assert!(of("")[0].starts_with("data-db-1 (fast) is of another storage class than \"\", "));
        // The cluster's default may have been another one when each was made.
        assert_eq!(told(Value::Null, Value::Null), [""; 0]);
    }
}
