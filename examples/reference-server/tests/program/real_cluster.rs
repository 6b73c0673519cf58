//! Complete server on a real host cluster: the program is the OIDC provider of real tenant clusters, which its users
//! access with the kubeconfigs that it issues.
//!
//! `HEXABASE_TEST_KUBECONFIG` names the kubeconfig of the host cluster. Tenants must reach this machine at the address
//! in that kubeconfig, or at `HEXABASE_TEST_ADDRESS`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hexabase_core::secret::ExposeSecret as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use reqwest::{Certificate, Method, StatusCode};
use serde_json::{Value, json};

use crate::process::{Client, Process, program};

/// Lists of all namespaces and of the cluster-scoped objects that a test must not leave behind.
const CLUSTER_SCOPED_PATHS: [&str; 9] = [
    "/api/v1/namespaces",
    "/api/v1/persistentvolumes",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
];

/// Host cluster, with administrator permissions.
struct Host {
    client: kube::Client,
    kubeconfig: String,
    address: String,
}

impl Host {
    async fn new() -> Self {
        let kubeconfig =
            std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG names a kubeconfig");
        let parsed = Kubeconfig::read_from(&kubeconfig).unwrap();
        let config =
            kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
        let api_server = config.cluster_url.host().unwrap().to_owned();
        let address = std::env::var("HEXABASE_TEST_ADDRESS").unwrap_or(api_server);
        Self { client: kube::Client::try_from(config).unwrap(), kubeconfig, address }
    }

    async fn cluster_scoped_objects(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for path in CLUSTER_SCOPED_PATHS {
            let request = axum::http::Request::get(path).body(Vec::new()).unwrap();
            let list: Value = self.client.request(request).await.unwrap();
            let items = list["items"].as_array().unwrap().iter();
            all.extend(items.map(|item| format!("{path}/{}", item["metadata"]["name"].as_str().unwrap())));
        }
        all
    }
}

/// Starts the server on this host.
async fn serve(host: &Host, folder: &Path) -> (Process, Client) {
    // The host is a test cluster, whose administrator may have applied no host setup.
    let mut more = vec!["--kubeconfig", &host.kubeconfig, "--host-setup", "optional"];
    // For hosts whose control planes run with another store than the configuration says.
    let store = std::env::var("HEXABASE_TEST_STORE");
    more.extend(store.iter().flat_map(|store| ["--vcluster-store", store]));
    Process::start_with_tls(folder, &host.address, &more).await
}

