//! Access of GitOps tools to tenant clusters: granted within bounds, renewed, and removed.

use std::time::Duration;

use super::Setup;
use crate::access::{Credential, Principal};
use crate::clock::Clock as _;
use crate::desired::TenantTarget;
use crate::error::{ErrorKind, Result};
use crate::id::{OrganizationId, TypedId as _, WorkspaceId};
use crate::model::{
    ConditionStatus, GitOps, GitOpsAccess, GitOpsCredential, GitOpsTool, PresetRole, Scope, Workspace,
};
use crate::name::HostNamespace;
use crate::platform::{Caller, UpdateWorkspace, WorkspaceTask};

const HOUR: Duration = Duration::from_secs(60 * 60);

struct Tenant {
    setup: Setup,
    ann: Caller,
    organization: OrganizationId,
    workspace: WorkspaceId,
}

impl Tenant {
    /// Ready workspace on a platform whose operator allows `argocd` and `flux-system`.
    async fn new() -> Self {
        let setup = Setup::with(|config| {
            config.gitops_namespaces = "argocd/argocd,argocd/argo-b,flux/flux-system".parse().unwrap();
        });
        let ann = setup.sign_in("ann").await;
        let organization = setup.create_organization(&ann, "acme").await.id;
        let workspace = setup.create_workspace(&ann, organization, "dev", "small").await.unwrap();
        let tenant = Self { setup, ann, organization, workspace };
        tenant.reconcile().await;
        tenant
    }

    async fn reconcile(&self) {
        for _ in 0..5 {
            self.setup.run_worker(Duration::from_secs(5)).await;
        }
    }

    async fn set_as(&self, caller: &Caller, gitops: GitOps) -> Result<WorkspaceTask> {
        let command = UpdateWorkspace { gitops: Some(gitops), ..UpdateWorkspace::default() };
        self.setup
            .platform
            .workspaces()
            .update(caller, self.organization, self.workspace, &command, None)
            .await
    }

    async fn set(&self, gitops: GitOps) -> Result<WorkspaceTask> {
        self.set_as(&self.ann, gitops).await
    }

    async fn current(&self) -> Workspace {
        let store = self.setup.platform.store();
        store.find_workspace(self.organization, self.workspace).await.unwrap().unwrap()
    }

    async fn credential(&self) -> Option<GitOpsCredential> {
        self.current().await.status.gitops.get(&GitOpsTool::ArgoCd).cloned()
    }

    async fn condition(&self) -> Option<(ConditionStatus, String)> {
        let conditions = self.current().await.status.conditions;
        let found = conditions.into_iter().find(|condition| condition.kind == "GitOpsReady");
        found.map(|condition| (condition.status, condition.reason))
    }
}

fn access(tool: GitOpsTool, namespace: &str, role: PresetRole) -> GitOps {
    let namespace = HostNamespace::parse(namespace).unwrap();
    [(tool, GitOpsAccess { namespace, role })].into_iter().collect()
}

fn argocd(namespace: &str) -> GitOps {
    access(GitOpsTool::ArgoCd, namespace, PresetRole::ProjectAdmin)
}

#[tokio::test]
async fn a_credential_is_issued_renewed_before_it_expires_and_removed() {
    let tenant = Tenant::new().await;
    assert_eq!(tenant.condition().await, None);
    assert!(tenant.set(argocd("argocd")).await.unwrap().task_id.is_some());
    assert!(tenant.set(argocd("argocd")).await.unwrap().task_id.is_none(), "nothing has changed");
    tenant.reconcile().await;
    let first = tenant.credential().await.unwrap();
    assert_eq!(first.namespace.as_str(), "argocd");
    assert_eq!(tenant.condition().await, Some((ConditionStatus::True, "Issued".to_owned())));

    // It is renewed at its time, and not with each reconcile before.
    for _ in 0..7 {
        tenant.setup.run_worker(HOUR).await;
        assert_eq!(tenant.credential().await.as_ref(), Some(&first));
    }
    tenant.setup.run_worker(HOUR).await;
    let second = tenant.credential().await.unwrap();
    assert!(second.expires_at > first.expires_at && tenant.setup.clock.now() < first.expires_at);

    tenant.set(argocd("argo-b")).await.unwrap();
    tenant.reconcile().await;
    assert_eq!(tenant.credential().await.unwrap().namespace.as_str(), "argo-b");
    tenant.set(GitOps::new()).await.unwrap();
    tenant.reconcile().await;
    assert_eq!((tenant.credential().await, tenant.condition().await), (None, None));
}

#[tokio::test]
async fn the_next_reconcile_is_not_after_the_renewal() {
    let tenant = Tenant::new().await;
    tenant.set(argocd("argocd")).await.unwrap();
    tenant.reconcile().await;
    let renew_at = tenant.credential().await.unwrap().renew_at;
    let until = crate::clock::until(tenant.setup.clock.now(), renew_at);
    tenant.setup.run_worker(until - Duration::from_secs(2)).await;
    assert_eq!(tenant.current().await.reconcile_at, Some(renew_at));
}

