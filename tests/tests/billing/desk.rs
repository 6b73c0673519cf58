use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use hexabase_billing::{StripeBilling, StripeSettings};
use hexabase_core::Platform;
use hexabase_core::billing::Terms;
use hexabase_core::clock::{Clock, ManualClock};
use hexabase_core::faults::{FaultPlan, FaultyStore};
use hexabase_core::fixture::THEN;
use hexabase_core::id_source::SeededIds;
use hexabase_core::metrics::MemoryMetrics;
use hexabase_core::model::Plan;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::Settings;
use hexabase_core::provisioner::{Fleet, MemoryProvisioner};
use hexabase_core::seal::MasterKey;
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_test_stripe::{Delivery, FakeStripe, sign};
use hexabase_tests::{Answer, Client, World, backends, plans};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "whsec_of_this_desk";
pub(crate) const OLD_SECRET: &str = "whsec_that_is_being_replaced";
/// How long to wait for Stripe.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Tells the time of a manual clock, and never waits.
#[derive(Debug)]
struct Hasty(Arc<ManualClock>);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// An organization that pays through Stripe, and its owner.
pub(crate) struct Desk {
    pub(crate) stripe: FakeStripe,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) world: World,
    pub(crate) plan: FaultPlan,
    store: Arc<dyn TenantStore>,
    ids: Arc<SeededIds>,
    metrics: Option<Arc<MemoryMetrics>>,
    plans: Vec<Plan>,
    patience: Duration,
    base: String,
    token: String,
    organization: String,
    /// How many of Stripe's events were delivered, or passed over.
    told: usize,
    _kept: backends::Kept,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with(None).await
    }

    /// One whose workspaces are measured.
    pub(crate) async fn measured() -> (Self, Arc<MemoryMetrics>) {
        let metrics = Arc::new(MemoryMetrics::new());
        (Self::with(Some(metrics.clone())).await, metrics)
    }

    async fn with(metrics: Option<Arc<MemoryMetrics>>) -> Self {
        let clock = Arc::new(ManualClock::new(THEN));
        let stripe = FakeStripe::new(clock.clone());
        let base = stripe.serve().await;
        let (store, kept) = backends::store().await;
        let ids = Arc::new(SeededIds::new(1));
        let plan = FaultPlan::counting();
        let plans = plans();
        let provider = billing(&base, &clock, PATIENCE);
        sync(&provider, &plans).await;
        let world = process(&store, &clock, &ids, provider, &plan, metrics.clone(), &plans).await;
        let ann = world.person("ann").await;
        let organization = world.organization(&ann, "acme").await;
        let token = ann.client.make_token().await;
        let told = 0;
        Self {
            stripe,
            clock,
            world,
            plan,
            store,
            ids,
            metrics,
            plans,
            patience: PATIENCE,
            base,
            token,
            organization,
            told,
            _kept: kept,
        }
    }

    /// What was in memory is gone with the process, and another one goes on.
    pub(crate) async fn restart(&mut self) {
        self.plan.revive();
        let (metrics, plans) = (self.metrics.clone(), &self.plans);
        self.world =
            process(&self.store, &self.clock, &self.ids, self.stripe_billing(), &self.plan, metrics, plans)
                .await;
    }

    /// From now on nobody waits longer for Stripe than this.
    pub(crate) async fn wait_for_stripe(&mut self, patience: Duration) {
        self.patience = patience;
        self.restart().await;
    }

    /// The operator changes the plan file, tells Stripe, and restarts.
    pub(crate) async fn sell(&mut self, change: impl FnOnce(&mut Vec<Plan>)) {
        change(&mut self.plans);
        sync(&self.stripe_billing(), &self.plans).await;
        self.restart().await;
    }

    pub(crate) async fn under(&mut self, plan: FaultPlan) {
        self.plan = plan;
        self.restart().await;
    }

    pub(crate) fn client(&self) -> Client {
        self.world.anonymous().with_bearer(&self.token)
    }

    pub(crate) fn organization(&self) -> String {
        format!("/api/v1/organizations/{}", self.organization)
    }

    pub(crate) fn billing(&self, path: &str) -> String {
        format!("{}/billing/{path}", self.organization())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client().get(&self.billing(path)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        self.client().send(method, &self.billing(path), &body).await
    }

    pub(crate) async fn must(&self, method: Method, path: &str, body: Value) -> Value {
        self.client().must(method, &self.billing(path), &body).await
    }

    /// Adds a card, and makes it the default. Answers its name.
    pub(crate) async fn card(&self, name: &str) -> String {
        let body = json!({ "payment_method": name });
        let card = self.must(Method::POST, "payment-methods", body).await["id"].as_str().unwrap().to_owned();
        self.must(Method::PUT, &format!("payment-methods/{card}/default"), Value::Null).await;
        card
    }

    pub(crate) async fn subscribe(&self, plan: &str) -> Value {
        self.must(Method::PUT, "subscription", json!({ "plan_id": plan })).await
    }

    /// Makes a workspace, and waits until it works.
    pub(crate) async fn workspace(&self, name: &str, plan: &str) -> String {
        let path = format!("{}/workspaces", self.organization());
        let id = self.client().make(&path, &json!({ "name": name, "plan_id": plan })).await;
        self.work().await;
        format!("{path}/{id}")
    }

    /// Does whatever there is to do, for as long as that takes.
    pub(crate) async fn work(&self) {
        let worker = Worker::new(self.world.platform.clone(), 4);
        for _ in 0..8 {
            while worker.turn().await.unwrap() > 0 {}
            self.clock.advance(Duration::from_secs(3));
        }
    }

    /// Lets time go by, with whatever Stripe does meanwhile, and without a word of it.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.stripe.catch_up();
    }

    /// What Stripe has to tell that it did not tell yet.
    pub(crate) fn news(&mut self) -> Vec<Delivery> {
        let news = self.stripe.events_after(self.told);
        self.told += news.len();
        news
    }

    pub(crate) async fn deliver(&self, delivery: &Delivery) -> StatusCode {
        let signature = sign(delivery.body.as_bytes(), &[SECRET], self.clock.now().as_second());
        self.webhook(delivery.body.clone().into_bytes(), &signature).await.status
    }

    pub(crate) async fn webhook(&self, body: Vec<u8>, signature: &str) -> Answer {
        let request = axum::http::Request::post("/webhooks/stripe").header("stripe-signature", signature);
        self.world.anonymous().carry(request.body(body.into()).unwrap()).await
    }

    /// Stripe tells everything that there is, and everything that follows is done.
    pub(crate) async fn hear(&mut self) {
        for delivery in self.news() {
            assert_eq!(self.deliver(&delivery).await, StatusCode::OK, "{}", delivery.body);
        }
        self.work().await;
    }

    /// What was paid so far, oldest first.
    pub(crate) fn charges(&self) -> Vec<i64> {
        let invoices = self.stripe.act("GET", "/v1/invoices", "limit=100&status=paid");
        let amounts = invoices["data"].as_array().unwrap().iter().rev();
        amounts.map(|invoice| invoice["amount_due"].as_i64().unwrap()).filter(|amount| *amount > 0).collect()
    }

    /// The one customer that Stripe has.
    pub(crate) fn customer(&self) -> String {
        let customers = self.stripe.act("GET", "/v1/customers", "limit=100");
        let all = customers["data"].as_array().unwrap();
        assert_eq!(all.len(), 1, "{customers}");
        all[0]["id"].as_str().unwrap().to_owned()
    }

    /// The subscriptions that Stripe has and that are not over.
    pub(crate) fn live_subscriptions(&self) -> Vec<Value> {
        let all = self.stripe.act("GET", "/v1/subscriptions", "limit=100&status=all");
        let live = |it: &&Value| it["status"] != "canceled";
        all["data"].as_array().unwrap().iter().filter(live).cloned().collect()
    }
}

