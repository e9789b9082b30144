//! StatefulSets as people write them, and as nobody should.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use stateward::intent::{KEYS, On};
use stateward::names::PREFIX;

use crate::merging::strategic;

/// The main container of all manifests.
pub(crate) const MAIN: &str = "app";

const IMAGES: [&str; 14] = [
    "postgres:18",
    "postgres:18.1-alpine",
    "postgres:17",
    "postgres:17-alpine3.21",
    "postgres:16.4-bookworm",
    "mirror.example.com/library/postgres:18@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "postgres",
    "postgres:latest",
    "team/postgres:18",
    "nginx:1.29",
    "app",
    "search:2",
    "localhost:5000/own/thing:v3",
    "bitnami/postgresql:18",
];

/// An image of any kind.
pub(crate) fn image() -> impl Strategy<Value = &'static str> {
    select(&IMAGES[..])
}

/// A whole manifest.
pub(crate) fn manifest() -> impl Strategy<Value = Value> {
    let parts = prop::collection::vec(prop_oneof![3 => field(), 2 => intent()], 0..8);
    (image(), shape(), parts).prop_map(|(image, containers, parts)| built(image, &containers, &parts))
}

/// A manifest with one container and few fields.
pub(crate) fn small() -> impl Strategy<Value = Value> {
    let parts = prop::collection::vec(prop_oneof![field(), intent()], 0..3);
    (image(), parts).prop_map(|(image, parts)| built(image, &json!([{"name": MAIN}]), &parts))
}

fn built(image: &str, containers: &Value, parts: &[Value]) -> Value {
    let mut manifest = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "orders-db", "labels": {"stateward.dev/managed": "true"},
            // What profiles refuse by is no law: most of what is made here would be.
            "annotations": {"stateward.dev/acknowledge": "no-password,separate-replicas"},
        },
        "spec": {"template": {"spec": {"containers": containers}}},
    });
    strategic(&mut manifest, &main(json!({"image": image})));
    for part in parts {
        strategic(&mut manifest, part);
    }
    manifest
}

fn shape() -> impl Strategy<Value = Value> {
    let proxy = json!({"name": "proxy", "image": "envoy:1.30", "ports": [{"containerPort": 8080}]});
    let logger =
        json!({"name": "logger", "image": "fluent-bit:3", "env": [{"name": "LEVEL", "value": "info"}]});
    let app = json!({"name": MAIN});
    select(vec![json!([app]), json!([app, proxy]), json!([proxy, app]), json!([logger, app, proxy])])
}

/// A fragment of the main container.
pub(crate) fn main(mut fields: Value) -> Value {
    fields["name"] = json!(MAIN);
    pod(json!({"containers": [fields]}))
}

#[allow(clippy::needless_pass_by_value)] // it is handed what json! makes
fn pod(fields: Value) -> Value {
    json!({"spec": {"template": {"spec": fields}}})
}

fn annotation(key: &str, value: &str) -> Value {
    json!({"metadata": {"annotations": {format!("{PREFIX}{key}"): value}}})
}

/// A field of the user's own. Whole: with all that the API server would fill in below it, so that
/// server-side apply takes out what it brought.
pub(crate) fn field() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(probes()),
        select(of_containers()),
        select(of_pods()),
        select(storage()),
        select(of_sets()),
    ]
}

fn probes() -> Vec<Value> {
    let timings = |mut probe: Value| {
        for (field, value) in
            [("periodSeconds", 3), ("timeoutSeconds", 2), ("successThreshold", 1), ("failureThreshold", 9)]
        {
            probe[field] = json!(value);
        }
        probe
    };
    let http = json!({"httpGet": {"port": 80, "path": "/ready", "scheme": "HTTP"}});
    vec![
        main(json!({"readinessProbe": http})),
        main(json!({"readinessProbe": timings(http.clone())})),
        main(json!({"readinessProbe": {"exec": {"command": ["true"]}}})),
        main(json!({"livenessProbe": {"tcpSocket": {"port": 5432}, "initialDelaySeconds": 4}})),
        main(json!({"livenessProbe": timings(json!({"grpc": {"port": 90, "service": ""}}))})),
        main(json!({"startupProbe": {"httpGet": {"port": 80}}})),
        main(json!({"startupProbe": {"failureThreshold": 99}})),
        main(json!({"readinessProbe": {"periodSeconds": 10, "timeoutSeconds": 1}})),
    ]
}

