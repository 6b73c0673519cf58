//! Ready-made things for tests: each is plausible by itself, and tests change what they are about.

use jiff::Timestamp;

use crate::desired::{self, Issuer, TenantCluster};
use crate::id::{GroupId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::model::{
    ControlPlane, ControlPlaneStore, Group, HostHealth, HostSettings, HostState, Isolation, Limits, Member,
    Organization, OrganizationRole, Plan, Power, Project, RegisteredHost, User, UserKind, Workspace,
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

/// The moment at which everything here was made.
pub const THEN: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// An id that follows from a text, so that tests can name things.
///
/// # Panics
/// Never.
#[must_use]
pub fn id<T: crate::id::TypedId>(text: &str) -> T {
    // FNV-1a over the text, in the place of randomness.
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    T::from_uuid(Uuid::from_u128(hash))
}

fn must<T, E: std::fmt::Display>(value: Result<T, E>) -> T {
    match value {
        Ok(value) => value,
        Err(error) => unreachable!("a fixture is valid: {error}"),
    }
}

/// A person.
#[must_use]
pub fn user(name: &str) -> User {
    User {
        id: id::<UserId>(name),
        kind: UserKind::Person,
        email: Some(must(Email::parse(&format!("{name}@example.com")))),
        name: must(DisplayName::parse(name)),
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    }
}

/// An organization that the user `owner` made.
#[must_use]
pub fn organization(name: &str) -> Organization {
    Organization {
        id: id::<OrganizationId>(name),
        name: must(Slug::parse(name)),
        display_name: must(DisplayName::parse(name)),
        personal: false,
        plan_id: must(PlanId::parse("small")),
        deletion_requested_at: None,
        created_by: id("owner"),
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    }
}

/// A place in an organization.
#[must_use]
pub fn member(organization: OrganizationId, user: UserId, role: OrganizationRole) -> Member {
    Member::new(organization, user, role, THEN)
}

/// A workspace of the organization `acme`.
#[must_use]
pub fn workspace(name: &str) -> Workspace {
    Workspace {
        id: id::<WorkspaceId>(name),
        organization_id: id::<OrganizationId>("acme"),
        name: must(Slug::parse(name)),
        display_name: None,
        plan_id: must(PlanId::parse("small")),
        region: None,
        kubernetes_version: must(KubernetesVersion::parse("1.36")),
        power: Power::Running,
        held: None,
        node_pools: Vec::new(),
        cuts: Vec::new(),
        deletion_requested_at: None,
        host_cluster: must(HostClusterName::parse("local")),
        generation: 1,
        access_version: 1,
        status: WorkspaceStatus::new(THEN),
        reconcile_at: Some(THEN),
        created_by: id("owner"),
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    }
}

/// A root group of the workspace `dev`.
#[must_use]
pub fn group(name: &str) -> Group {
    Group {
        id: id::<GroupId>(name),
        organization_id: id::<OrganizationId>("acme"),
        workspace_id: id::<WorkspaceId>("dev"),
        name: must(GroupName::parse(name)),
        parent_id: None,
        preset: None,
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    }
}

/// A root project of the workspace `dev`, without a quota.
#[must_use]
pub fn project(name: &str) -> Project {
    Project {
        id: id::<ProjectId>(name),
        organization_id: id::<OrganizationId>("acme"),
        workspace_id: id::<WorkspaceId>("dev"),
        name: must(ProjectName::parse(name)),
        display_name: None,
        parent_id: None,
        quota: Quota::new(),
        generation: 1,
        created_by: id("owner"),
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    }
}

/// What somebody asks for who orders a workspace, and leaves open what can be left open.
#[must_use]
pub fn order(name: &str, plan: &PlanId) -> CreateWorkspace {
    CreateWorkspace {
        name: must(Slug::parse(name)),
        display_name: None,
        plan_id: plan.clone(),
        region: None,
        kubernetes_version: None,
    }
}

/// A plan with room for everything that a test makes.
#[must_use]
pub fn plan(name: &str) -> Plan {
    Plan {
        id: must(PlanId::parse(name)),
        name: name.to_owned(),
        description: "A plan for tests.".to_owned(),
        display_order: 1,
        price: None,
        quota: Quota::new()
            .with(Resource::Cpu, Quantity::units(4))
            .with(Resource::Memory, Quantity::gibibytes(8))
            .with(Resource::Pods, Quantity::units(50)),
        limits: Limits { workspaces: 10, members: 20, projects: 20, groups: 50, roles_per_project: 10 },
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
            must(KubernetesVersion::parse("1.35")),
            must(KubernetesVersion::parse("1.36")),
        ],
    }
}

/// A host cluster that an operator has registered.
#[must_use]
pub fn registered_host(name: &str) -> RegisteredHost {
    RegisteredHost {
        host: HostCluster { capacity: 10, ..HostCluster::new(must(HostClusterName::parse(name))) },
        settings: HostSettings::new(),
        sealed_kubeconfig: vec![0, 1, 255],
        health: HostHealth { state: HostState::Unknown, message: String::new(), since: THEN },
        created_at: THEN,
        updated_at: THEN,
        version: Version::FIRST,
    }
}

/// The cluster of a workspace in which there is nothing yet.
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
    desired::workspace(&state, &plan("small"), &issuer)
}
