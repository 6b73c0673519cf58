//! Host clusters that operators register at run time.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::model;
use hexabase_core::name::HostClusterName;
use hexabase_core::provisioner::{ClusterProvisioner, HostConnector};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, KubeConfigOptions, Kubeconfig};

use crate::access::{ServiceConnector, with_timeouts};
use crate::config::HostConfig;
use crate::provisioner::VClusterProvisioner;

/// Creates a vCluster provisioner for each registered host.
#[derive(Debug, Clone)]
pub struct VClusterHosts(HostConfig);

impl VClusterHosts {
    /// Creates a connector that uses `defaults` for all parameters that a host does not set.
    #[must_use]
    pub const fn new(defaults: HostConfig) -> Self {
        Self(defaults)
    }

    fn host_config(&self, parameters: &model::HostParameters) -> Result<HostConfig> {
        let (mut config, mut check) = (self.0.clone(), Check::default());
        for (name, value) in parameters {
            check.field(format!("settings.{name}"), config.set(name, value));
        }
        if let Err((name, message)) = config.check() {
            check.refuse(format!("settings.{name}"), message);
        }
        check.done()?;
        Ok(config)
    }
}

/// Describes an error of the YAML parser by its position only: its message quotes the kubeconfig, which is a secret.
pub(crate) fn invalid_yaml(message: &str) -> String {
    let words: Vec<&str> = message.split([' ', ':', ',', '\n']).collect();
    let is_number = |word: &str| word.parse::<u32>().is_ok();
    let position = words.windows(4).find_map(|words| match words {
        ["line", line, "column", column] if is_number(line) && is_number(column) => {
            Some(format!(" at line {line} column {column}"))
        }
        _ => None,
    });
    format!("the YAML is invalid{}", position.unwrap_or_default())
}

#[async_trait]
impl HostConnector for VClusterHosts {
    async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        parameters: &model::HostParameters,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let host_config = self.host_config(parameters)?;
        let unusable =
            |error: &dyn std::fmt::Display| Error::invalid("kubeconfig", format!("is not usable: {error}"));
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig.expose_secret())
            .map_err(|error| unusable(&invalid_yaml(&error.to_string())))?;
        if let Some(field) = external_reference(&kubeconfig) {
            let message =
                format!("must be self-contained: {field} refers to a file or program of a single replica");
            return Err(Error::invalid("kubeconfig", message).with("host", host));
        }
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| unusable(&error))?;
        let client = Client::try_from(with_timeouts(config)).map_err(|error| unusable(&error))?;
        let tenants = Arc::new(ServiceConnector::new(&host_config));
        Ok(Arc::new(VClusterProvisioner::new(client, tenants, host_config)))
    }
}

/// Returns the first field of a kubeconfig that refers to a local file or program, which other replicas do not have.
fn external_reference(kubeconfig: &Kubeconfig) -> Option<&'static str> {
    let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let users = kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref());
    let of_cluster =
        |cluster: &Cluster| cluster.certificate_authority.is_some().then_some("certificate-authority");
    let of_user = |user: &AuthInfo| {
        let references = [
            (user.client_certificate.is_some(), "client-certificate"),
            (user.client_key.is_some(), "client-key"),
            (user.token_file.is_some(), "tokenFile"),
            (user.exec.is_some(), "exec"),
            (user.auth_provider.is_some(), "auth-provider"),
        ];
        references.into_iter().find_map(|(is_set, field)| is_set.then_some(field))
    };
    clusters.filter_map(of_cluster).chain(users.filter_map(of_user)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_quote_the_kubeconfig() {
        for text in [
            "hunter2",
            "users: hunter2",
            "users: [{ name: it, user: { token: [hunter2] } }]",
            "a: b\n hunter2: [",
        ] {
            let error = Kubeconfig::from_yaml(text).unwrap_err().to_string();
            let shown = invalid_yaml(&error);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(
            invalid_yaml("error: line 3 column 14: hunter2"),
            "the YAML is invalid at line 3 column 14"
        );
    }
}
