use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::problem::{Outcome, Problem};
use crate::state::{State, list, text};

/// How the bank answers when a card is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bank {
    /// It pays.
    Pays,
    /// It does not.
    Declines,
    /// It wants to hear from the customer.
    Asks,
}

/// The cards that Stripe has for tests (<https://docs.stripe.com/testing>): name, brand, last four digits, bank.
const CARDS: [(&str, &str, &str, &str); 4] = [
    ("pm_card_visa", "visa", "4242", "pays"),
    ("pm_card_mastercard", "mastercard", "4444", "pays"),
    ("pm_card_chargeCustomerFail", "visa", "0341", "declines"),
    ("pm_card_authenticationRequired", "visa", "3184", "asks"),
];

impl State {
    pub(crate) fn customers_answer(
        &mut self,
        method: &str,
        parts: &[&str],
        parameters: &Parameters,
    ) -> Outcome {
        match (method, parts) {
            ("POST", ["customers"]) => self.make_customer(parameters),
            ("GET", ["customers"]) => {
                let email = parameters.text("email");
                let fits =
                    |it: &&Value| it["deleted"] != true && email.is_none_or(|email| it["email"] == email);
                Ok(list(
                    "/v1/customers",
                    self.customers.values().rev().filter(fits).cloned().collect(),
                    parameters,
                ))
            }
            ("GET", ["customers", id]) => {
                let customer = self.customers.get(*id).ok_or_else(|| Problem::not_found("customer", id))?;
                Ok(match customer["deleted"] == true {
                    true => json!({ "id": id, "object": "customer", "deleted": true }),
                    false => customer.clone(),
                })
            }
            ("POST", ["customers", id]) => self.change_customer(id, parameters),
            ("DELETE", ["customers", id]) => self.remove_customer(id),
            ("GET", ["customers", id, "payment_methods"]) => {
                self.customer(id)?;
                let mine =
                    self.methods.values().rev().filter(|method| method["customer"] == *id).cloned().collect();
                Ok(list(&format!("/v1/customers/{id}/payment_methods"), mine, parameters))
            }
            ("GET", ["customers", id, "payment_methods", method]) => {
                self.customer(id)?;
                let found = self.methods.get(*method).filter(|method| method["customer"] == *id);
                found.cloned().ok_or_else(|| Problem::not_found("payment_method", method))
            }
            ("POST", ["payment_methods", method, "attach"]) => self.attach(method, parameters),
            ("POST", ["payment_methods", method, "detach"]) => self.detach(method),
            ("POST", ["setup_intents"]) => self.make_setup_intent(parameters),
            _ => Err(Problem::not_found("URL", &parts.join("/"))),
        }
    }

    /// A customer who is there.
    pub(crate) fn customer(&self, id: &str) -> Outcome<&Value> {
        let found = self.customers.get(id).filter(|customer| customer["deleted"] != true);
        found.ok_or_else(|| Problem::not_found("customer", id))
    }

    fn make_customer(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&["email", "name", "metadata", "test_clock", "description"])?;
        if let Some(clock) = parameters.text("test_clock")
            && !self.clocks.contains_key(clock)
        {
            return Err(Problem::missing("testclock", clock));
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
        self.tell("customer.created", &customer);
        Ok(customer)
    }

