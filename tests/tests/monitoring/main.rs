//! Metrics, alerts and logs of two tenants through the API, on a real Prometheus with the rules of the chart and two
//! Alertmanagers, and with each of these systems away.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod alerts;
mod isolation;
mod outages;
mod series;
mod setup;
