use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use hexabase_api::{ApiConfig, ApiState, ApiStateBuilder, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_console::{Console, ConsoleConfig};
use hexabase_core::Platform;
use hexabase_core::alerts::MemoryAlerts;
use hexabase_core::clock::SystemClock;
use hexabase_core::identity::{ExternalIdentity, IdentityProvider};
use hexabase_core::logs::MemoryLogs;
use hexabase_core::model::{Origin, Plan};
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::platform::{CredentialPlugin, PlatformBuilder, PlatformConfig};
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use serde_json::json;

use crate::backends::{self, BackendHandles};
use crate::{Client, SentMails, UnmeteredMetrics, hosts, request_bodies};

/// Public URL of the test platform.
const URL: &str = "https://hexabase.example";

/// Token of the webhooks of alerts.
pub const ALERT_WEBHOOK_TOKEN: &str = "token-of-the-webhook";

/// Platform with its API, all in this process.
#[derive(Debug)]
pub struct TestApp {
    /// Platform behind the API.
    pub platform: Platform,
    /// State of the server.
    pub state: ApiState,
    /// Mails that were sent.
    pub mails: Arc<SentMails>,
    /// Alerts of the platform, unless a test replaces their source.
    pub alerts: Arc<MemoryAlerts>,
    /// Router of the API, and of the console if it is mounted.
    pub router: Router,
    /// Temporary servers and directories of the backends.
    _handles: BackendHandles,
}

/// Built-in plans with room for 1,000 members and with dedicated nodes.
#[must_use]
pub fn plans() -> Vec<Plan> {
    let mut plans = hexabase_billing::plans::built_in();
    for plan in &mut plans {
        (plan.limits.members, plan.dedicated_nodes) = (1_000, true);
    }
    plans
}

/// Configuration with the platform administrator `operator@example.com`, and without limits per user.
#[must_use]
pub fn config() -> PlatformConfig {
    PlatformConfig {
        platform_admins: vec![Email::parse("operator@example.com").unwrap()],
        max_owned_organizations: None,
        max_free_workspaces_per_user: None,
        invitations_per_day: None,
        credential_plugin: Some(CredentialPlugin {
            command: "hexabase".to_owned(),
            arguments: vec!["credential".to_owned()],
            install_hint: String::new(),
        }),
        ..PlatformConfig::new(URL)
    }
}

/// Builder of a platform with plans, mails, alerts and hosts.
fn test_builder(mails: &Arc<SentMails>, alerts: &Arc<MemoryAlerts>) -> PlatformBuilder {
    let builder = Platform::builder(URL).with_plans(plans()).with_config(config());
    let metrics = Arc::new(UnmeteredMetrics::default());
    let logs = Arc::new(MemoryLogs::new());
    builder
        .with_notifier(mails.clone())
        .with_fleet(hosts::fleet())
        .with_metrics(metrics)
        .with_logs(logs)
        .with_alerts(alerts.clone())
}

/// Signed-in user.
#[derive(Debug, Clone)]
pub struct TestUser {
    /// Id of the user.
    pub id: String,
    /// E-mail address of the user.
    pub email: String,
    /// Client with the access token of the user.
    pub client: Client,
}

/// Ids of an organization with a workspace and one object of each kind in it, by the names of path parameters.
#[derive(Debug, Clone, Default)]
pub struct PathParams(pub BTreeMap<&'static str, String>);

impl PathParams {
    /// Fills in the parameters of a path template.
    #[must_use]
    pub fn path(&self, template: &str) -> String {
        // Some parameters name different objects in different paths. A role assignment of a project, for example, is
        // not one of the workspace, and the group with a member is not the empty group.
        let template = template
            .replace("{prj}/role-assignments/{asg}", "{prj}/role-assignments/{asg-project}")
            .replace("metrics/workspaces/{workspace}", "metrics/workspaces/{ws}")
            .replace("service-accounts/{id}/tokens/{tok}", "service-accounts/{id}/tokens/{tok-account}")
            .replace("node-pools/{id}", "node-pools/{id-pool}")
            .replace("alert-rules/{id}", "alert-rules/{id-alert-rule}")
            .replace("alerts/{id}", "alerts/{id-alert-rule}")
            .replace("silences/{id}", "silences/{id-silence}")
            .replace("invoices/{inv}", "invoices/{inv-billing}")
            .replace("{grp}/members/{user}", "{grp-member}/members/{user}");
        let fill = |path: String, (name, id): (&&str, &String)| path.replace(&format!("{{{name}}}"), id);
        let filled = self.0.iter().fold(template, fill);
        assert!(!filled.contains('{'), "a parameter of {filled} has no value");
        filled
    }

    /// Id for a path parameter.
    #[must_use]
    pub fn id(&self, name: &str) -> &str {
        &self.0[name]
    }
}

impl TestApp {
    /// Creates a platform on the backends that `HEXABASE_TEST_BACKENDS` names.
    pub async fn new() -> Self {
        let (mails, alerts) = Self::recorders();
        let (builder, handles) = backends::configure(test_builder(&mails, &alerts)).await;
        Self::build(builder, Self::api_config(), (mails, alerts), handles).await
    }

    /// Creates a platform on the given backends; those that are not set are in memory.
    pub async fn with(backends: impl FnOnce(PlatformBuilder) -> PlatformBuilder) -> Self {
        Self::with_api(Self::api_config(), backends).await
    }

    /// Creates a platform on the given backends, with its API configured like this.
    pub async fn with_api(
        config: ApiConfig,
        backends: impl FnOnce(PlatformBuilder) -> PlatformBuilder,
    ) -> Self {
        let (mails, alerts) = Self::recorders();
        let builder = backends(test_builder(&mails, &alerts));
        Self::build(builder, config, (mails, alerts), Box::new(())).await
    }

    fn recorders() -> (Arc<SentMails>, Arc<MemoryAlerts>) {
        (Arc::default(), Arc::new(MemoryAlerts::new(Arc::new(SystemClock))))
    }

    /// Creates a platform with the web console, which also supplies the pages of the API.
    pub async fn with_console() -> Self {
        let (mails, alerts) = Self::recorders();
        let (builder, handles) = backends::configure(test_builder(&mails, &alerts)).await;
        Self::build_with_console(builder, (mails, alerts), handles).await
    }

    /// Creates a platform with the web console on a store; the other backends are in memory.
    pub async fn with_console_on(store: Arc<dyn TenantStore>) -> Self {
        Self::with_console_and(|builder| builder.with_store(store)).await
    }

    /// Creates a platform with the web console on the given backends; those that are not set are in memory.
    pub async fn with_console_and(backends: impl FnOnce(PlatformBuilder) -> PlatformBuilder) -> Self {
        let (mails, alerts) = Self::recorders();
        let builder = backends(test_builder(&mails, &alerts));
        Self::build_with_console(builder, (mails, alerts), Box::new(())).await
    }

    async fn build_with_console(
        builder: PlatformBuilder,
        recorders: (Arc<SentMails>, Arc<MemoryAlerts>),
        handles: BackendHandles,
    ) -> Self {
        let console = Console::new(ConsoleConfig::default());
        let api = |state: ApiStateBuilder| state.with_pages(console.pages());
        let app = Self::build_api(builder, Self::api_config(), recorders, handles, api).await;
        let router = app.router.clone().merge(console.router(&app.state));
        Self { router, ..app }
    }

    /// Configuration of the API of a test platform: without limits of requests, and with webhooks of alerts.
    #[must_use]
    pub fn api_config() -> ApiConfig {
        let alertmanager_webhook_token = Some(ALERT_WEBHOOK_TOKEN.into());
        ApiConfig { requests_per_minute: 0, alertmanager_webhook_token, ..ApiConfig::default() }
    }

    async fn build(
        builder: PlatformBuilder,
        config: ApiConfig,
        (mails, alerts): (Arc<SentMails>, Arc<MemoryAlerts>),
        handles: BackendHandles,
    ) -> Self {
        Self::build_api(builder, config, (mails, alerts), handles, |state| state).await
    }

    async fn build_api(
        builder: PlatformBuilder,
        config: ApiConfig,
        (mails, alerts): (Arc<SentMails>, Arc<MemoryAlerts>),
        handles: BackendHandles,
        api: impl FnOnce(ApiStateBuilder) -> ApiStateBuilder,
    ) -> Self {
        let platform = builder.build().unwrap();
        let dev = Arc::new(DevProvider::new(platform.clone()).unwrap());
        let providers: Vec<Arc<dyn IdentityProvider>> = vec![dev.clone()];
        let auth = Auth::new(platform.clone(), providers, AuthConfig::default()).await.unwrap();
        let state = ApiState::builder(platform.clone(), auth).with_config(config);
        let state = api(state.with_development_provider(dev)).build();
        Self { router: router(state.clone()), platform, state, mails, alerts, _handles: handles }
    }

    /// Client without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::anonymous(self.router.clone())
    }

    /// Signs a user in with the address `NAME@example.com`.
    pub async fn sign_in(&self, name: &str) -> TestUser {
        let email = format!("{name}@example.com");
        let auth_time = Some(self.platform.clock().now());
        let identity = DevProvider::identity(&Email::parse(&email).unwrap(), None);
        let identity = ExternalIdentity { auth_time, ..identity };
        let provider = ProviderName::parse("dev").unwrap();
        let tokens = self
            .state
            .auth()
            .sign_in()
            .with_identity(&provider, &identity, &Origin::default())
            .await
            .unwrap();
        let client = self.anonymous().with_bearer(&tokens.access_token);
        TestUser { id: tokens.user_id.to_string(), email, client }
    }

    /// Signs a user in and makes them a member of an organization by invitation.
    pub async fn add_member(&self, owner: &TestUser, organization: &str, name: &str, role: &str) -> TestUser {
        let user = self.sign_in(name).await;
        let path = format!("/api/v1/organizations/{organization}/invitations");
        owner.client.create(&path, &json!({ "email": user.email, "role": role })).await;
        self.run_worker().await;
        let token = self.mails.token_for(&user.email).unwrap();
        let accept = json!({ "token": token });
        user.client.send_ok(axum::http::Method::POST, "/api/v1/invitations/accept", &accept).await;
        user
    }

    /// Runs the worker until a workspace is ready.
    pub async fn wait_until_ready(&self, client: &Client, workspace: &str) {
        while client.get(workspace).await["phase"] != "ready" {
            self.run_worker().await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Runs the worker until nothing is due.
    pub async fn run_worker(&self) {
        let worker = Worker::new(self.platform.clone(), 8);
        while worker.run_once().await.unwrap() > 0 {}
    }

    /// Creates an organization whose owner is the user, and returns its id.
    pub async fn create_organization(&self, owner: &TestUser, name: &str) -> String {
        owner.client.create("/api/v1/organizations", &json!({ "name": name, "display_name": name })).await
    }

    /// Subscribes an organization to a plan and cancels the subscription. Returns a payment method that is not the
    /// default, and the invoice.
    async fn subscribe_and_cancel(&self, client: &Client, organization: &str) -> (String, String) {
        use axum::http::Method;
        let payment_methods = format!("{organization}/billing/payment-methods");
        client.create(&payment_methods, &json!({ "payment_method": "pm_card_visa" })).await;
        let other_method =
            client.create(&payment_methods, &json!({ "payment_method": "pm_card_visa" })).await;
        let subscription = format!("{organization}/billing/subscription");
        client.send_ok(Method::PUT, &subscription, &json!({ "plan_id": "team" })).await;
        client.send_ok(Method::DELETE, &format!("{subscription}?now=true"), &serde_json::Value::Null).await;
        let invoices = client.get(&format!("{organization}/billing/invoices")).await;
        (other_method, invoices["items"][0]["id"].as_str().unwrap().to_owned())
    }

    /// Creates an organization with one object of each kind in it; its owner is the user.
    pub async fn create_full_organization(&self, owner: &TestUser, name: &str) -> PathParams {
        let client = &owner.client;
        let org = self.create_organization(owner, name).await;
        let o = format!("/api/v1/organizations/{org}");
        let member = self.add_member(owner, &org, &format!("member-of-{name}"), "member").await;
        let inv = client
            .create(&format!("{o}/invitations"), &json!({"email": "late@example.com", "role": "member"}))
            .await;
        let account = client
            .create(&format!("{o}/service-accounts"), &json!({"name": "robot", "role": "member"}))
            .await;
        let tokens = format!("{o}/service-accounts/{account}/tokens");
        let account_token = client.create(&tokens, &request_bodies::token_request()).await;

        let ws = client.create(&format!("{o}/workspaces"), &json!({"name": "shop", "plan_id": "team"})).await;
        let w = format!("{o}/workspaces/{ws}");
        self.wait_until_ready(client, &w).await;
        let prj = client.create(&format!("{w}/projects"), &json!({"name": "web"})).await;
        let grp = client.create(&format!("{w}/groups"), &json!({"name": "leaf"})).await;
        let roles = format!("{w}/projects/{prj}/roles");
        let rules = json!([{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}]);
        let rol = client.create(&roles, &json!({"name": "spare", "rules": rules})).await;
        let assignment = |role: &str| json!({ "group_id": grp, "role": role });
        let asg =
            client.create(&format!("{w}/role-assignments"), &assignment("hexabase:workspace-admin")).await;
        let in_project = format!("{w}/projects/{prj}/role-assignments");
        let asg_in_prj = client.create(&in_project, &assignment("hexabase:project-editor")).await;
        let put = axum::http::Method::PUT;
        client.send_ok(put, &format!("{w}/members/{}", member.id), &serde_json::Value::Null).await;
        let team = client.create(&format!("{w}/groups"), &json!({"name": "team"})).await;
        let put = axum::http::Method::PUT;
        client
            .send_ok(put, &format!("{w}/groups/{team}/members/{}", member.id), &serde_json::Value::Null)
            .await;
        let pool = json!({"name": "own", "class": "big", "nodes": 1});
        let pool = client.create(&format!("{w}/node-pools"), &pool).await;
        let rule = json!({
            "name": "cpu-high", "project": prj, "metric": "cpu", "comparison": "above", "threshold": 1.5,
            "for": "5m", "severity": "warning", "notify": [owner.email],
        });
        let rule = client.create(&format!("{w}/alert-rules"), &rule).await;
        let silence = client.create(&format!("{w}/alerts/{rule}/silence"), &json!({ "minutes": 60 })).await;
        self.wait_until_ready(client, &w).await;
        let (pm, invoice) = self.subscribe_and_cancel(client, &o).await;
        let tasks = client.get(&format!("{w}/tasks")).await;
        let tsk = tasks["items"][0]["id"].as_str().unwrap().to_owned();
        let ids = [
            ("org", org),
            ("user", member.id),
            ("inv", inv),
            ("inv-billing", invoice),
            ("pm", pm),
            ("id", account),
            ("tok-account", account_token),
            ("id-pool", pool.clone()),
            ("pool", pool),
            ("id-alert-rule", rule),
            ("id-silence", silence),
            ("ws", ws),
            ("prj", prj),
            ("grp", grp),
            ("rol", rol),
            ("tsk", tsk),
            ("plan", "team".to_owned()),
            ("grp-member", team),
            ("asg", asg),
            ("asg-project", asg_in_prj),
            ("tok", "tok_00000000000000000000000000".to_owned()),
            ("cluster", hosts::CONFIGURED_HOST.to_owned()),
            ("provider", "dev".to_owned()),
            ("metric", "cpu".to_owned()),
            ("inventory", "git".to_owned()),
        ];
        PathParams(ids.into_iter().collect())
    }
}
