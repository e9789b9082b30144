//! The life of an installation on a real Kubernetes: install, use, upgrade, uninstall, install again. What the API
//! server calls, it finds through the chart's own `clientConfig.service`; who answers has the chart's own rights.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::cluster::{Cluster, Said, Webhook, wait_for};
use crate::helm::{NAMESPACE, SETS, chart, documents, render_set, root};

const ACCOUNT: &str = "stateward-webhook";

/// The ten lines.
const TEN_LINES: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: orders-db
  labels: {stateward.dev/managed: "true"}
  annotations: {stateward.dev/storage: 20Gi, stateward.dev/generate-secret: POSTGRES_PASSWORD}
spec:
  replicas: 1
  template:
    spec:
      containers:
      - {name: postgres, image: "postgres:18"}
"#;

/// All that the API server asks for, and nothing of ours.
const WHOLE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: whole
spec:
  replicas: 1
  selector: {matchLabels: {app: whole}}
  template:
    metadata: {labels: {app: whole}}
    spec:
      containers:
      - {name: app, image: example.com/app:1}
";

/// A cluster with the namespaces of the platform and of an application.
struct Installation {
    cluster: Cluster,
    port: u16,
}

#[test]
fn an_installation_lives_and_no_set_is_harmed() {
    let installation = Installation::new();
    installation.renders_what_the_api_server_takes();
    let notes = installation.helm("install", &["--wait"]).ok().stdout;
    assert!(notes.contains("rollout status deployment/stateward-webhook"), "{notes}");
    assert!(!notes.contains("WARNING"), "{notes}");
    installation.cluster.log_in(NAMESPACE, ACCOUNT);
    let webhook = installation.self_managed();

    installation.expands_ten_lines();
    installation.passes_its_own_test();
    installation.expands_in_managed_namespaces_and_leaves_its_own_alone();
    installation.refuses_a_second_install();
    installation.gives_each_component_its_rights_alone();
    installation.refuses_wishes_that_nothing_acts_on();
    installation.repairs_its_certificates();
    installation.upgrades_without_taking_the_bundle_back();
    installation.refuses_what_was_not_expanded(webhook);
    installation.changes_to_given_certificates();
    installation.uninstalls_and_comes_back();
}

