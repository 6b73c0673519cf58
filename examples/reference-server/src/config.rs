//! Configuration of a server process: all options, validated and with their defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hexabase_auth::AuthConfig;
use hexabase_auth::issuer::RegisteredClient;
use hexabase_auth::upstream::WorkloadTrust;
use hexabase_billing::StripeConfig;
use hexabase_core::billing::BillingConfig;
use hexabase_core::ephemeral::Rate;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id_source::IdSource;
use hexabase_core::identity::IdentityProvider;
use hexabase_core::name::{Email, HostClusterName, Region};
use hexabase_core::platform::{OrganizationCreation, PlatformConfig};
use hexabase_core::seal::MasterKey;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_k8s::{HostConfig, LokiConfig, LokiTenancy, PrometheusConfig};
use hexabase_store::{NatsConfig, RedisConfig};
use ipnet::IpNet;

use crate::alerts::AlertConfig;
use crate::clients::ClientOptions;
use crate::database::Database;
use crate::environment;
use crate::files::load_or_create;
use crate::mail::{MailConfig, MailOptions};
use crate::options::{LogFormat, Options};
use crate::providers::ProviderOptions;
use crate::trace_export::TraceConfig;
use crate::workload_trusts::TrustOptions;
use crate::{named_tables, prometheus, stream_limits, tenant_scraping};
use hexabase_api::admin::TenantScrapingConfig;
use hexabase_api::{EventStreamLimits, LogStreamLimits, UsageStreamLimits};

/// Variable with the master key.
const MASTER_KEY_VARIABLE: &str = "HEXABASE_MASTER_KEY";
/// Variable with additional master keys.
const ADDITIONAL_KEYS_VARIABLE: &str = "HEXABASE_ADDITIONAL_MASTER_KEYS";
/// Variables that are no server options: the master keys, the configuration file, and those of the client commands.
const OTHER_VARIABLES: &[&str] = &[
    MASTER_KEY_VARIABLE,
    ADDITIONAL_KEYS_VARIABLE,
    "HEXABASE_CONFIG",
    "HEXABASE_TOKEN",
    "HEXABASE_ID_TOKEN",
    "HEXABASE_ID_TOKEN_FILE",
    "HEXABASE_SERVER",
    "HEXABASE_ORGANIZATION",
    "HEXABASE_WORKSPACE",
];
/// Kinds of named tables.
const PROVIDERS: &str = "providers";
const CLIENTS: &str = "clients";
const TRUSTS: &str = "trusts";

/// Sources of the configuration: the file, and flags and variables.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Sources {
    /// Configuration file, in TOML. Its keys are the names of the flags, with `_` instead of `-`.
    #[arg(long, env = "HEXABASE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Options from flags and variables.
    #[command(flatten)]
    pub(crate) options: Options,
}

impl Sources {
    /// Returns the options of all sources.
    fn merge(self) -> Result<Options> {
        let file = self.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        Ok(self.options.or(file))
    }
}

