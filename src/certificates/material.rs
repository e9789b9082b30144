//! The CA, the bundle and the leaf: made with rcgen, read back with x509-parser.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::plan::{CA_LIFE, Dates, LEAF_LIFE, LeafState, Plan, dates, is_retired};
use crate::server::tls::Pair;

/// All that one Secret holds, as text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Material {
    /// CA certificates, the one that signs first.
    authorities: Vec<String>,
    authority_key: String,
    leaf: String,
    leaf_key: String,
}

/// A certificate or key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make a certificate: {0}")]
pub(super) struct MintError(#[from] rcgen::Error);

impl Material {
    /// What was stored, unread: any part may be absent or malformed.
    pub(super) fn stored(bundle: &str, authority_key: &str, leaf: &str, leaf_key: &str) -> Self {
        Self {
            authorities: split(bundle),
            authority_key: authority_key.to_owned(),
            leaf: leaf.to_owned(),
            leaf_key: leaf_key.to_owned(),
        }
    }

    /// The same, but for the key that signs: the next look makes another CA.
    pub(super) fn without_authority_key(&self) -> Self {
        Self { authority_key: String::new(), ..self.clone() }
    }

    /// What `stored` becomes: itself if nothing is due.
    pub(super) fn brought_up_to_date(
        stored: Option<&Self>,
        now: OffsetDateTime,
        names: &[String],
    ) -> Result<Self, MintError> {
        let nothing = Self::stored("", "", "", "");
        let mut material = stored.unwrap_or(&nothing).clone();
        let plan = Plan::decide(now, material.signer(), material.leaf_state(names));
        if plan.new_ca {
            material.add_authority(now)?;
        }
        if plan.new_leaf {
            material.replace_leaf(now, names)?;
        }
        material.retire(now);
        if !plan.is_nothing() {
            tracing::info!(new_ca = plan.new_ca, new_leaf = plan.new_leaf, "made certificates");
        }
        Ok(material)
    }

    /// The CA certificates that clients should trust, PEM.
    pub(super) fn bundle_pem(&self) -> String {
        self.authorities.concat()
    }

    /// The private key of the CA that signs, PEM.
    pub(super) fn authority_key_pem(&self) -> &str {
        &self.authority_key
    }

    /// The leaf, PEM.
    pub(super) fn leaf_pem(&self) -> &str {
        &self.leaf
    }

    /// The private key of the leaf, PEM.
    pub(super) fn leaf_key_pem(&self) -> &str {
        &self.leaf_key
    }

    /// The dates of the CA that signs, if its certificate and key can be used.
    fn signer(&self) -> Option<Dates> {
        let first = self.authorities.first()?;
        // A CA and its key are a pair as much as a leaf and its key are.
        Pair::from_pem(first.as_bytes(), self.authority_key.as_bytes()).ok()?;
        let seen = Seen::read(first)?;
        seen.is_ca.then_some(seen.dates)
    }

    fn leaf_state(&self, names: &[String]) -> Option<LeafState> {
        let seen = Seen::read(&self.leaf)?;
        let fits = Pair::from_pem(self.leaf.as_bytes(), self.leaf_key.as_bytes()).is_ok();
        let signed = |authority: &String| is_signed_by(&self.leaf, authority);
        Some(LeafState {
            dates: seen.dates,
            is_sound: fits
                && names.iter().all(|name| seen.names.contains(name))
                && self.authorities.iter().any(signed),
            is_of_current_ca: self.authorities.first().is_some_and(signed),
        })
    }

    fn add_authority(&mut self, now: OffsetDateTime) -> Result<(), MintError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let Dates { begins, expires } = dates(now, CA_LIFE, None);
        (params.not_before, params.not_after) = (begins, expires);
        // Told apart by name: clients look for the issuer by name first.
        let name = format!("stateward CA {}", now.unix_timestamp());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        self.authorities.insert(0, params.self_signed(&key)?.pem());
        self.authority_key = key.serialize_pem();
        Ok(())
    }

    fn replace_leaf(&mut self, now: OffsetDateTime, names: &[String]) -> Result<(), MintError> {
        let signer = self.authorities.first().map(String::as_str).unwrap_or_default();
        let issuer = Issuer::from_ca_cert_pem(signer, KeyPair::from_pem(&self.authority_key)?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let Dates { begins, expires } = dates(now, LEAF_LIFE, Seen::read(signer).map(|ca| ca.dates));
        (params.not_before, params.not_after) = (begins, expires);
        params.distinguished_name.push(DnType::CommonName, "stateward");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.leaf = params.signed_by(&key, &issuer)?.pem();
        self.leaf_key = key.serialize_pem();
        Ok(())
    }

    /// Drops from the bundle what no valid leaf can need: unreadable and retired certificates.
    fn retire(&mut self, now: OffsetDateTime) {
        let Some(current) = self.signer() else { return };
        let mut first = true;
        self.authorities.retain(|authority| {
            let keep = first
                || Seen::read(authority)
                    .is_some_and(|former| former.is_ca && !is_retired(now, former.dates, current));
            first = false;
            keep
        });
    }
}

/// What a certificate says.
struct Seen {
    dates: Dates,
    is_ca: bool,
    names: Vec<String>,
}

impl Seen {
    fn read(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let validity = certificate.validity();
        let alternative = certificate.subject_alternative_name().ok().flatten();
        let names = alternative.map(|san| san.value.general_names.iter().filter_map(name).collect());
        Some(Self {
            dates: Dates {
                begins: validity.not_before.to_datetime(),
                expires: validity.not_after.to_datetime(),
            },
            is_ca: certificate.is_ca(),
            names: names.unwrap_or_default(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(IpAddr::from(four).to_string()),
            Err(_) => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

fn is_signed_by(leaf: &str, authority: &str) -> bool {
    let verified = || {
        let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).ok()?;
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).ok()?;
        let (_, leaf) = X509Certificate::from_der(&leaf).ok()?;
        let (_, authority) = X509Certificate::from_der(&authority).ok()?;
        (leaf.issuer() == authority.subject()).then_some(())?;
        leaf.verify_signature(Some(authority.public_key())).ok()
    };
    verified().is_some()
}

/// The certificates of a bundle, each as PEM of its own.
fn split(bundle: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    bundle
        .split_inclusive(END)
        .filter(|block| block.contains(END))
        .map(|block| format!("{}\n", block.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    use time::Duration;

    use super::*;
    use crate::certificates::plan::OVERLAP;
    use crate::server::tls::provider;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(20_000));

    fn names() -> Vec<String> {
        ["stateward.guard.svc", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
    }

    fn after(stored: &Material, elapsed: Duration) -> Material {
        Material::brought_up_to_date(Some(stored), NOW + elapsed, &names()).unwrap()
    }

    fn fresh() -> Material {
        Material::brought_up_to_date(None, NOW, &names()).unwrap()
    }

    #[test]
    fn what_was_made_is_read_back_and_kept() {
        let made = fresh();
        let bundle = made.bundle_pem();
        let read = Material::stored(&bundle, made.authority_key_pem(), made.leaf_pem(), made.leaf_key_pem());
        assert!(read == made && after(&read, Duration::days(1)) == made);
        let state = made.leaf_state(&names()).unwrap();
        assert!(state.is_sound && state.is_of_current_ca);
        assert_eq!(state.dates.begins, NOW - Duration::hours(1));
        assert_eq!(state.dates.expires, NOW + Duration::days(30));
    }

    #[test]
    fn a_rotation_of_the_ca_overlaps() {
        let start = after(&fresh(), Duration::days(240));
        let day = Duration::days(250);
        let announced = after(&start, day);
        assert_eq!(announced.authorities.len(), 2);
        assert_eq!(announced.authorities[1], start.authorities[0]);
        assert_eq!(announced.leaf, start.leaf, "the old leaf is served until the new CA is known");
        let switched = after(&announced, day + OVERLAP);
        assert!(switched.leaf != start.leaf && switched.authorities.len() == 2);
        assert!(is_signed_by(&switched.leaf, &switched.authorities[0]));
        let settled = after(&switched, day + Duration::days(31));
        assert_eq!(settled.authorities, switched.authorities[..1]);
    }

    /// Whether a client with this bundle accepts this leaf, by the rules of rustls.
    fn accepts(bundle: &Material, leaf: &Material, elapsed: Duration) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        let authorities = CertificateDer::pem_slice_iter(bundle.bundle_pem().as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        roots.add_parsable_certificates(authorities);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.leaf_pem().as_bytes()).unwrap();
        let seconds = u64::try_from((NOW + elapsed).unix_timestamp()).unwrap();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        ["stateward.guard.svc", "127.0.0.1"].into_iter().all(|name| {
            let name = ServerName::try_from(name).unwrap();
            verifier.verify_server_cert(&leaf, &[], &name, &[], time).is_ok()
        })
    }

    #[test]
    fn clients_accept_replicas_that_are_one_step_ahead_or_behind() {
        let mut history = vec![(Duration::ZERO, fresh())];
        // Looks at odd moments for two years, and shortly after each change.
        let mut elapsed = Duration::ZERO;
        while elapsed < Duration::days(730) {
            let (_, last) = &history[history.len() - 1];
            let next = after(last, elapsed);
            let changed = next != *last;
            if changed {
                history.push((elapsed, next));
            }
            elapsed += if changed { OVERLAP } else { Duration::hours(37) };
        }
        assert!(history.len() > 30, "{} changes", history.len());
        for pair in history.windows(2) {
            let ((_, before), (moment, now)) = (&pair[0], &pair[1]);
            for (bundle, leaf) in [(before, before), (before, now), (now, before), (now, now)] {
                assert!(accepts(bundle, leaf, *moment), "after {moment}");
            }
        }
    }

    #[test]
    fn hand_edits_are_repaired() {
        let made = fresh();
        let other = fresh();
        let broken = [
            Material { leaf_key: other.leaf_key.clone(), ..made.clone() },
            Material { leaf: "garbage".to_owned(), ..made.clone() },
            Material { leaf: other.leaf.clone(), leaf_key: other.leaf_key.clone(), ..made.clone() },
        ];
        for edited in broken {
            let repaired = after(&edited, Duration::days(1));
            assert_eq!(repaired.authorities, made.authorities, "the CA was fine");
            assert!(repaired.leaf_state(&names()).unwrap().is_sound);
        }
        let keyless = Material { authority_key: String::new(), ..made.clone() };
        let repaired = after(&keyless, Duration::days(1));
        assert_eq!(repaired.authorities[1], made.authorities[0], "clients still trust the leaf in use");
        assert_eq!(repaired.leaf, made.leaf);
    }

    #[test]
    fn another_name_means_another_leaf() {
        let wanted = vec!["stateward.elsewhere.svc".to_owned()];
        let renamed = Material::brought_up_to_date(Some(&fresh()), NOW, &wanted).unwrap();
        assert!(renamed.leaf_state(&wanted).unwrap().is_sound);
    }
}
