//! For how long a process may go by what it was told of announcements.
//!
//! An answer holds for a moment from when it was asked for, and whoever announces something waits for as long before they say
//! that it is done. Nobody goes by an older answer by then, even where a process hears nothing from Redis any more. No clocks
//! are compared: each of the two counts on its own.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::{Instant, sleep};

/// For how long an answer holds.
const HOLDS: Duration = Duration::from_millis(100);
/// How many answers are kept.
const KEPT: usize = 16_384;

/// What was asked a moment ago.
pub(super) struct Answers(Cache<String, Answer>);

#[derive(Debug, Clone, Copy)]
struct Answer {
    asked: Instant,
    there: [bool; 2],
}

impl Answers {
    pub(super) fn none() -> Self {
        Self(Cache::new(KEPT))
    }

    /// The answer to a question, if it was asked a moment ago.
    pub(super) fn to(&self, question: &str) -> Option<[bool; 2]> {
        let answer = self.0.get(question).filter(|answer| answer.asked.elapsed() < HOLDS)?;
        Some(answer.there)
    }

    /// Keeps the answer to a question that was asked at this moment or after it. That there is nothing at all is not kept: it
    /// may be that the server has just lost everything, and that is soon made good.
    pub(super) fn keep(&self, question: String, asked: Instant, there: [bool; 2]) {
        if there != [false; 2] {
            self.0.insert(question, Answer { asked, there });
        }
    }
}

/// Waits until nobody goes by what they asked before now.
pub(super) async fn until_everybody_knows() {
    sleep(HOLDS).await;
}
