//! `service`, `ingress-*` and `gateway`.

use crate::intent::complaint::{Complaint, quote};
use crate::intent::{Gateway, syntax};

/// A service class of the configuration, or `none`. Classes may have capitals, as `ClusterIP` has.
pub(crate) fn service(text: &str) -> Result<String, Complaint> {
    syntax::not_none(text)?;
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let inner = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    let good = ends(text.chars().next()) && ends(text.chars().last()) && text.chars().all(inner);
    if good && text.len() <= 63 {
        return Ok(text.to_owned());
    }
    Err(Complaint::invalid(format!("{} is no name of a service class", quote(text))))
}

/// The path of an Ingress or a route; all below it is meant too.
pub(crate) fn path(text: &str) -> Result<String, Complaint> {
    let bad = |why: &str| Err(Complaint::invalid(format!("{} {why}", quote(text))));
    if !text.starts_with('/') {
        return bad("does not begin with `/`");
    }
    // What the API server refuses of a path that is matched by prefix.
    let escaped = text.to_ascii_lowercase();
    let dots = text.split('/').any(|part| matches!(part, "." | ".."));
    if dots || text.contains("//") || escaped.contains("%2f") || escaped.contains("%5c") {
        return bad("has a `//`, `.`, `..` or an escaped slash in it");
    }
    // Fewer than a URL may have: a proxy may read quotes, braces, semicolons and variables as its own
    // configuration (CVE-2021-25745, CVE-2021-25748), and whoever writes this need not be allowed to.
    if !text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._~%+:@=,/".contains(letter)) {
        return bad("has a character that no path of a route may have");
    }
    Ok(text.to_owned())
}

/// `infra/public` or `public`.
pub(crate) fn gateway(text: &str) -> Result<Gateway, Complaint> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace.trim()), name.trim()),
        None => (None, text),
    };
    Ok(Gateway {
        namespace: namespace.map(|namespace| syntax::label("namespace", namespace)).transpose()?,
        name: syntax::subdomain("name of a Gateway", name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::testing::{bad, good};

    #[test]
    fn services() {
        const WRITE: &str = "write the name of a service class, or `none`, for example `internal`";
        good("service", &["none", "ClusterIP", "internal", "lb.v1"]);
        bad(
            "service",
            &[
                ("NONE", "\"NONE\" is misspelt; write `none`"),
                ("a b", &format!("\"a b\" is no name of a service class; {WRITE}")),
                ("-a", &format!("\"-a\" is no name of a service class; {WRITE}")),
            ],
        );
    }

    #[test]
    fn paths() {
        const WRITE: &str = "write a path that begins with a slash, for example `/search`";
        good("ingress-path", &["/", "/search", "/a.b/c/"]);
        for letter in
            ["?", "#", "\\", ";", "{", "}", "\"", "'", "$", "`", "*", "(", "|", "^", " ", "\n", "\u{e4}"]
        {
            assert!(path(&format!("/a{letter}b")).is_err(), "{letter:?}");
        }
        good("ingress-path", &["/v1:list", "/a%20b", "/~me/x=1,2+@"]);
        bad(
            "ingress-path",
            &[
                ("search", &format!("\"search\" does not begin with `/`; {WRITE}")),
                ("/a/../b", &format!("\"/a/../b\" has a `//`, `.`, `..` or an escaped slash in it; {WRITE}")),
                ("/a?b", &format!("\"/a?b\" has a character that no path of a route may have; {WRITE}")),
            ],
        );
    }

    #[test]
    fn gateways() {
        assert_eq!(
            gateway("infra / public.v1"),
            Ok(Gateway { namespace: Some("infra".to_owned()), name: "public.v1".to_owned() })
        );
        good("gateway", &["public", "infra/public"]);
        bad(
            "gateway",
            &[(
                "Infra/public",
                "\"Infra\" is no namespace: lower-case letters, digits and `-`, at most 63, with a letter or digit \
                 at both ends; write `infra`",
            )],
        );
    }

    #[test]
    fn hosts_and_their_companions() {
        good("ingress-host", &["search.example.com", "*.example.com"]);
        good("ingress-port", &["http", "8080"]);
        good("ingress-class", &["nginx"]);
        good("ingress-tls-secret", &["search-tls"]);
        good("ingress-cluster-issuer", &["letsencrypt"]);
        bad(
            "ingress-host",
            &[
                (
                    "https://search.example.com/x",
                    "\"https://search.example.com/x\" is no host name; write `search.example.com`",
                ),
                (
                    "a.example.com,b.example.com",
                    "\"a.example.com,b.example.com\" is no host name; write one host name, for example \
                     `search.example.com`",
                ),
            ],
        );
    }
}
