//! Valid sample objects for tests, which change only the fields that they are about.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::desired::{self, Issuer, TenantCluster};
use crate::id::{AlertRuleId, GroupId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::metrics::Metric;
use crate::model::{
    AlertCondition, AlertDuration, AlertLimit, AlertRule, AlertSeverity, Comparison, ControlPlane,
    ControlPlaneStore, Group, HostHealth, HostParameters, HostState, Isolation, Limits, Member, Organization,
    OrganizationRole, Plan, Power, Project, RegisteredHost, StoredPlans, User, UserKind, Workspace,
    WorkspaceState, WorkspaceStatus,
};
use crate::name::{
    DisplayName, Email, GroupName, HostClusterName, KubernetesVersion, PlanId, ProjectName, Slug,
};
use crate::placement::{HostCluster, HostLabels};
use crate::platform::CreateWorkspace;
use crate::quantity::Quantity;
use crate::quota::{Quota, Resource};
use crate::version::Version;
use uuid::Uuid;

/// Creation time of all fixtures.
pub const FIXTURE_TIME: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Returns an id that is determined by a text, so that tests can refer to objects by name.
#[must_use]
pub fn id<T: crate::id::TypedId>(text: &str) -> T {
    // FNV-1a hash of the text, instead of random bits.
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    T::from_uuid(Uuid::from_u128(hash))
}

fn valid<T, E: std::fmt::Display>(value: Result<T, E>) -> T {
    match value {
        Ok(value) => value,
        Err(error) => unreachable!("fixtures are valid: {error}"),
    }
}

/// Returns a person.
#[must_use]
pub fn user(name: &str) -> User {
    User {
        id: id::<UserId>(name),
        kind: UserKind::Person,
        email: Some(valid(Email::parse(&format!("{name}@example.com")))),
        name: valid(DisplayName::parse(name)),
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns an organization that was created by the user `owner`.
#[must_use]
pub fn organization(name: &str) -> Organization {
    Organization {
        id: id::<OrganizationId>(name),
        name: valid(Slug::parse(name)),
        display_name: valid(DisplayName::parse(name)),
        personal: false,
        plan_id: valid(PlanId::parse("small")),
        deletion_requested_at: None,
        suspension: None,
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns a membership of an organization.
#[must_use]
pub fn member(organization: OrganizationId, user: UserId, role: OrganizationRole) -> Member {
    Member::new(organization, user, role, FIXTURE_TIME)
}

/// Returns a workspace of the organization `acme`.
#[must_use]
pub fn workspace(name: &str) -> Workspace {
    Workspace {
        id: id::<WorkspaceId>(name),
        organization_id: id::<OrganizationId>("acme"),
        name: valid(Slug::parse(name)),
        display_name: None,
        plan_id: valid(PlanId::parse("small")),
        region: None,
        kubernetes_version: valid(KubernetesVersion::parse("1.36")),
        power: Power::Running,
        suspension_reason: None,
        organization_suspended: false,
        node_pools: Vec::new(),
        gitops: BTreeMap::new(),
        access_revocations: Vec::new(),
        retired_group_names: Vec::new(),
        deletion_requested_at: None,
        host_cluster: valid(HostClusterName::parse("local")),
        generation: 1,
        access_version: 1,
        status: WorkspaceStatus::new(FIXTURE_TIME),
        reconcile_at: Some(FIXTURE_TIME),
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns a root group of the workspace `dev`.
#[must_use]
pub fn group(name: &str) -> Group {
    Group {
        id: id::<GroupId>(name),
        organization_id: id::<OrganizationId>("acme"),
        workspace_id: id::<WorkspaceId>("dev"),
        name: valid(GroupName::parse(name)),
        parent_id: None,
        preset: None,
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns a root project of the workspace `dev`, without a quota.
#[must_use]
pub fn project(name: &str) -> Project {
    Project {
        id: id::<ProjectId>(name),
        organization_id: id::<OrganizationId>("acme"),
        workspace_id: id::<WorkspaceId>("dev"),
        name: valid(ProjectName::parse(name)),
        display_name: None,
        parent_id: None,
        quota: Quota::new(),
        generation: 1,
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns an alert rule of the workspace `dev` as a whole.
#[must_use]
pub fn alert_rule(name: &str) -> AlertRule {
    AlertRule {
        id: id::<AlertRuleId>(name),
        organization_id: id::<OrganizationId>("acme"),
        workspace_id: id::<WorkspaceId>("dev"),
        project_id: None,
        name: valid(Slug::parse(name)),
        condition: AlertCondition {
            metric: Metric::Cpu,
            comparison: Comparison::Above,
            limit: AlertLimit::Threshold(Quantity::milli(1_500)),
            duration: AlertDuration::FiveMinutes,
        },
        severity: AlertSeverity::Warning,
        notify: vec![valid(Email::parse("owner@example.com"))],
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns the command to create a workspace, without optional fields.
#[must_use]
pub fn create_workspace(name: &str, plan: &PlanId) -> CreateWorkspace {
    CreateWorkspace {
        name: valid(Slug::parse(name)),
        display_name: None,
        plan_id: plan.clone(),
        region: None,
        kubernetes_version: None,
    }
}

/// Returns a free plan whose limits are sufficient for tests.
#[must_use]
pub fn plan(name: &str) -> Plan {
    Plan {
        id: valid(PlanId::parse(name)),
        name: name.to_owned(),
        description: "A plan for tests.".to_owned(),
        display_order: 1,
        price: None,
        quota: Quota::new()
            .with(Resource::Cpu, Quantity::units(4))
            .with(Resource::Memory, Quantity::gibibytes(8))
            .with(Resource::Pods, Quantity::units(50)),
        extended_resources: BTreeMap::new(),
        limits: Limits {
            workspaces: 10,
            members: 20,
            projects: 20,
            groups: 50,
            roles_per_project: 10,
            alert_rules: 20,
        },
        control_plane: ControlPlane {
            store: ControlPlaneStore::Sqlite,
            replicas: 1,
            cpu: Quantity::milli(200),
            memory: Quantity::mebibytes(256),
            memory_limit: Quantity::gibibytes(2),
            storage: Quantity::gibibytes(5),
        },
        isolation: Isolation::Baseline,
        image_sources: Vec::new(),
        retired: false,
        dedicated_nodes: false,
        host_labels: HostLabels::new(),
        kubernetes_versions: vec![
            valid(KubernetesVersion::parse("1.35")),
            valid(KubernetesVersion::parse("1.36")),
        ],
    }
}

/// Returns plans that an operator has changed once.
#[must_use]
pub fn stored_plans(plans: Vec<Plan>) -> StoredPlans {
    StoredPlans {
        plans,
        configured: Vec::new(),
        updated_by: Some(id("operator")),
        updated_at: FIXTURE_TIME,
        version: Version::FIRST.next(),
        unknown: Vec::new(),
    }
}

/// Returns a host cluster that an operator has registered.
#[must_use]
pub fn registered_host(name: &str) -> RegisteredHost {
    RegisteredHost {
        host: HostCluster { capacity: 10, ..HostCluster::new(valid(HostClusterName::parse(name))) },
        settings: HostParameters::new(),
        sealed_kubeconfig: vec![0, 1, 255],
        health: HostHealth { state: HostState::Unknown, message: String::new(), since: FIXTURE_TIME },
        created_at: FIXTURE_TIME,
        updated_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Returns the desired state of an empty workspace.
#[must_use]
pub fn tenant_cluster(name: &str) -> TenantCluster {
    let state = WorkspaceState {
        workspace: workspace(name),
        groups: Vec::new(),
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: "https://hexabase.example".to_owned(), certificate_authority: None };
    desired::tenant_cluster(&state, &plan("small"), &issuer)
}
