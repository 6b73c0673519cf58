//! Options of the server processes. Each is a command-line flag, an environment variable or a key of the configuration
//! file, in this order of precedence.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hexabase_core::platform::OrganizationCreation;
use hexabase_core::secret::SecretString;
use ipnet::IpNet;
use serde::Deserialize;

use crate::named_tables::NamedTables;

/// Format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Human-readable text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Users who may create organizations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum OrganizationCreators {
    /// Everyone who can sign in.
    #[default]
    Everyone,
    /// Platform administrators only.
    PlatformAdmins,
}

impl From<OrganizationCreators> for OrganizationCreation {
    fn from(creators: OrganizationCreators) -> Self {
        match creators {
            OrganizationCreators::Everyone => Self::Everyone,
            OrganizationCreators::PlatformAdmins => Self::PlatformAdmins,
        }
    }
}

macro_rules! options {
    ($($(#[$meta:meta])* $name:ident: $type:ty,)*) => {
        /// Options from one source.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Options {
            $($(#[$meta])* pub(crate) $name: Option<$type>,)*

            /// Development mode: any client can sign in as any user, and a missing master key is generated and stored
            /// next to the database.
            #[arg(long, env = "HEXABASE_DEV")]
            pub(crate) dev: bool,

            /// Open the web console in a browser on this machine once the server is ready.
            #[arg(long, env = "HEXABASE_OPEN")]
            pub(crate) open: bool,
        }

        impl Options {
            /// Returns these options, completed by those of `fallback`.
            #[must_use]
            pub(crate) fn or(self, fallback: Self) -> Self {
                Self {
                    $($name: self.$name.or(fallback.$name),)*
                    dev: self.dev || fallback.dev,
                    open: self.open || fallback.open,
                }
            }
        }
    };
}

options! {
    /// Listening address; port 0 selects a free port [default: 127.0.0.1:8080; for a worker 127.0.0.1:8081].
    #[arg(long, env = "HEXABASE_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Listening address for /metrics, which is then served there only [default: none; /metrics is served on --listen,
    /// by a worker to all clients, by other processes to clients on the same machine].
    #[arg(long, env = "HEXABASE_METRICS_LISTEN", value_name = "ADDRESS")]
    metrics_listen: SocketAddr,

    /// URL under which users reach the server, without a path. Required, except with --dev [default with --dev: the
    /// listening address].
    #[arg(long, env = "HEXABASE_PUBLIC_URL", value_name = "URL")]
    public_url: String,

    /// URL of the database: sqlite:// and a file name, or postgres://user:password@host/database [default:
    /// sqlite://hexabase.db].
    #[arg(long, env = "HEXABASE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: SecretString,

    /// Maximum number of PostgreSQL connections of this process, at least 2; searches have two more [default: 16].
    #[arg(long, env = "HEXABASE_DATABASE_CONNECTIONS", value_name = "NUMBER")]
    database_connections: u32,

    /// URL of Redis for short-lived state: redis://user:password@host:port, or rediss:// for TLS; several URLs for a
    /// cluster, separated by commas. Without it the state is kept in this process, which then must be the only process.
    #[arg(long, env = "HEXABASE_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: SecretString,

    /// PEM file with the CA certificates to trust for connections to Redis [default: those of the system].
    #[arg(long, env = "HEXABASE_REDIS_CA", value_name = "FILE")]
    redis_ca: PathBuf,

    /// URL of NATS for the task queue: nats://host:port, or tls:// for TLS; several URLs for a cluster, separated by
    /// commas. Without it the queue is kept in this process, which then must be the only process.
    #[arg(long, env = "HEXABASE_NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: SecretString,

    /// Credentials file for NATS, as `nsc generate creds` writes it.
    #[arg(long, env = "HEXABASE_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: PathBuf,

    /// PEM file with the CA certificates to trust for connections to NATS [default: those of the system].
    #[arg(long, env = "HEXABASE_NATS_CA", value_name = "FILE")]
    nats_ca: PathBuf,

    /// Number of servers of a NATS cluster that store each message [default: 1].
    #[arg(long, env = "HEXABASE_NATS_REPLICAS", value_name = "NUMBER")]
    nats_replicas: usize,

    /// Kubeconfig of the host cluster, with the permission to create namespaces [default: the variable KUBECONFIG]. If
    /// neither is set, tenant clusters run in a sandbox in this process, without workloads.
    #[arg(long, env = "HEXABASE_KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,

    /// Plan file in TOML [default: the built-in plans].
    #[arg(long, env = "HEXABASE_PLANS", value_name = "FILE")]
    plans: PathBuf,

    /// Secret key of Stripe. Without it nothing is charged, regardless of the prices of the plans.
    #[arg(long, env = "HEXABASE_STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: SecretString,

    /// Signing secret of Stripe's webhooks. Several secrets, separated by commas, are accepted during a rotation.
    /// Required with --stripe-secret-key.
    #[arg(long, env = "HEXABASE_STRIPE_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true,
        value_delimiter = ',')]
    stripe_webhook_secret: Vec<SecretString>,

    /// Base URL of Stripe's API [default: https://api.stripe.com].
    #[arg(long, env = "HEXABASE_STRIPE_API_BASE", value_name = "URL")]
    stripe_api_base: String,

    /// Automatic tax calculation by Stripe [default: false].
    #[arg(long, env = "HEXABASE_STRIPE_AUTOMATIC_TAX", value_name = "BOOLEAN")]
    stripe_automatic_tax: bool,

    /// Grace period after a failed payment, in days, during which nothing is suspended [default: 14].
    #[arg(long, env = "HEXABASE_BILLING_GRACE_DAYS", value_name = "DAYS")]
    billing_grace_days: u32,

    /// URL of the Prometheus that scrapes the host clusters, from which the usage and the metrics of workspaces are read.
    /// Without it no usage is charged, and the sandbox has invented metrics.
    #[arg(long, env = "HEXABASE_PROMETHEUS_URL", value_name = "URL", hide_env_values = true)]
    prometheus_url: SecretString,

    /// Bearer token for Prometheus, if it requires one.
    #[arg(long, env = "HEXABASE_PROMETHEUS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    prometheus_token: SecretString,

    /// URL of the Alertmanager that receives the alerts of tenants, of which one replica suffices. Without it no alerts
    /// are listed or silenced.
    #[arg(long, env = "HEXABASE_ALERTMANAGER_URL", value_name = "URL", hide_env_values = true)]
    alertmanager_url: SecretString,

    /// Bearer token for Alertmanager, if it requires one.
    #[arg(long, env = "HEXABASE_ALERTMANAGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    alertmanager_token: SecretString,

    /// Bearer token that Alertmanager sends with its webhooks. Without it no webhooks are accepted, and no alerts are
    /// mailed.
    #[arg(long, env = "HEXABASE_ALERTMANAGER_WEBHOOK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    alertmanager_webhook_token: SecretString,

    /// Scrape jobs of the kubelets' cAdvisor in Prometheus, separated by commas. Usage is read from series of these
    /// jobs only [default: kubelet].
    #[arg(long, env = "HEXABASE_PROMETHEUS_KUBELET_JOB", value_name = "JOB", value_delimiter = ',')]
    prometheus_kubelet_job: Vec<String>,

    /// Scrape jobs of kube-state-metrics in Prometheus, separated by commas [default: kube-state-metrics].
    #[arg(long, env = "HEXABASE_PROMETHEUS_KUBE_STATE_METRICS_JOB", value_name = "JOB", value_delimiter = ',')]
    prometheus_kube_state_metrics_job: Vec<String>,

    /// Scrape jobs of the tenant API servers in Prometheus, separated by commas [default: vcluster].
    #[arg(long, env = "HEXABASE_PROMETHEUS_API_SERVER_JOB", value_name = "JOB", value_delimiter = ',')]
    prometheus_api_server_job: Vec<String>,

    /// Scrape interval of these jobs, in seconds, the longest if they differ. A period with less than half of the
    /// expected scrapes counts as unmeasured [default: 30].
    #[arg(long, env = "HEXABASE_PROMETHEUS_SCRAPE_SECONDS", value_name = "SECONDS")]
    prometheus_scrape_seconds: u32,

    /// Addresses (HOST:PORT) at which Prometheus reaches the port for metrics of workers, separated by commas: one of a
    /// load balancer, or one for each worker. The scrape targets of tenant API servers name them [default: the own port
    /// for metrics].
    #[arg(long, env = "HEXABASE_TENANT_SCRAPE_TARGETS", value_name = "ADDRESS", value_delimiter = ',')]
    tenant_scrape_targets: Vec<String>,

    /// Bearer token with which Prometheus reads the scrape targets of tenant API servers. Without it, only platform
    /// administrators may read them.
    #[arg(long, env = "HEXABASE_PROMETHEUS_DISCOVERY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    prometheus_discovery_token: SecretString,

    /// Retention of metrics in Prometheus, in days, at least 1: requests for metrics reach no further back [default: 15].
    #[arg(long, env = "HEXABASE_METRICS_RETENTION_DAYS", value_name = "DAYS")]
    metrics_retention_days: u32,

    /// URL of the Loki that an agent on the host clusters writes the logs of tenants to, with the path before
    /// /loki/api/v1 if there is one. Without it logs cannot be read, except for invented ones in the sandbox.
    #[arg(long, env = "HEXABASE_LOKI_URL", value_name = "URL", hide_env_values = true)]
    loki_url: SecretString,

    /// Bearer token for Loki, if it requires one.
    #[arg(long, env = "HEXABASE_LOKI_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    loki_token: SecretString,

    /// Tenant of Loki with the logs (X-Scope-OrgID): none, single:NAME, or per-workspace for tenants with the names of
    /// the workspaces' namespaces on the host [default: none].
    #[arg(long, env = "HEXABASE_LOKI_TENANCY", value_name = "TENANCY")]
    loki_tenancy: String,

    /// File with the master key, 32 bytes in base64. The variable HEXABASE_MASTER_KEY can contain the key itself and
    /// takes precedence.
    #[arg(long, env = "HEXABASE_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: PathBuf,

    /// Files with additional master keys, separated by commas, while the master key is rotated: they decrypt what is
    /// encrypted with them, and encrypt nothing. The variable HEXABASE_ADDITIONAL_MASTER_KEYS can contain the keys
    /// themselves, separated by commas, and takes precedence [default: none].
    #[arg(long, env = "HEXABASE_ADDITIONAL_MASTER_KEY_FILES", value_name = "FILE", value_delimiter = ',')]
    additional_master_key_files: Vec<PathBuf>,

    /// PEM file with the certificate chain of the server. Enables https.
    #[arg(long, env = "HEXABASE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: PathBuf,

    /// PEM file with the private key of the certificate.
    #[arg(long, env = "HEXABASE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: PathBuf,

    /// PEM file with the certificates of the private CA that signed the certificate of the public URL, if it is not
    /// publicly trusted. Tenant clusters use it to fetch the signing keys of tokens.
    #[arg(long, env = "HEXABASE_ISSUER_CA", value_name = "FILE")]
    issuer_ca: PathBuf,

    /// Networks of reverse proxies in front of the server, separated by commas, whose X-Forwarded-For header is
    /// trusted [default: none].
    #[arg(long, env = "HEXABASE_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxies: Vec<IpNet>,

    /// Maximum number of client connections; beyond it only health checks are served [default: 10000]. Always at most
    /// three quarters of the limit of open files.
    #[arg(long, env = "HEXABASE_MAX_CONNECTIONS", value_name = "NUMBER")]
    max_connections: usize,

    /// Maximum number of connections per client address, except those of --trusted-proxies and of this machine
    /// [default: a quarter of the maximum number of connections].
    #[arg(long, env = "HEXABASE_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    max_connections_per_address: usize,

    /// Platform administrators, by the verified e-mail addresses that they sign in with, separated by commas. They may
    /// use /api/v1/admin.
    #[arg(long, env = "HEXABASE_PLATFORM_ADMINS", value_name = "ADDRESS", value_delimiter = ',')]
    platform_admins: Vec<String>,

    /// Users who may create organizations: everyone, or platform_admins. Every user has a personal organization in
    /// addition [default: everyone].
    #[arg(long, env = "HEXABASE_ORGANIZATION_CREATION", value_enum)]
    organization_creation: OrganizationCreators,

    /// Maximum number of organizations that a user creates, without the personal one; 0 for no limit. Platform
    /// administrators have no limit [default: 10].
    #[arg(long, env = "HEXABASE_MAX_OWNED_ORGANIZATIONS", value_name = "NUMBER")]
    max_owned_organizations: u32,

    /// Maximum number of workspaces on plans without a price, in all organizations together that one user created; 0
    /// for no limit. Organizations of platform administrators have no limit [default: 6].
    #[arg(long, env = "HEXABASE_MAX_FREE_WORKSPACES_PER_USER", value_name = "NUMBER")]
    max_free_workspaces_per_user: u32,

    /// Maximum number of invitations per day of an organization, and of a user in all organizations together; 0 for no
    /// limit [default: 100].
    #[arg(long, env = "HEXABASE_INVITATIONS_PER_DAY", value_name = "NUMBER")]
    invitations_per_day: u32,

    /// Hours between two isolation checks of a workspace; 0 for checks on request only [default: 24].
    #[arg(long, env = "HEXABASE_ISOLATION_CHECK_HOURS", value_name = "HOURS")]
    isolation_check_hours: u32,

    /// Sign-in providers, by name: tables `[providers.NAME]` of the file. Variables are read by `named_tables`.
    #[arg(skip)]
    providers: NamedTables,

    /// Registered clients, by name: tables `[clients.NAME]` of the file.
    #[arg(skip)]
    clients: NamedTables,

    /// Trusted issuers of workload tokens, by name: tables `[trusts.NAME]` of the file.
    #[arg(skip)]
    trusts: NamedTables,

    /// Format of log lines [default: text]. The variable RUST_LOG selects the lines.
    #[arg(long, env = "HEXABASE_LOG", value_enum)]
    log: LogFormat,

    /// URL of an OpenTelemetry collector that receives traces (OTLP over HTTP), as in http://collector:4318. Without it
    /// no traces are exported.
    #[arg(long, env = "HEXABASE_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    otlp_endpoint: SecretString,

    /// Part of the traces that is exported, from 0 to 1; a trusted proxy that sends `traceparent` decides itself
    /// [default: 1].
    #[arg(long, env = "HEXABASE_OTLP_SAMPLE_RATIO", value_name = "NUMBER")]
    otlp_sample_ratio: f64,

    /// Maximum number of requests per caller and minute; 0 for no limit [default: 1200].
    #[arg(long, env = "HEXABASE_REQUESTS_PER_MINUTE", value_name = "NUMBER")]
    requests_per_minute: u32,

    /// Maximum number of requests per organization and minute, of all its members together; 0 for no limit [default:
    /// 12000].
    #[arg(long, env = "HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", value_name = "NUMBER")]
    requests_per_minute_per_organization: u32,

    /// Maximum number of sign-in requests (start and completion) per client address and minute; 0 for no limit
    /// [default: 120].
    #[arg(long, env = "HEXABASE_SIGN_INS_PER_MINUTE", value_name = "NUMBER")]
    sign_ins_per_minute: u32,

    /// Maximum number of concurrent event streams per user in each process; 0 for no limit [default: 10].
    #[arg(long, env = "HEXABASE_EVENT_STREAMS_PER_USER", value_name = "NUMBER")]
    event_streams_per_user: usize,

    /// Maximum number of concurrent event streams per organization in each process, of all its members together; 0 for
    /// no limit [default: 50].
    #[arg(long, env = "HEXABASE_EVENT_STREAMS_PER_ORGANIZATION", value_name = "NUMBER")]
    event_streams_per_organization: usize,

    /// Maximum number of concurrent event streams per process; 0 for no limit [default: 5000].
    #[arg(long, env = "HEXABASE_EVENT_STREAMS_PER_PROCESS", value_name = "NUMBER")]
    event_streams_per_process: usize,

    /// Maximum number of concurrent usage streams per user in each process; 0 for no limit [default: 10].
    #[arg(long, env = "HEXABASE_USAGE_STREAMS_PER_USER", value_name = "NUMBER")]
    usage_streams_per_user: usize,

    /// Maximum number of concurrent usage streams per workspace in each process; 0 for no limit [default: 50].
    #[arg(long, env = "HEXABASE_USAGE_STREAMS_PER_WORKSPACE", value_name = "NUMBER")]
    usage_streams_per_workspace: usize,

    /// Maximum number of concurrent usage streams per process; 0 for no limit [default: 5000].
    #[arg(long, env = "HEXABASE_USAGE_STREAMS_PER_PROCESS", value_name = "NUMBER")]
    usage_streams_per_process: usize,

    /// Maximum number of concurrent log streams per user in each process; 0 for no limit [default: 10].
    #[arg(long, env = "HEXABASE_LOG_STREAMS_PER_USER", value_name = "NUMBER")]
    log_streams_per_user: usize,

    /// Maximum number of concurrent log streams per workspace in each process, of all its members together; 0 for no
    /// limit [default: 50].
    #[arg(long, env = "HEXABASE_LOG_STREAMS_PER_WORKSPACE", value_name = "NUMBER")]
    log_streams_per_workspace: usize,

    /// Maximum number of concurrent log streams per process; 0 for no limit [default: 1000].
    #[arg(long, env = "HEXABASE_LOG_STREAMS_PER_PROCESS", value_name = "NUMBER")]
    log_streams_per_process: usize,

    /// Interval of the rotation of signing keys, in days; 0 to rotate them by command only [default: 90].
    #[arg(long, env = "HEXABASE_SIGNING_KEY_DAYS", value_name = "NUMBER")]
    signing_key_days: u32,

    /// Maximum number of sessions per user; a further session ends the oldest one [default: 100].
    #[arg(long, env = "HEXABASE_SESSIONS_PER_USER", value_name = "NUMBER")]
    sessions_per_user: usize,

    /// Retention of audit events, in days, at least 30; 0 to keep them for good [default: 400].
    #[arg(long, env = "HEXABASE_AUDIT_RETENTION_DAYS", value_name = "DAYS")]
    audit_retention_days: u32,

    /// Retention of finished tasks, in days, at least 1 [default: 30].
    #[arg(long, env = "HEXABASE_TASK_RETENTION_DAYS", value_name = "DAYS")]
    task_retention_days: u32,

    /// Retention of the security events of users, in days, at least 1 [default: 90].
    #[arg(long, env = "HEXABASE_SECURITY_EVENT_RETENTION_DAYS", value_name = "DAYS")]
    security_event_retention_days: u32,

    /// Maximum number of messages that a worker handles at a time [default: 32].
    #[arg(long, env = "HEXABASE_CONCURRENCY", value_name = "NUMBER")]
    concurrency: usize,

    /// URL of the SMTP server for outgoing mail: smtps://user:password@host for TLS, or smtp:// for STARTTLS, which the
    /// server must offer; smtp://host?tls=none is not encrypted. Requires --mail-from [default: no mail is sent].
    #[arg(long, env = "HEXABASE_SMTP_URL", value_name = "URL", hide_env_values = true)]
    smtp_url: SecretString,

    /// PEM file with the CA certificates to trust for connections to the SMTP server [default: those of the system].
    #[arg(long, env = "HEXABASE_SMTP_CA", value_name = "FILE")]
    smtp_ca: PathBuf,

    /// Sender of mails: an address, or a name and an address as in Hexabase <noreply@hexabase.example>. The address
    /// must be allowed at the SMTP server.
    #[arg(long, env = "HEXABASE_MAIL_FROM", value_name = "SENDER")]
    mail_from: String,

    /// Directory with mail templates, such as en/invitation.txt, that replace the built-in ones of the same name
    /// [default: none].
    #[arg(long, env = "HEXABASE_MAIL_TEMPLATES", value_name = "DIRECTORY")]
    mail_templates: PathBuf,

    /// Language of mails: en, ja, or another one with all its templates in --mail-templates [default: en].
    #[arg(long, env = "HEXABASE_MAIL_LANGUAGE", value_name = "LANGUAGE")]
    mail_language: String,

    /// Name of the product in mails, pages and the API documentation [default: Hexabase].
    #[arg(long, env = "HEXABASE_PRODUCT_NAME", value_name = "NAME")]
    product_name: String,

    /// Directory for outgoing mail, one file per mail, instead of an SMTP server [default with --dev and without
    /// --smtp-url: hexabase.mail next to the database].
    #[arg(long, env = "HEXABASE_MAIL_DIRECTORY", value_name = "DIRECTORY")]
    mail_directory: PathBuf,

    /// Name of the host cluster [default: local].
    #[arg(long, env = "HEXABASE_HOST_NAME", value_name = "NAME")]
    host_name: String,

    /// Region of the host cluster [default: none].
    #[arg(long, env = "HEXABASE_HOST_REGION", value_name = "REGION")]
    host_region: String,

    /// Maximum number of workspaces on the host cluster [default: unlimited].
    #[arg(long, env = "HEXABASE_HOST_CAPACITY", value_name = "NUMBER")]
    host_capacity: u32,

    /// Maximum number of concurrent requests to the API server of the host cluster; further requests wait [default:
    /// 64].
    #[arg(long, env = "HEXABASE_HOST_REQUESTS", value_name = "NUMBER")]
    host_requests: usize,

    /// ServiceAccount of the kubeconfig, as NAMESPACE/NAME, if it has only the permissions of `hexabase host-setup`:
    /// Hexabase then binds it to a role in each namespace that it creates. Without this option the kubeconfig needs
    /// all permissions itself.
    #[arg(long, env = "HEXABASE_HOST_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME")]
    host_service_account: String,

    /// Use of host clusters to which the output of `hexabase host-setup` of this release is not applied: required (they
    /// receive no workspaces) or optional, for development clusters without untrusted tenants [default: required].
    #[arg(long, env = "HEXABASE_HOST_SETUP", value_name = "USE")]
    host_setup: String,

    /// URL template under which users reach tenant API servers, with the placeholders {name} and {namespace} [default:
    /// https://{name}.{namespace}.svc:443].
    #[arg(long, env = "HEXABASE_TENANT_ENDPOINT", value_name = "URL")]
    tenant_endpoint: String,

    /// Exposure of tenant API servers outside the network of the host cluster: internal (no object), ingress/CLASS (an
    /// Ingress per tenant, with a controller that passes TLS through), gateway/NAMESPACE/NAME (a TLSRoute per tenant
    /// at this Gateway), or load-balancer (a load balancer per tenant, whose address users get). Ingress and Gateway
    /// require a --tenant-endpoint with a host name per tenant, such as https://{name}.tenants.example [default:
    /// internal].
    #[arg(long, env = "HEXABASE_TENANT_EXPOSURE", value_name = "EXPOSURE")]
    tenant_exposure: String,

    /// URL template under which workers reach tenant API servers, with the same placeholders, for workers outside the
    /// network of the host cluster [default: https://{name}.{namespace}.svc:443].
    #[arg(long, env = "HEXABASE_TENANT_ADDRESS", value_name = "URL")]
    tenant_address: String,

    /// Ingress controller and domain for Ingresses of tenants, as CLASS/NAMESPACE/DOMAIN: the IngressClass that
    /// tenants must name, the namespace of its controller, and the domain of a tenant's host names with the
    /// placeholder {name}, as in nginx/ingress-nginx/{name}.apps.example. Without it Ingresses stay in the tenant
    /// clusters.
    #[arg(long, env = "HEXABASE_TENANT_INGRESS", value_name = "INGRESS")]
    tenant_ingress: String,

    /// Objects with which a Prometheus of the host cluster scrapes tenant API servers: off, token (a token for each
    /// tenant, which reads metrics and nothing else), or service-monitor (also a ServiceMonitor for each tenant, with the
    /// Prometheus operator 0.73 or newer on the host; pass it to `hexabase host-setup` as well) [default: off].
    #[arg(long, env = "HEXABASE_SCRAPE_TENANTS", value_name = "OBJECTS")]
    scrape_tenants: String,

    /// Namespaces on host clusters in which tenants may have credentials for GitOps tools of the operator, as TOOL/NAMESPACE
    /// separated by commas, as in argocd/argocd,flux/flux-system. Pass it to `hexabase host-setup` as well, which permits
    /// Hexabase to write those credentials, and no other object, in these namespaces [default: none].
    #[arg(long, env = "HEXABASE_GITOPS_NAMESPACES", value_name = "TOOL/NAMESPACE,…")]
    gitops_namespaces: String,

    /// Reports of policies of host clusters that workspaces show as policy reports: off, or kyverno, for hosts where Kyverno
    /// writes PolicyReports (wgpolicyk8s.io/v1alpha2). Pass it to `hexabase host-setup` as well [default: off].
    #[arg(long, env = "HEXABASE_POLICY_REPORTS", value_name = "REPORTS")]
    policy_reports: String,

    /// Domain of the labels, annotations and taints of Hexabase on host clusters and in tenant clusters, as in
    /// platform.example. Chosen once: existing workspaces are not found by the keys of another domain. Pass it to
    /// `hexabase host-setup` as well [default: hexabase.ai].
    #[arg(long, env = "HEXABASE_LABEL_DOMAIN", value_name = "DOMAIN")]
    label_domain: String,

    /// Domains and keys of labels and annotations that pods, Services and volume claims of tenants may have on the host
    /// cluster, separated by commas, as in strimzi.io,cnpg.io. They are added to the default ones, which
    /// no controller of a host acts on [default: none].
    #[arg(long, env = "HEXABASE_TENANT_METADATA", value_name = "KEYS")]
    tenant_metadata: String,

    /// Service of the host cluster's metrics server, as NAMESPACE/SERVICE, such as kube-system/metrics-server, from which
    /// tenants get the usage of their pods (kubectl top pods, HorizontalPodAutoscalers). A change restarts every control
    /// plane of the host [default: none; tenant clusters have no metrics].
    #[arg(long, env = "HEXABASE_TENANT_METRICS", value_name = "SERVICE")]
    tenant_metrics: String,

    /// Release of vCluster, of 0.36 or 0.37 [default: 0.36.1]. A change restarts every control plane of the host; it
    /// can go up by one minor version at a time and never down.
    #[arg(long, env = "HEXABASE_VCLUSTER_VERSION", value_name = "VERSION")]
    vcluster_version: String,

    /// Image of vCluster, without a tag [default: ghcr.io/loft-sh/vcluster-oss].
    #[arg(long, env = "HEXABASE_VCLUSTER_IMAGE", value_name = "IMAGE")]
    vcluster_image: String,

    /// Registry, or path in a registry, that mirrors all images of control planes: vCluster, Kubernetes, CoreDNS and
    /// etcd. For hosts without internet access.
    #[arg(long, env = "HEXABASE_IMAGE_REGISTRY", value_name = "REGISTRY")]
    image_registry: String,

    /// Overrides for the vCluster configuration, as YAML in vCluster's format. Keys outside the allowed list are
    /// rejected. The list covers replicas and resources of CoreDNS, arguments of API servers and controller managers,
    /// scheduling of control planes, and events of the host.
    #[arg(long, env = "HEXABASE_VCLUSTER_OVERRIDES", value_name = "YAML")]
    vcluster_overrides: String,

    /// Store in the annotation of control planes, if their pods use another store than the configuration says
    /// [default: derived from the plan].
    #[arg(long, env = "HEXABASE_VCLUSTER_STORE", value_name = "NAME")]
    vcluster_store: String,

    /// CIDR of Service addresses in the host cluster, or one per address family, separated by a comma. Tenants do not
    /// reach them; private ranges are closed in any case [default: detected by vCluster].
    #[arg(long, env = "HEXABASE_SERVICE_CIDR", value_name = "CIDR")]
    service_cidr: String,

    /// CIDRs of pod addresses in the host cluster, separated by commas. Tenants reach no pods of others there; private
    /// ranges are closed in any case. Required to admit external traffic to tenants whose plan has load balancers.
    #[arg(long, env = "HEXABASE_POD_CIDR", value_name = "CIDR,…")]
    pod_cidr: String,

    /// CIDRs of the API server of the host cluster, separated by commas, at which control planes reach it on port 443 or
    /// 6443 [default: the endpoints of the Service kubernetes, read again every minute].
    #[arg(long, env = "HEXABASE_API_SERVER_CIDR", value_name = "CIDR,…")]
    api_server_cidr: String,

    /// Peers at which control planes reach the public URL of this server if it has no public address: CIDRs, or
    /// namespace/NAME for pods of the host cluster, separated by commas, as in 10.0.0.5/32,namespace/ingress-nginx
    /// [default: public addresses, and the address in the URL].
    #[arg(long, env = "HEXABASE_ISSUER_NETWORK", value_name = "PEER,…")]
    issuer_network: String,

    /// Storage class of the volumes of control planes [default: that of the host cluster].
    #[arg(long, env = "HEXABASE_STORAGE_CLASS", value_name = "NAME")]
    storage_class: String,
}
