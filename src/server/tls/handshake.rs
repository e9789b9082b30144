//! Why TLS handshakes fail, in words for metrics.

use std::io;

use rustls::{AlertDescription, Error};

/// Why a client got no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Failure {
    /// It went away: a port check does so, or an impatient client.
    Disconnected,
    /// No version, cipher or protocol in common.
    Incompatible,
    /// We have no certificate to show yet.
    NoCertificate,
    /// All connections are taken.
    NoPlace,
    /// It does not speak TLS.
    NotTls,
    /// Anything else.
    Other,
    /// It does not trust our certificate.
    Rejected,
    /// It was too slow.
    Timeout,
}

impl Failure {
    pub(in crate::server) fn of(error: &io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::Disconnected;
        };
        match tls {
            Error::AlertReceived(
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::DecryptError
                | AlertDescription::UnknownCA,
            ) => Self::Rejected,
            Error::General(text) if text.contains("server certificate") => Self::NoCertificate,
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => Self::NotTls,
            Error::NoApplicationProtocol | Error::PeerIncompatible(_) => Self::Incompatible,
            _ => Self::Other,
        }
    }

    pub(in crate::server) fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Incompatible => "incompatible",
            Self::NoCertificate => "no_certificate",
            Self::NoPlace => "no_place",
            Self::NotTls => "not_tls",
            Self::Other => "other",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
        }
    }

    /// Whether it happens on healthy days too and is worth no warning.
    pub(in crate::server) fn is_routine(self) -> bool {
        matches!(self, Self::Disconnected)
    }

    /// What an operator should look at.
    pub(in crate::server) fn remedy(self) -> &'static str {
        match self {
            Self::Rejected => {
                "compare caBundle of the webhook configurations with the served certificate's CA"
            }
            Self::NoCertificate => "see /readyz for what the certificate waits for",
            Self::NoPlace => "too many connections: look for a client that leaks them",
            Self::NotTls | Self::Incompatible => "the client must speak TLS 1.2 or 1.3",
            Self::Disconnected | Self::Other | Self::Timeout => "look at the client and the network between",
        }
    }
}