/// Configuration of a server process.
#[derive(Debug, Clone)]
pub(crate) struct ProcessConfig {
    /// Listening address; `None` for the default of the command.
    pub(crate) listen: Option<SocketAddr>,
    /// Listening address for metrics; `None` to serve them on `listen`.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// URL under which users reach the server; `None` for the listening address, in development only.
    pub(crate) public_url: Option<String>,
    /// Database of the system of record.
    pub(crate) database: Database,
    /// Redis for short-lived state; `None` keeps the state in this process.
    pub(crate) redis: Option<RedisConfig>,
    /// NATS for the task queue; `None` keeps the queue in this process.
    pub(crate) nats: Option<NatsConfig>,
    /// Path prefix of the files that development mode creates: the path of the database file, or `hexabase` in the
    /// working directory. The master key is in `{state_path}.key`; mail goes to `hexabase.mail` in the same directory.
    pub(crate) state_path: PathBuf,
    /// Host cluster.
    pub(crate) cluster: Cluster,
    /// Plan file; `None` for the built-in plans.
    pub(crate) plans: Option<PathBuf>,
    /// Connection to Stripe; `None` if nothing is charged.
    pub(crate) stripe: Option<StripeConfig>,
    /// Prometheus from which usage is read; `None` if usage is not measured.
    pub(crate) prometheus: Option<PrometheusConfig>,
    /// Metrics of tenant API servers for a Prometheus without an operator.
    pub(crate) tenant_scraping: TenantScrapingConfig,
    /// Retention of metrics in Prometheus.
    pub(crate) metrics_retention: Duration,
    /// Connection to Alertmanager.
    pub(crate) alerts: AlertConfig,
    /// Loki from which logs are read; `None` if they cannot be read.
    pub(crate) loki: Option<LokiConfig>,
    /// Billing rules: the grace period, and whether paid plans require a subscription.
    pub(crate) billing: BillingConfig,
    /// Source of the master key.
    pub(crate) master_key: KeySource,
    /// Sources of additional master keys, which only decrypt.
    pub(crate) additional_master_keys: Vec<KeySource>,
    /// PEM files with the server's certificate chain and its private key; `None` for a server without https of its
    /// own.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// PEM file with the certificates of the private CA that signed the certificate of the public URL; `None` if that
    /// certificate is publicly trusted.
    pub(crate) issuer_ca: Option<PathBuf>,
    /// Networks of trusted reverse proxies in front of the server.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Maximum number of client connections; `None` for the default.
    pub(crate) max_connections: Option<usize>,
    /// Maximum number of connections per client address; `None` for the default.
    pub(crate) max_connections_per_address: Option<usize>,
    /// E-mail addresses of the platform administrators.
    pub(crate) platform_admins: Vec<Email>,
    /// Users who may create organizations.
    pub(crate) organization_creation: OrganizationCreation,
    /// Maximum number of organizations that a user creates; `None` for no limit.
    pub(crate) max_owned_organizations: Option<u32>,
    /// Maximum number of workspaces without a price in the organizations of one creator; `None` for no limit.
    pub(crate) max_free_workspaces_per_user: Option<u32>,
    /// Maximum number of invitations per day of an organization and of a user; `None` for no limit.
    pub(crate) invitations_per_day: Option<u32>,
    /// Interval between two isolation checks of a workspace; `None` for checks on request only.
    pub(crate) isolation_check_interval: Option<Duration>,
    /// External systems that take part in signing in.
    pub(crate) sign_in: SignInIntegrations,
    /// Format of log lines.
    pub(crate) log: LogFormat,
    /// Export of traces; `None` to export none.
    pub(crate) traces: Option<TraceConfig>,
    /// Maximum number of requests per caller and minute; zero for no limit.
    pub(crate) requests_per_minute: u32,
    /// Rate limit of the members of an organization together; `None` for no limit.
    pub(crate) organization_rate: Option<Rate>,
    /// Maximum number of sign-in requests per client address and minute; zero for no limit.
    pub(crate) sign_ins_per_minute: u32,
    /// Maximum numbers of concurrent event streams.
    pub(crate) event_streams: EventStreamLimits,
    /// Maximum numbers of concurrent usage streams.
    pub(crate) usage_streams: UsageStreamLimits,
    pub(crate) log_streams: LogStreamLimits,
    /// Maximum number of sessions per user.
    pub(crate) sessions_per_user: usize,
    /// Rotation interval of the signing keys; `None` to rotate them by command only.
    pub(crate) signing_key_rotation: Option<Duration>,
    /// Retention of audit events; `None` keeps them.
    pub(crate) audit_retention: Option<Duration>,
    /// Retention of finished tasks.
    pub(crate) task_retention: Duration,
    /// Retention of security events.
    pub(crate) security_event_retention: Duration,
    /// Maximum number of messages that a worker handles at a time.
    pub(crate) concurrency: usize,
    /// Destination and content of mails.
    pub(crate) mail: MailConfig,
    /// Name of the host cluster.
    pub(crate) host_name: HostClusterName,
    /// Region of the host cluster, if it has one.
    pub(crate) host_region: Option<Region>,
    /// Maximum number of workspaces on the host cluster.
    pub(crate) host_capacity: u32,
    /// Configuration of the host cluster.
    pub(crate) host: HostConfig,
    /// `true` in development mode, in which any client can sign in as any user.
    pub(crate) dev: bool,
    /// `true` to open the console in a browser once the server is ready.
    pub(crate) open: bool,
}

