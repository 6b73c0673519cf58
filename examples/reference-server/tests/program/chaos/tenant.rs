use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::seeded_random::SeededRandom;

/// Maximum wait for a response, and for a phase.
const WAIT_TIMEOUT: Duration = Duration::from_secs(180);

/// Client that sends each request to the API processes in turn until one returns a usable response.
#[derive(Clone)]
pub(super) struct ApiClient {
    urls: Arc<RwLock<Vec<String>>>,
    http: reqwest::Client,
}

impl ApiClient {
    pub(super) fn new(urls: Arc<RwLock<Vec<String>>>) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { urls, http }
    }

    /// Sends a request until the response concerns the request itself, and not an unavailable process or backend.
    async fn send(&self, build: impl Fn(&reqwest::Client, &str) -> reqwest::RequestBuilder) -> (u16, Value) {
        let start = tokio::time::Instant::now();
        let mut attempt = 0;
        loop {
            let url = {
                let urls = self.urls.read().unwrap();
                urls[attempt % urls.len()].clone()
            };
            attempt += 1;
            if let Ok(response) = build(&self.http, &url).send().await {
                let status = response.status().as_u16();
                if !matches!(status, 500..=599 | 408 | 429) {
                    if let Ok(text) = response.text().await {
                        return (status, serde_json::from_str(&text).unwrap_or_default());
                    }
                } else if status == 500 {
                    panic!("internal error: {}", response.text().await.unwrap_or_default());
                }
            }
            assert!(start.elapsed() < WAIT_TIMEOUT, "no API process responds");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// State that the API has confirmed to a tenant.
#[derive(Debug, Default)]
pub(super) struct ExpectedState {
    email: String,
    organization: String,
    workspaces: BTreeMap<String, Workspace>,
    pub(super) invited: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Workspace {
    display_name: String,
    projects: BTreeSet<String>,
    groups: BTreeSet<String>,
    deleted: bool,
}

/// Tenant with one organization and a few workspaces.
pub(super) struct Tenant {
    number: usize,
    client: ApiClient,
    random: SeededRandom,
    token: String,
    requests: usize,
    expected: ExpectedState,
}

impl Tenant {
    pub(super) fn new(number: usize, client: ApiClient, random: SeededRandom) -> Self {
        let email = format!("tenant-{number}@example.com");
        let expected = ExpectedState { email, ..ExpectedState::default() };
        Self { number, client, random, token: String::new(), requests: 0, expected }
    }

    /// Signs in, creates an organization, and takes its workspaces through their lifecycle.
    pub(super) async fn run(mut self, workspaces: usize) -> ExpectedState {
        self.token = sign_in(&self.client, &self.expected.email).await;
        let name = format!("tenant-{}", self.number);
        let body = json!({ "name": name, "display_name": name });
        self.expected.organization = self.create("/api/v1/organizations", &body).await;
        for number in 0..workspaces {
            let body = json!({ "name": format!("ws-{number}"), "plan_id": "starter" });
            let id = self.create(&self.path("/workspaces"), &body).await;
            self.expected.workspaces.insert(id, Workspace::default());
        }
        let ids: Vec<String> = self.expected.workspaces.keys().cloned().collect();
        for id in &ids {
            self.use_workspace(id).await;
        }
        self.expected
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/organizations/{}{rest}", self.expected.organization)
    }

    async fn use_workspace(&mut self, id: &str) {
        let path = self.path(&format!("/workspaces/{id}"));
        self.wait_for_phase(&path, "ready").await;
        for step in 0..4 {
            match self.random.below(4) {
                0 => {
                    let body = json!({ "name": format!("p-{step}") });
                    let project = self.create(&format!("{path}/projects"), &body).await;
                    self.expected_workspace(id).projects.insert(project);
                }
                1 => {
                    let body = json!({ "name": format!("g-{step}") });
                    let group = self.create(&format!("{path}/groups"), &body).await;
                    self.expected_workspace(id).groups.insert(group);
                }
                2 => {
                    let address = format!("guest-{}-{}@example.com", self.number, self.requests);
                    let body = json!({ "email": address, "role": "member" });
                    self.create(&self.path("/invitations"), &body).await;
                    self.expected.invited.insert(address);
                }
                _ => {
                    let name = format!("renamed {step}");
                    self.patch(&path, &json!({ "display_name": name })).await;
                    self.expected_workspace(id).display_name = name;
                }
            }
        }
        self.act(&format!("{path}/suspend")).await;
        self.wait_for_phase(&path, "suspended").await;
        self.act(&format!("{path}/resume")).await;
        self.wait_for_phase(&path, "ready").await;
        if self.random.one_in(3) {
            self.delete(&path).await;
            self.expected_workspace(id).deleted = true;
            self.wait_for_phase(&path, "gone").await;
        }
    }

    fn expected_workspace(&mut self, id: &str) -> &mut Workspace {
        self.expected.workspaces.get_mut(id).unwrap()
    }

    /// Creates a resource once, however often the request is repeated, and returns its id.
    async fn create(&mut self, path: &str, body: &Value) -> String {
        let (status, created) = self.post(path, body).await;
        assert!(matches!(status, 201 | 202), "{path}: {status} {created}");
        created["id"].as_str().unwrap().to_owned()
    }

    async fn act(&mut self, path: &str) {
        let (status, response) = self.post(path, &Value::Null).await;
        assert!(matches!(status, 200 | 202), "{path}: {status} {response}");
    }

    async fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.requests += 1;
        let key = format!("tenant-{}-{}", self.number, self.requests);
        let build = |http: &reqwest::Client, url: &str| {
            let request = http.post(format!("{url}{path}")).bearer_auth(&self.token);
            request.header("idempotency-key", &key).json(body)
        };
        self.client.send(build).await
    }

    async fn patch(&self, path: &str, body: &Value) {
        let build = |http: &reqwest::Client, url: &str| {
            http.patch(format!("{url}{path}")).bearer_auth(&self.token).json(body)
        };
        let (status, response) = self.client.send(build).await;
        assert!(matches!(status, 200 | 202), "{path}: {status} {response}");
    }

    async fn delete(&self, path: &str) {
        let build =
            |http: &reqwest::Client, url: &str| http.delete(format!("{url}{path}")).bearer_auth(&self.token);
        let (status, response) = self.client.send(build).await;
        // An earlier attempt may have succeeded without a response.
        assert!(matches!(status, 202 | 204 | 404), "{path}: {status} {response}");
    }

    /// Waits until a workspace has this phase, or no longer exists with the phase `gone`.
    async fn wait_for_phase(&self, path: &str, phase: &str) {
        let start = tokio::time::Instant::now();
        loop {
            let (status, workspace) = get(&self.client, &self.token, path).await;
            match status {
                404 if phase == "gone" => return,
                200 if workspace["phase"] == phase => return,
                200 => {}
                _ => panic!("{path}: {status} {workspace}"),
            }
            assert!(start.elapsed() < WAIT_TIMEOUT, "{path} does not become {phase}: {workspace}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn sign_in(client: &ApiClient, email: &str) -> String {
    let body = json!({ "email": email });
    let build = |http: &reqwest::Client, url: &str| http.post(format!("{url}/auth/dev/login")).json(&body);
    let (status, tokens) = client.send(build).await;
    assert_eq!(status, 200, "{tokens}");
    tokens["access_token"].as_str().unwrap().to_owned()
}

async fn get(client: &ApiClient, token: &str, path: &str) -> (u16, Value) {
    client.send(|http, url| http.get(format!("{url}{path}")).bearer_auth(token)).await
}

async fn list(client: &ApiClient, token: &str, path: &str) -> BTreeMap<String, Value> {
    let (status, page) = get(client, token, &format!("{path}?limit=200")).await;
    assert_eq!(status, 200, "{path}: {page}");
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone())).collect()
}

impl ExpectedState {
    /// Verifies that the API returns this state, and returns the number of resources by kind.
    pub(super) async fn verify(&self, client: &ApiClient) -> Vec<(&'static str, usize)> {
        let token = sign_in(client, &self.email).await;
        let organization = format!("/api/v1/organizations/{}", self.organization);
        let workspaces = list(client, &token, &format!("{organization}/workspaces")).await;
        let (mut projects, mut groups) = (0, 0);
        for (id, expected) in self.workspaces.iter().filter(|(_, expected)| !expected.deleted) {
            let found = workspaces.get(id).unwrap_or_else(|| panic!("{id} is lost"));
            assert_eq!(found["phase"], "ready", "{found}");
            assert_eq!(found["display_name"].as_str().unwrap_or_default(), expected.display_name, "{found}");
            let path = format!("{organization}/workspaces/{id}");
            let found: BTreeSet<String> =
                list(client, &token, &format!("{path}/projects")).await.into_keys().collect();
            assert_eq!(found, expected.projects, "projects of {id}");
            let found: BTreeSet<String> =
                list(client, &token, &format!("{path}/groups")).await.into_keys().collect();
            // Default groups come with the workspace.
            assert!(found.is_superset(&expected.groups), "groups of {id}: {found:?}");
            projects += expected.projects.len();
            groups += expected.groups.len();
        }
        let remaining = self.remaining_workspaces().count();
        assert_eq!(workspaces.len(), remaining, "{workspaces:?}");
        vec![("organizations", 1), ("workspaces", remaining), ("projects", projects), ("groups", groups)]
    }

    /// Returns the workspaces that were not deleted.
    pub(super) fn remaining_workspaces(&self) -> impl Iterator<Item = String> + '_ {
        self.workspaces.iter().filter(|(_, expected)| !expected.deleted).map(|(id, _)| id.clone())
    }

    /// Returns all workspaces, including deleted ones.
    pub(super) fn all_workspaces(&self) -> impl Iterator<Item = String> + '_ {
        self.workspaces.keys().cloned()
    }
}
