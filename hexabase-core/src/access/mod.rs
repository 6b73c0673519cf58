//! Authorization: pure decisions over plain data.
//!
//! There are two systems of permissions. In an *organization*, a member has one role, which governs people, billing
//! and the list of workspaces. In a *workspace*, permissions are granted through groups only: a role is assigned to a
//! group, in the workspace as a whole or in one project, and applies to the members of that group and of its
//! descendants. [`authorize`] decides on calls of our own API; [`review`] predicts the decision of the tenant API
//! server.

mod ability;
mod action;
mod authorize;
mod delegation;
mod effective_roles;
mod group_names;
mod group_tree;
mod presets;
mod review;
mod rules;

pub use ability::{Ability, Denial, DenialReason, UnknownDenialReason, denial_reasons_as_markdown};
pub use action::{
    Action, Level, Permission, WorkspaceRight, event_kinds_as_markdown, permission_table_as_markdown,
};
pub use authorize::{AuthenticatorPath, Credential, Decision, Principal, authorize};
pub use delegation::{check_right_grant, check_role_grant, check_scope_grant};
pub(crate) use effective_roles::lineage;
pub use effective_roles::{AccessFacts, EffectiveRoles, right_of_role};
pub use group_names::{
    MAX_RETIRED_GROUP_NAMES, expire_retired_group_names, retire_group_name, take_group_name,
};
pub use group_tree::{GroupPath, GroupTree};
pub use presets::preset_rules;
pub use review::{Attributes, Review, ReviewReason, review};
pub use rules::{MAX_RULES, check_rules};
