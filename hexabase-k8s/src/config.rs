//! Configuration of a host cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hexabase_core::error::Error;
use hexabase_core::model::GitOpsNamespaces;
use hexabase_core::name::KubernetesVersion;
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::labels::Labels;
use crate::overrides::Overrides;
use crate::peers::{ApiServerAddresses, IssuerPeer};
use crate::scraping::TenantScraping;

/// Configuration of a host cluster.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Release of vCluster without the `v`, such as `0.36.1`. The rendered configuration depends on it: vCluster
    /// rejects unknown keys.
    pub vcluster_version: String,
    /// Registry and repository of vCluster's open-source image, without a tag.
    pub vcluster_image: String,
    /// Images of the API server and controller manager, by Kubernetes minor version such as `1.36`.
    pub kubernetes_images: BTreeMap<String, String>,
    /// Registry, or path in a registry, that mirrors all images of control planes, for hosts without access to the
    /// internet. `None` uses the original registries. It does not apply to the images of tenants' workloads.
    pub image_registry: Option<String>,
    /// Overrides of the rendered vCluster configuration.
    pub overrides: Overrides,
    /// CIDR of the host's Service addresses, or one per address family, separated by a comma. With `None`, vCluster
    /// determines it with ten probe Services at its first start. Tenants do not reach these addresses; private ranges
    /// are closed to them in any case.
    pub service_cidr: Option<String>,
    /// CIDRs of the host's pods, to which tenants get no connections. They are needed to accept external traffic to
    /// tenants whose plan allows load balancers: without them, pods of other tenants are indistinguishable from
    /// external clients.
    pub pod_ranges: Vec<String>,
    /// Addresses of the host's API server, which control planes reach. Empty to detect them; they are unknown if that
    /// is not possible, and control planes then reach all addresses at its usual ports, except those of pods.
    pub api_server: Vec<ApiServerAddresses>,
    /// Peers at which control planes reach the issuer if its address is not public. An issuer whose URL contains an
    /// address needs none.
    pub issuer_peers: Vec<IssuerPeer>,
    /// Ingress class and domain with which tenants may publish their workloads, in addition to Services of type
    /// LoadBalancer. `None` allows no Ingress.
    pub ingress: Option<TenantIngress>,
    /// Metrics server of the host, from which tenants get the usage of their pods (`kubectl top pods`, and autoscaling
    /// by CPU and memory). `None` offers no metrics in tenant clusters: a host without a metrics server would break
    /// their discovery.
    pub metrics_server: Option<MetricsServer>,
    /// Objects with which a Prometheus of the host scrapes the metrics of tenant API servers.
    pub scraping: TenantScraping,
    /// Namespaces in which tenants may have credentials for GitOps tools of the operator.
    pub gitops_namespaces: GitOpsNamespaces,
    /// `true` to read the PolicyReports that Kyverno writes in the namespaces of tenants.
    pub policy_reports: bool,
    /// Keys of the labels and annotations of all objects, in a domain that is chosen once: the objects of existing
    /// workspaces are not found by the keys of another domain.
    pub labels: Labels,
    /// Domains and keys of labels and annotations that workloads of tenants may have on the host, in addition to the
    /// default ones: other keys can be instructions to the host's controllers.
    pub tenant_metadata: Vec<String>,
    /// Storage class of the control planes' volumes. `None` uses the default of the host.
    pub storage_class: Option<String>,
    /// Image of etcd, for control planes with etcd as their store.
    pub etcd_image: String,
    /// Store in the annotation `vcluster.loft.sh/store`, with which vCluster compares its own: it refuses to start with
    /// another one. `None` derives it from the plan. Required only if the pods use another store than the configuration
    /// says.
    pub store: Option<String>,
    /// URL template of the tenant API servers for users, with the placeholders `{name}` and `{namespace}`.
    pub endpoint: String,
    /// Exposure of tenant API servers outside the host's network.
    pub exposure: Exposure,
    /// URL template by which Hexabase itself reaches tenant API servers, with the same placeholders. The address in a
    /// tenant's kubeconfig is ignored: its control plane is not trusted and could name any server.
    pub address: String,
    /// ServiceAccount as which Hexabase acts on the host with only the permissions of
    /// [`host_setup`](crate::render::host_setup); it then binds itself to a role in each namespace that it creates.
    /// `None` if it acts as an administrator.
    pub identity: Option<HostIdentity>,
    /// `true` to create tenant clusters only if the host setup of this release, or of a newer one, is applied: without
    /// it no admission policy restricts the control planes of tenants. `false` for development clusters only.
    pub requires_host_setup: bool,
    /// Maximum number of concurrent requests to the host's API server, at least one. Further requests wait.
    pub concurrency: usize,
}

