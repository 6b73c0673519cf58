//! Placement: choice of the host cluster for a new workspace.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::{HostClusterName, Region};

/// Labels of a host cluster, which plans can require: for example `gpu` = `a100`.
pub type HostLabels = BTreeMap<String, String>;

/// Kubernetes cluster that runs tenant clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCluster {
    /// Name in this installation.
    pub name: HostClusterName,
    /// Region of the host; `None` if it has none.
    pub region: Option<Region>,
    /// Labels that plans can require.
    pub labels: HostLabels,
    /// `true` if the host accepts no new workspaces.
    pub cordoned: bool,
    /// Maximum number of workspaces.
    pub capacity: u32,
    /// `true` if the host is the sandbox, which runs no workload.
    pub sandbox: bool,
}

impl HostCluster {
    /// Creates a host with unlimited capacity, without region and labels.
    #[must_use]
    pub const fn new(name: HostClusterName) -> Self {
        let labels = HostLabels::new();
        Self { name, region: None, labels, cordoned: false, capacity: u32::MAX, sandbox: false }
    }

    fn has_labels(&self, requested: &HostLabels) -> bool {
        requested.iter().all(|(label, value)| self.labels.get(label) == Some(value))
    }
}

/// Chooses the host with the most free capacity among the hosts that are not cordoned, are in the requested region and
/// have all labels that the plan requires; the first by name among equals. `used` is the number of workspaces per
/// host.
///
/// # Errors
/// - `Invalid` for a region without a host cluster.
/// - `QuotaExceeded` if every suitable host is full or cordoned, or there is none.
pub fn choose<'a>(
    hosts: impl IntoIterator<Item = &'a HostCluster>,
    region: Option<&Region>,
    labels: &HostLabels,
    used: &BTreeMap<HostClusterName, u32>,
) -> Result<HostClusterName> {
    let in_region: Vec<&HostCluster> = hosts
        .into_iter()
        .filter(|host| region.is_none_or(|region| host.region.as_ref() == Some(region)))
        .collect();
    if in_region.is_empty() && region.is_some() {
        return Err(Error::invalid("region", "must be a region with a host cluster"));
    }
    let free = |host: &HostCluster| host.capacity.saturating_sub(used.get(&host.name).copied().unwrap_or(0));
    in_region
        .into_iter()
        .filter(|host| host.has_labels(labels) && !host.cordoned && free(host) > 0)
        .min_by_key(|host| (std::cmp::Reverse(free(host)), host.name.clone()))
        .map(|host| host.name.clone())
        .ok_or_else(|| {
            Error::quota_exceeded("no host cluster has capacity for another workspace of this plan")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn host(name: &str, region: Option<&str>, capacity: u32) -> HostCluster {
        HostCluster {
            region: region.map(|region| Region::parse(region).unwrap()),
            capacity,
            ..HostCluster::new(HostClusterName::parse(name).unwrap())
        }
    }

    #[test]
    fn the_host_with_the_most_free_capacity_is_chosen() {
        let hosts = [host("a", None, 10), host("b", None, 20), host("c", None, 20)];
        let used = BTreeMap::from([(hosts[1].name.clone(), 5)]);
        assert_eq!(choose(&hosts, None, &HostLabels::new(), &used).unwrap().as_str(), "c");
        assert_eq!(choose(&hosts, None, &HostLabels::new(), &BTreeMap::new()).unwrap().as_str(), "b");
    }

    #[test]
    fn a_requested_region_is_mandatory() {
        let hosts = [host("a", Some("eu"), 1), host("b", None, 9)];
        let region = |name| Some(Region::parse(name).unwrap());
        assert_eq!(
            choose(&hosts, region("eu").as_ref(), &HostLabels::new(), &BTreeMap::new()).unwrap().as_str(),
            "a"
        );
        let unknown =
            choose(&hosts, region("us").as_ref(), &HostLabels::new(), &BTreeMap::new()).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_plan_can_require_host_labels() {
        let mut hosts = [host("a", None, 1), host("b", None, 9)];
        let requested = HostLabels::from([("gpu".to_owned(), "a100".to_owned())]);
        let none = choose(&hosts, None, &requested, &BTreeMap::new()).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::QuotaExceeded);
        hosts[0].labels = requested.clone();
        hosts[1].labels.insert("gpu".to_owned(), "none".to_owned());
        assert_eq!(choose(&hosts, None, &requested, &BTreeMap::new()).unwrap().as_str(), "a");
    }

    #[test]
    fn full_and_cordoned_hosts_are_not_chosen() {
        let mut hosts = [host("a", None, 1), host("b", None, 5)];
        hosts[1].cordoned = true;
        let used = BTreeMap::from([(hosts[0].name.clone(), 1)]);
        assert_eq!(
            choose(&hosts, None, &HostLabels::new(), &used).unwrap_err().kind(),
            ErrorKind::QuotaExceeded
        );
    }
}
