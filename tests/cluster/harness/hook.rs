//! A webhook of the tests' own: it forwards to a stateward, is away, takes turns, or plays another
//! vendor's. Registered for one namespace alone.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::post;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use stateward::admission::{Admission, Endpoint};
use stateward::engine::{Engine, Offline};
use stateward::expand::Expansion;
use stateward::settings::Settings;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::kubectl::run;
use super::{RUNTIME, Space, Stateward, app, block_on, cluster, wait_for};

/// Answers one review, or not at all.
pub(crate) type Answer = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// Where among the webhooks it is called, and for which namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In place of stateward: the main configuration leaves these namespaces alone.
    Instead,
    /// Before stateward (configurations are called in the order of their names).
    Before,
    /// After stateward.
    After,
}

/// A webhook that is registered while this value lives.
pub(crate) struct Hook {
    configuration: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Used in turn.
    answers: Mutex<Vec<Answer>>,
    calls: AtomicUsize,
}

impl Place {
    /// The label that a namespace carries to be called for.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Instead => "stateward.dev/test-webhook",
            Self::Before => "stateward.dev/test-before",
            Self::After => "stateward.dev/test-after",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Instead | Self::Before => "a-test",
            Self::After => "z-test",
        }
    }
}

impl Hook {
    /// Serves `answers` in turn, for the namespaces that carry the label of `place` with the value
    /// `name`. `failure` is what happens when it is away: `Fail` or `Ignore`.
    pub(crate) fn start(name: &str, place: Place, failure: &str, answers: Vec<Answer>) -> Self {
        cluster(); // It chooses the provider of TLS.
        let shared = Arc::new(Shared { answers: Mutex::new(answers), calls: AtomicUsize::new(0) });
        let (address, ca) = block_on(serve(Arc::clone(&shared)));
        let configuration = format!("{}-{name}", place.prefix());
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": configuration},
            "webhooks": [{
                "name": format!("{name}.test.stateward.dev"),
                "clientConfig": {"url": format!("https://{address}/mutate"), "caBundle": ca},
                "objectSelector": {"matchExpressions": [
                    {"key": "stateward.dev/managed", "operator": "Exists"}]},
                "namespaceSelector": {"matchLabels": {place.label(): name}},
                "matchConditions": [{
                    "name": "not-being-deleted",
                    "expression": "!has(object.metadata.deletionTimestamp)"}],
                "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["statefulsets"],
                    "operations": ["CREATE", "UPDATE"], "scope": "Namespaced"}],
                "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": failure,
                "reinvocationPolicy": "Never", "timeoutSeconds": 5,
            }],
        });
        let _ = run("kubectl", "admin", &["create", "-f", "-"], &object.to_string(), &[]).ok();
        Self { configuration, shared }
    }

    /// Waits until the API server asks it: new configurations are taken up after a moment.
    pub(crate) fn wait_asked(&self, space: &Space) {
        let before = self.shared.calls.load(Ordering::SeqCst);
        wait_for("the API server to ask the hook", || {
            let said = space.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &app("probe").text());
            let asked = self.shared.calls.load(Ordering::SeqCst) > before;
            asked.then_some(()).ok_or(said.stderr)
        });
    }

    /// Answers so from now on, in turn.
    pub(crate) fn answer(&self, answers: Vec<Answer>) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        let arguments = ["delete", "mutatingwebhookconfiguration", &self.configuration];
        let _ = run("kubectl", "admin", &arguments, "", &[]);
    }
}

/// Asks a stateward. Its certificate is its own affair, which other tests look at.
pub(crate) fn forward(to: &Stateward) -> Answer {
    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(5))
        .build()
        .expect("a client");
    let url = format!("https://{}/mutate", to.address);
    Arc::new(move |review| {
        let request = client.post(&url).header("content-type", "application/json").body(review.to_vec());
        RUNTIME.handle().block_on(async {
            let response = request.send().await.ok()?;
            let good = response.status().is_success();
            let body = response.bytes().await.ok()?;
            good.then(|| body.to_vec())
        })
    })
}

/// Answers in this process, with the built-in profiles and another version of the expansion.
pub(crate) fn expanded_by(expand: fn(&Value, &Settings) -> Expansion) -> Answer {
    let engine = Engine { expand, ..Engine::built_in().expect("the built-in profiles") };
    let admission = Admission::by(&engine, Arc::new(Offline));
    Arc::new(move |review| {
        let answer = admission.answer(Endpoint::Mutate, review).ok()?;
        Some(answer.body)
    })
}

/// Answers nothing: the failure policy decides.
pub(crate) fn away() -> Answer {
    Arc::new(|_| None)
}

/// Another vendor's webhook: what `operations` makes of the object is its JSON patch.
pub(crate) fn changed_by(operations: fn(&Value) -> Vec<Value>) -> Answer {
    Arc::new(move |review| {
        let review: Value = serde_json::from_slice(review).ok()?;
        let patch = serde_json::to_vec(&operations(&review["request"]["object"])).ok()?;
        let answer = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {
                "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch",
                "patch": ByteString(patch),
            },
        });
        serde_json::to_vec(&answer).ok()
    })
}

/// What an injector of sidecars does, if it has not yet.
pub(crate) fn inject_sidecar(object: &Value) -> Vec<Value> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    let there = containers.is_some_and(|all| all.iter().any(|each| each["name"] == "mesh"));
    if there {
        return Vec::new();
    }
    let sidecar = json!({"name": "mesh", "image": "example.com/mesh:1", "ports": [{"containerPort": 15001}]});
    vec![json!({"op": "add", "path": "/spec/template/spec/containers/-", "value": sidecar})]
}

/// Serves on a free port with a certificate of its own, which is the caBundle too.
async fn serve(shared: Arc<Shared>) -> (SocketAddr, ByteString) {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .expect("a configuration");
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = tcp.local_addr().expect("its address");
    let listener = Listener { tcp, tls: TlsAcceptor::from(Arc::new(config)) };
    let router = axum::Router::new().route("/mutate", post(review)).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, ByteString(issued.cert.pem().into_bytes()))
}

type Reviewed = Result<([(HeaderName, &'static str); 1], Vec<u8>), StatusCode>;

async fn review(State(shared): State<Arc<Shared>>, body: Bytes) -> Reviewed {
    let turn = shared.calls.fetch_add(1, Ordering::SeqCst);
    let answer = {
        let answers = shared.answers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&answers[turn % answers.len()])
    };
    let answered = tokio::task::spawn_blocking(move || answer(&body)).await;
    let body = answered.ok().flatten().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(([(CONTENT_TYPE, "application/json")], body))
}

struct Listener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.tcp.accept().await
                && let Ok(stream) = self.tls.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
