//! Merge strategies of lists and maps.
//!
//! A real API server takes them from its schemas (`x-kubernetes-list-type`, `x-kubernetes-map-type`); here they are a
//! table of field names. Lists that are not in it are replaced whole.

/// Merge strategy of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListType {
    /// Replaced as one value.
    Atomic,
    /// Merged entry by entry, identified by these fields.
    Map(&'static [&'static str]),
    /// Merged entry by entry, each of which is its own key.
    Set,
}

/// Merge strategy of the list in a field. `parent` is the enclosing field, where the strategy depends on it.
pub(super) fn list_type(field: &str, parent: &str) -> ListType {
    match (field, parent) {
        (
            "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets",
            _,
        )
        | ("secrets", _) => ListType::Map(&["name"]),
        ("volumeMounts", _) => ListType::Map(&["mountPath"]),
        ("volumeDevices", _) => ListType::Map(&["devicePath"]),
        ("hostAliases", _) => ListType::Map(&["ip"]),
        ("ports", "containers" | "initContainers") => ListType::Map(&["containerPort", "protocol"]),
        ("ports", "spec") => ListType::Map(&["port", "protocol"]),
        ("ownerReferences", _) => ListType::Map(&["uid"]),
        ("conditions", _) => ListType::Map(&["type"]),
        ("finalizers", _) => ListType::Set,
        _ => ListType::Atomic,
    }
}

/// `true` if the map in a field is replaced as one value.
pub(super) fn is_atomic_map(field: &str, parent: &str) -> bool {
    matches!(
        (field, parent),
        ("selector" | "nodeSelector" | "roleRef" | "podSelector" | "namespaceSelector" | "labelSelector", _)
            | ("fieldRef" | "configMapKeyRef" | "secretKeyRef", _)
    )
}
