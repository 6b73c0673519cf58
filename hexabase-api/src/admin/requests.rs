//! Requests of operators.

use std::collections::BTreeMap;

use hexabase_core::error::{Check, Result};
use hexabase_core::model::Plan;
use hexabase_core::name::{HostClusterName, Region};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{RegisterHost, UpdateHost};
use hexabase_core::search::SearchText;
use hexabase_core::secret::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::plans::PlanDefinition;
use crate::requests::{PageQuery, nullable, parse_nullable, parse_optional, parse_text};
use crate::schema;

/// Host cluster to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCluster {
    /// Name of the host cluster: lower-case letters, digits and `-`.
    #[schema(value_type = schema::HostClusterName)]
    pub name: String,
    /// Kubeconfig with embedded credentials: it must neither run an exec plugin nor refer to files. It is stored
    /// encrypted and never returned.
    #[schema(value_type = String)]
    pub kubeconfig: SecretString,
    /// Region of the host cluster; none by default.
    pub region: Option<String>,
    /// Labels that plans can require.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Maximum number of workspaces; no limit by default.
    pub capacity: Option<u32>,
    /// `true` to exclude the host cluster from placement.
    #[serde(default)]
    pub cordoned: bool,
    /// Parameters that differ from the options of the server, by the names of those options: `tenant_endpoint`,
    /// `tenant_exposure`, `tenant_address`, `tenant_ingress`, `label_domain`, `tenant_metadata`, `tenant_metrics`,
    /// `scrape_tenants`, `gitops_namespaces`, `policy_reports`, `vcluster_version`, `vcluster_image`, `vcluster_overrides`, `vcluster_store`, `image_registry`,
    /// `service_cidr`, `pod_cidr`, `api_server_cidr`, `issuer_network`, `storage_class`, `host_service_account`,
    /// `host_setup`. The options of the server apply to all others.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl NewCluster {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<RegisterHost> {
        let mut check = Check::default();
        let name = check.field("name", HostClusterName::parse(&self.name));
        let region = check.field("region", parse_optional(&self.region, Region::parse));
        let (name, region) = check.all((name, region))?;
        let host = HostCluster {
            region,
            labels: self.labels,
            cordoned: self.cordoned,
            capacity: self.capacity.unwrap_or(u32::MAX),
            ..HostCluster::new(name)
        };
        Ok(RegisterHost { host, settings: self.settings, kubeconfig: self.kubeconfig })
    }
}

/// Changes to a host cluster. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterPatch {
    /// New kubeconfig, with the same requirements as at the registration.
    #[schema(value_type = Option<String>)]
    pub kubeconfig: Option<SecretString>,
    /// Region of the host cluster; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    pub region: Option<Option<String>>,
    /// Labels that plans can require; replaces all labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Maximum number of workspaces; null for no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    pub capacity: Option<Option<u32>>,
    /// `true` to exclude the host cluster from placement, `false` to include it.
    pub cordoned: Option<bool>,
    /// Parameters that differ from the options of the server; replaces all parameters.
    pub settings: Option<BTreeMap<String, String>>,
}

impl ClusterPatch {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<UpdateHost> {
        let mut check = Check::default();
        let region = check.field("region", parse_nullable(&self.region, Region::parse));
        Ok(UpdateHost {
            region: check.all(region)?,
            labels: self.labels,
            capacity: self.capacity.map(|capacity| capacity.unwrap_or(u32::MAX)),
            cordoned: self.cordoned,
            settings: self.settings,
            kubeconfig: self.kubeconfig,
        })
    }
}

/// Plans to replace all plans with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlans {
    /// All plans. At least one must not be retired.
    #[schema(value_type = Vec<PlanDefinition>)]
    pub plans: Vec<Plan>,
}

/// Filter on organizations, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrganizationQuery {
    /// Part of the id, name or display name, in any case.
    #[param(min_length = 1, max_length = 100)]
    pub q: Option<String>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl OrganizationQuery {
    /// Returns the page to return.
    #[must_use]
    pub fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Returns the text to search for.
    ///
    /// # Errors
    /// `Invalid` for a text that cannot be searched for.
    pub fn parse(self) -> Result<Option<SearchText>> {
        parse_text(self.q.as_deref())
    }
}

/// Reason of a suspension.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSuspension {
    /// Reason for the members of the organization.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: Option<String>,
}