fn billing(base: &str, clock: &Arc<ManualClock>, timeout: Duration) -> StripeBilling {
    let settings = StripeSettings {
        api_base: base.to_owned(),
        webhook_secrets: vec![OLD_SECRET.into(), SECRET.into()],
        timeout,
        ..StripeSettings::new("sk_test_of_this_desk".into())
    };
    StripeBilling::new(&settings, Arc::new(Hasty(clock.clone()))).unwrap()
}

async fn sync(provider: &StripeBilling, plans: &[Plan]) {
    for step in provider.plan_catalog(plans).await.unwrap() {
        provider.apply(&step).await.unwrap();
    }
}

async fn process(
    store: &Arc<dyn TenantStore>,
    clock: &Arc<ManualClock>,
    ids: &Arc<SeededIds>,
    provider: StripeBilling,
    plan: &FaultPlan,
    metrics: Option<Arc<MemoryMetrics>>,
    plans: &[Plan],
) -> World {
    let host = HostCluster { sandbox: true, ..HostCluster::new(HostClusterName::parse("memory").unwrap()) };
    let fleet = Fleet::new().with(host, Arc::new(MemoryProvisioner::new(clock.clone(), Duration::ZERO)));
    let settings = Settings {
        billing: Terms { required: true, ..Terms::default() },
        ..Settings::new("https://hexabase.example")
    };
    let with = |builder: hexabase_core::PlatformBuilder| {
        let builder = metrics.into_iter().fold(builder, |builder, metrics| builder.with_metrics(metrics));
        builder
            .with_plans(plans.to_vec())
            .with_store(Arc::new(FaultyStore::new(store.clone(), plan.clone())))
            .with_clock(clock.clone())
            .with_ids(ids.clone())
            .with_fleet(fleet)
            .with_settings(settings)
            .with_master_key(MasterKey::new([7; 32]))
            .with_billing(Arc::new(provider))
    };
    World::with(with).await
}

/// Says where the platform is, for those who look past the API.
impl Desk {
    pub(crate) fn platform(&self) -> &Platform {
        &self.world.platform
    }

    pub(crate) fn stripe_billing(&self) -> StripeBilling {
        billing(&self.base, &self.clock, self.patience)
    }
}
