//! The plan: operations that bring the objects of the server in line with the documents, in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::actual::Actual;
use super::document::{Desired, DesiredObjects, Problem};
use super::object::{FieldChange, Key, Kind, Object, Spec, compare, name_in};

/// Names of the groups that every workspace starts with.
const PRESET_GROUPS: [&str; 3] = ["WorkspaceMembers", "WSAdmins", "WSUsers"];

/// Options of a plan.
#[derive(Debug, Clone)]
pub(super) struct PlanOptions {
    /// Name of the inventory that records the objects of these documents.
    pub(super) inventory: String,
    /// `true` to delete objects of the inventory that no document describes.
    pub(super) prune: bool,
}

/// Change of one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Create,
    Update(Vec<FieldChange>),
    Delete,
}

/// Operation on one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    pub(super) key: Key,
    pub(super) step: Step,
    /// Desired specification; empty for a deletion.
    pub(super) spec: Spec,
    /// Object as it was read; `None` for a creation.
    pub(super) object: Option<Object>,
}

/// Operations, and objects that need none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) operations: Vec<Operation>,
    /// Existing objects that the documents describe and the inventory does not have.
    pub(super) adopted: Vec<Key>,
    /// References in the inventory to objects that no longer exist, by organization.
    pub(super) released: BTreeSet<(String, String)>,
    /// Objects that are not deleted, because they contain objects that are not of the inventory.
    pub(super) retained: Vec<(Key, Key)>,
    /// Memberships of persons who have not accepted their invitation.
    pub(super) pending: Vec<Key>,
}

/// Plans the operations.
///
/// # Errors
/// Every problem with the file and line of its document: references to missing objects, cycles, changes of fields that
/// cannot change, and objects of other inventories.
pub(super) fn plan(
    desired: &DesiredObjects,
    actual: &Actual,
    options: &PlanOptions,
) -> Result<Plan, Vec<Problem>> {
    let scope = Scope { desired, actual, options };
    let (doomed, retained) = scope.doomed();
    let mut problems = Vec::new();
    let mut report = |desired: &Desired, message: String| {
        problems.push(Problem { origin: desired.origin.clone(), message });
    };
    let mut plan = Plan { retained, released: scope.released(), ..Plan::default() };
    for (key, wanted) in desired {
        for missing in references(key, &wanted.spec) {
            if !scope.resolves(&missing, &doomed) {
                report(
                    wanted,
                    format!("{key} refers to {missing}, which no document describes and does not exist"),
                );
            }
        }
        if scope.is_in_cycle(key) {
            report(wanted, format!("{key} is its own ancestor; change one of the parents"));
        }
        let object = actual.objects.get(key);
        if key.kind == Kind::GroupMember && object.is_none() && scope.is_pending(&key.of_user()) {
            plan.pending.push(key.clone());
            continue;
        }
        let step = match object {
            None => Some(Step::Create),
            Some(object) => {
                let changes = compare(key.kind, &wanted.spec, &object.spec);
                for change in changes.iter().filter(|change| change.is_fixed) {
                    let message = format!(
                        "{} of {key} cannot change from {} to {}; use another name, or delete the object first",
                        change.field, change.before, change.after
                    );
                    report(wanted, message);
                }
                if let Some(other) = scope.other_inventory(key, object) {
                    let message = format!(
                        "{key} is managed by the inventory {other}; remove it here or there, or use --inventory {other}"
                    );
                    report(wanted, message);
                }
                if key.kind != Kind::Organization && !object.is_built_in && !scope.is_own(key, object) {
                    plan.adopted.push(key.clone());
                }
                (!changes.is_empty()).then_some(Step::Update(changes))
            }
        };
        if let Some(step) = step {
            let (key, spec, object) = (key.clone(), wanted.spec.clone(), object.cloned());
            plan.operations.push(Operation { key, step, spec, object });
        }
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(problems);
    }
    // Parents come before their children, so that no move creates a cycle on the way.
    plan.operations.sort_by_cached_key(|operation| (operation.key.kind, scope.depth(&operation.key)));
    let mut deletions: Vec<&Key> = doomed.iter().collect();
    deletions.retain(|key| key.its_workspace().is_none_or(|workspace| !doomed.contains(&workspace)));
    deletions.sort_by_cached_key(|key| std::cmp::Reverse((key.kind, scope.depth(key))));
    plan.operations.extend(deletions.into_iter().map(|key| Operation {
        key: key.clone(),
        step: Step::Delete,
        spec: Spec::new(),
        object: actual.objects.get(key).cloned(),
    }));
    Ok(plan)
}

/// Keys of the objects that must exist before this one.
fn references(key: &Key, spec: &Spec) -> Vec<Key> {
    let mut found = Vec::new();
    if key.kind != Kind::Organization {
        found.push(Key::organization(&key.organization));
    }
    found.extend(key.its_workspace());
    let mut refer = |kind: Kind, name: Option<&str>| found.extend(name.map(|name| key.sibling(kind, name)));
    match key.kind {
        Kind::Group => refer(Kind::Group, name_in(spec, "parent")),
        Kind::GroupMember => {
            refer(Kind::Group, key.parent.as_deref());
            found.push(key.of_user());
        }
        Kind::Project => refer(Kind::Project, name_in(spec, "parent")),
        Kind::Role => refer(Kind::Project, key.parent.as_deref()),
        Kind::RoleAssignment => {
            let (group, role) = key.group_and_role();
            refer(Kind::Group, Some(group));
            refer(Kind::Project, key.parent.as_deref());
            if !role.starts_with("hexabase:") {
                found.push(key.nested(Kind::Role, key.parent.as_deref(), role));
            }
        }
        Kind::AlertRule => refer(Kind::Project, name_in(spec, "project")),
        Kind::Organization | Kind::Member | Kind::ServiceAccount | Kind::Workspace => {}
    }
    found
}

