//! What every [`ClusterProvisioner`] must do.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock as _, SystemClock};
use crate::desired::{self, Issuer, TenantCluster, TenantTarget};
use crate::error::{Error, ErrorKind};
use crate::fixture::{self, THEN, id};
use crate::model::{Assignment, ControlPlaneStore, PresetRole, RoleRef, WorkspaceState};
use crate::name::{KubernetesVersion, ProjectName};
use crate::provisioner::{Applied, ClusterProvisioner, ControlPlaneState, NO_OTHER_STORE, NO_UPGRADE_PATH};
use crate::secret::ExposeSecret as _;

/// A provisioner under test, and a way to be somebody else on its host cluster.
#[async_trait]
pub trait ClusterHarness: fmt::Debug + Send + Sync {
    /// The provisioner.
    fn provisioner(&self) -> &dyn ClusterProvisioner;

    /// Makes something on the host that has the name of this tenant cluster and is not Hexabase's.
    async fn occupy_cluster(&self, target: &TenantTarget);

    /// Sees to it that there is no room on the host for this tenant cluster, before it is made.
    async fn leave_no_room(&self, target: &TenantTarget);

    /// Makes a namespace inside a tenant cluster that is not Hexabase's.
    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName);
}

/// Makes one test per case for a [`ClusterHarness`], each with whatever attributes follow the expression. See the
/// [module](crate::conformance) for what that answers.
#[macro_export]
macro_rules! cluster_provisioner_conformance {
    ($make:expr $(, #[$attribute:meta])*) => {
        $crate::__conformance_tests!(
            [$(#[$attribute])*] cluster_provisioner,
            $make,
            [
                a_cluster_that_does_not_exist_is_absent,
                applying_brings_a_cluster_up_and_fills_it,
                applying_again_changes_nothing,
                what_is_known_to_be_unchanged_is_what_would_be_observed,
                a_plan_names_what_differs,
                what_is_no_longer_wanted_is_removed,
                a_foreign_namespace_is_refused_and_the_rest_applied,
                a_foreign_cluster_is_neither_adopted_nor_deleted,
                a_cluster_never_goes_down_in_version,
                a_cluster_keeps_its_objects_where_they_are,
                a_cluster_for_which_there_is_no_room_says_so,
                a_suspended_cluster_sleeps_until_it_is_resumed,
                applying_does_not_wake_a_sleeper,
                deleting_leaves_nothing,
                deleting_or_suspending_nothing_is_no_error,
                two_clusters_do_not_touch_each_other,
                two_that_apply_at_once_do_no_harm,
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
        created_at: THEN,
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
    desired::workspace(&state(name, projects), &fixture::plan("small"), &issuer)
}

/// How long something may take: a real control plane needs its time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Tries until there is an answer; less often the longer it takes.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, attempt: impl Fn() -> F) -> T {
    let began = SystemClock.now();
    loop {
        if let Some(answer) = attempt().await {
            return answer;
        }
        let elapsed = crate::clock::until(began, SystemClock.now());
        assert!(elapsed < PATIENCE, "{what} never happened");
        SystemClock
            .sleep(crate::backoff::poll(elapsed, Duration::from_millis(10), Duration::from_millis(500)))
            .await;
    }
}

/// Applies until everything is there, as the reconciler would.
async fn settle(provisioner: &dyn ClusterProvisioner, desired: &TenantCluster) -> Applied {
    eventually("everything being applied", || async {
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

async fn until(provisioner: &dyn ClusterProvisioner, target: &TenantTarget, wanted: ControlPlaneState) {
    eventually("the state", || async { (state_of(provisioner, target).await == wanted).then_some(()) }).await;
}

/// Of a cluster that does not exist nothing is seen, and everything differs.
pub async fn a_cluster_that_does_not_exist_is_absent(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    provisioner.ping().await.unwrap();
    let desired = cluster("one", &[]);
    assert_eq!(state_of(provisioner, &desired.target).await, ControlPlaneState::Absent);
    assert!(!provisioner.plan(&desired).await.unwrap().is_empty());
    let error = provisioner.admin_access(&desired.target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Applying makes the cluster, and once it answers everything inside it.
pub async fn applying_brings_a_cluster_up_and_fills_it(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web", "api"]);
    let applied = settle(provisioner, &desired).await;
    assert!(applied.refused_projects.is_empty());
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    assert!(provisioner.observe(&desired.target).await.unwrap().api_endpoint.is_some());
    let access = provisioner.admin_access(&desired.target).await.unwrap();
    assert!(!access.kubeconfig.expose_secret().is_empty());
    assert!(!format!("{access:?}").contains(access.kubeconfig.expose_secret()));
}

/// Applying what is there already leaves nothing to plan, however often it is done.
pub async fn applying_again_changes_nothing(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    let first = settle(provisioner, &desired).await;
    for _ in 0..3 {
        assert_eq!(provisioner.apply(&desired).await.unwrap(), first);
        assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    }
}

/// What is known without looking anew is what would be observed; nothing is known of what does not exist, or is asked for
/// anew.
pub async fn what_is_known_to_be_unchanged_is_what_would_be_observed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    assert_eq!(provisioner.unchanged(&desired).await.unwrap(), None);
    settle(provisioner, &desired).await;
    let observed = provisioner.observe(&desired.target).await.unwrap();
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    let known = provisioner.unchanged(&desired).await.unwrap();
    assert!(known.is_none_or(|known| known == observed), "{observed:?}");
    assert_eq!(provisioner.unchanged(&cluster("one", &["web", "api"])).await.unwrap(), None);
}

/// A plan names what differs, inside the tenant too, and changes nothing by itself.
pub async fn a_plan_names_what_differs(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    settle(provisioner, &cluster("one", &["web"])).await;
    let more = cluster("one", &["web", "api"]);
    for _ in 0..2 {
        let entries = provisioner.plan(&more).await.unwrap();
        assert!(entries.iter().any(|entry| entry.scope == "tenant"), "{entries:?}");
    }
    settle(provisioner, &more).await;
    assert_eq!(provisioner.plan(&more).await.unwrap(), []);
}

/// What Hexabase made earlier and no longer wants goes.
pub async fn what_is_no_longer_wanted_is_removed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    settle(provisioner, &cluster("one", &["web", "api"])).await;
    let mut less = cluster("one", &["web"]);
    less.bindings.clear();
    assert!(!provisioner.plan(&less).await.unwrap().is_empty());
    settle(provisioner, &less).await;
    // Namespaces take their time to go.
    eventually("the removal", || async { provisioner.plan(&less).await.unwrap().is_empty().then_some(()) })
        .await;
}

/// A namespace that somebody else made is left alone and reported, and holds nothing else up.
pub async fn a_foreign_namespace_is_refused_and_the_rest_applied(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let before = cluster("one", &["web"]);
    settle(provisioner, &before).await;
    let taken = ProjectName::parse("taken").unwrap();
    harness.occupy_namespace(&before.target, &taken).await;
    let desired = cluster("one", &["web", "taken", "api"]);
    let applied = settle(provisioner, &desired).await;
    assert_eq!(applied.refused_projects.keys().copied().collect::<Vec<_>>(), [id("taken")]);
    assert!(applied.refused_projects.values().all(|reason| reason.contains("taken")));
    // Wanting it no more does not take it away from whoever made it.
    settle(provisioner, &before).await;
    let again = settle(provisioner, &desired).await;
    assert_eq!(again.refused_projects.len(), 1);
}

fn is_not_ours(outcome: Result<impl fmt::Debug, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "not_ours"), "{error}");
}

/// Something of the same name that is not ours is neither taken over nor removed.
pub async fn a_foreign_cluster_is_neither_adopted_nor_deleted(harness: &dyn ClusterHarness) {
    let desired = cluster("one", &[]);
    harness.occupy_cluster(&desired.target).await;
    is_not_ours(harness.provisioner().apply(&desired).await);
    is_not_ours(harness.provisioner().delete(&desired.target).await);
    is_not_ours(harness.provisioner().apply(&desired).await);
}

/// Whatever asks for an older Kubernetes than what runs, such as a database from a backup, is refused and changes nothing.
pub async fn a_cluster_never_goes_down_in_version(harness: &dyn ClusterHarness) {
    let (desired, provisioner) = (cluster("one", &[]), harness.provisioner());
    settle(provisioner, &desired).await;
    let (major, minor) = desired.kubernetes_version.numbers();
    let older = KubernetesVersion::parse(&format!("{major}.{}", minor - 1)).unwrap();
    let error =
        provisioner.apply(&TenantCluster { kubernetes_version: older, ..desired.clone() }).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, NO_UPGRADE_PATH), "{error}");
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}

/// A plan that says to keep objects elsewhere is no reason to leave those behind that there are.
pub async fn a_cluster_keeps_its_objects_where_they_are(harness: &dyn ClusterHarness) {
    let (desired, provisioner) = (cluster("one", &[]), harness.provisioner());
    settle(provisioner, &desired).await;
    let mut elsewhere = desired.clone();
    elsewhere.control_plane.store = ControlPlaneStore::Etcd;
    let error = provisioner.apply(&elsewhere).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, NO_OTHER_STORE), "{error}");
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}

/// Whoever waits for a cluster learns why it does not come.
pub async fn a_cluster_for_which_there_is_no_room_says_so(harness: &dyn ClusterHarness) {
    let (desired, provisioner) = (cluster("one", &[]), harness.provisioner());
    harness.leave_no_room(&desired.target).await;
    let message = eventually("the reason", || async {
        // As the reconciler does, whatever comes of it.
        let _ = provisioner.apply(&desired).await;
        match state_of(provisioner, &desired.target).await {
            ControlPlaneState::Broken { message, .. } => Some(message),
            _ => None,
        }
    })
    .await;
    assert!(message.contains("quota"), "{message}");
}

/// Asks a cluster to sleep until it does, as the reconciler would.
async fn put_to_sleep(provisioner: &dyn ClusterProvisioner, target: &TenantTarget) {
    eventually("sleep", || async {
        provisioner.suspend(target, THEN).await.unwrap();
        (state_of(provisioner, target).await == ControlPlaneState::Stopped).then_some(())
    })
    .await;
}

/// A sleeping cluster stays as it was, and wakes with what was in it.
pub async fn a_suspended_cluster_sleeps_until_it_is_resumed(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    settle(provisioner, &desired).await;
    put_to_sleep(provisioner, &desired.target).await;
    put_to_sleep(provisioner, &desired.target).await;
    provisioner.resume(&desired.target).await.unwrap();
    provisioner.resume(&desired.target).await.unwrap();
    until(provisioner, &desired.target, ControlPlaneState::Ready).await;
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
    provisioner.resume(&desired.target).await.unwrap();
    assert_eq!(state_of(provisioner, &desired.target).await, ControlPlaneState::Ready);
}

/// Applying to a sleeping cluster leaves it asleep.
pub async fn applying_does_not_wake_a_sleeper(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    settle(provisioner, &desired).await;
    put_to_sleep(provisioner, &desired.target).await;
    assert!(!provisioner.apply(&desired).await.unwrap().tenant);
    assert_eq!(state_of(provisioner, &desired.target).await, ControlPlaneState::Stopped);
}

/// A deleted cluster is absent, and one of the same name begins empty.
pub async fn deleting_leaves_nothing(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web"]);
    settle(provisioner, &desired).await;
    provisioner.delete(&desired.target).await.unwrap();
    provisioner.delete(&desired.target).await.unwrap();
    until(provisioner, &desired.target, ControlPlaneState::Absent).await;
    assert!(provisioner.admin_access(&desired.target).await.is_err());
    let anew = cluster("one", &[]);
    settle(provisioner, &anew).await;
    assert_eq!(provisioner.plan(&anew).await.unwrap(), []);
}

/// Nothing cannot be deleted, put to sleep or woken, and that is fine.
pub async fn deleting_or_suspending_nothing_is_no_error(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let target = cluster("one", &[]).target;
    provisioner.delete(&target).await.unwrap();
    provisioner.suspend(&target, THEN).await.unwrap();
    provisioner.resume(&target).await.unwrap();
    assert_eq!(state_of(provisioner, &target).await, ControlPlaneState::Absent);
}

/// What happens to one cluster leaves the others as they are.
pub async fn two_clusters_do_not_touch_each_other(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let (one, two) = (cluster("one", &["web"]), cluster("two", &["web"]));
    settle(provisioner, &one).await;
    settle(provisioner, &two).await;
    provisioner.delete(&one.target).await.unwrap();
    until(provisioner, &one.target, ControlPlaneState::Absent).await;
    assert_eq!(state_of(provisioner, &two.target).await, ControlPlaneState::Ready);
    assert_eq!(provisioner.plan(&two).await.unwrap(), []);
}

/// Two workers on one cluster end where one would have.
pub async fn two_that_apply_at_once_do_no_harm(harness: &dyn ClusterHarness) {
    let provisioner = harness.provisioner();
    let desired = cluster("one", &["web", "api"]);
    let (left, right) = futures_util::join!(provisioner.apply(&desired), provisioner.apply(&desired));
    // One may see what the other is just making; trying again is all it takes.
    for error in [left.err(), right.err()].into_iter().flatten() {
        assert!(error.is_retryable(), "{error}");
    }
    settle(provisioner, &desired).await;
    assert_eq!(provisioner.plan(&desired).await.unwrap(), []);
}
