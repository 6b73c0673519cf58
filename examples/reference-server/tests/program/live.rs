//! Everything at once, with nothing standing in for anything: the program as the OIDC provider of real tenant clusters on
//! the host cluster that `HEXABASE_TEST_KUBECONFIG` names, and people who live in them.
//!
//! Tenants must reach this machine at the address of the host's API server, or at `HEXABASE_TEST_ADDRESS`.

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

/// What there is on a host that lies in no namespace, and all namespaces.
const CLUSTER_SCOPED: [&str; 9] = [
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

/// The host cluster, as its administrator sees it.
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
        let of_the_server = config.cluster_url.host().unwrap().to_owned();
        let address = std::env::var("HEXABASE_TEST_ADDRESS").unwrap_or(of_the_server);
        Self { client: kube::Client::try_from(config).unwrap(), kubeconfig, address }
    }

    async fn everything(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for path in CLUSTER_SCOPED {
            let request = axum::http::Request::get(path).body(Vec::new()).unwrap();
            let list: Value = self.client.request(request).await.unwrap();
            let items = list["items"].as_array().unwrap().iter();
            all.extend(items.map(|item| format!("{path}/{}", item["metadata"]["name"].as_str().unwrap())));
        }
        all
    }
}

/// The server on this host.
async fn serve(host: &Host, folder: &Path) -> (Process, Client) {
    let mut more = vec!["--kubeconfig", &host.kubeconfig];
    // Where control planes are run with another store than the one they are configured with.
    let store = std::env::var("HEXABASE_TEST_STORE");
    more.extend(store.iter().flat_map(|store| ["--vcluster-store", store]));
    Process::over_tls(folder, &host.address, &more).await
}

