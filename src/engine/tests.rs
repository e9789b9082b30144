//! What admission does to whole objects.

use serde_json::{Value, json};

use super::*;

fn engine() -> Engine {
    Engine::built_in().unwrap()
}

fn set(annotations: &Value, image: &str) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "orders-db", "labels": {"stateward.dev/managed": "true"}, "annotations": annotations,
        },
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "postgres", "image": image}]}}},
    });
    object["metadata"]["annotations"]["stateward.dev/acknowledge"] = json!("no-password");
    crate::defaults::apply(&mut object);
    object
}

fn admit(before: Option<&Value>, after: &Value) -> Decision {
    engine().admit(Change { namespace: "team", before, after }, &Offline).unwrap()
}

fn admitted(before: Option<&Value>, after: &Value) -> Admitted {
    match admit(before, after) {
        Decision::Admitted(admitted) => *admitted,
        other => panic!("{other:?}"),
    }
}

fn stored(before: Option<&Value>, after: &Value) -> Value {
    let mut object = admitted(before, after).result;
    crate::defaults::apply(&mut object);
    object
}

#[test]
fn a_second_admission_changes_nothing() {
    let object = stored(None, &set(&json!({"stateward.dev/storage": "20Gi"}), "postgres:18"));
    assert!(matches!(admit(Some(&object), &object), Decision::Unchanged { .. }));
    // And the long way round.
    let change = Change { namespace: "team", before: Some(&object), after: &object };
    match engine().changed(change, &object, true, &Offline).unwrap() {
        Decision::Admitted(again) => assert_eq!(again.patch, None, "{}", again.result),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_has_to_be_said_or_done_is_no_passing_by() {
    let object = stored(None, &set(&json!({}), "postgres:18"));
    for (key, value) in [("stateward.dev/upgrade-to", "latest"), ("stateward.dev/sise", "small")] {
        let standing = annotate(&object, key, &json!(value));
        assert!(matches!(admit(Some(&standing), &standing), Decision::Admitted(_)), "{key}");
    }
    let mut unlabelled = object.clone();
    unlabelled["metadata"]["labels"] = json!({});
    assert!(matches!(admit(Some(&unlabelled), &unlabelled), Decision::Ignored));
}

#[test]
fn a_replace_with_the_ten_lines_changes_nothing() {
    let ten = set(&json!({"stateward.dev/storage": "20Gi"}), "postgres:18");
    let object = stored(None, &ten);
    let again = stored(Some(&object), &ten);
    assert_eq!(crate::hash::canonical(&again), crate::hash::canonical(&object));
    assert_eq!(again["spec"]["template"], object["spec"]["template"]);
}

fn refused(before: Option<&Value>, after: &Value) -> Vec<String> {
    match admit(before, after) {
        Decision::Refused { faults, .. } => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn annotate(object: &Value, key: &str, value: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["annotations"][key] = value.clone();
    object
}

fn main_container(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn an_export_noted_as_last_applied_takes_nothing_over() {
    let object = stored(None, &set(&json!({}), "postgres:18"));
    let export = annotate(&object, names::LAST_APPLIED, &json!(object.to_string()));
    let object = stored(Some(&object), &export);
    let sized = stored(Some(&object), &annotate(&object, "stateward.dev/size", &json!("large")));
    assert_eq!(main_container(&sized)["resources"]["requests"]["memory"], "4Gi");
}

#[test]
fn a_spread_constraint_that_client_side_apply_merged_into_ours_comes_apart() {
    for when in ["DoNotSchedule", "ScheduleAnyway"] {
        let object = stored(None, &set(&json!({}), "postgres:18"));
        let theirs = json!({
            "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": when, "maxSkew": 2,
            "labelSelector": {"matchLabels": {"team": "x"}},
        });
        let manifest = json!({"spec": {"template": {"spec": {"topologySpreadConstraints": [theirs]}}}});
        let mut applied = annotate(&object, names::LAST_APPLIED, &json!(manifest.to_string()));
        let merged = &mut applied["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
        *merged = theirs.clone();
        merged["labelSelector"]["matchLabels"]["stateward.dev/statefulset"] = json!("orders-db");
        let result = stored(Some(&object), &applied);
        assert_eq!(result["spec"]["template"]["spec"]["topologySpreadConstraints"][0], theirs, "{when}");
    }
}

#[test]
fn a_volume_of_the_users_takes_the_place_of_ours_of_that_name() {
    let pod = |object: &Value| object["spec"]["template"]["spec"].clone();
    let volumes = |object: &Value| pod(object)["volumes"].to_string();
    let mounts = |object: &Value| main_container(object)["volumeMounts"].to_string();
    let bare = set(&json!({"stateward.dev/acknowledge": "no-routes"}), "nats:2.11");
    let with = |object: &Value, volume: Value| {
        let mut object = object.clone();
        object["spec"]["template"]["spec"]["volumes"] = json!([volume]);
        object
    };
    let theirs = json!({"name": "nats-pid", "configMap": {"name": "x"}});
    let created = stored(None, &with(&bare, theirs.clone()));
    assert!(!volumes(&created).contains("emptyDir") && !mounts(&created).contains("nats-pid"), "{created:#}");
    // One of the same kind serves as ours would.
    let sized = stored(None, &with(&bare, json!({"name": "nats-pid", "emptyDir": {"sizeLimit": "1Mi"}})));
    assert!(volumes(&sized).contains("1Mi") && mounts(&sized).contains("nats-pid"), "{sized:#}");
    // The patch of an apply takes the other source out, as `patchStrategy: retainKeys` says.
    let ours = stored(None, &bare);
    assert!(volumes(&ours).contains("emptyDir") && mounts(&ours).contains("nats-pid"), "{ours:#}");
    let taken = stored(Some(&ours), &with(&ours, theirs));
    assert_eq!((volumes(&taken), mounts(&taken)), (volumes(&created), mounts(&created)));
    // A claim template of that name wins over the volume.
    let mut claimed = bare.clone();
    claimed["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "nats-pid"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    claimed["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "nats-pid", "mountPath": "/mine"}]);
    let claimed = stored(None, &claimed);
    assert!(pod(&claimed)["volumes"].is_null() && !mounts(&claimed).contains("/var/run/nats"), "{claimed:#}");
}

#[test]
fn a_variable_yields_to_what_the_server_refuses_beside_it() {
    let node = |env: Value| {
        let wishes = json!({"stateward.dev/acknowledge": "no-security"});
        let mut object = set(&wishes, "elasticsearch:9.1.4");
        object["metadata"]["annotations"] = wishes;
        object["spec"]["template"]["spec"]["containers"][0]["env"] = env;
        object
    };
    let masters = |object: &Value| main_container(object)["env"].to_string().contains("initial_master_nodes");
    let single = json!([{"name": "discovery.type", "value": "single-node"}]);
    assert!(!masters(&stored(None, &node(single))) && masters(&stored(None, &node(json!([])))));
}

#[test]
fn a_read_only_root_gets_directories_to_write_to() {
    let read_only = |image: &str, mounts: Value| {
        let mut object = set(&json!({}), image);
        let main = &mut object["spec"]["template"]["spec"]["containers"][0];
        (main["securityContext"], main["volumeMounts"]) = (json!({"readOnlyRootFilesystem": true}), mounts);
        object
    };
    let mounted = |object: &Value| {
        let mounts = main_container(object)["volumeMounts"].as_array().cloned().unwrap_or_default();
        mounts.iter().map(|m| format!("{}={}", m["mountPath"], m["name"])).collect::<Vec<_>>().join(" ")
    };
    let sockets = r#""/var/run/postgresql"="scratch-var-run-postgresql""#;
    let all = stored(None, &read_only("postgres:18", Value::Null));
    assert!(mounted(&all).contains(r#""/tmp"="scratch-tmp""#) && mounted(&all).contains(sockets), "{all:#}");
    let volumes = &all["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes.as_array().map(Vec::len), Some(2), "{volumes}");
    // Not where something is mounted already, also above it.
    let mut own = read_only("postgres:18", json!([{"mountPath": "/var/run", "name": "run"}]));
    own["spec"]["template"]["spec"]["volumes"] = json!([{"name": "run", "emptyDir": {}}]);
    let own = stored(None, &own);
    assert!(mounted(&own).contains("scratch-tmp") && !mounted(&own).contains(sockets), "{own:#}");
    // Nor where another volume has the name.
    let mut named = read_only("postgres:18", Value::Null);
    named["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "scratch-tmp", "configMap": {"name": "x", "defaultMode": 420}}]);
    let theirs = named["spec"]["template"]["spec"]["volumes"][0].clone();
    let named = stored(None, &named);
    assert_eq!(named["spec"]["template"]["spec"]["volumes"][0], theirs);
    assert!(!mounted(&named).contains("scratch-tmp"), "{named:#}");
    // Nor where nobody asked, and they go with the wish.
    let plain = stored(None, &set(&json!({}), "postgres:18"));
    assert!(!mounted(&plain).contains("scratch"), "{plain:#}");
    let mut again = all.clone();
    let main = &mut again["spec"]["template"]["spec"]["containers"][0];
    main["securityContext"]["readOnlyRootFilesystem"] = json!(false);
    assert!(!mounted(&stored(Some(&all), &again)).contains("scratch"));
    let unknown = stored(None, &read_only("example.com/app:1", Value::Null));
    assert_eq!(mounted(&unknown), "");
}

#[test]
fn storage_neither_grows_nor_shrinks_by_annotation_and_the_refusal_tells_the_steps() {
    let object = stored(None, &set(&json!({"stateward.dev/storage": "20Gi"}), "postgres:18"));
    let grown = refused(Some(&object), &annotate(&object, "stateward.dev/storage", &json!("40Gi")));
    assert!(
        grown[0]
            .contains(r#"volumeClaimTemplates[data].spec.resources.requests.storage from "20Gi" to "40Gi""#)
    );
    assert!(grown[0].contains(r#""storage":"40Gi""#), "{grown:?}");
    let shrunk = refused(Some(&object), &annotate(&object, "stateward.dev/storage", &json!("5Gi")));
    assert!(shrunk[0].contains("no volume shrinks"), "{shrunk:?}");
}

#[test]
fn a_claim_added_to_a_running_set_is_refused_with_the_steps() {
    let object = stored(None, &set(&json!({}), "postgres:18"));
    let wal = annotate(&object, "stateward.dev/volume.wal", &json!("10Gi,path=/wal"));
    let faults = refused(Some(&object), &wal);
    assert!(faults[0].starts_with("stateward.dev/volume.wal: ") && faults[0].contains("--cascade=orphan"));
}

#[test]
fn another_variant_is_refused_unless_the_user_writes_what_differs() {
    let object = stored(None, &set(&json!({}), "postgres:17"));
    let mut upgraded = object.clone();
    upgraded["spec"]["template"]["spec"]["containers"][0]["image"] = json!("postgres:18");
    let faults = refused(Some(&object), &upgraded);
    assert!(faults[0].contains("env[PGDATA].value") && faults[0].contains("dump and restore"), "{faults:?}");
    let mut minor = object.clone();
    minor["spec"]["template"]["spec"]["containers"][0]["image"] = json!("postgres:17.2");
    assert_eq!(main_container(&stored(Some(&object), &minor))["image"], "postgres:17.2");
}

#[test]
fn positions_in_faults_are_those_of_the_manifest() {
    let mut object = set(&json!({}), "postgres:18");
    object["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "LANG", "value": "C"}, {"name": "LANG", "value": "de"}]);
    let faults = refused(None, &object);
    assert!(faults[0].contains("env[1].name: "), "{faults:?}");
}

#[test]
fn an_annotation_about_data_that_went_and_comes_back_is_no_change() {
    for (key, value) in [("stateward.dev/storage", "20Gi"), ("stateward.dev/mount-path", "/data")] {
        let object = stored(None, &set(&json!({key: value}), "postgres:18"));
        let mut gone = object.clone();
        gone["metadata"]["annotations"].as_object_mut().unwrap().remove(key);
        let without = stored(Some(&object), &gone);
        let again = stored(Some(&without), &annotate(&without, key, &json!(value)));
        assert_eq!(again["spec"], object["spec"], "{key}");
    }
}

#[test]
fn a_probe_whose_handler_server_side_apply_took_out_is_ours_again() {
    let ten = set(&json!({"stateward.dev/startup-probe": "tcp:5432"}), "postgres:18");
    let object = stored(None, &ten);
    let mut theirs = object.clone();
    let probe = &mut theirs["spec"]["template"]["spec"]["containers"][0]["startupProbe"];
    *probe = json!({"httpGet": {"port": 80}});
    let mut dropped = stored(Some(&object), &theirs);
    // The port goes; what the API server filled in stays, and a port it always writes.
    dropped["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["httpGet"]["port"] = json!(0);
    let back = stored(Some(&stored(Some(&object), &theirs)), &dropped);
    let probe = |object: &Value| main_container(object)["startupProbe"].clone();
    assert_eq!(probe(&back), probe(&object));
}

#[test]
fn an_annotation_over_a_default_that_server_side_apply_wrote_comes_and_goes() {
    let period = json!({"f:readinessProbe": {"f:periodSeconds": {}}});
    let containers = json!({"f:containers": {r#"k:{"name":"postgres"}"#: period}});
    let mut theirs = set(&json!({}), "postgres:18");
    theirs["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = json!({"periodSeconds": 10});
    theirs["metadata"]["managedFields"] = json!([{
        "manager": "ci", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": containers}}},
    }]);
    let object = stored(None, &theirs);
    let period = |object: &Value| main_container(object)["readinessProbe"]["periodSeconds"].clone();
    let wish = json!("tcp:5432;period=3");
    let wished = stored(Some(&object), &annotate(&object, "stateward.dev/readiness-probe", &wish));
    assert_eq!((period(&object), period(&wished)), (json!(5), json!(3)));
    let mut without = wished.clone();
    without["metadata"]["annotations"].as_object_mut().unwrap().remove("stateward.dev/readiness-probe");
    assert_eq!(period(&stored(Some(&wished), &without)), 5);
}

#[test]
fn what_fills_our_place_while_we_are_away_restarts_nothing_later() {
    let object = stored(None, &set(&json!({}), "postgres:18"));
    let mut away = object.clone();
    let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}});
    away["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
        json!([term]);
    let noted = stored(Some(&away), &annotate(&away, "example.com/note", &json!("x")));
    assert_eq!(noted["spec"], away["spec"]);
}

#[test]
fn a_move_that_was_stored_while_we_were_away_is_no_wish_of_later_requests() {
    let object = stored(None, &set(&json!({}), "postgres:18"));
    for key in [names::UPGRADE_TO, names::PROFILE_REVISION] {
        let away = annotate(&object, key, &json!("nobody@1"));
        let noted = stored(Some(&away), &annotate(&away, "example.com/note", &json!("x")));
        assert_eq!(noted["spec"], object["spec"]);
    }
}

#[test]
fn claim_templates_that_nobody_touches_are_nobodys_fault() {
    let mut object = set(&json!({}), "search:1");
    object["spec"]["volumeClaimTemplates"] = json!([null, false]);
    assert!(matches!(admit(Some(&object), &object), Decision::Admitted(_)));
}

/// The types of k8s-openapi are those of 1.33, the oldest version that is supported: what they
/// drop, that API server would drop too.
#[test]
fn nothing_is_injected_that_kubernetes_1_33_does_not_know() {
    use k8s_openapi::api::apps::v1::StatefulSet;
    let all = json!({
        "stateward.dev/storage": "20Gi", "stateward.dev/storage-class": "fast", "stateward.dev/mount-path": "/data",
        "stateward.dev/volume.wal": "1Gi,path=/wal", "stateward.dev/ports": "db=5432,dns=53/UDP",
        "stateward.dev/readiness-probe": "grpc:9090/ready", "stateward.dev/liveness-probe": "https:8443/live;delay=5",
        "stateward.dev/env-from": "secret/a,configmap/b", "stateward.dev/generate-secret": "X",
    });
    for annotations in [json!({}), all] {
        for image in ["postgres:16", "postgres:18-alpine", "registry.example.com/app:1"] {
            let admitted = admitted(None, &set(&annotations, image));
            let typed: StatefulSet = serde_json::from_value(admitted.result).unwrap();
            let known = serde_json::to_value(typed).unwrap();
            for injection in admitted.injections {
                assert_eq!(injection.path.lookup(&known), Some(&injection.value), "{}", injection.path);
            }
        }
    }
}

#[test]
fn what_is_left_empty_while_we_are_away_restarts_nothing_later() {
    let object = stored(None, &set(&json!({}), "search:1"));
    let mut away = object.clone();
    away["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"] = json!({});
    let noted = stored(Some(&away), &annotate(&away, "example.com/note", &json!("x")));
    assert_eq!(noted["spec"], away["spec"]);
    let again = admitted(Some(&noted), &annotate(&noted, "example.com/note", &json!("y")));
    assert_eq!(again.patch, None, "{}", again.result);
}

#[test]
fn the_main_container_named_and_unnamed_is_the_first_one_again() {
    let mut ten = set(&json!({}), "search:1");
    let containers = ten["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    containers.push(json!({"name": "second", "image": "other:1", "resources": {}}));
    let object = stored(None, &ten);
    let named = stored(Some(&object), &annotate(&object, "stateward.dev/main-container", &json!("second")));
    assert_ne!(named["spec"]["template"], object["spec"]["template"]);
    let mut unnamed = named.clone();
    unnamed["metadata"]["annotations"].as_object_mut().unwrap().remove("stateward.dev/main-container");
    assert_eq!(stored(Some(&named), &unnamed)["spec"]["template"], object["spec"]["template"]);
}

#[test]
fn a_main_container_renamed_while_we_were_away_hinders_nothing_later() {
    let object = stored(None, &set(&json!({}), "postgres:17"));
    let mut away = object.clone();
    let container = &mut away["spec"]["template"]["spec"]["containers"][0];
    (container["name"], container["image"]) = (json!("other"), json!("postgres:18"));
    let noted = stored(Some(&away), &annotate(&away, "example.com/note", &json!("x")));
    assert_eq!(noted["spec"], away["spec"]);
}

#[test]
fn what_cannot_be_put_back_is_ours_no_longer() {
    let object = stored(None, &set(&json!({}), "postgres:18"));
    let mut broken = object.clone();
    broken["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["exec"] = json!("small");
    let stored = admitted(Some(&object), &broken).result;
    let again = admitted(Some(&stored), &annotate(&stored, "example.com/note", &json!("x")));
    assert_eq!(again.patch, None, "{}", again.result);
}

#[test]
fn what_cannot_change_is_put_back_though_the_user_said_it_for_a_while() {
    let mut manifest = set(&json!({"stateward.dev/storage-class": "fast"}), "postgres:18");
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}});
    manifest["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": spec}]);
    let applied = |object: &Value, manifest: &Value| {
        annotate(object, names::LAST_APPLIED, &json!(manifest.to_string()))
    };
    let first = stored(None, &applied(&manifest, &manifest));
    let mut said = manifest.clone();
    said["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] = json!("fast");
    let said = stored(Some(&first), &applied(&first, &said));
    let noted = stored(Some(&said), &annotate(&said, "example.com/note", &json!("x")));
    let mut taken_back = applied(&noted, &manifest);
    let claim = &mut taken_back["spec"]["volumeClaimTemplates"][0]["spec"];
    assert_eq!(claim.as_object_mut().unwrap().remove("storageClassName"), Some(json!("fast")));
    assert_eq!(stored(Some(&noted), &taken_back)["spec"], first["spec"]);
}

#[test]
fn the_remedy_of_another_label_is_one_that_works() {
    let mut app = set(&json!({}), "app:1");
    app["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
    let object = stored(None, &app);
    let refused = |before: &Value, label: &str| {
        let mut other = before.clone();
        other["metadata"]["labels"]["stateward.dev/profile"] = json!(label);
        let Decision::Refused { faults, .. } = admit(Some(before), &other) else { panic!("admitted") };
        (other, faults[0].to_string())
    };
    let (_, why) = refused(&object, "nope");
    assert!(
        why.contains("there is no profile \"nope\"; put the label back, since the set is pinned to default@"),
        "{why}"
    );
    let (other, why) = refused(&object, "memcached");
    assert!(why.contains("add the annotation stateward.dev/profile-revision: latest to move"), "{why}");
    let moved = stored(Some(&object), &annotate(&other, "stateward.dev/profile-revision", &json!("latest")));
    // The same wish acts no second time.
    let (back, why) = refused(&moved, "default");
    assert!(why.contains("add the annotation stateward.dev/upgrade-to: latest to move"), "{why}");
    let back = stored(Some(&moved), &annotate(&back, "stateward.dev/upgrade-to", &json!("latest")));
    assert!(Record::pin_of(&back).unwrap().to_string().starts_with("default@"));
}

/// It was put elsewhere by the next change, of whatever it was: pods restarted.
#[test]
fn a_variable_of_the_users_that_comes_back_with_our_value_stays_in_its_place() {
    let mut manifest = set(&json!({}), "postgres:18");
    let env = json!([{"name": "POD_NAME", "value": "mine"}]);
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = env;
    let object = stored(None, &annotate(&manifest, names::LAST_APPLIED, &json!(manifest.to_string())));
    let mut patched = object.clone();
    patched["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("env");
    let patched = stored(Some(&object), &patched);
    let place = main_container(&object)["env"].as_array().unwrap().len() - 1;
    assert!(main_container(&patched)["env"][place]["valueFrom"].is_object(), "{patched:#}");
    match admit(Some(&patched), &annotate(&patched, "example.com/note", &json!("x"))) {
        Decision::Admitted(noted) => assert_eq!(noted.result["spec"], patched["spec"]),
        other => panic!("{other:?}"),
    }
}
