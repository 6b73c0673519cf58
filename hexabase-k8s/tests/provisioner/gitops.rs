//! Credentials of GitOps tools: issued with the chosen role, renewed, removed, and written to no other place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::model::{GitOpsAccess, GitOpsCredentials, GitOpsTool, Isolation, PresetRole};
use hexabase_core::name::{HostNamespace, ProjectName};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::quota::Quota;
use hexabase_core::secret::SecretString;
use hexabase_core::{desired, id};
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::{Sandbox, User};
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::{Value, json};

use super::host_capacity::create_namespace;
use super::host_setup::{eventually, get, host_config, path, restricted_host, send};

const NAMESPACES: &str = "argocd/argocd,argocd/argo-b,flux/flux-system";
const ACCOUNTS: &str = "/api/v1/namespaces/hexabase-gitops/serviceaccounts";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Creates the namespaces of GitOps tools on the host, and allows them.
pub(crate) async fn with_gitops_namespaces(sandbox: &Sandbox, config: HostConfig) -> HostConfig {
    for namespace in ["argocd", "argo-b", "flux-system"] {
        create_namespace(sandbox.host_client(), namespace).await;
    }
    HostConfig { gitops_namespaces: NAMESPACES.parse().unwrap(), ..config }
}

fn access(namespace: &str, role: PresetRole) -> GitOpsAccess {
    GitOpsAccess { namespace: HostNamespace::parse(namespace).unwrap(), role }
}

fn project(name: &str) -> desired::TenantProject {
    desired::TenantProject {
        id: fixture::id::<id::ProjectId>(name),
        namespace: ProjectName::parse(name).unwrap(),
        isolation: Isolation::Baseline,
        quota: Quota::new(),
        roles: Vec::new(),
        bindings: Vec::new(),
    }
}

fn at_hour(hour: i64) -> Timestamp {
    FIXTURE_TIME + SignedDuration::from_hours(hour)
}

/// Tenant with the projects `web` and `api`, on a host on which Hexabase has only the permissions of the host setup.
struct Deployed {
    sandbox: Sandbox,
    config: HostConfig,
    provisioner: VClusterProvisioner,
    cluster: TenantCluster,
}

impl Deployed {
    async fn start(tools: &[(GitOpsTool, GitOpsAccess)]) -> Self {
        let sandbox = Sandbox::start(Default::default());
        let config = with_gitops_namespaces(&sandbox, host_config()).await;
        for object in host_setup(&config) {
            assert_eq!(send(&sandbox.host_client(), "POST", &path(&object), &object.body).await, 201);
        }
        let client = Client::new(restricted_host(&sandbox), "default");
        let provisioner = VClusterProvisioner::new(client, sandbox.connector(), config.clone());
        let mut cluster = fixture::tenant_cluster("shop");
        cluster.projects = vec![project("web"), project("api")];
        cluster.gitops = tools.iter().cloned().collect();
        let deployed = Self { sandbox, config, provisioner, cluster };
        deployed.apply().await;
        deployed
    }

    /// Applies until the tenant matches the desired state.
    async fn apply(&self) {
        eventually("applied", || async {
            let applied = self.provisioner.apply(&self.cluster).await?.tenant;
            let observed = self.provisioner.observe(&self.cluster.target).await?;
            let ready = observed.control_plane == ControlPlaneState::Ready;
            Ok(applied && ready && self.provisioner.plan(&self.cluster).await?.is_empty())
        })
        .await
        .unwrap();
    }

    async fn issue(&self, now: Timestamp) -> Result<GitOpsCredentials> {
        self.provisioner.issue_gitops_credentials(&self.cluster, now).await
    }

    async fn set(&mut self, tools: &[(GitOpsTool, GitOpsAccess)], now: Timestamp) -> GitOpsCredentials {
        self.cluster.gitops = tools.iter().cloned().collect();
        self.apply().await;
        self.issue(now).await.unwrap()
    }

    fn secret_path(&self, namespace: &str, tool: GitOpsTool) -> String {
        format!("/api/v1/namespaces/{namespace}/secrets/{}-{tool}", self.cluster.target.name)
    }

    async fn secret(&self, namespace: &str, tool: GitOpsTool) -> Value {
        get(&self.sandbox.host_client(), &self.secret_path(namespace, tool)).await
    }