impl Installation {
    /// Pod Security is enforced where the chart goes, and nobody has stateward yet.
    fn new() -> Self {
        let cluster = Cluster::start();
        for (name, labels) in [
            (NAMESPACE, "{pod-security.kubernetes.io/enforce: restricted}"),
            ("shop", "{}"),
            ("vendor", "{stateward.dev/managed: \"true\"}"),
        ] {
            let text =
                format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}");
            let _ = cluster.admin(&["create", "-f", "-"], &text).ok();
        }
        // Free a moment ago: the Service has to name it before anybody can listen there.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { cluster, port }
    }

    /// `helm install` or `helm upgrade`, with the way to the process that stands in for the pods.
    fn helm(&self, task: &str, more: &[&str]) -> Said {
        let chart = chart();
        let port = format!("webhook.service.port={}", self.port);
        let arguments =
            [task, "stateward", &chart.to_string_lossy(), "--namespace", NAMESPACE, "--set", &port];
        let way = ["webhook.service.type=ExternalName", "webhook.service.externalName=localhost"];
        let way = way.iter().flat_map(|setting| ["--set", setting]);
        let all: Vec<&str> = arguments.into_iter().chain(way).chain(more.iter().copied()).collect();
        self.cluster.run("helm", "admin", &all, "")
    }

    fn self_managed(&self) -> Webhook {
        self.cluster.webhook(ACCOUNT, self.port, &["--self-managed-certificates"])
    }

    /// Applies a manifest as the developer does.
    fn apply(&self, manifest: &str) -> Said {
        self.cluster.developer(&["apply", "-f", "-"], manifest)
    }

    fn set(&self, name: &str) -> Value {
        self.cluster.get(&["--namespace", "shop", "statefulset", name])
    }

    /// New configurations are taken up after a moment.
    fn wait_until_answered(&self) {
        wait_for("the API server to reach the webhook", || {
            let dry = self.cluster.developer(&["create", "--dry-run=server", "-f", "-"], TEN_LINES);
            // It exists: whoever was expanded gets as far as that.
            let answered = dry.success() || dry.stderr.contains("(AlreadyExists)");
            answered.then_some(()).ok_or(dry.stderr)
        });
    }

    /// Uids of the sets, pods and claims of the application, and how often the sets were changed.
    fn alive(&self) -> Vec<(String, Value, Value)> {
        let list = self.cluster.get(&["--namespace", "shop", "statefulsets,pods,persistentvolumeclaims"]);
        let items = list["items"].as_array().unwrap();
        let told = |item: &Value| {
            let metadata = &item["metadata"];
            assert!(metadata["deletionTimestamp"].is_null(), "{metadata}");
            let name = format!("{} {}", item["kind"], metadata["name"]);
            (name, metadata["uid"].clone(), metadata["generation"].clone())
        };
        items.iter().map(told).collect()
    }

    fn bundle(&self) -> Value {
        let configuration = self.cluster.get(&["mutatingwebhookconfiguration", "stateward"]);
        configuration["webhooks"][0]["clientConfig"]["caBundle"].clone()
    }

    /// Every field of every value set exists, and means something. Kinds of others' are not known here, and the test's
    /// own set is refused as long as nobody expands it.
    fn renders_what_the_api_server_takes(&self) {
        for set in SETS {
            let rendering = render_set(set);
            let known = rendering.iter().filter(|(file, text)| {
                !text.contains("cert-manager.io/v1")
                    && !text.contains("coreos.com/v1")
                    && !file.starts_with("tests/")
            });
            let text: String = known.map(|(_, text)| text.as_str()).collect();
            let arguments = ["create", "--dry-run=server", "--validate=strict", "-f", "-"];
            let created = self.cluster.admin(&arguments, &text).ok().stdout;
            assert_eq!(created.lines().count(), documents(set, &text).len(), "{set}: {created}");
        }
    }

    fn expands_ten_lines(&self) {
        self.wait_until_answered();
        let _ = self.apply(TEN_LINES).ok();
        let _ =
            self.cluster.developer(&["rollout", "status", "statefulset/orders-db", "--timeout=60s"], "").ok();
        let set = self.set("orders-db");
        assert_eq!(set["spec"]["serviceName"], "orders-db-headless");
        assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "data");
        let _ = self.apply(WHOLE).ok();
        assert!(self.set("whole")["metadata"]["annotations"]["stateward.dev/expansion"].is_null());
    }

    fn passes_its_own_test(&self) {
        let said =
            self.cluster.run("helm", "admin", &["test", "stateward", "--namespace", NAMESPACE], "").ok();
        assert!(said.stdout.contains("Succeeded"), "{}", said.stdout);
        assert_eq!(self.cluster.find(&["--namespace", "default", "statefulset", "stateward-test"]), None);
    }

    fn expands_in_managed_namespaces_and_leaves_its_own_alone(&self) {
        let without = TEN_LINES.replace("  labels: {stateward.dev/managed: \"true\"}\n", "");
        let arguments = ["--namespace", "vendor", "create", "--dry-run=server", "-o", "json", "-f", "-"];
        let shown = self.cluster.admin(&arguments, &without).ok().stdout;
        assert!(shown.contains("stateward.dev/expansion"), "{shown}");
        for namespace in [NAMESPACE, "kube-system"] {
            let labelled =
                WHOLE.replace("name: whole\n", "name: whole\n  labels: {stateward.dev/managed: \"true\"}\n");
            let arguments = ["--namespace", namespace, "create", "--dry-run=server", "-o", "json", "-f", "-"];
            let shown = self.cluster.admin(&arguments, &labelled).ok().stdout;
            assert!(!shown.contains("stateward.dev/expansion"), "{namespace}: {shown}");
        }
    }

    fn refuses_a_second_install(&self) {
        let chart = chart();
        let arguments =
            ["install", "second", &chart.to_string_lossy(), "--namespace", "elsewhere", "--create-namespace"];
        self.cluster
            .run("helm", "admin", &arguments, "")
            .refused(&["invalid ownership metadata", "stateward"]);
    }

    fn gives_each_component_its_rights_alone(&self) {
        for (account, verb, resource, namespace, expected) in [
            ("stateward-webhook", "watch", "namespaces", "shop", true),
            ("stateward-webhook", "get", "secrets", "shop", false),
            ("stateward-webhook", "get", "secrets/stateward-certificates", NAMESPACE, true),
            ("stateward-webhook", "get", "secrets/other", NAMESPACE, false),
            ("stateward-webhook", "patch", "mutatingwebhookconfigurations/stateward", "", true),
            ("stateward-webhook", "patch", "mutatingwebhookconfigurations/other", "", false),
            ("stateward-webhook", "patch", "statefulsets.apps", "shop", false),
            ("stateward-controller", "patch", "services", "shop", true),
            ("stateward-controller", "delete", "poddisruptionbudgets.policy", "shop", true),
            ("stateward-controller", "create", "secrets", "shop", true),
            ("stateward-controller", "get", "secrets", "shop", false),
            ("stateward-controller", "get", "secrets", NAMESPACE, false),
            ("stateward-controller", "patch", "statefulsets.apps", "shop", false),
            ("stateward-controller", "update", "statefulsets.apps/finalizers", "shop", false),
            (
                "stateward-controller",
                "update",
                "leases.coordination.k8s.io/stateward-controller",
                NAMESPACE,
                true,
            ),
            ("stateward-controller", "update", "leases.coordination.k8s.io/other", NAMESPACE, false),
        ] {
            let user = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
            let arguments = ["--namespace", namespace, "auth", "can-i", verb, resource, &user];
            let said = self.cluster.admin(&arguments, "").stdout;
            assert_eq!(
                said.trim() == "yes",
                expected,
                "may {account} {verb} {resource} in {namespace}? {said}"
            );
        }
        let finalizers = ["auth", "can-i", "update", "statefulsets.apps", "--subresource=finalizers"];
        let user = format!("--as=system:serviceaccount:{NAMESPACE}:stateward-controller");
        assert_eq!(self.cluster.admin(&[&finalizers[..], &[&user]].concat(), "").stdout.trim(), "yes");
    }

    /// A label that was forgotten, and everything that must go on nevertheless.
    fn refuses_wishes_that_nothing_acts_on(&self) {
        let refused = [
            "ValidatingAdmissionPolicy 'stateward'",
            "stateward.dev/storage",
            "stateward.dev/managed: \"true\"",
        ];
        let forgotten =
            WHOLE.replace("name: whole\n", "name: other\n  annotations: {stateward.dev/storage: 1Gi}\n");
        self.apply(&forgotten).refused(&refused);
        let annotate = ["annotate", "statefulset", "whole", "stateward.dev/storage=1Gi"];
        self.cluster.developer(&annotate, "").refused(&refused);

        let change = |arguments: &[&str]| {
            let _ = self.cluster.developer(arguments, "").ok();
        };
        change(&["annotate", "statefulset", "whole", "note=1"]);
        // What stands there already is no wish of this request.
        change(&["label", "statefulset", "orders-db", "stateward.dev/managed-"]);
        change(&["annotate", "statefulset", "orders-db", "note=1"]);
        // What was expanded once comes back from a backup.
        let mut backup = self.set("orders-db");
        backup["metadata"] = serde_json::json!({
            "name": "restored", "annotations": backup["metadata"]["annotations"],
        });
        let dry = ["create", "--dry-run=server", "-f", "-"];
        let _ = self.cluster.developer(&dry, &backup.to_string()).ok();
        // Meant so.
        change(&["label", "statefulset", "orders-db", "stateward.dev/managed=false"]);
        change(&["annotate", "statefulset", "orders-db", "stateward.dev/size=small"]);
        change(&["annotate", "statefulset", "orders-db", "stateward.dev/size-"]);
        change(&["label", "--overwrite", "statefulset", "orders-db", "stateward.dev/managed=true"]);
    }

    /// With every right that it has for this, and with no other.
    fn repairs_its_certificates(&self) {
        let secret = ["--namespace", NAMESPACE, "secret", "stateward-certificates"];
        let leaf = |found: &Value| found["data"]["tls.crt"].as_str().unwrap_or_default().to_owned();
        let before = leaf(&self.cluster.get(&secret));
        let damage =
            [&["patch"], &secret[..], &["--type=merge", "-p", r#"{"data":{"tls.crt":""}}"#]].concat();
        let _ = self.cluster.admin(&damage, "").ok();
        let other = |what: &str, known: &[&str]| {
            wait_for(what, || {
                let now = self.cluster.find(&secret).map(|found| leaf(&found)).unwrap_or_default();
                if now.is_empty() || known.contains(&now.as_str()) { Err(now) } else { Ok(now) }
            })
        };
        let repaired = other("a new leaf", &[&before]);
        let _ = self.cluster.admin(&[&["delete"], &secret[..]].concat(), "").ok();
        wait_for("the Secret to be made again", || {
            self.cluster.find(&secret).map(drop).ok_or_else(String::new)
        });
        assert_ne!(repaired, before);
        // Two CAs: the one that signs next, and the one of the leaf that is still served.
        wait_for("both CAs in the bundle", || {
            let pem = STANDARD.decode(self.bundle().as_str().unwrap()).unwrap();
            let pem = String::from_utf8(pem).unwrap();
            let count = pem.matches("BEGIN CERTIFICATE").count();
            if count == 2 { Ok(()) } else { Err(format!("{count} CAs")) }
        });
        self.wait_until_answered();
    }

    fn upgrades_without_taking_the_bundle_back(&self) {
        let (alive, bundle) = (self.alive(), self.bundle());
        assert!(bundle.is_string(), "{bundle}");
        let _ = self.helm("upgrade", &["--wait", "--set", "webhook.timeoutSeconds=4"]).ok();
        assert_eq!((self.alive(), self.bundle()), (alive, bundle));
        self.wait_until_answered();
    }

    /// Under `Ignore`, with nobody there to answer.
    fn refuses_what_was_not_expanded(&self, webhook: Webhook) {
        let _ = self.helm("upgrade", &["--set", "webhook.failurePolicy=Ignore"]).ok();
        drop(webhook);
        let managed =
            WHOLE.replace("name: whole\n", "name: later\n  labels: {stateward.dev/managed: \"true\"}\n");
        let refused = [
            "ValidatingAdmissionPolicy 'stateward'",
            "was not expanded",
            "webhook of stateward did not answer",
        ];
        wait_for("the failure policy to be taken up", || {
            let said = self.apply(&managed);
            if said.stderr.contains("failed calling webhook") {
                return Err(said.stderr);
            }
            said.refused(&refused);
            Ok(())
        });
        let _ = self.cluster.developer(&["scale", "statefulset/orders-db", "--replicas=2"], "").ok();
        let _ = self
            .cluster
            .developer(&["annotate", "statefulset", "orders-db", "note=2", "--overwrite"], "")
            .ok();
        let _ = self.helm("upgrade", &[]).ok();
    }

    /// With the development certificates, which the API server accepts.
    fn changes_to_given_certificates(&self) {
        let alive = self.alive();
        let out = tempfile::tempdir().unwrap();
        let file = |name: &str| -> PathBuf { out.path().join(name) };
        make_certificates(out.path());
        let setting = |key: &str, name: &str| format!("certificates.given.{key}={}", file(name).display());
        let [bundle, certificate, key] =
            [setting("caBundle", "ca.crt"), setting("certificate", "tls.crt"), setting("key", "tls.key")];
        let given = ["--set", "certificates.mode=given", "--set-file", &bundle, "--set-file", &certificate];
        let given = [&given[..], &["--set-file", &key]].concat();
        self.helm("upgrade", &given).refused(&["caBundle", "conflicts with \"stateward\""]);
        let _ = self.helm("upgrade", &[&given[..], &["--force-conflicts"]].concat()).ok();
        let (certificate, key) = (file("tls.crt"), file("tls.key"));
        let files =
            ["--tls-cert-file", &certificate.to_string_lossy(), "--tls-key-file", &key.to_string_lossy()];
        let webhook = self.cluster.webhook(ACCOUNT, self.port, &files);
        self.wait_until_answered();
        drop(webhook);
        let _ = self.helm("upgrade", &[]).ok();
        assert!(self.bundle().is_null(), "the given bundle was left");
        assert_eq!(self.alive(), alive);
    }

    fn uninstalls_and_comes_back(&self) {
        let alive = self.alive();
        let arguments = ["uninstall", "stateward", "--namespace", NAMESPACE, "--wait"];
        let _ = self.cluster.run("helm", "admin", &arguments, "").ok();
        assert_eq!(self.alive(), alive);
        for kind in
            ["mutatingwebhookconfiguration", "validatingwebhookconfiguration", "validatingadmissionpolicy"]
        {
            assert_eq!(self.cluster.find(&[kind, "stateward"]), None);
        }
        // Nothing is in the way of anybody.
        let change = |arguments: &[&str]| {
            let _ = self.cluster.developer(arguments, "").ok();
        };
        change(&["annotate", "statefulset", "orders-db", "note=3", "--overwrite"]);
        change(&["scale", "statefulset/orders-db", "--replicas=1"]);
        change(&["delete", "statefulset", "whole", "--timeout=60s"]);
        wait_for("the policy to be gone for the API server", || {
            let said = self.apply(WHOLE);
            said.success().then_some(()).ok_or(said.stderr)
        });
        wait_for("one pod", || {
            let pods = self.cluster.get(&["--namespace", "shop", "pods"])["items"].as_array().unwrap().len();
            if pods == 2 { Ok(()) } else { Err(format!("{pods} pods")) }
        });

        let alive = self.alive();
        let _ = self.helm("install", &["--wait"]).ok();
        self.cluster.log_in(NAMESPACE, ACCOUNT);
        let _webhook = self.self_managed();
        self.wait_until_answered();
        let _ = self.apply(TEN_LINES).ok();
        assert_eq!(self.alive(), alive, "applying the ten lines again changed what runs");
    }
}

fn make_certificates(out: &Path) {
    let namespace = format!("NAMESPACE={NAMESPACE}");
    let made = Command::new("make")
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .arg("-C")
        .arg(root().join("certs"))
        .args(["development", &namespace, &format!("OUT={}", out.display())])
        .output()
        .expect("make");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
