use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::customers::ChargeResult;
use crate::error::{StripeError, StripeResult};
use crate::invoices::fraction;
use crate::meters::{is_metered, tiers};
use crate::parameters::Parameters;
use crate::state::{State, list, number, text};

impl State {
    pub(crate) fn handle_subscriptions(
        &mut self,
        method: &str,
        parts: &[&str],
        parameters: &Parameters,
    ) -> StripeResult {
        let subscription = match (method, parts) {
            ("POST", []) => self.create_subscription(parameters)?,
            ("GET", []) => {
                let (customer, status) = (parameters.text("customer"), parameters.text("status"));
                let matches = |it: &&Value| {
                    customer.is_none_or(|customer| it["customer"] == customer)
                        && match status {
                            Some("all") => true,
                            Some(status) => it["status"] == status,
                            None => it["status"] != "canceled",
                        }
                };
                let found: Vec<Value> = self.subscriptions.values().rev().filter(matches).cloned().collect();
                let found = found.into_iter().map(|it| self.expand(it, parameters)).collect();
                return Ok(list("/v1/subscriptions", found, parameters));
            }
            ("GET", [id]) => self
                .subscriptions
                .get(*id)
                .cloned()
                .ok_or_else(|| StripeError::not_found("subscription", id))?,
            ("POST", [id]) => self.update_subscription(id, parameters)?,
            ("DELETE", [id]) => self.cancel_now(id, parameters)?,
            _ => return Err(StripeError::not_found("URL", &parts.join("/"))),
        };
        Ok(self.expand(subscription, parameters))
    }

    /// Replaces the id of the latest invoice with the invoice, if the request asks to expand it.
    fn expand(&self, mut subscription: Value, parameters: &Parameters) -> Value {
        let expand = parameters.list("expand");
        let expand_invoice =
            expand.iter().filter_map(|it| it.0.as_str()).any(|it| it.contains("latest_invoice"));
        let invoice = subscription["latest_invoice"].as_str().and_then(|id| self.invoices.get(id));
        if let Some(invoice) = invoice.filter(|_| expand_invoice) {
            let mut invoice = invoice.clone();
            let secret = format!("pi_{}_secret_x", text(&invoice, "id"));
            invoice["confirmation_secret"] = match invoice["status"] == "open" {
                true => json!({ "client_secret": secret, "type": "payment_intent" }),
                false => Value::Null,
            };
            subscription["latest_invoice"] = invoice;
        }
        subscription
    }

    pub(crate) fn live_subscriptions(&self, customer: &str) -> Vec<Value> {
        let live = |it: &&Value| {
            it["customer"] == customer && !["canceled", "incomplete_expired"].contains(&text(it, "status"))
        };
        self.subscriptions.values().filter(live).cloned().collect()
    }

    fn create_item(
        &mut self,
        subscription: &str,
        parameters: &Parameters,
        period: (i64, i64),
    ) -> StripeResult {
        parameters.reject_unknown(&["id", "price", "quantity", "metadata"])?;
        let name = parameters.required("price")?;
        let price =
            self.prices.get(name).cloned().ok_or_else(|| StripeError::resource_missing("price", name))?;
        let metered = price["recurring"]["usage_type"] == "metered";
        let quantity = match parameters.number("quantity")? {
            Some(_) if metered => return Err(StripeError::invalid(METERED_QUANTITY)),
            quantity => quantity.unwrap_or(1),
        };
        let mut item = json!({
            "id": self.id("si"), "object": "subscription_item", "billing_thresholds": null, "created": self.now,
            "current_period_start": period.0, "current_period_end": period.1, "discounts": [],
            "metadata": parameters.metadata(), "price": price, "quantity": quantity, "subscription": subscription,
            "tax_rates": [],
        });
        if metered && let Some(item) = item.as_object_mut() {
            item.remove("quantity");
        }
        Ok(item)
    }

