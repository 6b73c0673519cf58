use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use hexabase_billing::{StripeBilling, StripeConfig};
use hexabase_core::Platform;
use hexabase_core::billing::BillingConfig;
use hexabase_core::clock::{Clock, ManualClock};
use hexabase_core::faults::{FaultPlan, FaultyStore};
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::id_source::SeededIds;
use hexabase_core::metrics::MemoryMetrics;
use hexabase_core::model::Plan;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::PlatformConfig;
use hexabase_core::provisioner::{Fleet, MemoryProvisioner};
use hexabase_core::seal::MasterKey;
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_test_stripe::{Delivery, FakeStripe, sign};
use hexabase_tests::{Client, Response, TestApp, backends, plans};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "whsec_of_this_test";
pub(crate) const OLD_SECRET: &str = "whsec_that_is_being_replaced";
/// Timeout of requests to Stripe.
pub(crate) const STRIPE_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Clock that shows the time of a manual clock, and whose `sleep` returns immediately.
#[derive(Debug)]
struct InstantClock(Arc<ManualClock>);

#[async_trait]
impl Clock for InstantClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// Organization that pays through Stripe, with its owner.
pub(crate) struct Harness {
    pub(crate) stripe: FakeStripe,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) app: TestApp,
    pub(crate) fault_plan: FaultPlan,
    store: Arc<dyn TenantStore>,
    ids: Arc<SeededIds>,
    metrics: Option<Arc<MemoryMetrics>>,
    plans: Vec<Plan>,
    stripe_timeout: Duration,
    stripe_url: String,
    token: String,
    organization: String,
    /// Number of Stripe events that were delivered or skipped.
    delivered_events: usize,
    _handles: backends::BackendHandles,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        Self::create(None).await
    }

    /// Creates a harness with a metrics source.
    pub(crate) async fn with_metrics() -> (Self, Arc<MemoryMetrics>) {
        let metrics = Arc::new(MemoryMetrics::new());
        (Self::create(Some(metrics.clone())).await, metrics)
    }

    async fn create(metrics: Option<Arc<MemoryMetrics>>) -> Self {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let stripe = FakeStripe::new(clock.clone());
        let stripe_url = stripe.serve().await;
        let (store, handles) = backends::store().await;
        let ids = Arc::new(SeededIds::new(1));
        let fault_plan = FaultPlan::counting();
        let plans = plans();
        let provider = stripe_provider(&stripe_url, &clock, STRIPE_TIMEOUT);
        update_catalog(&provider, &plans).await;
        let app = start_process(&store, &clock, &ids, provider, &fault_plan, metrics.clone(), &plans).await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let token = ann.client.create_token().await;
        let delivered_events = 0;
        Self {
            stripe,
            clock,
            app,
            fault_plan,
            store,
            ids,
            metrics,
            plans,
            stripe_timeout: STRIPE_TIMEOUT,
            stripe_url,
            token,
            organization,
            delivered_events,
            _handles: handles,
        }
    }

    /// Replaces the process; the in-memory state of the previous one is lost.
    pub(crate) async fn restart(&mut self) {
        self.fault_plan.revive();
        let (metrics, plans) = (self.metrics.clone(), &self.plans);
        self.app = start_process(
            &self.store,
            &self.clock,
            &self.ids,
            self.stripe_billing(),
            &self.fault_plan,
            metrics,
            plans,
        )
        .await;
    }

    /// Changes the timeout of requests to Stripe.
    pub(crate) async fn set_stripe_timeout(&mut self, stripe_timeout: Duration) {
        self.stripe_timeout = stripe_timeout;
        self.restart().await;
    }

    /// Changes the plans, updates the catalog at Stripe, and restarts the process, as an operator does.
    pub(crate) async fn change_plans(&mut self, change: impl FnOnce(&mut Vec<Plan>)) {
        change(&mut self.plans);
        update_catalog(&self.stripe_billing(), &self.plans).await;
        self.restart().await;
    }

    pub(crate) async fn set_fault_plan(&mut self, fault_plan: FaultPlan) {
        self.fault_plan = fault_plan;
        self.restart().await;
    }

    pub(crate) fn client(&self) -> Client {
        self.app.anonymous().with_bearer(&self.token)
    }

    pub(crate) fn organization_path(&self) -> String {
        format!("/api/v1/organizations/{}", self.organization)
    }

    pub(crate) fn billing_path(&self, path: &str) -> String {
        format!("{}/billing/{path}", self.organization_path())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client().get(&self.billing_path(path)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Response {
        self.client().send(method, &self.billing_path(path), &body).await
    }

    pub(crate) async fn send_ok(&self, method: Method, path: &str, body: Value) -> Value {
        self.client().send_ok(method, &self.billing_path(path), &body).await
    }

    /// Adds a card, makes it the default, and returns its id.
    pub(crate) async fn add_card(&self, name: &str) -> String {
        let body = json!({ "payment_method": name });
        let card =
            self.send_ok(Method::POST, "payment-methods", body).await["id"].as_str().unwrap().to_owned();
        self.send_ok(Method::PUT, &format!("payment-methods/{card}/default"), Value::Null).await;
        card
    }

    pub(crate) async fn subscribe(&self, plan: &str) -> Value {
        self.send_ok(Method::PUT, "subscription", json!({ "plan_id": plan })).await
    }

    /// Orders the immediate end of the subscription.
    pub(crate) async fn end_now(&self) -> Value {
        self.send_ok(Method::DELETE, "subscription?now=true", Value::Null).await
    }

    /// Creates a workspace and runs the worker until it is ready. Returns its path.
    pub(crate) async fn create_workspace(&self, name: &str, plan: &str) -> String {
        let path = format!("{}/workspaces", self.organization_path());
        let id = self.client().create(&path, &json!({ "name": name, "plan_id": plan })).await;
        self.run_worker().await;
        format!("{path}/{id}")
    }

    /// Runs the worker until nothing is due, eight times at intervals of three seconds.
    pub(crate) async fn run_worker(&self) {
        let worker = Worker::new(self.app.platform.clone(), 4);
        for _ in 0..8 {
            while worker.run_once().await.unwrap() > 0 {}
            self.clock.advance(Duration::from_secs(3));
        }
    }

    /// Advances the time of the platform and of Stripe. Webhooks are not delivered.
    pub(crate) fn advance(&self, time: Duration) {
        self.clock.advance(time);
        self.stripe.catch_up();
    }

    /// Returns the Stripe events that were not returned before.
    pub(crate) fn take_events(&mut self) -> Vec<Delivery> {
        let events = self.stripe.events_after(self.delivered_events);
        self.delivered_events += events.len();
        events
    }

    pub(crate) async fn deliver(&self, delivery: &Delivery) -> StatusCode {
        let signature = sign(delivery.body.as_bytes(), &[SECRET], self.clock.now().as_second());
        self.webhook(delivery.body.clone().into_bytes(), &signature).await.status
    }

    pub(crate) async fn webhook(&self, body: Vec<u8>, signature: &str) -> Response {
        let request = axum::http::Request::post("/webhooks/stripe").header("stripe-signature", signature);
        self.app.anonymous().send_request(request.body(body.into()).unwrap()).await
    }

    /// Delivers all new Stripe events, and runs the worker.
    pub(crate) async fn deliver_webhooks(&mut self) {
        for delivery in self.take_events() {
            assert_eq!(self.deliver(&delivery).await, StatusCode::OK, "{}", delivery.body);
        }
        self.run_worker().await;
    }

    /// Positive amounts of the paid invoices, oldest first.
    pub(crate) fn charges(&self) -> Vec<i64> {
        let invoices = self.stripe.call("GET", "/v1/invoices", "limit=100&status=paid");
        let amounts = invoices["data"].as_array().unwrap().iter().rev();
        amounts.map(|invoice| invoice["amount_due"].as_i64().unwrap()).filter(|amount| *amount > 0).collect()
    }

    /// Id of the only customer at Stripe.
    pub(crate) fn customer(&self) -> String {
        let customers = self.stripe.call("GET", "/v1/customers", "limit=100");
        let all = customers["data"].as_array().unwrap();
        assert_eq!(all.len(), 1, "{customers}");
        all[0]["id"].as_str().unwrap().to_owned()
    }

    /// Subscriptions at Stripe that are not canceled.
    pub(crate) fn live_subscriptions(&self) -> Vec<Value> {
        let all = self.stripe.call("GET", "/v1/subscriptions", "limit=100&status=all");
        let live = |it: &&Value| it["status"] != "canceled";
        all["data"].as_array().unwrap().iter().filter(live).cloned().collect()
    }
}

fn stripe_provider(stripe_url: &str, clock: &Arc<ManualClock>, timeout: Duration) -> StripeBilling {
    let config = StripeConfig {
        api_base: stripe_url.to_owned(),
        webhook_secrets: vec![OLD_SECRET.into(), SECRET.into()],
        timeout,
        ..StripeConfig::new("sk_test_of_this_test".into())
    };
    StripeBilling::new(&config, Arc::new(InstantClock(clock.clone()))).unwrap()
}

async fn update_catalog(provider: &StripeBilling, plans: &[Plan]) {
    for step in provider.plan_catalog(plans).await.unwrap() {
        provider.apply(&step).await.unwrap();
    }
}

async fn start_process(
    store: &Arc<dyn TenantStore>,
    clock: &Arc<ManualClock>,
    ids: &Arc<SeededIds>,
    provider: StripeBilling,
    fault_plan: &FaultPlan,
    metrics: Option<Arc<MemoryMetrics>>,
    plans: &[Plan],
) -> TestApp {
    let host = HostCluster { sandbox: true, ..HostCluster::new(HostClusterName::parse("memory").unwrap()) };
    let fleet = Fleet::new().with(host, Arc::new(MemoryProvisioner::new(clock.clone(), Duration::ZERO)));
    let config = PlatformConfig {
        billing: BillingConfig { required: true, ..BillingConfig::default() },
        ..hexabase_tests::config()
    };
    let configure = |builder: hexabase_core::PlatformBuilder| {
        let builder = metrics.into_iter().fold(builder, |builder, metrics| builder.with_metrics(metrics));
        builder
            .with_plans(plans.to_vec())
            .with_store(Arc::new(FaultyStore::new(store.clone(), fault_plan.clone())))
            .with_clock(clock.clone())
            .with_ids(ids.clone())
            .with_fleet(fleet)
            .with_config(config)
            .with_master_key(MasterKey::new([7; 32]))
            .with_billing(Arc::new(provider))
    };
    TestApp::with(configure).await
}

/// Access to the platform and the provider without the API.
impl Harness {
    pub(crate) fn platform(&self) -> &Platform {
        &self.app.platform
    }

    pub(crate) fn stripe_billing(&self) -> StripeBilling {
        stripe_provider(&self.stripe_url, &self.clock, self.stripe_timeout)
    }
}
