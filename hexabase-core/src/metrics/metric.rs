use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{GroupBy, Unit};
use crate::error::{Error, Result};
use crate::quota::Resource;

/// Metric of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Processor time, in cores.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Requested persistent storage, in bytes.
    Storage,
    /// Used persistent storage, in bytes, of the volumes whose drivers report it.
    StorageUsed,
    /// Bytes received per second.
    NetworkReceive,
    /// Bytes sent per second.
    NetworkTransmit,
    /// Number of running pods.
    Pods,
    /// Number of container restarts in the window; within an hour for alert rules.
    Restarts,
    /// Share of the scheduling periods in which containers were throttled, from 0 to 1.
    Throttling,
    /// Requests to the tenant's API server per second.
    ApiRequests,
}

impl Metric {
    /// All metrics.
    pub const ALL: &'static [Self] = &[
        Self::Cpu,
        Self::Memory,
        Self::Storage,
        Self::StorageUsed,
        Self::NetworkReceive,
        Self::NetworkTransmit,
        Self::Pods,
        Self::Restarts,
        Self::Throttling,
        Self::ApiRequests,
    ];

    /// Metrics that meters can read: [`MetricsSource::series`](super::MetricsSource::series) supports them.
    pub const METERED: &'static [Self] = &[
        Self::Cpu,
        Self::Memory,
        Self::Storage,
        Self::NetworkReceive,
        Self::NetworkTransmit,
        Self::Pods,
        Self::ApiRequests,
    ];

    /// Checks that meters can read the metric.
    ///
    /// # Errors
    /// `Unsupported` for a metric outside of [`Self::METERED`].
    pub fn require_metered(self) -> Result<()> {
        match Self::METERED.contains(&self) {
            true => Ok(()),
            false => Err(Error::unsupported(format!("{self} is for charts only and cannot be metered"))),
        }
    }

    /// Returns the name in requests: `network_receive`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::StorageUsed => "storage_used",
            Self::NetworkReceive => "network_receive",
            Self::NetworkTransmit => "network_transmit",
            Self::Pods => "pods",
            Self::Restarts => "restarts",
            Self::Throttling => "throttling",
            Self::ApiRequests => "api_requests",
        }
    }

    /// Returns the unit of the values.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Cpu => Unit::Cores,
            Self::Memory | Self::Storage | Self::StorageUsed => Unit::Bytes,
            Self::NetworkReceive | Self::NetworkTransmit => Unit::BytesPerSecond,
            Self::Pods | Self::Restarts => Unit::Count,
            Self::Throttling => Unit::Ratio,
            Self::ApiRequests => Unit::RequestsPerSecond,
        }
    }

    /// Returns the resource whose quota limits the metric; `None` if no quota does.
    #[must_use]
    pub const fn quota_resource(self) -> Option<Resource> {
        match self {
            Self::Cpu => Some(Resource::Cpu),
            Self::Memory => Some(Resource::Memory),
            Self::Storage | Self::StorageUsed => Some(Resource::Storage),
            Self::Pods => Some(Resource::Pods),
            _ => None,
        }
    }

    /// `true` if the metric is measured per project, pod or container. Volumes belong to projects, interfaces to pods,
    /// and requests to the tenant as a whole.
    #[must_use]
    pub const fn has_groups(self, by: GroupBy) -> bool {
        match self {
            Self::ApiRequests => false,
            Self::Storage | Self::StorageUsed => matches!(by, GroupBy::Project),
            Self::NetworkReceive | Self::NetworkTransmit | Self::Pods => !matches!(by, GroupBy::Container),
            Self::Cpu | Self::Memory | Self::Restarts | Self::Throttling => true,
        }
    }

    /// `true` if values of several groups do not add up.
    #[must_use]
    pub const fn is_ratio(self) -> bool {
        matches!(self, Self::Throttling)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that does not name a [`Metric`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of cpu, memory, storage, storage_used, network_receive, network_transmit, pods, restarts, throttling, api_requests"
)]
pub struct UnknownMetric;

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        Self::ALL.iter().copied().find(|metric| metric.as_str() == text).ok_or(UnknownMetric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_again_and_the_error_lists_them() {
        for metric in Metric::ALL.iter().copied() {
            assert_eq!(metric.as_str().parse(), Ok(metric));
            assert!(UnknownMetric.to_string().contains(metric.as_str()), "{metric}");
        }
        assert_eq!("CPU".parse::<Metric>(), Err(UnknownMetric));
    }
}
