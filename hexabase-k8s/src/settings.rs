use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hexabase_core::error::Error;
use hexabase_core::name::KubernetesVersion;
use serde_json::{Value, json};

use crate::overrides::Overrides;

/// What is particular to a host cluster.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// The release of vCluster, without the `v`. The rendered configuration is bound to it: vCluster refuses
    /// keys it does not know.
    pub vcluster_version: String,
    /// The registry and repository of vCluster's open-source image, without a tag.
    pub vcluster_image: String,
    /// The image with the API server and controller manager of each tenant Kubernetes version.
    pub kubernetes_images: BTreeMap<String, String>,
    /// A registry, or a path in one, that holds all images instead of where they come from: for hosts that cannot reach
    /// the internet. What tenants run themselves is theirs to find.
    pub image_registry: Option<String>,
    /// What is to be otherwise in vClusters than Hexabase renders it.
    pub overrides: Overrides,
    /// The range of the host's Service addresses. Knowing it spares vCluster ten probe Services at the first
    /// start; without it vCluster finds out by itself.
    pub service_cidr: Option<String>,
    /// The ranges of the host's pods. Knowing them lets in what comes from elsewhere to tenants that may have load balancers:
    /// without them other tenants could not be told apart from the rest of the world.
    pub pod_ranges: Vec<String>,
    /// By what tenants may publish what they run, beside Services of type LoadBalancer.
    pub ingress: Option<TenantIngress>,
    /// The storage class of control planes' volumes; the host's default if not said.
    pub storage_class: Option<String>,
    /// The image of etcd, for control planes that keep their objects there.
    pub etcd_image: String,
    /// The store that control planes report at their start, by which a later one with another store is refused, where pods
    /// are told to use another store than the configuration says.
    pub store: Option<String>,
    /// How users reach a tenant's API server: `{name}` and `{namespace}` are filled in.
    pub endpoint: String,
    /// What leads to a tenant's API server from outside of the host's network.
    pub exposure: Exposure,
    /// How Hexabase itself reaches a tenant's API server, filled in likewise. What a control plane says about it is not
    /// heeded: it may be in anybody's hands, and would lead wherever they like.
    pub address: String,
    /// As whom Hexabase acts on the host, where it has no more rights than
    /// [`host_setup`](crate::render::host_setup) gives it: it gives itself a role in the namespaces it makes then.
    pub identity: Option<HostIdentity>,
    /// How many requests to the host's API server are under way at a time, the others waiting; one at least.
    pub concurrency: usize,
}

/// By what Ingresses of tenants are served. Its text form is `CLASS/NAMESPACE/DOMAIN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantIngress {
    /// The class that they have to name.
    pub class: String,
    /// The namespace of its controller, which is let in to tenants' pods.
    pub namespace: String,
    /// The domain that a tenant may have names in, `{name}` standing for the tenant, as in `{name}.apps.example`.
    pub domain: String,
}

impl FromStr for TenantIngress {
    type Err = &'static str;

    /// # Errors
    /// What is wrong, for what is not a class, a namespace and a domain that is a different one for each tenant.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_domain = |domain: &str| filled_in(domain, "a").split('.').all(is_name);
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

/// What Hexabase makes on a host for users to reach tenants' API servers by. Its text form is `internal`, `ingress/CLASS`,
/// `gateway/NAMESPACE/NAME` or `load-balancer`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Exposure {
    /// Nothing: they are in the host's network, or somebody else sees to it.
    #[default]
    Internal,
    /// An Ingress, whose controller hands TLS through.
    Ingress {
        /// The class of the controller.
        class: String,
    },
    /// A load balancer for each of them, whose address is where they are.
    LoadBalancer,
    /// A TLSRoute of the Gateway API.
    Gateway {
        /// The namespace of the Gateway.
        namespace: String,
        /// Its name. One of its listeners hands TLS through.
        name: String,
    },
}

impl FromStr for Exposure {
    type Err = &'static str;

