//! What the server was told to do: everything that was set, checked and complete.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hexabase_auth::AuthConfig;
use hexabase_auth::issuer::RegisteredClient;
use hexabase_auth::upstream::WorkloadTrust;
use hexabase_billing::StripeSettings;
use hexabase_core::billing::Terms;
use hexabase_core::ephemeral::Rate;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::identity::IdentityProvider;
use hexabase_core::name::{Email, HostClusterName, Region};
use hexabase_core::seal::MasterKey;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_k8s::{HostSettings, PrometheusSettings};
use hexabase_store::{NatsSettings, PostgresSettings, RedisSettings};
use ipnet::IpNet;

use crate::clients::ClientOptions;
use crate::named;
use crate::options::{LogFormat, Options};
use crate::providers::ProviderOptions;
use crate::trusts::TrustOptions;

/// The variable with the master key itself.
const MASTER_KEY: &str = "HEXABASE_MASTER_KEY";
/// Variables that are not options of a server: the key, and what `credential` and tests go by.
const OTHER_VARIABLES: &[&str] =
    &[MASTER_KEY, "HEXABASE_CONFIG", "HEXABASE_TOKEN", "HEXABASE_ID_TOKEN", "HEXABASE_SERVER"];
const TEST_VARIABLES: &str = "HEXABASE_TEST_";
/// The kinds of things of which there may be several.
const PROVIDERS: &str = "providers";
const CLIENTS: &str = "clients";
const TRUSTS: &str = "trusts";

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Sources {
    /// The configuration file, in TOML. Its keys are called like the flags, with `_` for `-`.
    #[arg(long, env = "HEXABASE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// What was set by flags and variables.
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What the server was told to do.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where to listen, if that was said.
    pub(crate) listen: Option<SocketAddr>,
    /// Where people reach the server; none to take the address that it listens on, which only development does.
    pub(crate) public_url: Option<String>,
    /// The system of record.
    pub(crate) database: Database,
    /// Where short-lived facts are kept; none for this process.
    pub(crate) redis: Option<RedisSettings>,
    /// Where work is queued; none for this process.
    pub(crate) nats: Option<NatsSettings>,
    /// What files that are kept for development are put beside.
    pub(crate) beside: PathBuf,
    /// The host cluster.
    pub(crate) cluster: Cluster,
    /// The plan file.
    pub(crate) plans: Option<PathBuf>,
    /// How to take money; none to take none.
    pub(crate) stripe: Option<StripeSettings>,
    /// Where what workspaces use is known; none where nobody knows.
    pub(crate) prometheus: Option<PrometheusSettings>,
    /// How patient to be with whoever does not pay.
    pub(crate) terms: Terms,
    /// Where the master key comes from.
    pub(crate) master_key: KeySource,
    /// Certificate chain and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Who has signed what the public URL shows, if that is no public authority.
    pub(crate) issuer_ca: Option<PathBuf>,
    /// Networks of proxies in front of the server.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Who operates the installation.
    pub(crate) platform_admins: Vec<Email>,
    /// Who else has a part in signing in.
    pub(crate) parties: Parties,
    /// How log lines are written.
    pub(crate) log: LogFormat,
    /// How many requests a caller has per minute; zero for no limit.
    pub(crate) requests_per_minute: u32,
    /// How many requests the members of an organization have per minute together; none for no limit.
    pub(crate) organization_rate: Option<Rate>,
    /// How many steps of signing in an address has per minute; zero for no limit.
    pub(crate) sign_ins_per_minute: u32,
    /// How many sessions one person has at most.
    pub(crate) sessions_per_user: usize,
    /// For how long keys sign; none until somebody says otherwise.
    pub(crate) signing_keys: Option<Duration>,
    /// How many messages a worker deals with at a time.
    pub(crate) concurrency: usize,
    /// Where mail is put.
    pub(crate) mail_directory: Option<PathBuf>,
    /// What the host cluster is called.
    pub(crate) host_name: HostClusterName,
    /// The region it is in.
    pub(crate) host_region: Option<Region>,
    /// How many workspaces it takes.
    pub(crate) host_capacity: u32,
    /// What is particular to it.
    pub(crate) host: HostSettings,
    /// Whether anybody can sign in as anybody.
    pub(crate) dev: bool,
}

