//! Declarations of all commands for objects of the API.

/// Path below an organization.
macro_rules! org {
    ($rest:literal) => {
        concat!("/organizations/{organization}", $rest)
    };
}

/// Path below a workspace.
macro_rules! ws {
    ($rest:literal) => {
        concat!("/organizations/{organization}/workspaces/{workspace}", $rest)
    };
}

mod access;
mod accounts;
mod billing;
mod monitoring;
mod organizations;
mod projects;
mod workspaces;

pub(super) use self::monitoring::METRIC_NAMES;
use super::Group;

/// Groups of commands at the top level.
pub(super) const GROUPS: &[Group] = &[
    organizations::ORGANIZATIONS,
    organizations::MEMBERS,
    organizations::INVITATIONS,
    workspaces::WORKSPACES,
    workspaces::NODE_POOLS,
    projects::PROJECTS,
    access::GROUPS,
    access::ROLES,
    access::ASSIGNMENTS,
    accounts::TOKENS,
    accounts::SERVICE_ACCOUNTS,
    organizations::PLANS,
    monitoring::USAGE,
    monitoring::METRICS,
    monitoring::ALERTS,
    organizations::AUDIT,
];

/// Commands of customers below the command `billing`, which has commands of operators, too.
pub(super) const BILLING: Group = billing::BILLING;

#[cfg(test)]
mod tests;
