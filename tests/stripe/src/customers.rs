use serde_json::{Value, json};

use crate::error::{StripeError, StripeResult};
use crate::parameters::Parameters;
use crate::state::{State, list, text};

/// Result of charging a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChargeResult {
    /// The payment succeeds.
    Succeeds,
    /// The issuer of the card declines the payment.
    Declined,
    /// The payment requires an action of the customer, such as authentication.
    RequiresAction,
}

/// Test cards of Stripe (<https://docs.stripe.com/testing>): id, brand, last four digits, result of a charge.
const CARDS: [(&str, &str, &str, &str); 4] = [
    ("pm_card_visa", "visa", "4242", "succeeds"),
    ("pm_card_mastercard", "mastercard", "4444", "succeeds"),
    ("pm_card_chargeCustomerFail", "visa", "0341", "declined"),
    ("pm_card_authenticationRequired", "visa", "3184", "requires_action"),
];

impl State {
    pub(crate) fn handle_customers(
        &mut self,
        method: &str,
        parts: &[&str],
        parameters: &Parameters,
    ) -> StripeResult {
        match (method, parts) {
            ("POST", ["customers"]) => self.create_customer(parameters),
            ("GET", ["customers"]) => {
                let email = parameters.text("email");
                let matches =
                    |it: &&Value| it["deleted"] != true && email.is_none_or(|email| it["email"] == email);
                Ok(list(
                    "/v1/customers",
                    self.customers.values().rev().filter(matches).cloned().collect(),
                    parameters,
                ))
            }
            ("GET", ["customers", id]) => {
                let customer =
                    self.customers.get(*id).ok_or_else(|| StripeError::not_found("customer", id))?;
                Ok(match customer["deleted"] == true {
                    true => json!({ "id": id, "object": "customer", "deleted": true }),
                    false => customer.clone(),
                })
            }
            ("POST", ["customers", id]) => self.update_customer(id, parameters),
            ("DELETE", ["customers", id]) => self.delete_customer(id),
            ("GET", ["customers", id, "payment_methods"]) => {
                self.customer(id)?;
                let payment_methods = self
                    .payment_methods
                    .values()
                    .rev()
                    .filter(|method| method["customer"] == *id)
                    .cloned()
                    .collect();
                Ok(list(&format!("/v1/customers/{id}/payment_methods"), payment_methods, parameters))
            }
            ("GET", ["customers", id, "payment_methods", method]) => {
                self.customer(id)?;
                let found = self.payment_methods.get(*method).filter(|method| method["customer"] == *id);
                found.cloned().ok_or_else(|| StripeError::not_found("payment_method", method))
            }
            ("POST", ["payment_methods", method, "attach"]) => self.attach(method, parameters),
            ("POST", ["payment_methods", method, "detach"]) => self.detach(method),
            ("POST", ["setup_intents"]) => self.create_setup_intent(parameters),
            _ => Err(StripeError::not_found("URL", &parts.join("/"))),
        }
    }

    /// Customer that is not deleted.
    pub(crate) fn customer(&self, id: &str) -> StripeResult<&Value> {
        let found = self.customers.get(id).filter(|customer| customer["deleted"] != true);
        found.ok_or_else(|| StripeError::not_found("customer", id))
    }