fn of_containers() -> Vec<Value> {
    let env = |items: Value| main(json!({"env": items}));
    vec![
        env(json!([{"name": "POD_NAME", "value": "mine"}])),
        env(json!([{"name": "PGDATA", "value": "/elsewhere"}])),
        env(json!([{"name": "URL", "value": "$(POD_NAME).x"}, {"name": "ZONE", "value": ""}])),
        env(
            json!([{"name": "ZONE"}, {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.hostIP"}}}]),
        ),
        env(json!([{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}])),
        main(
            json!({"envFrom": [{"secretRef": {"name": "own"}}, {"configMapRef": {"name": "own"}, "prefix": "X_"}]}),
        ),
        main(json!({"envFrom": [{"secretRef": {"name": "db"}}]})),
        main(json!({"ports": [{"containerPort": 5432, "protocol": "TCP"}]})),
        main(
            json!({"ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]}),
        ),
        main(json!({"resources": {"limits": {"memory": "200Mi"}}})),
        main(json!({"resources": {"limits": {"memory": "64Gi", "cpu": 2}, "requests": {"cpu": "300m"}}})),
        main(json!({"resources": {"requests": {"memory": "32Gi", "future.example.com/gpu": 1}}})),
        main(json!({"securityContext": {"runAsUser": 0}})),
        main(json!({"securityContext": {"runAsUser": 999, "allowPrivilegeEscalation": false}})),
        main(json!({"securityContext": {"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}}})),
        main(
            json!({"securityContext": {"capabilities": {"drop": ["NET_RAW"]}, "seccompProfile": {"type": "RuntimeDefault"}}}),
        ),
        main(json!({"command": ["run"], "args": ["-c", "x"]})),
        main(json!({"imagePullPolicy": "Always", "terminationMessagePolicy": "FallbackToLogsOnError"})),
        main(json!({"lifecycle": {"preStop": {"exec": {"command": ["stop"]}}}})),
        main(json!({"securityContext": {"readOnlyRootFilesystem": true}})),
        main(json!({"futureOfContainers": {"deep": [{"name": "x", "y": {"z": [1]}}], "flag": false}})),
    ]
}

fn of_pods() -> Vec<Value> {
    let spread = |key: &str, when: &str| {
        let selector = json!({"matchLabels": {"app": "own"}});
        json!({"maxSkew": 2, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": selector})
    };
    let spreads = |items: Vec<Value>| pod(json!({"topologySpreadConstraints": items}));
    vec![
        pod(json!({"terminationGracePeriodSeconds": 30})),
        pod(json!({"terminationGracePeriodSeconds": 7})),
        pod(json!({"volumes": [{"name": "scratch-tmp", "configMap": {"name": "own", "defaultMode": 420}}]})),
        pod(json!({"securityContext": {"runAsUser": 1000, "fsGroup": 1000}})),
        pod(
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}, "fsGroupChangePolicy": "Always"}}),
        ),
        spreads(vec![spread("kubernetes.io/hostname", "DoNotSchedule")]),
        spreads(vec![spread("kubernetes.io/hostname", "ScheduleAnyway")]),
        spreads(vec![
            spread("example.com/rack", "ScheduleAnyway"),
            spread("topology.kubernetes.io/zone", "DoNotSchedule"),
        ]),
        pod(json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "own"}}},
        ]}}})),
        pod(json!({"affinity": {"podAntiAffinity": {}}})),
        pod(json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        ]}}})),
        pod(json!({"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "db", "operator": "Exists"}]})),
        pod(
            json!({"serviceAccountName": "own", "serviceAccount": "own", "automountServiceAccountToken": true}),
        ),
        pod(json!({"enableServiceLinks": true, "priorityClassName": "high"})),
        pod(
            json!({"initContainers": [{"name": "init", "image": "busybox:1", "env": [{"name": "POD_NAME", "value": "i"}]}]}),
        ),
        pod(
            json!({"containers": [{"name": "extra", "image": "envoy:1.31", "env": [{"name": "A", "value": "b"}]}]}),
        ),
        pod(json!({"volumes": [{"name": "tmp", "emptyDir": {}}], "containers": [
            {"name": MAIN, "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
        ]})),
        pod(json!({"hostNetwork": false, "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}})),
        pod(json!({"futureOfPods": [{"name": "b"}, {"name": "a", "empty": {}}]})),
        json!({"spec": {"template": {"metadata": {"labels": {"team": "x"}, "annotations": {"prometheus.io/scrape": "true"}}}}}),
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": MAIN}}}}}),
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}}}),
    ]
}

fn storage() -> Vec<Value> {
    let claim = |name: &str, more: Value| {
        let mut spec =
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}});
        strategic(&mut spec, &more);
        json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": name}, "spec": spec}]}})
    };
    let mounted = |name: &str, path: &str| {
        let mut set = claim(name, json!({"storageClassName": "fast"}));
        strategic(&mut set, &main(json!({"volumeMounts": [{"name": name, "mountPath": path}]})));
        set
    };
    vec![
        mounted("own", "/own"),
        mounted("own", "/var/lib/postgresql"),
        mounted("data", "/var/lib/postgresql/data"),
        mounted("data", "/other"),
        claim("data", json!({})),
    ]
}

