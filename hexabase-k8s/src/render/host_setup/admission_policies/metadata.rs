//! Admission policy for labels and annotations of tenants' objects.
//!
//! Controllers of a host take labels and annotations as instructions: external-dns writes DNS records, MetalLB assigns
//! addresses, Multus attaches networks, container runtimes change the isolation of pods. So workloads have only keys
//! that no such controller uses, and those that the operator adds. ConfigMaps and Secrets, which few controllers read,
//! are only kept from posing as objects of Hexabase.

use serde_json::{Value, json};

use super::{AdmissionPolicy, namespace_annotation, rule, rule_with_message_expression, variables};
use crate::labels::{Labels, SYNCED_FROM};

/// Domains, and single keys, of labels and annotations that workloads may have. They are written by Kubernetes itself,
/// by the syncer and by tools inside the tenant. A key without a domain, such as `app`, is allowed if it has no dot:
/// container runtimes read keys such as `io.kubernetes.cri-o.userns-mode`.
const ALLOWED_KEYS: [&str; 20] = [
    "app.kubernetes.io",
    "apps.kubernetes.io",
    "argocd.argoproj.io",
    "batch.kubernetes.io",
    "checksum",
    "cluster-autoscaler.kubernetes.io",
    "container.apparmor.security.beta.kubernetes.io",
    "controller.kubernetes.io",
    "deployment.kubernetes.io",
    "helm.sh",
    "helm.toolkit.fluxcd.io",
    "kubectl.kubernetes.io",
    "kubernetes.io/change-cause",
    "kubernetes.io/cluster-service",
    "kubernetes.io/limit-ranger",
    "kubernetes.io/name",
    "kustomize.toolkit.fluxcd.io",
    "meta.helm.sh",
    "service.kubernetes.io/topology-mode",
    "statefulset.kubernetes.io",
];

/// Annotations that vCluster's CoreDNS has in addition.
const DNS_ANNOTATIONS: [&str; 2] = ["prometheus.io/port", "prometheus.io/scrape"];

pub(super) fn policy(labels: &Labels) -> AdmissionPolicy {
    AdmissionPolicy {
        name: "hexabase-tenants-metadata",
        group: "",
        resources: &["configmaps", "persistentvolumeclaims", "pods", "pods/status", "secrets", "services"],
        variables: policy_variables(labels),
        validations: validations(labels),
    }
}

/// Variables of the policy: keys that the request adds or changes, and those of them that are not allowed. Keys that
/// the object already had are not checked: others add them on the host.
fn policy_variables(labels: &Labels) -> Value {
    let additional = namespace_annotation(labels.tenant_metadata());
    let is_dns = format!(
        "request.resource.resource == 'services' && has(object.metadata.labels) && \
         '{0}' in object.metadata.labels && object.metadata.labels['{0}'] == 'kube-system'",
        SYNCED_FROM
    );
    let is_allowed = format!(
        "!key.contains('/') && !key.contains('.') || key.startsWith('vcluster.loft.sh/') || \
         variables.allowed.exists(entry, key == entry || key.startsWith(entry + '/')) || \
         variables.dns && key in {DNS_ANNOTATIONS:?}"
    );
    variables([
        ("changed", format!("{} + {}", changed_keys("labels"), changed_keys("annotations"))),
        ("allowed", format!("{ALLOWED_KEYS:?} + ({additional} == '' ? [] : {additional}.split(','))")),
        ("dns", is_dns),
        ("refused", format!("variables.changed.filter(key, !({is_allowed}))")),
    ])
}

/// Expression for the keys of labels or annotations that the request adds or changes.
fn changed_keys(field: &str) -> String {
    let (now, before) = (format!("object.metadata.{field}"), format!("oldObject.metadata.{field}"));
    format!(
        "(has({now}) ? {now}.map(key, key).filter(key, oldObject == null || !has({before}) || \
         !(key in {before}) || {before}[key] != {now}[key]) : [])"
    )
}

fn validations(labels: &Labels) -> Value {
    let domain = labels.domain();
    json!([
        rule(
            &format!("variables.changed.all(key, !key.startsWith('{domain}/'))"),
            &format!("labels and annotations of {domain} are reserved"),
        ),
        rule_with_message_expression(
            "request.resource.resource in ['configmaps', 'secrets'] || variables.refused.size() == 0",
            "the object has labels or annotations whose keys are not allowed on this host",
            "'labels and annotations with these keys are not allowed on this host: ' + variables.refused.join(', ')",
        ),
        // The syncer writes such an annotation to Secrets.
        rule(
            "request.resource.resource == 'secrets' || \
             variables.changed.all(key, !key.startsWith('vcluster.loft.sh/skip-'))",
            "annotations vcluster.loft.sh/skip-* are not allowed: the object would refer to objects of others",
        ),
    ])
}
