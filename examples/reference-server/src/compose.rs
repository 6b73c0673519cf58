//! Composition of the backends according to the configuration. No other module names a backend.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use hexabase_api::{ApiConfig, ApiState, MetricsAccess};
use hexabase_auth::upstream::TrustedIssuers;
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_billing::StripeBilling;
use hexabase_console::{Console, ConsoleConfig};
use hexabase_core::Platform;
use hexabase_core::alerts::MemoryAlerts;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::SystemIds;
use hexabase_core::identity::IdentityProvider;
use hexabase_core::logs::MemoryLogs;
use hexabase_core::metrics::SandboxMetrics;
use hexabase_core::model::Plan;
use hexabase_core::notifier::{NotificationConfig, Notifier};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{CredentialPlugin, PlatformBuilder, PlatformConfig};
use hexabase_core::provisioner::{ClusterProvisioner, Fleet};
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_k8s::render::{host_setup, manifest};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{
    Alertmanager, HostConfig, LokiLogs, PrometheusMetrics, ServiceConnector, VClusterHosts,
    VClusterProvisioner, with_timeouts,
};
use hexabase_mail::{MailComposer, SmtpNotifier, TemplateConfig, Templates};
use hexabase_store::{NatsQueue, PostgresConfig, PostgresStore, RedisEphemeral, SqliteStore};
use kube::config::{KubeConfigOptions, Kubeconfig};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::certificate::{self, DevelopmentAuthority};
use crate::config::{Cluster, ProcessConfig, with_suffix};
use crate::database::Database;
use crate::listener::ListenerProtocol;
use crate::mail::{MailConfig, MailFolder, MailTransport};
use crate::sandbox_proxy;
use crate::trace_export::ExportedSpans;

/// Components of a server process.
pub(crate) struct Composition {
    /// State of the HTTP API.
    pub(crate) api: ApiState,
    /// Web console over the API.
    console: Console,
    /// Sandbox that stands in for the host cluster; `None` if there is a real one.
    pub(crate) sandbox: Option<Sandbox>,
    /// Worker over the same platform.
    pub(crate) worker: Worker,
    /// Protocol of the port.
    pub(crate) protocol: ListenerProtocol,
}

impl Composition {
    /// Returns the router of the HTTP API, of the console and, with a sandbox, of its Kubernetes APIs.
    pub(crate) fn router(&self) -> Router {
        let api = hexabase_api::router(self.api.clone()).merge(self.console.router(&self.api));
        match &self.sandbox {
            Some(sandbox) => sandbox_proxy::authenticated(&self.api, sandbox.clone()).fallback_service(api),
            None => api,
        }
    }
}

