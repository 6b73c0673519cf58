//! Conformance suite for [`ClusterProvisioner`].

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock as _, SystemClock, after};
use crate::desired::{self, Issuer, TenantCluster, TenantTarget};
use crate::error::{Error, ErrorKind};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{
    Assignment, ControlPlaneStore, DriftScope, GITOPS_TOKEN_LIFETIME, GitOpsAccess, GitOpsCredentials,
    GitOpsTool, PresetRole, RoleRef, WorkspaceState,
};
use crate::name::{HostNamespace, KubernetesVersion, ProjectName};
use crate::provisioner::{
    Applied, ClusterProvisioner, ControlPlaneState, Converged, NO_OTHER_STORE, NO_UPGRADE_PATH,
};
use crate::secret::ExposeSecret as _;

/// A provisioner under test, with the ability to create foreign objects on its host cluster.
#[async_trait]
pub trait ClusterHarness: fmt::Debug + Send + Sync {
    /// The provisioner.
    fn provisioner(&self) -> &dyn ClusterProvisioner;

    /// Creates an object on the host that has the name of this tenant cluster and is not managed by Hexabase.
    async fn occupy_cluster(&self, target: &TenantTarget);

    /// Exhausts the quota on the host for this tenant cluster, before the cluster is created.
    async fn exhaust_quota(&self, target: &TenantTarget);

    /// Creates a namespace inside a tenant cluster that is not managed by Hexabase.
    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName);
}

