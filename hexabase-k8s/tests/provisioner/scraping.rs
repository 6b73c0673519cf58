//! Access of a Prometheus to tenant API servers: issued, copied to the host, restored, and removed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::conformance::cluster_provisioner::metrics_of_an_api_server_are_those_of_a_closed_list;
use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture;
use hexabase_core::model::{ConditionStatus, DriftScope};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::{Sandbox, User};
use hexabase_k8s::{HostConfig, Kind, ServiceConnector, TenantScraping, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::SandboxHarness;
use super::host_setup::{
    eventually, get, host_config, install_definition, restricted_host, sandbox_with, send,
};

const ACCOUNT: &str = "/api/v1/namespaces/kube-system/serviceaccounts/hexabase-metrics";
const TOKEN: &str = "/api/v1/namespaces/kube-system/secrets/hexabase-metrics";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Tenant on a host whose administrator has enabled scraping.
struct Scraped {
    sandbox: Sandbox,
    config: HostConfig,
    provisioner: VClusterProvisioner,
    cluster: TenantCluster,
}

impl Scraped {
    async fn start(scraping: TenantScraping) -> Self {
        let config = HostConfig { scraping, ..host_config() };
        let sandbox = sandbox_with(&host_setup(&config)).await;
        if scraping == TenantScraping::ServiceMonitor {
            install_definition(&sandbox, Kind::SERVICE_MONITOR).await;
        }
        let cluster = fixture::tenant_cluster("shop");
        let scraped = Self { provisioner: provisioner(&sandbox, &config), sandbox, config, cluster };
        scraped.reconcile().await;
        scraped
    }

    /// Applies until nothing differs.
    async fn reconcile(&self) {
        eventually("reconciled", || async {
            self.provisioner.apply(&self.cluster).await?;
            let observed = self.provisioner.observe(&self.cluster.target).await?;
            let token = self.host_token_data().await.is_string();
            Ok(observed.control_plane == ControlPlaneState::Ready
                && token == self.config.scraping.is_enabled()
                && self.provisioner.plan(&self.cluster).await?.is_empty())
        })
        .await
        .unwrap();
    }

    fn tenant(&self) -> Client {
        self.tenant_as(User::admin())
    }

    fn tenant_as(&self, user: User) -> Client {
        Client::new(self.sandbox.tenant(&self.cluster.target.name).unwrap().with_user(user), "default")
    }

    fn host_token(&self) -> String {
        format!("/api/v1/namespaces/{0}/secrets/vc-metrics-{0}", self.cluster.target.name)
    }

    fn monitors(&self) -> String {
        format!("/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors", self.cluster.target.name)
    }

    /// Token in the Secret on the host; null if there is none.
    async fn host_token_data(&self) -> Value {
        match status(&self.sandbox.host_client(), &self.host_token()).await {
            200 => get(&self.sandbox.host_client(), &self.host_token()).await["data"]["token"].clone(),
            _ => Value::Null,
        }
    }

    async fn tenant_token_data(&self) -> Value {
        get(&self.tenant(), TOKEN).await["data"]["token"].clone()
    }

    async fn drift(&self) -> Result<Vec<(DriftScope, String, String)>> {
        let drift = self.provisioner.plan(&self.cluster).await?;
        Ok(drift.into_iter().map(|entry| (entry.scope, entry.object, entry.field)).collect())
    }
}

fn provisioner(sandbox: &Sandbox, config: &HostConfig) -> VClusterProvisioner {
    let client = Client::new(restricted_host(sandbox), "default");
    VClusterProvisioner::new(client, sandbox.connector(), config.clone())
}

async fn status(client: &Client, path: &str) -> u16 {
    send(client, "GET", path, &Value::Null).await
}

#[tokio::test]
async fn the_token_of_the_tenant_is_copied_to_the_host_and_nothing_else() {
    for scraping in [TenantScraping::Token, TenantScraping::ServiceMonitor] {
        let scraped = Scraped::start(scraping).await;
        let host = scraped.sandbox.host_client();
        let copied = get(&host, &scraped.host_token()).await;
        assert_eq!(copied["data"], json!({ "token": scraped.tenant_token_data().await }));
        assert_eq!(copied["type"], "Opaque");
        let monitors = if scraping == TenantScraping::ServiceMonitor { 200 } else { 404 };
        assert_eq!(
            status(&host, &format!("{}/{}", scraped.monitors(), scraped.cluster.target.name)).await,
            monitors
        );
        let results = scraped.provisioner.check_isolation(&scraped.cluster).await.unwrap();
        for result in results {
            assert_eq!(result.status, ConditionStatus::True, "{result:#?}");
        }
    }
}

#[tokio::test]
async fn the_token_reads_metrics_and_has_no_other_right() {
    let scraped = Scraped::start(TenantScraping::Token).await;
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"];
    let review = |attributes: (&str, Value)| {
        let mut spec =
            json!({ "user": "system:serviceaccount:kube-system:hexabase-metrics", "groups": groups });
        spec[attributes.0] = attributes.1;
        json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec })
    };
    let tenant = scraped.tenant();
    let allowed = async |attributes| {
        let body = review(attributes).to_string().into_bytes();
        let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header("content-type", "application/json");
        tenant.request::<Value>(request.body(body).unwrap()).await.unwrap()["status"]["allowed"] == true
    };
    let path = |verb: &str, path: &str| ("nonResourceAttributes", json!({ "verb": verb, "path": path }));
    for metrics in ["/metrics", "/metrics/kine", "/metrics/controller-manager"] {
        assert!(allowed(path("get", metrics)).await, "{metrics}");
        assert!(!allowed(path("post", metrics)).await, "{metrics}");
    }
    for other in ["/", "/logs", "/metricsx", "/debug/pprof/", "/configz"] {
        assert!(!allowed(path("get", other)).await, "{other}");
    }
    for namespace in ["", "default", "kube-system"] {
        for (verb, resource) in [
            ("get", "secrets"),
            ("list", "secrets"),
            ("list", "pods"),
            ("create", "pods"),
            ("list", "namespaces"),
            ("patch", "serviceaccounts"),
            ("*", "*"),
        ] {
            let attributes =
                json!({ "verb": verb, "group": "", "resource": resource, "namespace": namespace });
            assert!(!allowed(("resourceAttributes", attributes)).await, "{verb} {resource} in {namespace}");
        }
    }
}

