//! On which host cluster a new workspace goes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::{HostClusterName, Region};

/// What hosts are told apart by, besides where they stand: `gpu` = `a100`, say.
pub type HostLabels = BTreeMap<String, String>;

/// A cluster that carries tenant clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCluster {
    /// Its name in this installation.
    pub name: HostClusterName,
    /// Where it stands.
    pub region: Option<Region>,
    /// What plans may ask for.
    pub labels: HostLabels,
    /// Whether it takes no new workspaces.
    pub cordoned: bool,
    /// How many workspaces it takes.
    pub capacity: u32,
    /// Whether it is the sandbox, which runs nothing.
    pub sandbox: bool,
}

impl HostCluster {
    /// A host that takes any number of workspaces.
    #[must_use]
    pub const fn new(name: HostClusterName) -> Self {
        let labels = HostLabels::new();
        Self { name, region: None, labels, cordoned: false, capacity: u32::MAX, sandbox: false }
    }

    fn has(&self, wanted: &HostLabels) -> bool {
        wanted.iter().all(|(label, value)| self.labels.get(label) == Some(value))
    }
}

/// Chooses the host with the most free room among those that take new workspaces, stand where it was asked for and have
/// all the labels that the plan asks for; the first by name where several have the same. `used` says how many workspaces
/// each carries.
///
/// # Errors
/// - `Invalid` for a region in which there is no host.
/// - `QuotaExceeded` when all hosts that would do are full or cordoned, or there is none.
pub fn choose<'a>(
    hosts: impl IntoIterator<Item = &'a HostCluster>,
    region: Option<&Region>,
    labels: &HostLabels,
    used: &BTreeMap<HostClusterName, u32>,
) -> Result<HostClusterName> {
    let here: Vec<&HostCluster> = hosts
        .into_iter()
        .filter(|host| region.is_none_or(|region| host.region.as_ref() == Some(region)))
        .collect();
    if here.is_empty() && region.is_some() {
        return Err(Error::invalid("region", "there is no host cluster in this region"));
    }
    let free = |host: &HostCluster| host.capacity.saturating_sub(used.get(&host.name).copied().unwrap_or(0));
    here.into_iter()
        .filter(|host| host.has(labels) && !host.cordoned && free(host) > 0)
        .min_by_key(|host| (std::cmp::Reverse(free(host)), host.name.clone()))
        .map(|host| host.name.clone())
        .ok_or_else(|| Error::quota_exceeded("no host cluster has room for another workspace of this plan"))
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
    fn the_host_with_the_most_room_is_chosen() {
        let hosts = [host("a", None, 10), host("b", None, 20), host("c", None, 20)];
        let used = BTreeMap::from([(hosts[1].name.clone(), 5)]);
        assert_eq!(choose(&hosts, None, &HostLabels::new(), &used).unwrap().as_str(), "c");
        assert_eq!(choose(&hosts, None, &HostLabels::new(), &BTreeMap::new()).unwrap().as_str(), "b");
    }

    #[test]
    fn a_region_is_a_demand_not_a_wish() {
        let hosts = [host("a", Some("eu"), 1), host("b", None, 9)];
        let region = |name| Some(Region::parse(name).unwrap());
        assert_eq!(
            choose(&hosts, region("eu").as_ref(), &HostLabels::new(), &BTreeMap::new()).unwrap().as_str(),
            "a"
        );
        let nowhere =
            choose(&hosts, region("us").as_ref(), &HostLabels::new(), &BTreeMap::new()).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_plan_may_ask_for_hosts_of_a_kind() {
        let mut hosts = [host("a", None, 1), host("b", None, 9)];
        let wanted = HostLabels::from([("gpu".to_owned(), "a100".to_owned())]);
        let none = choose(&hosts, None, &wanted, &BTreeMap::new()).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::QuotaExceeded);
        hosts[0].labels = wanted.clone();
        hosts[1].labels.insert("gpu".to_owned(), "none".to_owned());
        assert_eq!(choose(&hosts, None, &wanted, &BTreeMap::new()).unwrap().as_str(), "a");
    }

    #[test]
    fn full_and_cordoned_hosts_take_nothing() {
        let mut hosts = [host("a", None, 1), host("b", None, 5)];
        hosts[1].cordoned = true;
        let used = BTreeMap::from([(hosts[0].name.clone(), 1)]);
        assert_eq!(
            choose(&hosts, None, &HostLabels::new(), &used).unwrap_err().kind(),
            ErrorKind::QuotaExceeded
        );
    }
}
