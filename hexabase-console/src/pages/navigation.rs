//! Navigation of a page: the sections of its organization and workspace that the user may open.

use hexabase_core::access::Action;
use hexabase_core::model::{Member, Organization, OrganizationRole, Workspace};

use super::workspace_name;
use crate::components::{Icon, NavigationItem, NavigationSection};
use crate::context::Context;
use crate::urls;

/// Section of an organization or workspace that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Section {
    /// None.
    #[default]
    None,
    /// Overview of the organization or workspace.
    Overview,
    /// Workspaces of the organization.
    Workspaces,
    /// Members of the organization.
    Members,
    /// Plan, payments and usage of the organization.
    Billing,
    /// Connection with the cluster.
    Connect,
    /// Projects of the workspace.
    Projects,
    /// Groups of the workspace.
    Groups,
    /// Roles and assignments of the workspace.
    Roles,
    /// Health, usage and metrics of the workspace.
    Usage,
    /// Alerts and alert rules of the workspace.
    Alerts,
    /// Logs of the workspace.
    Logs,
    /// Node pools of the workspace.
    Nodes,
    /// Tasks and audit log.
    Activity,
    /// Settings of the organization or workspace.
    Configuration,
    /// Service accounts of the organization.
    ServiceAccounts,
    /// Audit log of the organization.
    Audit,
    /// Profile of the user.
    Profile,
    /// API tokens of the user.
    Tokens,
    /// Sessions of the user.
    Sessions,
    /// Sign-in accounts and security events of the user.
    Security,
    /// Section of the operators' area.
    Operators(OperatorSection),
}

/// Section of the operators' area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperatorSection {
    /// Overview of the installation.
    Installation,
    /// Host clusters.
    Hosts,
    /// Task queue.
    Queue,
    /// Signing keys.
    Keys,
    /// Plans as they are sold.
    Plans,
    /// All organizations.
    Organizations,
    /// Isolation checks.
    Proofs,
}

/// Builder of the items of one page.
struct Items<'a> {
    context: &'a Context,
    current: Option<Section>,
    items: Vec<NavigationItem>,
}

impl<'a> Items<'a> {
    fn new(context: &'a Context, current: Option<Section>) -> Self {
        Self { context, current, items: Vec::new() }
    }

    fn add(&mut self, icon: Icon, key: &str, href: String, section: Section) {
        let is_current = self.current == Some(section);
        self.items.push(NavigationItem { icon, label: self.context.text(key), href, is_current });
    }

    fn section(self, heading: Option<String>) -> NavigationSection {
        NavigationSection { heading, items: self.items }
    }
}

/// Returns the sections of an organization, and those of one of its workspaces.
pub(super) fn navigation(
    context: &Context,
    (organization, member): &(Organization, Member),
    workspace: Option<&Workspace>,
    current: Section,
) -> Vec<NavigationSection> {
    let of_organization = workspace.is_none().then_some(current);
    let mut sections = vec![organization_section(context, organization, member, of_organization)];
    sections.extend(workspace.map(|workspace| workspace_section(context, workspace, member, current)));
    sections
}

/// Pages of the account of the user. Those of credentials need a session of this server.
pub(super) fn account_pages(context: &Context) -> Vec<(Icon, &'static str, String, Section)> {
    let profile = (Icon::User, "nav-profile", urls::account(), Section::Profile);
    let of_credentials = [
        (Icon::Key, "nav-tokens", urls::tokens(), Section::Tokens),
        (Icon::Server, "nav-sessions", urls::sessions(), Section::Sessions),
        (Icon::Shield, "nav-security", urls::security(), Section::Security),
    ];
    let has_session = context.require_session().is_ok();
    std::iter::once(profile).chain(of_credentials.into_iter().filter(|_| has_session)).collect()
}

/// Returns the sections of the account of the user; none for pages of other sections.
pub(super) fn account_navigation(context: &Context, current: Section) -> Vec<NavigationSection> {
    let pages = account_pages(context);
    if !pages.iter().any(|(.., section)| *section == current) {
        return Vec::new();
    }
    let mut items = Items::new(context, Some(current));
    for (icon, key, href, section) in pages {
        items.add(icon, key, href, section);
    }
    vec![items.section(Some(context.text("nav-account")))]
}

