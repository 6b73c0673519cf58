//! The one place that names backends: from settings to a server that works.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use hexabase_auth::upstream::TrustedIssuers;
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_billing::StripeBilling;
use hexabase_core::Platform;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::SystemIds;
use hexabase_core::identity::IdentityProvider;
use hexabase_core::model::Plan;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::PlatformBuilder;
use hexabase_core::provisioner::{ClusterProvisioner, Fleet};
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{
    HostSettings, PrometheusMetrics, ServiceConnector, VClusterHosts, VClusterProvisioner, patient,
};
use hexabase_store::{NatsQueue, PostgresStore, RedisEphemeral, SqliteStore};
use kube::config::{KubeConfigOptions, Kubeconfig};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::app::{App, AppParts, Entry};
use crate::certificate::{self, Authority};
use crate::listener::Speech;
use crate::mail::MailFolder;
use crate::settings::{Cluster, Database, Settings, with_suffix};
use crate::{api, gate};

/// Everything a process is made of.
pub(crate) struct Composed {
    /// What the HTTP API works with.
    pub(crate) app: App,
    /// Who does the work.
    pub(crate) worker: Worker,
    /// What is spoken on the port.
    pub(crate) speech: Speech,
}

impl Composed {
    /// Everything the server answers.
    pub(crate) fn router(&self) -> Router {
        let api = api::router(self.app.clone());
        match &self.app.sandbox {
            Some(sandbox) => gate::guarded(&self.app, sandbox.clone()).fallback_service(api),
            None => api,
        }
    }
}

/// Puts a process together that listens on `address`.
///
/// # Errors
/// Whatever is wrong with the settings, as `Invalid`, and backends that do not answer, as `Unavailable`.
pub(crate) async fn compose(
    settings: Settings,
    address: SocketAddr,
    stopping: watch::Receiver<bool>,
    metrics: Option<PrometheusHandle>,
) -> Result<Composed> {
    let public_url = settings.public_url.clone().unwrap_or_else(|| format!("http://{}", reachable(address)));
    let foundation = foundation(&settings, &public_url).await?;
    let authority = match settings.cluster {
        Cluster::Sandbox if settings.tls.is_none() => {
            Some(Authority::kept(&with_suffix(&settings.beside, "ca.key"))?)
        }
        _ => None,
    };
    let (provisioner, sandbox) = match authority {
        // Without a certificate of its own the sandbox is reached as the server is.
        None => provisioner(&settings, &public_url, None).await?,
        Some(ref authority) => {
            let base = format!("https://{}", reachable(address));
            provisioner(&settings, &base, Some(authority.certificate.clone())).await?
        }
    };
    let host = HostCluster {
        region: settings.host_region.clone(),
        capacity: settings.host_capacity,
        sandbox: sandbox.is_some(),
        ..HostCluster::new(settings.host_name.clone())
    };
    if sandbox.is_some() {
        // The sandbox of the last run is gone: everything in it is made again.
        let due = foundation.store.make_due(&host.name, SystemClock.now()).await?;
        tracing::info!(workspaces = due, "the sandbox is empty and is filled again");
    }

    let registered = Arc::new(VClusterHosts::new(settings.host.clone()));
    let fleet = Fleet::new().with(host, provisioner).with_connector(registered);
    let mut builder = foundation.builder.with_fleet(fleet);
    if let Some(folder) = &settings.mail_directory {
        let folder = MailFolder::new(folder.clone(), Arc::new(SystemClock), Arc::new(SystemIds::default()));
        builder = builder.with_notifier(Arc::new(folder));
    }
    let platform = builder.build()?;

    let dev = settings.dev.then(|| DevProvider::new(platform.clone())).transpose()?.map(Arc::new);
    let mut providers = settings.parties.providers;
    providers.extend(dev.iter().map(|dev| dev.clone() as Arc<dyn IdentityProvider>));
    if providers.is_empty() {
        tracing::warn!("nobody can sign in: no provider is set");
    }
    let config = AuthConfig {
        sessions_per_user: settings.sessions_per_user,
        signing_keys: settings.signing_keys,
        ..AuthConfig::default()
    };
    let auth = Auth::new(platform.clone(), providers, config).await?;
    let workloads = TrustedIssuers::new(settings.parties.trusts, Arc::new(SystemClock))?;
    let auth = auth.with_clients(settings.parties.clients).with_workloads(Arc::new(workloads));

    let speech = match (&settings.tls, authority) {
        (Some((chain, key)), _) => Speech::Tls(certificate::from_files(chain, key)?),
        (None, Some(authority)) => Speech::Either(authority.serve(address.ip())?),
        (None, None) => Speech::Plain,
    };
    let worker = Worker::new(platform.clone(), settings.concurrency);
    let app = App::assemble(AppParts {
        dev,
        entry: Entry {
            trusted_proxies: settings.trusted_proxies,
            requests_per_minute: settings.requests_per_minute,
            sign_ins_per_minute: settings.sign_ins_per_minute,
            platform_admins: settings.platform_admins,
            ..Entry::default()
        },
        backends: [
            foundation.backends.as_slice(),
            &[
                ("provisioner", if sandbox.is_some() { "sandbox" } else { "vcluster" }),
                ("billing", platform.billing_provider().name()),
                ("metrics", platform.metrics_source().map_or("none", |source| source.name())),
            ],
        ]
        .concat(),
        sandbox,
        metrics,
        stopping,
        ..AppParts::new(platform, auth)
    });
    Ok(Composed { app, worker, speech })
}

