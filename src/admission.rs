//! Review in, response out. Knows JSON and the engine, no HTTP.

use std::sync::Arc;

use crate::engine::Facts;

/// Answers admission reviews.
pub struct Admission {
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
    /// `expanded`, `unchanged`, `ignored`, `refused`, `misrouted`.
    pub outcome: &'static str,
    /// Injections by family (`identity`, `ports`, `probes`, …).
    pub injections: Vec<(&'static str, u64)>,
    /// Reasons of the refusal, one for each fault.
    pub reasons: Vec<&'static str>,
    /// `namespace/name` of the object, for logs only: never a metric's label.
    pub object: String,
    /// The request's uid, for logs.
    pub uid: String,
    /// The pin, for logs.
    pub pin: String,
    /// How many warnings.
    pub warnings: usize,
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
    Engine(#[from] crate::engine::EngineError),
}

impl Admission {
    /// Answers one review.
    ///
    /// # Errors
    /// [`ReviewError::NotJson`] and [`ReviewError::NotReview`] are the caller's (HTTP 400), the
    /// rest ours (HTTP 500).
    pub fn answer(&self, _endpoint: Endpoint, _body: &[u8]) -> Result<Answer, ReviewError> {
        Err(ReviewError::NotReview("not yet".to_owned()))
    }
}
