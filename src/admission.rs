//! Review in, response out. Knows JSON and the engine, no HTTP.
//!
//! A user's mistake is `allowed: false` with every fault; a mistake of our own is an error, which
//! the server turns into HTTP 500, so that the failure policy decides.

mod break_glass;
mod profile;
mod wire;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use self::break_glass::Glass;
use crate::catalogue::Catalogue;
use crate::engine::{Admitted, Change, Decision, Engine, EngineError, Facts};
use crate::expand::{self, Expansion, Family};
use crate::fault::Fault;
use crate::profiles::Profiles;
use crate::settings::{Settings, text};

/// Answers admission reviews.
pub struct Admission {
    /// The profiles to expand by.
    pub profiles: Arc<Profiles>,
    /// The expansion.
    pub expand: fn(&Value, &Settings) -> Expansion,
    /// What is known of the cluster.
    pub facts: Arc<dyn Facts>,
}

/// Which of the two webhooks is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/mutate`.
    Mutate,
    /// `/validate`.
    Validate,
}

/// The answer to one review, for the server to send and to count.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The AdmissionReview, serialized.
    pub body: Vec<u8>,
    /// What it says, for logs and metrics.
    pub summary: Summary,
}

/// What an answer says, in bounded words.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// `CREATE`, `UPDATE` or `other`.
    pub operation: &'static str,
    /// `expanded`, `unchanged`, `ignored`, `refused`, `bypassed`, `misrouted`.
    pub outcome: &'static str,
    /// Injections by family (`identity`, `ports`, `probes`, …), of creations alone.
    pub injections: Vec<(&'static str, u64)>,
    /// Reasons of the refusal, or of what was bypassed, one for each fault.
    pub reasons: Vec<&'static str>,
    /// `namespace/name` of the object, for logs only: never a metric's label.
    pub object: String,
    /// The request's uid, for logs.
    pub uid: String,
    /// The pin, for logs.
    pub pin: String,
    /// How many warnings.
    pub warnings: usize,
    /// Whether it refuses a profile for want of a parent: one that was made a moment ago may not be known yet.
    pub lacks_parent: bool,
}

/// A body that is no review that we can answer.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or nested too deep.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not an `admission.k8s.io/v1` review with a request and a uid.
    #[error("{0}")]
    NotReview(String),
    /// Our own fault: HTTP 500.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What an answer consists of.
#[derive(Serialize)]
struct Response {
    allowed: bool,
    /// As base64.
    #[serde(skip)]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(rename = "auditAnnotations", skip_serializing_if = "Option::is_none")]
    audit: Option<Value>,
}

/// The AdmissionReview that goes back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'r> {
    api_version: &'static str,
    kind: &'static str,
    response: Reply<'r>,
}

/// A response, and which request it is to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'r> {
    uid: &'r str,
    #[serde(flatten)]
    response: &'r Response,
}

/// What is wrong with a change, and what is said beside it.
struct Refused {
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

type Judged = Result<Response, Refused>;

impl Admission {
    /// Answers by the profiles of a cluster.
    #[must_use]
    pub fn new(profiles: Arc<Profiles>, facts: Arc<dyn Facts>) -> Self {
        Self { profiles, expand: expand::expand, facts }
    }

    /// Answers by the profiles of this engine alone.
    #[must_use]
    pub fn by(engine: &Engine, facts: Arc<dyn Facts>) -> Self {
        let profiles = Arc::new(Profiles::new(Catalogue::clone(&engine.catalogue)));
        Self { profiles, expand: engine.expand, facts }
    }

    /// Answers one review.
    ///
    /// # Errors
    /// [`ReviewError::NotJson`] and [`ReviewError::NotReview`] are the caller's (HTTP 400), the
    /// rest ours (HTTP 500).
    pub fn answer(&self, endpoint: Endpoint, body: &[u8]) -> Result<Answer, ReviewError> {
        let review = wire::read(body).map_err(|error| ReviewError::NotJson(position(&error)))?;
        let request = request(&review)?;
        let namespace = text(&request["namespace"]);
        let mut summary = Summary {
            operation: operation(request),
            object: format!("{namespace}/{}", text(&request["name"])),
            uid: text(&request["uid"]).to_owned(),
            ..Summary::default()
        };
        let response = match change(request, namespace)? {
            None if endpoint == Endpoint::Validate && profile::is_profile(request) => {
                profile::review(self, request, &mut summary)
            }
            None => {
                summary.outcome = "misrouted";
                Response::passed()
            }
            Some(change) => {
                let judged = match endpoint {
                    Endpoint::Mutate => self.mutate(change, &mut summary)?,
                    Endpoint::Validate => self.validate(change, &mut summary),
                };
                judged.unwrap_or_else(|refused| self.refuse(request, change, refused, &mut summary))
            }
        };
        summary.warnings = response.warnings.len();
        Ok(Answer { body: response.serialize(text(&request["uid"])), summary })
    }