    async fn secret_status(&self, namespace: &str, tool: GitOpsTool) -> u16 {
        let path = self.secret_path(namespace, tool);
        send(&self.sandbox.host_client(), "GET", &path, &Value::Null).await
    }

    fn tenant(&self) -> Client {
        self.tenant_as(User::admin())
    }

    fn tenant_as(&self, user: User) -> Client {
        Client::new(self.sandbox.tenant(&self.cluster.target.name).unwrap().with_user(user), "default")
    }

    /// Client with the kubeconfig of the Secret for Flux.
    async fn flux_client(&self) -> Client {
        let kubeconfig = value(&self.secret("flux-system", GitOpsTool::Flux).await, "value");
        let kubeconfig = SecretString::from(kubeconfig);
        self.sandbox.connector().connect(&self.cluster.target, &kubeconfig).await.unwrap()
    }
}

fn value(secret: &Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

const ARGOCD: GitOpsTool = GitOpsTool::ArgoCd;
const FLUX: GitOpsTool = GitOpsTool::Flux;

#[tokio::test]
async fn argo_cd_gets_a_cluster_that_is_limited_to_the_projects() {
    let deployed = Deployed::start(&[(ARGOCD, access("argocd", PresetRole::ProjectAdmin))]).await;
    let name = deployed.cluster.target.name.clone();
    let issued = deployed.issue(at_hour(0)).await.unwrap();
    let secret = deployed.secret("argocd", ARGOCD).await;
    assert_eq!(secret["metadata"]["labels"]["argocd.argoproj.io/secret-type"], "cluster");
    assert_eq!(
        secret["metadata"]["annotations"]["hexabase.ai/token-expires-at"],
        json!(issued[&ARGOCD].expires_at)
    );
    assert_eq!(value(&secret, "server"), format!("https://{name}.{name}.svc:443"));
    assert_eq!((value(&secret, "name"), value(&secret, "project")), (name.clone(), name));
    assert_eq!(
        (value(&secret, "namespaces").as_str(), value(&secret, "clusterResources").as_str()),
        ("web,api", "false")
    );
    let config: Value = serde_json::from_str(&value(&secret, "config")).unwrap();
    assert!(config["bearerToken"].as_str().unwrap().starts_with("sandbox."), "{config}");
    assert_eq!(config["tlsClientConfig"]["insecure"], false);

    // The administrator's kubeconfig is not part of it.
    let admin = format!("/api/v1/namespaces/{0}/secrets/vc-{0}", deployed.cluster.target.name);
    let admin = get(&deployed.sandbox.host_client(), &admin).await;
    assert!(!secret.to_string().contains(admin["data"]["config"].as_str().unwrap()));
}

#[tokio::test]
async fn a_credential_has_the_chosen_role_and_no_other_right() {
    let mut deployed = Deployed::start(&[(FLUX, access("flux-system", PresetRole::ProjectAdmin))]).await;
    deployed.issue(at_hour(0)).await.unwrap();
    let secret = deployed.secret("flux-system", FLUX).await;
    assert_eq!(secret["metadata"]["labels"]["reconcile.fluxcd.io/watch"], "Enabled");
    let flux = deployed.flux_client().await;
    let config_map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
    let create_in = async |client: &Client, namespace: &str| {
        send(client, "POST", &format!("/api/v1/namespaces/{namespace}/configmaps"), &config_map).await
    };
    assert_eq!((create_in(&flux, "web").await, create_in(&flux, "api").await), (201, 201));
    for namespace in ["default", "kube-system", "hexabase-gitops"] {
        assert_eq!(create_in(&flux, namespace).await, 403, "{namespace}");
    }
    assert_eq!(send(&flux, "GET", "/api/v1/secrets", &Value::Null).await, 403);
    assert_eq!(send(&flux, "GET", &format!("{RBAC}/clusterroles"), &Value::Null).await, 403);
    // The bindings of Hexabase are protected from the tool as from every user.
    let bindings = format!("{RBAC}/namespaces/web/rolebindings/hexabase-gitops-flux-project-admin");
    assert_eq!(send(&flux, "DELETE", &bindings, &Value::Null).await, 403);

    // The role of a binding is immutable: another role is another binding.
    deployed.set(&[(FLUX, access("flux-system", PresetRole::ProjectViewer))], at_hour(1)).await;
    let flux = deployed.flux_client().await;
    assert_eq!((create_in(&flux, "web").await, create_in(&flux, "api").await), (403, 403));
    let config_maps = "/api/v1/namespaces/web/configmaps";
    assert_eq!(send(&flux, "GET", config_maps, &Value::Null).await, 200);
    assert_eq!(send(&deployed.tenant(), "GET", &bindings, &Value::Null).await, 404);

    deployed.set(&[(FLUX, access("flux-system", PresetRole::WorkspaceViewer))], at_hour(1)).await;
    let flux = deployed.flux_client().await;
    assert_eq!(create_in(&flux, "web").await, 403);
    assert_eq!(send(&flux, "GET", "/api/v1/configmaps", &Value::Null).await, 200);
}

#[tokio::test]
async fn a_token_is_kept_until_its_renewal_and_then_replaced() {
    let deployed = Deployed::start(&[(FLUX, access("flux-system", PresetRole::WorkspaceAdmin))]).await;
    let first = deployed.issue(at_hour(0)).await.unwrap();
    let before = deployed.secret("flux-system", FLUX).await;
    for hour in [0, 4, 7] {
        assert_eq!(deployed.issue(at_hour(hour)).await.unwrap(), first);
    }
    let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
    let kept = deployed.secret("flux-system", FLUX).await;
    assert_eq!(version(&kept), version(&before), "reading it changes nothing");
    assert_eq!(first[&FLUX].renew_at, at_hour(8));
    let second = deployed.issue(at_hour(8)).await.unwrap();
    assert_eq!((second[&FLUX].renew_at, second[&FLUX].expires_at), (at_hour(16), at_hour(20)));
    let after = deployed.secret("flux-system", FLUX).await;
    assert_ne!(after["data"]["value"], before["data"]["value"]);
}

#[tokio::test]
async fn a_lost_or_changed_credential_is_issued_again() {
    let deployed = Deployed::start(&[(ARGOCD, access("argocd", PresetRole::ProjectAdmin))]).await;
    let host = deployed.sandbox.host_client();
    deployed.issue(at_hour(0)).await.unwrap();
    let path = deployed.secret_path("argocd", ARGOCD);
    assert_eq!(send(&host, "DELETE", &path, &Value::Null).await, 200);
    deployed.issue(at_hour(1)).await.unwrap();
    let original = deployed.secret("argocd", ARGOCD).await;
    for pointer in ["/data/server", "/data/config", "/metadata/annotations/hexabase.ai~1token-renew-at"] {
        let mut changed = deployed.secret("argocd", ARGOCD).await;
        *changed.pointer_mut(pointer).unwrap() = json!("ZXZpbA==");
        assert_eq!(send(&host, "PUT", &path, &changed).await, 200);
        deployed.issue(at_hour(1)).await.unwrap();
        let restored = deployed.secret("argocd", ARGOCD).await;
        assert_eq!(restored["data"]["server"], original["data"]["server"], "{pointer}");
        assert_ne!(restored.pointer(pointer), Some(&json!("ZXZpbA==")), "{pointer}");
    }

    // The tokens of a deleted ServiceAccount are not valid any more.
    let before = deployed.secret("argocd", ARGOCD).await;
    assert_eq!(send(&deployed.tenant(), "DELETE", &format!("{ACCOUNTS}/argocd"), &Value::Null).await, 200);
    deployed.apply().await;
    deployed.issue(at_hour(1)).await.unwrap();
    assert_ne!(deployed.secret("argocd", ARGOCD).await["data"]["config"], before["data"]["config"]);
}

#[tokio::test]
async fn credentials_are_removed_with_the_setting_its_namespace_and_the_workspace() {
    let argocd = (ARGOCD, access("argocd", PresetRole::ProjectAdmin));
    let flux = (FLUX, access("flux-system", PresetRole::ProjectViewer));
    let mut deployed = Deployed::start(&[argocd.clone(), flux.clone()]).await;
    deployed.issue(at_hour(0)).await.unwrap();

    let moved = (ARGOCD, access("argo-b", PresetRole::ProjectAdmin));
    deployed.set(&[moved.clone(), flux.clone()], at_hour(0)).await;
    assert_eq!(
        (deployed.secret_status("argocd", ARGOCD).await, deployed.secret_status("argo-b", ARGOCD).await),
        (404, 200)
    );

    let old_token = deployed.flux_client().await;
    deployed.set(&[moved], at_hour(0)).await;
    assert_eq!(deployed.secret_status("flux-system", FLUX).await, 404);
    let tenant = deployed.tenant();
    assert_eq!(send(&tenant, "GET", &format!("{ACCOUNTS}/flux"), &Value::Null).await, 404);
    assert_eq!(send(&tenant, "GET", &format!("{ACCOUNTS}/argocd"), &Value::Null).await, 200);
    let pods = "/api/v1/namespaces/web/pods";
    assert_eq!(
        send(&old_token, "GET", pods, &Value::Null).await,
        403,
        "a copied token is not valid any more"
    );

    assert_eq!(deployed.set(&[], at_hour(0)).await, GitOpsCredentials::new());
    assert_eq!(deployed.secret_status("argo-b", ARGOCD).await, 404);
    eventually("the namespace is gone", || async {
        Ok(send(&tenant, "GET", "/api/v1/namespaces/hexabase-gitops", &Value::Null).await == 404)
    })
    .await
    .unwrap();
    let bindings = get(&tenant, &format!("{RBAC}/rolebindings")).await.to_string();
    assert!(!bindings.contains("hexabase-gitops"), "{bindings}");

    deployed.set(&[argocd, flux], at_hour(0)).await;
    // A Secret of the operator in the same namespace.
    let foreign = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "argocd-secret" } });
    let secrets = "/api/v1/namespaces/argocd/secrets";
    assert_eq!(send(&deployed.sandbox.host_client(), "POST", secrets, &foreign).await, 201);
    eventually("cluster deleted", || async {
        deployed.provisioner.delete(&deployed.cluster.target).await?;
        let observed = deployed.provisioner.observe(&deployed.cluster.target).await?;
        Ok(observed.control_plane == ControlPlaneState::Absent)
    })
    .await
    .unwrap();
    let left = get(&deployed.sandbox.host_client(), "/api/v1/secrets").await;
    let left: Vec<&str> = left["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|secret| secret["metadata"]["name"].as_str())
        .collect();
    assert_eq!(left, ["argocd-secret"]);
}

