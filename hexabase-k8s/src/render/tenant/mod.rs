//! Objects inside a tenant cluster: roles, bindings and projects.

pub(crate) mod admission_policy;
pub(crate) mod gitops;
pub(crate) mod metrics;

use hexabase_core::container_limits::ContainerLimits;
use hexabase_core::desired::{RoleKind, TenantBinding, TenantCluster, TenantProject, TenantRole};
use hexabase_core::id::TypedId as _;
use hexabase_core::quota::{Quota, Resource};
use serde_json::{Map, Value, json};

use crate::config::HostConfig;
use crate::labels::Labels;
use crate::object::{Kind, Object};
use crate::render::limit_range;
use crate::render::quantities::hard;

/// Name of the ResourceQuota and the LimitRange in each project.
const PROJECT_OBJECT_NAME: &str = "hexabase-project";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Returns all objects inside a tenant cluster, in the order of their application.
#[must_use]
pub fn tenant_objects(cluster: &TenantCluster, config: &HostConfig) -> Vec<Object> {
    let keys = &config.labels;
    let mut objects = Vec::from(admission_policy::objects(config));
    if config.scraping.is_enabled() {
        objects.extend(metrics::objects(keys));
    }
    objects.extend(cluster.roles.iter().map(|role| cluster_role(keys, role)));
    objects.extend(cluster.bindings.iter().map(|binding| cluster_binding(keys, binding)));
    for project in &cluster.projects {
        objects.push(namespace(keys, project));
        objects.extend(limits(keys, project, &cluster.quota));
        objects.extend(project.roles.iter().map(|role| project_role(keys, project, role)));
        objects.extend(project.bindings.iter().map(|binding| project_binding(keys, project, binding)));
    }
    objects.extend(gitops::objects(cluster, config));
    objects
}

fn metadata(keys: &Labels, name: &str, project: Option<&TenantProject>, title: Option<&str>) -> Value {
    let text = |key: &str, value: &str| (key.to_owned(), Value::String(value.to_owned()));
    let mut labels = Map::from_iter([text(keys.managed(), "true")]);
    let mut metadata = Map::from_iter([text("name", name)]);
    if let Some(project) = project {
        labels.extend([text(keys.project(), &project.id.kubernetes_name())]);
        metadata.extend([text("namespace", project.namespace.as_str())]);
    }
    if let Some(title) = title {
        metadata.insert("annotations".to_owned(), json!({ keys.title(): title }));
    }
    metadata.insert("labels".to_owned(), Value::Object(labels));
    Value::Object(metadata)
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

fn cluster_role(keys: &Labels, role: &TenantRole) -> Object {
    Object::of(Kind::CLUSTER_ROLE, metadata(keys, &role.name, None, None), [("rules", rules(role))])
}

/// Returns the `roleRef` and `subjects` of a binding.
fn role_and_subjects(binding: &TenantBinding) -> [(&'static str, Value); 2] {
    let kind = match binding.kind {
        RoleKind::Cluster => "ClusterRole",
        RoleKind::Project => "Role",
    };
    let subject = |kind: &str, name: &String| json!({ "apiGroup": RBAC, "kind": kind, "name": name });
    let subjects: Vec<Value> = match &binding.users {
        None => vec![subject("Group", &binding.group)],
        Some(users) => users.iter().map(|user| subject("User", user)).collect(),
    };
    [
        ("roleRef", json!({ "apiGroup": RBAC, "kind": kind, "name": binding.role })),
        ("subjects", json!(subjects)),
    ]
}

fn cluster_binding(keys: &Labels, binding: &TenantBinding) -> Object {
    Object::of(
        Kind::CLUSTER_ROLE_BINDING,
        metadata(keys, &binding.name, None, None),
        role_and_subjects(binding),
    )
}

fn namespace(keys: &Labels, project: &TenantProject) -> Object {
    let level = project.isolation.as_str();
    let content = json!({ "metadata": { "name": project.namespace, "labels": {
        keys.managed(): "true",
        keys.project(): project.id.kubernetes_name(),
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/warn": level,
    } } });
    Object::new(Kind::NAMESPACE, content)
}

/// Returns the quota of a project, and the requests and limits of its containers that follow from it.
fn limits(keys: &Labels, project: &TenantProject, workspace_quota: &Quota) -> impl Iterator<Item = Object> {
    let object = |kind, spec| {
        Object::of(kind, metadata(keys, PROJECT_OBJECT_NAME, Some(project), None), [("spec", spec)])
    };
    let limits = |resource: Resource| {
        Some((resource, ContainerLimits::of_part(&project.quota, workspace_quota, resource)?))
    };
    let limits: Vec<_> = ContainerLimits::RESOURCES.into_iter().filter_map(limits).collect();
    let mut quota = json!({});
    quota["hard"] = Value::Object(hard(&project.quota));
    let quota = (!project.quota.is_empty()).then(|| object(Kind::RESOURCE_QUOTA, quota));
    let range = limit_range::spec(&limits).map(|spec| object(Kind::LIMIT_RANGE, spec));
    quota.into_iter().chain(range)
}

/// `true` if this is the name of the ResourceQuota that reports the usage of a project.
pub(crate) fn is_project_quota(name: &str) -> bool {
    name == PROJECT_OBJECT_NAME
}

fn project_role(keys: &Labels, project: &TenantProject, role: &TenantRole) -> Object {
    let metadata = metadata(keys, &role.name, Some(project), Some(&role.title));
    Object::of(Kind::ROLE, metadata, [("rules", rules(role))])
}

fn project_binding(keys: &Labels, project: &TenantProject, binding: &TenantBinding) -> Object {
    Object::of(
        Kind::ROLE_BINDING,
        metadata(keys, &binding.name, Some(project), None),
        role_and_subjects(binding),
    )
}
