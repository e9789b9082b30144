//! Values that make no sense are refused, and the words help.

use crate::helm::{Rendering, render_with};

#[track_caller]
fn refused(settings: &[&str], words: &[&str]) {
    let said = render_with(settings).err().unwrap_or_else(|| panic!("{settings:?} was rendered"));
    for word in words {
        assert!(said.contains(word), "{settings:?} does not mention {word:?}:\n{said}");
    }
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    refused(&["replicaCount=3"], &["at ''", "'replicaCount' not allowed"]);
    refused(&["webhook.replicaCount=3"], &["at '/webhook'", "'replicaCount' not allowed"]);
    refused(&["certificates.given.crt=x"], &["at '/certificates/given'", "'crt' not allowed"]);
    refused(&["networkPolicy.metrics[0].cidr=x"], &["at '/networkPolicy/metrics/0'", "'cidr' not allowed"]);
}

#[test]
fn wrong_types_and_values_are_named_with_their_place() {
    refused(&["webhook.replicas=two"], &["at '/webhook/replicas'", "got string, want integer"]);
    refused(&["webhook.replicas=0"], &["at '/webhook/replicas'", "got 0, want 1"]);
    refused(&["webhook.failurePolicy=fail"], &["at '/webhook/failurePolicy'", "'Fail', 'Ignore'"]);
    refused(&["webhook.timeoutSeconds=31"], &["at '/webhook/timeoutSeconds'", "got 31, want 30"]);
    refused(&["webhook.port=0"], &["at '/webhook/port'", "got 0, want 1"]);
    refused(&["webhook.shutdownDelaySeconds=10s"], &["at '/webhook/shutdownDelaySeconds'", "want integer"]);
    refused(
        &["webhook.podDisruptionBudget.maxUnavailable=0"],
        &["at '/webhook/podDisruptionBudget/maxUnavailable'"],
    );
    refused(&["webhook.namespaceSelector.matchExpressions[0].key=a"], &["missing property 'operator'"]);
    refused(&["controller.enabled=perhaps"], &["at '/controller/enabled'", "want boolean"]);
    refused(
        &["certificates.mode=self"],
        &["at '/certificates/mode'", "'selfManaged', 'certManager', 'given'"],
    );
    refused(&["certificates.certManager.issuerRef.kind=Issuer"], &["'name' required, if 'kind' exists"]);
    refused(&["certificates.certManager.duration=30d"], &["at '/certificates/certManager/duration'"]);
    refused(&["image.digest=0123"], &["at '/image/digest'", "does not match pattern"]);
    refused(
        &["policy.validationActions[0]=Refuse"],
        &["at '/policy/validationActions/0'", "'Deny', 'Warn', 'Audit'"],
    );
    refused(&["profiles.search=x"], &["invalid propertyName 'search'"]);
    refused(&["configuration=x"], &["at '/configuration'", "want object"]);
}

#[test]
fn values_that_contradict_each_other_are_told_the_remedy() {
    refused(&["certificates.mode=given"], &["certificates.given: give secretName, or certificate and key"]);
    let given = ["certificates.mode=given", "certificates.given.secretName=tls"];
    refused(&given, &["certificates.given.caBundle: give the CA"]);
    refused(&[&given[..], &["certificates.given.caBundle=LS0tLS1C"]].concat(), &["give PEM", "not base64"]);
    refused(&[&given[..], &["certificates.given.key=x"]].concat(), &["not both"]);
    refused(&["certificates.given.secretName=tls"], &["set certificates.mode to \"given\""]);
    let pem = "certificates.given.caBundle=-----BEGIN CERTIFICATE-----";
    refused(
        &[&given[..], &[pem, "certificates.names[0]=a"]].concat(),
        &["certificates.names: a given certificate"],
    );
    refused(&["webhook.service.type=ExternalName"], &["webhook.service.externalName: give the name"]);
    refused(&["webhook.service.externalName=a"], &["set webhook.service.type"]);
    refused(&["webhook.port=8080"], &["choose two different ports"]);
}

#[test]
fn a_parent_chart_may_hand_its_globals_down() {
    let rendered: Result<Rendering, String> = render_with(&["global.anything=1"]);
    assert!(rendered.is_ok(), "{rendered:?}");
}

/// Nothing of ours is known to work on an older one.
#[test]
fn a_kubernetes_that_is_too_old_is_refused() {
    let said = crate::helm::render(&["--kube-version", "1.32.9"]).unwrap_err();
    assert!(said.contains(">=1.33.0-0"), "{said}");
}
