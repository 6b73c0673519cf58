//! Looks at tenants of which nothing moved: they cost next to nothing, and nothing escapes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState, Observation};
use hexabase_k8s::render::{host_objects, host_setup};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostIdentity, HostSettings, Kind, Object, VClusterProvisioner};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::host_setup::{exposed_by, get, make_routes_known, path, prepared, restricted, send};

/// A tenant that is ready, and whoever watches its host.
struct Watched {
    sandbox: Sandbox,
    provisioner: Arc<VClusterProvisioner>,
    tenant: TenantCluster,
    /// How often the host was asked for something, to be watched included.
    asked: Arc<AtomicUsize>,
    _watching: JoinSet<()>,
}

/// Lets the sandbox and those who watch it take their turns.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A provisioner that watches its host and tells what was announced, and how often it asks the host for something.
fn watching_and(
    moved: impl Fn(&TenantTarget) + Send + Sync + 'static,
    sandbox: &Sandbox,
    client: Client,
    settings: HostSettings,
) -> (Arc<VClusterProvisioner>, Arc<AtomicUsize>, JoinSet<()>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = {
        let asked = asked.clone();
        tower::service_fn(move |request: http::Request<Body>| {
            asked.fetch_add(1, Ordering::Relaxed);
            let client = client.clone();
            async move { client.send(request).await }
        })
    };
    let client = Client::new(counting, "default");
    let provisioner = Arc::new(VClusterProvisioner::new(client, sandbox.connector(), settings));
    let mut watching = JoinSet::new();
    let watcher = provisioner.clone();
    watching.spawn(async move { watcher.watch(&moved).await });
    (provisioner, asked, watching)
}

impl Watched {
    async fn start() -> Self {
        let sandbox = Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
        Self::on(sandbox.clone(), sandbox.host_client(), HostSettings::default()).await
    }

    /// A tenant on a host that Hexabase speaks to by a client.
    async fn on(sandbox: Sandbox, client: Client, settings: HostSettings) -> Self {
        let (provisioner, asked, watching) = watching_and(|_| (), &sandbox, client, settings);
        let tenant = fixture::tenant_cluster("shop");
        while !provisioner.apply(&tenant).await.is_ok_and(|applied| applied.tenant) {
            a_moment().await;
        }
        // A tenant can be written to before its own controllers have done their first work.
        while provisioner.observe(&tenant.target).await.unwrap().control_plane != ControlPlaneState::Ready {
            a_moment().await;
        }
        Self { sandbox, provisioner, tenant, asked, _watching: watching }
    }

    /// A close look, as at a tenant of which nothing is known.
    async fn look(&self) {
        let observed = self.provisioner.observe(&self.tenant.target).await.unwrap();
        assert_eq!(observed.control_plane, ControlPlaneState::Ready);
        assert_eq!(self.provisioner.plan(&self.tenant).await.unwrap(), []);
    }

    async fn is_unchanged(&self) -> bool {
        self.provisioner.unchanged(&self.tenant).await.unwrap().is_some()
    }

    /// Looks until nothing moves any more.
    async fn settle(&self) {
        for _ in 0..1_000 {
            self.look().await;
            if self.is_unchanged().await {
                return;
            }
            a_moment().await;
        }
        panic!("it never settles");
    }

    /// Waits for word of a change to get about.
    async fn hears_of(&self, what: &str) {
        for _ in 0..1_000 {
            if !self.is_unchanged().await {
                return;
            }
            a_moment().await;
        }
        panic!("{what} went unnoticed");
    }
}

#[tokio::test]
async fn a_tenant_that_has_not_moved_costs_one_request() {
    let watched = Watched::start().await;
    watched.settle().await;
    let before = watched.asked.load(Ordering::Relaxed);
    assert!(watched.is_unchanged().await);
    assert_eq!(watched.asked.load(Ordering::Relaxed) - before, 1);
    let known = watched.provisioner.unchanged(&watched.tenant).await.unwrap().unwrap();
    assert_eq!(known, watched.provisioner.observe(&watched.tenant.target).await.unwrap());
}

#[tokio::test]
async fn whatever_moves_on_the_host_is_looked_at() {
    let watched = Watched::start().await;
    let admin = watched.sandbox.host_client();
    for object in host_objects(&watched.tenant, &HostSettings::default()).unwrap() {
        watched.settle().await;
        let place = format!("{}/{}", path(&object), object.name);
        let touched = json!({ "metadata": { "annotations": { "somebody": "was here" } } });
        assert_eq!(merge(&admin, &place, &touched).await, 200, "{place}");
        watched.hears_of(&place).await;
    }
    watched.settle().await;
    let secret = format!("/api/v1/namespaces/{0}/secrets/vc-{0}", watched.tenant.target.name);
    assert_eq!(merge(&admin, &secret, &json!({ "data": { "more": "bW9yZQ==" } })).await, 200);
    watched.hears_of("a new way in").await;
    watched.settle().await;
    let stray = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "stray", "labels": host_objects(&watched.tenant, &HostSettings::default()).unwrap()[0].body["metadata"]["labels"] },
    });
    let maps = format!("/api/v1/namespaces/{}/configmaps", watched.tenant.target.name);
    assert_eq!(send(&admin, "POST", &maps, &stray).await, 201);
    watched.hears_of("a stray").await;
}

