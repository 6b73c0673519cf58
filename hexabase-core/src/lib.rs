//! Domain model, decision functions and extension points of Hexabase, a multi-tenancy layer for Kubernetes.
//!
//! An **organization** owns **workspaces**. A workspace is a virtual Kubernetes cluster, which is divided into
//! **projects** (namespaces). Users receive permissions in a workspace through **groups**, to which **roles** are
//! assigned. This crate implements the domain and contains no HTTP, SQL or Kubernetes code.
//!
//! # Tour
//!
//! A [`Platform`] is built from backends. A backend that is not set defaults to an in-memory implementation, so plans
//! are the only required part:
//!
//! ```
//! use hexabase_core::identity::ExternalIdentity;
//! use hexabase_core::model::{Origin, Phase};
//! use hexabase_core::name::{DisplayName, Email, ProviderName, Slug};
//! use hexabase_core::platform::{CreateOrganization, CreateWorkspace};
//! use hexabase_core::worker::Worker;
//! use hexabase_core::{Caller, Platform};
//! # use hexabase_core::fixture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let platform =
//!     Platform::builder("https://hexabase.example").with_plans(vec![fixture::plan("small")]).build()?;
//!
//! // A sign-in with a verified external identity creates a user. Users act through callers.
//! let email = Email::parse("ann@example.com")?;
//! let identity = ExternalIdentity { subject: "1".into(), verified_email: Some(email), name: None, auth_time: None };
//! let user = platform.users().sign_in(&ProviderName::parse("example")?, &identity, &Origin::default()).await?;
//! let ann = Caller::for_user(user.id);
//!
//! // Commands are plain data. Their names are validated once, when they are parsed.
//! let acme = CreateOrganization { name: Slug::parse("acme")?, display_name: DisplayName::parse("Acme")? };
//! let acme = platform.organizations().create(&ann, &acme).await?.value;
//! let shop = CreateWorkspace {
//!     name: Slug::parse("shop")?,
//!     display_name: None,
//!     plan_id: platform.plans().default_plan().id.clone(),
//!     region: None,
//!     kubernetes_version: None,
//! };
//! let shop = platform.workspaces().create(&ann, acme.id, &shop).await?.value.workspace;
//!
//! // A worker reconciles the workspace: step by step here, with `run` in production.
//! let worker = Worker::new(platform.clone(), 1);
//! while platform.workspaces().get(&ann, acme.id, shop.id).await?.status.phase != Phase::Ready {
//!     worker.run_once().await?;
//! #   futures_timer::Delay::new(std::time::Duration::from_millis(1)).await;
//! }
//! # Ok(()) })
//! # }
//! ```
//!
//! # Modules
//!
//! | subject | modules |
//! |---|---|
//! | domain objects | [`model`], [`id`], [`name`], [`quantity`] |
//! | authorization | [`access`] |
//! | limits, quotas and usage | [`limits`], [`quota`], [`plans`], [`placement`], [`metering`] |
//! | desired state of a tenant cluster | [`desired`] |
//! | lifecycle of a workspace | [`lifecycle`], [`worker`] |
//! | services for callers | [`platform`] |
//! | changes and commits | [`changeset`] |
//! | extension points | [`store`], [`ephemeral`], [`queue`], [`provisioner`], [`identity`], [`authenticator`], [`billing`], [`metrics`], [`alerts`], [`notifier`], [`clock`], [`id_source`] |
//! | tests for your own backends | `conformance`, with the feature of that name |
//! | unit tests of code that uses a backend | `mock`, with the feature of that name |
//!
//! Every command follows the same path: authorize the caller, read, decide with pure functions, commit one
//! [`Changeset`](changeset::Changeset). Every change of a cluster follows the same path: a message requests a
//! reconcile of the workspace, and the reconciler computes the complete desired state and applies it.

pub mod access;
pub mod alerts;
pub mod authenticator;
pub mod backoff;
pub mod billing;
pub mod changeset;
pub mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod container_limits;
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
pub mod logs;
pub mod metering;
pub mod metrics;
#[cfg(any(test, feature = "mock"))]
pub mod mock;
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
pub mod search;
pub mod secret;
pub mod store;
pub mod telemetry;
pub mod trace;
pub mod version;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
pub use platform::{Caller, Platform, PlatformBuilder};