/// Composes a process that listens on `address`.
///
/// # Errors
/// `Invalid` for an invalid configuration, and `Unavailable` if a backend does not respond.
pub(crate) async fn compose(
    config: ProcessConfig,
    address: SocketAddr,
    stopping: watch::Receiver<bool>,
    metrics: PrometheusHandle,
    metrics_access: MetricsAccess,
) -> Result<Composition> {
    let public_url =
        config.public_url.clone().unwrap_or_else(|| format!("http://{}", reachable_address(address)));
    let backends = connect_backends(&config, &public_url).await?;
    let authority = match config.cluster {
        Cluster::Sandbox if config.tls.is_none() => {
            Some(DevelopmentAuthority::load_or_create(&with_suffix(&config.state_path, "ca.key"))?)
        }
        _ => None,
    };
    let (provisioner, sandbox) = match authority {
        // Clients reach the sandbox under the server's own URL.
        None => provisioner(&config, &public_url, None).await?,
        Some(ref authority) => {
            let base_url = format!("https://{}", reachable_address(address));
            provisioner(&config, &base_url, Some(authority.certificate.clone())).await?
        }
    };
    let host = host_cluster(&config, sandbox.is_some());
    if sandbox.is_some() {
        // The sandbox of the previous process is gone, so all of its workspaces are applied again.
        let due = backends.store.make_due(&host.name, SystemClock.now()).await?;
        tracing::info!(workspaces = due, "sandbox is empty; all workspaces are reconciled");
    }

    let fleet = fleet(&config, host, provisioner);
    let mut builder = backends.builder.with_fleet(fleet);
    if let Some(notifier) = notifier(&config.mail, &public_url)? {
        builder = builder.with_notifier(notifier);
    }
    if config.traces.is_some() {
        builder = builder.with_trace_propagation(Arc::new(ExportedSpans));
    }
    let platform = builder.build()?;

    let dev = config.dev.then(|| DevProvider::new(platform.clone())).transpose()?.map(Arc::new);
    let mut providers = config.sign_in.providers;
    providers.extend(dev.iter().map(|dev| dev.clone() as Arc<dyn IdentityProvider>));
    if providers.is_empty() {
        tracing::warn!("no sign-in provider is configured; users cannot sign in");
    }
    let auth_config = AuthConfig {
        sessions_per_user: config.sessions_per_user,
        signing_key_rotation: config.signing_key_rotation,
        ..AuthConfig::default()
    };
    let auth = Auth::new(platform.clone(), providers, auth_config).await?;
    let workloads = TrustedIssuers::new(config.sign_in.trusts, Arc::new(SystemClock))?;
    let auth = auth.with_clients(config.sign_in.clients).with_workloads(Arc::new(workloads));

    let protocol = match (&config.tls, authority) {
        (Some((chain, key)), _) => ListenerProtocol::Tls(certificate::from_files(chain, key)?),
        (None, Some(authority)) => ListenerProtocol::Either(authority.acceptor(address.ip())?),
        (None, None) => ListenerProtocol::Plain,
    };
    let worker = Worker::new(platform.clone(), config.concurrency);
    let backends = [
        backends.names.as_slice(),
        &[
            ("provisioner", if sandbox.is_some() { "sandbox" } else { "vcluster" }),
            ("billing", platform.billing_provider().name()),
            ("metrics", platform.metrics_source().map_or("none", |source| source.name())),
            ("alerts", platform.alert_source().map_or("none", |source| source.name())),
            ("logs", platform.log_source().map_or("none", |source| source.name())),
        ],
    ]
    .concat();
    let identity = config.host.identity.clone().unwrap_or_default();
    let setup = host_setup(&HostConfig { identity: Some(identity), ..config.host.clone() });
    let console = Console::new(ConsoleConfig {
        product: config.mail.product_name.clone(),
        host_setup: Some(manifest(&setup)?),
        ..ConsoleConfig::default()
    });
    let mut api = ApiState::builder(platform, auth)
        .with_pages(console.pages())
        .with_config(ApiConfig {
            product: config.mail.product_name,
            trusted_proxies: config.trusted_proxies,
            requests_per_minute: config.requests_per_minute,
            sign_ins_per_minute: config.sign_ins_per_minute,
            event_streams: config.event_streams,
            usage_streams: config.usage_streams,
            log_streams: config.log_streams,
            metrics_access,
            alertmanager_webhook_token: config.alerts.webhook_token,
            tenant_scraping: config.tenant_scraping,
            ..ApiConfig::default()
        })
        .with_backends(backends)
        .with_metrics(Arc::new(move || metrics.render()))
        .with_shutdown(stopping);
    if let Some(dev) = dev {
        api = api.with_development_provider(dev);
    }
    Ok(Composition { api: api.build(), console, sandbox, worker, protocol })
}

/// Connects to all backends except the host cluster, for administration commands.
///
/// # Errors
/// See [`compose`].
pub(crate) async fn connect_auth(config: &ProcessConfig) -> Result<Auth> {
    // Administration commands build no URLs.
    let public_url = config.public_url.as_deref().unwrap_or("http://localhost");
    let platform = connect_backends(config, public_url).await?.builder.build()?;
    Auth::new(platform, Vec::new(), AuthConfig::default()).await
}

