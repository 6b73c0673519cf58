//! Stand-in for Loki.
//!
//! It implements the part of Loki's HTTP API that Hexabase uses, as
//! <https://grafana.com/docs/loki/latest/reference/loki-http-api/> describes it: `POST /loki/api/v1/push` in JSON with
//! structured metadata, `GET /loki/api/v1/query_range` for selectors with `=` and `!=`, the line filters `|=` and `|~`
//! and label filters such as `| pod="web"`, and `GET /ready`.

mod query;
mod server;

pub use server::{FakeLoki, push};
