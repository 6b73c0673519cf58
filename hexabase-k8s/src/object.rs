//! Kubernetes objects and their kinds.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Kind of an object, with the path of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version, such as `v1`.
    pub version: &'static str,
    /// Name of the kind, such as `StatefulSet`.
    pub kind: &'static str,
    /// Plural name in lower case, as in API paths.
    pub plural: &'static str,
    /// `true` if objects of the kind belong to a namespace.
    pub namespaced: bool,
}

macro_rules! kinds {
    ($($name:ident = $group:literal, $kind:literal, $plural:literal, $namespaced:literal;)+) => {
        #[expect(missing_docs, reason = "each constant has the name of its kind")]
        impl Kind {
            $(pub const $name: Self = Self {
                group: $group, version: "v1", kind: $kind, plural: $plural, namespaced: $namespaced,
            };)+
        }
    };
}

kinds! {
    NAMESPACE = "", "Namespace", "namespaces", false;
    SERVICE_ACCOUNT = "", "ServiceAccount", "serviceaccounts", true;
    SECRET = "", "Secret", "secrets", true;
    CONFIG_MAP = "", "ConfigMap", "configmaps", true;
    SERVICE = "", "Service", "services", true;
    NODE = "", "Node", "nodes", false;
    POD = "", "Pod", "pods", true;
    ENDPOINT_SLICE = "discovery.k8s.io", "EndpointSlice", "endpointslices", true;
    EVENT = "", "Event", "events", true;
    ENDPOINTS = "", "Endpoints", "endpoints", true;
    PERSISTENT_VOLUME_CLAIM = "", "PersistentVolumeClaim", "persistentvolumeclaims", true;
    RESOURCE_QUOTA = "", "ResourceQuota", "resourcequotas", true;
    LIMIT_RANGE = "", "LimitRange", "limitranges", true;
    STATEFUL_SET = "apps", "StatefulSet", "statefulsets", true;
    INGRESS = "networking.k8s.io", "Ingress", "ingresses", true;
    TLS_ROUTE = "gateway.networking.k8s.io", "TLSRoute", "tlsroutes", true;
    NETWORK_POLICY = "networking.k8s.io", "NetworkPolicy", "networkpolicies", true;
    SERVICE_MONITOR = "monitoring.coreos.com", "ServiceMonitor", "servicemonitors", true;
    POD_DISRUPTION_BUDGET = "policy", "PodDisruptionBudget", "poddisruptionbudgets", true;
    ROLE = "rbac.authorization.k8s.io", "Role", "roles", true;
    ROLE_BINDING = "rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true;
    CLUSTER_ROLE = "rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false;
    ADMISSION_POLICY = "admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false;
    ADMISSION_POLICY_BINDING =
        "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false;
    SELF_SUBJECT_REVIEW = "authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false;
    SELF_SUBJECT_ACCESS_REVIEW = "authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false;
    SUBJECT_ACCESS_REVIEW = "authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", false;
    KYVERNO_POLICY = "policies.kyverno.io", "ValidatingPolicy", "validatingpolicies", false;
    CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false;
}

impl Kind {
    /// Report of the policies of a namespace, as Kyverno writes it.
    pub const POLICY_REPORT: Self = Self {
        group: "wgpolicyk8s.io",
        version: "v1alpha2",
        kind: "PolicyReport",
        plural: "policyreports",
        namespaced: true,
    };

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { [self.group, "/", self.version].concat() }
    }
}

/// Desired object: only the fields that Hexabase manages.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace of the object; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Complete object as JSON, including `apiVersion`, `kind` and `metadata`.
    pub body: Value,
}

/// Identity of an object. Keys sort by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Actual objects by their keys.
pub(crate) type Objects = BTreeMap<ObjectKey, Value>;

impl ObjectKey {
    /// Key of an object that was read from the API server.
    pub(crate) fn of(kind: Kind, body: &Value) -> Self {
        let metadata = &body["metadata"];
        let at = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        Self { kind, namespace: at("namespace"), name: at("name") }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.kind.kind, self.namespace, self.name)
    }
}

/// Builds a JSON object by moving its values; `json!` would copy each of them.
pub(crate) fn fields<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Value {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Object {
    /// Creates an object of a kind from its content without `kind` and `apiVersion`.
    pub(crate) fn new(kind: Kind, mut content: Value) -> Self {
        let ObjectKey { namespace, name, .. } = ObjectKey::of(kind, &content);
        content["apiVersion"] = Value::String(kind.api_version());
        content["kind"] = Value::String(kind.kind.to_owned());
        Self { kind, namespace, name, body: content }
    }

    /// Creates an object by moving its metadata and fields.
    pub(crate) fn of<const FIELDS: usize>(
        kind: Kind,
        metadata: Value,
        fields: [(&'static str, Value); FIELDS],
    ) -> Self {
        let all = [("metadata", metadata)].into_iter().chain(fields);
        Self::new(kind, all.map(|(field, value)| (field.to_owned(), value)).collect())
    }

    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey { kind: self.kind, namespace: self.namespace.clone(), name: self.name.clone() }
    }
}
