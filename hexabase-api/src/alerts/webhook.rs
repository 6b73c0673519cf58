//! Webhook of Alertmanager (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>).

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use futures_util::{StreamExt as _, stream};
use hexabase_core::Platform;
use hexabase_core::alerts::ALERT_NAME;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::AlertState;
use hexabase_core::platform::AlertNotice;
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bearer_token::BearerToken;
use crate::problem::{ApiError, ApiResult, Problems};

/// Path of the webhook.
pub(crate) const PATH: &str = "/webhooks/alertmanager";
/// Version of the payload.
const VERSION: &str = "4";
/// Maximum number of alerts of a payload that are processed.
const MAX_ALERTS: usize = 1_000;
/// Maximum length of the identifier of an alert, in bytes.
const MAX_FINGERPRINT_BYTES: usize = 64;
/// Number of alerts that are processed at a time.
const CONCURRENCY: usize = 8;

/// Bearer token that Alertmanager sends with its webhooks; without one, the webhook does not exist. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AlertWebhookToken(Option<BearerToken>);

impl AlertWebhookToken {
    /// Creates the token of the webhook.
    #[must_use]
    pub fn new(token: Option<SecretString>) -> Self {
        Self(token.map(BearerToken::new))
    }

    /// Checks the token of a request.
    ///
    /// # Errors
    /// `NotFound` if no webhooks are accepted, `Unauthenticated` for a wrong token.
    fn check(&self, headers: &HeaderMap) -> ApiResult<()> {
        let expected = self.0.as_ref().ok_or_else(ApiError::no_such_path)?;
        if expected.is_sent(headers) {
            return Ok(());
        }
        let message =
            "the webhook requires Authorization: Bearer and the token of alertmanager_webhook_token";
        Err(Error::unauthenticated(message).into())
    }
}

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    AlertWebhookToken: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(receive_alerts))
}

/// Payload, with the fields in use.
#[derive(Debug, Deserialize)]
struct Payload {
    version: String,
    alerts: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    starts_at: Timestamp,
    fingerprint: String,
}

impl Alert {
    /// Returns the notice; `None` for an alert that is not one of a tenant's rule.
    fn into_notice(self) -> Option<AlertNotice> {
        let label = |name: &str| self.labels.get(name).map(String::as_str);
        let is_fingerprint = (1..=MAX_FINGERPRINT_BYTES).contains(&self.fingerprint.len())
            && self.fingerprint.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if label("alertname") != Some(ALERT_NAME) || !is_fingerprint {
            return None;
        }
        Some(AlertNotice {
            workspace_id: label("namespace")?.replacen('-', "_", 1).parse().ok()?,
            rule_id: label("rule")?.parse().ok()?,
            starts_at: self.starts_at,
            state: self.status.parse::<AlertState>().ok()?,
            fingerprint: self.fingerprint,
        })
    }
}

/// Returns the notices of a payload.
///
/// # Errors
/// `Invalid` for another version, and for a text that is not a payload.
fn notices(body: &[u8]) -> Result<Vec<AlertNotice>> {
    let payload: Payload = serde_json::from_slice(body)
        .map_err(|_| Error::invalid("body", "must be the payload of a webhook of Alertmanager"))?;
    if payload.version != VERSION {
        return Err(Error::invalid("version", format!("must be {VERSION}")));
    }
    if payload.alerts.len() > MAX_ALERTS {
        let alerts = payload.alerts.len();
        tracing::warn!(
            alerts,
            limit = MAX_ALERTS,
            "webhook of Alertmanager has too many alerts; rest ignored"
        );
    }
    Ok(payload.alerts.into_iter().take(MAX_ALERTS).filter_map(Alert::into_notice).collect())
}

/// Receive a webhook of Alertmanager
///
/// Requires the bearer token of the setting `alertmanager_webhook_token`. Each alert is notified once, however many
/// Alertmanagers send it. Alerts that belong to no alert rule are ignored.
#[utoipa::path(post, path = "/webhooks/alertmanager", tag = "Alerts", security(()),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses((status = 200, description = "The alerts are processed."), Problems))]
async fn receive_alerts(
    State(platform): State<Platform>,
    State(token): State<AlertWebhookToken>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult<StatusCode> {
    token.check(&headers)?;
    let process = |notice: AlertNotice| {
        let platform = &platform;
        async move { platform.alerts().receive(&notice).await }
    };
    let mut processing = stream::iter(notices(&body)?).map(process).buffer_unordered(CONCURRENCY);
    // A notice that fails does not stop the others.
    let mut outcome = Ok(StatusCode::OK);
    while let Some(processed) = processing.next().await {
        if let Err(error) = processed {
            outcome = Err(error.into());
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexabase_core::fixture::id;
    use hexabase_core::id::{AlertRuleId, TypedId as _, WorkspaceId};
    use serde_json::{Value, json};

    fn alert(overrides: &Value) -> Value {
        let mut alert = json!({
            "status": "firing",
            "labels": {
                "alertname": ALERT_NAME, "namespace": id::<WorkspaceId>("dev").kubernetes_name(),
                "rule": id::<AlertRuleId>("rule").to_string(),
            },
            "annotations": { "value": "3" }, "startsAt": "2026-11-30T10:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "", "fingerprint": "0123456789abcdef",
        });
        for (name, value) in overrides.as_object().unwrap() {
            alert[name] = value.clone();
        }
        alert
    }

    fn parse(alerts: &[Value]) -> Result<Vec<AlertNotice>> {
        let payload = json!({
            "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "hexabase",
            "alerts": alerts,
        });
        notices(payload.to_string().as_bytes())
    }

    #[test]
    fn an_alert_of_a_rule_is_a_notice_and_others_are_ignored() {
        let found = parse(&[alert(&json!({})), alert(&json!({ "status": "resolved" }))]).unwrap();
        let expected = |state| AlertNotice {
            fingerprint: "0123456789abcdef".to_owned(),
            workspace_id: id("dev"),
            rule_id: id("rule"),
            starts_at: "2026-11-30T10:00:00.123Z".parse().unwrap(),
            state,
        };
        assert_eq!(found, [expected(AlertState::Firing), expected(AlertState::Resolved)]);
        for other in [
            json!({ "status": "unknown" }),
            json!({ "labels": { "alertname": "KubePodCrashLooping", "namespace": "ws-x", "rule": "x" } }),
            json!({ "labels": { "alertname": ALERT_NAME, "namespace": "kube-system", "rule": "x" } }),
            json!({ "labels": { "alertname": ALERT_NAME } }),
            json!({ "fingerprint": "" }),
            json!({ "fingerprint": "a".repeat(65) }),
            json!({ "fingerprint": "a:b/c" }),
        ] {
            assert!(parse(&[alert(&other)]).unwrap().is_empty(), "{other}");
        }
    }

    #[test]
    fn a_payload_is_bounded_and_has_a_version() {
        assert_eq!(parse(&vec![alert(&json!({})); 1_500]).unwrap().len(), MAX_ALERTS);
        for body in ["", "[]", "{}", r#"{"version":"3","alerts":[]}"#, r#"{"version":"4","alerts":[{}]}"#] {
            assert!(notices(body.as_bytes()).is_err(), "{body}");
        }
    }
}