/// Connects to all backends and host clusters, without sign-in, for commands on tenants.
///
/// # Errors
/// See [`compose`]. `Unsupported` with the sandbox, which exists only within the process that serves it.
pub(crate) async fn connect_hosts(config: &ProcessConfig) -> Result<Platform> {
    if config.cluster == Cluster::Sandbox {
        let message = "the sandbox exists only within its server; set --kubeconfig, or send POST \
             /api/v1/organizations/ORGANIZATION/workspaces/WORKSPACE/isolation to the server";
        return Err(Error::unsupported(message));
    }
    let builder = connect_backends(config, "http://localhost").await?.builder;
    let (provisioner, _) = provisioner(config, "http://localhost", None).await?;
    builder.with_fleet(fleet(config, host_cluster(config, false), provisioner)).build()
}

/// Returns the host cluster of the configuration.
fn host_cluster(config: &ProcessConfig, sandbox: bool) -> HostCluster {
    HostCluster {
        region: config.host_region.clone(),
        capacity: config.host_capacity,
        sandbox,
        ..HostCluster::new(config.host_name.clone())
    }
}

/// Returns the fleet of the configured host cluster and the registered ones.
fn fleet(config: &ProcessConfig, host: HostCluster, provisioner: Arc<dyn ClusterProvisioner>) -> Fleet {
    let connector = Arc::new(VClusterHosts::new(config.host.clone()));
    Fleet::new().with(host, provisioner).with_connector(connector)
}

/// Connects to all backends except the host cluster, without sign-in, for billing commands.
///
/// # Errors
/// See [`compose`].
pub(crate) async fn connect_platform(config: &ProcessConfig) -> Result<Platform> {
    connect_backends(config, "http://localhost").await?.builder.build()
}

/// Connected backends, without the host cluster.
struct Backends {
    builder: PlatformBuilder,
    store: Arc<dyn TenantStore>,
    /// Role and name of each backend.
    names: [(&'static str, &'static str); 3],
}

async fn connect_backends(config: &ProcessConfig, public_url: &str) -> Result<Backends> {
    let (store, store_name) = connect_store(&config.database).await?;
    let mut platform_config = PlatformConfig {
        organization_rate: config.organization_rate,
        billing: config.billing,
        notifications: NotificationConfig {
            language: config.mail.language.clone(),
            ..NotificationConfig::default()
        },
        platform_admins: config.platform_admins.clone(),
        organization_creation: config.organization_creation,
        max_owned_organizations: config.max_owned_organizations,
        max_free_workspaces_per_user: config.max_free_workspaces_per_user,
        invitations_per_day: config.invitations_per_day,
        audit_retention: config.audit_retention,
        task_retention: config.task_retention,
        security_event_retention: config.security_event_retention,
        metrics_retention: config.metrics_retention,
        isolation_check_interval: config.isolation_check_interval,
        gitops_namespaces: config.host.gitops_namespaces.clone(),
        credential_plugin: Some(CredentialPlugin {
            command: "hexabase".to_owned(),
            arguments: vec!["credential".to_owned()],
            install_hint: "put the hexabase binary on your PATH, then sign in: hexabase login".to_owned(),
        }),
        ..PlatformConfig::new(public_url)
    };
    platform_config.issuer.certificate_authority =
        config.issuer_ca.as_deref().map(|file| certificate::read_authority("issuer_ca", file)).transpose()?;
    let plans = load_plans(config.plans.as_deref())?;
    let mut builder = Platform::builder(public_url)
        .with_config(platform_config)
        .with_store(store.clone())
        .with_master_key(config.master_key(&SystemIds::default())?)
        .with_plans(plans.clone());
    if let Some(stripe) = stripe(config)? {
        builder = builder.with_billing(Arc::new(stripe));
    }
    if let Some(prometheus) = &config.prometheus {
        builder = builder.with_metrics(Arc::new(PrometheusMetrics::new(prometheus)?));
    } else if config.cluster == Cluster::Sandbox {
        let metrics = Arc::new(SandboxMetrics::new(Arc::new(SystemClock), store.clone()));
        let (rules, clock) = (store.clone(), Arc::new(SystemClock));
        let alerts = MemoryAlerts::for_demonstration(rules, metrics.clone(), plans, clock);
        builder = builder.with_metrics(metrics).with_alerts(Arc::new(alerts));
    }
    if let Some(alertmanager) = &config.alerts.alertmanager {
        builder = builder.with_alerts(Arc::new(Alertmanager::new(alertmanager)?));
    }
    if let Some(loki) = &config.loki {
        builder = builder.with_logs(Arc::new(LokiLogs::new(loki)?));
    } else if matches!(config.cluster, Cluster::Sandbox) {
        let logs = MemoryLogs::for_demonstration(store.clone(), Arc::new(SystemClock));
        builder = builder.with_logs(Arc::new(logs));
    }
    let (mut ephemeral, mut queue) = ("memory", "memory");
    if let Some(redis) = &config.redis {
        builder = builder.with_ephemeral(Arc::new(RedisEphemeral::connect(redis).await?));
        ephemeral = "redis";
    }
    if let Some(nats) = &config.nats {
        builder = builder.with_queue(Arc::new(NatsQueue::connect(nats.clone()).await?));
        queue = "nats";
    }
    Ok(Backends {
        builder,
        store,
        names: [("store", store_name), ("ephemeral", ephemeral), ("queue", queue)],
    })
}

