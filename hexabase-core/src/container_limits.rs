//! Requests and limits of containers under a quota.
//!
//! Kubernetes counts requests against a quota and lets a container use more than it requests, up to its limit. A
//! container without request or limit gets defaults. They are derived from the quota, so that every container that fits
//! the quota is admitted, and none may use more than all of it.

use crate::quantity::Quantity;
use crate::quota::{Quota, Resource};

/// Requests and limits of the containers under a quota, for one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerLimits {
    /// Minimum of requests and limits. A request of zero would not count against the quota, and Kubernetes takes a limit
    /// of zero for none.
    pub min: Quantity,
    /// Request of a container that has none. The number of pods in the quota fits with it.
    pub default_request: Quantity,
    /// Maximum of requests and limits, and limit of a container that has none: the quota.
    pub max: Quantity,
}

impl ContainerLimits {
    /// Resources that containers request.
    pub const RESOURCES: [Resource; 3] = [Resource::Cpu, Resource::Memory, Resource::EphemeralStorage];

    /// Returns the minimum request of a container for a resource; `None` if containers do not request the resource.
    #[must_use]
    pub const fn min_request(resource: Resource) -> Option<Quantity> {
        match resource {
            Resource::Cpu => Some(Quantity::milli(1)),
            Resource::Memory | Resource::EphemeralStorage => Some(Quantity::mebibytes(1)),
            _ => None,
        }
    }

    /// Returns the request of a container that has none, if the quota is large enough.
    const fn usual_request(resource: Resource) -> Quantity {
        match resource {
            Resource::Cpu => Quantity::milli(50),
            Resource::Memory => Quantity::mebibytes(128),
            _ => Quantity::gibibytes(1),
        }
    }

    /// Returns the requests and limits under a quota; `None` if the quota does not limit the resource, or containers do
    /// not request it.
    #[must_use]
    pub fn of(quota: &Quota, resource: Resource) -> Option<Self> {
        let (min, amount) = (Self::min_request(resource)?, quota.get(resource)?);
        let pods = quota.get(Resource::Pods).map_or(1, Quantity::whole_units);
        // Under a quota below the minimum no container fits, and the quota itself says so.
        let max = if resource == Resource::Cpu { amount.share(1, min) } else { amount }.max(min);
        let default_request = amount.share(pods, min).min(Self::usual_request(resource)).max(min);
        Some(Self { min, default_request, max })
    }

    /// Returns the requests and limits under a quota that is a part of another one. A container that has no request gets
    /// no larger one than under the other quota, so that the pods of that quota fit.
    #[must_use]
    pub fn of_part(part: &Quota, whole: &Quota, resource: Resource) -> Option<Self> {
        let own = Self::of(part, resource)?;
        let request_in_whole =
            Self::of(whole, resource).map_or(own.default_request, |limits| limits.default_request);
        Some(Self { default_request: own.default_request.min(request_in_whole), ..own })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(quota: &[(Resource, &str)], resource: Resource) -> Option<[String; 3]> {
        let quota = quota.iter().map(|(resource, amount)| (*resource, amount.parse().unwrap())).collect();
        let limits = ContainerLimits::of(&quota, resource)?;
        Some([limits.min, limits.default_request, limits.max].map(|amount| amount.to_string()))
    }

    #[test]
    fn defaults_follow_the_quota() {
        let expected = |min: &str, request: &str, max: &str| Some([min, request, max].map(str::to_owned));
        let memory = Resource::Memory;
        for (quota, limits_of_memory) in [
            (vec![(memory, "4Gi")], expected("1Mi", "128Mi", "4Gi")),
            (vec![(memory, "64Mi")], expected("1Mi", "64Mi", "64Mi")),
            (vec![(memory, "1Gi"), (Resource::Pods, "20")], expected("1Mi", "51Mi", "1Gi")),
            (vec![(memory, "4Gi"), (Resource::Pods, "0")], expected("1Mi", "128Mi", "4Gi")),
            (vec![(memory, "0")], expected("1Mi", "1Mi", "1Mi")),
            (vec![(Resource::Cpu, "2")], None),
        ] {
            assert_eq!(limits(&quota, memory), limits_of_memory, "{quota:?}");
        }
        assert_eq!(limits(&[(Resource::Cpu, "1500500u")], Resource::Cpu), expected("1m", "50m", "1500m"));
        assert_eq!(limits(&[(Resource::Storage, "1Gi")], Resource::Storage), None);
    }

    #[test]
    fn a_part_has_no_larger_default_request_than_the_whole() {
        let whole = Quota::new()
            .with(Resource::EphemeralStorage, Quantity::gibibytes(10))
            .with(Resource::Pods, Quantity::units(20));
        let part = Quota::new().with(Resource::EphemeralStorage, Quantity::gibibytes(5));
        let request = |whole| {
            ContainerLimits::of_part(&part, whole, Resource::EphemeralStorage).unwrap().default_request
        };
        assert_eq!(request(&whole), Quantity::mebibytes(512));
        assert_eq!(request(&Quota::new()), Quantity::gibibytes(1));
    }

    proptest! {
        #[test]
        fn the_order_is_minimum_request_maximum_and_all_pods_fit(mebibytes in 0_u32..100_000, pods in 0_u64..2_000) {
            let quota = Quota::new()
                .with(Resource::Memory, Quantity::mebibytes(mebibytes))
                .with(Resource::Pods, Quantity::units(pods));
            let limits = ContainerLimits::of(&quota, Resource::Memory).unwrap();
            prop_assert!(limits.min <= limits.default_request && limits.default_request <= limits.max);
            if u64::from(mebibytes) >= pods {
                let all = (0..pods).fold(Quantity::ZERO, |sum, _| sum.plus(limits.default_request));
                prop_assert!(all <= Quantity::mebibytes(mebibytes));
            }
        }
    }
}