/// Ingress controller of the host for Ingresses of tenants. The text form is `CLASS/NAMESPACE/DOMAIN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantIngress {
    /// Required class of tenant Ingresses.
    pub class: String,
    /// Namespace of the Ingress controller, from which tenants' pods accept traffic.
    pub namespace: String,
    /// Domain of a tenant's hosts, with the placeholder `{name}` for the tenant, as in `{name}.apps.example`.
    pub domain: String,
}

impl FromStr for TenantIngress {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text is not a class, a namespace and a domain that differs for each tenant.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_domain = |domain: &str| fill_template(domain, "a").split('.').all(is_name);
        match parts.as_slice() {
            [class, namespace, domain]
                if is_name(class) && is_name(namespace) && domain.contains("{name}") && is_domain(domain) =>
            {
                let [class, namespace, domain] = [class, namespace, domain].map(|part| (*part).to_owned());
                Ok(Self { class, namespace, domain })
            }
            _ => Err("must be CLASS/NAMESPACE/DOMAIN, with {name} in the domain, as in \
                      nginx/ingress-nginx/{name}.apps.example"),
        }
    }
}

/// Service of a host's metrics server. The text form is `NAMESPACE/SERVICE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsServer {
    /// Namespace of the Service and its pods.
    pub namespace: String,
    /// Name of the Service, which is also the value of the label `k8s-app` or `app.kubernetes.io/name` of its pods.
    pub service: String,
}

impl FromStr for MetricsServer {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text is not two Kubernetes names separated by a slash.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts =
            text.split_once('/').filter(|(namespace, service)| is_name(namespace) && is_name(service));
        let (namespace, service) =
            parts.ok_or("must be namespace and name of a Service, as in kube-system/metrics-server")?;
        Ok(Self { namespace: namespace.to_owned(), service: service.to_owned() })
    }
}

/// Object that exposes tenant API servers to users. The text form is `internal`, `ingress/CLASS`,
/// `gateway/NAMESPACE/NAME` or `load-balancer`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Exposure {
    /// No object: tenant API servers are reached in the host's network, or by objects that Hexabase does not manage.
    #[default]
    Internal,
    /// Ingress with TLS passthrough.
    Ingress {
        /// Class of the Ingress controller.
        class: String,
    },
    /// Service of type LoadBalancer per tenant, whose address is the endpoint.
    LoadBalancer,
    /// TLSRoute of the Gateway API.
    Gateway {
        /// Namespace of the Gateway.
        namespace: String,
        /// Name of the Gateway. One of its listeners must pass TLS through.
        name: String,
    },
}

impl FromStr for Exposure {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text has none of these forms.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["internal"] => Ok(Self::Internal),
            ["load-balancer"] => Ok(Self::LoadBalancer),
            ["ingress", class] if is_name(class) => Ok(Self::Ingress { class: (*class).to_owned() }),
            ["gateway", namespace, name] if is_name(namespace) && is_name(name) => {
                Ok(Self::Gateway { namespace: (*namespace).to_owned(), name: (*name).to_owned() })
            }
            _ => Err("must be internal, ingress/CLASS, gateway/NAMESPACE/NAME or load-balancer"),
        }
    }
}

/// ServiceAccount on a host cluster. The text form is `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIdentity {
    /// Namespace of the ServiceAccount.
    pub namespace: String,
    /// Name of the ServiceAccount.
    pub name: String,
}

impl HostIdentity {
    /// Subject of a binding.
    pub(crate) fn subject(&self) -> Value {
        json!({ "kind": "ServiceAccount", "name": self.name, "namespace": self.namespace })
    }
}

impl Default for HostIdentity {
    fn default() -> Self {
        Self { namespace: "hexabase-system".to_owned(), name: "hexabase".to_owned() }
    }
}

impl fmt::Display for HostIdentity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for HostIdentity {
    type Err = &'static str;