/// External systems that take part in signing in.
#[derive(Debug, Clone, Default)]
pub(crate) struct SignInIntegrations {
    /// Upstream providers that authenticate users.
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    /// Clients whose users sign in through this server.
    pub(crate) clients: Vec<RegisteredClient>,
    /// Trusted issuers of workload tokens.
    pub(crate) trusts: Vec<WorkloadTrust>,
}

/// Host cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// In-process sandbox, in which tenant clusters run no workloads.
    Sandbox,
    /// Cluster of this kubeconfig.
    Kubeconfig(PathBuf),
    /// Cluster of the kubeconfigs in the variable `KUBECONFIG`, merged as `kubectl` does.
    Environment,
}

/// Source of the master key.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// Text of the key, from the variable.
    Given(SecretString),
    /// File with the key.
    File(PathBuf),
    /// File with the key, which is generated if it does not exist. For development.
    Generated(PathBuf),
}

impl ProcessConfig {
    /// Reads the configuration from its sources. The environment is passed as pairs of name and value.
    ///
    /// # Errors
    /// `Invalid`, naming unknown keys and variables, invalid values and missing options.
    pub(crate) fn read(
        sources: Sources,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let environment = own_environment(environment)?;
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let mut options = sources.merge()?;
        let (providers, clients) = (options.providers.take(), options.clients.take());
        let trusts = options.trusts.take();
        let providers = named_tables::read(PROVIDERS, providers, &environment)?.into_iter();
        let providers = providers.map(|(name, options): (_, ProviderOptions)| options.provider(&name));
        let clients = named_tables::read(CLIENTS, clients, &environment)?.into_iter();
        let clients = clients.map(|(name, options): (_, ClientOptions)| options.client(&name));
        let trusts = named_tables::read(TRUSTS, trusts, &environment)?.into_iter();
        let public_url = options.public_url.as_deref().map(|url| url.trim_end_matches('/'));
        let trusts = trusts.map(|(name, options): (_, TrustOptions)| options.trust(&name, public_url));
        let sign_in = SignInIntegrations {
            providers: providers.collect::<Result<_>>()?,
            clients: clients.collect::<Result<_>>()?,
            trusts: trusts.collect::<Result<_>>()?,
        };
        let keys = (variable(MASTER_KEY_VARIABLE), variable(ADDITIONAL_KEYS_VARIABLE));
        resolve(options, sign_in, keys, variable("KUBECONFIG").is_some())
    }

    /// Reads the database only, for commands that need no other option.
    ///
    /// # Errors
    /// `Invalid`, naming unknown keys and variables, and an invalid URL.
    pub(crate) fn read_database(
        sources: Sources,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Database> {
        own_environment(environment)?;
        let options = sources.merge()?;
        let database = Database::parse(options.database_url, options.database_connections);
        database.map_err(|rule| Error::invalid("database_url", rule))
    }

    /// Returns the master key with the additional ones.
    ///
    /// # Errors
    /// `Invalid` if one of them cannot be read, or is not 32 bytes in base64.
    pub(crate) fn master_key(&self, ids: &dyn IdSource) -> Result<MasterKey> {
        let additional = self.additional_master_keys.iter();
        additional
            .map(|source| source.key("additional_master_key_files", ids))
            .try_fold(self.master_key.key("master_key_file", ids)?, |key, other| {
                Ok(key.with_additional(other?))
            })
    }
}

/// Returns the environment without variables that Kubernetes adds.
fn own_environment(environment: impl Iterator<Item = (String, String)>) -> Result<Vec<(String, String)>> {
    let environment: Vec<(String, String)> = environment.collect();
    environment::without_service_links(&environment, &known_variables(), &[PROVIDERS, CLIENTS, TRUSTS])
}

/// Returns the names of the variables of this program, except those of named tables.
fn known_variables() -> Vec<String> {
    let command = Sources::augment_args(clap::Command::new("hexabase"));
    let options = command.get_arguments().filter_map(|argument| argument.get_env());
    let options = options.map(|name| name.to_string_lossy().into_owned());
    options.chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned())).collect()
}

