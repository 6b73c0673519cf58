//! Quotas: how much of each resource a workspace or project may use, and whether it fits.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// What can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Processor time requested, in cores.
    Cpu,
    /// Memory requested, in bytes.
    Memory,
    /// Persistent storage requested, in bytes.
    Storage,
    /// Scratch space on nodes requested, in bytes.
    EphemeralStorage,
    /// Number of pods.
    Pods,
    /// Number of Services.
    Services,
    /// Number of Services of type `LoadBalancer`.
    LoadBalancers,
    /// Number of PersistentVolumeClaims.
    PersistentVolumeClaims,
    /// Number of Secrets.
    Secrets,
    /// Number of ConfigMaps.
    ConfigMaps,
}

impl Resource {
    /// Every resource, in the order in which they are listed.
    pub const ALL: [Self; 10] = [
        Self::Cpu,
        Self::Memory,
        Self::Storage,
        Self::EphemeralStorage,
        Self::Pods,
        Self::Services,
        Self::LoadBalancers,
        Self::PersistentVolumeClaims,
        Self::Secrets,
        Self::ConfigMaps,
    ];

    /// The resource as written in requests: `persistent_volume_claims`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::EphemeralStorage => "ephemeral_storage",
            Self::Pods => "pods",
            Self::Services => "services",
            Self::LoadBalancers => "load_balancers",
            Self::PersistentVolumeClaims => "persistent_volume_claims",
            Self::Secrets => "secrets",
            Self::ConfigMaps => "config_maps",
        }
    }

    /// Whether it counts things, so that fractions make no sense.
    #[must_use]
    pub const fn is_count(self) -> bool {
        !matches!(self, Self::Cpu | Self::Memory | Self::Storage | Self::EphemeralStorage)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl std::str::FromStr for Resource {
    type Err = UnknownResource;

    fn from_str(text: &str) -> Result<Self, UnknownResource> {
        Self::ALL.into_iter().find(|resource| resource.as_str() == text).ok_or(UnknownResource)
    }
}

/// A text that names no resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of cpu, memory, storage, ephemeral_storage, pods, services, load_balancers, persistent_volume_claims, secrets, config_maps"
)]
pub struct UnknownResource;

/// An amount for each of some resources. As a limit, a resource that is not mentioned is not limited; as
/// usage, it is not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quota(BTreeMap<Resource, Quantity>);

/// A resource that would not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Which resource.
    pub resource: Resource,
    /// How much there would be.
    pub wanted: Quantity,
    /// How much there may be.
    pub limit: Quantity,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} would be {} of {}", self.resource, self.wanted, self.limit)
    }
}

impl Quota {
    /// A quota of no resource.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The amount for a resource, where one is set.
    #[must_use]
    pub fn get(&self, resource: Resource) -> Option<Quantity> {
        self.0.get(&resource).copied()
    }

    /// Sets the amount for a resource.
    pub fn set(&mut self, resource: Resource, amount: Quantity) {
        self.0.insert(resource, amount);
    }

    /// The same with an amount set.
    #[must_use]
    pub fn with(mut self, resource: Resource, amount: Quantity) -> Self {
        self.set(resource, amount);
        self
    }

    /// Whether no amount is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The amounts, in the order of [`Resource::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Resource, Quantity)> + '_ {
        self.0.iter().map(|(resource, amount)| (*resource, *amount))
    }

    /// Both together: the union of the resources, amounts added.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (resource, amount) in other.iter() {
            let entry = sum.0.entry(resource).or_insert(Quantity::ZERO);
            *entry = entry.plus(amount);
        }
        sum
    }

    /// What of this usage goes beyond `limit`; empty when all of it fits.
    #[must_use]
    pub fn beyond(&self, limit: &Self) -> Vec<Exceeded> {
        let exceeded = |(resource, wanted)| {
            let limit = limit.get(resource)?;
            (wanted > limit).then_some(Exceeded { resource, wanted, limit })
        };
        self.iter().filter_map(exceeded).collect()
    }
}

impl FromIterator<(Resource, Quantity)> for Quota {
    fn from_iter<I: IntoIterator<Item = (Resource, Quantity)>>(amounts: I) -> Self {
        Self(amounts.into_iter().collect())
    }
}

impl IntoIterator for Quota {
    type Item = (Resource, Quantity);
    type IntoIter = btree_map::IntoIter<Resource, Quantity>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(amounts: &[(Resource, &str)]) -> Quota {
        amounts.iter().map(|(resource, amount)| (*resource, amount.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_not_limited_always_fits() {
        let usage = quota(&[(Resource::Cpu, "3"), (Resource::Pods, "9")]);
        let limit = quota(&[(Resource::Cpu, "2")]);
        let beyond = usage.beyond(&limit);
        assert_eq!(beyond.len(), 1);
        assert_eq!(beyond[0].to_string(), "cpu would be 3 of 2");
    }

    #[test]
    fn a_sum_has_the_resources_of_both() {
        let sum =
            quota(&[(Resource::Cpu, "500m")]).plus(&quota(&[(Resource::Cpu, "1"), (Resource::Pods, "2")]));
        assert_eq!(sum, quota(&[(Resource::Cpu, "1500m"), (Resource::Pods, "2")]));
    }

    #[test]
    fn a_resource_reads_as_it_is_written() {
        for resource in Resource::ALL {
            assert_eq!(resource.as_str().parse(), Ok(resource));
            assert_eq!(serde_json::to_value(resource).unwrap(), resource.as_str());
        }
    }
}
