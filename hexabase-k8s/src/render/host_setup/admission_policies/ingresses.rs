//! Admission policy for Ingresses of tenants: their class, hosts, annotations and backends.

use serde_json::{Value, json};

use super::{AdmissionPolicy, namespace_annotation, rule, rule_with_message_expression, variables};
use crate::labels::Labels;

/// Name of the policy.
pub(crate) const INGRESS_POLICY: &str = "hexabase-tenants-ingresses";

/// Annotations that tenants may set, with values of plain characters only: Ingress controllers have copied annotations
/// and paths into their configuration without escaping. None of them turns on regular expressions.
const ALLOWED_ANNOTATIONS: [&str; 9] = [
    "cert-manager.io/cluster-issuer",
    "nginx.ingress.kubernetes.io/backend-protocol",
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/proxy-body-size",
    "nginx.ingress.kubernetes.io/proxy-connect-timeout",
    "nginx.ingress.kubernetes.io/proxy-read-timeout",
    "nginx.ingress.kubernetes.io/proxy-send-timeout",
    "nginx.ingress.kubernetes.io/rewrite-target",
    "nginx.ingress.kubernetes.io/ssl-redirect",
];

/// CEL pattern of plain annotation values. They refer to no group of a regular expression.
const PLAIN_VALUE: &str = "'^[A-Za-z0-9,./:_~-]*$'";
/// CEL pattern of plain paths. All tenants share the processes of an Ingress controller, and one regular expression can
/// keep these busy; some controllers read each path as one if an Ingress of the same host has a `rewrite-target`. So
/// a path has no character of regular expressions but the dot.
const PLAIN_PATH: &str = "'^/[A-Za-z0-9,./:@_~-]{0,999}$'";
/// Types of paths that are compared literally. The meaning of others is up to the Ingress controller.
const PATH_TYPES: [&str; 2] = ["Exact", "Prefix"];

pub(super) fn policy(labels: &Labels) -> AdmissionPolicy {
    AdmissionPolicy {
        name: INGRESS_POLICY,
        group: "networking.k8s.io",
        resources: &["ingresses"],
        variables: policy_variables(labels),
        validations: validations(),
    }
}

/// Variables of the policy: class and domain of the tenant, keys of the annotations except those of the syncer, and
/// rules of the Ingress.
fn policy_variables(labels: &Labels) -> Value {
    let annotations = "has(object.metadata.annotations) ? object.metadata.annotations.map(key, key)\
        .filter(key, !key.startsWith('vcluster.loft.sh/')) : []";
    variables([
        ("class", namespace_annotation(labels.ingress_class())),
        ("domain", namespace_annotation(labels.ingress_domain())),
        ("said", annotations.to_owned()),
        ("rules", "has(object.spec.rules) ? object.spec.rules : []".to_owned()),
    ])
}

fn validations() -> Value {
    let within =
        |host: &str| format!("({host} == variables.domain || {host}.endsWith('.' + variables.domain))");
    let hosts_within_domain = format!(
        "variables.rules.size() > 0 && variables.rules.all(rule, has(rule.host) && {}) && \
         (!has(object.spec.tls) || object.spec.tls.all(tls, has(tls.hosts) && tls.hosts.all(host, {})))",
        within("rule.host"),
        within("host"),
    );
    let allowed_annotations = format!(
        "variables.said.all(key, key in {ALLOWED_ANNOTATIONS:?} && object.metadata.annotations[key].matches({PLAIN_VALUE}))"
    );
    let each_path = |condition: &str| {
        format!("variables.rules.all(rule, !has(rule.http) || rule.http.paths.all(path, {condition}))")
    };
    let services_only = each_path("has(path.backend.service)");
    let literal_paths = each_path(&format!(
        "has(path.pathType) && path.pathType in {PATH_TYPES:?} && (!has(path.path) || path.path.matches({PLAIN_PATH}))"
    ));
    json!([
        rule("variables.domain != ''", "this host publishes nothing through Ingresses of tenants"),
        rule_with_message_expression(
            "has(object.spec.ingressClassName) && object.spec.ingressClassName == variables.class",
            "spec.ingressClassName must be the class of this host",
            "'spec.ingressClassName must be ' + variables.class",
        ),
        rule(
            "!has(object.spec.defaultBackend)",
            "spec.defaultBackend must not be set: it would receive the traffic of others",
        ),
        rule_with_message_expression(
            &hosts_within_domain,
            "hosts of an Ingress must be within the domain of the workspace",
            "'hosts of an Ingress must be within ' + variables.domain",
        ),
        rule(&services_only, "backends of an Ingress must be Services"),
        rule(
            &literal_paths,
            "paths of an Ingress must have the pathType Exact or Prefix and consist of plain characters: regular expressions \
             are not for tenants",
        ),
        rule(
            &allowed_annotations,
            &format!(
                "annotations of an Ingress must have values of plain characters, and keys of {}",
                ALLOWED_ANNOTATIONS.join(", ")
            ),
        ),
    ])
}