    /// # Errors
    /// What is wrong, for what is none of these.
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

/// A ServiceAccount on a host cluster. Its text form is `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIdentity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl HostIdentity {
    /// As bindings name it.
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
    /// What is wrong, for what is not two names of Kubernetes with a slash between.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parts = text.split_once('/').filter(|(namespace, name)| is_name(namespace) && is_name(name));
        let (namespace, name) = parts
            .ok_or("must be a namespace and the name of a ServiceAccount, as in hexabase-system/hexabase")?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl HostSettings {
    /// The release of vCluster that runs where nothing else is said.
    pub const VCLUSTER_VERSION: &str = "0.36.1";
    /// The minor releases of vCluster whose configuration this crate renders, each with those keys that it knows.
    pub const VCLUSTER_RELEASES: [&str; 2] = ["0.36", "0.37"];

    /// Whether the configuration of this release of vCluster can be rendered: `0.36.1`, or `0.37.0-rc.1`.
    pub(crate) fn renders(version: &str) -> bool {
        let patch_of = |release: &&str| version.strip_prefix(*release)?.strip_prefix('.');
        let is_tag =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        Self::VCLUSTER_RELEASES
            .iter()
            .find_map(patch_of)
            .is_some_and(|patch| patch.starts_with(|first: char| first.is_ascii_digit()) && is_tag(patch))
    }

    /// The image of vCluster.
    pub(crate) fn vcluster(&self) -> Result<Image, Error> {
        Image::parse("vcluster_image", &format!("{}:{}", self.vcluster_image, self.vcluster_version))
            .map(|image| self.at_hand(image))
    }

    /// The image with the programs of a version of Kubernetes.
    pub(crate) fn kubernetes(&self, version: &KubernetesVersion) -> Result<Image, Error> {
        let known = || self.kubernetes_images.keys().cloned().collect::<Vec<_>>().join(", ");
        let image = self.kubernetes_images.get(version.as_str()).ok_or_else(|| {
            Error::unsupported(format!(
                "there is no image for Kubernetes {version} on this host; there are {}",
                known()
            ))
        })?;
        Image::parse("kubernetes_images", image).map(|image| self.at_hand(image))
    }

    /// The image of etcd.
    pub(crate) fn etcd(&self) -> Result<Image, Error> {
        Image::parse("etcd_image", &self.etcd_image).map(|image| self.at_hand(image))
    }

    /// The same image in the registry that holds all of them, if there is one.
    fn at_hand(&self, image: Image) -> Image {
        Image { registry: self.image_registry.clone().unwrap_or(image.registry), ..image }
    }

    pub(crate) fn endpoint_of(&self, name: &str) -> String {
        filled_in(&self.endpoint, name)
    }

    /// The name by which users find a tenant's API server.
    pub(crate) fn host_of(&self, name: &str) -> Option<String> {
        let endpoint = self.endpoint_of(name).parse::<http::Uri>().ok()?;
        let host = endpoint.host().filter(|_| endpoint.scheme() == Some(&http::uri::Scheme::HTTPS))?;
        Some(host.trim_matches(['[', ']']).to_owned())
    }

    /// The type of the Service of a tenant's API server.
    pub(crate) const fn service_type(&self) -> &'static str {
        match self.exposure {
            Exposure::LoadBalancer => "LoadBalancer",
            Exposure::Internal | Exposure::Ingress { .. } | Exposure::Gateway { .. } => "ClusterIP",
        }
    }