/// Creates the notifier; `None` if no mail is sent.
///
/// # Errors
/// `Invalid` for a template that cannot be used, a language without templates, or invalid CA certificates.
fn notifier(config: &MailConfig, public_url: &str) -> Result<Option<Arc<dyn Notifier>>> {
    let Some(transport) = config.transport.clone() else { return Ok(None) };
    let values =
        TemplateConfig { product_name: config.product_name.clone(), ..TemplateConfig::new(public_url) };
    let templates = match &config.templates {
        Some(directory) => Templates::with_directory(values, directory)?,
        None => Templates::new(values)?,
    };
    if !templates.languages().any(|language| language == config.language.as_str()) {
        let known: Vec<&str> = templates.languages().collect();
        let message = format!("has no templates; choose one of {}", known.join(", "));
        return Err(Error::invalid("mail_language", message));
    }
    let composer = MailComposer::new(Arc::new(templates), config.sender.clone());
    Ok(Some(match transport {
        MailTransport::Smtp(smtp) => Arc::new(SmtpNotifier::new(smtp, composer)?),
        MailTransport::Directory(folder) => Arc::new(MailFolder::new(folder, composer)),
    }))
}

/// Connects to the system of record, and returns it with its name.
async fn connect_store(database: &Database) -> Result<(Arc<dyn TenantStore>, &'static str)> {
    Ok(match database {
        Database::Sqlite(file) => (Arc::new(SqliteStore::open(file).await?), "sqlite"),
        Database::Postgres(config) => (Arc::new(PostgresStore::connect(config).await?), "postgres"),
    })
}

/// Migrates the database schema.
///
/// # Errors
/// `Unavailable` if the database cannot be reached, and `Conflict` if another build created it.
pub(crate) async fn migrate(database: &Database) -> Result<()> {
    match database {
        Database::Sqlite(file) => SqliteStore::open(file).await.map(drop),
        Database::Postgres(config) => PostgresStore::migrate(config).await,
    }
}

/// Checks that the schema of a PostgreSQL database works with this program, as its processes do at their start.
///
/// # Errors
/// See [`PostgresStore::connect`]. A retry may succeed while another process migrates the database.
pub(crate) async fn check_schema(config: &PostgresConfig) -> Result<()> {
    PostgresStore::connect(config).await.map(drop)
}

/// Returns the address under which a client on this machine reaches the server: loopback if it listens on all
/// addresses.
pub(crate) fn reachable_address(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        false => address,
    }
}