    fn change_customer(&mut self, id: &str, parameters: &Parameters) -> Outcome {
        parameters.only(&["invoice_settings", "name", "email", "metadata"])?;
        self.customer(id)?;
        if let Some(method) = parameters.at("invoice_settings.default_payment_method")
            && self.methods.get(method).is_none_or(|known| known["customer"] != id)
        {
            return Err(Problem::missing("payment_method", method));
        }
        let Some(customer) = self.customers.get_mut(id) else {
            return Err(Problem::not_found("customer", id));
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
        self.tell("customer.updated", &customer);
        Ok(customer)
    }

    fn remove_customer(&mut self, id: &str) -> Outcome {
        self.customer(id)?;
        let live: Vec<String> =
            self.live_subscriptions(id).iter().map(|it| text(it, "id").to_owned()).collect();
        for subscription in live {
            self.end(&subscription)?;
        }
        if let Some(customer) = self.customers.get_mut(id) {
            customer["deleted"] = json!(true);
        }
        let gone = json!({ "id": id, "object": "customer", "deleted": true });
        self.tell("customer.deleted", &json!({ "id": id, "object": "customer" }));
        Ok(gone)
    }

    fn attach(&mut self, method: &str, parameters: &Parameters) -> Outcome {
        parameters.only(&["customer"])?;
        let customer = parameters.need("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(Problem::missing("customer", &customer));
        }
        if let Some(known) = self.methods.get(method) {
            return match known["customer"].as_str() {
                Some(owner) if owner == customer => Ok(known.clone()),
                _ => Err(Problem::invalid(
                    "The payment method you provided has already been attached to a customer.",
                )),
            };
        }
        let card = CARDS.iter().find(|(name, ..)| *name == method);
        let (_, brand, last4, bank) = *card.ok_or_else(|| Problem::missing("PaymentMethod", method))?;
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
            "created": self.now, "customer": customer, "livemode": false, "metadata": { "bank": bank }, "type": "card",
        });
        self.methods.insert(id, attached.clone());
        self.tell("payment_method.attached", &attached);
        Ok(attached)
    }

    fn detach(&mut self, method: &str) -> Outcome {
        let mut gone =
            self.methods.remove(method).ok_or_else(|| Problem::not_found("payment_method", method))?;
        let owner = text(&gone, "customer").to_owned();
        if let Some(customer) = self.customers.get_mut(&owner) {
            let default = &mut customer["invoice_settings"]["default_payment_method"];
            if *default == method {
                *default = Value::Null;
            }
        }
        gone["customer"] = Value::Null;
        self.tell("payment_method.detached", &gone);
        Ok(gone)
    }

    fn make_setup_intent(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&["customer", "usage", "automatic_payment_methods", "metadata"])?;
        let customer = parameters.need("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(Problem::missing("customer", &customer));
        }
        let id = self.id("seti");
        let intent = json!({
            "id": id, "object": "setup_intent", "client_secret": format!("{id}_secret_x"), "created": self.now,
            "customer": customer, "livemode": false, "metadata": {}, "payment_method": null,
            "payment_method_types": ["card"], "status": "requires_payment_method", "usage": "off_session",
        });
        self.tell("setup_intent.created", &intent);
        Ok(intent)
    }

    pub(crate) fn checkout(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&[
            "mode",
            "customer",
            "success_url",
            "cancel_url",
            "currency",
            "payment_method_types",
        ])?;
        if parameters.need("mode")? != "setup" {
            return Err(Problem::invalid("Only setup is done here."));
        }
        let customer = parameters.need("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(Problem::missing("customer", &customer));
        }
        if parameters.text("currency").is_none() && parameters.0.get("payment_method_types").is_none() {
            return Err(Problem::invalid(
                "`currency` is required in setup mode unless `payment_method_types` is given.",
            ));
        }
        let id = self.id("cs_test");
        Ok(json!({
            "id": id, "object": "checkout.session", "cancel_url": parameters.text("cancel_url"), "created": self.now,
            "customer": customer, "expires_at": self.now + 86_400, "livemode": false, "mode": "setup",
            "payment_status": "no_payment_required", "status": "open", "success_url": parameters.need("success_url")?,
            "url": format!("https://checkout.stripe.com/c/pay/{id}"),
        }))
    }

    pub(crate) fn portal(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&["customer", "return_url", "configuration"])?;
        let customer = parameters.need("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(Problem::missing("customer", &customer));
        }
        let id = self.id("bps");
        Ok(json!({
            "id": id, "object": "billing_portal.session", "configuration": "bpc_1", "created": self.now,
            "customer": customer, "flow": null, "livemode": false, "locale": null, "on_behalf_of": null,
            "return_url": parameters.text("return_url"), "url": format!("https://billing.stripe.com/p/session/{id}"),
        }))
    }

    /// How the bank answers when a customer is charged; nothing when there is no way to.
    pub(crate) fn bank_of(&self, customer: &str) -> Option<Bank> {
        let default = self.customers.get(customer)?["invoice_settings"]["default_payment_method"].as_str()?;
        Some(match self.methods.get(default)?["metadata"]["bank"].as_str()? {
            "declines" => Bank::Declines,
            "asks" => Bank::Asks,
            _ => Bank::Pays,
        })
    }
}
