//! Changes that bring a cluster from the state that a pass has read to the desired one. Pure functions.

use std::collections::{BTreeMap, BTreeSet};

use hexabase_core::desired::{TenantCluster, TenantProject};
use hexabase_core::error::Result;
use hexabase_core::id::{ProjectId, TypedId as _};
use hexabase_core::model::DriftScope;
use serde_json::{Value, json};

use super::metrics_token::preserve_metrics_token;
use super::{suspend, text, upgrade, volumes};
use crate::config::HostConfig;
use crate::difference::{Difference, compare};
use crate::labels::Labels;
use crate::object::{Kind, Object, Objects};
use crate::render::tenant::gitops::GITOPS_NAMESPACE;
use crate::render::tenant_objects;

/// Changes on the host.
#[derive(Debug)]
pub(super) struct HostPlan {
    /// All desired objects.
    pub(super) objects: Vec<Object>,
    pub(super) difference: Difference,
    /// Error if the running control plane cannot become the desired one.
    pub(super) upgrade: Result<()>,
}

impl HostPlan {
    /// `true` if pods of the control plane are replaced.
    pub(super) fn replaces_pods(&self) -> bool {
        self.difference.apply.iter().any(|object| object.kind == Kind::STATEFUL_SET)
    }
}

/// Plans the changes from the objects on the host to the rendered ones.
pub(super) fn plan_host(
    desired: &TenantCluster,
    config: &HostConfig,
    mut objects: Vec<Object>,
    actual: &Objects,
) -> HostPlan {
    preserve_existing(&mut objects, actual);
    preserve_metrics_token(&mut objects, desired, config, actual);
    let upgrade = upgrade::require_upgrade_path(&desired.target, &objects, actual);
    let mut difference = compare(DriftScope::Host, &objects, actual);
    difference.apply.iter_mut().for_each(|object| require_version(object, actual));
    HostPlan { objects, difference, upgrade }
}

/// Copies the state of existing StatefulSets that an apply must not change: claim templates and suspension.
fn preserve_existing(objects: &mut [Object], actual: &Objects) {
    for object in objects.iter_mut().filter(|object| object.kind == Kind::STATEFUL_SET) {
        if let Some(existing) = actual.get(&object.key()) {
            volumes::preserve_claim_templates(object, existing);
            suspend::preserve_suspension(object, existing);
        }
    }
}

/// Makes the API server reject an object that was changed since it was read, if its content depends on what was read: a
/// control plane that is suspended meanwhile stays suspended.
fn require_version(object: &mut Object, actual: &Objects) {
    let version = actual.get(&object.key()).map(|existing| text(existing, "/metadata/resourceVersion"));
    if let Some(version) = version.filter(|_| object.kind == Kind::STATEFUL_SET) {
        object.body["metadata"]["resourceVersion"] = json!(version);
    }
}

/// Objects inside a tenant.
#[derive(Debug)]
pub(super) struct TenantObjects {
    /// All namespaces, those of users included.
    pub(super) namespaces: Vec<Value>,
    /// Objects that Hexabase created.
    pub(super) actual: Objects,
}

impl TenantObjects {
    /// ResourceQuotas that Hexabase created.
    pub(super) fn quotas(&self) -> impl Iterator<Item = &Value> {
        self.actual.iter().filter(|(key, _)| key.kind == Kind::RESOURCE_QUOTA).map(|(_, body)| body)
    }
}

/// Changes inside a tenant.
#[derive(Debug)]
pub(super) struct TenantPlan {
    pub(super) difference: Difference,
    /// Projects whose namespace belongs to another client, with the message for users.
    pub(super) rejected: BTreeMap<ProjectId, String>,
    /// Projects whose namespace can only be created after the termination of an earlier one.
    pub(super) waiting: BTreeSet<ProjectId>,
}

impl TenantPlan {
    /// `true` if all projects can be applied.
    pub(super) fn is_complete(&self) -> bool {
        self.rejected.is_empty() && self.waiting.is_empty()
    }
}

/// Plans the changes inside a tenant, without those of projects that cannot be applied now.
pub(super) fn plan_tenant(desired: &TenantCluster, config: &HostConfig, found: &TenantObjects) -> TenantPlan {
    let namespaces: BTreeMap<&str, &Value> =
        found.namespaces.iter().map(|body| (text(body, "/metadata/name"), body)).collect();
    let mut projects = Vec::new();
    let (mut rejected, mut waiting) = (BTreeMap::new(), BTreeSet::new());
    for project in &desired.projects {
        let existing = namespaces.get(project.namespace.as_str()).copied();
        match namespace_state(project, existing, &config.labels) {
            NamespaceState::Available => projects.push(project.clone()),
            NamespaceState::Terminating => {
                waiting.insert(project.id);
            }
            NamespaceState::Foreign => {
                rejected.insert(project.id, rejection_message(project));
            }
        }
    }
    let mut cluster = TenantCluster { projects, ..desired.clone() };
    let existing = namespaces.get(GITOPS_NAMESPACE).copied();
    if !is_available_to_hexabase(existing, &config.labels) {
        cluster.gitops.clear();
    }
    let objects = tenant_objects(&cluster, config);
    TenantPlan { difference: compare(DriftScope::Tenant, &objects, &found.actual), rejected, waiting }
}

/// State of a project's namespace inside the tenant.
enum NamespaceState {
    /// The namespace does not exist, or belongs to the project.
    Available,
    /// The namespace belongs to an earlier project of that name and is being deleted.
    Terminating,
    /// The namespace was not created by Hexabase.
    Foreign,
}