/// Waits until something is so.
async fn until(what: &str, check: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !check().await {
        assert!(begun.elapsed() < Duration::from_secs(120), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{what}: after {:.1} s", begun.elapsed().as_secs_f64());
}

async fn phase(client: &Client, workspace: &str, phase: &str) {
    until(&format!("{phase}, {workspace}"), async || {
        let now = client.get(workspace).await;
        now["phase"] == phase && now["observed_generation"] == now["generation"]
    })
    .await;
}

/// Somebody in a tenant cluster, with a kubeconfig that the server handed out.
struct Inside {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl Inside {
    async fn of(client: &Client, workspace: &str) -> Self {
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

    /// The status code of an answer; none while nobody answers.
    async fn ask(&self, token: &str, method: Method, path: &str, body: &Value) -> Option<u16> {
        let request = self.http.request(method, format!("{}{path}", self.server)).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(body) };
        request.send().await.ok().map(|answer| answer.status().as_u16())
    }

    async fn get(&self, path: &str) -> Option<u16> {
        self.ask(&self.token, Method::GET, path, &Value::Null).await
    }

    async fn post(&self, path: &str, body: &Value) -> Option<u16> {
        self.ask(&self.token, Method::POST, path, body).await
    }
}

/// Takes back the key that signs, as an operator does beside the server.
fn retire_the_key(folder: &Path) {
    let keys = |arguments: &[&str]| -> Value {
        let mut command = program(folder);
        let done = command.args(["admin", "--json", "--dev", "keys"]).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    };
    let key = keys(&["list"])[0]["kid"].as_str().unwrap().to_owned();
    keys(&["retire", &key]);
}

/// Which key has signed a token.
fn kid(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

/// Buys a workspace: its path.
async fn buy(ann: &Client, org: &str, name: &str) -> String {
    let wanted = json!({ "name": name, "plan_id": "starter", "kubernetes_version": "1.35" });
    let made = ann.post(&format!("{org}/workspaces"), &wanted).await;
    format!("{org}/workspaces/{}", made["id"].as_str().unwrap())
}

/// Brings somebody into an organization, by the invitation in their mail.
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
    until("the invitation has come", async || token().is_some()).await;
    bob.post("/api/v1/invitations/accept", &json!({ "token": token().unwrap() })).await;
    bob.get("/auth/me").await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn people_live_in_real_clusters_from_the_order_to_the_end() {
    let host = Host::new().await;
    let before = host.everything().await;
    let folder = tempfile::tempdir().unwrap();
    let (server, nobody) = serve(&host, folder.path()).await;
    let ann = nobody.sign_in("ann@example.com").await;
    let bob = nobody.sign_in("bob@example.com").await;
    let acme = ann.post("/api/v1/organizations", &json!({ "name": "acme", "display_name": "Acme" })).await;
    let org = format!("/api/v1/organizations/{}", acme["id"].as_str().unwrap());
    let (shop, other) = (buy(&ann, &org, "shop").await, buy(&ann, &org, "other").await);
    let bob_id = invite(&ann, &org, &bob, folder.path()).await;
    phase(&ann, &shop, "ready").await;
    phase(&ann, &other, "ready").await;

    let web = ann.post(&format!("{shop}/projects"), &json!({ "name": "web" })).await;
    let group = ann.post(&format!("{shop}/groups"), &json!({ "name": "readers" })).await;
    let group = group["id"].as_str().unwrap().to_owned();
    let membership = format!("{shop}/groups/{group}/members/{bob_id}");
    ann.put(&membership, &Value::Null).await;
    let assignments = format!("{shop}/projects/{}/role-assignments", web["id"].as_str().unwrap());
    ann.post(&assignments, &json!({ "group_id": group, "role": "hexabase:project-viewer" })).await;
    phase(&ann, &shop, "ready").await;

    // The owner's rights and the reader's, as the tenant's own API server sees them by the groups in their tokens.
    let (pods, secrets) = ("/api/v1/namespaces/web/pods", "/api/v1/namespaces/web/secrets");
    let settings = "/api/v1/namespaces/web/configmaps";
    let note = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "note" }, "data": { "a": "b" } });
    let owner = Inside::of(&ann, &shop).await;
    until("the owner is known inside", async || owner.get(pods).await == Some(200)).await;
    assert_eq!(owner.post(settings, &note).await, Some(201));
    let reader = Inside::of(&bob, &shop).await;
    assert_eq!(reader.get(pods).await, Some(200));
    assert_eq!(reader.get(secrets).await, Some(403));
    assert_eq!(reader.post(settings, &note).await, Some(403));
    for elsewhere in ["/api/v1/namespaces/default/pods", "/api/v1/pods", "/api/v1/nodes"] {
        assert_eq!(reader.get(elsewhere).await, Some(403), "{elsewhere}");
    }
    // A token is for one workspace; and what is no token of ours is none at all.
    let neighbour = Inside::of(&ann, &other).await;
    let nowhere = Value::Null;
    assert_eq!(neighbour.ask(&owner.token, Method::GET, pods, &nowhere).await, Some(401));
    assert_eq!(owner.ask(&neighbour.token, Method::GET, pods, &nowhere).await, Some(401));
    let (head, _) = owner.token.rsplit_once('.').unwrap();
    assert_eq!(owner.ask(&format!("{head}.AAAA"), Method::GET, pods, &nowhere).await, Some(401));
    assert_eq!(bob.status(&format!("{other}/kubeconfig?auth=token")).await, 404);
    // A key that leaked is taken back: the tenant's API server follows, and nobody has restarted it.
    retire_the_key(folder.path());
    let leaked = owner.token.clone();
    until("tokens have another key", async || {
        let ann = nobody.sign_in("ann@example.com").await;
        kid(&Inside::of(&ann, &shop).await.token) != kid(&leaked)
    })
    .await;
    let (ann, bob) = (nobody.sign_in("ann@example.com").await, nobody.sign_in("bob@example.com").await);
    let owner = Inside { token: Inside::of(&ann, &shop).await.token, ..owner };
    until("the new key is known inside", async || owner.get(pods).await == Some(200)).await;
    until("the old key is forgotten", async || {
        owner.ask(&leaked, Method::GET, pods, &nowhere).await == Some(401)
    })
    .await;

    // Who is put out at once has no rights with the token that they still have, nor is there a next one; nobody else loses
    // any.
    let reader = Inside::of(&bob, &shop).await;
    assert_eq!(reader.get(pods).await, Some(200));
    let others =
        format!("{shop}/groups/{group}/members/{}", ann.get("/auth/me").await["id"].as_str().unwrap());
    ann.put(&others, &Value::Null).await;
    assert_eq!(ann.delete(&format!("{shop}/members/{bob_id}?now=true")).await, 204);
    until("whoever was put out has no rights", async || reader.get(pods).await == Some(403)).await;
    assert_eq!(owner.get(pods).await, Some(200));
    assert_eq!(bob.status(&format!("{shop}/kubeconfig?auth=token")).await, 404);

    ann.patch(&shop, &json!({ "plan_id": "team" })).await;
    phase(&ann, &shop, "ready").await;
    assert_eq!(ann.get(&format!("{shop}/drift")).await["entries"], json!([]));

    ann.post(&format!("{shop}/suspend"), &Value::Null).await;
    phase(&ann, &shop, "suspended").await;
    assert_eq!(owner.get(pods).await, None);
    ann.post(&format!("{shop}/resume"), &Value::Null).await;
    phase(&ann, &shop, "ready").await;
    let owner = Inside::of(&ann, &shop).await;
    assert_eq!(owner.get(&format!("{settings}/note")).await, Some(200), "lost in its sleep");

    ann.patch(&shop, &json!({ "kubernetes_version": "1.36" })).await;
    phase(&ann, &shop, "ready").await;
    assert_eq!(
        ann.patched(&shop, &json!({ "kubernetes_version": "1.35" })).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(owner.get(&format!("{settings}/note")).await, Some(200), "lost by the upgrade");

    for workspace in [&shop, &other] {
        assert_eq!(ann.delete(workspace).await, 202);
    }
    for workspace in [&shop, &other] {
        until("gone", async || ann.status(workspace).await == 404).await;
    }
    assert_eq!(host.everything().await, before, "something is left on the host");
    server.stop();
}