/// Returns the sections of the operators' area, whose pages only operators open.
pub(super) fn operators_navigation(context: &Context, current: Section) -> Vec<NavigationSection> {
    let mut items = Items::new(context, Some(current));
    for (icon, key, href, section) in [
        (Icon::House, "operators-installation", urls::installation(), OperatorSection::Installation),
        (Icon::Server, "operators-hosts", urls::hosts(), OperatorSection::Hosts),
        (Icon::List, "operators-queue", urls::queue(), OperatorSection::Queue),
        (Icon::Key, "operators-keys", urls::signing_keys(), OperatorSection::Keys),
        (Icon::Card, "operators-plans", urls::installation_plans(), OperatorSection::Plans),
        (Icon::Group, "organizations-title", urls::tenants(), OperatorSection::Organizations),
        (Icon::Shield, "operators-proofs", urls::proofs(), OperatorSection::Proofs),
    ] {
        items.add(icon, key, href, Section::Operators(section));
    }
    vec![items.section(None)]
}

fn organization_section(
    context: &Context,
    organization: &Organization,
    member: &Member,
    current: Option<Section>,
) -> NavigationSection {
    let org = organization.id;
    let mut items = Items::new(context, current);
    items.add(Icon::House, "nav-overview", urls::organization(org), Section::Overview);
    items.add(Icon::Cube, "nav-workspaces", urls::workspaces(org), Section::Workspaces);
    items.add(Icon::Group, "nav-members", urls::members(org), Section::Members);
    if context.may(member, Action::BillingRead) {
        items.add(Icon::Card, "nav-billing", urls::billing(org), Section::Billing);
    }
    if context.may(member, Action::ServiceAccountsManage) {
        let href = urls::service_accounts(org);
        items.add(Icon::Terminal, "nav-service-accounts", href, Section::ServiceAccounts);
    }
    if context.may(member, Action::AuditRead) {
        items.add(Icon::List, "nav-audit", urls::audit(org), Section::Audit);
    }
    if context.may(member, Action::OrganizationUpdate) {
        items.add(Icon::Gear, "nav-settings", urls::organization_settings(org), Section::Configuration);
    }
    items.section(None)
}

fn workspace_section(
    context: &Context,
    workspace: &Workspace,
    member: &Member,
    current: Section,
) -> NavigationSection {
    let (org, ws) = (workspace.organization_id, workspace.id);
    let mut items = Items::new(context, Some(current));
    items.add(Icon::Cube, "nav-overview", urls::workspace(org, ws), Section::Overview);
    items.add(Icon::Terminal, "nav-connect", urls::connect(org, ws), Section::Connect);
    items.add(Icon::Folder, "nav-projects", urls::projects(org, ws), Section::Projects);
    // Ordinary members see the workspaces of their groups only.
    if context.may(member, Action::GroupsRead) || member.role == OrganizationRole::Member {
        items.add(Icon::Group, "nav-groups", urls::groups(org, ws), Section::Groups);
        items.add(Icon::Key, "nav-roles", urls::roles(org, ws), Section::Roles);
    }
    items.add(Icon::Chart, "nav-usage", urls::usage(org, ws), Section::Usage);
    items.add(Icon::Bell, "nav-alerts", urls::alerts(org, ws), Section::Alerts);
    items.add(Icon::Text, "nav-logs", urls::logs(org, ws), Section::Logs);
    items.add(Icon::Server, "nodes-title", urls::nodes(org, ws), Section::Nodes);
    items.add(Icon::List, "nav-activity", urls::activity(org, ws), Section::Activity);
    if context.may(member, Action::WorkspaceUpdate) {
        items.add(Icon::Gear, "nav-settings", urls::workspace_settings(org, ws), Section::Configuration);
    }
    items.section(Some(workspace_name(workspace).to_owned()))
}