    /// # Errors
    /// The required format, if the text is not two Kubernetes names separated by a slash.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts = text.split_once('/').filter(|(namespace, name)| is_name(namespace) && is_name(name));
        let (namespace, name) =
            parts.ok_or("must be namespace and name of a ServiceAccount, as in hexabase-system/hexabase")?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl HostConfig {
    /// Default release of vCluster.
    pub const VCLUSTER_VERSION: &str = "0.36.1";
    /// Minor releases of vCluster whose configuration this crate renders, each with the keys that it knows.
    pub const VCLUSTER_RELEASES: [&str; 2] = ["0.36", "0.37"];

    /// `true` if the configuration of this release of vCluster can be rendered, such as `0.36.1` or `0.37.0-rc.1`.
    pub(crate) fn supports_vcluster(version: &str) -> bool {
        let patch_of = |release: &&str| version.strip_prefix(*release)?.strip_prefix('.');
        let is_tag =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        Self::VCLUSTER_RELEASES
            .iter()
            .find_map(patch_of)
            .is_some_and(|patch| patch.starts_with(|first: char| first.is_ascii_digit()) && is_tag(patch))
    }

    /// Returns the image of vCluster.
    pub(crate) fn vcluster(&self) -> Result<Image, Error> {
        Image::parse("vcluster_image", &format!("{}:{}", self.vcluster_image, self.vcluster_version))
            .map(|image| self.mirrored(image))
    }

    /// Returns the image with the binaries of a Kubernetes version.
    pub(crate) fn kubernetes(&self, version: &KubernetesVersion) -> Result<Image, Error> {
        let known = || self.kubernetes_images.keys().cloned().collect::<Vec<_>>().join(", ");
        let image = self.kubernetes_images.get(version.as_str()).ok_or_else(|| {
            Error::unsupported(format!(
                "no image for Kubernetes {version} is configured on this host; available versions: {}",
                known()
            ))
        })?;
        Image::parse("kubernetes_images", image).map(|image| self.mirrored(image))
    }

    /// Returns the image of etcd.
    pub(crate) fn etcd(&self) -> Result<Image, Error> {
        Image::parse("etcd_image", &self.etcd_image).map(|image| self.mirrored(image))
    }

    /// Replaces the registry of an image by the mirror, if one is configured.
    fn mirrored(&self, image: Image) -> Image {
        Image { registry: self.image_registry.clone().unwrap_or(image.registry), ..image }
    }

    pub(crate) fn endpoint_of(&self, name: &str) -> String {
        fill_template(&self.endpoint, name)
    }

    /// Returns the host name by which users reach a tenant API server. `None` if the endpoint is not an HTTPS URL.
    pub(crate) fn hostname_of(&self, name: &str) -> Option<String> {
        let endpoint = self.endpoint_of(name).parse::<http::Uri>().ok()?;
        let host = endpoint.host().filter(|_| endpoint.scheme() == Some(&http::uri::Scheme::HTTPS))?;
        Some(host.trim_matches(['[', ']']).to_owned())
    }

    /// Returns the type of the Service of a tenant API server.
    pub(crate) const fn service_type(&self) -> &'static str {
        match self.exposure {
            Exposure::LoadBalancer => "LoadBalancer",
            Exposure::Internal | Exposure::Ingress { .. } | Exposure::Gateway { .. } => "ClusterIP",
        }
    }

    /// Returns the CIDRs of the host's Services, as far as they are configured.
    pub(crate) fn service_ranges(&self) -> impl Iterator<Item = &str> {
        self.service_cidr.iter().flat_map(|ranges| ranges.split(','))
    }