/// Who else has a part in signing in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parties {
    /// Those who know people.
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    /// Those who let people sign in with this server.
    pub(crate) clients: Vec<RegisteredClient>,
    /// Those who vouch for programs.
    pub(crate) trusts: Vec<WorkloadTrust>,
}

/// The system of record.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// In a file.
    Sqlite(PathBuf),
    /// On a server.
    Postgres(PostgresSettings),
}

/// The host cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// None: tenant clusters are only pretended.
    Sandbox,
    /// The one that a kubeconfig names.
    Kubeconfig(PathBuf),
    /// The one that `KUBECONFIG` names, as `kubectl` reads it.
    Environment,
}

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// It was given.
    Given(SecretString),
    /// It is in this file.
    File(PathBuf),
    /// It is in this file, which is made if it is not there. For development.
    Kept(PathBuf),
}

impl Settings {
    /// Reads what was set. The environment is handed in as pairs.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is wrong: unknown keys and variables, values that make no sense, and
    /// what is missing.
    pub(crate) fn read(
        sources: Sources,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let environment: Vec<(String, String)> = environment.collect();
        refuse_unknown(&environment)?;
        let file = sources.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let mut options = sources.options.or(file);
        let (providers, clients) = (options.providers.take(), options.clients.take());
        let trusts = options.trusts.take();
        let providers = named::read(PROVIDERS, providers, &environment)?.into_iter();
        let providers = providers.map(|(name, set): (_, ProviderOptions)| set.provider(&name));
        let clients = named::read(CLIENTS, clients, &environment)?.into_iter();
        let clients = clients.map(|(name, set): (_, ClientOptions)| set.client(&name));
        let trusts = named::read(TRUSTS, trusts, &environment)?.into_iter();
        let public_url = options.public_url.as_deref().map(|url| url.trim_end_matches('/'));
        let trusts = trusts.map(|(name, set): (_, TrustOptions)| set.trust(&name, public_url));
        let parties = Parties {
            providers: providers.collect::<Result<_>>()?,
            clients: clients.collect::<Result<_>>()?,
            trusts: trusts.collect::<Result<_>>()?,
        };
        resolve(options, parties, variable(MASTER_KEY), variable("KUBECONFIG").is_some())
    }
}