    fn create_customer(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["email", "name", "metadata", "test_clock", "description"])?;
        if let Some(clock) = parameters.text("test_clock")
            && !self.clocks.contains_key(clock)
        {
            return Err(StripeError::resource_missing("testclock", clock));
        }
        let id = self.id("cus");
        let customer = json!({
            "id": id, "object": "customer", "address": null, "balance": 0, "created": self.now, "currency": null,
            "default_source": null, "delinquent": false, "description": parameters.text("description"), "discount": null,
            "email": parameters.text("email"), "invoice_prefix": format!("HB{}", &id[id.len() - 6..]),
            "invoice_settings": {
                "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null,
            },
            "livemode": false, "metadata": parameters.metadata(), "name": parameters.text("name"), "phone": null,
            "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": parameters.text("test_clock"),
        });
        self.customers.insert(id, customer.clone());
        self.record_event("customer.created", &customer);
        Ok(customer)
    }

    fn update_customer(&mut self, id: &str, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["invoice_settings", "name", "email", "metadata"])?;
        self.customer(id)?;
        if let Some(method) = parameters.at("invoice_settings.default_payment_method")
            && self.payment_methods.get(method).is_none_or(|known| known["customer"] != id)
        {
            return Err(StripeError::resource_missing("payment_method", method));
        }
        let Some(customer) = self.customers.get_mut(id) else {
            return Err(StripeError::not_found("customer", id));
        };
        if let Some(method) = parameters.at("invoice_settings.default_payment_method") {
            customer["invoice_settings"]["default_payment_method"] = json!(method);
        }
        for name in ["name", "email"] {
            if let Some(value) = parameters.text(name) {
                customer[name] = json!(value);
            }
        }
        let customer = customer.clone();
        self.record_event("customer.updated", &customer);
        Ok(customer)
    }

    fn delete_customer(&mut self, id: &str) -> StripeResult {
        self.customer(id)?;
        let ids: Vec<String> =
            self.live_subscriptions(id).iter().map(|it| text(it, "id").to_owned()).collect();
        for subscription in ids {
            self.cancel(&subscription)?;
        }
        if let Some(customer) = self.customers.get_mut(id) {
            customer["deleted"] = json!(true);
        }
        let deleted = json!({ "id": id, "object": "customer", "deleted": true });
        self.record_event("customer.deleted", &json!({ "id": id, "object": "customer" }));
        Ok(deleted)
    }

    fn attach(&mut self, method: &str, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["customer"])?;
        let customer = parameters.required("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        if let Some(known) = self.payment_methods.get(method) {
            return match known["customer"].as_str() {
                Some(owner) if owner == customer => Ok(known.clone()),
                _ => Err(StripeError::invalid(
                    "The payment method you provided has already been attached to a customer.",
                )),
            };
        }
        let card = CARDS.iter().find(|(name, ..)| *name == method);
        let (_, brand, last4, charge_result) =
            *card.ok_or_else(|| StripeError::resource_missing("PaymentMethod", method))?;
        let id = self.id("pm");
        let attached = json!({
            "id": id, "object": "payment_method", "allow_redisplay": "unspecified",
            "billing_details": { "address": null, "email": null, "name": null, "phone": null, "tax_id": null },
            "card": {
                "brand": brand, "checks": null, "country": "US", "display_brand": brand, "exp_month": 12, "exp_year": 2034,
                "fingerprint": format!("fp{last4}"), "funding": "credit", "generated_from": null, "last4": last4,
                "networks": { "available": [brand], "preferred": null }, "three_d_secure_usage": { "supported": true },
                "wallet": null,
            },
            "created": self.now, "customer": customer, "livemode": false, "metadata": { "charge_result": charge_result }, "type": "card",
        });
        self.payment_methods.insert(id, attached.clone());
        self.record_event("payment_method.attached", &attached);
        Ok(attached)
    }

    fn detach(&mut self, method: &str) -> StripeResult {
        let mut deleted = self
            .payment_methods
            .remove(method)
            .ok_or_else(|| StripeError::not_found("payment_method", method))?;
        let owner = text(&deleted, "customer").to_owned();
        if let Some(customer) = self.customers.get_mut(&owner) {
            let default = &mut customer["invoice_settings"]["default_payment_method"];
            if *default == method {
                *default = Value::Null;
            }
        }
        deleted["customer"] = Value::Null;
        self.record_event("payment_method.detached", &deleted);
        Ok(deleted)
    }

    fn create_setup_intent(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["customer", "usage", "automatic_payment_methods", "metadata"])?;
        let customer = parameters.required("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        let id = self.id("seti");
        let intent = json!({
            "id": id, "object": "setup_intent", "client_secret": format!("{id}_secret_x"), "created": self.now,
            "customer": customer, "livemode": false, "metadata": {}, "payment_method": null,
            "payment_method_types": ["card"], "status": "requires_payment_method", "usage": "off_session",
        });
        self.record_event("setup_intent.created", &intent);
        Ok(intent)
    }

    pub(crate) fn create_checkout_session(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&[
            "mode",
            "customer",
            "success_url",
            "cancel_url",
            "currency",
            "payment_method_types",
        ])?;
        if parameters.required("mode")? != "setup" {
            return Err(StripeError::invalid("The stand-in supports only `setup` mode."));
        }
        let customer = parameters.required("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        if parameters.text("currency").is_none() && parameters.0.get("payment_method_types").is_none() {
            return Err(StripeError::invalid(
                "`currency` is required in setup mode unless `payment_method_types` is given.",
            ));
        }
        let id = self.id("cs_test");
        Ok(json!({
            "id": id, "object": "checkout.session", "cancel_url": parameters.text("cancel_url"), "created": self.now,
            "customer": customer, "expires_at": self.now + 86_400, "livemode": false, "mode": "setup",
            "payment_status": "no_payment_required", "status": "open", "success_url": parameters.required("success_url")?,
            "url": format!("https://checkout.stripe.com/c/pay/{id}"),
        }))
    }

    pub(crate) fn create_portal_session(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["customer", "return_url", "configuration"])?;
        let customer = parameters.required("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        let id = self.id("bps");
        Ok(json!({
            "id": id, "object": "billing_portal.session", "configuration": "bpc_1", "created": self.now,
            "customer": customer, "flow": null, "livemode": false, "locale": null, "on_behalf_of": null,
            "return_url": parameters.text("return_url"), "url": format!("https://billing.stripe.com/p/session/{id}"),
        }))
    }

    /// Result of charging a customer; `None` without a default payment method.
    pub(crate) fn charge_result(&self, customer: &str) -> Option<ChargeResult> {
        let default = self.customers.get(customer)?["invoice_settings"]["default_payment_method"].as_str()?;
        Some(match self.payment_methods.get(default)?["metadata"]["charge_result"].as_str()? {
            "declined" => ChargeResult::Declined,
            "requires_action" => ChargeResult::RequiresAction,
            _ => ChargeResult::Succeeds,
        })
    }
}