    fn create_subscription(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&[
            "customer",
            "items",
            "payment_behavior",
            "proration_behavior",
            "trial_period_days",
            "discounts",
            "metadata",
            "off_session",
            "automatic_tax",
            "payment_settings",
        ])?;
        let customer = parameters.required("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        let before = self.clone();
        let (id, now) = (self.id("sub"), self.time_of(&customer));
        let mut items = Vec::new();
        for item in parameters.list("items") {
            items.push(self.create_item(&id, &item, (now, now))?);
        }
        let interval = common_interval(&items)?;
        let trial = parameters.number("trial_period_days")?.filter(|days| *days > 0);
        let trial_end = trial.map(|days| now + days * 86_400);
        let end = trial_end.unwrap_or_else(|| period_end(now, now, &interval));
        for item in &mut items {
            item["current_period_end"] = json!(end);
        }
        if trial.is_none() && !self.is_preview() && self.charge_result(&customer).is_none() {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a \
                           default payment method.";
            return Err(StripeError::invalid(message).with_code("resource_missing"));
        }
        let taxed = parameters.at("automatic_tax.enabled") == Some("true");
        let subscription = json!({
            "id": id, "object": "subscription", "application": null,
            "automatic_tax": { "disabled_reason": null, "enabled": taxed, "liability": null },
            "billing_cycle_anchor": trial_end.unwrap_or(now), "billing_mode": { "type": "flexible", "flexible": null }, "cancel_at": null,
            "cancel_at_period_end": false, "canceled_at": null,
            "cancellation_details": { "comment": null, "feedback": null, "reason": null },
            "collection_method": "charge_automatically", "created": now, "currency": items[0]["price"]["currency"],
            "customer": customer, "days_until_due": null, "default_payment_method": null, "default_tax_rates": [],
            "description": null, "discounts": self.discounts(parameters)?, "ended_at": null,
            "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
            "items": { "object": "list", "data": items, "has_more": false, "url": format!("/v1/subscription_items?subscription={id}") },
            "latest_invoice": null, "livemode": false, "metadata": parameters.metadata(), "pause_collection": null,
            "pending_setup_intent": null, "pending_update": null, "start_date": now,
            "status": if trial.is_some() { "trialing" } else { "incomplete" }, "test_clock": null,
            "trial_start": trial.map(|_| now), "trial_end": trial_end,
        });
        self.subscriptions.insert(id.clone(), subscription.clone());
        if trial.is_none() {
            let lines = period_lines(&subscription, now, end);
            let invoice =
                self.create_invoice(&customer, Some(&subscription), lines, "subscription_create", now);
            self.set_latest_invoice(&id, &invoice);
            if parameters.text("payment_behavior") != Some("default_incomplete")
                && let Err(result) = self.charge_invoice(&invoice)
                && parameters.text("payment_behavior") == Some("error_if_incomplete")
            {
                *self = before;
                return Err(charge_error(result));
            }
        }
        let created = self.subscriptions.get(&id).cloned().unwrap_or_default();
        self.record_event("customer.subscription.created", &created);
        Ok(created)
    }

    fn discounts(&self, parameters: &Parameters) -> StripeResult {
        let mut discounts = Vec::new();
        for discount in parameters.list("discounts") {
            let coupon = discount.required("coupon")?;
            if !self.coupons.contains_key(coupon) {
                return Err(StripeError::resource_missing("coupon", coupon));
            }
            discounts.push(json!({ "coupon": coupon }));
        }
        Ok(Value::Array(discounts))
    }

