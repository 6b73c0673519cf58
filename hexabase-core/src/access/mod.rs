//! Who may do what: pure decisions over plain data.
//!
//! Two systems meet here. In an *organization*, a member has one role, which governs people, money and the
//! list of workspaces. In a *workspace*, rights flow only through groups: a role is assigned to a group, in
//! the workspace as a whole or in one project, and whoever is in the group or in one of its descendants has
//! it. [`authorize`] decides on calls to our own API; [`review`] answers what the tenant's API server would
//! say.

mod action;
mod authorize;
mod group_tree;
mod presets;
mod review;
mod rules;
mod standing;

pub use action::{Action, Level, Permission, WorkspaceDemand, table_as_markdown};
pub use authorize::{Credential, Decision, Principal, authorize};
pub use group_tree::{GroupPath, GroupTree};
pub use presets::preset_rules;
pub use review::{Attributes, Because, Review, review};
pub use rules::{MAX_RULES, check_rules};
pub(crate) use standing::lineage;
pub use standing::{AccessFacts, Standing};
