//! What stateward's identities asked of the API server, by its audit log.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

use super::cluster;

/// A request of one of the accounts that was answered.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) account: String,
    pub(crate) namespace: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) verb: String,
    pub(crate) name: String,
    pub(crate) code: u64,
    message: String,
}

/// The audit log, read on and on.
pub(crate) struct Audit {
    log: File,
    requests: Vec<Request>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, namespace: _, group, resource, verb, name, code: _, message } = self;
        write!(f, "{account}: {verb} {resource}.{group} {name}: {message}")
    }
}

impl Request {
    /// A line of the log.
    fn read(line: &str) -> Self {
        let event: Value = serde_json::from_str(line).expect("a line of the audit log");
        let object = &event["objectRef"];
        let field = |name: &str| text(&object[name]).to_owned();
        let subresource = object["subresource"].as_str().map(|part| format!("/{part}"));
        let account = text(&event["user"]["username"]).rsplit(':').next().unwrap_or_default().to_owned();
        Self {
            account,
            namespace: field("namespace"),
            group: field("apiGroup"),
            resource: field("resource") + &subresource.unwrap_or_default(),
            verb: text(&event["verb"]).to_owned(),
            name: field("name"),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
            message: text(&event["responseStatus"]["message"]).to_owned(),
        }
    }

    /// Whether a right was missing. What a quota or a namespace that goes keeps out is answered by 403
    /// as well, and no right would let it in.
    fn lacked_a_right(&self) -> bool {
        let admission = ["exceeded quota", "because it is being terminated", "definition is terminating"];
        self.code == 403 && !admission.iter().any(|words| self.message.contains(words))
    }
}

impl Audit {
    /// From its beginning.
    pub(crate) fn open() -> Self {
        let log = File::open(path()).expect("the audit log");
        Self { log, requests: Vec::new() }
    }

    /// Reads what is new.
    ///
    /// # Panics
    /// If a right was missing.
    pub(crate) fn look(&mut self) -> &[Request] {
        let mut news = String::new();
        self.log.read_to_string(&mut news).expect("the audit log");
        let whole = news.rfind('\n').map_or(0, |end| end + 1);
        let rest = i64::try_from(news.len() - whole).expect("a length");
        self.log.seek(SeekFrom::Current(-rest)).expect("a place in the audit log");
        self.requests.extend(news[..whole].lines().map(Request::read));
        let missing = self.requests.iter().filter(|request| request.lacked_a_right());
        let missing: Vec<String> = missing.map(ToString::to_string).collect();
        assert!(missing.is_empty(), "rights are missing in the chart:\n{missing:#?}");
        &self.requests
    }
}

fn path() -> PathBuf {
    cluster().dir.join("logs/audit.log")
}

/// No request of stateward's in this namespace lacked a right.
pub(super) fn assert_no_right_was_missing(namespace: &str) {
    let log = fs::read_to_string(path()).expect("the audit log");
    // The last line may be half written; and few of the many are of interest.
    let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let refused = whole.filter(|line| line.contains("\"code\":403")).map(Request::read);
    let missing: Vec<String> = refused
        .filter(|request| request.namespace == namespace && request.lacked_a_right())
        .map(|request| request.to_string())
        .collect();
    assert!(missing.is_empty(), "rights are missing in the chart:\n{missing:#?}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
