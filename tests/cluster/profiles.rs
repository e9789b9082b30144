//! Profiles that cannot go wrong silently: what they take away from their parents, by every client, and
//! what is refused or warned of before any set has them.

use serde_json::{Value, json};

use crate::harness::{Client, Manifest, Said, Space, cluster, wait_for};
use crate::platform::{apply, profile, queue, wait_admitted, wait_used};

/// A parent with much to take away.
fn parent(name: &str) -> Manifest {
    profile(name, "64Mi")
        .set("/spec/match/images", json!([]))
        .set(
            "/spec/companions",
            json!({
                "networkPolicy": {"ingress": []},
                "serviceAccount": {"annotations": {"example.com/role": "x"}},
                "disruptionBudget": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"},
            }),
        )
        .set("/spec/statefulSet/spec/template/spec/serviceAccountName", json!("$(name)"))
        .set(
            "/spec/statefulSet/spec/template/spec/containers/0/livenessProbe",
            json!({"tcpSocket": {"port": 80}}),
        )
}

fn child(name: &str, parent: &str, fields: &Value) -> Manifest {
    let mut spec = json!({"summary": "a child", "extends": parent, "match": {"images": [name]}});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Manifest::from(json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "StatefulSetProfile", "metadata": {"name": name},
        "spec": spec,
    }))
}

fn send(space: &Space, client: Client, profile: &Manifest) -> Said {
    let arguments: &[&str] = match client {
        Client::ServerSide => &["apply", "--server-side", "-f", "-"],
        _ => &["apply", "-f", "-"],
    };
    space.as_admin_with(arguments, &profile.text())
}

fn dry_run(space: &Space, profile: &Manifest) -> Said {
    space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &profile.text())
}

/// A new set of this profile, as it would be stored.
fn set_of(space: &Space, name: &str) -> Value {
    let revision = wait_used(space, name)["revision"].as_str().expect("a revision").to_owned();
    let set = queue("q", name);
    wait_admitted(space, &set, &format!("{name}@{revision}"));
    let said = space.kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &set.text()).ok();
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// What a child has of its parent, in words.
fn has(space: &Space, name: &str) -> Vec<&'static str> {
    let set = set_of(space, name);
    let pod = &set["spec"]["template"]["spec"];
    let main = &pod["containers"][0];
    let claims = set["spec"]["volumeClaimTemplates"].as_array().is_some_and(|claims| !claims.is_empty());
    // One replica more than the profile takes.
    let even = queue("q", name).set("/spec/replicas", json!(4));
    let refuses = !space.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &even.text()).success();
    [
        (claims, "data"),
        (!main["livenessProbe"].is_null(), "livenessProbe"),
        (!main["resources"]["limits"].is_null(), "limits"),
        (refuses, "refuse"),
    ]
    .into_iter()
    .filter_map(|(has, what)| has.then_some(what))
    .collect()
}

fn delete(space: &Space, profiles: &[&str]) {
    for profile in profiles {
        let _ = space.as_admin_says(&["delete", "statefulsetprofile", profile]).ok();
    }
}

#[test]
fn what_a_parent_has_is_taken_away_by_every_client() {
    let space = Space::new("profiles-without");
    let above = format!("{}-parent", space.name);
    apply(&space, &parent(&above));
    let _ = wait_used(&space, &above);
    for client in Client::APPLY {
        let name = format!("{}-{}", space.name, client.name());
        let without = json!({"without": [
            "data", "size", "sizes.small", "refuse.even", "companions.networkPolicy",
            "statefulSet.spec.template.spec.containers[$(main)].livenessProbe",
        ]});
        let _ = send(&space, client, &child(&name, &above, &json!({}))).ok();
        assert_eq!(has(&space, &name), ["data", "livenessProbe", "limits", "refuse"], "{client:?}");
        let _ =
            send(&space, client, &child(&name, &above, &without)).ok().silent_about(&["takes nothing away"]);
        wait_for("the child to have nothing of it", || {
            let has = has(&space, &name);
            if has.is_empty() { Ok(()) } else { Err(format!("{has:?}")) }
        });
        let idle = json!({"without": ["sizes.huge"]});
        let _ = send(&space, client, &child(&name, &above, &idle))
            .ok()
            .mentions(&["Warning: spec.without[0]: sizes.huge takes nothing away"]);
        let wrong = json!({"without": ["sizs.small"]});
        let said = send(&space, client, &child(&name, &above, &wrong));
        assert!(!said.success());
        let _ =
            said.mentions(&["spec.without[0]: \"sizs.small\" begins with no field that parents hand down"]);
        delete(&space, &[&name]);
    }
    delete(&space, &[&above]);
}

