//! A status for people.

use std::fmt::Write;

use serde_json::Value;

use crate::settings::text;

/// The lines of one set.
pub(super) fn told(status: &Value) -> String {
    let mut out = format!("StatefulSet {}/{}\n", text(&status["namespace"]), text(&status["name"]));
    let mut row = |what: &str, text: &str| _ = writeln!(out, "  {what:<11} {text}");
    let list = |field: &'static str| status[field].as_array().into_iter().flatten();
    let pin = text(&status["pin"]);
    let gone = status["gone"].as_str().map(|gone| format!(": {gone}")).unwrap_or_default();
    row("profile", &if pin.is_empty() { "none".to_owned() } else { format!("{pin}{gone}") });
    for behind in list("behind") {
        row("behind", text(behind));
    }
    for fault in list("namespaceFaults") {
        row("namespace", text(fault));
    }
    row("pods", &format!("{} of {} ready", status["ready"], status["replicas"]));
    for pod in list("pods") {
        let ready = if pod["ready"] == true { "ready" } else { text(&pod["phase"]) };
        let older = if pod["current"] == false { " (older revision)" } else { "" };
        row("", &format!("{ready:<8}{}{older}", pod["dns"].as_str().unwrap_or(text(&pod["name"]))));
    }
    for claim in list("claims") {
        row("claim", &format!("{} {} {}", text(&claim["name"]), text(&claim["size"]), text(&claim["phase"])));
    }
    for companion in list("companions") {
        let name = text(&companion["name"]);
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        let (kind, state) = (text(&companion["kind"]), text(&companion["state"]));
        row(text(&companion["role"]), &format!("{kind}{name}: {state}"));
    }
    if let Some(allowed) = status["disruptionsAllowed"].as_u64() {
        let pods = if allowed == 1 { "pod" } else { "pods" };
        row("drains", &format!("{allowed} {pods} may be evicted now"));
    }
    for endpoint in list("endpoints") {
        let mut notes: Vec<String> = Vec::new();
        notes.extend(endpoint["port"].as_str().map(str::to_owned));
        match (text(&endpoint["by"]), endpoint["ready"].as_u64()) {
            ("Service", ready) => notes.extend(ready.map(|ready| format!("{ready} ready"))),
            (by, _) => notes.push(by.to_owned()),
        }
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        row("endpoint", &format!("{}{notes}", text(&endpoint["address"])));
    }
    if let Some(command) = status["portForward"].as_str() {
        row("reach it", command);
    }
    for note in list("notes") {
        row("note", text(note));
    }
    for problem in list("problems") {
        row("wrong", text(problem));
    }
    out
}