fn read_file(path: &Path) -> Result<Options> {
    let unreadable = |error: std::io::Error| {
        Error::invalid("config", format!("{} cannot be read: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, message) = (before.matches('\n').count() + 1, named_tables::message_without_value(&error));
        Error::invalid("config", format!("{} line {line}: {message}", path.display()))
    })
}

fn resolve(
    options: Options,
    sign_in: SignInIntegrations,
    (master_key, additional_keys): (Option<String>, Option<String>),
    has_kubeconfig_variable: bool,
) -> Result<ProcessConfig> {
    let mut check = Check::default();
    let prometheus = prometheus::of(&options, &mut check);
    let tenant_scraping = tenant_scraping::of(&options, &mut check);
    let (event_streams, usage_streams, log_streams) = stream_limits::of(&options);
    let dev = options.dev;
    let public_url = options.public_url.map(|url| url.trim_end_matches('/').to_owned());
    match &public_url {
        None => {
            check.require(dev, "public_url", "is missing: set the URL under which users reach the server")
        }
        Some(url) => {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let is_valid =
                host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']));
            check.require(
                is_valid,
                "public_url",
                "must be a URL without a path, such as https://hexabase.example",
            );
        }
    }
    let database =
        check.field("database_url", Database::parse(options.database_url, options.database_connections));
    let host_name = options.host_name.as_deref().unwrap_or("local");
    let host_name = check.field("host_name", HostClusterName::parse(host_name));
    let host_region = options.host_region.as_deref().map(Region::parse).transpose();
    let host_region = check.field("host_region", host_region);
    check.require(
        options.tls_cert.is_some() == options.tls_key.is_some(),
        "tls_key",
        "tls_cert and tls_key must be set together",
    );
    check.require(options.concurrency != Some(0), "concurrency", "must be at least 1");
    check.require(options.max_connections != Some(0), "max_connections", "must be at least 1");
    check.require(
        options.max_connections_per_address != Some(0),
        "max_connections_per_address",
        "must be at least 1",
    );
    check.require(options.sessions_per_user != Some(0), "sessions_per_user", "must be at least 1");
    check.require(
        options.audit_retention_days.is_none_or(|days| days == 0 || days >= 30),
        "audit_retention_days",
        "must be at least 30, or 0 to keep audit events",
    );
    check.require(options.task_retention_days != Some(0), "task_retention_days", "must be at least 1");
    check.require(options.metrics_retention_days != Some(0), "metrics_retention_days", "must be at least 1");
    check.require(
        options.security_event_retention_days != Some(0),
        "security_event_retention_days",
        "must be at least 1",
    );
    let redis = check.field("redis_ca", redis(options.redis_url, options.redis_ca.as_deref()));
    let nats = options.nats_url.map(|url| NatsConfig {
        credentials: options.nats_credentials,
        authority: options.nats_ca,
        replicas: options.nats_replicas.unwrap_or(1),
        ..NatsConfig::new(url)
    });
    let webhook_secrets = options.stripe_webhook_secret.unwrap_or_default();
    if options.stripe_secret_key.is_some() {
        let has_secret = webhook_secrets.iter().any(|secret| !secret.expose_secret().is_empty());
        let message = "is missing: webhooks of Stripe are only accepted with a verified signature";
        check.require(has_secret, "stripe_webhook_secret", message);
    }
    let stripe = options.stripe_secret_key.map(|key| StripeConfig {
        webhook_secrets,
        api_base: options.stripe_api_base.unwrap_or_else(|| StripeConfig::API_BASE.to_owned()),
        automatic_tax: options.stripe_automatic_tax.unwrap_or(false),
        ..StripeConfig::new(key)
    });
    let traces = options
        .otlp_endpoint
        .map(|endpoint| TraceConfig { endpoint, sample_ratio: options.otlp_sample_ratio.unwrap_or(1.0) });
    if let Some(Err((name, message))) = traces.as_ref().map(TraceConfig::check) {
        check.refuse(name, message);
    }
    let tokens = [options.alertmanager_token, options.alertmanager_webhook_token];
    let alerts = AlertConfig::of(options.alertmanager_url, tokens, &mut check);
    let tenancy = options.loki_tenancy.as_deref().map(str::parse::<LokiTenancy>).transpose();
    let tenancy = check.field("loki_tenancy", tenancy).flatten().unwrap_or_default();
    let loki =
        options.loki_url.map(|url| LokiConfig { token: options.loki_token, tenancy, ..LokiConfig::new(url) });
    let defaults = BillingConfig::default();
    let grace = options.billing_grace_days.map(days);
    let billing =
        BillingConfig { required: stripe.is_some(), grace: grace.unwrap_or(defaults.grace), ..defaults };
    let state_path = match &database {
        Some(Database::Sqlite(file)) => file.clone(),
        _ => PathBuf::from("hexabase"),
    };
    let master_key = match (master_key, options.master_key_file) {
        (Some(key), _) => Some(KeySource::Given(key.into())),
        (None, Some(file)) => Some(KeySource::File(file)),
        (None, None) if dev => Some(KeySource::Generated(with_suffix(&state_path, "key"))),
        (None, None) => {
            let message = "is missing: set a file, or the variable HEXABASE_MASTER_KEY, with 32 bytes in base64, as \
                           generated by `head -c 32 /dev/urandom | base64`";
            check.refuse("master_key_file", message);
            None
        }
    };
    let additional_master_keys: Vec<KeySource> = match additional_keys {
        Some(keys) => keys.split(',').map(|key| KeySource::Given(key.trim().into())).collect(),
        None => options.additional_master_key_files.into_iter().flatten().map(KeySource::File).collect(),
    };
    let mut host = HostConfig::default();
    host.concurrency = options.host_requests.unwrap_or(host.concurrency);
    let host_settings = [
        ("tenant_endpoint", options.tenant_endpoint),
        ("tenant_exposure", options.tenant_exposure),
        ("tenant_address", options.tenant_address),
        ("tenant_ingress", options.tenant_ingress),
        ("scrape_tenants", options.scrape_tenants),
        ("gitops_namespaces", options.gitops_namespaces),
        ("policy_reports", options.policy_reports),
        ("label_domain", options.label_domain),
        ("tenant_metadata", options.tenant_metadata),
        ("tenant_metrics", options.tenant_metrics),
        ("vcluster_version", options.vcluster_version),
        ("vcluster_image", options.vcluster_image),
        ("vcluster_overrides", options.vcluster_overrides),
        ("vcluster_store", options.vcluster_store),
        ("image_registry", options.image_registry),
        ("service_cidr", options.service_cidr),
        ("pod_cidr", options.pod_cidr),
        ("api_server_cidr", options.api_server_cidr),
        ("issuer_network", options.issuer_network),
        ("storage_class", options.storage_class),
        ("host_service_account", options.host_service_account),
        ("host_setup", options.host_setup),
    ];
    for (name, value) in host_settings {
        check.field(name, value.map_or(Ok(()), |value| host.set(name, &value)));
    }
    if let Err((name, message)) = host.check() {
        check.refuse(name, message);
    }
    let mut platform_admins = Vec::new();
    for address in options.platform_admins.iter().flatten() {
        platform_admins.extend(check.field("platform_admins", Email::parse(address)));
    }
    let mail = MailOptions {
        smtp_url: options.smtp_url,
        smtp_ca: options.smtp_ca,
        mail_from: options.mail_from,
        mail_directory: options.mail_directory,
        mail_templates: options.mail_templates,
        mail_language: options.mail_language,
        product_name: options.product_name,
    };
    let mail = mail.resolve(dev.then(|| state_path.with_file_name("hexabase.mail")), &mut check);
    let platform = PlatformConfig::new("");
    let unlimited_if_zero =
        |limit: Option<u32>, default| limit.map_or(default, |limit| Some(limit).filter(|it| *it > 0));
    let (database, redis, (host_name, host_region), master_key, mail) =
        check.all((database, redis, host_name.zip(host_region), master_key, mail))?;
    Ok(ProcessConfig {
        listen: options.listen,
        metrics_listen: options.metrics_listen,
        public_url,
        cluster: match options.kubeconfig {
            Some(file) => Cluster::Kubeconfig(file),
            None if has_kubeconfig_variable => Cluster::Environment,
            None => Cluster::Sandbox,
        },
        plans: options.plans,
        stripe,
        prometheus,
        tenant_scraping,
        alerts,
        loki,
        billing,
        master_key,
        additional_master_keys,
        tls: options.tls_cert.zip(options.tls_key),
        issuer_ca: options.issuer_ca,
        trusted_proxies: options.trusted_proxies.unwrap_or_default(),
        max_connections: options.max_connections,
        max_connections_per_address: options.max_connections_per_address,
        platform_admins,
        organization_creation: options.organization_creation.unwrap_or_default().into(),
        max_owned_organizations: unlimited_if_zero(
            options.max_owned_organizations,
            platform.max_owned_organizations,
        ),
        max_free_workspaces_per_user: unlimited_if_zero(
            options.max_free_workspaces_per_user,
            platform.max_free_workspaces_per_user,
        ),
        invitations_per_day: unlimited_if_zero(options.invitations_per_day, platform.invitations_per_day),
        isolation_check_interval: match options.isolation_check_hours {
            None => platform.isolation_check_interval,
            Some(0) => None,
            Some(hours) => Some(Duration::from_secs(u64::from(hours) * 60 * 60)),
        },
        sign_in,
        log: options.log.unwrap_or_default(),
        traces,
        requests_per_minute: options.requests_per_minute.unwrap_or(1_200),
        organization_rate: Some(options.requests_per_minute_per_organization.unwrap_or(12_000))
            .filter(|requests| *requests > 0)
            .map(|burst| Rate { burst, period: Duration::from_secs(60) }),
        sign_ins_per_minute: options.sign_ins_per_minute.unwrap_or(120),
        event_streams,
        usage_streams,
        log_streams,
        signing_key_rotation: Some(options.signing_key_days.unwrap_or(90))
            .filter(|number| *number > 0)
            .map(days),
        sessions_per_user: options.sessions_per_user.unwrap_or(AuthConfig::default().sessions_per_user),
        audit_retention: options
            .audit_retention_days
            .map_or(platform.audit_retention, |number| (number > 0).then(|| days(number))),
        task_retention: options.task_retention_days.map_or(platform.task_retention, days),
        metrics_retention: options.metrics_retention_days.map_or(platform.metrics_retention, days),
        security_event_retention: options
            .security_event_retention_days
            .map_or(platform.security_event_retention, days),
        concurrency: options.concurrency.unwrap_or(32),
        mail,
        database,
        redis,
        nats,
        state_path,
        host_name,
        host_region,
        host_capacity: options.host_capacity.unwrap_or(u32::MAX),
        host,
        dev,
        open: options.open,
    })
}

fn days(number: u32) -> Duration {
    Duration::from_secs(u64::from(number) * 86_400)
}

/// Parses the URLs of a Redis server, or of the nodes of a Redis cluster, and reads the CA certificates.
fn redis(
    urls: Option<SecretString>,
    authority: Option<&Path>,
) -> std::result::Result<Option<RedisConfig>, String> {
    let Some(urls) = urls else { return Ok(None) };
    let unreadable =
        |file: &Path, error: std::io::Error| format!("{} cannot be read: {error}", file.display());
    let authority = authority.map(|file| std::fs::read(file).map_err(|error| unreadable(file, error)));
    let urls = urls.expose_secret().split(',').map(str::trim);
    Ok(Some(RedisConfig { authority: authority.transpose()?, ..RedisConfig::new(urls) }))
}

/// Returns the path of a file with a suffix appended to its name, after a dot.
pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

impl KeySource {
    /// Returns the key.
    ///
    /// # Errors
    /// `Invalid`, for the option `field`, if it cannot be read, or is not 32 bytes in base64.
    fn key(&self, field: &str, ids: &dyn IdSource) -> Result<MasterKey> {
        let unreadable = |file: &Path, error: std::io::Error| {
            let message = format!("{} cannot be used: {error}", file.display());
            Error::invalid(field, message)
        };
        match self {
            Self::Given(key) => MasterKey::from_base64(key.expose_secret()),
            Self::File(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, error))?;
                MasterKey::from_base64(SecretString::from(text).expose_secret())
            }
            Self::Generated(file) => {
                let text = load_or_create(file, || Ok(MasterKey::generate(ids)));
                MasterKey::from_base64(text.map_err(|error| unreadable(file, error))?.expose_secret())
            }
        }
    }
}
