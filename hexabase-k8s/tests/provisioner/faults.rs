//! The lifecycle of a cluster completes although any single call to an API server fails.
//!
//! The kind of failure follows from the number of the call and a seed, `HEXABASE_TEST_SEED` (0 by default). Seven
//! consecutive seeds cover every kind of failure of every call.

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
use hexabase_k8s::{HostConfig, TenantConnector, VClusterProvisioner};
use http::Response;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::ListParams;
use kube::client::Body;
use serde_json::json;
use tokio::time::Instant;
use tower::{BoxError, Service as _};

use super::host_setup::{
    eventually, full_lifecycle, host_config, node_lifecycle, restricted_host, sandbox_with,
};

/// Kind of failure of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Response 429.
    TooManyRequests,
    /// Response 500.
    InternalError,
    /// Response 409, as after a concurrent change of the object.
    Conflict,
    /// The connection is refused.
    ConnectionRefused,
    /// The server executes the request, and the connection breaks before the response.
    LostResponse,
    /// The response is cut in half.
    TruncatedResponse,
    /// The server never responds.
    NoResponse,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::TooManyRequests,
        Self::InternalError,
        Self::Conflict,
        Self::ConnectionRefused,
        Self::LostResponse,
        Self::TruncatedResponse,
        Self::NoResponse,
    ];
}

/// Number and fault of the failing call, counted over all API servers.
#[derive(Debug, Clone)]
struct Plan {
    target: Option<(u64, Fault)>,
    calls: Arc<AtomicU64>,
}

impl Plan {
    fn new(target: Option<(u64, Fault)>) -> Self {
        Self { target, calls: Arc::default() }
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
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.target.filter(|(target, _)| *target == number).map(|(_, fault)| fault);
        match fault {
            Some(Fault::TooManyRequests) => return Ok(error_response(429)),
            Some(Fault::InternalError) => return Ok(error_response(500)),
            Some(Fault::Conflict) => return Ok(error_response(409)),
            Some(Fault::ConnectionRefused) => return Err("connection refused".into()),
            Some(Fault::NoResponse) => std::future::pending::<()>().await,
            _ => {}
        }
        let mut api = api.ok_or("connection refused")?;
        let response = api.call(request).await?;
        let (head, body) = response.into_parts();
        let mut bytes = body.collect().await?.to_bytes();
        match fault {
            Some(Fault::LostResponse) => return Err("connection reset".into()),
            Some(Fault::TruncatedResponse) => bytes.truncate(bytes.len() / 2),
            _ => {}
        }
        Ok(Response::from_parts(head, Body::from(bytes.to_vec())))
    }
}

fn error_response(code: u16) -> Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "injected fault", "code": code,
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

/// Operations on a cluster.
#[derive(Debug, Clone, Copy)]
enum Scenario {
    /// All operations except those on dedicated nodes.
    Lifecycle,
    /// Operations on dedicated nodes.
    Nodes,
}

/// Runs a scenario with the permissions that Hexabase has on a host, and checks that no namespace remains.
async fn run_scenario(plan: &Plan, scenario: Scenario) {
    let sandbox = sandbox_with(&host_setup(&HostConfig::default())).await;
    let host = restricted_host(&sandbox);
    let connector = Connector { sandbox: sandbox.clone(), plan: plan.clone() };
    let provisioner =
        VClusterProvisioner::new(plan.client(move || Some(host.clone())), Arc::new(connector), host_config());
    let result = match scenario {
        Scenario::Lifecycle => full_lifecycle(&sandbox, &provisioner).await,
        Scenario::Nodes => node_lifecycle(&sandbox, &provisioner).await,
    };
    result.unwrap_or_else(|error| panic!("{scenario:?}, {:?}: {error:?}", plan.target));
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(sandbox.host_client());
    let remaining = namespaces.list(&ListParams::default()).await.unwrap();
    let remaining: Vec<_> =
        remaining.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect();
    assert!(!remaining.iter().any(|name| name.starts_with("ws-")), "{:?}: {remaining:?}", plan.target);
}

async fn fail_each_call(fault: Fault) {
    let seed = std::env::var("HEXABASE_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    let kinds = Fault::ALL.len() as u64;
    for scenario in [Scenario::Lifecycle, Scenario::Nodes] {
        let counter = Plan::new(None);
        run_scenario(&counter, scenario).await;
        let calls = counter.calls.load(Ordering::SeqCst);
        assert!(calls > 100, "a scenario has only {calls} calls");
        for number in (0..calls).filter(|number| (number + seed) % kinds == fault as u64) {
            run_scenario(&Plan::new(Some((number, fault))), scenario).await;
        }
    }
}

macro_rules! each {
    ($($name:ident: $fault:ident,)+) => {
        $(
            // Paused time advances whenever all tasks wait.
            #[tokio::test(start_paused = true)]
            async fn $name() {
                fail_each_call(Fault::$fault).await;
            }
        )+

        #[test]
        fn every_fault_has_a_test() {
            assert_eq!([$(Fault::$fault),+], Fault::ALL);
        }
    };
}

each! {
    any_call_may_be_rate_limited: TooManyRequests,
    any_call_may_return_an_internal_error: InternalError,
    any_call_may_return_a_conflict: Conflict,
    any_connection_may_be_refused: ConnectionRefused,
    any_response_may_be_lost: LostResponse,
    any_response_may_be_truncated: TruncatedResponse,
    any_call_may_get_no_response: NoResponse,
}

/// Connector to a tenant that never responds.
#[derive(Debug)]
struct SilentConnector;

#[async_trait]
impl TenantConnector for SilentConnector {
    async fn connect(&self, _: &TenantTarget, _: &SecretString) -> Result<Client> {
        let service = tower::service_fn(|_: http::Request<Body>| {
            std::future::pending::<std::result::Result<Response<Body>, BoxError>>()
        });
        Ok(Client::new(service, "default"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_waits_only_once_for_a_silent_tenant() {
    let sandbox = sandbox_with(&[]).await;
    let tenant = fixture::tenant_cluster("shop");
    let working_provisioner =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
    eventually("applied", || async {
        working_provisioner.apply(&tenant).await.map(|applied| applied.tenant)
    })
    .await
    .unwrap();

    let host = sandbox.host_client();
    let provisioner = VClusterProvisioner::new(host, Arc::new(SilentConnector), HostConfig::default());
    let start = Instant::now();
    let observed = provisioner.observe(&tenant.target).await.unwrap();
    assert!(matches!(observed.control_plane, ControlPlaneState::Starting(_)), "{observed:?}");
    let observe_duration = start.elapsed();
    assert!(!provisioner.apply(&tenant).await.unwrap().tenant);
    assert_eq!(start.elapsed(), observe_duration);
    assert!(observe_duration <= Duration::from_secs(5), "{observe_duration:?}");
}