/// Defines one test per case for a [`ClusterHarness`], each with the attributes that follow the expression. See the
/// [module](crate::conformance) for the value of the expression.
#[macro_export]
macro_rules! cluster_provisioner_conformance {
    ($make:expr $(, #[$attribute:meta])*) => {
        $crate::__conformance_tests!(
            [$(#[$attribute])*] cluster_provisioner,
            $make,
            [
                a_cluster_that_does_not_exist_is_absent,
                applying_creates_the_cluster_and_the_objects_inside,
                applying_again_changes_nothing,
                converging_creates_the_cluster_and_reports_the_differences,
                converging_resumes_a_suspended_cluster,
                converging_a_foreign_cluster_keeps_the_observation,
                unchanged_returns_the_same_observation_as_observe,
                a_plan_lists_the_differences,
                objects_that_are_no_longer_desired_are_removed,
                a_foreign_namespace_is_refused_and_the_rest_applied,
                a_foreign_cluster_is_neither_adopted_nor_deleted,
                a_version_downgrade_is_rejected,
                a_change_of_the_control_plane_store_is_rejected,
                a_cluster_over_quota_reports_the_reason,
                a_suspended_cluster_stays_stopped_until_it_is_resumed,
                applying_does_not_resume_a_suspended_cluster,
                a_deleted_cluster_leaves_nothing_behind,
                operations_on_a_missing_cluster_succeed,
                clusters_are_independent_of_each_other,
                concurrent_applies_converge,
                isolation_checks_return_each_condition_once,
                the_isolation_of_a_missing_cluster_is_not_found,
                metrics_of_an_api_server_are_those_of_a_closed_list,
                credentials_of_gitops_tools_are_issued_renewed_and_removed,
            ]
        );
    };
}

fn state(name: &str, projects: &[&str]) -> WorkspaceState {
    let workspace = fixture::workspace(name);
    let own =
        |project: &&str| crate::model::Project { workspace_id: workspace.id, ..fixture::project(project) };
    let group = crate::model::Group { workspace_id: workspace.id, ..fixture::group("staff") };
    let assignment = Assignment {
        id: id("given"),
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        project_id: None,
        group_id: group.id,
        role: RoleRef::Preset(PresetRole::WorkspaceAdmin),
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
    };
    let mut projects: Vec<_> = projects.iter().map(own).collect();
    projects.sort_by_key(|project| project.id);
    WorkspaceState {
        workspace,
        groups: vec![group],
        projects,
        roles: Vec::new(),
        assignments: vec![assignment],
    }
}

fn cluster(name: &str, projects: &[&str]) -> TenantCluster {
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    desired::tenant_cluster(&state(name, projects), &fixture::plan("small"), &issuer)
}

/// Maximum wait for an operation to take effect; a real control plane takes minutes to start.
const CONVERGENCE_TIMEOUT: Duration = Duration::from_secs(180);

/// Repeats an attempt until it returns a value, with increasing intervals.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, attempt: impl Fn() -> F) -> T {
    let began = SystemClock.now();
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        let elapsed = crate::clock::until(began, SystemClock.now());
        assert!(elapsed < CONVERGENCE_TIMEOUT, "timed out waiting for {what}");
        SystemClock
            .sleep(crate::backoff::poll(elapsed, Duration::from_millis(10), Duration::from_millis(500)))
            .await;
    }
}

/// Applies the desired state until it is complete and the cluster is ready, as the reconciler does.
async fn apply_until_ready(provisioner: &dyn ClusterProvisioner, desired: &TenantCluster) -> Applied {
    eventually("the desired state to be applied", || async {
        let applied = match provisioner.apply(desired).await {
            Err(error) if error.is_retryable() => return None,
            outcome => outcome.unwrap(),
        };
        let ready = state_of(provisioner, &desired.target).await == ControlPlaneState::Ready;
        (applied.tenant && ready).then_some(applied)
    })
    .await
}

async fn state_of(provisioner: &dyn ClusterProvisioner, target: &TenantTarget) -> ControlPlaneState {
    provisioner.observe(target).await.unwrap().control_plane
}

async fn wait_until(
    provisioner: &dyn ClusterProvisioner,
    target: &TenantTarget,
    expected: ControlPlaneState,
) {
    eventually("the control plane state", || async {
        (state_of(provisioner, target).await == expected).then_some(())
    })
    .await;
}

/// A cluster that does not exist is observed as absent, differs in everything, and has no admin access.
pub async fn a_cluster_that_does_not_exist_is_absent(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    provisioner.ping().await.unwrap();
    let desired = cluster("one", &[]);
    assert_eq!(state_of(provisioner, &desired.target).await, ControlPlaneState::Absent);
    assert!(!provisioner.plan(&desired).await.unwrap().is_empty());
    let error = provisioner.admin_access(&desired.target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Applying creates the cluster and, once its API server responds, the objects inside it.
pub async fn applying_creates_the_cluster_and_the_objects_inside(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web", "api"]);
    let applied = apply_until_ready(provisioner, &desired).await;
    assert!(applied.refused_projects.is_empty());
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    assert!(provisioner.observe(&desired.target).await.unwrap().api_endpoint.is_some());
    let access = provisioner.admin_access(&desired.target).await.unwrap();
    assert!(!access.kubeconfig.expose_secret().is_empty());
    assert!(!format!("{access:?}").contains(access.kubeconfig.expose_secret()));
}

/// Applying the same state repeatedly leaves nothing to plan.
pub async fn applying_again_changes_nothing(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    let first = apply_until_ready(provisioner, &desired).await;
    for _ in 0..3 {
        assert_eq!(provisioner.apply(&desired).await.unwrap(), first);
        assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    }
}

/// Converges until the cluster is ready and complete, as the reconciler does. Returns the last result.
async fn converge_until_ready(provisioner: &dyn ClusterProvisioner, desired: &TenantCluster) -> Converged {
    eventually("the cluster to converge", || async {
        let converged = match provisioner.converge(desired).await {
            Err(error) if error.is_retryable() => return None,
            outcome => outcome.unwrap(),
        };
        if converged.applied.as_ref().is_err_and(Error::is_retryable) {
            return None;
        }
        let is_ready = converged.observation.control_plane == ControlPlaneState::Ready;
        let applied = converged.applied.as_ref().unwrap().as_ref();
        (is_ready && applied.is_some_and(|applied| applied.tenant)).then_some(converged)
    })
    .await
}

/// Converging creates the cluster, and returns the observation and the differences before its changes.
pub async fn converging_creates_the_cluster_and_reports_the_differences(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    let first = provisioner.converge(&desired).await.unwrap();
    assert_eq!(first.observation.control_plane, ControlPlaneState::Absent);
    assert!(first.drift.is_some_and(|drift| !drift.is_empty()));
    assert!(first.applied.unwrap().is_some());
    converge_until_ready(provisioner, &desired).await;
    let last = converge_until_ready(provisioner, &desired).await;
    assert_eq!(last.drift, Some(Vec::new()));
    assert_eq!(last.observation, provisioner.observe(&desired.target).await.unwrap());
    assert_eq!(last.applied.unwrap().unwrap(), provisioner.apply(&desired).await.unwrap());

    let more = cluster("one", &["web", "api"]);
    let changed = provisioner.converge(&more).await.unwrap();
    assert!(changed.drift.is_some_and(|drift| drift.iter().any(|entry| entry.scope == DriftScope::Tenant)));
    converge_until_ready(provisioner, &more).await;
    assert_eq!(provisioner.plan(&more).await.unwrap(), []);
}

/// Converging resumes a suspended cluster.
pub async fn converging_resumes_a_suspended_cluster(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    apply_until_ready(provisioner, &desired).await;
    suspend_until_stopped(provisioner, &desired.target).await;
    let converged = provisioner.converge(&desired).await.unwrap();
    assert_eq!(converged.observation.control_plane, ControlPlaneState::Stopped);
    converge_until_ready(provisioner, &desired).await;
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}

/// A failure to apply does not lose the observation.
pub async fn converging_a_foreign_cluster_keeps_the_observation(harness: &dyn ClusterHarness) {
    let desired = cluster("one", &[]);
    harness.occupy_cluster(&desired.target).await;
    let converged = harness.provisioner().converge(&desired).await.unwrap();
    assert_eq!(converged.observation.control_plane, ControlPlaneState::Absent);
    assert_not_ours(converged.applied);
}

/// A returned observation equals that of `observe`; `None` for a missing cluster and for a desired state that was not
/// applied.
pub async fn unchanged_returns_the_same_observation_as_observe(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    assert_eq!(provisioner.unchanged(&desired).await.unwrap(), None);
    apply_until_ready(provisioner, &desired).await;
    let observed = provisioner.observe(&desired.target).await.unwrap();
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    let known = provisioner.unchanged(&desired).await.unwrap();
    assert!(known.is_none_or(|known| known == observed), "{observed:?}");
    assert_eq!(provisioner.unchanged(&cluster("one", &["web", "api"])).await.unwrap(), None);
}

/// A plan lists the differences, inside the tenant too, and changes nothing.
pub async fn a_plan_lists_the_differences(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    apply_until_ready(provisioner, &cluster("one", &["web"])).await;
    let more = cluster("one", &["web", "api"]);
    for _ in 0..2 {
        let entries = provisioner.plan(&more).await.unwrap();
        assert!(entries.iter().any(|entry| entry.scope == DriftScope::Tenant), "{entries:?}");
    }
    apply_until_ready(provisioner, &more).await;
    assert_eq!(provisioner.plan(&more).await.unwrap(), []);
}

/// Objects that Hexabase created and that are no longer desired are removed.
pub async fn objects_that_are_no_longer_desired_are_removed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    apply_until_ready(provisioner, &cluster("one", &["web", "api"])).await;
    let mut less = cluster("one", &["web"]);
    less.bindings.clear();
    assert!(!provisioner.plan(&less).await.unwrap().is_empty());
    apply_until_ready(provisioner, &less).await;
    // Namespaces are deleted asynchronously.
    eventually("the removal", || async { provisioner.plan(&less).await.unwrap().is_empty().then_some(()) })
        .await;
}

/// A namespace that Hexabase did not create is left unchanged and reported, and does not block the other projects.
pub async fn a_foreign_namespace_is_refused_and_the_rest_applied(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let before = cluster("one", &["web"]);
    apply_until_ready(provisioner, &before).await;
    let taken = ProjectName::parse("taken").unwrap();
    harness.occupy_namespace(&before.target, &taken).await;
    let desired = cluster("one", &["web", "taken", "api"]);
    let applied = apply_until_ready(provisioner, &desired).await;
    assert_eq!(applied.refused_projects.keys().copied().collect::<Vec<_>>(), [id("taken")]);
    assert!(applied.refused_projects.values().all(|reason| reason.contains("taken")));
    // Removing the project from the desired state does not delete the foreign namespace.
    apply_until_ready(provisioner, &before).await;
    let again = apply_until_ready(provisioner, &desired).await;
    assert_eq!(again.refused_projects.len(), 1);
}

fn assert_not_ours(outcome: Result<impl fmt::Debug, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "not_ours"), "{error}");
}