/// A typo in a variable's name would go unnoticed otherwise.
fn refuse_unknown(environment: &[(String, String)]) -> Result<()> {
    let known: Vec<String> = {
        let command = Sources::augment_args(clap::Command::new("hexabase"));
        let variables = command.get_arguments().filter_map(|argument| argument.get_env());
        variables.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let mut check = Check::default();
    for (name, _) in environment.iter().filter(|(name, _)| name.starts_with("HEXABASE_")) {
        let fine = known.contains(name)
            || OTHER_VARIABLES.contains(&name.as_str())
            || [PROVIDERS, CLIENTS, TRUSTS].iter().any(|kind| named::is_variable(kind, name))
            || name.starts_with(TEST_VARIABLES);
        check.require(fine, name.as_str(), "is no variable of this program; --help lists them");
    }
    check.done()
}

fn read_file(path: &Path) -> Result<Options> {
    let unreadable = |error: std::io::Error| {
        Error::invalid("config", format!("{} cannot be read: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, message) = (before.matches('\n').count() + 1, error.message().replace('\n', "; "));
        Error::invalid("config", format!("{} line {line}: {message}", path.display()))
    })
}

fn resolve(
    options: Options,
    parties: Parties,
    master_key: Option<String>,
    has_kubeconfig_variable: bool,
) -> Result<Settings> {
    let mut check = Check::default();
    let dev = options.dev;
    let public_url = options.public_url.map(|url| url.trim_end_matches('/').to_owned());
    match &public_url {
        None => check.require(dev, "public_url", "is missing: say where people reach the server"),
        Some(url) => {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let fine = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']));
            check.require(
                fine,
                "public_url",
                "must be a URL without a path, such as https://hexabase.example",
            );
        }
    }
    let database = check.field("database_url", database(options.database_url, options.database_connections));
    let host_name = options.host_name.as_deref().unwrap_or("local");
    let host_name = check.field("host_name", HostClusterName::parse(host_name));
    let host_region = options.host_region.as_deref().map(Region::parse).transpose();
    let host_region = check.field("host_region", host_region);
    check.require(
        options.tls_cert.is_some() == options.tls_key.is_some(),
        "tls_key",
        "tls_cert and tls_key go together",
    );
    check.require(options.concurrency != Some(0), "concurrency", "must be 1 or more");
    check.require(options.sessions_per_user != Some(0), "sessions_per_user", "must be 1 or more");
    let redis = check.field("redis_ca", redis(options.redis_url, options.redis_ca.as_deref()));
    let nats = options.nats_url.map(|url| NatsSettings {
        credentials: options.nats_credentials,
        authority: options.nats_ca,
        replicas: options.nats_replicas.unwrap_or(1),
        ..NatsSettings::new(url)
    });
    let webhook_secrets = options.stripe_webhook_secret.unwrap_or_default();
    if options.stripe_secret_key.is_some() {
        let there = webhook_secrets.iter().any(|secret| !secret.expose_secret().is_empty());
        let message = "is missing: what Stripe tells is only believed when it is signed";
        check.require(there, "stripe_webhook_secret", message);
    }
    let stripe = options.stripe_secret_key.map(|key| StripeSettings {
        webhook_secrets,
        api_base: options.stripe_api_base.unwrap_or_else(|| StripeSettings::API_BASE.to_owned()),
        automatic_tax: options.stripe_automatic_tax.unwrap_or(false),
        ..StripeSettings::new(key)
    });
    let prometheus = options
        .prometheus_url
        .map(|url| PrometheusSettings { token: options.prometheus_token, ..PrometheusSettings::new(url) });
    let usual = Terms::default();
    let grace = options.billing_grace_days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
    let terms = Terms { required: stripe.is_some(), grace: grace.unwrap_or(usual.grace), ..usual };
    let beside = match &database {
        Some(Database::Sqlite(file)) => file.clone(),
        _ => PathBuf::from("hexabase"),
    };
    let master_key = match (master_key, options.master_key_file) {
        (Some(key), _) => Some(KeySource::Given(key.into())),
        (None, Some(file)) => Some(KeySource::File(file)),
        (None, None) if dev => Some(KeySource::Kept(with_suffix(&beside, "key"))),
        (None, None) => {
            let message = "is missing: 32 bytes in base64, made by `head -c 32 /dev/urandom | base64`, in the \
                           variable HEXABASE_MASTER_KEY or in a file";
            check.refuse("master_key_file", message);
            None
        }
    };
    let mut host = HostSettings::default();
    host.concurrency = options.host_requests.unwrap_or(host.concurrency);
    let particular = [
        ("tenant_endpoint", options.tenant_endpoint),
        ("tenant_exposure", options.tenant_exposure),
        ("tenant_address", options.tenant_address),
        ("tenant_ingress", options.tenant_ingress),
        ("vcluster_version", options.vcluster_version),
        ("vcluster_image", options.vcluster_image),
        ("vcluster_overrides", options.vcluster_overrides),
        ("vcluster_store", options.vcluster_store),
        ("image_registry", options.image_registry),
        ("service_cidr", options.service_cidr),
        ("pod_cidr", options.pod_cidr),
        ("storage_class", options.storage_class),
        ("host_service_account", options.host_service_account),
    ];
    for (name, value) in particular {
        check.field(name, value.map_or(Ok(()), |value| host.set(name, &value)));
    }
    if let Err((name, message)) = host.check() {
        check.refuse(name, message);
    }
    let mut platform_admins = Vec::new();
    for address in options.platform_admins.iter().flatten() {
        platform_admins.extend(check.field("platform_admins", Email::parse(address)));
    }
    let (database, redis, (host_name, host_region), master_key) =
        check.all((database, redis, host_name.zip(host_region), master_key))?;
    Ok(Settings {
        listen: options.listen,
        public_url,
        cluster: match options.kubeconfig {
            Some(file) => Cluster::Kubeconfig(file),
            None if has_kubeconfig_variable => Cluster::Environment,
            None => Cluster::Sandbox,
        },
        plans: options.plans,
        stripe,
        prometheus,
        terms,
        master_key,
        tls: options.tls_cert.zip(options.tls_key),
        issuer_ca: options.issuer_ca,
        trusted_proxies: options.trusted_proxies.unwrap_or_default(),
        platform_admins,
        parties,
        log: options.log.unwrap_or_default(),
        requests_per_minute: options.requests_per_minute.unwrap_or(1_200),
        organization_rate: Some(options.requests_per_minute_per_organization.unwrap_or(12_000))
            .filter(|requests| *requests > 0)
            .map(|burst| Rate { burst, period: Duration::from_secs(60) }),
        sign_ins_per_minute: options.sign_ins_per_minute.unwrap_or(120),
        signing_keys: Some(options.signing_key_days.unwrap_or(90))
            .filter(|days| *days > 0)
            .map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        sessions_per_user: options.sessions_per_user.unwrap_or(AuthConfig::default().sessions_per_user),
        concurrency: options.concurrency.unwrap_or(32),
        mail_directory: options
            .mail_directory
            .or_else(|| dev.then(|| beside.with_file_name("hexabase.mail"))),
        database,
        redis,
        nats,
        beside,
        host_name,
        host_region,
        host_capacity: options.host_capacity.unwrap_or(u32::MAX),
        host,
        dev,
    })
}

/// The system of record that a URL names.
fn database(
    url: Option<SecretString>,
    connections: Option<u32>,
) -> std::result::Result<Database, &'static str> {
    const RULE: &str = "must be sqlite:// and the name of a file, such as sqlite://hexabase.db, or postgres:// and \
                        where the database is, such as postgres://hexabase@db.example/hexabase";
    let url = url.unwrap_or_else(|| "sqlite://hexabase.db".into());
    let text = url.expose_secret();
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let settings = PostgresSettings::new(url);
        let connections = connections.unwrap_or(settings.connections).max(2);
        return Ok(Database::Postgres(PostgresSettings { connections, ..settings }));
    }
    let file = text.strip_prefix("sqlite://").ok_or(RULE)?;
    if file.is_empty() || file.contains(['?', '\0']) { Err(RULE) } else { Ok(Database::Sqlite(file.into())) }
}