#[tokio::test]
async fn a_lost_or_changed_token_is_restored() {
    let scraped = Scraped::start(TenantScraping::ServiceMonitor).await;
    let (host, tenant) = (scraped.sandbox.host_client(), scraped.tenant());
    let first = scraped.tenant_token_data().await;

    assert_eq!(send(&host, "DELETE", &scraped.host_token(), &Value::Null).await, 200);
    assert_eq!(scraped.drift().await.unwrap()[0].0, DriftScope::Host);
    scraped.reconcile().await;
    assert_eq!(scraped.host_token_data().await, first);

    let mut changed = get(&host, &scraped.host_token()).await;
    changed["data"]["token"] = json!("b3RoZXI=");
    assert_eq!(send(&host, "PUT", &scraped.host_token(), &changed).await, 200);
    assert_eq!(scraped.drift().await.unwrap()[0].2, "data.token");
    scraped.reconcile().await;
    assert_eq!(scraped.host_token_data().await, first);

    // A deleted token or ServiceAccount is replaced, and the old token is no longer valid.
    for deleted in [TOKEN, ACCOUNT] {
        let before = scraped.tenant_token_data().await;
        assert_eq!(send(&tenant, "DELETE", deleted, &Value::Null).await, 200);
        scraped.reconcile().await;
        let after = scraped.tenant_token_data().await;
        assert!(after.is_string() && after != before, "{deleted}");
        assert_eq!(scraped.host_token_data().await, after);
    }

    let monitor = format!("{}/{}", scraped.monitors(), scraped.cluster.target.name);
    assert_eq!(send(&host, "DELETE", &monitor, &Value::Null).await, 200);
    let mut stray = json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": {} });
    stray["metadata"] = json!({ "name": "stray", "labels": {
        "hexabase.ai/workspace-id": get(&host, &scraped.host_token()).await["metadata"]["labels"]["hexabase.ai/workspace-id"],
    } });
    assert_eq!(send(&host, "POST", &scraped.monitors(), &stray).await, 201);
    scraped.reconcile().await;
    assert_eq!(status(&host, &monitor).await, 200);
    assert_eq!(status(&host, &format!("{}/stray", scraped.monitors())).await, 404);
}