struct Scope<'a> {
    desired: &'a DesiredObjects,
    actual: &'a Actual,
    options: &'a PlanOptions,
}

impl Scope<'_> {
    fn resolves(&self, key: &Key, doomed: &BTreeSet<Key>) -> bool {
        let is_preset = key.kind == Kind::Group && PRESET_GROUPS.contains(&key.name.as_str());
        is_preset
            || self.desired.contains_key(key)
            || self.actual.objects.contains_key(key) && !doomed.contains(key)
    }

    /// `true` for a person who has to accept an invitation first.
    fn is_pending(&self, user: &Key) -> bool {
        user.kind == Kind::Member && self.actual.objects.get(user).is_none_or(Object::is_invitation)
    }

    fn inventory(&self, organization: &str, name: &str) -> Option<&BTreeSet<String>> {
        self.actual.inventories.get(&(organization.to_owned(), name.to_owned()))
    }

    fn is_own(&self, key: &Key, object: &Object) -> bool {
        let own = self.inventory(&key.organization, &self.options.inventory);
        own.is_some_and(|own| own.contains(&object.reference))
    }

    fn other_inventory(&self, key: &Key, object: &Object) -> Option<&str> {
        let others = self.actual.inventories.iter().filter(|((organization, name), _)| {
            *organization == key.organization && *name != self.options.inventory
        });
        let mut having = others.filter(|(_, objects)| objects.contains(&object.reference));
        having.next().map(|((_, name), _)| name.as_str())
    }

    /// Objects to delete, and those that are not deleted because they contain others, each with one of them.
    fn doomed(&self) -> (BTreeSet<Key>, Vec<(Key, Key)>) {
        if !self.options.prune {
            return Default::default();
        }
        let organizations: BTreeSet<&str> =
            self.desired.keys().map(|key| key.organization.as_str()).collect();
        let is_doomed = |(key, object): &(&Key, &Object)| {
            organizations.contains(key.organization.as_str())
                && key.kind != Kind::Organization
                && !object.is_built_in
                && !self.desired.contains_key(key)
                && self.is_own(key, object)
        };
        let (doomed, surviving): (Vec<_>, Vec<_>) = self.actual.objects.iter().partition(is_doomed);
        let mut doomed: BTreeSet<Key> = doomed.into_iter().map(|(key, _)| key.clone()).collect();
        let surviving = surviving.into_iter().filter(|(_, object)| !object.is_built_in);
        let mut surviving: Vec<Key> = surviving.map(|(key, _)| key.clone()).collect();
        let mut retained = Vec::new();
        let mut retain = |container: &Key, content: &Key, surviving: &mut Vec<Key>| {
            if doomed.remove(container) {
                retained.push((container.clone(), content.clone()));
                surviving.push(container.clone());
            }
        };
        for workspace in &self.actual.with_others {
            retain(workspace, workspace, &mut surviving);
        }
        // The deletion of an object deletes those that refer to it, or is rejected because of them. So an object that
        // survives retains all that it refers to.
        while let Some(key) = surviving.pop() {
            let spec = self.actual.objects.get(&key).map(|object| &object.spec);
            for container in spec.map(|spec| references(&key, spec)).unwrap_or_default() {
                retain(&container, &key, &mut surviving);
            }
        }
        retained.sort();
        (doomed, retained)
    }

    /// References in the inventory to objects that do not exist.
    fn released(&self) -> BTreeSet<(String, String)> {
        let existing: BTreeSet<&str> =
            self.actual.objects.values().map(|object| object.reference.as_str()).collect();
        let own = self.actual.inventories.iter().filter(|((_, name), _)| *name == self.options.inventory);
        let references = own.flat_map(|((organization, _), objects)| {
            objects.iter().map(move |reference| (organization.clone(), reference.clone()))
        });
        references.filter(|(_, reference)| !existing.contains(reference.as_str())).collect()
    }

    /// Parent of a group or project after the operations.
    fn parent(&self, key: &Key) -> Option<Key> {
        if !matches!(key.kind, Kind::Group | Kind::Project) {
            return None;
        }
        let desired = self.desired.get(key).map(|desired| &desired.spec);
        let spec = desired.or_else(|| self.actual.objects.get(key).map(|object| &object.spec))?;
        Some(key.sibling(key.kind, name_in(spec, "parent")?))
    }

    fn is_in_cycle(&self, key: &Key) -> bool {
        let mut seen = BTreeSet::new();
        let mut parent = self.parent(key);
        while let Some(ancestor) = parent {
            if ancestor == *key {
                return true;
            }
            parent = self.parent(&ancestor);
            // A cycle among the ancestors is reported for the objects in it.
            if !seen.insert(ancestor) {
                return false;
            }
        }
        false
    }

    /// Number of ancestors of a group or project; 0 for other objects. There are no cycles.
    fn depth(&self, key: &Key) -> usize {
        let mut depths = BTreeMap::new();
        let mut parent = self.parent(key);
        while let Some(ancestor) = parent {
            parent = self.parent(&ancestor);
            if depths.insert(ancestor, ()).is_some() {
                break;
            }
        }
        depths.len()
    }
}
