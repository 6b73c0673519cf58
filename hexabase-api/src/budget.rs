//! Budgets that callers share: a total, and a maximum share per caller, so that no caller uses up the total.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Budget of a resource, such as connections or bytes.
pub struct Budget {
    total: usize,
    share: usize,
    used: Mutex<Used>,
}

/// Used amounts.
#[derive(Default)]
struct Used {
    total: usize,
    by_caller: HashMap<String, usize>,
}

/// Bound of a [`Budget`] that a reservation would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The total is used up.
    Total,
    /// The share of the caller is used up.
    Share,
}

/// Reserved part of a [`Budget`], released on drop.
pub struct Reservation {
    budget: Arc<Budget>,
    /// Caller whose share is used; `None` for a caller without a maximum share.
    caller: Option<String>,
    amount: usize,
}

impl Budget {
    /// Creates a budget with a total and a maximum share per caller.
    #[must_use]
    pub fn new(total: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { total, share, used: Mutex::default() })
    }

    /// Reserves an amount for a caller; `None` for a caller without a maximum share.
    ///
    /// # Errors
    /// The exceeded bound.
    pub fn reserve(
        self: &Arc<Self>,
        caller: Option<String>,
        amount: usize,
    ) -> Result<Reservation, Exhausted> {
        let mut reservation = Reservation { budget: self.clone(), caller, amount: 0 };
        reservation.grow(amount).map(|()| reservation)
    }

    /// Returns the used amount of all callers.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Reservation {
    /// Adds an amount to the reservation. On an error the reservation stays as it is.
    ///
    /// # Errors
    /// The exceeded bound.
    pub fn grow(&mut self, amount: usize) -> Result<(), Exhausted> {
        let mut used = self.budget.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = self.caller.as_ref().and_then(|caller| used.by_caller.get(caller)).copied();
        let of_caller = of_caller.unwrap_or_default().saturating_add(amount);
        if self.caller.is_some() && of_caller > self.budget.share {
            return Err(Exhausted::Share);
        }
        if used.total.saturating_add(amount) > self.budget.total {
            return Err(Exhausted::Total);
        }
        used.total += amount;
        if let Some(caller) = &self.caller
            && amount > 0
        {
            used.by_caller.insert(caller.clone(), of_caller);
        }
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.total -= self.amount;
        let Some(caller) = &self.caller else { return };
        if let Some(of_caller) = used.by_caller.get_mut(caller) {
            *of_caller -= self.amount;
            if *of_caller == 0 {
                used.by_caller.remove(caller);
            }
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Budget({} of {})", self.used(), self.total)
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Reservation({})", self.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn no_caller_exceeds_its_share_and_all_together_not_the_total() {
        let budget = Budget::new(10, 4);
        let mut ann = budget.reserve(caller("ann"), 3).unwrap();
        assert_eq!(ann.grow(2), Err(Exhausted::Share));
        ann.grow(1).unwrap();
        assert_eq!(budget.reserve(caller("ann"), 1).unwrap_err(), Exhausted::Share);
        let bob = budget.reserve(caller("bob"), 4).unwrap();
        assert_eq!(budget.reserve(caller("cyd"), 3).unwrap_err(), Exhausted::Total);
        let proxy = budget.reserve(None, 2).unwrap();
        assert_eq!(budget.used(), 10);
        drop((ann, bob, proxy));
        assert_eq!(budget.used(), 0);
        assert!(budget.used.lock().unwrap().by_caller.is_empty(), "released callers must not be kept");
        budget.reserve(None, 10).unwrap();
    }
}
