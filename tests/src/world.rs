use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_core::Platform;
use hexabase_core::identity::IdentityProvider;
use hexabase_core::model::{Origin, Plan};
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::platform::PlatformBuilder;
use hexabase_core::worker::Worker;
use hexabase_server::{App, AppParts, Entry, router};
use serde_json::json;

use crate::backends::{self, Kept};
use crate::{Client, Letters, hosts};

/// Where a test's server is reached.
const URL: &str = "https://hexabase.example";

/// A platform with an API in front of it, all in this process.
#[derive(Debug)]
pub struct World {
    /// The platform.
    pub platform: Platform,
    /// The server's state.
    pub app: App,
    /// What was sent to whom.
    pub letters: Arc<Letters>,
    /// The API.
    pub router: Router,
    /// Servers that the backends need.
    _kept: Kept,
}

/// The plans that come along, with room for many people, and nodes of one's own in all of them.
#[must_use]
pub fn plans() -> Vec<Plan> {
    let mut plans = hexabase_billing::plans::built_in();
    for plan in &mut plans {
        (plan.limits.members, plan.dedicated_nodes) = (1_000, true);
    }
    plans
}

/// A platform with plans and a mailbox.
fn plain(letters: &Arc<Letters>) -> PlatformBuilder {
    Platform::builder(URL).with_plans(plans()).with_notifier(letters.clone()).with_fleet(hosts::fleet())
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Acts as they do.
    pub client: Client,
}