#[tokio::test]
async fn access_is_removed_while_the_workspace_is_suspended_and_issued_once_it_runs() {
    let tenant = Tenant::new().await;
    tenant.set(argocd("argocd")).await.unwrap();
    tenant.reconcile().await;
    let workspaces = tenant.setup.platform.workspaces();
    workspaces.suspend(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap();
    tenant.reconcile().await;
    assert!(tenant.credential().await.is_some());
    tenant.set(GitOps::new()).await.unwrap();
    tenant.reconcile().await;
    assert_eq!(tenant.credential().await, None);

    tenant.set(argocd("argocd")).await.unwrap();
    tenant.reconcile().await;
    assert_eq!(tenant.credential().await, None);
    assert_eq!(tenant.condition().await, Some((ConditionStatus::False, "Pending".to_owned())));
    workspaces.resume(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap();
    tenant.reconcile().await;
    assert!(tenant.credential().await.is_some());
}

#[tokio::test]
async fn access_is_removed_even_if_the_operation_fails() {
    let tenant = Tenant::new().await;
    tenant.set(argocd("argocd")).await.unwrap();
    tenant.reconcile().await;
    assert!(tenant.credential().await.is_some());
    tenant.setup.provisioner.occupy_cluster(&TenantTarget::by_id(tenant.organization, tenant.workspace));
    tenant.set(GitOps::new()).await.unwrap();
    tenant.reconcile().await;
    assert!(tenant.current().await.status.failures > 0);
    assert_eq!(tenant.credential().await, None);
}

#[tokio::test]
async fn a_removal_before_the_first_reconcile_is_carried_out() {
    let tenant = Tenant::new().await;
    tenant.set(argocd("argocd")).await.unwrap();
    // A worker may have issued a credential and stopped before it recorded it.
    tenant.set(GitOps::new()).await.unwrap();
    assert!(tenant.credential().await.is_some(), "a record that makes a worker look for it");
    tenant.reconcile().await;
    assert_eq!(tenant.credential().await, None);
}

#[tokio::test]
async fn only_namespaces_of_the_operator_are_accepted() {
    let tenant = Tenant::new().await;
    for (tool, namespace) in [
        (GitOpsTool::ArgoCd, "monitoring"),
        (GitOpsTool::ArgoCd, "flux-system"),
        (GitOpsTool::ArgoCd, "hexabase-system"),
        (GitOpsTool::Flux, "argocd"),
    ] {
        let error = tenant.set(access(tool, namespace, PresetRole::ProjectAdmin)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{namespace}");
        assert_eq!(error.violations()[0].field, format!("gitops.{tool}.namespace"));
    }
    assert!(tenant.current().await.gitops.is_empty());

    let plain = Setup::new();
    let ann = plain.sign_in("ann").await;
    let organization = plain.create_organization(&ann, "acme").await.id;
    let workspace = plain.create_workspace(&ann, organization, "dev", "small").await.unwrap();
    let command = UpdateWorkspace { gitops: Some(argocd("argocd")), ..UpdateWorkspace::default() };
    let workspaces = plain.platform.workspaces();
    let update = workspaces.update(&ann, organization, workspace, &command, None);
    assert_eq!(update.await.unwrap_err().kind(), ErrorKind::Invalid, "nothing is allowed by default");
}

#[tokio::test]
async fn a_token_without_the_scopes_of_a_grant_gives_no_access() {
    let tenant = Tenant::new().await;
    let token = |scopes: &[Scope]| {
        let credential = Credential::Token(crate::id::TokenId::least(), scopes.iter().copied().collect());
        let principal = Principal { credential, ..tenant.ann.principal.clone() };
        Caller { principal, ..tenant.ann.clone() }
    };
    let narrow = token(&[Scope::WorkspacesWrite]);
    assert_eq!(tenant.set_as(&narrow, argocd("argocd")).await.unwrap_err().kind(), ErrorKind::Forbidden);
    let without_cluster = token(&[Scope::WorkspacesWrite, Scope::AccessWrite]);
    let error = tenant.set_as(&without_cluster, argocd("argocd")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "a token grants no more than its own scopes");
    assert!(tenant.set_as(&token(&[Scope::All]), argocd("argocd")).await.is_ok());
}

#[tokio::test]
async fn a_deleted_workspace_leaves_no_credential() {
    let tenant = Tenant::new().await;
    tenant.set(argocd("argocd")).await.unwrap();
    tenant.reconcile().await;
    let workspaces = tenant.setup.platform.workspaces();
    workspaces.delete(&tenant.ann, tenant.organization, tenant.workspace, None).await.unwrap();
    tenant.reconcile().await;
    let store = tenant.setup.platform.store();
    assert!(store.find_workspace(tenant.organization, tenant.workspace).await.unwrap().is_none());
}