    /// Checks that the settings are consistent with each other.
    ///
    /// # Errors
    /// Name of the inconsistent setting, and the reason.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let has_distinct_hosts = self.hostname_of("a").is_some_and(|host| {
            Some(&host) != self.hostname_of("b").as_ref()
                && !host.ends_with(".svc")
                && host.parse::<IpAddr>().is_err()
        });
        let covers_api_server = |ingress: &TenantIngress| {
            let domain = fill_template(&ingress.domain, "a");
            let within = |host: &str| host == domain || host.ends_with(&format!(".{domain}"));
            self.hostname_of("a").as_deref().is_some_and(within)
        };
        if self.ingress.as_ref().is_some_and(covers_api_server) {
            let message = "must have another domain than the tenant_endpoint: a tenant that publishes Ingresses could claim \
                           the name of its API server";
            return Err(("tenant_ingress", message));
        }
        let is_reserved = |key: &String| key.split('/').next() == Some(self.labels.domain());
        if self.tenant_metadata.iter().any(is_reserved) {
            return Err((
                "tenant_metadata",
                "must not contain the label_domain: its keys are reserved for Hexabase",
            ));
        }
        let own_namespace = self.identity.clone().unwrap_or_default().namespace;
        if self.gitops_namespaces.iter().any(|(_, namespace)| namespace.as_str() == own_namespace) {
            return Err(("gitops_namespaces", "must not contain the namespace of Hexabase itself"));
        }
        let by_name = matches!(self.exposure, Exposure::Ingress { .. } | Exposure::Gateway { .. });
        if !by_name || has_distinct_hosts {
            return Ok(());
        }
        let message = "must name a host for each tenant, as in https://{name}.tenants.example: an Ingress or a Gateway \
                       selects the tenant by the host";
        Err(("tenant_endpoint", message))
    }

    /// Sets one setting of a host from its text form; [`Self::NAMES`] lists the names.
    ///
    /// # Errors
    /// The required format of the value, or the known names if the name is unknown.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let value = text.trim();
        let non_empty = || require(!value.is_empty(), "must not be empty").map(|()| value.to_owned());
        match name {
            "tenant_endpoint" => self.endpoint = url_template(value)?,
            "tenant_address" => self.address = url_template(value)?,
            "tenant_exposure" => self.exposure = value.parse()?,
            "vcluster_version" => {
                let known = Self::VCLUSTER_RELEASES.join(" or ");
                require(
                    Self::supports_vcluster(value),
                    &format!("must be a release of vCluster {known}, as in {}", Self::VCLUSTER_VERSION),
                )?;
                self.vcluster_version = value.to_owned();
            }
            "vcluster_image" => self.vcluster_image = non_empty()?,
            "vcluster_overrides" => self.overrides = text.parse()?,
            "vcluster_store" => self.store = Some(non_empty()?),
            "image_registry" => {
                require(
                    is_registry(value),
                    "must be a registry or a path in one, as in registry.example:5000/mirror",
                )?;
                self.image_registry = Some(value.to_owned());
            }
            "service_cidr" => {
                let ranges = cidrs(value).ok_or(
                    "must be a CIDR, or one per address family separated by a comma, as in 10.96.0.0/12",
                )?;
                self.service_cidr = Some(ranges.join(","));
            }
            "pod_cidr" => {
                self.pod_ranges = cidrs(value)
                    .ok_or("must be CIDRs separated by commas, as in 10.244.0.0/16,fd00:10:244::/56")?;
            }
            "api_server_cidr" => self.api_server = vec![value.parse()?],
            "issuer_network" => {
                self.issuer_peers =
                    value.split(',').map(|peer| peer.trim().parse()).collect::<Result<_, _>>()?;
            }
            "tenant_ingress" => self.ingress = Some(value.parse()?),
            "tenant_metrics" => self.metrics_server = Some(value.parse()?),
            "scrape_tenants" => self.scraping = value.parse()?,
            "gitops_namespaces" => self.gitops_namespaces = value.parse()?,
            "policy_reports" => {
                require(["off", "kyverno"].contains(&value), "must be off or kyverno")?;
                self.policy_reports = value == "kyverno";
            }
            "label_domain" => self.labels = value.parse()?,
            "tenant_metadata" => {
                let keys: Vec<&str> = value.split(',').map(str::trim).collect();
                require(
                    keys.iter().all(|key| is_metadata_key(key)),
                    "must be domains or keys of labels and annotations separated by commas, as in \
                     strimzi.io,cnpg.io; vcluster.loft.sh is reserved",
                )?;
                self.tenant_metadata = keys.into_iter().map(str::to_owned).collect();
            }
            "storage_class" => self.storage_class = Some(non_empty()?),
            "host_service_account" => self.identity = Some(value.parse()?),
            "host_setup" => {
                require(["required", "optional"].contains(&value), "must be required or optional")?;
                self.requires_host_setup = value == "required";
            }
            _ => return Err(format!("is not a setting of a host; settings are {}", Self::NAMES.join(", "))),
        }
        Ok(())
    }

    /// Names of the settings that [`Self::set`] accepts.
    pub const NAMES: [&str; 22] = [
        "tenant_endpoint",
        "tenant_exposure",
        "tenant_address",
        "tenant_ingress",
        "label_domain",
        "tenant_metadata",
        "tenant_metrics",
        "scrape_tenants",
        "gitops_namespaces",
        "policy_reports",
        "vcluster_version",
        "vcluster_image",
        "vcluster_overrides",
        "vcluster_store",
        "image_registry",
        "service_cidr",
        "pod_cidr",
        "api_server_cidr",
        "issuer_network",
        "storage_class",
        "host_service_account",
        "host_setup",
    ];
}