    /// Whether the settings go together.
    ///
    /// # Errors
    /// Which one does not fit the others, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let named_apart = self.host_of("a").is_some_and(|host| {
            Some(&host) != self.host_of("b").as_ref()
                && !host.ends_with(".svc")
                && host.parse::<IpAddr>().is_err()
        });
        let would_be_taken = |ingress: &TenantIngress| {
            let domain = filled_in(&ingress.domain, "a");
            let within = |host: &str| host == domain || host.ends_with(&format!(".{domain}"));
            self.host_of("a").as_deref().is_some_and(within)
        };
        if self.ingress.as_ref().is_some_and(would_be_taken) {
            let message = "must have another domain than the tenant_endpoint: whoever may publish in a workspace could take \
                           the name of its API server";
            return Err(("tenant_ingress", message));
        }
        let by_name = matches!(self.exposure, Exposure::Ingress { .. } | Exposure::Gateway { .. });
        if !by_name || named_apart {
            return Ok(());
        }
        let message = "must name a host for each tenant, as in https://{name}.tenants.example: that is what an Ingress \
                       or a Gateway tells them apart by";
        Err(("tenant_endpoint", message))
    }

    /// Takes in one setting of a host as operators write it: one of [`Self::NAMES`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let value = text.trim();
        let given = || require(!value.is_empty(), "must not be empty").map(|()| value.to_owned());
        match name {
            "tenant_endpoint" => self.endpoint = template(value)?,
            "tenant_address" => self.address = template(value)?,
            "tenant_exposure" => self.exposure = value.parse()?,
            "vcluster_version" => {
                let known = Self::VCLUSTER_RELEASES.join(" or ");
                require(
                    Self::renders(value),
                    &format!("must be a release of vCluster {known}, as in {}", Self::VCLUSTER_VERSION),
                )?;
                self.vcluster_version = value.to_owned();
            }
            "vcluster_image" => self.vcluster_image = given()?,
            "vcluster_overrides" => self.overrides = text.parse()?,
            "vcluster_store" => self.store = Some(given()?),
            "image_registry" => {
                require(
                    is_registry(value),
                    "must be a registry or a path in one, as in registry.example:5000/mirror",
                )?;
                self.image_registry = Some(value.to_owned());
            }
            "service_cidr" => {
                require(is_range(value), "must be a range of addresses, as in 10.96.0.0/12")?;
                self.service_cidr = Some(value.to_owned());
            }
            "pod_cidr" => {
                let ranges: Vec<&str> = value.split(',').map(str::trim).collect();
                require(
                    ranges.iter().all(|range| is_range(range)),
                    "must be ranges of addresses, as in 10.244.0.0/16,fd00:10:244::/56",
                )?;
                self.pod_ranges = ranges.into_iter().map(str::to_owned).collect();
            }
            "tenant_ingress" => self.ingress = Some(value.parse()?),
            "storage_class" => self.storage_class = Some(given()?),
            "host_service_account" => self.identity = Some(value.parse()?),
            _ => return Err(format!("is no setting of a host; there are {}", Self::NAMES.join(", "))),
        }
        Ok(())
    }

    /// What [`Self::set`] knows.
    pub const NAMES: [&str; 13] = [
        "tenant_endpoint",
        "tenant_exposure",
        "tenant_address",
        "tenant_ingress",
        "vcluster_version",
        "vcluster_image",
        "vcluster_overrides",
        "vcluster_store",
        "image_registry",
        "service_cidr",
        "pod_cidr",
        "storage_class",
        "host_service_account",
    ];
}

/// Where a tenant's API server is for whoever is on the host's network.
const IN_CLUSTER: &str = "https://{name}.{namespace}.svc:443";

/// Whether this is a DNS label, which most names in Kubernetes are (RFC 1123).
fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = name.starts_with('-') || name.ends_with('-');
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !edges
}

fn require(fine: bool, message: &str) -> Result<(), String> {
    if fine { Ok(()) } else { Err(message.to_owned()) }
}

/// A template with the names of a tenant in it.
pub(crate) fn filled_in(template: &str, name: &str) -> String {
    template.replace("{name}", name).replace("{namespace}", name)
}

/// A URL that is a different one for each tenant.
fn template(text: &str) -> Result<String, String> {
    let several = text.contains("{name}") || text.contains("{namespace}");
    let uri = filled_in(text, "a").parse::<http::Uri>().ok();
    let fine =
        uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.query().is_none());
    require(several && fine, "must be a URL with {name} in it, as in https://{name}.tenants.example")?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_registry(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
    let edges = text.starts_with('/') || text.ends_with('/');
    !text.is_empty() && text.bytes().all(allowed) && !text.contains("//") && !edges
}

fn is_range(text: &str) -> bool {
    let parts =
        text.split_once('/').and_then(|(address, bits)| Some((address.parse::<IpAddr>().ok()?, bits)));
    parts.is_some_and(|(address, bits)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        // All addresses are no range of anything.
        bits.parse::<u8>().is_ok_and(|bits| (1..=most).contains(&bits))
    })
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
}

impl Image {
    /// `ghcr.io/loft-sh/kubernetes:v1.36.0` as registry, repository and tag.
    fn parse(field: &'static str, image: &str) -> Result<Self, Error> {
        let parts =
            image.split_once('/').and_then(|(registry, rest)| Some((registry, rest.rsplit_once(':')?)));
        let wrong = || Error::invalid(field, format!("{image} is not registry/repository:tag"));
        let (registry, (repository, tag)) = parts.ok_or_else(wrong)?;
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

impl Default for HostSettings {
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
            ingress: None,
            storage_class: None,
            etcd_image: "registry.k8s.io/etcd:3.6.8-0".to_owned(),
            store: None,
            endpoint: IN_CLUSTER.to_owned(),
            exposure: Exposure::Internal,
            address: IN_CLUSTER.to_owned(),
            identity: None,
            concurrency: 64,
        }
    }
}