/// The ids of one organization with a workspace and one of everything in it, by the names of path parameters.
#[derive(Debug, Clone, Default)]
pub struct Place(pub BTreeMap<&'static str, String>);

impl Place {
    /// A path with its parameters filled in.
    #[must_use]
    pub fn path(&self, template: &str) -> String {
        // What is assigned in a project is not what is assigned in the workspace, and a group with somebody in it
        // is not the empty one.
        let template = template
            .replace("{prj}/role-assignments/{asg}", "{prj}/role-assignments/{asg-in-prj}")
            .replace("node-pools/{id}", "node-pools/{id-of-pool}")
            .replace("invoices/{inv}", "invoices/{inv-of-money}")
            .replace("{grp}/members/{user}", "{grp-of-user}/members/{user}");
        let fill = |path: String, (name, id): (&&str, &String)| path.replace(&format!("{{{name}}}"), id);
        let filled = self.0.iter().fold(template, fill);
        assert!(!filled.contains('{'), "nothing is known to fill {filled} with");
        filled
    }

    /// The id behind a parameter.
    #[must_use]
    pub fn id(&self, name: &str) -> &str {
        &self.0[name]
    }
}

impl World {
    /// A world on the backends that the environment names; all in memory without a word.
    pub async fn new() -> Self {
        let letters = Arc::new(Letters::default());
        let (builder, kept) = backends::furnish(plain(&letters)).await;
        Self::on(builder, letters, kept).await
    }

    /// A world on these backends, and in memory whatever they leave out.
    pub async fn with(backends: impl FnOnce(PlatformBuilder) -> PlatformBuilder) -> Self {
        let letters = Arc::new(Letters::default());
        Self::on(backends(plain(&letters)), letters, Box::new(())).await
    }

    async fn on(builder: PlatformBuilder, letters: Arc<Letters>, kept: Kept) -> Self {
        let platform = builder.build().unwrap();
        let dev = Arc::new(DevProvider::new(platform.clone()).unwrap());
        let providers: Vec<Arc<dyn IdentityProvider>> = vec![dev.clone()];
        let auth = Auth::new(platform.clone(), providers, AuthConfig::default()).await.unwrap();
        let app = App::assemble(AppParts {
            dev: Some(dev),
            entry: Entry {
                requests_per_minute: 0,
                platform_admins: vec![Email::parse("operator@example.com").unwrap()],
                ..Entry::default()
            },
            ..AppParts::new(platform.clone(), auth)
        });
        Self { router: router(app.clone()), platform, app, letters, _kept: kept }
    }

    /// Somebody without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::anonymous(self.router.clone())
    }

    /// Signs somebody in.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{name}@example.com");
        let who = DevProvider::identity(&Email::parse(&email).unwrap(), None);
        let provider = ProviderName::parse("dev").unwrap();
        let tokens = self.app.auth.sign_in(&provider, &who, &Origin::default()).await.unwrap();
        let client = self.anonymous().with_bearer(&tokens.access_token);
        Person { id: tokens.user_id.to_string(), email, client }
    }

    /// Signs somebody in and makes them a member of an organization.
    pub async fn member(&self, owner: &Person, organization: &str, name: &str, role: &str) -> Person {
        let person = self.person(name).await;
        let path = format!("/api/v1/organizations/{organization}/invitations");
        owner.client.make(&path, &json!({ "email": person.email, "role": role })).await;
        self.settle().await;
        let token = self.letters.token_for(&person.email).unwrap();
        let accept = json!({ "token": token });
        person.client.must(axum::http::Method::POST, "/api/v1/invitations/accept", &accept).await;
        person
    }

    /// Works until a workspace is as it was asked to be.
    pub async fn ready(&self, client: &Client, workspace: &str) {
        while client.get(workspace).await["phase"] != "ready" {
            self.settle().await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Does all the work that there is right now.
    pub async fn settle(&self) {
        let worker = Worker::new(self.platform.clone(), 8);
        while worker.turn().await.unwrap() > 0 {}
    }

    /// Makes an organization, as somebody who owns it then.
    pub async fn organization(&self, owner: &Person, name: &str) -> String {
        owner.client.make("/api/v1/organizations", &json!({ "name": name, "display_name": name })).await
    }

    /// Pays for something, and stops paying for it. Answers a way to pay that is not the default, and the invoice.
    async fn bill(&self, client: &Client, organization: &str) -> (String, String) {
        use axum::http::Method;
        let methods = format!("{organization}/billing/payment-methods");
        client.make(&methods, &json!({ "payment_method": "pm_card_visa" })).await;
        let spare = client.make(&methods, &json!({ "payment_method": "pm_card_visa" })).await;
        let subscription = format!("{organization}/billing/subscription");
        client.must(Method::PUT, &subscription, &json!({ "plan_id": "team" })).await;
        client.must(Method::DELETE, &format!("{subscription}?now=true"), &serde_json::Value::Null).await;
        let invoices = client.get(&format!("{organization}/billing/invoices")).await;
        (spare, invoices["items"][0]["id"].as_str().unwrap().to_owned())
    }

    /// Makes an organization with one of everything in it, as somebody who owns it then.
    pub async fn place(&self, owner: &Person, name: &str) -> Place {
        let client = &owner.client;
        let org = self.organization(owner, name).await;
        let o = format!("/api/v1/organizations/{org}");
        let victim = self.member(owner, &org, &format!("victim-of-{name}"), "member").await;
        let inv = client
            .make(&format!("{o}/invitations"), &json!({"email": "late@example.com", "role": "member"}))
            .await;
        let account =
            client.make(&format!("{o}/service-accounts"), &json!({"name": "robot", "role": "member"})).await;

        let ws = client.make(&format!("{o}/workspaces"), &json!({"name": "shop", "plan_id": "team"})).await;
        let w = format!("{o}/workspaces/{ws}");
        self.ready(client, &w).await;
        let prj = client.make(&format!("{w}/projects"), &json!({"name": "web"})).await;
        let grp = client.make(&format!("{w}/groups"), &json!({"name": "leaf"})).await;
        let roles = format!("{w}/projects/{prj}/roles");
        let rules = json!([{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        let rol = client.make(&roles, &json!({"name": "spare", "rules": rules})).await;
        let given = |role: &str| json!({ "group_id": grp, "role": role });
        let asg = client.make(&format!("{w}/role-assignments"), &given("hexabase:workspace-admin")).await;
        let in_project = format!("{w}/projects/{prj}/role-assignments");
        let asg_in_prj = client.make(&in_project, &given("hexabase:project-editor")).await;
        let put = axum::http::Method::PUT;
        client.must(put, &format!("{w}/members/{}", victim.id), &serde_json::Value::Null).await;
        let team = client.make(&format!("{w}/groups"), &json!({"name": "team"})).await;
        let put = axum::http::Method::PUT;
        client.must(put, &format!("{w}/groups/{team}/members/{}", victim.id), &serde_json::Value::Null).await;
        let pool = json!({"name": "own", "class": "big", "nodes": 1});
        let pool = client.make(&format!("{w}/node-pools"), &pool).await;
        self.ready(client, &w).await;
        let (pm, invoice) = self.bill(client, &o).await;
        let tasks = client.get(&format!("{w}/tasks")).await;
        let tsk = tasks["items"][0]["id"].as_str().unwrap().to_owned();
        let ids = [
            ("org", org),
            ("user", victim.id),
            ("inv", inv),
            ("inv-of-money", invoice),
            ("pm", pm),
            ("id", account),
            ("id-of-pool", pool),
            ("ws", ws),
            ("prj", prj),
            ("grp", grp),
            ("rol", rol),
            ("tsk", tsk),
            ("grp-of-user", team),
            ("asg", asg),
            ("asg-in-prj", asg_in_prj),
            ("tok", "tok_00000000000000000000000000".to_owned()),
            ("cluster", hosts::FIXED.to_owned()),
            ("provider", "dev".to_owned()),
        ];
        Place(ids.into_iter().collect())
    }
}
