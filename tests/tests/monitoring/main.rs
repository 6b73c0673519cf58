//! Metrics, alerts and logs of tenants through the API with each of the monitoring systems away.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod outages;
