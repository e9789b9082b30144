//! `profile-revision` and `upgrade-to`.

use crate::intent::complaint::{Complaint, quote};
use crate::intent::{RevisionWish, syntax};

/// Reads `latest` or `profile@revision`, from an annotation or a command line.
///
/// # Errors
/// A complaint without the key; whether such a revision exists is not known here.
pub fn wish(text: &str) -> Result<RevisionWish, Complaint> {
    if text == "latest" {
        return Ok(RevisionWish::Latest);
    }
    if text.eq_ignore_ascii_case("latest") {
        return Err(Complaint::invalid(format!("{} is misspelt", quote(text))).remedy("write `latest`"));
    }
    let Some((profile, revision)) = text.split_once('@') else {
        return Err(Complaint::invalid(format!("{} has no `@revision`", quote(text))));
    };
    let (profile, revision) = (profile.trim(), revision.trim());
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if revision.is_empty() || revision.len() > 40 || !revision.bytes().all(letters) {
        return Err(Complaint::invalid(format!(
            "{} is no revision: lower-case letters and digits, at most 40",
            quote(revision)
        )));
    }
    Ok(RevisionWish::Exact { profile: self::profile(profile)?, revision: revision.to_owned() })
}

/// The name of a profile, which is also a label's value.
pub(crate) fn profile(text: &str) -> Result<String, Complaint> {
    if text.len() > 63 {
        return Err(Complaint::invalid(format!("{} is longer than a label may be", quote(text))));
    }
    syntax::subdomain("name of a profile", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::testing::{bad, good};

    #[test]
    fn wishes() {
        assert_eq!(wish("latest"), Ok(RevisionWish::Latest));
        assert_eq!(
            wish("postgresql @ 5f3c9a12"),
            Ok(RevisionWish::Exact { profile: "postgresql".to_owned(), revision: "5f3c9a12".to_owned() })
        );
        good("profile-revision", &["latest", "a.b@0"]);
        good("upgrade-to", &["latest", "a-b@5f3c9a12"]);
        good("profile", &["postgresql", "my.profile"]);
    }

    #[test]
    fn wishes_refused() {
        const WRITE: &str = "write `latest` or profile@revision, for example `postgresql@5f3c9a12`";
        bad(
            "upgrade-to",
            &[
                ("Latest", "\"Latest\" is misspelt; write `latest`"),
                ("postgresql", &format!("\"postgresql\" has no `@revision`; {WRITE}")),
                (
                    "postgresql@",
                    &format!("\"\" is no revision: lower-case letters and digits, at most 40; {WRITE}"),
                ),
                (
                    "a@5F",
                    &format!("\"5F\" is no revision: lower-case letters and digits, at most 40; {WRITE}"),
                ),
            ],
        );
        bad(
            "profile",
            &[(
                "PostgreSQL",
                "\"PostgreSQL\" is no name of a profile: lower-case letters, digits, `-` and `.`, at most 253, with \
                 a letter or digit at both ends of each part; write `postgresql`",
            )],
        );
    }
}
