//! Kinds of objects that documents describe, the keys by which documents and objects of the server correspond, and
//! the comparison of their specifications.

use std::fmt;

use serde_json::{Map, Value};

/// Specification of an object in the form of documents: other objects are named, not referred to by id.
pub(super) type Spec = Map<String, Value>;

/// Kind of object, in the order in which objects are created. Deletions have the reverse order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Organization. Never deleted.
    Organization,
    /// Person in an organization: a member, or an invitation until it is accepted.
    Member,
    /// Service account of an organization.
    ServiceAccount,
    /// Workspace of an organization.
    Workspace,
    /// Group of a workspace.
    Group,
    /// Membership of a person or service account in a group.
    GroupMember,
    /// Project of a workspace.
    Project,
    /// Custom role of a project.
    Role,
    /// Assignment of a role to a group, in a workspace or in one of its projects.
    RoleAssignment,
    /// Alert rule of a workspace.
    AlertRule,
}

impl Kind {
    pub(super) const ALL: [Self; 10] = [
        Self::Organization,
        Self::Member,
        Self::ServiceAccount,
        Self::Workspace,
        Self::Group,
        Self::GroupMember,
        Self::Project,
        Self::Role,
        Self::RoleAssignment,
        Self::AlertRule,
    ];

    /// Name in documents.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::Member => "Member",
            Self::ServiceAccount => "ServiceAccount",
            Self::Workspace => "Workspace",
            Self::Group => "Group",
            Self::GroupMember => "GroupMember",
            Self::Project => "Project",
            Self::Role => "Role",
            Self::RoleAssignment => "RoleAssignment",
            Self::AlertRule => "AlertRule",
        }
    }

    /// `true` for objects inside a workspace.
    pub(super) const fn is_in_workspace(self) -> bool {
        !matches!(self, Self::Organization | Self::Member | Self::ServiceAccount | Self::Workspace)
    }

    /// Fields of the specification that are compared.
    const fn fields(self) -> &'static [Field] {
        use Change::{Fixed, Free, FreeIfSet};
        match self {
            Self::Organization => &[Field("display_name", Free)],
            Self::Member | Self::ServiceAccount => &[Field("role", Free)],
            // The server does not show the region, which determines the host cluster at creation.
            Self::Workspace => {
                &[Field("display_name", Free), Field("plan_id", Free), Field("kubernetes_version", FreeIfSet)]
            }
            Self::Group => &[Field("parent", Free)],
            Self::Project => &[Field("display_name", Free), Field("quota", Free), Field("parent", Fixed)],
            Self::Role => &[Field("rules", Free)],
            Self::AlertRule => &[
                Field("project", Fixed),
                Field("metric", Free),
                Field("comparison", Free),
                Field("threshold", Free),
                Field("percent_of_quota", Free),
                Field("for", Free),
                Field("severity", Free),
                Field("notify", Free),
            ],
            // Their keys contain everything.
            Self::GroupMember | Self::RoleAssignment => &[],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Field of a specification.
struct Field(&'static str, Change);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The field can change; its absence in a document means its default.
    Free,
    /// The field can change; its absence in a document leaves it to the server.
    FreeIfSet,
    /// The field cannot change after the creation.
    Fixed,
}

/// Key of an object: its kind, its parents and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// Name of the organization; for an organization its own name.
    pub(super) organization: String,
    /// Name of the workspace, for objects in one.
    pub(super) workspace: Option<String>,
    /// Name of the project of a role or role assignment, or of the group of a membership.
    pub(super) parent: Option<String>,
    /// Name; for a member the e-mail address, and for a role assignment the names of the group and of the role,
    /// separated by a slash.
    pub(super) name: String,
}

impl Key {
    pub(super) fn organization(name: &str) -> Self {
        Self::in_organization(Kind::Organization, name, name)
    }

    pub(super) fn in_organization(kind: Kind, organization: &str, name: &str) -> Self {
        let (organization, name) = (organization.to_owned(), name.to_owned());
        Self { kind, organization, workspace: None, parent: None, name }
    }

    /// Key of the workspace that contains the object.
    pub(super) fn its_workspace(&self) -> Option<Self> {
        let name = self.workspace.as_deref()?;
        Some(Self::in_organization(Kind::Workspace, &self.organization, name))
    }

    /// Key of an object in the same workspace that has no parent.
    pub(super) fn sibling(&self, kind: Kind, name: &str) -> Self {
        Self { kind, parent: None, name: name.to_owned(), ..self.clone() }
    }

    /// Key of an object in the same workspace, within a project or group.
    pub(super) fn nested(&self, kind: Kind, parent: Option<&str>, name: &str) -> Self {
        Self { kind, parent: parent.map(str::to_owned), name: name.to_owned(), ..self.clone() }
    }

    /// Key of the person or service account of a membership. E-mail addresses contain `@`, names do not.
    pub(super) fn of_user(&self) -> Self {
        let kind = if self.name.contains('@') { Kind::Member } else { Kind::ServiceAccount };
        Self::in_organization(kind, &self.organization, &self.name)
    }

    /// Name of the group and of the role of a role assignment.
    pub(super) fn group_and_role(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or((&self.name, ""))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.kind)?;
        if self.kind != Kind::Organization {
            write!(out, "{}/", self.organization)?;
        }
        for parent in [&self.workspace, &self.parent].into_iter().flatten() {
            write!(out, "{parent}/")?;
        }
        out.write_str(&self.name)
    }
}

/// Object as it is on the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    /// Id, for the paths of requests. That of a membership is the id of the user.
    pub(super) id: String,
    /// Reference in inventories.
    pub(super) reference: String,
    /// Version that changes are conditional on; `None` for objects without one.
    pub(super) version: Option<u64>,
    /// Specification. A field that the server does not show is absent, and is not compared.
    pub(super) spec: Spec,
    /// `true` for objects that the server itself creates in each workspace, which are never deleted.
    pub(super) is_built_in: bool,
}

impl Object {
    /// `true` for an invitation that has not been accepted.
    pub(super) fn is_invitation(&self) -> bool {
        self.id.starts_with("inv_")
    }
}

/// Field with different values in a document and on the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldChange {
    pub(super) field: &'static str,
    pub(super) before: Value,
    pub(super) after: Value,
    /// `true` if the field cannot change.
    pub(super) is_fixed: bool,
}

/// Compares the specification of a document with that of the object.
pub(super) fn compare(kind: Kind, desired: &Spec, actual: &Spec) -> Vec<FieldChange> {
    let different = |Field(field, change): &Field| {
        let before = actual.get(*field)?;
        let after = desired.get(*field).unwrap_or(&Value::Null);
        if before == after || *change == Change::FreeIfSet && after.is_null() {
            return None;
        }
        let (before, after, is_fixed) = (before.clone(), after.clone(), *change == Change::Fixed);
        Some(FieldChange { field, before, after, is_fixed })
    };
    kind.fields().iter().filter_map(different).collect()
}

/// Name that a field of a specification refers to.
pub(super) fn name_in<'a>(spec: &'a Spec, field: &str) -> Option<&'a str> {
    spec.get(field).and_then(Value::as_str)
}
