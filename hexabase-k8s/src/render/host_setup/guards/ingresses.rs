//! Under which names tenants publish what they run, and what they may tell a controller that others share.

use serde_json::{Value, json};

use super::{Guard, annotation, rule, rule_saying, variables};
use crate::labels;

/// What the guard is called.
pub(crate) const INGRESS_GUARD: &str = "hexabase-tenants-ingresses";

/// What tenants may say about their Ingresses besides, as long as it is a plain word or path: controllers have written
/// annotations, and paths, into their configuration as they were.
const HARMLESS: [&str; 10] = [
    "cert-manager.io/cluster-issuer",
    "nginx.ingress.kubernetes.io/backend-protocol",
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/proxy-body-size",
    "nginx.ingress.kubernetes.io/proxy-connect-timeout",
    "nginx.ingress.kubernetes.io/proxy-read-timeout",
    "nginx.ingress.kubernetes.io/proxy-send-timeout",
    "nginx.ingress.kubernetes.io/rewrite-target",
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "nginx.ingress.kubernetes.io/use-regex",
];

/// Of what a plain word or path consists, regular expressions among them.
const PLAIN: &str = "'^[A-Za-z0-9$()*+,./:?^_|~-]*$'";

pub(super) fn guard() -> Guard {
    Guard {
        name: INGRESS_GUARD,
        group: "networking.k8s.io",
        resources: &["ingresses"],
        variables: looked_at(),
        validations: validations(),
    }
}

/// By which class, and under which names, the tenant may publish; and what is said about the Ingress, but for what the syncer
/// says.
fn looked_at() -> Value {
    let said = "has(object.metadata.annotations) ? object.metadata.annotations.map(key, key)\
        .filter(key, !key.startsWith('vcluster.loft.sh/')) : []";
    variables([
        ("class", annotation(labels::INGRESS_CLASS)),
        ("domain", annotation(labels::INGRESS_DOMAIN)),
        ("said", said.to_owned()),
        ("rules", "has(object.spec.rules) ? object.spec.rules : []".to_owned()),
    ])
}

fn validations() -> Value {
    let within =
        |host: &str| format!("({host} == variables.domain || {host}.endsWith('.' + variables.domain))");
    let named = format!(
        "variables.rules.size() > 0 && variables.rules.all(rule, has(rule.host) && {}) && \
         (!has(object.spec.tls) || object.spec.tls.all(tls, has(tls.hosts) && tls.hosts.all(host, {})))",
        within("rule.host"),
        within("host"),
    );
    let said = format!(
        "variables.said.all(key, key in {HARMLESS:?} && object.metadata.annotations[key].matches({PLAIN}))"
    );
    let to_services = format!(
        "variables.rules.all(rule, !has(rule.http) || rule.http.paths.all(path, \
         has(path.backend.service) && (!has(path.path) || path.path.matches({PLAIN}))))"
    );
    json!([
        rule("variables.domain != ''", "this host publishes nothing by Ingresses of tenants"),
        rule_saying(
            "has(object.spec.ingressClassName) && object.spec.ingressClassName == variables.class",
            "an Ingress has to name the class of this host",
            "'an Ingress has to name the class ' + variables.class",
        ),
        rule(
            "!has(object.spec.defaultBackend)",
            "a backend for whatever has no name of its own would take in the traffic of others",
        ),
        rule_saying(
            &named,
            "the names of an Ingress have to be within the workspace's domain",
            "'the names of an Ingress have to be within ' + variables.domain",
        ),
        rule(&to_services, "an Ingress leads to Services, by paths of plain words"),
        rule(&said, &format!("an Ingress says nothing besides but, in plain words, {}", HARMLESS.join(", "))),
    ])
}
