//! The pull policy that the API server chooses by the image's name.

/// `Always` for an image without a version or with `latest`, also beside a digest. A text that
/// names no image gets `IfNotPresent`: the API server leaves that fault to validation.
pub(super) fn policy(image: &str) -> &'static str {
    match version(image) {
        Some("latest") => "Always",
        _ => "IfNotPresent",
    }
}

/// The tag of an image, or its digest; `latest` for one that has neither. `None` if it is no
/// image's name (the grammar is that of `distribution/reference`).
fn version(image: &str) -> Option<&str> {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(r, d)| (r, Some(d)));
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last..].find(':') {
        Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
        None => (rest, None),
    };
    let legal = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    legal.then_some(tag.or(digest).unwrap_or("latest"))
}

fn is_name(name: &str) -> bool {
    let mut parts = name.split('/');
    let first = parts.next().unwrap_or_default();
    let is_id = name.len() == 64 && name.bytes().all(is_lower_hex);
    let is_first = is_part(first) || (name.contains('/') && is_host(first));
    !is_id && is_first && parts.all(is_part)
}

/// Lower-case letters and digits, joined by a dot, one or two underscores, or hyphens.
fn is_part(part: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let joints = part.split(|c: char| c.is_ascii() && legal(c as u8));
    let inner = joints.filter(|joint| !joint.is_empty());
    let edges = [part.bytes().next(), part.bytes().last()];
    edges.into_iter().all(|edge| edge.is_some_and(legal))
        && inner
            .into_iter()
            .all(|joint| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

/// What stands before the first slash is a host if it cannot be a user's name.
fn is_host(text: &str) -> bool {
    let told = text.contains(['.', ':'])
        || text.eq_ignore_ascii_case("localhost")
        || text.bytes().any(|b| b.is_ascii_uppercase());
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_name = match address {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => name.split('.').all(|label| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            !label.is_empty() && label.bytes().all(legal) && !label.starts_with('-') && !label.ends_with('-')
        }),
    };
    told && is_name && port.is_none_or(is_port)
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
        && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    let (algorithm, hex) = digest.split_once(':').unwrap_or((digest, ""));
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(is_lower_hex)
}

fn is_lower_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each answered by a real API server (1.36).
    #[test]
    fn an_image_without_a_version_is_always_pulled() {
        for image in [
            "a",
            "a:latest",
            "r.example.com:5000/x/a",
            "localhost/a",
            "Localhost/a",
            "EXAMPLE.COM/a",
            "a__b",
            "a--b",
            "x_y.com/a",
            "[::1]:5000/a",
            "a.b:5/latest",
        ] {
            assert_eq!(policy(image), "Always", "{image}");
        }
        let digest = "0".repeat(64);
        assert_eq!(policy(&format!("a:latest@sha256:{digest}")), "Always");
    }

    #[test]
    fn one_with_a_version_is_pulled_if_absent() {
        let digest = "0".repeat(64);
        let digested = [format!("a@sha256:{digest}"), format!("a:1@sha256:{digest}")];
        let plain = ["a:1", "r.example.com:5000/x/a:1"].map(str::to_owned);
        for image in digested.iter().chain(&plain) {
            assert_eq!(policy(image), "IfNotPresent", "{image}");
        }
    }

    #[test]
    fn what_names_no_image_is_not_always_pulled() {
        let id = "0".repeat(64);
        for image in [
            "",
            "A",
            "a/B",
            "a___b",
            "a..b",
            "a:",
            &id,
            "a:la test",
            "host:port/a",
            "a@sha256:00",
            "a:latest@x",
            "-a",
            "a/",
            "foo.com:/a",
            "a:1:2",
            "é",
        ] {
            assert_eq!(policy(image), "IfNotPresent", "{image}");
        }
    }
}