/// A cluster of the same name that Hexabase did not create is neither taken over nor deleted.
pub async fn a_foreign_cluster_is_neither_adopted_nor_deleted(harness: &dyn ClusterHarness) {
    let desired = cluster("one", &[]);
    harness.occupy_cluster(&desired.target).await;
    assert_not_ours(harness.provisioner().apply(&desired).await);
    assert_not_ours(harness.provisioner().delete(&desired.target).await);
    assert_not_ours(harness.provisioner().apply(&desired).await);
}

/// An older Kubernetes version than the running one is rejected and changes nothing, for example after a restore of
/// the database from a backup.
pub async fn a_version_downgrade_is_rejected(harness: &dyn ClusterHarness) {
    let (desired, provisioner) = (cluster("one", &[]), harness.provisioner());
    apply_until_ready(provisioner, &desired).await;
    let (major, minor) = desired.kubernetes_version.major_minor();
    let older = KubernetesVersion::parse(&format!("{major}.{}", minor - 1)).unwrap();
    let error =
        provisioner.apply(&TenantCluster { kubernetes_version: older, ..desired.clone() }).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, NO_UPGRADE_PATH), "{error}");
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}

/// A plan with another control plane store is rejected, because the existing objects would be left behind.
pub async fn a_change_of_the_control_plane_store_is_rejected(harness: &dyn ClusterHarness) {
    let (desired, provisioner) = (cluster("one", &[]), harness.provisioner());
    apply_until_ready(provisioner, &desired).await;
    let mut other = desired.clone();
    other.control_plane.store = ControlPlaneStore::Etcd;
    let error = provisioner.apply(&other).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, NO_OTHER_STORE), "{error}");
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}