#[tokio::test]
async fn a_secret_with_the_name_of_the_token_does_not_prevent_other_changes() {
    let scraped = Scraped::start(TenantScraping::Token).await;
    let tenant = scraped.tenant();
    // Before scraping was enabled, a user could create it.
    assert_eq!(send(&tenant, "DELETE", TOKEN, &Value::Null).await, 200);
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "hexabase-metrics", "finalizers": ["example.com/hold"] },
        "type": "Opaque", "data": { "token": "b3RoZXI=" },
    });
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    assert_eq!(send(&tenant, "POST", secrets, &foreign).await, 201);
    let revoked = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "revoked", "labels": { "hexabase.ai/managed": "true" } }, "rules": [],
    });
    assert_eq!(send(&tenant, "POST", &format!("{RBAC}/clusterroles"), &revoked).await, 201);
    let role = format!("{RBAC}/clusterroles/revoked");
    assert!(scraped.provisioner.apply(&scraped.cluster).await.unwrap().tenant);
    assert_eq!(status(&tenant, &role).await, 404);
    assert_eq!(get(&tenant, TOKEN).await["type"], "Opaque");

    let mut released = get(&tenant, TOKEN).await;
    released["metadata"]["finalizers"] = json!([]);
    assert_eq!(send(&tenant, "PUT", TOKEN, &released).await, 200);
    scraped.reconcile().await;
    assert_eq!(get(&tenant, TOKEN).await["type"], "kubernetes.io/service-account-token");
    assert_eq!(scraped.host_token_data().await, scraped.tenant_token_data().await);
}

#[tokio::test]
async fn users_of_the_tenant_cannot_change_the_objects() {
    let scraped = Scraped::start(TenantScraping::Token).await;
    let admin = scraped.tenant();
    let grant = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "everything" },
        "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }],
    });
    assert_eq!(send(&admin, "POST", &format!("{RBAC}/clusterroles"), &grant).await, 201);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "everything" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "everything" },
        "subjects": [{ "kind": "User", "name": "hexabase:mallory" }],
    });
    assert_eq!(send(&admin, "POST", &format!("{RBAC}/clusterrolebindings"), &binding).await, 201);
    let user = scraped.tenant_as(User::authenticated("hexabase:mallory".to_owned(), Vec::new()));
    for object in [
        ACCOUNT.to_owned(),
        TOKEN.to_owned(),
        format!("{RBAC}/clusterroles/hexabase-metrics"),
        format!("{RBAC}/clusterrolebindings/hexabase-metrics"),
    ] {
        let mut changed = get(&admin, &object).await;
        changed["metadata"]["annotations"]["changed"] = json!("true");
        assert_eq!(send(&user, "PUT", &object, &changed).await, 403, "{object}");
        assert_eq!(send(&user, "DELETE", &object, &Value::Null).await, 403, "{object}");
    }
    // Other Secrets are not affected.
    let own = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "own" } });
    assert_eq!(send(&user, "POST", "/api/v1/namespaces/default/secrets", &own).await, 201);
}

