use serde_json::{Value, json};

/// Error response (<https://docs.stripe.com/api/errors>).
#[derive(Debug, Clone)]
pub(crate) struct StripeError {
    pub(crate) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    parameter: Option<String>,
}

pub(crate) type StripeResult<T = Value> = Result<T, StripeError>;

impl StripeError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        let kind = "invalid_request_error";
        Self { status: 400, kind, code: None, message: message.into(), parameter: None }
    }

    pub(crate) fn resource_missing(what: &str, id: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self { code: Some("resource_missing"), parameter: Some(what.to_owned()), ..Self::invalid(message) }
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        // For an id in the path, Stripe calls the parameter `id`.
        Self { status: 404, parameter: Some("id".to_owned()), ..Self::resource_missing(what, id) }
    }

    pub(crate) fn no_upcoming_invoice() -> Self {
        let error = Self::invalid("No upcoming invoices for customer").with_code("invoice_upcoming_none");
        Self { status: 404, ..error }
    }

    pub(crate) fn required(parameter: &str) -> Self {
        let message = format!("Missing required param: {parameter}.");
        let parameter = Some(parameter.to_owned());
        Self { code: Some("parameter_missing"), parameter, ..Self::invalid(message) }
    }

    pub(crate) fn unknown(parameter: &str) -> Self {
        let message = format!("Received unknown parameter: {parameter}");
        let parameter = Some(parameter.to_owned());
        Self { code: Some("parameter_unknown"), parameter, ..Self::invalid(message) }
    }

    pub(crate) fn declined() -> Self {
        let message = "Your card was declined.".to_owned();
        Self { status: 402, kind: "card_error", code: Some("card_declined"), message, parameter: None }
    }

    pub(crate) fn requires_action() -> Self {
        let message = "The payment method requires the customer's action to complete, but `error_if_incomplete` was set.";
        Self {
            code: Some("subscription_payment_intent_requires_action"),
            message: message.to_owned(),
            ..Self::declined()
        }
    }

    pub(crate) fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn idempotency(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using \
             a key other than '{key}' if you meant to execute a different request."
        );
        Self { kind: "idempotency_error", ..Self::invalid(message) }
    }

    pub(crate) fn unauthorized() -> Self {
        Self { status: 401, ..Self::invalid("Invalid API Key provided: ****") }
    }

    pub(crate) fn internal_error() -> Self {
        let message = "An unknown error occurred".to_owned();
        Self { status: 500, kind: "api_error", code: None, message, parameter: None }
    }

    pub(crate) fn rate_limited() -> Self {
        Self { status: 429, code: Some("rate_limit"), ..Self::invalid("Too many requests") }
    }

    pub(crate) fn body(&self) -> Value {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            if code == "card_declined" {
                error["decline_code"] = json!("generic_decline");
            }
        }
        if let Some(parameter) = &self.parameter {
            error["param"] = json!(parameter);
        }
        json!({ "error": error })
    }
}
