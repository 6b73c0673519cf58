use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use regex_lite::Regex;

use super::demo::Demo;
use super::{Direction, LineId, LogLine, LogQuery, LogSource, TextFilter, malformed_expression};
use crate::clock::Clock;
use crate::desired::TenantTarget;
use crate::error::Result;
use crate::id::WorkspaceId;
use crate::store::TenantStore;

/// Maximum number of lines of a tenant; further lines replace the oldest ones.
const CAPACITY: usize = 10_000;

/// In-memory [`LogSource`] that returns the lines it was given, and for demonstrations plausible lines of every project.
///
/// Its regular expressions have no Unicode classes such as `\pL`.
#[derive(Debug, Default)]
pub struct MemoryLogs {
    tenants: Mutex<HashMap<WorkspaceId, BTreeMap<LineId, LogLine>>>,
    demo: Option<Demo>,
}

impl MemoryLogs {
    /// Creates a source without lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a source for demonstrations, in which every project of a workspace has pods that log all the time. The
    /// lines of the last hour are available. They are computed from the time and the names of the projects, so all
    /// processes return the same.
    #[must_use]
    pub fn for_demonstration(store: Arc<dyn TenantStore>, clock: Arc<dyn Clock>) -> Self {
        Self { demo: Some(Demo::new(store, clock)), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, BTreeMap<LineId, LogLine>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds lines of a tenant.
    pub fn write(&self, target: &TenantTarget, lines: impl IntoIterator<Item = LogLine>) {
        let mut tenants = self.lock();
        let own = tenants.entry(target.workspace_id).or_default();
        for line in lines {
            own.insert(line.id, line);
            if own.len() > CAPACITY {
                own.pop_first();
            }
        }
    }
}

/// Compiled filter of texts.
enum Matcher<'a> {
    All,
    Text(&'a str),
    Expression(Box<Regex>),
}

impl Matcher<'_> {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::All => true,
            Self::Text(part) => text.contains(part),
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

fn matcher(filter: Option<&TextFilter>) -> Result<Matcher<'_>> {
    match filter {
        None => Ok(Matcher::All),
        Some(filter) if filter.is_expression() => {
            // In Loki, `.` matches every character.
            let expression = format!("(?s){}", filter.as_str());
            Ok(Matcher::Expression(Box::new(Regex::new(&expression).map_err(malformed_expression)?)))
        }
        Some(filter) => Ok(Matcher::Text(filter.as_str())),
    }
}

#[async_trait]
impl LogSource for MemoryLogs {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>> {
        query.check()?;
        let filter = matcher(query.filter.as_ref())?;
        let demo = match &self.demo {
            Some(demo) => Some(demo.lines(query).await?),
            None => None,
        };
        let matches = |line: &LogLine| query.selects(line) && filter.matches(&line.text);
        let mut found: BTreeMap<LineId, LogLine> = BTreeMap::new();
        let tenants = self.lock();
        let bounds = LineId::before(query.since)..LineId::before(query.until);
        let own = tenants.get(&query.target.workspace_id).filter(|_| query.since < query.until);
        let own = own.into_iter().flat_map(|own| own.range(bounds.clone())).map(|(_, line)| line);
        let own: Box<dyn Iterator<Item = LogLine>> = match query.direction {
            Direction::Forward => Box::new(own.filter(|line| matches(line)).take(query.limit).cloned()),
            Direction::Backward => {
                let own: Vec<&LogLine> = own.filter(|line| matches(line)).collect();
                Box::new(own.into_iter().rev().take(query.limit).cloned())
            }
        };
        found.extend(own.map(|line| (line.id, line)));
        let demo = demo.into_iter().flatten().filter(|line| matches(line)).take(query.limit);
        found.extend(demo.map(|line| (line.id, line)));
        let found = found.into_values();
        Ok(match query.direction {
            Direction::Forward => found.take(query.limit).collect(),
            Direction::Backward => found.rev().take(query.limit).collect(),
        })
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::fixture::id;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    #[tokio::test]
    async fn the_memory_of_a_tenant_is_bounded_and_the_oldest_lines_go_first() {
        let (logs, target) = (MemoryLogs::new(), TenantTarget::by_id(id("acme"), id("dev")));
        let container = ["shop", "web", "app"].map(Arc::<str>::from);
        let at = |number: i64| START + SignedDuration::from_millis(number);
        let total = i64::try_from(CAPACITY).unwrap() + 5;
        logs.write(&target, (0..total).map(|number| LogLine::new(at(number), container.clone(), "x")));
        let direction = Direction::Forward;
        let query = LogQuery {
            target,
            project: None,
            pod: None,
            container: None,
            filter: None,
            since: START,
            until: at(total),
            limit: 1,
            direction,
        };
        assert_eq!(logs.lines(&query).await.unwrap()[0].id.at(), at(5));
        assert_eq!(logs.lock()[&id("dev")].len(), CAPACITY);
    }
}
