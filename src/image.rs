//! Image references: registry, repository, tag and digest.
//!
//! Grammar: `distribution/reference`; the first segment is a registry if it has a dot, a colon or
//! is `localhost`.

/// The parts of an image reference, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    /// The repository without registry: `library/postgres`.
    pub repository: &'a str,
    /// The tag, if any.
    pub tag: Option<&'a str>,
    /// The digest, if any.
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Takes a reference apart; any text is a reference of some kind.
    #[must_use]
    pub fn parse(reference: &'a str) -> Self {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (reference, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            // A colon before a slash belongs to a registry's port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let repository = match rest.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => path,
            _ => rest,
        };
        Self { repository, tag, digest }
    }

    /// The repository as profiles name it: what follows the last `library/`, under which mirrors
    /// keep the official images, else the whole.
    #[must_use]
    pub fn name(&self) -> &'a str {
        match self.repository.rsplit_once("library/") {
            Some((before, name)) if before.is_empty() || before.ends_with('/') => name,
            _ => self.repository,
        }
    }

    /// The number at the start of the tag: 18 of `18.1-alpine`, `18beta2` and `v18`.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        let tag = self.tag?;
        let digits = tag.strip_prefix('v').unwrap_or(tag);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_images_are_known_behind_any_mirror() {
        for reference in [
            "postgres",
            "postgres:18",
            "mirror.example.com/library/postgres:18",
            "library/postgres@sha256:0123",
            "mirror.corp:5000/dockerhub/library/postgres:18@sha256:0123",
            "localhost/postgres:18",
            "mirror.corp:5000/postgres",
        ] {
            assert_eq!(Image::parse(reference).name(), "postgres", "{reference}");
        }
    }

    #[test]
    fn other_owners_are_other_images() {
        for reference in ["bitnami/postgres", "corp/postgres:18", "postgres-exporter", "mylibrary/postgres"] {
            assert_ne!(Image::parse(reference).name(), "postgres", "{reference}");
        }
    }

    #[test]
    fn majors_come_from_the_start_of_the_tag() {
        for (reference, major) in [
            ("postgres:18", Some(18)),
            ("postgres:17.2-alpine3.21", Some(17)),
            ("postgres:18beta2", Some(18)),
            ("mirror:5000/postgres", None),
            ("postgres:latest", None),
            ("postgres:alpine", None),
            ("postgres@sha256:18", None),
        ] {
            assert_eq!(Image::parse(reference).major(), major, "{reference}");
        }
    }
}