#[tokio::test]
async fn hexabase_reads_and_writes_no_other_secret_in_the_namespaces() {
    let deployed = Deployed::start(&[(ARGOCD, access("argocd", PresetRole::ProjectAdmin))]).await;
    deployed.issue(at_hour(0)).await.unwrap();
    let (host, own) = (deployed.sandbox.host_client(), deployed.secret("argocd", ARGOCD).await);
    let restricted = Client::new(restricted_host(&deployed.sandbox), "default");
    let secrets = "/api/v1/namespaces/argocd/secrets";
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "argocd-secret" }, "data": { "admin.password": "eA==" },
    });
    assert_eq!(send(&host, "POST", secrets, &foreign).await, 201);
    let foreign = format!("{secrets}/argocd-secret");
    let patch = async |path: &str, body: &Value| {
        let request = http::Request::patch(path).header("content-type", "application/merge-patch+json");
        let body = kube::client::Body::from(body.to_string().into_bytes());
        restricted.send(request.body(body).unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!(send(&restricted, "GET", &foreign, &Value::Null).await, 403);
    assert_eq!(send(&restricted, "GET", secrets, &Value::Null).await, 403);
    assert_eq!(patch(&foreign, &json!({})).await, 403, "a patch would return it");
    assert_eq!(patch(&foreign, &json!({ "metadata": { "labels": own["metadata"]["labels"] } })).await, 403);
    assert_eq!(send(&restricted, "DELETE", &foreign, &Value::Null).await, 403);
    assert_eq!(patch(&deployed.secret_path("argocd", ARGOCD), &json!({})).await, 200);

    let clean = |mut secret: Value| {
        secret["metadata"] =
            json!({ "name": secret["metadata"]["name"], "labels": secret["metadata"]["labels"] });
        secret
    };
    let labels = "/metadata/labels";
    let hostile: [(&str, &str, Value); 6] = [
        ("a repository", "/metadata/labels/argocd.argoproj.io~1secret-type", json!("repository")),
        ("a name that is not its own", "/metadata/name", json!("argocd-initial-admin-secret")),
        ("another workspace", "/metadata/labels/hexabase.ai~1workspace-id", json!("ws-other")),
        ("a token of a ServiceAccount", "/type", json!("kubernetes.io/service-account-token")),
        ("no label", labels, json!({})),
        ("only a name", labels, Value::Null),
    ];
    assert_eq!(send(&host, "DELETE", &deployed.secret_path("argocd", ARGOCD), &Value::Null).await, 200);
    for (description, pointer, changed) in hostile {
        let mut secret = clean(own.clone());
        *secret.pointer_mut(pointer).unwrap() = changed;
        assert_eq!(send(&restricted, "POST", secrets, &secret).await, 403, "{description}");
    }
    for namespace in ["flux-system", "kube-system", "default"] {
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        assert_eq!(send(&restricted, "POST", &path, &clean(own.clone())).await, 403, "{namespace}");
    }
    let config_map =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": clean(own.clone())["metadata"] });
    let config_maps = "/api/v1/namespaces/argocd/configmaps";
    assert_eq!(send(&restricted, "POST", config_maps, &config_map).await, 403);
    assert_eq!(send(&restricted, "POST", secrets, &clean(own)).await, 201);
}

#[tokio::test]
async fn a_namespace_that_the_host_does_not_allow_gets_no_credential() {
    let mut deployed = Deployed::start(&[(ARGOCD, access("monitoring", PresetRole::WorkspaceAdmin))]).await;
    create_namespace(deployed.sandbox.host_client(), "monitoring").await;
    let error = deployed.issue(at_hour(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let expected = "the namespace monitoring for argocd must be a namespace that the operator allows";
    assert_eq!(error.message(), expected, "it names no other namespace");
    assert_eq!(deployed.secret_status("monitoring", ARGOCD).await, 404);
    let tenant = deployed.tenant();
    assert_eq!(
        send(&tenant, "GET", "/api/v1/namespaces/hexabase-gitops", &Value::Null).await,
        404,
        "no rights either"
    );

    // After the operator has withdrawn the permission for a namespace, other operations go on.
    let argocd = (ARGOCD, access("argocd", PresetRole::ProjectAdmin));
    deployed.set(&[argocd], at_hour(0)).await;
    let role = format!("{RBAC}/namespaces/argocd/roles/hexabase-gitops");
    assert_eq!(send(&deployed.sandbox.host_client(), "DELETE", &role, &Value::Null).await, 200);
    let error = deployed.issue(at_hour(9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().contains(&format!("--gitops-namespaces {}", deployed.config.gitops_namespaces)),
        "{error}"
    );
    deployed.provisioner.delete(&deployed.cluster.target).await.unwrap();
}

#[tokio::test]
async fn a_namespace_of_a_user_is_neither_adopted_nor_deleted() {
    let mut deployed = Deployed::start(&[]).await;
    let user_namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "hexabase-gitops" } });
    assert_eq!(send(&deployed.tenant(), "POST", "/api/v1/namespaces", &user_namespace).await, 201);
    deployed.cluster.gitops =
        [(FLUX, access("flux-system", PresetRole::WorkspaceAdmin))].into_iter().collect();
    deployed.apply().await;
    let error = deployed.issue(at_hour(0)).await.unwrap_err();
    assert!(error.is_retryable() && error.message().contains("must be deleted"), "{error}");
    assert_eq!(send(&deployed.tenant(), "GET", &format!("{ACCOUNTS}/flux"), &Value::Null).await, 404);
    deployed.set(&[], at_hour(0)).await;
    assert_eq!(
        send(&deployed.tenant(), "GET", "/api/v1/namespaces/hexabase-gitops", &Value::Null).await,
        200
    );
}

#[tokio::test]
async fn users_of_the_tenant_cannot_change_the_service_accounts() {
    let deployed = Deployed::start(&[(FLUX, access("flux-system", PresetRole::ProjectAdmin))]).await;
    let admin = deployed.tenant();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "everything" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "User", "name": "hexabase:mallory" }],
    });
    assert_eq!(send(&admin, "POST", &format!("{RBAC}/clusterrolebindings"), &binding).await, 201);
    let user = deployed.tenant_as(User::authenticated("hexabase:mallory".to_owned(), Vec::new()));
    for object in [
        format!("{ACCOUNTS}/flux"),
        format!("{RBAC}/namespaces/web/rolebindings/hexabase-gitops-flux-project-admin"),
        "/api/v1/namespaces/hexabase-gitops".to_owned(),
    ] {
        assert_eq!(send(&user, "DELETE", &object, &Value::Null).await, 403, "{object}");
    }
}