#[tokio::test]
async fn all_objects_are_removed_with_the_setting_or_the_workspace() {
    let mut scraped = Scraped::start(TenantScraping::Token).await;
    let (host, tenant) = (scraped.sandbox.host_client(), scraped.tenant());
    scraped.config.scraping = TenantScraping::Off;
    scraped.provisioner = provisioner(&scraped.sandbox, &scraped.config);
    scraped.reconcile().await;
    for object in [ACCOUNT.to_owned(), TOKEN.to_owned(), format!("{RBAC}/clusterroles/hexabase-metrics")] {
        assert_eq!(status(&tenant, &object).await, 404, "{object}");
    }
    assert_eq!(status(&host, &scraped.host_token()).await, 404);

    let scraped = Scraped::start(TenantScraping::ServiceMonitor).await;
    let host = scraped.sandbox.host_client();
    eventually("cluster deleted", || async {
        scraped.provisioner.delete(&scraped.cluster.target).await?;
        let observed = scraped.provisioner.observe(&scraped.cluster.target).await?;
        Ok(observed.control_plane == ControlPlaneState::Absent)
    })
    .await
    .unwrap();
    for list in ["/apis/monitoring.coreos.com/v1/servicemonitors", "/api/v1/secrets"] {
        assert_eq!(get(&host, list).await["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn metrics_are_read_with_the_token_and_selected() {
    let scraped = Scraped::start(TenantScraping::Token).await;
    let target = &scraped.cluster.target;
    let tenant = scraped.tenant();
    let read = async || scraped.provisioner.api_server_metrics(target).await;
    let text = read().await.unwrap();
    assert!(
        text.lines().count() > 1 && text.lines().all(|line| line.starts_with("apiserver_request_total{")),
        "{text}"
    );

    // Without the right of its ServiceAccount the token reads nothing: no other credential is in use.
    let binding = format!("{RBAC}/clusterrolebindings/hexabase-metrics");
    assert_eq!(send(&tenant, "DELETE", &binding, &Value::Null).await, 200);
    assert_eq!(read().await.unwrap_err().kind(), ErrorKind::Forbidden);
    scraped.reconcile().await;
    assert!(read().await.is_ok());

    // A new token is used after the first failure with the old one.
    assert_eq!(send(&tenant, "DELETE", TOKEN, &Value::Null).await, 200);
    scraped.reconcile().await;
    assert_eq!(read().await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert!(read().await.is_ok());

    let unknown = fixture::tenant_cluster("unknown").target;
    let missing = scraped.provisioner.api_server_metrics(&unknown).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let off = provisioner(&scraped.sandbox, &HostConfig { scraping: TenantScraping::Off, ..host_config() });
    let unsupported = off.api_server_metrics(target).await.unwrap_err();
    assert_eq!(unsupported.kind(), ErrorKind::Unsupported);
    assert!(unsupported.message().contains("scrape_tenants"), "{unsupported}");
}

#[tokio::test]
async fn a_request_for_metrics_has_the_token_and_no_other_credential() {
    let scraped = Scraped::start(TenantScraping::Token).await;
    let server = MockServer::start().await;
    let token =
        String::from_utf8(STANDARD.decode(scraped.host_token_data().await.as_str().unwrap()).unwrap());
    let answer = ResponseTemplate::new(200).set_body_string("workqueue_depth 1\ngo_goroutines 2\n");
    Mock::given(path("/metrics"))
        .and(header("authorization", format!("Bearer {}", token.unwrap())))
        .respond_with(answer)
        .mount(&server)
        .await;
    let config = HostConfig { address: server.uri(), ..scraped.config.clone() };
    let connector = Arc::new(ServiceConnector::new(&config));
    let client = scraped.sandbox.host_client();
    let provisioner = VClusterProvisioner::new(client, connector, config);
    let text = provisioner.api_server_metrics(&scraped.cluster.target).await.unwrap();
    assert_eq!(text, "workqueue_depth 1\n");
}

#[tokio::test]
async fn a_provisioner_that_reads_metrics_conforms() {
    let sandbox = Sandbox::start(Default::default());
    let config = HostConfig { scraping: TenantScraping::Token, ..HostConfig::default() };
    let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
    let harness = SandboxHarness::new(sandbox, provisioner);
    metrics_of_an_api_server_are_those_of_a_closed_list(&harness).await;
}
