//! Fault injection: decorators that make any commit, queue operation or provisioner call fail, or hang as if the
//! process had crashed there.
//!
//! A [`FaultPlan`] counts the operations that pass through its decorators and injects a fault into one of them. A test
//! runs its scenario once to count the operations, and then once per operation and [`FaultPoint`].

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

/// The kind of fault, and its position relative to the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// The operation fails without being executed.
    FailBefore,
    /// The operation is executed, but its result is lost: the caller gets an error.
    FailAfter,
    /// The process crashes before the operation is executed.
    CrashBefore,
    /// The process crashes after the operation was executed.
    CrashAfter,
}

impl FaultPoint {
    /// All kinds of faults.
    pub const ALL: [Self; 4] = [Self::FailBefore, Self::FailAfter, Self::CrashBefore, Self::CrashAfter];
}

/// The operation into which a fault is injected, and the kind of fault. Clones share the operation count.
#[derive(Debug, Clone)]
pub struct FaultPlan(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Option<(u64, FaultPoint)>,
    passed: AtomicU64,
    dead: AtomicBool,
    died: Event,
}

impl FaultPlan {
    /// Injects no fault and only counts the operations.
    #[must_use]
    pub fn counting() -> Self {
        Self::with(None)
    }

    /// Injects a fault into the operation with this number, starting at 0.
    #[must_use]
    pub fn failing_at(operation: u64, point: FaultPoint) -> Self {
        Self::with(Some((operation, point)))
    }

    fn with(target: Option<(u64, FaultPoint)>) -> Self {
        let (passed, dead) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { target, passed, dead, died: Event::new() }))
    }

    /// Number of operations that have passed so far.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::SeqCst)
    }

    /// Waits until the process has crashed.
    pub async fn died(&self) {
        loop {
            let died = self.0.died.listen();
            if self.0.dead.load(Ordering::SeqCst) {
                return;
            }
            died.await;
        }
    }

    /// Ends the crash, so that operations pass again. Everything that was running at the crash must have been dropped.
    pub fn revive(&self) {
        self.0.dead.store(false, Ordering::SeqCst);
    }

    /// Crashes the process now, independent of the planned operation.
    pub fn kill(&self) {
        self.0.dead.store(true, Ordering::SeqCst);
        self.0.died.notify(usize::MAX);
    }

    async fn die(&self) {
        self.kill();
        std::future::pending::<()>().await;
    }

    /// Executes an operation, with the planned fault if it is the planned one.
    ///
    /// # Errors
    /// Errors of the operation, and `Unavailable` for an injected fault.
    pub async fn pass<T>(&self, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.0.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let number = self.0.passed.fetch_add(1, Ordering::SeqCst);
        let point = self.0.target.filter(|(target, _)| *target == number).map(|(_, point)| point);
        match point {
            Some(FaultPoint::FailBefore) => {
                return Err(Error::unavailable("injected fault before the operation"));
            }
            Some(FaultPoint::CrashBefore) => self.die().await,
            _ => {}
        }
        let outcome = operation.await;
        match point {
            Some(FaultPoint::FailAfter) => Err(Error::unavailable("injected fault after the operation")),
            Some(FaultPoint::CrashAfter) => {
                self.die().await;
                outcome
            }
            _ => outcome,
        }
    }
}
