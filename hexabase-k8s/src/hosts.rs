//! Host clusters that operators register.

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::model;
use hexabase_core::name::HostClusterName;
use hexabase_core::provisioner::{ClusterProvisioner, HostConnector};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, KubeConfigOptions, Kubeconfig};

use crate::access::{ServiceConnector, patient};
use crate::provisioner::VClusterProvisioner;
use crate::settings::HostSettings;

/// Makes tenant clusters with vCluster on every host that an operator registers.
#[derive(Debug, Clone)]
pub struct VClusterHosts(HostSettings);

impl VClusterHosts {
    /// Hosts of which everything that their own settings do not say is like this.
    #[must_use]
    pub const fn new(defaults: HostSettings) -> Self {
        Self(defaults)
    }

    fn settings(&self, particular: &model::HostSettings) -> Result<HostSettings> {
        let (mut settings, mut check) = (self.0.clone(), Check::default());
        for (name, value) in particular {
            check.field(format!("settings.{name}"), settings.set(name, value));
        }
        if let Err((name, message)) = settings.check() {
            check.refuse(format!("settings.{name}"), message);
        }
        check.done()?;
        Ok(settings)
    }
}

#[async_trait]
impl HostConnector for VClusterHosts {
    async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        settings: &model::HostSettings,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let settings = self.settings(settings)?;
        let unusable =
            |why: &dyn std::fmt::Display| Error::invalid("kubeconfig", format!("cannot be used: {why}"));
        let kubeconfig =
            Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(|error| unusable(&error))?;
        if let Some(field) = leads_outside(&kubeconfig) {
            let message = format!("must hold everything itself: {field} would be looked up on every replica");
            return Err(Error::invalid("kubeconfig", message).with("host", host));
        }
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| unusable(&error))?;
        let client = Client::try_from(patient(config)).map_err(|error| unusable(&error))?;
        let tenants = Arc::new(ServiceConnector::new(&settings));
        Ok(Arc::new(VClusterProvisioner::new(client, tenants, settings)))
    }
}

/// The first field of a kubeconfig that names a file or a program, which other machines have not.
fn leads_outside(kubeconfig: &Kubeconfig) -> Option<&'static str> {
    let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let users = kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref());
    let of_cluster =
        |cluster: &Cluster| cluster.certificate_authority.is_some().then_some("certificate-authority");
    let of_user = |user: &AuthInfo| {
        let outside = [
            (user.client_certificate.is_some(), "client-certificate"),
            (user.client_key.is_some(), "client-key"),
            (user.token_file.is_some(), "tokenFile"),
            (user.exec.is_some(), "exec"),
            (user.auth_provider.is_some(), "auth-provider"),
        ];
        outside.into_iter().find_map(|(there, field)| there.then_some(field))
    };
    clusters.filter_map(of_cluster).chain(users.filter_map(of_user)).next()
}
