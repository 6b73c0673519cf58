use std::collections::BTreeSet;

use super::commit::require_version;
use super::invitations::require_not_deleting;
use super::{Caller, PlatformInner};
use crate::access::Action;
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::limits;
use crate::model::Inventory;
use crate::name::{ManagedObject, Slug};
use crate::version::Version;

/// Inventories of organizations: the objects that declarative sources manage.
#[derive(Debug, Clone, Copy)]
pub struct Inventories<'a>(pub(super) &'a PlatformInner);

/// Command to change the objects of an inventory. Adding an object that it has, and removing one that it does not have,
/// changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateInventory {
    /// Objects to add. They need not exist.
    pub add: BTreeSet<ManagedObject>,
    /// Objects to remove.
    pub remove: BTreeSet<ManagedObject>,
}

impl Inventories<'_> {
    /// Lists the inventories of an organization by name. Their number is limited.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn list(&self, caller: &Caller, organization: OrganizationId) -> Result<Vec<Inventory>> {
        self.0.permit(caller, organization, Action::OrganizationRead).await?;
        self.0.store.list_inventories(organization).await
    }

    /// Adds objects to an inventory and removes others from it. Creates the inventory with its first object, and deletes
    /// it with its last one. Returns the inventory; one without objects has been deleted.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `managed_elsewhere` for an object in another inventory, `organization_deleting`, and
    ///   `precondition_failed` if the version differs from `expected`.
    /// - `QuotaExceeded` if the organization would have too many inventories or managed objects.
    pub async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        name: &Slug,
        command: &UpdateInventory,
        expected: Option<Version>,
    ) -> Result<Inventory> {
        self.0
            .transact(|| async {
                self.0.permit(caller, organization, Action::OrganizationUpdate).await?;
                let root = self.0.organization(organization).await?;
                require_not_deleting(&root)?;
                let existing = self.0.store.list_inventories(organization).await?;
                let before = existing.iter().find(|inventory| inventory.name == *name);
                match before {
                    Some(before) => require_version(expected, before.version)?,
                    None if expected.is_some() => {
                        let message = "the inventory does not exist; repeat the change without a version";
                        return Err(Error::conflict("precondition_failed", message));
                    }
                    None => {}
                }
                let now = self.0.now();
                let after = match before {
                    Some(before) => Inventory {
                        updated_by: caller.principal.user_id,
                        updated_at: now,
                        version: before.version.next(),
                        ..before.clone()
                    },
                    None => Inventory {
                        organization_id: organization,
                        name: name.clone(),
                        objects: BTreeSet::new(),
                        updated_by: caller.principal.user_id,
                        created_at: now,
                        updated_at: now,
                        version: Version::FIRST,
                    },
                };
                let objects = updated_objects(&existing, name, command)?;
                let after = Inventory { objects, ..after };
                if before.map_or(after.objects.is_empty(), |before| before.objects == after.objects) {
                    return Ok((Changeset::new(), before.cloned().unwrap_or(after)));
                }
                let changeset = match (before, after.objects.is_empty()) {
                    (_, true) => Changeset::new().delete(RecordKey::Inventory(organization, name.clone())),
                    (Some(_), false) => Changeset::new().update(after.clone()),
                    (None, false) => Changeset::new().insert(after.clone()),
                };
                let summary = serde_json::json!({
                    "added": command.add.len(),
                    "removed": command.remove.len(),
                    "objects": after.objects.len(),
                });
                let resource = format!("{organization}/{name}");
                let entry = self.0.audit(caller, organization, "inventory.update", resource, (), &summary);
                Ok((changeset.organization(root, now).audit(entry), after))
            })
            .await
    }
}

/// Returns the objects of the inventory `name` after an update.
///
/// # Errors
/// - `Conflict` with code `managed_elsewhere`.
/// - `QuotaExceeded`.
fn updated_objects(
    existing: &[Inventory],
    name: &Slug,
    command: &UpdateInventory,
) -> Result<BTreeSet<ManagedObject>> {
    let others = || existing.iter().filter(|inventory| inventory.name != *name);
    for object in &command.add {
        if let Some(other) = others().find(|inventory| inventory.objects.contains(object)) {
            let message = format!(
                "{object} is managed by the inventory {}; remove it from its documents, or from that inventory, first",
                other.name
            );
            return Err(Error::conflict("managed_elsewhere", message));
        }
    }
    let before = existing.iter().find(|inventory| inventory.name == *name);
    let mut objects = before.map(|inventory| inventory.objects.clone()).unwrap_or_default();
    objects.extend(command.add.iter().cloned());
    objects.retain(|object| !command.remove.contains(object));
    let is_growing = objects.len() > before.map_or(0, |inventory| inventory.objects.len());
    if is_growing {
        let of_others: usize = others().map(|inventory| inventory.objects.len()).sum();
        limits::check_inventories(others().count() + 1, of_others + objects.len())?;
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::fixture::FIXTURE_TIME;
    use crate::fixture::id;

    fn object(name: &str) -> ManagedObject {
        ManagedObject::parse(&id::<crate::id::GroupId>(name).to_string()).unwrap()
    }

    fn inventory(name: &str, objects: &[&str]) -> Inventory {
        Inventory {
            organization_id: id("acme"),
            name: Slug::parse(name).unwrap(),
            objects: objects.iter().map(|name| object(name)).collect(),
            updated_by: id("ann"),
            created_at: FIXTURE_TIME,
            updated_at: FIXTURE_TIME,
            version: Version::FIRST,
        }
    }

    fn update(add: &[&str], remove: &[&str]) -> UpdateInventory {
        let objects = |names: &[&str]| names.iter().map(|name| object(name)).collect();
        UpdateInventory { add: objects(add), remove: objects(remove) }
    }

    #[test]
    fn objects_are_added_and_removed_and_belong_to_one_inventory() {
        let existing = [inventory("git", &["a", "b"]), inventory("other", &["c"])];
        let git = Slug::parse("git").unwrap();
        for (add, remove, expected) in [
            (&["d"][..], &[][..], Some(&["a", "b", "d"][..])),
            (&["a"], &["b", "unknown"], Some(&["a"])),
            (&[], &["a", "b"], Some(&[])),
            (&["c"], &[], None),
        ] {
            let updated = updated_objects(&existing, &git, &update(add, remove));
            match expected {
                Some(expected) => assert_eq!(updated.unwrap(), inventory("git", expected).objects),
                None => assert_eq!(updated.unwrap_err().code(), "managed_elsewhere"),
            }
        }
    }

    #[test]
    fn inventories_and_their_objects_are_limited_but_shrink_freely() {
        let names: Vec<String> = (0..limits::MAX_INVENTORIES).map(|number| format!("i{number}")).collect();
        let full: Vec<Inventory> = names.iter().map(|name| inventory(name, &[name])).collect();
        let new = Slug::parse("new").unwrap();
        let rejected = updated_objects(&full, &new, &update(&["x"], &[])).unwrap_err();
        assert_eq!(rejected.kind(), ErrorKind::QuotaExceeded);
        let many: Vec<String> = (0..limits::MAX_MANAGED_OBJECTS).map(|number| format!("o{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let existing = [inventory("git", &many)];
        let git = Slug::parse("git").unwrap();
        let grown = updated_objects(&existing, &git, &update(&["x"], &[])).unwrap_err();
        assert_eq!(grown.kind(), ErrorKind::QuotaExceeded);
        assert!(updated_objects(&existing, &git, &update(&["x"], &["o1"])).is_ok());
    }
}