    fn update_subscription(&mut self, id: &str, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&[
            "items",
            "cancel_at_period_end",
            "payment_behavior",
            "proration_behavior",
            "discounts",
            "metadata",
            "off_session",
        ])?;
        let found = self.subscriptions.get(id).filter(|it| it["status"] != "canceled").cloned();
        let old = found.ok_or_else(|| StripeError::not_found("subscription", id))?;
        let customer = text(&old, "customer").to_owned();
        let (before, now) = (self.clone(), self.time_of(&customer));
        let mut new = old.clone();
        if let Some(end) = parameters.text("cancel_at_period_end") {
            new["cancel_at_period_end"] = json!(end == "true");
            new["canceled_at"] = if end == "true" { json!(now) } else { Value::Null };
        }
        if parameters.0.get("discounts").is_some() {
            new["discounts"] = self.discounts(parameters)?;
        }
        let items = self.updated_items(&old, parameters)?;
        let (old_interval, interval) = (common_interval(items_of(&old))?, common_interval(&items)?);
        let trialing = old["status"] == "trialing";
        let interval_changed = old_interval != interval && !trialing;
        new["items"]["data"] = json!(items);
        let (start, end) = period_of(&old);
        if interval_changed {
            new["billing_cycle_anchor"] = json!(now);
            set_period(&mut new, now, period_end(now, now, &interval));
        }
        let mut prorations = Vec::new();
        let behavior = parameters.text("proration_behavior").unwrap_or("create_prorations");
        if !trialing && behavior != "none" && items_of(&old) != items {
            let is_unchanged = |item: &Value, all: &[Value]| {
                !interval_changed
                    && all.iter().any(|it| {
                        it["price"]["id"] == item["price"]["id"] && it["quantity"] == item["quantity"]
                    })
            };
            let licensed = |item: &&Value| !is_metered(item);
            for item in items_of(&old).iter().filter(licensed).filter(|item| !is_unchanged(item, &items)) {
                prorations.push(proration(&old, item, -1, now, (start, end)));
            }
            if interval_changed {
                prorations.extend(period_lines(&new, now, period_of(&new).1));
            } else {
                let changed =
                    items.iter().filter(licensed).filter(|item| !is_unchanged(item, items_of(&old)));
                prorations.extend(changed.map(|item| proration(&new, item, 1, now, (start, end))));
            }
        }
        self.subscriptions.insert(id.to_owned(), new.clone());
        if interval_changed || (behavior == "always_invoice" && !prorations.is_empty()) {
            let invoice = self.create_invoice(&customer, Some(&new), prorations, "subscription_update", now);
            self.set_latest_invoice(id, &invoice);
            if let Err(result) = self.charge_invoice(&invoice) {
                match parameters.text("payment_behavior") {
                    Some("error_if_incomplete") => {
                        *self = before;
                        return Err(charge_error(result));
                    }
                    Some("pending_if_incomplete") => {
                        let mut pending = old;
                        pending["pending_update"] =
                            json!({ "expires_at": now + 82_800, "subscription_items": items });
                        pending["latest_invoice"] = json!(invoice);
                        self.subscriptions.insert(id.to_owned(), pending);
                    }
                    _ => self.set_status(id, "past_due"),
                }
            }
        } else {
            self.pending_lines.entry(customer).or_default().extend(prorations);
        }
        let changed = self.subscriptions.get(id).cloned().unwrap_or_default();
        self.record_event("customer.subscription.updated", &changed);
        Ok(changed)
    }

    fn updated_items(&mut self, old: &Value, parameters: &Parameters) -> StripeResult<Vec<Value>> {
        let mut items = items_of(old).to_vec();
        for change in parameters.list("items") {
            let Some(id) = change.text("id") else {
                let price = change.required("price")?;
                if items.iter().any(|item| item["price"]["id"] == price) {
                    return Err(StripeError::invalid(format!(
                        "A subscription cannot have the price {price} twice."
                    )));
                }
                let added = self.create_item(text(old, "id"), &change, period_of(old))?;
                items.push(added);
                continue;
            };
            change.reject_unknown(&["id", "price", "quantity", "deleted"])?;
            let index = items.iter().position(|item| item["id"] == id);
            let index = index.ok_or_else(|| StripeError::resource_missing("subscription_item", id))?;
            if change.flag("deleted") {
                items.remove(index);
                continue;
            }
            if let Some(price) = change.text("price") {
                items[index]["price"] = self
                    .prices
                    .get(price)
                    .cloned()
                    .ok_or_else(|| StripeError::resource_missing("price", price))?;
            }
            if let Some(quantity) = change.number("quantity")? {
                if is_metered(&items[index]) {
                    return Err(StripeError::invalid(METERED_QUANTITY));
                }
                items[index]["quantity"] = json!(quantity);
            }
        }
        Ok(items)
    }

    /// Cancels a subscription immediately, with a last invoice if the request asks for one
    /// (<https://docs.stripe.com/api/subscriptions/cancel>).
    fn cancel_now(&mut self, id: &str, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["invoice_now", "prorate"])?;
        if parameters.flag("prorate") {
            return Err(StripeError::invalid("The stand-in does not prorate canceled subscriptions."));
        }
        let live = self.subscriptions.get(id).filter(|it| it["status"] != "canceled").cloned();
        let live = live.filter(|it| parameters.flag("invoice_now") && it["status"] != "trialing");
        let Some(live) = live else { return self.cancel(id) };
        let customer = text(&live, "customer").to_owned();
        let now = self.time_of(&customer);
        let usage = self.usage_lines(&live, now);
        let pending = self.pending_lines.remove(&customer);
        self.cancel(id)?;
        if let Some(pending) = pending {
            self.pending_lines.insert(customer.clone(), pending);
        }
        if !usage.is_empty() || self.pending_lines.contains_key(&customer) {
            let invoice = self.create_invoice(&customer, Some(&live), usage, "subscription_update", now);
            self.set_latest_invoice(id, &invoice);
            let _ = self.charge_invoice(&invoice);
        }
        Ok(self.subscriptions.get(id).cloned().unwrap_or_default())
    }

    /// Cancels a subscription immediately.
    pub(crate) fn cancel(&mut self, id: &str) -> StripeResult {
        let found = self.subscriptions.get(id).filter(|it| it["status"] != "canceled").cloned();
        let mut subscription = found.ok_or_else(|| StripeError::not_found("subscription", id))?;
        let now = self.time_of(text(&subscription, "customer"));
        subscription["status"] = json!("canceled");
        subscription["canceled_at"] = json!(now);
        subscription["ended_at"] = json!(now);
        self.pending_lines.remove(text(&subscription, "customer"));
        self.subscriptions.insert(id.to_owned(), subscription.clone());
        self.record_event("customer.subscription.deleted", &subscription);
        Ok(subscription)
    }

    fn set_latest_invoice(&mut self, id: &str, invoice: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription["latest_invoice"] = json!(invoice);
        }
    }

    fn set_status(&mut self, id: &str, status: &str) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        if subscription["status"] != status {
            subscription["status"] = json!(status);
            let subscription = subscription.clone();
            self.record_event("customer.subscription.updated", &subscription);
        }
    }

    /// Reacts to the payment of an invoice: a pending update is applied, and the subscription becomes active once it
    /// has no open invoice.
    pub(crate) fn apply_payment(&mut self, id: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id)
            && subscription["pending_update"].is_object()
        {
            let items = subscription["pending_update"]["subscription_items"].take();
            subscription["items"]["data"] = items;
            subscription["pending_update"] = Value::Null;
            let subscription = subscription.clone();
            self.record_event("customer.subscription.updated", &subscription);
        }
        let open =
            |it: &Value| it["status"] == "open" && it["parent"]["subscription_details"]["subscription"] == id;
        let has_open_invoice = self.invoices.values().any(open);
        let status = self.subscriptions.get(id).map(|it| text(it, "status").to_owned()).unwrap_or_default();
        if !has_open_invoice && ["incomplete", "past_due", "unpaid"].contains(&status.as_str()) {
            self.set_status(id, "active");
        }
    }

    /// Invoice lines of a subscription for its next period.
    pub(crate) fn next_period(&self, subscription: &Value) -> Vec<Value> {
        let (_, end) = period_of(subscription);
        let mut all = period_lines(subscription, end, next_period_end(subscription));
        all.extend(self.usage_lines(subscription, end));
        all
    }

    /// Invoice lines for the usage in the current period of a subscription until `end`.
    fn usage_lines(&self, subscription: &Value, end: i64) -> Vec<Value> {
        let (start, _) = period_of(subscription);
        let customer = text(subscription, "customer");
        let mut lines = Vec::new();
        for item in items_of(subscription).iter().filter(|item| is_metered(item)) {
            let Some(meter) = self.meters.get(text(&item["price"]["recurring"], "meter")) else { continue };
            for (quantity, amount) in tiers(&item["price"], self.usage(meter, customer, start, end)) {
                let mut line = line(subscription, item, amount, false, (start, end));
                line["quantity"] = json!(quantity);
                lines.push(line);
            }
        }
        lines
    }

    /// Renews the subscriptions whose period has ended, and cancels those that end with it.
    pub(crate) fn catch_up(&mut self) {
        let ids: Vec<String> = self.subscriptions.keys().cloned().collect();
        for id in ids {
            while self.renew(&id) {}
        }
    }

    fn renew(&mut self, id: &str) -> bool {
        let Some(subscription) = self.subscriptions.get(id).cloned() else { return false };
        let customer = text(&subscription, "customer").to_owned();
        let (_, end) = period_of(&subscription);
        let live = ["trialing", "active", "past_due"].contains(&text(&subscription, "status"));
        if !live || self.time_of(&customer) < end {
            return false;
        }
        if subscription["cancel_at_period_end"] == true {
            let usage = self.usage_lines(&subscription, end);
            if !usage.is_empty() {
                let invoice =
                    self.create_invoice(&customer, Some(&subscription), usage, "subscription_cycle", end);
                self.set_latest_invoice(id, &invoice);
                let _ = self.charge_invoice(&invoice);
            }
            return self.cancel(id).is_err();
        }
        let lines = self.next_period(&subscription);
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            set_period(subscription, end, next_period_end(subscription));
        }
        let invoice = self.create_invoice(&customer, Some(&subscription), lines, "subscription_cycle", end);
        self.set_latest_invoice(id, &invoice);
        match self.charge_invoice(&invoice) {
            Ok(()) if subscription["status"] == "trialing" => self.set_status(id, "active"),
            Ok(()) => {}
            Err(_) => self.set_status(id, "past_due"),
        }
        true
    }
}

