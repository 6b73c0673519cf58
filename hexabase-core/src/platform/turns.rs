//! Whose turn it is, when many change the same thing at once.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::pin;
use std::time::Duration;

use async_lock::{Mutex, MutexGuard};
use futures_util::future::{Either, select};

use crate::changeset::{Changeset, Guard};
use crate::clock::Clock;

/// How many lines there are. Organizations that share one wait for each other's commits now and then, no more.
const LINES: usize = 64;
/// How long somebody waits at most, and then tries without their turn: whoever is before them may be waiting for others, or for
/// them. Correctness hangs on no turn.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// Waits in a line for one's turn, which lasts until it is dropped; none for whom it takes too long.
pub(super) async fn wait<'a>(line: &'a Mutex<()>, clock: &dyn Clock) -> Option<MutexGuard<'a, ()>> {
    match select(pin!(line.lock()), clock.sleep(PATIENCE)).await {
        Either::Left((turn, _)) => Some(turn),
        Either::Right(((), _)) => None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::ManualClock;
    use crate::fixture;
    use crate::version::Version;

    #[test]
    fn all_of_an_organization_wait_in_one_line() {
        let turns = Turns::new();
        let workspace = fixture::workspace("shop");
        let of = |guard| turns.line(&Changeset::new().guard(guard));
        let organization = of(Guard::Organization(workspace.organization_id, Version::FIRST));
        let shop = of(Guard::Workspace(workspace.organization_id, workspace.id, Version::FIRST));
        assert!(std::ptr::eq(organization, shop));
    }

    #[test]
    fn whoever_waits_for_too_long_goes_on_without_their_turn() {
        let (line, clock) = (Mutex::new(()), ManualClock::new(fixture::THEN));
        let turn = wait(&line, &clock).now_or_never().flatten();
        assert!(turn.is_some());
        let mut second = pin!(wait(&line, &clock));
        assert!(second.as_mut().now_or_never().is_none());
        clock.advance(PATIENCE);
        assert!(second.now_or_never().is_some_and(|turn| turn.is_none()));
        drop(turn);
        assert!(wait(&line, &clock).now_or_never().flatten().is_some());
    }
}
