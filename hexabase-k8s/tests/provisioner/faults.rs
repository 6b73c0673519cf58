//! Every call to an API server goes wrong once, and the cluster's life goes on.
//!
//! How it goes wrong follows from its number and a seed: `HEXABASE_TEST_SEED`, or the same every time. Every call has
//! gone wrong in every way when seven seeds in a row have passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::secret::SecretString;
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::{Sandbox, SandboxApi};
use hexabase_k8s::{HostIdentity, HostSettings, TenantConnector, VClusterProvisioner};
use http::Response;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::ListParams;
use kube::client::Body;
use serde_json::json;
use tokio::time::Instant;
use tower::{BoxError, Service as _};

use super::host_setup::{have_nodes, live, prepared, restricted, settings, until};

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The server asks for patience.
    TooManyRequests,
    /// The server fails.
    InternalError,
    /// Somebody else changed the object a moment ago.
    Conflict,
    /// Nobody is there.
    Refused,
    /// The server does what was asked for, and the connection breaks before it says so.
    LostAnswer,
    /// The answer ends in the middle.
    HalfAnAnswer,
    /// The server never answers.
    Silence,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::TooManyRequests,
        Self::InternalError,
        Self::Conflict,
        Self::Refused,
        Self::LostAnswer,
        Self::HalfAnAnswer,
        Self::Silence,
    ];
}

/// Which call goes wrong, over all API servers.
#[derive(Debug, Clone)]
struct Plan {
    target: Option<(u64, Fault)>,
    passed: Arc<AtomicU64>,
}

impl Plan {
    fn new(target: Option<(u64, Fault)>) -> Self {
        Self { target, passed: Arc::default() }
    }

    fn client(&self, api: impl Fn() -> Option<SandboxApi> + Send + Sync + 'static) -> Client {
        let plan = self.clone();
        let service = tower::service_fn(move |request| plan.clone().call(api(), request));
        Client::new(service, "default")
    }

    async fn call(
        self,
        api: Option<SandboxApi>,
        request: http::Request<Body>,
    ) -> std::result::Result<Response<Body>, BoxError> {
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        let fault = self.target.filter(|(target, _)| *target == number).map(|(_, fault)| fault);
        match fault {
            Some(Fault::TooManyRequests) => return Ok(failure(429)),
            Some(Fault::InternalError) => return Ok(failure(500)),
            Some(Fault::Conflict) => return Ok(failure(409)),
            Some(Fault::Refused) => return Err("connection refused".into()),
            Some(Fault::Silence) => std::future::pending::<()>().await,
            _ => {}
        }
        let mut api = api.ok_or("connection refused")?;
        let answer = api.call(request).await?;
        let (head, body) = answer.into_parts();
        let mut whole = body.collect().await?.to_bytes();
        match fault {
            Some(Fault::LostAnswer) => return Err("connection reset".into()),
            Some(Fault::HalfAnAnswer) => whole.truncate(whole.len() / 2),
            _ => {}
        }
        Ok(Response::from_parts(head, Body::from(whole.to_vec())))
    }
}

fn failure(code: u16) -> Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "not now", "code": code,
    });
    Response::builder().status(code).body(Body::from(status.to_string().into_bytes())).unwrap()
}

#[derive(Debug)]
struct Connector {
    sandbox: Sandbox,
    plan: Plan,
}

#[async_trait]
impl TenantConnector for Connector {
    async fn connect(&self, target: &TenantTarget, _: &SecretString) -> Result<Client> {
        let (sandbox, name) = (self.sandbox.clone(), target.name.clone());
        Ok(self.plan.client(move || sandbox.tenant(&name)))
    }
}

/// What is done with a cluster.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// Everything but what is done with nodes.
    Whole,
    /// What is done with nodes of its own.
    Nodes,
}

/// A cluster's life with Hexabase in its rights, at the end of which nothing is left.
async fn live_with(plan: &Plan, life: Life) {
    let sandbox = prepared(&host_setup(&HostIdentity::default())).await;
    let host = restricted(&sandbox);
    let connector = Connector { sandbox: sandbox.clone(), plan: plan.clone() };
    let provisioner =
        VClusterProvisioner::new(plan.client(move || Some(host.clone())), Arc::new(connector), settings());
    let lived = match life {
        Life::Whole => live(&sandbox, &provisioner).await,
        Life::Nodes => have_nodes(&sandbox, &provisioner).await,
    };
    lived.unwrap_or_else(|error| panic!("{life:?}, {:?}: {error:?}", plan.target));
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(sandbox.host_client());
    let left = namespaces.list(&ListParams::default()).await.unwrap();
    let left: Vec<_> = left.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect();
    assert!(!left.iter().any(|name| name.starts_with("ws-")), "{:?}: {left:?}", plan.target);
}

async fn every_call_goes_wrong(fault: Fault) {
    let seed = std::env::var("HEXABASE_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    let ways = Fault::ALL.len() as u64;
    for life in [Life::Whole, Life::Nodes] {
        let counting = Plan::new(None);
        live_with(&counting, life).await;
        let calls = counting.passed.load(Ordering::SeqCst);
        assert!(calls > 100, "a life has only {calls} calls");
        for number in (0..calls).filter(|number| (number + seed) % ways == fault as u64) {
            live_with(&Plan::new(Some((number, fault))), life).await;
        }
    }
}

macro_rules! each {
    ($($name:ident: $fault:ident,)+) => {
        $(
            // Whoever waits is not waited for: time passes when there is nothing else to do.
            #[tokio::test(start_paused = true)]
            async fn $name() {
                every_call_goes_wrong(Fault::$fault).await;
            }
        )+

        #[test]
        fn every_fault_has_its_test() {
            assert_eq!([$(Fault::$fault),+], Fault::ALL);
        }
    };
}

each! {
    any_call_may_be_put_off: TooManyRequests,
    any_call_may_fail: InternalError,
    any_call_may_come_too_late: Conflict,
    any_call_may_find_nobody: Refused,
    any_answer_may_get_lost: LostAnswer,
    any_answer_may_break_off: HalfAnAnswer,
    any_call_may_get_no_answer: Silence,
}

/// Leads to nobody who ever answers.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl TenantConnector for Nowhere {
    async fn connect(&self, _: &TenantTarget, _: &SecretString) -> Result<Client> {
        let silence = tower::service_fn(|_: http::Request<Body>| {
            std::future::pending::<std::result::Result<Response<Body>, BoxError>>()
        });
        Ok(Client::new(silence, "default"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_silent_tenant_waits_for_it_once() {
    let sandbox = prepared(&[]).await;
    let tenant = fixture::tenant_cluster("shop");
    let honest =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
    until("applied", || async { honest.apply(&tenant).await.map(|applied| applied.tenant) }).await.unwrap();

    let host = sandbox.host_client();
    let provisioner = VClusterProvisioner::new(host, Arc::new(Nowhere), HostSettings::default());
    let begun = Instant::now();
    let observed = provisioner.observe(&tenant.target).await.unwrap();
    assert!(matches!(observed.control_plane, ControlPlaneState::Starting { .. }), "{observed:?}");
    let waited = begun.elapsed();
    assert!(!provisioner.apply(&tenant).await.unwrap().tenant);
    assert_eq!(begun.elapsed(), waited);
    assert!(waited <= Duration::from_secs(5), "{waited:?}");
}