fn of_sets() -> Vec<Value> {
    let own = json!({"app": "own"});
    vec![
        json!({"spec": {"replicas": 3}}),
        json!({"spec": {"replicas": 1}}),
        json!({"spec": {"podManagementPolicy": "OrderedReady"}}),
        json!({"spec": {"podManagementPolicy": "Parallel"}}),
        json!({"spec": {"serviceName": "own"}}),
        json!({"spec": {"selector": {"matchLabels": own}, "template": {"metadata": {"labels": own}}}}),
        json!({"spec": {"revisionHistoryLimit": 10}}),
        json!({"spec": {"revisionHistoryLimit": 3, "minReadySeconds": 5}}),
        json!({"spec": {"updateStrategy": {"type": "OnDelete"}}}),
        json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "futureField": 1}}}}),
        json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"}}}),
        json!({"spec": {"futureOfSets": {"mode": "x"}}}),
        json!({"metadata": {"annotations": {"example.com/note": "x"}, "labels": {"app.kubernetes.io/name": "own"}}}),
        json!({"metadata": {"labels": {"team": "x"}, "finalizers": ["example.com/guard"]}}),
    ]
}

/// A label or annotation of ours whose value means something, not always beside the others.
pub(crate) fn intent() -> impl Strategy<Value = Value> {
    let examples: Vec<Value> = KEYS
        .iter()
        .filter(|key| !matches!(key.name, "managed" | "upgrade-to" | "main-container"))
        .map(|key| match key.on {
            On::Label => json!({"metadata": {"labels": {key.full(): key.example}}}),
            On::Annotation => annotation(&key.name.replace("<name>", "wal"), key.example),
        })
        .collect();
    prop_oneof![1 => select(examples), 3 => select(intents())]
}

fn intents() -> Vec<Value> {
    let mut all: Vec<Value> = [
        ("storage", "20Gi"),
        ("storage", "none"),
        ("storage", "1Ti"),
        ("mount-path", "/data"),
        ("storage-class", "fast"),
        ("volume.wal", "5Gi,path=/wal"),
        ("volume.more", "1Gi,path=/more,class=slow"),
        ("ports", "web=8080"),
        ("ports", "a=1,b=2/UDP"),
        ("readiness-probe", "none"),
        ("readiness-probe", "tcp:5432;period=3"),
        ("readiness-probe", "http:8080/ready"),
        ("liveness-probe", "none"),
        ("liveness-probe", "exec:true;failures=9"),
        ("startup-probe", "none"),
        ("startup-probe", "grpc:9090"),
        ("size", "small"),
        ("size", "xlarge"),
        ("env-from", "secret/db"),
        ("env-from", "configmap/a,secret/db"),
        ("generate-secret", "POSTGRES_PASSWORD"),
        ("service", "none"),
        ("disruption-budget", "none"),
        ("keep", "terminationGracePeriodSeconds"),
        ("keep", "podManagementPolicy,readinessProbe"),
        ("keep", "revisionHistoryLimit,updateStrategy"),
        ("main-container", MAIN),
        ("main-container", "proxy"),
        ("profile-revision", "latest"),
    ]
    .iter()
    .map(|(key, value)| annotation(key, value))
    .collect();
    let ingress = [("ingress-host", "a.example.com"), ("ingress-port", "http")];
    let mut parts = json!({});
    for (key, value) in ingress {
        strategic(&mut parts, &annotation(key, value));
    }
    all.push(parts);
    for profile in ["default", "postgresql"] {
        all.push(json!({"metadata": {"labels": {format!("{PREFIX}profile"): profile}}}));
    }
    all
}

