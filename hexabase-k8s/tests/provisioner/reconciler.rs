//! The reconciler on the sandbox: neither a control plane that writes an unusable kubeconfig nor lost permissions prevent
//! repairs on the host, a suspension or a deletion.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::fixture;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{Origin, Phase, WaitReason, Workspace};
use hexabase_core::name::{DisplayName, Email, HostClusterName, ProviderName, Slug};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{Caller, CreateOrganization, Platform};
use hexabase_core::provisioner::Fleet;
use hexabase_core::secret::SecretString;
use hexabase_core::worker::Reconciler;
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, ServiceConnector, TenantConnector, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::host_setup::{get, host_config, restricted_host, sandbox_with, send};
use super::one_pass::merge;

/// Connector to the tenants of a sandbox, which accepts the kubeconfigs of [`ServiceConnector`].
#[derive(Debug)]
struct Checked {
    inner: Arc<dyn TenantConnector>,
}

#[async_trait]
impl TenantConnector for Checked {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        ServiceConnector::new(&HostConfig::default()).connect(target, kubeconfig).await?;
        self.inner.connect(target, kubeconfig).await
    }
}

/// Platform with a ready workspace.
struct Setup {
    platform: Platform,
    caller: Caller,
    sandbox: Sandbox,
    organization: OrganizationId,
    workspace: WorkspaceId,
}

impl Setup {
    async fn start(sandbox: Sandbox, host: Client, config: HostConfig) -> Self {
        let connector = Arc::new(Checked { inner: sandbox.connector() });
        let provisioner = VClusterProvisioner::new(host, connector, config);
        let host = HostCluster::new(HostClusterName::parse("sandbox").unwrap());
        let plan = fixture::plan("small");
        let command = fixture::create_workspace("shop", &plan.id);
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(vec![plan])
            .with_fleet(Fleet::new().with(host, Arc::new(provisioner)))
            .build()
            .unwrap();
        let identity = ExternalIdentity {
            subject: "ann".to_owned(),
            verified_email: Some(Email::parse("ann@example.com").unwrap()),
            name: None,
            auth_time: None,
        };
        let provider = ProviderName::parse("dev").unwrap();
        let user = platform.users().sign_in(&provider, &identity, &Origin::default()).await.unwrap();
        let caller = Caller::for_user(user.id);
        let name = "acme";
        let organization = CreateOrganization {
            name: Slug::parse(name).unwrap(),
            display_name: DisplayName::parse(name).unwrap(),
        };
        let organization = platform.organizations().create(&caller, &organization).await.unwrap().value.id;
        let created = platform.workspaces().create(&caller, organization, &command).await.unwrap();
        let workspace = created.value.workspace.id;
        let setup = Self { platform, caller, sandbox, organization, workspace };
        let is_ready = |found: Option<&Workspace>| found.is_some_and(|it| it.status.phase == Phase::Ready);
        setup.reconcile_until("ready", is_ready).await;
        setup
    }

    /// Workspace whose control plane has overwritten its kubeconfig.
    async fn compromised() -> Self {
        let sandbox = sandbox_with(&[]).await;
        let host = sandbox.host_client();
        let setup = Self::start(sandbox, host, HostConfig::default()).await;
        let garbage = json!({ "data": { "config": STANDARD.encode("not: [a kubeconfig") } });
        let secret = setup.path("/api/v1", "secrets", &format!("vc-{}", setup.name()));
        merge(&setup.sandbox.host_client(), &secret, &garbage).await;
        setup
    }

    fn name(&self) -> String {
        TenantTarget::by_id(self.organization, self.workspace).name
    }

    /// URL path of an object in the namespace of the tenant.
    fn path(&self, group: &str, plural: &str, name: &str) -> String {
        format!("{group}/namespaces/{}/{plural}/{name}", self.name())
    }

    async fn find(&self) -> Option<Workspace> {
        self.platform.store().find_workspace(self.organization, self.workspace).await.unwrap()
    }

    async fn reconcile(&self) {
        Reconciler::new(&self.platform).reconcile(self.organization, self.workspace, None).await.unwrap();
    }

    async fn reconcile_until(
        &self,
        state: &str,
        is_reached: impl Fn(Option<&Workspace>) -> bool + Sync + Send,
    ) {
        for _ in 0..1_000 {
            self.reconcile().await;
            if is_reached(self.find().await.as_ref()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("never {state}: {:?}", self.find().await.map(|workspace| workspace.status));
    }
}

#[tokio::test]
async fn a_workspace_with_an_unusable_kubeconfig_is_repaired_on_the_host() {
    let setup = Setup::compromised().await;
    let host = setup.sandbox.host_client();
    let policy = format!("vc-cp-{}", setup.name());
    let policy = setup.path("/apis/networking.k8s.io/v1", "networkpolicies", &policy);
    merge(&host, &policy, &json!({ "spec": { "egress": [{}] } })).await;
    setup.reconcile().await;
    assert_ne!(get(&host, &policy).await["spec"]["egress"], json!([{}]));
    let status = setup.find().await.unwrap().status;
    assert_eq!(status.waiting.unwrap().reason, WaitReason::KubeconfigPending, "{status:?}");
    assert_eq!(status.failures, 0, "{status:?}");
}

#[tokio::test]
async fn a_workspace_with_an_unusable_kubeconfig_is_suspended_and_deleted() {
    let setup = Setup::compromised().await;
    let (organization, workspace) = (setup.organization, setup.workspace);
    let workspaces = setup.platform.workspaces();
    workspaces.suspend(&setup.caller, organization, workspace).await.unwrap();
    let is_suspended =
        |found: Option<&Workspace>| found.is_some_and(|it| it.status.phase == Phase::Suspended);
    setup.reconcile_until("suspended", is_suspended).await;
    workspaces.delete(&setup.caller, organization, workspace, None).await.unwrap();
    setup.reconcile_until("deleted", |found| found.is_none()).await;
}

#[tokio::test]
async fn a_running_workspace_with_an_unusable_kubeconfig_is_deleted() {
    let setup = Setup::compromised().await;
    let (organization, workspace) = (setup.organization, setup.workspace);
    setup.platform.workspaces().delete(&setup.caller, organization, workspace, None).await.unwrap();
    setup.reconcile_until("deleted", |found| found.is_none()).await;
    let namespace = format!("/api/v1/namespaces/{}", setup.name());
    assert_eq!(send(&setup.sandbox.host_client(), "GET", &namespace, &Value::Null).await, 404);
}

#[tokio::test]
async fn a_workspace_is_deleted_without_permissions_in_its_namespace() {
    let sandbox = sandbox_with(&host_setup(&HostConfig::default())).await;
    let host = Client::new(restricted_host(&sandbox), "default");
    let setup = Setup::start(sandbox, host, host_config()).await;
    let binding = setup.path("/apis/rbac.authorization.k8s.io/v1", "rolebindings", "hexabase");
    assert_eq!(send(&setup.sandbox.host_client(), "DELETE", &binding, &Value::Null).await, 200);
    let (organization, workspace) = (setup.organization, setup.workspace);
    setup.platform.workspaces().delete(&setup.caller, organization, workspace, None).await.unwrap();
    setup.reconcile_until("deleted", |found| found.is_none()).await;
}