/// The observation of a cluster that cannot start contains the reason.
pub async fn a_cluster_over_quota_reports_the_reason(harness: &dyn ClusterHarness) {
    let (desired, provisioner) = (cluster("one", &[]), harness.provisioner());
    harness.exhaust_quota(&desired.target).await;
    let message = eventually("the reason", || async {
        // The reconciler ignores the result in the same way and observes the cluster.
        let _ = provisioner.apply(&desired).await;
        match state_of(provisioner, &desired.target).await {
            ControlPlaneState::Broken { message, .. } => Some(message),
            _ => None,
        }
    })
    .await;
    assert!(message.contains("quota"), "{message}");
}

/// Suspends a cluster repeatedly until it is stopped, as the reconciler does.
async fn suspend_until_stopped(provisioner: &dyn ClusterProvisioner, target: &TenantTarget) {
    eventually("the suspension", || async {
        provisioner.suspend(target, FIXTURE_TIME).await.unwrap();
        (state_of(provisioner, target).await == ControlPlaneState::Stopped).then_some(())
    })
    .await;
}

/// A suspended cluster keeps its state, and has the same content after it is resumed.
pub async fn a_suspended_cluster_stays_stopped_until_it_is_resumed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    apply_until_ready(provisioner, &desired).await;
    suspend_until_stopped(provisioner, &desired.target).await;
    suspend_until_stopped(provisioner, &desired.target).await;
    provisioner.resume(&desired.target).await.unwrap();
    provisioner.resume(&desired.target).await.unwrap();
    wait_until(provisioner, &desired.target, ControlPlaneState::Ready).await;
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    provisioner.resume(&desired.target).await.unwrap();
    assert_eq!(state_of(provisioner, &desired.target).await, ControlPlaneState::Ready);
}

