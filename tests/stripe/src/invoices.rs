use serde_json::{Value, json};

use crate::customers::ChargeResult;
use crate::error::{StripeError, StripeResult};
use crate::parameters::Parameters;
use crate::state::{State, list, number, text};

/// Rate of automatic taxes, in percent.
const TAX_PERCENT: i64 = 10;

impl State {
    pub(crate) fn handle_invoices(
        &mut self,
        method: &str,
        parts: &[&str],
        parameters: &Parameters,
    ) -> StripeResult {
        match (method, parts) {
            ("GET", []) => {
                let (customer, status) = (parameters.text("customer"), parameters.text("status"));
                if let Some(customer) = customer
                    && !self.customers.contains_key(customer)
                {
                    return Err(StripeError::resource_missing("customer", customer));
                }
                let matches = |invoice: &&Value| {
                    customer.is_none_or(|customer| invoice["customer"] == customer)
                        && status.is_none_or(|status| invoice["status"] == status)
                };
                Ok(list(
                    "/v1/invoices",
                    self.invoices.values().rev().filter(matches).cloned().collect(),
                    parameters,
                ))
            }
            ("POST", ["create_preview"]) => self.preview(parameters),
            ("GET", [id]) => {
                self.invoices.get(*id).cloned().ok_or_else(|| StripeError::not_found("invoice", id))
            }
            ("POST", [id, "pay"]) => self.pay(id, parameters),
            _ => Err(StripeError::not_found("URL", &parts.join("/"))),
        }
    }

