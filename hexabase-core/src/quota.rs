//! Quotas: maximum amounts per resource of a workspace or project, and comparison with usage.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// Resource with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Requested CPU, in cores.
    Cpu,
    /// Requested memory, in bytes.
    Memory,
    /// Requested persistent storage, in bytes.
    Storage,
    /// Requested ephemeral storage on nodes, in bytes.
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
    /// All resources, in listing order.
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

    /// Returns the name in requests: `persistent_volume_claims`.
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

    /// `true` if the resource is a number of objects, which cannot be fractional.
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

/// Text that does not name a [`Resource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of cpu, memory, storage, ephemeral_storage, pods, services, load_balancers, persistent_volume_claims, secrets, config_maps"
)]
pub struct UnknownResource;

/// Amounts per resource. In a limit, a resource without amount is unlimited; in usage, it is unused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quota(BTreeMap<Resource, Quantity>);

/// Resource whose limit would be exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Resource that exceeds its limit.
    pub resource: Resource,
    /// Requested total amount.
    pub requested: Quantity,
    /// Maximum amount.
    pub limit: Quantity,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} exceeds the limit of {}", self.resource, self.requested, self.limit)
    }
}

impl Quota {
    /// Returns a quota without amounts.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns the amount for a resource; `None` if it is not set.
    #[must_use]
    pub fn get(&self, resource: Resource) -> Option<Quantity> {
        self.0.get(&resource).copied()
    }

    /// Sets the amount for a resource.
    pub fn set(&mut self, resource: Resource, amount: Quantity) {
        self.0.insert(resource, amount);
    }

    /// Returns the quota with an amount set.
    #[must_use]
    pub fn with(mut self, resource: Resource, amount: Quantity) -> Self {
        self.set(resource, amount);
        self
    }

    /// `true` if no amount is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the amounts, in the order of [`Resource::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Resource, Quantity)> + '_ {
        self.0.iter().map(|(resource, amount)| (*resource, *amount))
    }

    /// Returns the sum: the union of the resources with their amounts added.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (resource, amount) in other.iter() {
            let entry = sum.0.entry(resource).or_insert(Quantity::ZERO);
            *entry = entry.plus(amount);
        }
        sum
    }

    /// Returns the resources whose amounts exceed `limit`; empty if all amounts fit.
    #[must_use]
    pub fn exceeding(&self, limit: &Self) -> Vec<Exceeded> {
        let exceeded = |(resource, requested)| {
            let limit = limit.get(resource)?;
            (requested > limit).then_some(Exceeded { resource, requested, limit })
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
    fn unlimited_resources_never_exceed_the_quota() {
        let usage = quota(&[(Resource::Cpu, "3"), (Resource::Pods, "9")]);
        let limit = quota(&[(Resource::Cpu, "2")]);
        let exceeding = usage.exceeding(&limit);
        assert_eq!(exceeding.len(), 1);
        assert_eq!(exceeding[0].to_string(), "cpu 3 exceeds the limit of 2");
    }

    #[test]
    fn a_sum_has_the_resources_of_both_quotas() {
        let sum =
            quota(&[(Resource::Cpu, "500m")]).plus(&quota(&[(Resource::Cpu, "1"), (Resource::Pods, "2")]));
        assert_eq!(sum, quota(&[(Resource::Cpu, "1500m"), (Resource::Pods, "2")]));
    }

    #[test]
    fn every_resource_parses_from_its_name() {
        for resource in Resource::ALL {
            assert_eq!(resource.as_str().parse(), Ok(resource));
            assert_eq!(serde_json::to_value(resource).unwrap(), resource.as_str());
        }
    }
}