/// Applying to a suspended cluster leaves it suspended.
pub async fn applying_does_not_resume_a_suspended_cluster(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    apply_until_ready(provisioner, &desired).await;
    suspend_until_stopped(provisioner, &desired.target).await;
    assert!(!provisioner.apply(&desired).await.unwrap().tenant);
    assert_eq!(state_of(provisioner, &desired.target).await, ControlPlaneState::Stopped);
}

/// A deleted cluster is absent, and a new one of the same name starts empty.
pub async fn a_deleted_cluster_leaves_nothing_behind(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    apply_until_ready(provisioner, &desired).await;
    provisioner.delete(&desired.target).await.unwrap();
    provisioner.delete(&desired.target).await.unwrap();
    wait_until(provisioner, &desired.target, ControlPlaneState::Absent).await;
    assert!(provisioner.admin_access(&desired.target).await.is_err());
    let recreated = cluster("one", &[]);
    apply_until_ready(provisioner, &recreated).await;
    assert_eq!(provisioner.plan(&recreated).await.unwrap(), []);
}

/// Deleting, suspending or resuming a cluster that does not exist is not an error.
pub async fn operations_on_a_missing_cluster_succeed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let target = cluster("one", &[]).target;
    provisioner.delete(&target).await.unwrap();
    provisioner.suspend(&target, FIXTURE_TIME).await.unwrap();
    provisioner.resume(&target).await.unwrap();
    assert_eq!(state_of(provisioner, &target).await, ControlPlaneState::Absent);
}

/// Deleting one cluster leaves the others unchanged.
pub async fn clusters_are_independent_of_each_other(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let (one, two) = (cluster("one", &["web"]), cluster("two", &["web"]));
    apply_until_ready(provisioner, &one).await;
    apply_until_ready(provisioner, &two).await;
    provisioner.delete(&one.target).await.unwrap();
    wait_until(provisioner, &one.target, ControlPlaneState::Absent).await;
    assert_eq!(state_of(provisioner, &two.target).await, ControlPlaneState::Ready);
    assert_eq!(provisioner.plan(&two).await.unwrap(), []);
}

/// Two workers that apply to one cluster reach the same result as one.
pub async fn concurrent_applies_converge(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web", "api"]);
    let (left, right) = futures_util::join!(provisioner.apply(&desired), provisioner.apply(&desired));
    // One call may see objects that the other is just creating; a retry succeeds.
    for error in [left.err(), right.err()].into_iter().flatten() {
        assert!(error.is_retryable(), "{error}");
    }
    apply_until_ready(provisioner, &desired).await;
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}

/// `check_isolation`: each type of condition occurs once, and the types stay the same.
pub async fn isolation_checks_return_each_condition_once(harness: &dyn ClusterHarness) {
    let (provisioner, desired) = (harness.provisioner(), cluster("isolated", &["web"]));
    apply_until_ready(provisioner, &desired).await;
    let types = async || {
        let results = provisioner.check_isolation(&desired).await.unwrap();
        assert!(
            results.iter().all(|result| !result.kind.is_empty() && !result.title.is_empty()),
            "{results:?}"
        );
        results.into_iter().map(|result| result.kind).collect::<Vec<_>>()
    };
    let first = types().await;
    let unique: std::collections::BTreeSet<&String> = first.iter().collect();
    assert!(!first.is_empty() && unique.len() == first.len(), "{first:?}");
    assert_eq!(types().await, first);
}