/// Creates the client of Stripe; `None` if nothing is charged.
///
/// # Errors
/// `Invalid` for a malformed key.
pub(crate) fn stripe(config: &ProcessConfig) -> Result<Option<StripeBilling>> {
    let created = config.stripe.as_ref().map(|stripe| StripeBilling::new(stripe, Arc::new(SystemClock)));
    created.transpose()
}

/// Loads the plan file, or returns the built-in plans.
///
/// # Errors
/// `Invalid` for a file that cannot be read or has invalid content.
pub(crate) fn load_plans(file: Option<&Path>) -> Result<Vec<Plan>> {
    let Some(file) = file else { return Ok(hexabase_billing::plans::built_in()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::invalid("plans", format!("{} cannot be read: {error}", file.display())))?;
    hexabase_billing::plans::parse(&text)
}

/// Creates the provisioner of the host cluster, and the sandbox if there is no real host cluster. The sandbox's
/// Kubernetes APIs are reached under `base_url`; `authority` is the PEM certificate of the CA of that URL, if it is a
/// private one.
async fn provisioner(
    config: &ProcessConfig,
    base_url: &str,
    authority: Option<String>,
) -> Result<(Arc<dyn ClusterProvisioner>, Option<Sandbox>)> {
    let host = config.host.clone();
    let invalid = |message: String| Error::invalid("kubeconfig", message);
    let kube_config = match &config.cluster {
        Cluster::Sandbox => {
            let sandbox = Sandbox::start(SandboxOptions {
                tenants_url: Some(format!("{base_url}{}", sandbox_proxy::TENANTS_PATH)),
                certificate_authority: authority,
                ..SandboxOptions::default()
            });
            // The isolation checks of workspaces pass as on a host with its setup.
            sandbox.install(&host_setup(&host));
            let host = HostConfig { endpoint: sandbox.endpoint(), ..host };
            let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), host);
            return Ok((Arc::new(provisioner), Some(sandbox)));
        }
        Cluster::Kubeconfig(file) => {
            let unusable = |error| invalid(format!("{} cannot be used: {error}", file.display()));
            let parsed = Kubeconfig::read_from(file).map_err(unusable)?;
            kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
                .await
                .map_err(unusable)?
        }
        Cluster::Environment => kube::Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .map_err(|error| invalid(format!("the kubeconfig in KUBECONFIG cannot be used: {error}")))?,
    };
    warn_about_unreachable_issuer(config).await;
    let has_credentials = has_credentials(&kube_config.auth_info);
    let client = kube::Client::try_from(with_timeouts(kube_config))
        .map_err(|error| invalid("cannot be used to create a client".to_owned()).caused_by(error))?;
    let connector = Arc::new(ServiceConnector::new(&host));
    let provisioner = VClusterProvisioner::new(client, connector, host);
    let provisioner = if has_credentials { provisioner } else { provisioner.without_credentials() };
    Ok((Arc::new(provisioner), None))
}

/// `true` if a kubeconfig has credentials. API processes need none, because only workers act on host clusters.
fn has_credentials(user: &kube::config::AuthInfo) -> bool {
    user.token.is_some()
        || user.token_file.is_some()
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some()
        || user.username.is_some()
        || user.exec.is_some()
        || user.auth_provider.is_some()
}

/// Maximum time of the name lookup for a warning.
const ISSUER_LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Logs a warning if the public URL leads to addresses that control planes do not reach. An address in the URL itself is
/// always allowed.
async fn warn_about_unreachable_issuer(config: &ProcessConfig) {
    let url = config.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
    let Some(host) = url.as_ref().and_then(Uri::host) else { return };
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return;
    }
    let lookup = tokio::time::timeout(ISSUER_LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 443)));
    let Ok(Ok(found)) = lookup.await else { return };
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    if !addresses.is_empty() && !config.host.allows_issuer_at(&addresses) {
        tracing::warn!(
            ?addresses,
            "the public URL leads to addresses that are not public; set issuer_network, so that control planes reach them \
             to verify the tokens of users"
        );
    }
}
