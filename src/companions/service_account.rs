//! The ServiceAccount of the pods, where a profile asks for one and its template names it so.

use serde_json::{Map, Value};

use super::{Companions, Role, manifest};
use crate::catalogue::Asked;
use crate::settings::text;

pub(super) fn desired(set: &Value, asked: &Asked, companions: &mut Companions) {
    let Some(account) = &asked.service_account else { return };
    let name = text(&set["metadata"]["name"]);
    let used = &set["spec"]["template"]["spec"]["serviceAccountName"];
    if used != name {
        let why = match used.as_str() {
            Some(other) if !other.is_empty() => format!("the pods run as ServiceAccount {other}"),
            _ => "the pods name no ServiceAccount".to_owned(),
        };
        return companions.withhold(Role::ServiceAccount, why);
    }
    let mut fields = Map::new();
    if let Some(token) = account.automount_service_account_token {
        fields.insert("automountServiceAccountToken".to_owned(), Value::from(token));
    }
    let mut manifest = manifest(set, Role::ServiceAccount, name, fields);
    if !account.annotations.is_empty() {
        let annotations = account.annotations.iter();
        manifest["metadata"]["annotations"] =
            annotations.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    }
    companions.want(Role::ServiceAccount, manifest);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::asked::AskedAccount;
    use crate::companions::testing::set;

    #[test]
    fn it_is_made_where_the_pods_run_as_it() {
        let account =
            AskedAccount { automount_service_account_token: Some(false), ..AskedAccount::default() };
        let asked = Asked { service_account: Some(account), ..Asked::default() };
        let mut set = set();
        let mut companions = Companions::default();
        desired(&set, &asked, &mut companions);
        assert_eq!(companions.withheld[0].why, "the pods name no ServiceAccount");
        set["spec"]["template"]["spec"]["serviceAccountName"] = json!("other");
        desired(&set, &asked, &mut companions);
        assert_eq!(companions.withheld[1].why, "the pods run as ServiceAccount other");
        set["spec"]["template"]["spec"]["serviceAccountName"] = json!("db");
        desired(&set, &asked, &mut companions);
        assert_eq!(companions.wanted[0].manifest["automountServiceAccountToken"], false);
    }
}
