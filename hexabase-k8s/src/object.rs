use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What kind of object it is, and where its API is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version of the API.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The kind in the plural, as in paths.
    pub plural: &'static str,
    /// Whether it lies in a namespace.
    pub namespaced: bool,
}

macro_rules! kinds {
    ($($name:ident = $group:literal, $kind:literal, $plural:literal, $namespaced:literal;)+) => {
        #[expect(missing_docs, reason = "each is called like the kind it is")]
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
    EVENT = "", "Event", "events", true;
    RESOURCE_QUOTA = "", "ResourceQuota", "resourcequotas", true;
    LIMIT_RANGE = "", "LimitRange", "limitranges", true;
    STATEFUL_SET = "apps", "StatefulSet", "statefulsets", true;
    INGRESS = "networking.k8s.io", "Ingress", "ingresses", true;
    TLS_ROUTE = "gateway.networking.k8s.io", "TLSRoute", "tlsroutes", true;
    NETWORK_POLICY = "networking.k8s.io", "NetworkPolicy", "networkpolicies", true;
    POD_DISRUPTION_BUDGET = "policy", "PodDisruptionBudget", "poddisruptionbudgets", true;
    ROLE = "rbac.authorization.k8s.io", "Role", "roles", true;
    ROLE_BINDING = "rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true;
    CLUSTER_ROLE = "rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false;
    ADMISSION_POLICY = "admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false;
    ADMISSION_POLICY_BINDING =
        "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false;
    KYVERNO_POLICY = "policies.kyverno.io", "ValidatingPolicy", "validatingpolicies", false;
    CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false;
}

impl Kind {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { [self.group, "/", self.version].concat() }
    }
}

/// An object as it should be: what Hexabase says about it, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// In which namespace; empty where the kind has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The whole object as JSON.
    pub body: Value,
}

/// Which object is meant. Objects sort by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Objects as they are, by what they are.
pub(crate) type Objects = BTreeMap<ObjectKey, Value>;

impl ObjectKey {
    /// Of an object as it is read.
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

/// A JSON object of values at hand, which are moved: `json!` would copy each of them.
pub(crate) fn fields<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Value {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Object {
    /// An object of a kind, with whatever `content` says besides kind and API version.
    pub(crate) fn new(kind: Kind, mut content: Value) -> Self {
        let ObjectKey { namespace, name, .. } = ObjectKey::of(kind, &content);
        content["apiVersion"] = Value::String(kind.api_version());
        content["kind"] = Value::String(kind.kind.to_owned());
        Self { kind, namespace, name, body: content }
    }

    /// The same from values at hand, which are moved.
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