async fn merge(client: &Client, place: &str, patch: &Value) -> u16 {
    let request = http::Request::patch(place).header("content-type", "application/merge-patch+json");
    client
        .send(request.body(Body::from(patch.to_string().into_bytes())).unwrap())
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn what_is_asked_for_anew_is_no_longer_what_there_is() {
    let watched = Watched::start().await;
    watched.settle().await;
    let larger =
        TenantCluster { isolation: hexabase_core::model::Isolation::Restricted, ..watched.tenant.clone() };
    assert_eq!(watched.provisioner.unchanged(&larger).await.unwrap(), None);
}

/// What may become of a watch on its way.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The server is in trouble.
    Failing,
    /// It has forgotten what came before.
    Gone,
    /// It tells of a version that is too old in the middle.
    GoneLater,
    /// It ends at once.
    Ending,
    /// It breaks off in the middle of a word.
    Broken,
    /// It makes no sense.
    Garbage,
}

fn gone() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old" })
}

impl Trouble {
    const ALL: [Self; 6] =
        [Self::Failing, Self::Gone, Self::GoneLater, Self::Ending, Self::Broken, Self::Garbage];

    /// What is answered instead of a watch.
    fn answer(self) -> http::Response<Body> {
        let answer = |code: u16, body: String| {
            let response = http::Response::builder().status(code).header("content-type", "application/json");
            response.body(Body::from(body.into_bytes())).unwrap()
        };
        match self {
            Self::Failing => answer(500, "oh dear".to_owned()),
            Self::Gone => answer(410, gone().to_string()),
            Self::GoneLater => answer(200, format!("{}\n", json!({ "type": "ERROR", "object": gone() }))),
            Self::Ending => answer(200, String::new()),
            Self::Broken => answer(200, r#"{"type":"MODIFIED","obj"#.to_owned()),
            Self::Garbage => answer(200, "<html></html>\n".to_owned()),
        }
    }
}

/// The host, of which every other watch comes to grief.
fn troubled(sandbox: &Sandbox, trouble: Trouble) -> Client {
    let (host, watches) = (sandbox.host_client(), Arc::new(AtomicUsize::new(0)));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let bad = watch && watches.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let host = host.clone();
        async move { if bad { Ok(trouble.answer()) } else { host.send(request).await } }
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_comes_to_grief_hides_nothing() {
    for trouble in Trouble::ALL {
        let sandbox = Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
        let host = troubled(&sandbox, trouble);
        let watched = Watched::on(sandbox, host, HostSettings::default()).await;
        let admin = watched.sandbox.host_client();
        for round in 0..5 {
            // Those that come to grief are tried again soon.
            tokio::time::sleep(Duration::from_secs(30)).await;
            watched.settle().await;
            let name = &watched.tenant.target.name;
            let service = format!("/api/v1/namespaces/{name}/services/{name}");
            let change = json!({ "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": 9_000 + round }] } });
            assert_eq!(merge(&admin, &service, &change).await, 200);
            watched.hears_of(&format!("a change in spite of {trouble:?}")).await;
            assert_ne!(watched.provisioner.plan(&watched.tenant).await.unwrap(), [], "{trouble:?}");
            watched.provisioner.apply(&watched.tenant).await.unwrap();
            // The watches that are well end sooner or later, and the next ones come to grief.
            tokio::time::sleep(Duration::from_secs(400)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_watches_is_looked_at_from_time_to_time() {
    let watched = Watched::start().await;
    watched.settle().await;
    tokio::time::sleep(Duration::from_secs(1_700)).await;
    assert!(watched.is_unchanged().await);
    tokio::time::sleep(Duration::from_secs(101)).await;
    assert!(!watched.is_unchanged().await);
}

const INGRESS: &str = "ingress/passthrough";
const GATEWAY: &str = "gateway/edge/tenants";

/// Whether tenants that are exposed in this way settle where Hexabase has these rights.
async fn settles(access: Vec<Object>, exposure: &'static str) -> bool {
    let sandbox = prepared(&access).await;
    make_routes_known(&sandbox).await;
    let host = Client::new(restricted(&sandbox), "default");
    let watched = Watched::on(sandbox, host, exposed_by(exposure)).await;
    let mut known = 0;
    for _ in 0..20 {
        // Between a list and a watch that is refused all seems well for a moment.
        known = if watched.is_unchanged().await { known + 1 } else { 0 };
        if known == 5 {
            return true;
        }
        watched.look().await;
        a_moment().await;
    }
    false
}

#[tokio::test]
async fn where_watching_is_not_allowed_everything_is_asked_for() {
    let mut access = host_setup(&HostIdentity::default());
    for exposure in ["internal", INGRESS, GATEWAY] {
        assert!(settles(access.clone(), exposure).await);
    }
    access.retain(|object| object.name != "hexabase-watch");
    assert!(!settles(access, "internal").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_watched_in_vain_and_no_secret_at_all() {
    let access = host_setup(&HostIdentity::default());
    let watching = |object: &Object| object.kind == Kind::CLUSTER_ROLE && object.name == "hexabase-watch";
    let place = access.iter().position(watching).unwrap();
    let rules = access[place].body["rules"].as_array().unwrap().clone();
    assert!(rules.iter().all(|rule| rule["resources"] != json!(["secrets"])));
    let mut lives = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        for (without, left) in [("list", "watch"), ("watch", "list")] {
            let mut less = access.clone();
            less[place].body["rules"][number]["verbs"] = json!([left]);
            let exposure = if rule["resources"] == json!(["tlsroutes"]) { GATEWAY } else { INGRESS };
            lives.push((format!("{without} {}", rule["resources"]), tokio::spawn(settles(less, exposure))));
        }
    }
    for (what, settled) in lives {
        assert!(!settled.await.unwrap(), "{what} is not needed");
    }
}

/// A tenant that somebody orders on a host that is watched, and looks at when that is worth it.
struct Ordered {
    sandbox: Sandbox,
    provisioner: Arc<VClusterProvisioner>,
    tenant: TenantCluster,
    asked: Arc<AtomicUsize>,
    told: UnboundedReceiver<TenantTarget>,
    _watching: JoinSet<()>,
}

impl Ordered {
    /// On a host on which control planes take so long to come up.
    fn start(startup: Duration) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { startup, ..SandboxOptions::default() });
        let client = sandbox.host_client();
        let (tell, told) = unbounded_channel();
        let tell = move |target: &TenantTarget| tell.send(target.clone()).unwrap();
        let (provisioner, asked, watching) = watching_and(tell, &sandbox, client, HostSettings::default());
        let tenant = fixture::tenant_cluster("shop");
        Self { sandbox, provisioner, tenant, asked, told, _watching: watching }
    }

    async fn observed(&self) -> Observation {
        self.provisioner.observe(&self.tenant.target).await.unwrap()
    }

    /// Waits until another look is worth it.
    async fn wait_after(&mut self, observation: &Observation) {
        match observation.announced {
            true => assert_eq!(self.told.recv().await.as_ref(), Some(&self.tenant.target)),
            false => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }

    /// Looks until it is ready, and says how often what was to come was announced.
    async fn becomes_ready(&mut self) -> usize {
        let mut announced = 0;
        loop {
            let observation = self.observed().await;
            let applied = self.provisioner.apply(&self.tenant).await.unwrap();
            if observation.control_plane == ControlPlaneState::Ready && applied.tenant {
                return announced;
            }
            announced += usize::from(observation.announced);
            self.wait_after(&observation).await;
        }
    }

    async fn is_told(&mut self, place: &str) {
        let told = tokio::time::timeout(Duration::from_secs(60), self.told.recv()).await;
        assert_eq!(
            told.unwrap_or_else(|_| panic!("nobody was told of {place}")),
            Some(self.tenant.target.clone())
        );
    }

    /// Looks until it is all it should be, and nothing is told any more.
    async fn is_up_and_quiet(&mut self) {
        loop {
            self.becomes_ready().await;
            a_moment().await;
            let quiet = self.told.try_recv().is_err();
            if quiet && self.provisioner.plan(&self.tenant).await.unwrap().is_empty() {
                return;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_when_a_tenant_gets_further() {
    let mut ordered = Ordered::start(Duration::from_secs(60));
    let begun = tokio::time::Instant::now();
    assert!(ordered.becomes_ready().await > 0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(65), "{took:?}");
    let requests = ordered.asked.load(Ordering::Relaxed);
    assert!(requests < 150, "{requests} requests until it was there");
    assert!(ordered.observed().await.announced, "what happens to it from now on is told as well");

    ordered.provisioner.delete(&ordered.tenant.target).await.unwrap();
    loop {
        let observation = ordered.observed().await;
        if observation.control_plane == ControlPlaneState::Absent {
            break;
        }
        ordered.wait_after(&observation).await;
    }
    ordered.provisioner.apply(&ordered.tenant).await.unwrap();
    assert!(matches!(ordered.observed().await.control_plane, ControlPlaneState::Starting { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_goes_away_while_a_tenant_starts_is_made_again() {
    let mut ordered = Ordered::start(Duration::from_secs(20));
    ordered.provisioner.apply(&ordered.tenant).await.unwrap();
    let name = ordered.tenant.target.name.clone();
    let admin = ordered.sandbox.host_client();
    for place in [
        format!("/apis/apps/v1/namespaces/{name}/statefulsets/{name}"),
        format!("/api/v1/namespaces/{name}/services/{name}"),
    ] {
        while !ordered.observed().await.announced {
            a_moment().await;
        }
        assert_eq!(send(&admin, "DELETE", &place, &json!({})).await, 200, "{place}");
        assert_eq!(ordered.told.recv().await.as_ref(), Some(&ordered.tenant.target), "{place}");
        ordered.provisioner.apply(&ordered.tenant).await.unwrap();
        assert_eq!(send(&admin, "GET", &place, &json!({})).await, 200, "{place}");
    }
    ordered.becomes_ready().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_when_something_of_a_tenant_is_taken_away_or_a_wall_is_moved() {
    let mut ordered = Ordered::start(Duration::ZERO);
    let admin = ordered.sandbox.host_client();
    let objects = host_objects(&ordered.tenant, &HostSettings::default()).unwrap();
    // Secrets are not watched, and what falls with the others cannot be made again without the tenant.
    let others = [Kind::NAMESPACE, Kind::SECRET, Kind::SERVICE, Kind::STATEFUL_SET];
    for object in objects.iter().filter(|object| !others.contains(&object.kind)) {
        let place = format!("{}/{}", path(object), object.name);
        ordered.is_up_and_quiet().await;
        assert_eq!(send(&admin, "DELETE", &place, &json!({})).await, 200, "{place}");
        ordered.is_told(&place).await;
        ordered.is_up_and_quiet().await;
        assert_eq!(send(&admin, "GET", &place, &json!({})).await, 200, "{place}");
        if object.kind == Kind::NETWORK_POLICY {
            let open = json!({ "spec": { "ingress": [{}], "egress": [{}] } });
            assert_eq!(merge(&admin, &place, &open).await, 200, "{place}");
            ordered.is_told(&place).await;
            ordered.provisioner.apply(&ordered.tenant).await.unwrap();
            assert_eq!(ordered.provisioner.plan(&ordered.tenant).await.unwrap(), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_lost_what_leads_into_it_is_started_anew_and_not_before_it_had_its_time() {
    let mut ordered = Ordered::start(Duration::from_secs(10));
    let name = ordered.tenant.target.name.clone();
    let admin = ordered.sandbox.host_client();
    for place in [format!("secrets/vc-{name}"), format!("services/{name}")] {
        ordered.is_up_and_quiet().await;
        let place = format!("/api/v1/namespaces/{name}/{place}");
        assert_eq!(send(&admin, "DELETE", &place, &json!({})).await, 200, "{place}");
        let begun = tokio::time::Instant::now();
        while ordered.observed().await.control_plane == ControlPlaneState::Ready {
            a_moment().await;
        }
        while ordered.observed().await.control_plane != ControlPlaneState::Ready {
            ordered.provisioner.apply(&ordered.tenant).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let took = begun.elapsed().as_secs();
        assert!((120..240).contains(&took), "{took} seconds after {place} was lost");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_can_hand_out_nothing_is_started_anew_ever_less_often() {
    let mut ordered = Ordered::start(Duration::ZERO);
    ordered.is_up_and_quiet().await;
    let name = ordered.tenant.target.name.clone();
    let admin = ordered.sandbox.host_client();
    let (secret, pod) = (
        format!("/api/v1/namespaces/{name}/secrets/vc-{name}"),
        format!("/api/v1/namespaces/{name}/pods/{name}-0"),
    );
    let (mut starts, mut uid) = (Vec::new(), Value::Null);
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(3_600) {
        send(&admin, "DELETE", &secret, &json!({})).await;
        ordered.provisioner.apply(&ordered.tenant).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let now = get(&admin, &pod).await["metadata"]["uid"].take();
        if now != uid {
            starts.push(begun.elapsed());
            uid = now;
        }
    }
    let waits: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() >= 3 && waits.is_sorted(), "{waits:?}");
    assert!(waits.len() <= 5, "{waits:?}");
}

#[tokio::test]
async fn where_nobody_watches_nothing_is_announced() {
    let sandbox =
        Sandbox::start(SandboxOptions { startup: Duration::from_secs(60), ..SandboxOptions::default() });
    let provisioner =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
    let tenant = fixture::tenant_cluster("shop");
    provisioner.apply(&tenant).await.unwrap();
    let observed = provisioner.observe(&tenant.target).await.unwrap();
    assert!(matches!(observed.control_plane, ControlPlaneState::Starting { .. }));
    assert!(!observed.announced);
}