/// Client-side apply leaves nulls out; its note of what was applied tells so.
#[test]
fn nulls_take_away_by_server_side_apply_and_are_missed_by_no_other() {
    let space = Space::new("profiles-nulls");
    let above = format!("{}-parent", space.name);
    apply(&space, &parent(&above));
    let _ = wait_used(&space, &above);
    let nulls = json!({
        "refuse": {"even": null},
        "companions": {
            "networkPolicy": null, "serviceAccount": {"annotations": {"example.com/role": null}},
            "disruptionBudget": {"unhealthyPodEvictionPolicy": null},
        },
        "statefulSet": {"spec": {"template": {"spec": {"containers": [{"name": "$(main)", "livenessProbe": null}]}}}},
    });
    let by = |client: Client| child(&format!("{}-{}", space.name, client.name()), &above, &nulls);
    let _ = send(&space, Client::ServerSide, &by(Client::ServerSide)).ok().silent_about(&["left out"]);
    assert_eq!(has(&space, by(Client::ServerSide).name()), ["data", "limits"]);
    let stored =
        space.as_admin_says(&["get", "-o", "json", "statefulsetprofile", by(Client::ServerSide).name()]);
    let stored: Value = serde_json::from_str(&stored.ok().stdout).expect("JSON");
    assert_eq!(stored["spec"]["companions"], nulls["companions"]);
    let _ = send(&space, Client::Apply, &by(Client::Apply)).ok().mentions(&[
        "spec.refuse.even: null was left out by client-side apply; write refuse.even under spec.without",
        "write companions.networkPolicy under spec.without",
        "write companions.serviceAccount.annotations.example.com/role under spec.without",
        "write statefulSet.spec.template.spec.containers[$(main)].livenessProbe under spec.without",
    ]);
    assert_eq!(has(&space, by(Client::Apply).name()), ["data", "livenessProbe", "limits", "refuse"]);
    // Nowhere else: it is refused, or says nothing.
    let by_null = |data: Value| child(&format!("{}-data", space.name), &above, &json!({"data": data}));
    let said = send(&space, Client::ServerSide, &by_null(Value::Null));
    assert!(!said.success());
    let _ = said.mentions(&["spec.data: Invalid value: \"null\""]);
    let none = by_null(json!({"subPath": null}));
    let said = send(&space, Client::ServerSide, &none).ok();
    let _ = said.mentions(&["spec.data.subPath is null, which takes nothing away; write data.subPath under"]);
    delete(&space, &[none.name(), by(Client::ServerSide).name(), by(Client::Apply).name(), &above]);
}

