//! core
pub mod access;
pub mod backoff;
pub mod billing;
pub mod changeset;
pub mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod desired;
pub mod ephemeral;
pub mod error;
#[cfg(any(test, feature = "conformance"))]
pub mod faults;
#[cfg(any(test, feature = "conformance"))]
pub mod fixture;
pub mod id;
pub mod id_source;
pub mod identity;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod model;
pub mod name;
pub mod notifier;
pub mod page;
pub mod placement;
pub mod plans;
pub mod platform;
pub mod provisioner;
pub mod quantity;
pub mod queue;
pub mod quota;
pub mod seal;
pub mod secret;
pub mod store;
pub mod version;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
pub use platform::{Caller, Platform, PlatformBuilder};
