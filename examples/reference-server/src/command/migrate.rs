//! Migration of the database schema, and the check that it is done.

use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use hexabase_core::error::Result;
use tokio::time::{Instant, sleep};

use super::print_line;
use crate::compose;
use crate::config::Sources;
use crate::database::Database;

/// Interval between two checks of the schema.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum of `--wait`.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    pub(super) sources: Sources,

    /// Check that this program works with the schema of a PostgreSQL database, with the URL of the server processes, and
    /// change nothing.
    #[arg(long)]
    check: bool,

    /// Maximum time, as in 30s, 10m or 1h, to wait until another process has migrated the database [default with
    /// --wait alone: 10m].
    #[arg(long, value_name = "DURATION", requires = "check", num_args = 0..=1, default_missing_value = "10m",
        value_parser = parse_wait)]
    wait: Option<Duration>,
}

impl Migrate {
    pub(super) async fn execute(self, database: Database) -> Result<()> {
        if self.check {
            let config = database.into_postgres()?;
            let check = || compose::check_schema(&config);
            wait_until_ok(self.wait.unwrap_or_default(), check, print_reason).await?;
        } else {
            compose::migrate(&database).await?;
        }
        print_line("the database is up to date")
    }
}

fn parse_wait(text: &str) -> std::result::Result<Duration, String> {
    let duration: Option<jiff::SignedDuration> = text.parse().ok();
    let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
    duration
        .filter(|duration| *duration <= MAX_WAIT)
        .ok_or_else(|| "must be a duration of at most 24 hours, such as 30s, 10m or 1h".to_owned())
}

/// Repeats a check until it succeeds, fails for good, or `max_wait` is over. `report` receives each new reason to wait.
async fn wait_until_ok<F: Future<Output = Result<()>>>(
    max_wait: Duration,
    check: impl Fn() -> F,
    mut report: impl FnMut(&str),
) -> Result<()> {
    let started = Instant::now();
    let mut reason = String::new();
    loop {
        match check().await {
            Err(error) if error.is_retryable() && started.elapsed() + CHECK_INTERVAL <= max_wait => {
                if error.message() != reason {
                    reason = error.message().to_owned();
                    report(&reason);
                }
            }
            result => return result,
        }
        sleep(CHECK_INTERVAL).await;
    }
}

/// Prints a reason to wait to standard error, so that standard output has the result only.
fn print_reason(reason: &str) {
    // The line is informative: the command waits without a terminal as well.
    let _ = writeln!(std::io::stderr(), "waiting: {reason}");
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hexabase_core::error::Error;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_until_the_check_succeeds_and_reports_each_reason_once() {
        let (checks, mut reasons) = (Cell::new(0), Vec::new());
        let check = async || {
            checks.set(checks.get() + 1);
            match checks.get() {
                1..=3 => Err(Error::unavailable("starting")),
                4..=5 => Err(Error::unavailable("not migrated")),
                _ => Ok(()),
            }
        };
        wait_until_ok(Duration::from_secs(60), check, |reason| reasons.push(reason.to_owned()))
            .await
            .unwrap();
        assert_eq!((checks.get(), reasons), (6, vec!["starting".to_owned(), "not migrated".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn fails_when_the_time_is_over_or_waiting_is_of_no_use() {
        let started = Instant::now();
        let away = async || Err(Error::unavailable("away"));
        assert_eq!(wait_until_ok(Duration::ZERO, away, |_| {}).await.unwrap_err().message(), "away");
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(wait_until_ok(Duration::from_secs(5), away, |_| {}).await.is_err());
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        let too_old = async || Err(Error::conflict("schema_drift", "too old"));
        assert!(wait_until_ok(Duration::from_secs(60), too_old, |_| {}).await.is_err());
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(parse_wait("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_wait("1h"), Ok(Duration::from_secs(3_600)));
        for text in ["", "10", "-5s", "25h", "forever"] {
            assert!(parse_wait(text).is_err(), "{text}");
        }
    }
}