/// The server or the nodes of a cluster that a URL or several name.
fn redis(
    urls: Option<SecretString>,
    authority: Option<&Path>,
) -> std::result::Result<Option<RedisSettings>, String> {
    let Some(urls) = urls else { return Ok(None) };
    let unreadable =
        |file: &Path, error: std::io::Error| format!("{} cannot be read: {error}", file.display());
    let authority = authority.map(|file| std::fs::read(file).map_err(|error| unreadable(file, error)));
    let urls = urls.expose_secret().split(',').map(str::trim);
    Ok(Some(RedisSettings { authority: authority.transpose()?, ..RedisSettings::new(urls) }))
}

/// The file beside another one, with something added to its name.
pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

impl KeySource {
    /// The key.
    ///
    /// # Errors
    /// `Invalid` when there is none, or it is not one.
    pub(crate) fn key(&self, ids: &dyn hexabase_core::id_source::IdSource) -> Result<MasterKey> {
        let unreadable = |file: &Path, error: std::io::Error| {
            let message = format!("{} cannot be used: {error}", file.display());
            Error::invalid("master_key_file", message)
        };
        match self {
            Self::Given(key) => MasterKey::from_base64(key.expose_secret()),
            Self::File(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, error))?;
                MasterKey::from_base64(SecretString::from(text).expose_secret())
            }
            Self::Kept(file) => {
                let text = kept(file, || Ok(MasterKey::generate(ids)));
                MasterKey::from_base64(text.map_err(|error| unreadable(file, error))?.expose_secret())
            }
        }
    }
}

/// A secret in a file that only its owner can read; it is made if it is not there.
pub(crate) fn kept(
    file: &Path,
    make: impl FnOnce() -> std::io::Result<SecretString>,
) -> std::io::Result<SecretString> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        read => return read.map(SecretString::from),
    }
    let secret = make()?;
    // A crash half-way leaves no half of a secret behind.
    let writing = with_suffix(file, "new");
    let mut there =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&writing)?;
    there.write_all(secret.expose_secret().as_bytes())?;
    there.sync_all()?;
    std::fs::rename(writing, file)?;
    Ok(secret)
}
