//! Multi-tenancy for Kubernetes: the domain, its decisions, and the seams that backends implement.
//!
//! **Organizations** buy **workspaces**, each a virtual Kubernetes cluster; divide them into **projects**, which are
//! namespaces; and give people access through **groups** in **roles**. This crate knows what all of that means, and
//! nothing of HTTP, SQL or Kubernetes.
//!
//! # A tour
//!
//! A [`Platform`] is put together from backends. Whatever is not given lives in memory, so plans are all it needs:
//!
//! ```
//! use hexabase_core::access::{Credential, Principal};
//! use hexabase_core::id_source::IdSourceExt as _;
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
//! // Somebody whom a provider vouches for becomes a user, and users act through callers.
//! let who = ExternalIdentity { subject: "1".into(), verified_email: Some(Email::parse("ann@example.com")?), name: None };
//! let user = platform.users().sign_in(&ProviderName::parse("example")?, &who, &Origin::default()).await?;
//! let session = platform.ids().id(platform.clock().now());
//! let ann = Caller::new(Principal { user_id: user.id, credential: Credential::Session(session) });
//!
//! // Commands are plain data; names are checked once, when they come in.
//! let acme = CreateOrganization { name: Slug::parse("acme")?, display_name: DisplayName::parse("Acme")? };
//! let acme = platform.organizations().create(&ann, &acme).await?.value;
//! let shop = CreateWorkspace {
//!     name: Slug::parse("shop")?,
//!     display_name: None,
//!     plan_id: platform.plans().first().id.clone(),
//!     region: None,
//!     kubernetes_version: None,
//! };
//! let shop = platform.workspaces().create(&ann, acme.id, &shop).await?.value.workspace;
//!
//! // A worker makes what was asked for: here step by step, in production with `run`.
//! let worker = Worker::new(platform.clone(), 1);
//! while platform.workspaces().get(&ann, acme.id, shop.id).await?.status.phase != Phase::Ready {
//!     worker.turn().await?;
//! #   futures_timer::Delay::new(std::time::Duration::from_millis(1)).await;
//! }
//! # Ok(()) })
//! # }
//! ```
//!
//! # Where to look
//!
//! | to find | look in |
//! |---|---|
//! | what there is | [`model`], [`id`], [`name`], [`quantity`] |
//! | who may do what | [`access`] |
//! | how much of it | [`limits`], [`quota`], [`plans`], [`placement`], [`metering`] |
//! | what a tenant cluster should be | [`desired`] |
//! | what becomes of a workspace | [`lifecycle`], [`worker`] |
//! | what callers ask for | [`platform`] |
//! | how anything is changed | [`changeset`] |
//! | the seams | [`store`], [`ephemeral`], [`queue`], [`provisioner`], [`identity`], [`billing`], [`metrics`], [`notifier`], [`clock`], [`id_source`] |
//! | how to prove a backend of your own | `conformance`, with the feature of that name |
//!
//! Every command goes one way: check the caller, read, decide with pure functions, commit one
//! [`Changeset`](changeset::Changeset). Every cluster changes one way: a message says "look at this workspace", and
//! the reconciler computes the whole desired state and has it applied.

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
pub mod metering;
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
