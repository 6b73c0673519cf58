//! What is inside a tenant cluster: roles, who has them, and projects.

use hexabase_core::desired::{RoleKind, TenantBinding, TenantCluster, TenantProject, TenantRole};
use hexabase_core::id::TypedId as _;
use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object};
use crate::render::quantities::hard;

/// The name of the quota and the limit range in each project.
const IN_PROJECT: &str = "hexabase-project";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Everything that Hexabase makes inside a tenant cluster, in the order in which it is applied.
#[must_use]
pub fn tenant_objects(cluster: &TenantCluster) -> Vec<Object> {
    let mut objects: Vec<Object> = cluster.roles.iter().map(cluster_role).collect();
    objects.extend(cluster.bindings.iter().map(cluster_binding));
    for project in &cluster.projects {
        objects.push(namespace(project));
        objects.extend(limits(project));
        objects.extend(project.roles.iter().map(|role| project_role(project, role)));
        objects.extend(project.bindings.iter().map(|binding| project_binding(project, binding)));
    }
    objects
}

fn metadata(name: &str, project: Option<&TenantProject>, title: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": { labels::MANAGED: "true" } });
    if let Some(project) = project {
        metadata["namespace"] = json!(project.namespace);
        metadata["labels"][labels::PROJECT] = json!(project.id.kubernetes_name());
    }
    if let Some(title) = title {
        metadata["annotations"] = json!({ labels::TITLE: title });
    }
    metadata
}

fn rules(role: &TenantRole) -> Value {
    let rule = |rule: &hexabase_core::model::Rule| {
        let mut content =
            json!({ "apiGroups": rule.api_groups, "resources": rule.resources, "verbs": rule.verbs });
        if !rule.resource_names.is_empty() {
            content["resourceNames"] = json!(rule.resource_names);
        }
        content
    };
    role.rules.iter().map(rule).collect()
}

fn cluster_role(role: &TenantRole) -> Object {
    Object::new(
        Kind::CLUSTER_ROLE,
        json!({ "metadata": metadata(&role.name, None, None), "rules": rules(role) }),
    )
}

fn bound(binding: &TenantBinding) -> Value {
    let kind = match binding.kind {
        RoleKind::Cluster => "ClusterRole",
        RoleKind::Project => "Role",
    };
    json!({
        "roleRef": { "apiGroup": RBAC, "kind": kind, "name": binding.role },
        "subjects": [{ "apiGroup": RBAC, "kind": "Group", "name": binding.group }],
    })
}

fn cluster_binding(binding: &TenantBinding) -> Object {
    let mut content = bound(binding);
    content["metadata"] = metadata(&binding.name, None, None);
    Object::new(Kind::CLUSTER_ROLE_BINDING, content)
}

fn namespace(project: &TenantProject) -> Object {
    let level = project.isolation.as_str();
    let content = json!({ "metadata": { "name": project.namespace, "labels": {
        labels::MANAGED: "true",
        labels::PROJECT: project.id.kubernetes_name(),
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/warn": level,
    } } });
    Object::new(Kind::NAMESPACE, content)
}

/// The project's quota; and defaults for containers that say nothing, which a quota would otherwise refuse.
fn limits(project: &TenantProject) -> Vec<Object> {
    if project.quota.is_empty() {
        return Vec::new();
    }
    let object = |kind, spec: Value| {
        Object::new(kind, json!({ "metadata": metadata(IN_PROJECT, Some(project), None), "spec": spec }))
    };
    let range = json!({ "limits": [{
        "type": "Container",
        "default": { "memory": "512Mi" },
        "defaultRequest": { "cpu": "50m", "memory": "128Mi" },
    }] });
    vec![
        object(Kind::RESOURCE_QUOTA, json!({ "hard": hard(&project.quota) })),
        object(Kind::LIMIT_RANGE, range),
    ]
}

/// What is used of a project's quota, from its ResourceQuota.
pub(crate) fn is_project_quota(name: &str) -> bool {
    name == IN_PROJECT
}

fn project_role(project: &TenantProject, role: &TenantRole) -> Object {
    let metadata = metadata(&role.name, Some(project), Some(&role.title));
    Object::new(Kind::ROLE, json!({ "metadata": metadata, "rules": rules(role) }))
}

fn project_binding(project: &TenantProject, binding: &TenantBinding) -> Object {
    let mut content = bound(binding);
    content["metadata"] = metadata(&binding.name, Some(project), None);
    Object::new(Kind::ROLE_BINDING, content)
}