fn namespace_state(project: &TenantProject, existing: Option<&Value>, labels: &Labels) -> NamespaceState {
    let Some(body) = existing else { return NamespaceState::Available };
    let label = |name: &str| {
        body.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Value::as_str)
    };
    let terminating = body.pointer("/metadata/deletionTimestamp").is_some();
    match (label(labels.managed()), label(labels.project())) {
        (Some("true"), Some(id)) if id == project.id.kubernetes_name() => {
            if terminating {
                NamespaceState::Terminating
            } else {
                NamespaceState::Available
            }
        }
        (Some("true"), Some(_)) => NamespaceState::Terminating,
        _ => NamespaceState::Foreign,
    }
}

/// `true` if the namespace for GitOps tools does not exist, or was created by Hexabase and remains.
fn is_available_to_hexabase(existing: Option<&Value>, labels: &Labels) -> bool {
    let is_usable = |body: &Value| {
        let label = |name: &str| body.pointer("/metadata/labels").and_then(|found| found.get(name));
        label(labels.managed()).is_some_and(|managed| managed == "true")
            && label(labels.project()).is_none()
            && body.pointer("/metadata/deletionTimestamp").is_none()
    };
    existing.is_none_or(is_usable)
}

fn rejection_message(project: &TenantProject) -> String {
    format!(
        "namespace {} already exists and was not created by Hexabase; delete it, or choose another project name",
        project.namespace
    )
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;
    use hexabase_core::model::Isolation;
    use hexabase_core::name::ProjectName;
    use hexabase_core::quota::Quota;

    use super::*;
    use crate::render::host_objects;

    /// Objects of a tenant on its host as they were applied, each with a version.
    fn applied(cluster: &TenantCluster) -> Objects {
        let objects = host_objects(cluster, &HostConfig::default()).unwrap();
        let with_version = |mut object: Object| {
            object.body["metadata"]["resourceVersion"] = json!("7");
            (object.key(), object.body)
        };
        objects.into_iter().map(with_version).collect()
    }

    fn plan(cluster: &TenantCluster, actual: &Objects) -> HostPlan {
        let config = HostConfig::default();
        plan_host(cluster, &config, host_objects(cluster, &config).unwrap(), actual)
    }

    #[test]
    fn a_cluster_as_desired_needs_no_change() {
        let cluster = fixture::tenant_cluster("shop");
        let plan = plan(&cluster, &applied(&cluster));
        assert!(
            plan.difference.apply.is_empty() && plan.difference.entries.is_empty() && !plan.replaces_pods()
        );
    }

    #[test]
    fn only_changes_of_stateful_sets_depend_on_the_version_that_was_read() {
        let cluster = fixture::tenant_cluster("shop");
        let mut actual = applied(&cluster);
        for body in actual.values_mut() {
            body["metadata"]["labels"] = json!({});
            body["spec"]["replicas"] = json!(0);
        }
        let plan = plan(&cluster, &actual);
        assert_eq!(plan.difference.apply.len(), plan.objects.len());
        assert!(plan.replaces_pods());
        for object in &plan.difference.apply {
            let version = object.body.pointer("/metadata/resourceVersion");
            assert_eq!(version.is_some(), object.kind == Kind::STATEFUL_SET, "{}", object.key());
        }
        let set = plan.difference.apply.iter().find(|object| object.kind == Kind::STATEFUL_SET).unwrap();
        assert_eq!(set.body["spec"]["replicas"], 0, "the tenant stays suspended");
        assert!(
            super::plan_host(&cluster, &HostConfig::default(), plan.objects, &Objects::new())
                .difference
                .apply
                .iter()
                .all(|object| object.body.pointer("/metadata/resourceVersion").is_none()),
            "a new object has no version"
        );
    }

    #[test]
    fn a_project_is_planned_only_in_a_namespace_of_its_own() {
        let config = HostConfig::default();
        let project = TenantProject {
            id: fixture::id("web"),
            namespace: ProjectName::parse("web").unwrap(),
            isolation: Isolation::Baseline,
            quota: Quota::new(),
            roles: Vec::new(),
            bindings: Vec::new(),
        };
        let cluster = TenantCluster { projects: vec![project.clone()], ..fixture::tenant_cluster("shop") };
        let labels = &config.labels;
        let namespace = |project_label: Option<&str>, deleted: bool| {
            let mut metadata = json!({ "name": project.namespace });
            if let Some(label) = project_label {
                metadata["labels"] = json!({ labels.managed(): "true", labels.project(): label });
            }
            if deleted {
                metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            json!({ "metadata": metadata })
        };
        let own = project.id.kubernetes_name();
        for (label, deleted, (rejected, waiting)) in [
            (Some(own.as_str()), false, (0, 0)),
            (Some(own.as_str()), true, (0, 1)),
            (Some("prj-other"), false, (0, 1)),
            (None, false, (1, 0)),
        ] {
            let found = TenantObjects { namespaces: vec![namespace(label, deleted)], actual: Objects::new() };
            let plan = plan_tenant(&cluster, &config, &found);
            assert_eq!((plan.rejected.len(), plan.waiting.len()), (rejected, waiting), "{label:?} {deleted}");
            assert_eq!(plan.is_complete(), rejected + waiting == 0);
            let is_namespace = |object: &Object| object.kind == Kind::NAMESPACE && object.name == "web";
            let is_planned = plan.difference.apply.iter().any(is_namespace);
            assert_eq!(is_planned, plan.is_complete(), "{label:?} {deleted}");
        }
    }
}
