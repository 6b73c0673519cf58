//! Access of a Prometheus to the metrics of a tenant API server: a ServiceAccount that may read them and nothing else.
//!
//! The administrator's certificate, which vCluster's own ServiceMonitor uses, would make Prometheus a member of
//! `system:masters` in each tenant.

use serde_json::{Value, json};

use super::{RBAC, metadata};
use crate::labels::Labels;
use crate::object::{Kind, Object, ObjectKey};

/// Name of the ServiceAccount, its token, its role and its binding.
pub(crate) const METRICS_READER: &str = "hexabase-metrics";
/// Namespace of the ServiceAccount and its token.
pub(crate) const METRICS_NAMESPACE: &str = "kube-system";
/// Type of a Secret whose token the API server issues, and revokes with the Secret.
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
/// Annotation of such a Secret: name of its ServiceAccount.
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// Returns the ServiceAccount, its token, its role and its binding.
pub(super) fn objects(keys: &Labels) -> [Object; 4] {
    let in_namespace = || {
        let mut metadata = metadata(keys, METRICS_READER, None, None);
        metadata["namespace"] = json!(METRICS_NAMESPACE);
        metadata
    };
    let mut of_token = in_namespace();
    of_token["annotations"] = json!({ ACCOUNT: METRICS_READER });
    let rules = json!([{ "nonResourceURLs": ["/metrics", "/metrics/*"], "verbs": ["get"] }]);
    let role = json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": METRICS_READER });
    let subject = json!({ "kind": "ServiceAccount", "name": METRICS_READER, "namespace": METRICS_NAMESPACE });
    let cluster_wide = || metadata(keys, METRICS_READER, None, None);
    [
        Object::of(Kind::SERVICE_ACCOUNT, in_namespace(), [("automountServiceAccountToken", json!(false))]),
        Object::of(Kind::SECRET, of_token, [("type", json!(TOKEN_TYPE))]),
        Object::of(Kind::CLUSTER_ROLE, cluster_wide(), [("rules", rules)]),
        Object::of(
            Kind::CLUSTER_ROLE_BINDING,
            cluster_wide(),
            [("roleRef", role), ("subjects", json!([subject]))],
        ),
    ]
}

/// Key of the object of a kind with the name of the ServiceAccount, in its namespace.
pub(crate) fn metrics_object_key(kind: Kind) -> ObjectKey {
    let namespace = if kind.namespaced { METRICS_NAMESPACE } else { "" };
    ObjectKey { kind, namespace: namespace.to_owned(), name: METRICS_READER.to_owned() }
}

/// `true` if a Secret holds tokens of the ServiceAccount. Its type cannot change.
pub(crate) fn is_metrics_token(secret: &Value) -> bool {
    let account = secret.pointer("/metadata/annotations").and_then(|annotations| annotations.get(ACCOUNT));
    secret["type"] == TOKEN_TYPE && account.is_some_and(|account| account == METRICS_READER)
}
