use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::dice::Dice;

/// How long a tenant tries before saying that something is stuck.
const PATIENCE: Duration = Duration::from_secs(180);

/// The way in: any replica that answers, tried until one does.
#[derive(Clone)]
pub(super) struct Entry {
    urls: Arc<RwLock<Vec<String>>>,
    http: reqwest::Client,
}

impl Entry {
    pub(super) fn new(urls: Arc<RwLock<Vec<String>>>) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { urls, http }
    }

    /// Asks until there is an answer that says something about the request: not that a replica or what it needs is
    /// away.
    async fn ask(&self, build: impl Fn(&reqwest::Client, &str) -> reqwest::RequestBuilder) -> (u16, Value) {
        let begun = tokio::time::Instant::now();
        let mut turn = 0;
        loop {
            let url = {
                let urls = self.urls.read().unwrap();
                urls[turn % urls.len()].clone()
            };
            turn += 1;
            if let Ok(answer) = build(&self.http, &url).send().await {
                let status = answer.status().as_u16();
                if !matches!(status, 500..=599 | 408 | 429) {
                    if let Ok(text) = answer.text().await {
                        return (status, serde_json::from_str(&text).unwrap_or_default());
                    }
                } else if status == 500 {
                    panic!("an error of ours: {}", answer.text().await.unwrap_or_default());
                }
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answers");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What a tenant was promised.
#[derive(Debug, Default)]
pub(super) struct Ledger {
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

/// Somebody with an organization and a few workspaces.
pub(super) struct Tenant {
    number: usize,
    entry: Entry,
    dice: Dice,
    token: String,
    requests: usize,
    ledger: Ledger,
}

impl Tenant {
    pub(super) fn new(number: usize, entry: Entry, dice: Dice) -> Self {
        let email = format!("tenant-{number}@example.com");
        let ledger = Ledger { email, ..Ledger::default() };
        Self { number, entry, dice, token: String::new(), requests: 0, ledger }
    }

    /// Signs in, makes an organization, and lives through the lives of its workspaces.
    pub(super) async fn live(mut self, workspaces: usize) -> Ledger {
        self.token = sign_in(&self.entry, &self.ledger.email).await;
        let name = format!("tenant-{}", self.number);
        let body = json!({ "name": name, "display_name": name });
        self.ledger.organization = self.make("/api/v1/organizations", &body).await;
        for number in 0..workspaces {
            let body = json!({ "name": format!("ws-{number}"), "plan_id": "starter" });
            let id = self.make(&self.path("/workspaces"), &body).await;
            self.ledger.workspaces.insert(id, Workspace::default());
        }
        let ids: Vec<String> = self.ledger.workspaces.keys().cloned().collect();
        for id in &ids {
            self.use_workspace(id).await;
        }
        self.ledger
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/organizations/{}{rest}", self.ledger.organization)
    }

    async fn use_workspace(&mut self, id: &str) {
        let at = self.path(&format!("/workspaces/{id}"));
        self.until(&at, "ready").await;
        for step in 0..4 {
            match self.dice.below(4) {
                0 => {
                    let project =
                        self.make(&format!("{at}/projects"), &json!({ "name": format!("p-{step}") })).await;
                    self.promised(id).projects.insert(project);
                }
                1 => {
                    let group =
                        self.make(&format!("{at}/groups"), &json!({ "name": format!("g-{step}") })).await;
                    self.promised(id).groups.insert(group);
                }
                2 => {
                    let address = format!("guest-{}-{}@example.com", self.number, self.requests);
                    let body = json!({ "email": address, "role": "member" });
                    self.make(&self.path("/invitations"), &body).await;
                    self.ledger.invited.insert(address);
                }
                _ => {
                    let name = format!("renamed {step}");
                    self.change(&at, &json!({ "display_name": name })).await;
                    self.promised(id).display_name = name;
                }
            }
        }
        self.act(&format!("{at}/suspend")).await;
        self.until(&at, "suspended").await;
        self.act(&format!("{at}/resume")).await;
        self.until(&at, "ready").await;
        if self.dice.one_in(3) {
            self.delete(&at).await;
            self.promised(id).deleted = true;
            self.until(&at, "gone").await;
        }
    }

    fn promised(&mut self, id: &str) -> &mut Workspace {
        self.ledger.workspaces.get_mut(id).unwrap()
    }

    /// Asks for something new, once, however often it has to ask: its id.
    async fn make(&mut self, path: &str, body: &Value) -> String {
        let (status, made) = self.post(path, body).await;
        assert!(matches!(status, 201 | 202), "{path}: {status} {made}");
        made["id"].as_str().unwrap().to_owned()
    }

    async fn act(&mut self, path: &str) {
        let (status, done) = self.post(path, &Value::Null).await;
        assert!(matches!(status, 200 | 202), "{path}: {status} {done}");
    }

    async fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.requests += 1;
        let key = format!("tenant-{}-{}", self.number, self.requests);
        let build = |http: &reqwest::Client, url: &str| {
            let request = http.post(format!("{url}{path}")).bearer_auth(&self.token);
            request.header("idempotency-key", &key).json(body)
        };
        self.entry.ask(build).await
    }

    async fn change(&self, path: &str, body: &Value) {
        let build = |http: &reqwest::Client, url: &str| {
            http.patch(format!("{url}{path}")).bearer_auth(&self.token).json(body)
        };
        let (status, done) = self.entry.ask(build).await;
        assert!(matches!(status, 200 | 202), "{path}: {status} {done}");
    }

    async fn delete(&self, path: &str) {
        let build =
            |http: &reqwest::Client, url: &str| http.delete(format!("{url}{path}")).bearer_auth(&self.token);
        let (status, done) = self.entry.ask(build).await;
        // The first attempt may have been heard although its answer was not.
        assert!(matches!(status, 202 | 204 | 404), "{path}: {status} {done}");
    }

    /// Waits until a workspace is as it should be, or gone.
    async fn until(&self, path: &str, phase: &str) {
        let begun = tokio::time::Instant::now();
        loop {
            let (status, workspace) = get(&self.entry, &self.token, path).await;
            match status {
                404 if phase == "gone" => return,
                200 if workspace["phase"] == phase => return,
                200 => {}
                _ => panic!("{path}: {status} {workspace}"),
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is stuck on its way to {phase}: {workspace}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn sign_in(entry: &Entry, email: &str) -> String {
    let body = json!({ "email": email });
    let build = |http: &reqwest::Client, url: &str| http.post(format!("{url}/auth/dev/login")).json(&body);
    let (status, pair) = entry.ask(build).await;
    assert_eq!(status, 200, "{pair}");
    pair["access_token"].as_str().unwrap().to_owned()
}

async fn get(entry: &Entry, token: &str, path: &str) -> (u16, Value) {
    entry.ask(|http, url| http.get(format!("{url}{path}")).bearer_auth(token)).await
}

async fn ids(entry: &Entry, token: &str, path: &str) -> BTreeMap<String, Value> {
    let (status, page) = get(entry, token, &format!("{path}?limit=200")).await;
    assert_eq!(status, 200, "{path}: {page}");
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone())).collect()
}

impl Ledger {
    /// Finds everything again that was promised, and says how much that is.
    pub(super) async fn verify(&self, entry: &Entry) -> Vec<(&'static str, usize)> {
        let token = sign_in(entry, &self.email).await;
        let at = format!("/api/v1/organizations/{}", self.organization);
        let workspaces = ids(entry, &token, &format!("{at}/workspaces")).await;
        let (mut projects, mut groups) = (0, 0);
        for (id, promised) in self.workspaces.iter().filter(|(_, promised)| !promised.deleted) {
            let found = workspaces.get(id).unwrap_or_else(|| panic!("{id} is lost"));
            assert_eq!(found["phase"], "ready", "{found}");
            assert_eq!(found["display_name"].as_str().unwrap_or_default(), promised.display_name, "{found}");
            let inside = format!("{at}/workspaces/{id}");
            let there: BTreeSet<String> =
                ids(entry, &token, &format!("{inside}/projects")).await.into_keys().collect();
            assert_eq!(there, promised.projects, "projects of {id}");
            let there: BTreeSet<String> =
                ids(entry, &token, &format!("{inside}/groups")).await.into_keys().collect();
            // Some come with the workspace.
            assert!(there.is_superset(&promised.groups), "groups of {id}: {there:?}");
            projects += promised.projects.len();
            groups += promised.groups.len();
        }
        let alive = self.alive().count();
        assert_eq!(workspaces.len(), alive, "{workspaces:?}");
        vec![("organizations", 1), ("workspaces", alive), ("projects", projects), ("groups", groups)]
    }

    /// The workspaces that are there.
    pub(super) fn alive(&self) -> impl Iterator<Item = String> + '_ {
        self.workspaces.iter().filter(|(_, promised)| !promised.deleted).map(|(id, _)| id.clone())
    }

    /// The workspaces that were ever there.
    pub(super) fn born(&self) -> impl Iterator<Item = String> + '_ {
        self.workspaces.keys().cloned()
    }
}
