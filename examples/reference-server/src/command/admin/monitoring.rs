//! Check of the monitoring from the command line.

use clap::Subcommand;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_k8s::{FindingLevel, MonitoringFinding, PrometheusMetrics};
use serde_json::{Value, json};

use crate::command::print_line;
use crate::config::ProcessConfig;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Check that the Prometheus at --prometheus-url has the series that Hexabase reads, and print a remedy for each
    /// finding. Fails if a finding is an error, not for warnings.
    Check,
}

impl Action {
    pub(super) async fn execute(self, config: &ProcessConfig, json: bool) -> Result<()> {
        let Self::Check = self;
        let missing = || Error::invalid("prometheus_url", "is missing: set the URL of Prometheus");
        let metrics = PrometheusMetrics::new(config.prometheus.as_ref().ok_or_else(missing)?)?;
        let found = metrics.check_monitoring(SystemClock.now(), config.metrics_retention).await?;
        if json {
            print_line(&Value::Array(found.iter().map(as_json).collect()).to_string())?;
        } else {
            found.iter().flat_map(lines).try_for_each(|line| print_line(&line))?;
        }
        verdict(&found)
    }
}

/// Fails if a finding is an error.
fn verdict(found: &[MonitoringFinding]) -> Result<()> {
    let errors = found.iter().filter(|finding| finding.level == FindingLevel::Error).count();
    if errors == 0 {
        return Ok(());
    }
    let message = format!("{errors} of {} checks found an error; see the remedies above", found.len());
    Err(Error::conflict("monitoring_incomplete", message))
}

fn lines(finding: &MonitoringFinding) -> Vec<String> {
    let MonitoringFinding { check, level, message, remedy } = finding;
    let mut lines = vec![format!("{:<8} {check}: {message}", level.as_str())];
    if !remedy.is_empty() {
        lines.push(format!("         remedy: {remedy}"));
    }
    lines
}

fn as_json(finding: &MonitoringFinding) -> Value {
    let MonitoringFinding { check, level, message, remedy } = finding;
    json!({ "check": check, "level": level.as_str(), "message": message, "remedy": remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: FindingLevel) -> MonitoringFinding {
        let remedy = if level == FindingLevel::Ok { "" } else { "repair it" };
        let (message, remedy) = ("found".to_owned(), remedy.to_owned());
        MonitoringFinding { check: "KubeletTargets", level, message, remedy }
    }

    #[test]
    fn the_command_fails_for_errors_only() {
        use FindingLevel::{Ok, Unknown, Warning};
        assert!(verdict(&[Ok, Unknown, Warning].map(finding)).is_ok());
        let error = verdict(&[finding(Ok), finding(FindingLevel::Error)]).unwrap_err();
        assert!(error.to_string().contains("1 of 2 checks"), "{error}");
    }

    #[test]
    fn both_formats_name_the_check_and_its_remedy() {
        let warning = finding(FindingLevel::Warning);
        assert_eq!(lines(&warning), ["warning  KubeletTargets: found", "         remedy: repair it"]);
        assert_eq!(lines(&finding(FindingLevel::Ok)), ["ok       KubeletTargets: found"]);
        let expected = json!({ "check": "KubeletTargets", "level": "warning", "message": "found", "remedy": "repair it" });
        assert_eq!(as_json(&warning), expected);
    }
}