/// Waits until a condition holds.
async fn wait_until(condition: &str, check: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !check().await {
        assert!(start.elapsed() < Duration::from_secs(120), "timeout: {condition}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{condition}: after {:.1} s", start.elapsed().as_secs_f64());
}

async fn wait_for_phase(client: &Client, workspace: &str, phase: &str) {
    wait_until(&format!("{phase}, {workspace}"), async || {
        let current = client.get(workspace).await;
        current["phase"] == phase && current["observed_generation"] == current["generation"]
    })
    .await;
}

/// User of a tenant cluster, with the kubeconfig that the server issued.
struct TenantUser {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl TenantUser {
    async fn new(client: &Client, workspace: &str) -> Self {
        let kubeconfig = client.text(&format!("{workspace}/kubeconfig?auth=token")).await;
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
        let authority = STANDARD.decode(cluster.certificate_authority_data.unwrap()).unwrap();
        let builder = reqwest::Client::builder().timeout(Duration::from_secs(10));
        let http = builder.tls_certs_only([Certificate::from_pem(&authority).unwrap()]).build().unwrap();
        let user = kubeconfig.auth_infos[0].auth_info.clone().unwrap();
        let token = user.token.unwrap().expose_secret().to_owned();
        Self { http, server: cluster.server.unwrap(), token }
    }

    /// Returns the status of a response; `None` if the API server does not respond.
    async fn send(&self, token: &str, method: Method, path: &str, body: &Value) -> Option<u16> {
        let request = self.http.request(method, format!("{}{path}", self.server)).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(body) };
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    async fn get(&self, path: &str) -> Option<u16> {
        self.send(&self.token, Method::GET, path, &Value::Null).await
    }

    async fn post(&self, path: &str, body: &Value) -> Option<u16> {
        self.send(&self.token, Method::POST, path, body).await
    }
}

/// Retires the oldest signing key with the administration commands, while the server runs.
fn retire_signing_key(folder: &Path) {
    let keys = |arguments: &[&str]| -> Value {
        let mut command = program(folder);
        let output = command.args(["admin", "--json", "--dev", "keys"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let key = keys(&["list"])[0]["kid"].as_str().unwrap().to_owned();
    keys(&["retire", &key]);
}

/// Returns the id of the key that signed a token.
fn key_id(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

/// Creates a workspace and returns its path.
async fn create_workspace(ann: &Client, org: &str, name: &str) -> String {
    let body = json!({ "name": name, "plan_id": "starter", "kubernetes_version": "1.35" });
    let workspace = ann.post(&format!("{org}/workspaces"), &body).await;
    format!("{org}/workspaces/{}", workspace["id"].as_str().unwrap())
}

/// Adds Bob to an organization by the invitation in his mail, and returns his user id.
async fn invite(ann: &Client, org: &str, bob: &Client, folder: &Path) -> String {
    let invitation = json!({ "email": "bob@example.com", "role": "member" });
    ann.post(&format!("{org}/invitations"), &invitation).await;
    let token = || {
        let mails = std::fs::read_dir(folder.join("hexabase.mail")).ok()?;
        mails.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok()).find_map(|text| {
            let rest = &text[text.find("hxi_")?..];
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_-".contains(letter));
            Some(rest[..end.unwrap_or(rest.len())].to_owned())
        })
    };
    wait_until("invitation mail", async || token().is_some()).await;
    bob.post("/api/v1/invitations/accept", &json!({ "token": token().unwrap() })).await;
    bob.get("/auth/me").await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn workspace_lifecycle_with_users_on_a_real_cluster() {
    let host = Host::new().await;
    let before = host.cluster_scoped_objects().await;
    let folder = tempfile::tempdir().unwrap();
    let (server, anonymous) = serve(&host, folder.path()).await;
    let ann = anonymous.sign_in("ann@example.com").await;
    let bob = anonymous.sign_in("bob@example.com").await;
    let acme = ann.post("/api/v1/organizations", &json!({ "name": "acme", "display_name": "Acme" })).await;
    let org = format!("/api/v1/organizations/{}", acme["id"].as_str().unwrap());
    let shop = create_workspace(&ann, &org, "shop").await;
    let other = create_workspace(&ann, &org, "other").await;
    let bob_id = invite(&ann, &org, &bob, folder.path()).await;
    wait_for_phase(&ann, &shop, "ready").await;
    wait_for_phase(&ann, &other, "ready").await;

    let web = ann.post(&format!("{shop}/projects"), &json!({ "name": "web" })).await;
    let group = ann.post(&format!("{shop}/groups"), &json!({ "name": "readers" })).await;
    let group = group["id"].as_str().unwrap().to_owned();
    let membership = format!("{shop}/groups/{group}/members/{bob_id}");
    ann.put(&membership, &Value::Null).await;
    let assignments = format!("{shop}/projects/{}/role-assignments", web["id"].as_str().unwrap());
    ann.post(&assignments, &json!({ "group_id": group, "role": "hexabase:project-viewer" })).await;
    wait_for_phase(&ann, &shop, "ready").await;

    // Permissions of owner and reader, as the tenant API server derives them from the groups in their tokens.
    let (pods, secrets) = ("/api/v1/namespaces/web/pods", "/api/v1/namespaces/web/secrets");
    let config_maps = "/api/v1/namespaces/web/configmaps";
    let note = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "note" }, "data": { "a": "b" } });
    let owner = TenantUser::new(&ann, &shop).await;
    wait_until("owner's access", async || owner.get(pods).await == Some(200)).await;
    assert_eq!(owner.post(config_maps, &note).await, Some(201));
    let reader = TenantUser::new(&bob, &shop).await;
    assert_eq!(reader.get(pods).await, Some(200));
    assert_eq!(reader.get(secrets).await, Some(403));
    assert_eq!(reader.post(config_maps, &note).await, Some(403));
    for path in ["/api/v1/namespaces/default/pods", "/api/v1/pods", "/api/v1/nodes"] {
        assert_eq!(reader.get(path).await, Some(403), "{path}");
    }
    // A token is valid for one workspace, and a tampered token for none.
    let other_owner = TenantUser::new(&ann, &other).await;
    let no_body = Value::Null;
    assert_eq!(other_owner.send(&owner.token, Method::GET, pods, &no_body).await, Some(401));
    assert_eq!(owner.send(&other_owner.token, Method::GET, pods, &no_body).await, Some(401));
    let (head, _) = owner.token.rsplit_once('.').unwrap();
    assert_eq!(owner.send(&format!("{head}.AAAA"), Method::GET, pods, &no_body).await, Some(401));
    assert_eq!(bob.status(&format!("{other}/kubeconfig?auth=token")).await, 404);
    // A leaked key is retired: the tenant API server rejects it without a restart.
    retire_signing_key(folder.path());
    let leaked = owner.token.clone();
    wait_until("tokens of another key", async || {
        let ann = anonymous.sign_in("ann@example.com").await;
        key_id(&TenantUser::new(&ann, &shop).await.token) != key_id(&leaked)
    })
    .await;
    let ann = anonymous.sign_in("ann@example.com").await;
    let bob = anonymous.sign_in("bob@example.com").await;
    let owner = TenantUser { token: TenantUser::new(&ann, &shop).await.token, ..owner };
    wait_until("access with the new key", async || owner.get(pods).await == Some(200)).await;
    wait_until("rejection of the retired key", async || {
        owner.send(&leaked, Method::GET, pods, &no_body).await == Some(401)
    })
    .await;

    // Immediate access revocation applies to existing tokens, prevents new ones, and does not affect other users.
    let reader = TenantUser::new(&bob, &shop).await;
    assert_eq!(reader.get(pods).await, Some(200));
    let ann_id = ann.get("/auth/me").await["id"].as_str().unwrap().to_owned();
    ann.put(&format!("{shop}/groups/{group}/members/{ann_id}"), &Value::Null).await;
    assert_eq!(ann.delete(&format!("{shop}/members/{bob_id}?now=true")).await, 204);
    wait_until("revocation of the reader's access", async || reader.get(pods).await == Some(403)).await;
    assert_eq!(owner.get(pods).await, Some(200));
    assert_eq!(bob.status(&format!("{shop}/kubeconfig?auth=token")).await, 404);

    ann.patch(&shop, &json!({ "plan_id": "team" })).await;
    wait_for_phase(&ann, &shop, "ready").await;
    assert_eq!(ann.get(&format!("{shop}/drift")).await["entries"], json!([]));

    ann.post(&format!("{shop}/suspend"), &Value::Null).await;
    wait_for_phase(&ann, &shop, "suspended").await;
    assert_eq!(owner.get(pods).await, None);
    ann.post(&format!("{shop}/resume"), &Value::Null).await;
    wait_for_phase(&ann, &shop, "ready").await;
    let owner = TenantUser::new(&ann, &shop).await;
    assert_eq!(owner.get(&format!("{config_maps}/note")).await, Some(200), "lost during the suspension");

    ann.patch(&shop, &json!({ "kubernetes_version": "1.36" })).await;
    wait_for_phase(&ann, &shop, "ready").await;
    assert_eq!(
        ann.patch_status(&shop, &json!({ "kubernetes_version": "1.35" })).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(owner.get(&format!("{config_maps}/note")).await, Some(200), "lost during the upgrade");

    for workspace in [&shop, &other] {
        assert_eq!(ann.delete(workspace).await, 202);
    }
    for workspace in [&shop, &other] {
        wait_until("deletion", async || ann.status(workspace).await == 404).await;
    }
    assert_eq!(host.cluster_scoped_objects().await, before, "objects remain on the host");
    server.stop();
}