const METERED_QUANTITY: &str = "An item with a metered price cannot have a quantity.";

fn charge_error(result: ChargeResult) -> StripeError {
    if result == ChargeResult::RequiresAction {
        StripeError::requires_action()
    } else {
        StripeError::declined()
    }
}

fn items_of(subscription: &Value) -> &[Value] {
    subscription["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn period_of(subscription: &Value) -> (i64, i64) {
    let item = &items_of(subscription)[0];
    (number(item, "current_period_start"), number(item, "current_period_end"))
}

fn set_period(subscription: &mut Value, start: i64, end: i64) {
    if let Some(items) = subscription["items"]["data"].as_array_mut() {
        for item in items {
            item["current_period_start"] = json!(start);
            item["current_period_end"] = json!(end);
        }
    }
}

/// Billing interval of all items.
fn common_interval(items: &[Value]) -> StripeResult<String> {
    let mut intervals: Vec<&str> =
        items.iter().map(|item| text(&item["price"]["recurring"], "interval")).collect();
    intervals.dedup();
    match intervals.as_slice() {
        [interval] => Ok((*interval).to_owned()),
        [] => Err(StripeError::required("items")),
        _ => Err(StripeError::invalid(
            "Currently, all prices of a subscription must have the same billing interval.",
        )),
    }
}

fn line(subscription: &Value, item: &Value, amount: i64, proration: bool, period: (i64, i64)) -> Value {
    let price = &item["price"];
    json!({
        "object": "line_item", "amount": amount, "currency": price["currency"],
        "description": format!("{} × {}", item["quantity"], text(price, "product")), "discount_amounts": [],
        "discountable": !proration, "discounts": [], "livemode": false, "metadata": {},
        "parent": {
            "type": "subscription_item_details", "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": proration, "proration_details": { "credited_items": null },
                "subscription": subscription["id"], "subscription_item": item["id"],
            },
        },
        "period": { "start": period.0, "end": period.1 }, "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details", "price_details": { "price": price["id"], "product": price["product"] },
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"], "subtotal": amount, "taxes": [],
    })
}