    /// What decides, for one review: profiles may change between two.
    fn engine(&self) -> Engine {
        Engine { expand: self.expand, ..Engine::new(self.profiles.catalogue()) }
    }

    fn mutate(&self, change: Change, summary: &mut Summary) -> Result<Judged, ReviewError> {
        Ok(Ok(match self.engine().admit(change, self.facts.as_ref())? {
            Decision::Ignored => {
                summary.outcome = "ignored";
                Response::passed()
            }
            Decision::Unchanged { pin } => {
                summary.outcome = "unchanged";
                summary.pin = pin;
                Response::passed()
            }
            Decision::Refused { faults, warnings } => return Ok(Err(Refused { faults, warnings })),
            Decision::Admitted(admitted) => Response::admitted(change, &admitted, summary),
        }))
    }

    fn validate(&self, change: Change, summary: &mut Summary) -> Judged {
        let faults = self.engine().validate(change, self.facts.as_ref());
        if !faults.is_empty() {
            return Err(Refused { faults, warnings: Vec::new() });
        }
        summary.outcome = "unchanged";
        Ok(Response::passed())
    }

    fn refuse(&self, request: &Value, change: Change, refused: Refused, summary: &mut Summary) -> Response {
        let Refused { faults, mut warnings } = refused;
        summary.reasons = faults.iter().map(|fault| fault.reason.as_str()).collect();
        match Glass::of(request, change, self.facts.configuration().as_deref()) {
            Glass::Broken { reason } => {
                summary.outcome = "bypassed";
                return Response::in_spite(reason, &faults);
            }
            Glass::Barred(why) => warnings.push(why),
            Glass::Whole => {}
        }
        summary.outcome = "refused";
        Response::refused(change, &faults, warnings)
    }
}

impl Response {
    fn passed() -> Self {
        Self { allowed: true, patch: None, status: None, warnings: Vec::new(), audit: None }
    }

    fn admitted(change: Change, admitted: &Admitted, summary: &mut Summary) -> Self {
        summary.outcome = if admitted.patch.is_some() { "expanded" } else { "unchanged" };
        summary.pin.clone_from(&admitted.pin);
        if change.before.is_none() {
            let mut counts = Family::ALL.map(|family| (family.as_str(), 0));
            for injection in &admitted.injections {
                counts[Family::of(&injection.path) as usize].1 += 1;
            }
            summary.injections = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        }
        let patch = admitted.patch.as_deref().map(base64);
        let audit = json!({"pin": admitted.pin, "injections": admitted.injections.len().to_string()});
        Self { allowed: true, patch, status: None, warnings: admitted.warnings.clone(), audit: Some(audit) }
    }

    fn refused(change: Change, faults: &[Fault], warnings: Vec<String>) -> Self {
        let name = text(&change.after["metadata"]["name"]);
        let causes: Vec<Value> = faults
            .iter()
            .map(|fault| {
                let message = format!("{}; {}", fault.problem, fault.remedy);
                json!({"reason": fault.reason.as_str(), "field": fault.field, "message": message})
            })
            .collect();
        let status = json!({
            "status": "Failure",
            "code": 422,
            "reason": "Invalid",
            "message": message(name, faults),
            "details": {"group": "apps", "kind": "StatefulSet", "name": name, "causes": causes},
        });
        Self { allowed: false, patch: None, status: Some(status), warnings, audit: None }
    }

    fn serialize(&self, uid: &str) -> Vec<u8> {
        let reply = Reply { uid, response: self };
        let review = Review { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response: reply };
        let mut body = crate::json::written(&review, 1024 + self.patch.as_ref().map_or(0, String::len));
        if let Some(patch) = &self.patch {
            // Into the response, whose end that is. In base64 there is nothing to escape, and it is too long
            // to be looked through for that.
            body.truncate(body.len().saturating_sub("}}".len()));
            for part in [r#","patchType":"JSONPatch","patch":""#, patch, r#""}}"#] {
                body.extend_from_slice(part.as_bytes());
            }
        }
        body
    }
}

/// The message of a refusal, a line for each fault.
#[must_use]
pub fn message(name: &str, faults: &[Fault]) -> String {
    let lines = faults.iter().map(|f| format!("{}: {}\n    → {}", f.field, f.problem, f.remedy));
    listed("StatefulSet", name, lines)
}

/// What is wrong with an object, a line for each fault.
fn listed(kind: &str, name: &str, faults: impl ExactSizeIterator<Item = String>) -> String {
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let lines: Vec<String> = faults.map(|fault| format!("\n  {fault}")).collect();
    format!("{kind} {name} has {count}:{}", lines.concat())
}

/// What `serde_json` says without the text that it read: bodies are not to be echoed.
fn position(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}

fn request(review: &Value) -> Result<&Value, ReviewError> {
    let fail = |message: &str| Err(ReviewError::NotReview(message.to_owned()));
    if review["kind"] != "AdmissionReview" || review["apiVersion"] != "admission.k8s.io/v1" {
        return fail(
            "the body is no AdmissionReview of admission.k8s.io/v1, the one version that is spoken here",
        );
    }
    let request = &review["request"];
    if !request.is_object() {
        return fail("the review has no request");
    }
    if text(&request["uid"]).is_empty() {
        return fail("the request has no uid");
    }
    Ok(request)
}

fn operation(request: &Value) -> &'static str {
    match text(&request["operation"]) {
        "CREATE" => "CREATE",
        "UPDATE" => "UPDATE",
        _ => "other",
    }
}