/// `check_isolation`: fails with `NotFound` if the cluster does not exist.
pub async fn the_isolation_of_a_missing_cluster_is_not_found(harness: &dyn ClusterHarness) {
    let error = harness.provisioner().check_isolation(&cluster("nowhere", &[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

/// A provisioner that reads the metrics of API servers returns requests, no labels of a scrape target, and `NotFound`
/// for a missing cluster.
pub async fn metrics_of_an_api_server_are_those_of_a_closed_list(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &[]);
    let missing = provisioner.api_server_metrics(&desired.target).await.unwrap_err();
    if missing.kind() == ErrorKind::Unsupported {
        return;
    }
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    apply_until_ready(provisioner, &desired).await;
    let text = eventually("the credential to be issued", || async {
        provisioner.apply(&desired).await.unwrap();
        match provisioner.api_server_metrics(&desired.target).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.unwrap()),
        }
    })
    .await;
    assert!(text.lines().any(|line| line.starts_with("apiserver_request_total{")), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(!line.contains("namespace=") && !line.contains("job="), "{line}");
    }
}

/// A provisioner that issues credentials of GitOps tools keeps valid ones, replaces those that are due, and removes those
/// of tools without access. Their lifetime is bounded.
pub async fn credentials_of_gitops_tools_are_issued_renewed_and_removed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let none = cluster("one", &["web"]);
    let access =
        |namespace: &str, role| GitOpsAccess { namespace: HostNamespace::parse(namespace).unwrap(), role };
    let argocd = (GitOpsTool::ArgoCd, access("argocd", PresetRole::ProjectAdmin));
    let flux = (GitOpsTool::Flux, access("flux-system", PresetRole::WorkspaceViewer));
    let with = |tools: Vec<(GitOpsTool, GitOpsAccess)>| TenantCluster {
        gitops: tools.into_iter().collect(),
        ..none.clone()
    };
    let both = with(vec![argocd, flux.clone()]);
    assert_eq!(
        provisioner.issue_gitops_credentials(&none, FIXTURE_TIME).await.unwrap(),
        GitOpsCredentials::new()
    );
    apply_until_ready(provisioner, &both).await;
    match provisioner.issue_gitops_credentials(&both, FIXTURE_TIME).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => return,
        first => drop(first),
    }
    let issue = async |desired: &TenantCluster, now| {
        eventually("the credentials to be issued", || async {
            provisioner.apply(desired).await.unwrap();
            match provisioner.issue_gitops_credentials(desired, now).await {
                Err(error) if error.is_retryable() => None,
                issued => Some(issued.unwrap()),
            }
        })
        .await
    };
    let first = issue(&both, FIXTURE_TIME).await;
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), [GitOpsTool::ArgoCd, GitOpsTool::Flux]);
    for (tool, issued) in &first {
        assert_eq!(issued.namespace, both.gitops[tool].namespace);
        assert!(issued.expires_at <= after(FIXTURE_TIME, GITOPS_TOKEN_LIFETIME), "{issued:?}");
        assert!(FIXTURE_TIME < issued.renew_at && issued.renew_at < issued.expires_at, "{issued:?}");
    }
    assert_eq!(issue(&both, FIXTURE_TIME).await, first);
    let renewal = first.values().map(|issued| issued.renew_at).max().unwrap_or(FIXTURE_TIME);
    let renewed = issue(&both, renewal).await;
    assert!(renewed.values().all(|issued| issued.renew_at > renewal), "{renewed:?}");
    let only_flux = with(vec![flux]);
    assert_eq!(issue(&only_flux, renewal).await.keys().copied().collect::<Vec<_>>(), [GitOpsTool::Flux]);
    assert_eq!(issue(&none, renewal).await, GitOpsCredentials::new());
    eventually("the removal", || async { provisioner.plan(&none).await.unwrap().is_empty().then_some(()) })
        .await;
}
