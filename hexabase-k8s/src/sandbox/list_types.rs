//! Which lists are merged entry by entry, and which maps are replaced whole.
//!
//! An API server knows this from its schemas (`x-kubernetes-list-type`, `x-kubernetes-map-type`); here it is a
//! table of field names. Lists that are not in it are replaced whole.

/// How a list is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListType {
    /// As one value.
    Atomic,
    /// Entry by entry, told apart by these fields.
    Map(&'static [&'static str]),
    /// Entry by entry, each being its own key.
    Set,
}

/// How the list in a field is merged. `parent` is the field above, where it matters.
pub(super) fn list_type(field: &str, parent: &str) -> ListType {
    match (field, parent) {
        (
            "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets",
            _,
        )
        | ("secrets", _) => ListType::Map(&["name"]),
        ("volumeMounts", _) => ListType::Map(&["mountPath"]),
        ("ports", "containers" | "initContainers") => ListType::Map(&["containerPort", "protocol"]),
        ("ports", "spec") => ListType::Map(&["port", "protocol"]),
        ("ownerReferences", _) => ListType::Map(&["uid"]),
        ("conditions", _) => ListType::Map(&["type"]),
        ("finalizers", _) => ListType::Set,
        _ => ListType::Atomic,
    }
}

/// Whether the map in a field is one value.
pub(super) fn is_atomic_map(field: &str, parent: &str) -> bool {
    matches!(
        (field, parent),
        ("selector" | "nodeSelector" | "roleRef" | "podSelector" | "namespaceSelector" | "labelSelector", _)
            | ("fieldRef" | "configMapKeyRef" | "secretKeyRef", _)
    )
}