/// The change that a request asks for; `None` for what no rule of ours sends here.
fn change<'a>(request: &'a Value, namespace: &'a str) -> Result<Option<Change<'a>>, ReviewError> {
    let resource = &request["resource"];
    let ours = resource["group"] == "apps" && resource["resource"] == "statefulsets";
    let operation = operation(request);
    if !ours || !text(&request["subResource"]).is_empty() || operation == "other" {
        return Ok(None);
    }
    let object = |field: &str| match &request[field] {
        object @ Value::Object(_) => Ok(object),
        _ => Err(ReviewError::NotReview(format!("the request has no {field}"))),
    };
    let before = if operation == "UPDATE" { Some(object("oldObject")?) } else { None };
    Ok(Some(Change { namespace, before, after: object("object")? }))
}

/// Base64 with padding (RFC 4648, section 4), as Go decodes `[]byte`.
fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Offline;

    fn admission() -> Admission {
        Admission::by(&Engine::built_in().unwrap(), Arc::new(Offline))
    }

    fn review(request: &Value) -> Vec<u8> {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
            .to_string()
            .into_bytes()
    }

    fn create(object: &Value) -> Value {
        json!({
            "uid": "u-1", "operation": "CREATE", "namespace": "team", "name": "db",
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"}, "object": object,
        })
    }

    fn set() -> Value {
        json!({
            "metadata": {"name": "db", "labels": {"stateward.dev/managed": "true"}},
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "spec": {"selector": null, "serviceName": "", "template": {"metadata": {}, "spec": {
                "containers": [{"name": "redis", "image": "redis:8"}]}}},
        })
    }

    fn response(body: &[u8]) -> Value {
        let answer = admission().answer(Endpoint::Mutate, body).unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()["response"].clone()
    }

    #[test]
    fn a_creation_is_expanded_by_a_patch() {
        let response = response(&review(&create(&set())));
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(true)), "{response}");
        assert_eq!(response["patchType"], "JSONPatch");
    }

    #[test]
    fn a_refusal_lists_every_fault_for_people_and_programs() {
        let mut object = set();
        object["metadata"]["annotations"] =
            json!({"stateward.dev/storage": "10XB", "stateward.dev/sise": "small"});
        let response = response(&review(&create(&object)));
        assert_eq!(response["allowed"], false);
        assert_eq!(response["status"]["code"], 422);
        assert_eq!(response["status"]["details"]["causes"].as_array().unwrap().len(), 2, "{response}");
        assert!(
            response["status"]["message"].as_str().unwrap().starts_with("StatefulSet db has 2 faults:\n")
        );
    }

    #[test]
    fn nothing_to_do_has_neither_patch_nor_patch_type() {
        let mut object = set();
        object["metadata"]["labels"] = json!({});
        let response = response(&review(&create(&object)));
        assert_eq!(response, json!({"uid": "u-1", "allowed": true}));
    }

    #[test]
    fn what_no_rule_sends_here_passes() {
        let mut scale = create(&set());
        scale["subResource"] = json!("scale");
        let mut delete = create(&set());
        delete["operation"] = json!("DELETE");
        let mut deployment = create(&set());
        deployment["resource"]["resource"] = json!("deployments");
        for request in [scale, delete, deployment] {
            assert_eq!(response(&review(&request)), json!({"uid": "u-1", "allowed": true}));
        }
    }

    #[test]
    fn bodies_that_are_no_review_are_told_so() {
        let mut no_uid = create(&set());
        no_uid["uid"] = json!("");
        let mut no_object = create(&set());
        no_object["object"] = Value::Null;
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for (body, said) in [
            (b"{".to_vec(), "the body is not JSON: Eof error at line 1 column 1"),
            (deep.into_bytes(), "the body is not JSON: Syntax error at line 1 column 128"),
            (
                b"{}".to_vec(),
                "the body is no AdmissionReview of admission.k8s.io/v1, the one version that is spoken here",
            ),
            (review(&Value::Null), "the review has no request"),
            (review(&no_uid), "the request has no uid"),
            (review(&no_object), "the request has no object"),
        ] {
            assert_eq!(admission().answer(Endpoint::Mutate, &body).unwrap_err().to_string(), said);
        }
    }
}