/// What the API server refuses of the pods is refused of the profile, with the same cause.
#[test]
fn what_would_refuse_every_set_is_refused_of_the_profile() {
    let space = Space::new("profiles-tried");
    for (pod, main, words) in [
        (
            json!({}),
            json!({"ports": [{"containerPort": 80, "name": "far-too-long-a-name"}]}),
            "has more than 15",
        ),
        (json!({}), json!({"ports": [{"containerPort": 70000}]}), "70000 is not a port number"),
        (json!({}), json!({"env": [{"name": "A=B", "value": "x"}]}), "env[name=\"A=B\"]"),
        (json!({}), json!({"securityContext": {"runAsUser": -1}}), "-1 is no id of a user"),
        (json!({"nodeSelector": {"a b": "x"}}), json!({}), "\"a b\" is not the key of a label"),
        (json!({"serviceAccountName": "$(nmae)"}), json!({}), "\"$(nmae)\" is no name of an object"),
        (
            json!({"tolerations": [{"operator": "Exists", "effect": "Never"}]}),
            json!({}),
            "\"Never\" is none of its",
        ),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "Wait",
                "labelSelector": {"matchLabels": {"a": "b"}}}]}),
            json!({}),
            "write DoNotSchedule or ScheduleAnyway",
        ),
        (
            json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
                "topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}]}}}),
            json!({}),
            "\"Is\" is not an operator",
        ),
        (
            json!({"hostNetwork": true}),
            json!({"ports": [{"containerPort": 80, "hostPort": 81}]}),
            "hostPort: 81 stands beside hostNetwork",
        ),
    ] {
        let with = |name: &str| {
            let mut container = json!({"name": name, "image": "own:1"});
            container.as_object_mut().unwrap().extend(main.as_object().unwrap().clone());
            let mut spec = pod.clone();
            spec["containers"] = json!([container]);
            spec
        };
        let mut of_profile = with("$(main)");
        of_profile["containers"][0].as_object_mut().unwrap().remove("image");
        let wrong = json!({"statefulSet": {"spec": {"template": {"spec": of_profile}}}});
        let said = dry_run(&space, &child(&space.name, "default", &wrong));
        assert!(!said.success(), "{words}");
        let _ =
            said.mentions(&[words, "each set of it would be refused", "spec.statefulSet.spec.template.spec"]);
        // And so it is: by the API server, where nobody else looks.
        let bare = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "labels": {"app": "bare"}}, "spec": with("x"),
        });
        let said = space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &bare.to_string());
        assert!(!said.success(), "the API server takes it: {words}");
        let _ = said.mentions(&["is invalid"]);
    }
}

/// Amounts stand under sizes, and not in the template.
#[test]
fn huge_pages_alone_are_refused_of_the_profile() {
    let space = Space::new("profiles-pages");
    let pages = json!({"limits": {"hugepages-2Mi": "4Mi"}, "requests": {"hugepages-2Mi": "4Mi"}});
    let sized = json!({"size": "small", "sizes": {"small": pages}});
    let said = dry_run(&space, &child(&space.name, "default", &sized));
    assert!(!said.success());
    let _ = said.mentions(&["spec.sizes.small.limits.hugepages-2Mi: huge pages without cpu or memory"]);
    let bare = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"},
        "spec": {"containers": [{"name": "x", "image": "own:1", "resources": pages}]},
    });
    let said = space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &bare.to_string());
    assert!(!said.success(), "the API server takes it");
    let _ = said.mentions(&["HugePages require cpu or memory"]);
}