    fn pay(&mut self, id: &str, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["off_session", "payment_method"])?;
        let invoice = self.invoices.get(id).ok_or_else(|| StripeError::not_found("invoice", id))?;
        if invoice["status"] == "paid" {
            return Err(StripeError::invalid("Invoice is already paid").with_code("invoice_already_paid"));
        }
        match self.charge_invoice(id) {
            Ok(()) => self.invoices.get(id).cloned().ok_or_else(|| StripeError::not_found("invoice", id)),
            Err(ChargeResult::RequiresAction) => {
                Err(StripeError::requires_action().with_code("invoice_payment_intent_requires_action"))
            }
            Err(_) => Err(StripeError::declined()),
        }
    }

    /// Preview of an invoice, without any effect.
    fn preview(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&[
            "customer",
            "subscription",
            "subscription_details",
            "discounts",
            "automatic_tax",
        ])?;
        let mut preview_state = self.clone();
        preview_state.start_preview();
        let details = parameters.object("subscription_details");
        let customer = parameters.required("customer")?.to_owned();
        if preview_state.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        let mut subscription_parameters = details.0.as_object().cloned().unwrap_or_default();
        if let Some(discounts) = parameters.0.get("discounts") {
            subscription_parameters.insert("discounts".to_owned(), discounts.clone());
        }
        let before = preview_state.invoices.len();
        let subscription = match parameters.text("subscription") {
            Some(id) if details.0.get("items").is_some() => preview_state.handle_subscriptions(
                "POST",
                &[id],
                &Parameters(Value::Object(subscription_parameters)),
            )?,
            Some(id) => {
                let found =
                    preview_state.subscriptions.get(id).filter(|it| it["status"] != "canceled").cloned();
                found.ok_or_else(|| StripeError::resource_missing("subscription", id))?
            }
            None => {
                subscription_parameters.insert("customer".to_owned(), json!(customer));
                preview_state.handle_subscriptions(
                    "POST",
                    &[],
                    &Parameters(Value::Object(subscription_parameters)),
                )?
            }
        };
        if subscription["customer"] != customer.as_str() {
            return Err(StripeError::resource_missing("subscription", text(&subscription, "id")));
        }
        let created =
            preview_state.invoices.values().last().filter(|_| preview_state.invoices.len() > before).cloned();
        let mut preview = match created {
            Some(invoice) => invoice,
            None if subscription["cancel_at_period_end"] == true => {
                return Err(StripeError::no_upcoming_invoice());
            }
            None => {
                let lines = preview_state.next_period(&subscription);
                let at = preview_state.time_of(&customer);
                let id = preview_state.create_invoice(&customer, Some(&subscription), lines, "upcoming", at);
                preview_state.invoices.get(&id).cloned().unwrap_or_default()
            }
        };
        let id = format!("upcoming_{}", text(&preview, "id"));
        preview["id"] = json!(id);
        preview["status"] = json!("draft");
        preview["number"] = Value::Null;
        Ok(preview)
    }

    /// Creates an invoice with these lines and the pending ones, and returns its id.
    pub(crate) fn create_invoice(
        &mut self,
        customer: &str,
        subscription: Option<&Value>,
        lines: Vec<Value>,
        reason: &str,
        at: i64,
    ) -> String {
        let mut all = self.pending_lines.remove(customer).unwrap_or_default();
        all.extend(lines);
        let id = self.id("in");
        let subtotal: i64 = all.iter().map(|line| number(line, "amount")).sum();
        let percent = subscription.and_then(|it| it["discounts"][0]["coupon"].as_str().map(str::to_owned));
        let percent =
            percent.and_then(|coupon| self.coupons.get(&coupon)).map_or(0, |it| number(it, "percent_off"));
        let discount = fraction(subtotal.max(0), percent, 100);
        let taxed = subscription.is_some_and(|it| it["automatic_tax"]["enabled"] == true);
        let tax = if taxed { fraction(subtotal - discount, TAX_PERCENT, 100) } else { 0 };
        let total = subtotal - discount + tax;
        let balance = self.customers.get(customer).map_or(0, |customer| number(customer, "balance"));
        let due = (total + balance).max(0);
        let remaining_balance = if total + balance < 0 { total + balance } else { 0 };
        if let Some(customer) = self.customers.get_mut(customer) {
            customer["balance"] = json!(remaining_balance);
        }
        let currency = all.first().map_or("usd", |line| text(line, "currency")).to_owned();
        let invoice_number = self.invoices.len() + 1;
        let name = subscription.map(|it| text(it, "id"));
        let period_start = all.iter().map(|line| number(&line["period"], "start")).min().unwrap_or(at);
        for (index, line) in all.iter_mut().enumerate() {
            line["id"] = json!(format!("il_{invoice_number}_{index}"));
            line["invoice"] = json!(id);
        }
        let taxes = match taxed {
            true => json!([{
                "amount": tax, "tax_behavior": "exclusive", "taxability_reason": "standard_rated",
                "taxable_amount": subtotal - discount, "type": "tax_rate_details", "tax_rate_details": { "tax_rate": "txr_1" },
            }]),
            false => json!([]),
        };
        let invoice = json!({
            "id": id, "object": "invoice", "amount_due": due, "amount_overpaid": 0, "amount_paid": 0,
            "amount_remaining": due, "amount_shipping": 0, "attempt_count": 0, "attempted": false, "auto_advance": true,
            "automatic_tax": { "enabled": taxed, "liability": null, "provider": null, "status": null },
            "billing_reason": reason, "collection_method": "charge_automatically", "created": at, "currency": currency,
            "customer": customer, "default_tax_rates": [], "discounts": [], "ending_balance": remaining_balance,
            "hosted_invoice_url": format!("https://invoice.stripe.com/i/{id}"),
            "invoice_pdf": format!("https://pay.stripe.com/invoice/{id}/pdf"), "issuer": { "type": "self" },
            "lines": { "object": "list", "data": all, "has_more": false, "url": format!("/v1/invoices/{id}/lines") },
            "livemode": false, "metadata": {}, "next_payment_attempt": null, "number": format!("HB-{invoice_number:04}"),
            "parent": {
                "type": "subscription_details", "quote_details": null,
                "subscription_details": { "metadata": {}, "subscription": name },
            },
            "payment_settings": {
                "default_mandate": null, "payment_method_options": null, "payment_method_types": null,
            },
            "period_start": period_start, "period_end": at, "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0, "receipt_number": null, "starting_balance": balance, "status": "open",
            "status_transitions": { "finalized_at": at, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
            "subtotal": subtotal, "subtotal_excluding_tax": subtotal, "test_clock": null, "total": total,
            "total_discount_amounts": [{ "amount": discount, "discount": "di_1" }], "total_excluding_tax": total - tax,
            "total_pretax_credit_amounts": [], "total_taxes": taxes, "webhooks_delivered_at": at,
        });
        self.invoices.insert(id.clone(), invoice.clone());
        self.record_event("invoice.created", &invoice);
        self.record_event("invoice.finalized", &invoice);
        if due == 0 {
            self.mark_paid(&id, at);
        }
        id
    }

    fn mark_paid(&mut self, id: &str, at: i64) {
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice["status"] = json!("paid");
        invoice["attempted"] = json!(true);
        invoice["amount_paid"] = invoice["amount_due"].clone();
        invoice["amount_remaining"] = json!(0);
        invoice["status_transitions"]["paid_at"] = json!(at);
        let invoice = invoice.clone();
        self.record_event("invoice.paid", &invoice);
        let subscription = invoice["parent"]["subscription_details"]["subscription"].as_str();
        if let Some(subscription) = subscription {
            self.apply_payment(subscription);
        }
    }

    /// Charges the customer for an invoice.
    pub(crate) fn charge_invoice(&mut self, id: &str) -> Result<(), ChargeResult> {
        let Some(invoice) = self.invoices.get_mut(id) else { return Ok(()) };
        if invoice["status"] == "paid" {
            return Ok(());
        }
        invoice["attempted"] = json!(true);
        invoice["attempt_count"] = json!(number(invoice, "attempt_count") + 1);
        let (customer, snapshot) = (text(invoice, "customer").to_owned(), invoice.clone());
        let result = if self.is_preview() {
            ChargeResult::Succeeds
        } else {
            self.charge_result(&customer).unwrap_or(ChargeResult::Declined)
        };
        match result {
            ChargeResult::Succeeds => {
                let at = self.time_of(&customer);
                self.mark_paid(id, at);
                Ok(())
            }
            failure => {
                let kind = if failure == ChargeResult::RequiresAction { "action_required" } else { "failed" };
                self.record_event(&format!("invoice.payment_{kind}"), &snapshot);
                Err(failure)
            }
        }
    }
}

/// Fraction of an amount, rounded to the nearest unit.
pub(crate) fn fraction(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return amount;
    }
    let (amount, part, whole) = (i128::from(amount), i128::from(part), i128::from(whole));
    i64::try_from((2 * amount * part + amount.signum() * whole) / (2 * whole)).unwrap_or(i64::MAX)
}
