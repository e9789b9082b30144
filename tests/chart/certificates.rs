//! The development certificates of `certs/`, and the chart that takes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use stateward::certificates::{CA_LIFE, LEAF_LIFE};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{FromDer, GeneralName};

use crate::helm::{object, objects, render, root};

/// `make -C certs` with these arguments; certificates go to `out`.
fn make(target: &str, out: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("make");
    // Called by a make of its own, it would take over that one's flags.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    command
        .arg("-C")
        .arg(root().join("certs"))
        .arg(target)
        .arg(format!("OUT={}", out.display()))
        .args(arguments);
    command.output().expect("make")
}

fn made(out: &Path) {
    let output = make("development", out, &["NAMESPACE=guard", "NAMES=localhost 127.0.0.1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn der(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

#[test]
fn development_certificates_are_as_those_of_production() {
    let out = tempfile::tempdir().unwrap();
    made(out.path());
    let (authority, leaf) = (der(&out.path().join("ca.crt")), der(&out.path().join("tls.crt")));
    let (_, authority) = X509Certificate::from_der(&authority).unwrap();
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();

    let life = |certificate: &X509Certificate<'_>| {
        let validity = certificate.validity();
        validity.not_after.timestamp() - validity.not_before.timestamp()
    };
    assert_eq!((life(&authority), life(&leaf)), (CA_LIFE.whole_seconds(), LEAF_LIFE.whole_seconds()));

    let constraints = authority.basic_constraints().unwrap().unwrap().value;
    assert!(constraints.ca && constraints.path_len_constraint == Some(0));
    let usage = authority.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());

    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.key_encipherment());
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    let expected = [
        GeneralName::DNSName("stateward.guard.svc"),
        GeneralName::DNSName("localhost"),
        GeneralName::IPAddress(&[127, 0, 0, 1]),
    ];
    assert_eq!(*names, expected);
    assert!(leaf.verify_signature(Some(authority.public_key())).is_ok());
}

#[test]
fn they_are_verified_by_name() {
    let out = tempfile::tempdir().unwrap();
    made(out.path());
    assert!(make("verify", out.path(), &["NAMESPACE=guard"]).status.success());
    let elsewhere = make("verify", out.path(), &["NAMESPACE=other"]);
    assert!(!elsewhere.status.success());
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("hostname mismatch"));
}

#[test]
fn the_keys_are_nobody_elses() {
    let out = tempfile::tempdir().unwrap();
    made(out.path());
    for key in ["ca.key", "tls.key"] {
        let mode = fs::metadata(out.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn the_chart_takes_the_files() {
    let out = tempfile::tempdir().unwrap();
    made(out.path());
    let file =
        |value: &str, name: &str| format!("certificates.given.{value}={}", out.path().join(name).display());
    let files = [file("caBundle", "ca.crt"), file("certificate", "tls.crt"), file("key", "tls.key")];
    let mut arguments = vec!["--set", "certificates.mode=given"];
    for file in &files {
        arguments.extend(["--set-file", file]);
    }
    let rendered = objects(&render(&arguments).unwrap());
    let holds = |value: &serde_json::Value, name: &str| {
        let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
        assert_eq!(bytes, fs::read(out.path().join(name)).unwrap(), "{name}");
    };
    let secret = object(&rendered, "Secret", "stateward-serving");
    assert_eq!(secret["type"], "kubernetes.io/tls");
    holds(&secret["data"]["tls.crt"], "tls.crt");
    holds(&secret["data"]["tls.key"], "tls.key");
    let configuration = object(&rendered, "MutatingWebhookConfiguration", "stateward");
    holds(&configuration["webhooks"][0]["clientConfig"]["caBundle"], "ca.crt");
    let pod = &object(&rendered, "Deployment", "stateward-webhook")["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "stateward-serving");
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--tls-cert-file=/etc/stateward/tls/tls.crt")), "{arguments:?}");
}