/// URL template of a tenant API server inside the host's network.
const IN_CLUSTER_URL: &str = "https://{name}.{namespace}.svc:443";

/// `true` if the text is a DNS label (RFC 1123), as most Kubernetes names are.
pub(crate) fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = name.starts_with('-') || name.ends_with('-');
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !edges
}

/// `true` if the text is a domain or key of labels and annotations of which tenants may write all or one.
fn is_metadata_key(text: &str) -> bool {
    let (domain, key) = text.split_once('/').map_or((text, None), |(domain, key)| (domain, Some(key)));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    domain != "vcluster.loft.sh"
        && domain.split('.').all(is_name)
        && key.is_none_or(|key| (1..=63).contains(&key.len()) && key.bytes().all(allowed))
}

fn require(valid: bool, message: &str) -> Result<(), String> {
    if valid { Ok(()) } else { Err(message.to_owned()) }
}

/// Replaces the placeholders of a template by the name of a tenant; its namespace has the same name.
pub(crate) fn fill_template(template: &str, name: &str) -> String {
    template.replace("{name}", name).replace("{namespace}", name)
}

/// Parses a URL template that yields a different URL for each tenant.
fn url_template(text: &str) -> Result<String, String> {
    let is_per_tenant = text.contains("{name}") || text.contains("{namespace}");
    let uri = fill_template(text, "a").parse::<http::Uri>().ok();
    let valid =
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.query().is_none());
    require(is_per_tenant && valid, "must be a URL with {name} in it, as in https://{name}.tenants.example")?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_registry(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
    let edges = text.starts_with('/') || text.ends_with('/');
    !text.is_empty() && text.bytes().all(allowed) && !text.contains("//") && !edges
}

/// Parses CIDRs that are separated by commas. A prefix length of 0 covers all addresses and is rejected.
pub(crate) fn cidrs(text: &str) -> Option<Vec<String>> {
    let cidr = |text: &str| {
        let range = text.trim().parse::<IpNet>().ok().filter(|range| range.prefix_len() > 0)?;
        Some(range.trunc().to_string())
    };
    text.split(',').map(cidr).collect()
}

/// Reference of a container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
}

impl Image {
    /// Parses `ghcr.io/loft-sh/kubernetes:v1.36.0` into registry, repository and tag.
    fn parse(field: &'static str, image: &str) -> Result<Self, Error> {
        let parts =
            image.split_once('/').and_then(|(registry, rest)| Some((registry, rest.rsplit_once(':')?)));
        let invalid = || Error::invalid(field, format!("{image} must have the form registry/repository:tag"));
        let (registry, (repository, tag)) = parts.ok_or_else(invalid)?;
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        let images = [("1.33", "v1.33.4"), ("1.34", "v1.34.0"), ("1.35", "v1.35.0"), ("1.36", "v1.36.0")];
        let image =
            |(version, tag): (&str, &str)| (version.to_owned(), format!("ghcr.io/loft-sh/kubernetes:{tag}"));
        Self {
            vcluster_version: Self::VCLUSTER_VERSION.to_owned(),
            vcluster_image: "ghcr.io/loft-sh/vcluster-oss".to_owned(),
            kubernetes_images: images.into_iter().map(image).collect(),
            image_registry: None,
            overrides: Overrides::default(),
            service_cidr: None,
            pod_ranges: Vec::new(),
            api_server: Vec::new(),
            issuer_peers: Vec::new(),
            ingress: None,
            metrics_server: None,
            scraping: TenantScraping::Off,
            gitops_namespaces: GitOpsNamespaces::default(),
            policy_reports: false,
            labels: Labels::default(),
            tenant_metadata: Vec::new(),
            storage_class: None,
            etcd_image: "registry.k8s.io/etcd:3.6.8-0".to_owned(),
            store: None,
            endpoint: IN_CLUSTER_URL.to_owned(),
            exposure: Exposure::Internal,
            address: IN_CLUSTER_URL.to_owned(),
            identity: None,
            requires_host_setup: true,
            concurrency: 64,
        }
    }
}
