//! Whose turn it is, when many change the same thing at once.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use async_lock::Mutex;

use crate::changeset::{Changeset, Guard};

/// How many lines there are. Organizations that share one wait for each other's commits now and then, no more.
const LINES: usize = 64;

/// Lines in which those wait who were too late, so that they are not too late again because of each other.
///
/// Between replicas nobody waits: there are few of those, and one of each line at most is trying at any time.
#[derive(Debug)]
pub(super) struct Turns([Mutex<()>; LINES]);

impl Turns {
    pub(super) const fn new() -> Self {
        Self([const { Mutex::new(()) }; LINES])
    }

    /// The line of all who change what `changeset` changes: there is one for all of an organization.
    pub(super) fn line(&self, changeset: &Changeset) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        match changeset.guards.first() {
            Some(
                Guard::Organization(organization, _)
                | Guard::BillingAccount(organization, _)
                | Guard::Workspace(organization, ..)
                | Guard::Member(organization, _),
            ) => organization.hash(&mut hasher),
            Some(Guard::User(user, _)) => user.hash(&mut hasher),
            Some(Guard::Session(session, _)) => session.hash(&mut hasher),
            Some(Guard::Host(name, _)) => name.hash(&mut hasher),
            Some(Guard::Lease(name, _)) => name.hash(&mut hasher),
            None => {}
        }
        &self.0[usize::try_from(hasher.finish() % LINES as u64).unwrap_or_default()]
    }
}