/// What is refused where it is new.
pub(crate) fn invalid() -> impl Strategy<Value = Value> {
    let mut all: Vec<Value> = [
        ("storage", "a lot"),
        ("storge", "20Gi"),
        ("ports", "x=99999999"),
        ("readiness-probe", "tcp"),
        ("size", "huge"),
        ("profile-revision", "postgresql@00000000"),
        ("upgrade-to", "nobody@1"),
        ("main-container", "nobody"),
        ("ingress-port", "x"),
        ("keep", "everything"),
        ("volume.data", "1Gi,path=relative"),
        ("expansion", "{\"format\":1}"),
        ("expansion", "{\"format\":99}"),
    ]
    .iter()
    .map(|(key, value)| annotation(key, value))
    .collect();
    all.extend([
        json!({"metadata": {"labels": {"stateward.dev/profile": "nobody"}}}),
        json!({"metadata": {"labels": {"stateward.dev/managed": "yes"}}}),
        json!({"metadata": {"annotations": {"stateward.dev/storage": 5}}}),
        main(json!({"readinessProbe": {"tcpSocket": {"port": 1}, "exec": {"command": ["x"]}}})),
        main(json!({"env": [{"name": "POD_NAME", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]})),
        main(json!({"env": "no list"})),
        main(json!({"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]})),
        main(json!({"resources": {"limits": {"memory": "1Mi"}, "requests": {"memory": "2Mi"}}})),
        pod(json!({"containers": [{"image": "nameless:1"}]})),
        json!({"spec": {"selector": {"matchLabels": {"nobody": "x"}}}}),
        json!({"metadata": {"name": "Wrong_Name"}}),
        json!({"metadata": {"generateName": "x-"}}),
        json!({"spec": {"replicas": -1}}),
        json!({"spec": null}),
        json!({"spec": {"template": []}}),
    ]);
    select(all)
}

/// Names of fields that mean something, to somebody who reads objects.
const FIELDS: &str = "\
    metadata name labels annotations managedFields fieldsV1 operation f:spec spec template \
    containers initContainers env value valueFrom envFrom secretRef ports containerPort \
    protocol volumeMounts mountPath volumeClaimTemplates selector matchLabels serviceName \
    podManagementPolicy updateStrategy rollingUpdate readinessProbe tcpSocket exec command port \
    resources limits requests memory securityContext affinity podAntiAffinity \
    topologySpreadConstraints topologyKey whenUnsatisfiable replicas image status \
    stateward.dev/managed stateward.dev/expansion stateward.dev/storage stateward.dev/profile \
    kubectl.kubernetes.io/last-applied-configuration deletionTimestamp future";

/// Arbitrary JSON with the names of fields that mean something.
pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let words = [
        "",
        "true",
        "app",
        "postgres:18",
        "orders-db",
        "TCP",
        "Parallel",
        "20Gi",
        "metadata.name",
        "{\"format\":1}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![0_i64, 1, -1, 30, 5432, i64::MAX, i64::MIN]).prop_map(Value::from),
        Just(json!(1.5)),
        select(words.to_vec()).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    let fields: Vec<&str> = FIELDS.split_whitespace().collect();
    leaf.prop_recursive(7, 48, 4, move |inner| {
        let field = prop_oneof![9 => select(fields.clone()).prop_map(str::to_owned), 1 => ".{0,4}"];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::vec((field, inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// What `kubectl edit` takes out of a set, as a strategic merge patch.
pub(crate) fn removal() -> impl Strategy<Value = Value> {
    let command = json!({"exec": {"command": null}});
    select(vec![
        pod(
            json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": null}}}),
        ),
        pod(json!({"affinity": null})),
        pod(json!({"topologySpreadConstraints": null, "enableServiceLinks": null})),
        pod(json!({"securityContext": {"seccompProfile": null, "fsGroup": null}})),
        main(json!({"securityContext": null})),
        main(json!({"securityContext": {"capabilities": {"drop": null}, "runAsUser": null}})),
        main(json!({"resources": {"requests": null, "limits": null}})),
        main(json!({"readinessProbe": null})),
        main(json!({"livenessProbe": command})),
        main(json!({"env": null})),
        main(json!({"env": [{"name": "POD_NAME", "valueFrom": null}]})),
        main(json!({"ports": null, "envFrom": null})),
    ])
}