/// Everything but the cluster: for those who look after the rest.
///
/// # Errors
/// As [`compose`].
pub(crate) async fn operate(settings: &Settings) -> Result<Auth> {
    // Nobody is sent anywhere from here.
    let public_url = settings.public_url.as_deref().unwrap_or("http://localhost");
    let platform = foundation(settings, public_url).await?.builder.build()?;
    Auth::new(platform, Vec::new(), AuthConfig::default()).await
}

/// Everything but the cluster and those who sign in: for those who look at the books.
///
/// # Errors
/// As [`compose`].
pub(crate) async fn books(settings: &Settings) -> Result<Platform> {
    foundation(settings, "http://localhost").await?.builder.build()
}

/// What everything else stands on.
struct Foundation {
    builder: PlatformBuilder,
    store: Arc<dyn TenantStore>,
    /// What its parts are called.
    backends: [(&'static str, &'static str); 3],
}

async fn foundation(settings: &Settings, public_url: &str) -> Result<Foundation> {
    let (store, store_is) = store(&settings.database).await?;
    let mut behaviour = hexabase_core::platform::Settings {
        organization_rate: settings.organization_rate,
        billing: settings.terms,
        ..hexabase_core::platform::Settings::new(public_url)
    };
    behaviour.issuer.certificate_authority =
        settings.issuer_ca.as_deref().map(|file| certificate::authority("issuer_ca", file)).transpose()?;
    let mut builder = Platform::builder(public_url)
        .with_settings(behaviour)
        .with_store(store.clone())
        .with_master_key(settings.master_key.key(&SystemIds::default())?)
        .with_plans(plans(settings.plans.as_deref())?);
    if let Some(stripe) = stripe(settings)? {
        builder = builder.with_billing(Arc::new(stripe));
    }
    if let Some(prometheus) = &settings.prometheus {
        builder = builder.with_metrics(Arc::new(PrometheusMetrics::new(prometheus)?));
    }
    let (mut ephemeral, mut queue) = ("memory", "memory");
    if let Some(redis) = &settings.redis {
        builder = builder.with_ephemeral(Arc::new(RedisEphemeral::connect(redis).await?));
        ephemeral = "redis";
    }
    if let Some(nats) = &settings.nats {
        builder = builder.with_queue(Arc::new(NatsQueue::connect(nats.clone()).await?));
        queue = "nats";
    }
    Ok(Foundation {
        builder,
        store,
        backends: [("store", store_is), ("ephemeral", ephemeral), ("queue", queue)],
    })
}

/// The system of record, and what it is called.
async fn store(database: &Database) -> Result<(Arc<dyn TenantStore>, &'static str)> {
    Ok(match database {
        Database::Sqlite(file) => (Arc::new(SqliteStore::open(file).await?), "sqlite"),
        Database::Postgres(settings) => (Arc::new(PostgresStore::connect(settings).await?), "postgres"),
    })
}

/// Brings the database up to date.
///
/// # Errors
/// `Unavailable` when it cannot be reached, `Conflict` when it was made by another build.
pub(crate) async fn migrate(database: &Database) -> Result<()> {
    match database {
        Database::Sqlite(file) => SqliteStore::open(file).await.map(drop),
        Database::Postgres(settings) => PostgresStore::migrate(settings).await,
    }
}

/// The address that a client on this machine connects to: listening everywhere includes here.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        false => address,
    }
}

/// Whoever takes money, if anybody does.
///
/// # Errors
/// `Invalid` for a key that is none.
pub(crate) fn stripe(settings: &Settings) -> Result<Option<StripeBilling>> {
    let made = settings.stripe.as_ref().map(|stripe| StripeBilling::new(stripe, Arc::new(SystemClock)));
    made.transpose()
}

/// The plans of the installation.
///
/// # Errors
/// `Invalid` for a file that is missing or says what cannot be.
pub(crate) fn plans(file: Option<&Path>) -> Result<Vec<Plan>> {
    let Some(file) = file else { return Ok(hexabase_billing::plans::built_in()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::invalid("plans", format!("{} cannot be read: {error}", file.display())))?;
    hexabase_billing::plans::parse(&text)
}

/// What makes tenant clusters, and the sandbox that it makes them in if it does. A sandbox is reached at `base`,
/// with a certificate of `authority` if it is not a public one.
async fn provisioner(
    settings: &Settings,
    base: &str,
    authority: Option<String>,
) -> Result<(Arc<dyn ClusterProvisioner>, Option<Sandbox>)> {
    let host = settings.host.clone();
    let unusable = |message: String| Error::invalid("kubeconfig", message);
    let config = match &settings.cluster {
        Cluster::Sandbox => {
            let sandbox = Sandbox::start(SandboxOptions {
                tenants_url: Some(format!("{base}{}", gate::TENANTS)),
                certificate_authority: authority,
                ..SandboxOptions::default()
            });
            let host = HostSettings { endpoint: sandbox.endpoint(), ..host };
            let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), host);
            return Ok((Arc::new(provisioner), Some(sandbox)));
        }
        Cluster::Kubeconfig(file) => {
            let named = |error| unusable(format!("{} cannot be used: {error}", file.display()));
            let parsed = Kubeconfig::read_from(file).map_err(named)?;
            kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
                .await
                .map_err(named)?
        }
        Cluster::Environment => kube::Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .map_err(|error| unusable(format!("what KUBECONFIG names cannot be used: {error}")))?,
    };
    let client = kube::Client::try_from(patient(config))
        .map_err(|error| unusable("makes no client".to_owned()).caused_by(error))?;
    let tenants = Arc::new(ServiceConnector::new(&host));
    Ok((Arc::new(VClusterProvisioner::new(client, tenants, host)), None))
}
