//! What an operator can set: each by a flag, a variable or the configuration file, in this order of precedence.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hexabase_core::secret::SecretString;
use ipnet::IpNet;
use serde::Deserialize;

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

macro_rules! options {
    ($($(#[$meta:meta])* $name:ident: $type:ty,)*) => {
        /// What was set in one place.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Options {
            $($(#[$meta])* pub(crate) $name: Option<$type>,)*

            /// For development: anybody can sign in as anybody, and a master key is made and kept beside the
            /// database.
            #[arg(long, env = "HEXABASE_DEV")]
            pub(crate) dev: bool,
        }

        impl Options {
            /// What was set here, and where nothing was, what was set there.
            #[must_use]
            pub(crate) fn or(self, there: Self) -> Self {
                Self { $($name: self.$name.or(there.$name),)* dev: self.dev || there.dev }
            }
        }
    };
}

options! {
    /// Where to listen; port 0 takes any free one [default: 127.0.0.1:8080; a worker: 8081].
    #[arg(long, env = "HEXABASE_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Where people reach the server; with --dev the listening address if not said.
    #[arg(long, env = "HEXABASE_PUBLIC_URL", value_name = "URL")]
    public_url: String,

    /// Where everything is kept: sqlite:// and a file, or postgres://user:password@host/database
    /// [default: sqlite://hexabase.db].
    #[arg(long, env = "HEXABASE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: SecretString,

    /// How many connections to PostgreSQL this process has at most [default: 16].
    #[arg(long, env = "HEXABASE_DATABASE_CONNECTIONS", value_name = "NUMBER")]
    database_connections: u32,

    /// Where short-lived facts are kept: redis://user:password@host:port, or rediss:// for TLS, and several with
    /// commas between for a cluster. In this process if not said, which only works while there is one.
    #[arg(long, env = "HEXABASE_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: SecretString,

    /// The certificates to trust on the way to Redis, in PEM; the system's if not said.
    #[arg(long, env = "HEXABASE_REDIS_CA", value_name = "FILE")]
    redis_ca: PathBuf,

    /// Where work is queued: nats://host:port, or tls:// for TLS, and several with commas between for a cluster. In
    /// this process if not said, which only works while there is one.
    #[arg(long, env = "HEXABASE_NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: SecretString,

    /// The credentials for NATS: a file as `nsc generate creds` writes it.
    #[arg(long, env = "HEXABASE_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: PathBuf,

    /// The certificates to trust on the way to NATS, in PEM; the system's if not said.
    #[arg(long, env = "HEXABASE_NATS_CA", value_name = "FILE")]
    nats_ca: PathBuf,

    /// On how many servers of a NATS cluster messages are kept [default: 1].
    #[arg(long, env = "HEXABASE_NATS_REPLICAS", value_name = "NUMBER")]
    nats_replicas: usize,

    /// The host cluster, as a kubeconfig with the right to make namespaces. Without it tenant clusters are only
    /// pretended, in a sandbox.
    #[arg(long, env = "HEXABASE_KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,

    /// The plans; those that come along if not said.
    #[arg(long, env = "HEXABASE_PLANS", value_name = "FILE")]
    plans: PathBuf,

    /// Stripe's secret key, to take money with. Without it plans cost nothing, whatever their prices say.
    #[arg(long, env = "HEXABASE_STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: SecretString,

    /// The secret that Stripe signs webhooks with; several while one is replaced, with commas between.
    #[arg(long, env = "HEXABASE_STRIPE_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true,
        value_delimiter = ',')]
    stripe_webhook_secret: Vec<SecretString>,

    /// Where Stripe's API is [default: https://api.stripe.com].
    #[arg(long, env = "HEXABASE_STRIPE_API_BASE", value_name = "URL")]
    stripe_api_base: String,

    /// Whether Stripe works out taxes [default: false].
    #[arg(long, env = "HEXABASE_STRIPE_AUTOMATIC_TAX", value_name = "TRUTH")]
    stripe_automatic_tax: bool,

    /// For how many days everything goes on after a payment failed [default: 14].
    #[arg(long, env = "HEXABASE_BILLING_GRACE_DAYS", value_name = "DAYS")]
    billing_grace_days: u32,

    /// Where Prometheus is that measures the host clusters: what workspaces use is read from there. Nobody is charged for
    /// usage without it.
    #[arg(long, env = "HEXABASE_PROMETHEUS_URL", value_name = "URL")]
    prometheus_url: String,

    /// The token to show Prometheus, if it wants one.
    #[arg(long, env = "HEXABASE_PROMETHEUS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    prometheus_token: SecretString,

    /// The master key: a file with 32 bytes in base64. The variable HEXABASE_MASTER_KEY can hold the key itself.
    #[arg(long, env = "HEXABASE_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: PathBuf,

    /// The server's certificate chain in PEM, to speak https.
    #[arg(long, env = "HEXABASE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: PathBuf,

    /// The key of the certificate in PEM.
    #[arg(long, env = "HEXABASE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: PathBuf,

    /// The authority, in PEM, that has signed what the public URL shows, where it is none that everybody trusts: tenant
    /// clusters ask there for the keys of tokens.
    #[arg(long, env = "HEXABASE_ISSUER_CA", value_name = "FILE")]
    issuer_ca: PathBuf,

    /// Networks of proxies in front of the server, whose X-Forwarded-For is believed.
    #[arg(long, env = "HEXABASE_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxies: Vec<IpNet>,

    /// Who operates the installation: the addresses that they sign in with. They may use /api/v1/admin.
    #[arg(long, env = "HEXABASE_PLATFORM_ADMINS", value_name = "ADDRESS", value_delimiter = ',')]
    platform_admins: Vec<String>,

    /// The ways to sign in: tables in the file, and variables; the documentation lists what is in them.
    #[arg(skip)]
    providers: toml::Table,

    /// Who lets people sign in with this server, likewise.
    #[arg(skip)]
    clients: toml::Table,

    /// Who vouches for programs, likewise.
    #[arg(skip)]
    trusts: toml::Table,

    /// How log lines are written [default: text]. The variable RUST_LOG says which.
    #[arg(long, env = "HEXABASE_LOG", value_enum)]
    log: LogFormat,

    /// How many requests a caller has per minute; 0 for no limit [default: 1200].
    #[arg(long, env = "HEXABASE_REQUESTS_PER_MINUTE", value_name = "NUMBER")]
    requests_per_minute: u32,

    /// How many requests the members of an organization have per minute together; 0 for no limit [default: 12000].
    #[arg(long, env = "HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", value_name = "NUMBER")]
    requests_per_minute_per_organization: u32,

    /// How often somebody may begin or finish to sign in from one address in a minute; 0 for no limit [default: 120].
    #[arg(long, env = "HEXABASE_SIGN_INS_PER_MINUTE", value_name = "NUMBER")]
    sign_ins_per_minute: u32,

    /// After how many days signing keys give way to new ones; 0 to do that only when told [default: 90].
    #[arg(long, env = "HEXABASE_SIGNING_KEY_DAYS", value_name = "NUMBER")]
    signing_key_days: u32,

    /// How many sessions one person has at most; the oldest ends when another one begins [default: 100].
    #[arg(long, env = "HEXABASE_SESSIONS_PER_USER", value_name = "NUMBER")]
    sessions_per_user: usize,

    /// How many messages a worker deals with at a time [default: 32].
    #[arg(long, env = "HEXABASE_CONCURRENCY", value_name = "NUMBER")]
    concurrency: usize,

    /// Where mail is put, one file each; with --dev ./hexabase.mail if not said. Without it no mail is sent.
    #[arg(long, env = "HEXABASE_MAIL_DIRECTORY", value_name = "DIRECTORY")]
    mail_directory: PathBuf,

    /// What the host cluster is called [default: local].
    #[arg(long, env = "HEXABASE_HOST_NAME", value_name = "NAME")]
    host_name: String,

    /// The region that the host cluster is in.
    #[arg(long, env = "HEXABASE_HOST_REGION", value_name = "REGION")]
    host_region: String,

    /// How many workspaces the host cluster takes; as many as come if not said.
    #[arg(long, env = "HEXABASE_HOST_CAPACITY", value_name = "NUMBER")]
    host_capacity: u32,

    /// How many requests to the host cluster's API server are under way at a time, the others waiting [default: 64].
    #[arg(long, env = "HEXABASE_HOST_REQUESTS", value_name = "NUMBER")]
    host_requests: usize,

    /// The ServiceAccount that the kubeconfig is of, as NAMESPACE/NAME, where it has no more rights than `hexabase
    /// host-setup` asks for: it gives itself a role in each namespace that it makes then. If not said, it must have every
    /// right that it needs by itself.
    #[arg(long, env = "HEXABASE_HOST_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME")]
    host_service_account: String,

    /// How users reach a tenant's API server; {name} and {namespace} are filled in
    /// [default: https://{name}.{namespace}.svc:443].
    #[arg(long, env = "HEXABASE_TENANT_ENDPOINT", value_name = "URL")]
    tenant_endpoint: String,

    /// What leads users to tenants' API servers from outside of the host cluster's network: internal (nothing that Hexabase
    /// makes), ingress/CLASS (an Ingress whose controller hands TLS through), gateway/NAMESPACE/NAME (a TLSRoute at this
    /// Gateway), or load-balancer (one for each, whose address users are told). Ingress and Gateway need a --tenant-endpoint
    /// such as https://{name}.tenants.example [default: internal].
    #[arg(long, env = "HEXABASE_TENANT_EXPOSURE", value_name = "EXPOSURE")]
    tenant_exposure: String,

    /// How workers reach a tenant's API server, where that is not in the host cluster's own network; filled in likewise
    /// [default: https://{name}.{namespace}.svc:443].
    #[arg(long, env = "HEXABASE_TENANT_ADDRESS", value_name = "URL")]
    tenant_address: String,

    /// By what Ingresses of tenants are served, as CLASS/NAMESPACE/DOMAIN: the class that they have to name, the namespace of
    /// its controller, and the domain that each tenant has names in, with {name} in it: nginx/ingress-nginx/{name}.apps.example.
    /// Without it they stay in tenants' clusters.
    #[arg(long, env = "HEXABASE_TENANT_INGRESS", value_name = "INGRESS")]
    tenant_ingress: String,

    /// The release of vCluster, of 0.36 or 0.37 [default: 0.36.1]. A change starts every control plane of the host anew; it
    /// goes up by one minor version at a time and never down.
    #[arg(long, env = "HEXABASE_VCLUSTER_VERSION", value_name = "VERSION")]
    vcluster_version: String,

    /// The image of vCluster, without a tag.
    #[arg(long, env = "HEXABASE_VCLUSTER_IMAGE", value_name = "IMAGE")]
    vcluster_image: String,

    /// A registry, or a path in one, that holds all images: of vCluster, of Kubernetes, and what runs in every tenant. For
    /// hosts that cannot reach the internet.
    #[arg(long, env = "HEXABASE_IMAGE_REGISTRY", value_name = "REGISTRY")]
    image_registry: String,

    /// What is to be otherwise in tenants' vClusters, as YAML in the shape of vCluster's own configuration. Open are the size
    /// and number of name servers, arguments of API servers and controller managers, where control planes run, and events of
    /// the host; whatever else stands there is refused with a list of what is open.
    #[arg(long, env = "HEXABASE_VCLUSTER_OVERRIDES", value_name = "YAML")]
    vcluster_overrides: String,

    /// The store that tenants' control planes report, where pods are told to use another one than the default.
    #[arg(long, env = "HEXABASE_VCLUSTER_STORE", value_name = "NAME")]
    vcluster_store: String,

    /// The range of Service addresses in the host cluster; vCluster finds out by itself if not said.
    #[arg(long, env = "HEXABASE_SERVICE_CIDR", value_name = "CIDR")]
    service_cidr: String,

    /// The ranges of pod addresses in the host cluster. Knowing them lets traffic in to tenants whose plan has load balancers.
    #[arg(long, env = "HEXABASE_POD_CIDR", value_name = "CIDR,…")]
    pod_cidr: String,

    /// The storage class of control planes' volumes; the host's default if not said.
    #[arg(long, env = "HEXABASE_STORAGE_CLASS", value_name = "NAME")]
    storage_class: String,
}