#[test]
fn what_would_be_refused_beside_every_set_is_refused_of_the_profile() {
    let space = Space::new("profiles-beside");
    for (rules, words) in [
        (json!({"ingress": [{"ports": [{"port": 70000}]}]}), "ports[0].port: 70000 is not a port number"),
        (json!({"ingress": [{"ports": [{"port": "web_ui"}]}]}), "ports[0].port: \"web_ui\" has characters"),
        (json!({"egress": [{"ports": [{"port": 9, "endPort": 8}]}]}), "endPort: 8 ends no range"),
        (json!({"ingress": [{"from": [{}]}]}), "ingress[0].from[0]: names nobody"),
        (
            json!({"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]}),
            "\"10.0.0.0\" is no range of addresses",
        ),
        (
            json!({"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "a b"}}}]}]}),
            "\"a b\" is not a label's value",
        ),
        (
            json!({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]}),
            "has ipBlock and a selector",
        ),
    ] {
        let said =
            dry_run(&space, &child(&space.name, "default", &json!({"companions": {"networkPolicy": rules}})));
        assert!(!said.success(), "{words}");
        let _ = said.mentions(&["spec.companions.networkPolicy.", words]);
        let mut spec = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
        spec.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x"}, "spec": spec,
        });
        let said = space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &policy.to_string());
        assert!(!said.success(), "the API server takes it: {words}");
        let _ = said.mentions(&["is invalid"]);
    }
    for (ports, words) in [
        (json!([{"name": "Gossip", "port": 1}]), "\"Gossip\" is not a DNS label"),
        (json!([{"name": "a", "port": 1}, {"name": "a", "port": 2}]), "would have the name \"a\""),
    ] {
        let asked = json!({"companions": {"headlessService": {"ports": ports}}});
        let said = dry_run(&space, &child(&space.name, "default", &asked));
        assert!(!said.success(), "{words}");
        let _ = said.mentions(&["spec.companions.headlessService.ports", words]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": ports}});
        let said = space.as_admin_with(&["create", "--dry-run=server", "-f", "-"], &service.to_string());
        assert!(!said.success(), "the API server takes it: {words}");
        let _ = said.mentions(&["is invalid"]);
    }
}

#[test]
fn what_a_set_may_bring_is_warned_of_alone() {
    let space = Space::new("profiles-remarks");
    let main = |field: &str, value: Value| json!({"statefulSet": {"spec": {"template": {"spec": {"containers": [{"name": "$(main)", field: value}]}}}}});
    for (fields, words) in [
        (main("readinessProbe", json!({"tcpSocket": {"port": "http"}})), "readinessProbe.tcpSocket.port: "),
        (main("args", json!(["--id=$(nmae)"])), "did you mean $(name)?"),
        (main("resources", json!({"limits": {"memory": "1Gi"}})), "resources.limits.memory: no set gets it"),
    ] {
        let _ = dry_run(&space, &child(&space.name, "default", &fields))
            .ok()
            .mentions(&["Warning: spec.", words]);
    }
}

#[test]
fn what_a_namespace_says_in_vain_is_told() {
    let space = Space::new("profiles-namespace");
    let wrong = ["stateward.dev/size=lrage", "stateward.dev/storage-clas=fast"];
    let _ = space.as_admin_says(&[&["annotate", "namespace", &space.name][..], &wrong].concat()).ok();
    let set = Manifest::yaml(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: cache, labels: {stateward.dev/managed: \"true\"}},
          spec: {template: {spec: {containers: [{name: redis, image: \"redis:8\"}]}}}}",
    );
    let told = [
        format!(
            "Namespace {}: stateward.dev/size: no profile has a size \"lrage\"; write one of",
            space.name
        ),
        format!(
            "Namespace {}: stateward.dev/storage-clas: nothing is read from it on a Namespace",
            space.name
        ),
    ];
    wait_for("the webhook to know the namespace's annotations", || {
        let said = space.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &set.text()).ok();
        if told.iter().all(|line| said.stderr.contains(line.as_str())) { Ok(()) } else { Err(said.stderr) }
    });
    let before = space.create(Client::Apply, &set);
    let said = space.kubectl(&["annotate", "statefulset/cache", "mine=x"]).ok();
    let _ = said.mentions(&told.each_ref().map(String::as_str));
    before.assert_not_restarted(&space.snapshot("cache"), "an annotation");
}

/// The watch may not have told of the parent yet.
#[test]
fn a_child_may_stand_behind_its_parent_in_one_file() {
    let space = Space::new("one-file");
    let names: Vec<[String; 2]> = (0..5)
        .map(|number| ["base", "child"].map(|kind| format!("{}-{kind}-{number}", space.name)))
        .collect();
    for [base, name] in &names {
        let both = [parent(base), child(name, base, &json!({}))].map(|one| one.text()).join("\n---\n");
        let _ = space.as_admin_with(&["create", "-f", "-"], &both).ok();
    }
    let orphan = child(&format!("{}-orphan", space.name), "nobody-has-it", &json!({}));
    let said = send(&space, Client::Apply, &orphan);
    let _ = said.mentions(&["extends nobody-has-it, which does not exist"]);
    for name in names.as_flattened() {
        let _ = space.as_admin_says(&["delete", "statefulsetprofile", name]).ok();
    }
}

#[test]
fn whoever_deletes_a_parent_is_told_what_becomes_of_its_children() {
    let space = Space::new("profiles-deleted");
    let (above, name) = (format!("{}-parent", space.name), format!("{}-child", space.name));
    apply(&space, &profile(&above, "64Mi"));
    let revision = wait_used(&space, &above)["revision"].as_str().expect("a revision").to_owned();
    wait_admitted(&space, &queue("probe", &above), &format!("{above}@{revision}"));
    let _ = space.create(Client::Apply, &queue("q", &above));
    apply(&space, &child(&name, &above, &json!({"summary": "a child"})));
    let _ = wait_used(&space, &name);
    wait_for("the status to count", || {
        let said = space.as_admin_says(&["get", "-o", "json", "statefulsetprofile", &above]).ok();
        let object: Value = serde_json::from_str(&said.stdout).expect("JSON");
        if object["status"]["inUse"] == 1 { Ok(()) } else { Err(object["status"].to_string()) }
    });
    let extends = format!("Warning: {name} extends {above}: what was last kept stands in for it");
    let pinned =
        format!("Warning: 1 set is pinned to revisions of {above}, which stay as long as they are used");
    // The webhook hears of the child by a watch of its own.
    wait_for("the webhook to know the child", || {
        let said = space.as_admin_says(&["delete", "--dry-run=server", "statefulsetprofile", &above]).ok();
        let told = [&extends, &pinned].iter().all(|line| said.stderr.contains(line.as_str()));
        if told { Ok(()) } else { Err(said.stderr) }
    });
    let _ =
        space.as_admin_says(&["delete", "statefulsetprofile", &above]).ok().mentions(&[&extends, &pinned]);
    // And so it is: what was kept stands in, and an edit is refused.
    wait_for("the parent to be missed", || {
        let said = dry_run(
            &space,
            &child(&name, &above, &json!({"summary": "another"})).named(&format!("{name}-2")),
        );
        if said.success() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let edit = send(&space, Client::Apply, &child(&name, &above, &json!({"size": "large"})));
    assert!(!edit.success());
    let _ = edit.mentions(&["spec.extends: extends", "which does not exist"]);
    let set = queue("of-the-child", &name);
    let stored =
        space.kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &set.text()).ok();
    let stored: Value = serde_json::from_str(&stored.stdout).expect("JSON");
    assert_eq!(stored["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 77, "as its parent said");
    let _ = space.as_admin_says(&["delete", "statefulsetprofile", &name]).ok().silent_about(&["extend"]);
}

/// No review ever judges them.
#[test]
fn what_is_wrong_with_the_profiles_of_files_is_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = json!({
        "size": "huge", "without": ["sizes.gone"],
        "statefulSet": {"spec": {"template": {"spec": {"nodeSelector": {"a b": "x"}}}}},
    });
    std::fs::write(directory.path().join("queue.yaml"), child("of-a-file", "default", &wrong).text())
        .unwrap();
    let replica = cluster().replica("profiles-files", &["--profiles", directory.path().to_str().unwrap()]);
    let told = [
        "spec.size: \\\"huge\\\" is no class of its sizes",
        "is not the key of a label, and each set of it would be refused",
        "it is used all the same, and sets that it makes unfit are refused",
        "spec.without[0]: sizes.gone takes nothing away",
    ];
    wait_for("the log to tell", || {
        let log = replica.log_tail(200);
        if told.iter().all(|line| log.contains(line)) { Ok(()) } else { Err(log) }
    });
}
