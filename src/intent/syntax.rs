//! Names, hosts, paths and port numbers as Kubernetes checks them.

use crate::intent::PortRef;
use crate::intent::complaint::{Complaint, quote};

/// A DNS-1123 label: what containers, volumes and namespaces are named by.
pub(crate) fn label(what: &str, text: &str) -> Result<String, Complaint> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    let problem = format!(
        "{} is no {what}: lower-case letters, digits and `-`, at most 63, with a letter or digit at both ends",
        quote(text)
    );
    Err(Complaint::invalid(problem).maybe(tidied(text, is_label)))
}

/// A DNS-1123 subdomain: what most objects are named by.
pub(crate) fn subdomain(what: &str, text: &str) -> Result<String, Complaint> {
    if is_subdomain(text) {
        return Ok(text.to_owned());
    }
    let problem = format!(
        "{} is no {what}: lower-case letters, digits, `-` and `.`, at most 253, with a letter or digit at both \
         ends of each part",
        quote(text)
    );
    Err(Complaint::invalid(problem).maybe(tidied(text, is_subdomain)))
}

/// A port's name (RFC 6335, as Kubernetes has it).
pub(crate) fn port_name(text: &str) -> Result<String, Complaint> {
    if is_port_name(text) {
        return Ok(text.to_owned());
    }
    let problem = format!(
        "{} is no port name: lower-case letters, digits and single `-`, at most 15, with at least one letter",
        quote(text)
    );
    Err(Complaint::invalid(problem).maybe(tidied(text, is_port_name)))
}

/// The name of an environment variable, which is also the key of a Secret.
pub(crate) fn env_name(text: &str) -> Result<String, Complaint> {
    let mut bytes = text.bytes();
    let good = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.len() <= 253;
    if good {
        return Ok(text.to_owned());
    }
    Err(Complaint::invalid(format!(
        "{} is no name of an environment variable: letters, digits and `_`, not beginning with a digit",
        quote(text)
    )))
}

/// A host name, also `*.example.com`.
pub(crate) fn host(text: &str) -> Result<String, Complaint> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let address = name.split('.').all(|part| part.parse::<u8>().is_ok());
    if is_subdomain(name) && !address {
        return Ok(text.to_owned());
    }
    let bare = text
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .split(['/', ':'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let meant = bare != text && is_subdomain(&bare);
    Err(Complaint::invalid(format!("{} is no host name", quote(text)))
        .maybe(meant.then(|| format!("write `{bare}`"))))
}

/// Where a volume is mounted, without a slash at the end.
pub(crate) fn mount_path(text: &str) -> Result<String, Complaint> {
    let bad = |why: &str| Err(Complaint::invalid(format!("{} {why}", quote(text))));
    if !text.starts_with('/') {
        return bad("is no absolute path");
    }
    let path = text.trim_end_matches('/');
    if path.is_empty() {
        return bad("would hide the whole image");
    }
    if path.contains(':') || path.chars().any(char::is_control) {
        return bad("has a character that no mount path may have");
    }
    if path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return bad("has a `//`, `.` or `..` in it");
    }
    Ok(path.to_owned())
}

/// A port number, 1 to 65535.
pub(crate) fn port_number(text: &str) -> Result<u16, Complaint> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && number > 0 => Ok(number),
        _ => Err(Complaint::invalid(format!("{} is no port number from 1 to 65535", quote(text)))),
    }
}

/// A port by number or by name.
pub(crate) fn port_ref(text: &str) -> Result<PortRef, Complaint> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return port_number(text).map(PortRef::Number);
    }
    if is_port_name(text) {
        return Ok(PortRef::Name(text.to_owned()));
    }
    Err(Complaint::invalid(format!("{} is neither a port number nor a port name", quote(text))))
}

/// One word out of a few.
pub(crate) fn one_of(what: &str, text: &str, words: &[&'static str]) -> Result<&'static str, Complaint> {
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Ok(word);
    }
    let remedy = words
        .iter()
        .find(|word| word.eq_ignore_ascii_case(text))
        .map_or_else(|| format!("write one of: {}", words.join(", ")), |word| format!("write `{word}`"));
    Err(Complaint::invalid(format!("{} is no {what}", quote(text))).remedy(remedy))
}

/// `none` in another spelling, which no other grammar would explain well.
pub(crate) fn not_none(text: &str) -> Result<(), Complaint> {
    if text.eq_ignore_ascii_case("none") && text != "none" {
        return Err(Complaint::invalid(format!("{} is misspelt", quote(text))).remedy("write `none`"));
    }
    Ok(())
}

pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label_of_any_length)
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_of_any_length(text)
}

fn is_label_of_any_length(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && is_label_of_any_length(text)
        && !text.contains("--")
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// The remedy for a name that is right but for capitals and underscores.
fn tidied(text: &str, good: fn(&str) -> bool) -> Option<String> {
    let tidy = text.to_ascii_lowercase().replace(['_', ' '], "-");
    good(&tidy).then(|| format!("write `{tidy}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kubernetes_does() {
        let long = "a".repeat(64);
        for (text, is_a_label, is_a_subdomain, is_a_port) in [
            ("db", true, true, true),
            ("a-1", true, true, true),
            ("80", true, true, false),
            ("a--b", true, true, false),
            ("a.b", false, true, false),
            ("-a", false, false, false),
            ("a-", false, false, false),
            ("a..b", false, false, false),
            ("A", false, false, false),
            ("ä", false, false, false),
            ("", false, false, false),
            ("sixteen-letters1", true, true, false),
            (long.as_str(), false, true, false),
        ] {
            assert_eq!(label("name", text).is_ok(), is_a_label, "label {text}");
            assert_eq!(subdomain("name", text).is_ok(), is_a_subdomain, "subdomain {text}");
            assert_eq!(port_name(text).is_ok(), is_a_port, "port {text}");
        }
    }

    #[test]
    fn a_name_that_needs_tidying_is_offered_tidy() {
        let remedy = |text| label("container", text).unwrap_err().remedy;
        assert_eq!(remedy("Orders_DB").as_deref(), Some("write `orders-db`"));
        assert_eq!(remedy("-"), None);
    }

    #[test]
    fn hosts() {
        for good in ["example.com", "*.example.com", "a-1.b", "localhost", "1.example.com"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for (bad, remedy) in [
            ("https://Example.com/x", Some("write `example.com`")),
            ("example.com:443", Some("write `example.com`")),
            ("10.0.0.1", None),
            ("a.*.b", None),
            ("a,b", None),
            ("", None),
        ] {
            assert_eq!(host(bad).unwrap_err().remedy.as_deref(), remedy, "{bad}");
        }
    }

    #[test]
    fn mount_paths() {
        for (good, path) in [("/data", "/data"), ("/data/", "/data"), ("/a/b.c", "/a/b.c")] {
            assert_eq!(mount_path(good).unwrap(), path);
        }
        for bad in ["", "data", "/", "//", "/a//b", "/a/../b", "/a/.", "/a:ro", "/a\nb"] {
            assert!(mount_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_by_number_and_name() {
        assert_eq!(port_ref("80"), Ok(PortRef::Number(80)));
        assert_eq!(port_ref("http"), Ok(PortRef::Name("http".to_owned())));
        for bad in ["", "0", "65536", "+80", "-1", "99999999999", "HTTP", "a b"] {
            assert!(port_ref(bad).is_err(), "{bad}");
        }
        assert!(port_number("+80").is_err() && port_number("").is_err());
    }
}