/// Invoice lines for a whole period.
fn period_lines(subscription: &Value, start: i64, end: i64) -> Vec<Value> {
    let whole = |item: &Value| number(&item["price"], "unit_amount") * number(item, "quantity");
    items_of(subscription)
        .iter()
        .filter(|item| !is_metered(item))
        .map(|item| line(subscription, item, whole(item), false, (start, end)))
        .collect()
}

/// Charge or credit of an item for the rest of a period, depending on the sign.
fn proration(subscription: &Value, item: &Value, sign: i64, now: i64, period: (i64, i64)) -> Value {
    let whole = number(&item["price"], "unit_amount") * number(item, "quantity");
    let amount = sign * fraction(whole, period.1 - now, period.1 - period.0);
    let mut line = line(subscription, item, amount, true, (now, period.1));
    let prefix = if sign < 0 { "Unused" } else { "Remaining" };
    line["description"] = json!(format!("{prefix} time on {}", text(&line, "description")));
    line
}

/// End of the period after the current one.
fn next_period_end(subscription: &Value) -> i64 {
    let interval = text(&items_of(subscription)[0]["price"]["recurring"], "interval");
    period_end(number(subscription, "billing_cycle_anchor"), period_of(subscription).1, interval)
}

/// End of the period that begins at `start`, a whole number of months after the anchor
/// (<https://docs.stripe.com/billing/subscriptions/billing-cycle>).
fn period_end(anchor: i64, start: i64, interval: &str) -> i64 {
    let date = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MIN).to_zoned(TimeZone::UTC);
    let (anchor, start) = (date(anchor), date(start));
    let years = i64::from(start.year()) - i64::from(anchor.year());
    let months = years * 12 + i64::from(start.month()) - i64::from(anchor.month());
    let span = (months + if interval == "year" { 12 } else { 1 }).months();
    anchor.checked_add(span).map_or(i64::MAX, |end| end.timestamp().as_second())
}
