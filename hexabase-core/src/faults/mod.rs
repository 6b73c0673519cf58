//! Faults on demand: decorators that make any commit, any queue operation and any call to a provisioner
//! fail, or stand still for ever as if the process had died there.
//!
//! A [`FaultPlan`] counts the operations that pass through its decorators and cuts one of them. A test runs
//! its scenario once to learn how many operations there are, and then once per operation and [`Cut`].

mod provisioner;
mod queue;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use event_listener::Event;

pub use provisioner::FaultyProvisioner;
pub use queue::FaultyQueue;
pub use store::FaultyStore;

use crate::error::{Error, Result};

/// How an operation is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It fails and does nothing.
    FailBefore,
    /// It does what it should, and says that it failed: the answer was lost.
    FailAfter,
    /// The process dies before it does anything.
    CrashBefore,
    /// The process dies when it has done what it should.
    CrashAfter,
}

impl Cut {
    /// All the ways.
    pub const ALL: [Self; 4] = [Self::FailBefore, Self::FailAfter, Self::CrashBefore, Self::CrashAfter];
}

/// Which operation is cut, and how. Cloning it shares the count.
#[derive(Debug, Clone)]
pub struct FaultPlan(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Option<(u64, Cut)>,
    passed: AtomicU64,
    dead: AtomicBool,
    died: Event,
}

impl FaultPlan {
    /// Cuts nothing, and counts.
    #[must_use]
    pub fn counting() -> Self {
        Self::with(None)
    }

    /// Cuts the operation with this number, the first being 0.
    #[must_use]
    pub fn cutting(operation: u64, cut: Cut) -> Self {
        Self::with(Some((operation, cut)))
    }

    fn with(target: Option<(u64, Cut)>) -> Self {
        let (passed, dead) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { target, passed, dead, died: Event::new() }))
    }

    /// How many operations have passed.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::SeqCst)
    }

    /// Returns when the process has died.
    pub async fn died(&self) {
        loop {
            let died = self.0.died.listen();
            if self.0.dead.load(Ordering::SeqCst) {
                return;
            }
            died.await;
        }
    }

    /// Brings the process back to life. Whatever was under way when it died must have been dropped.
    pub fn revive(&self) {
        self.0.dead.store(false, Ordering::SeqCst);
    }

    /// The process dies now, whatever it is doing.
    pub fn kill(&self) {
        self.0.dead.store(true, Ordering::SeqCst);
        self.0.died.notify(usize::MAX);
    }

    async fn die(&self) {
        self.kill();
        std::future::pending::<()>().await;
    }

    /// Lets an operation pass, or cuts it.
    ///
    /// # Errors
    /// What the operation fails with, or `Unavailable` where it is cut.
    pub async fn pass<T>(&self, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.0.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let number = self.0.passed.fetch_add(1, Ordering::SeqCst);
        let cut = self.0.target.filter(|(target, _)| *target == number).map(|(_, cut)| cut);
        match cut {
            Some(Cut::FailBefore) => return Err(Error::unavailable("cut before it happened")),
            Some(Cut::CrashBefore) => self.die().await,
            _ => {}
        }
        let outcome = operation.await;
        match cut {
            Some(Cut::FailAfter) => Err(Error::unavailable("cut after it happened")),
            Some(Cut::CrashAfter) => {
                self.die().await;
                outcome
            }
            _ => outcome,
        }
    }
}
