// Drives a Stripe API at ORIGIN with Stripe's library for Node.js, with the calls that Hexabase makes: node stripe.mjs ORIGIN.
// Exits with 0 if every response matches the library and Stripe's documentation.
import assert from 'node:assert/strict';
import Stripe from 'stripe';

const origin = new URL(process.argv[2]);
const stripe = new Stripe('sk_test_of_the_node_library', {
  host: origin.hostname,
  port: origin.port,
  protocol: 'http',
  maxNetworkRetries: 0,
});
assert.equal(stripe.getApiField('version'), '2026-10-28.endive');
const day = 86_400;

// Plans.
const product = await stripe.products.create({ id: 'node_plan', name: 'Node' });
await assert.rejects(stripe.products.create({ id: 'node_plan', name: 'Node' }), { code: 'resource_already_exists' });
assert.equal((await stripe.products.retrieve('node_plan')).name, 'Node');
assert.equal((await stripe.products.update('node_plan', { name: 'Knot' })).name, 'Knot');
const price = (amount, interval, key) =>
  stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: amount,
    recurring: { interval },
    lookup_key: key,
    transfer_lookup_key: true,
    metadata: { hexabase_plan: 'node', hexabase_component: 'plan' },
  });
const small = await price(1000, 'month', 'node_small');
const large = await price(4000, 'month', 'node_large');
const yearly = await price(10000, 'year', 'node_year');
const raised = await price(1200, 'month', 'node_small');
const found = await stripe.prices.list({ lookup_keys: ['node_small'], active: true });
assert.deepEqual(found.data.map((it) => it.id), [raised.id]);

// A customer with a test clock.
const clock = await stripe.testHelpers.testClocks.create({ frozen_time: 1_767_225_600 });
const customer = await stripe.customers.create(
  { email: 'node@example.com', name: 'Node', metadata: { hexabase_organization: 'org_1' }, test_clock: clock.id },
  { idempotencyKey: 'node-customer' },
);
const again = await stripe.customers.create(
  { email: 'node@example.com', name: 'Node', metadata: { hexabase_organization: 'org_1' }, test_clock: clock.id },
  { idempotencyKey: 'node-customer' },
);
assert.equal(again.id, customer.id);
assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
await assert.rejects(stripe.customers.create({ name: 'Other' }, { idempotencyKey: 'node-customer' }), {
  type: 'StripeIdempotencyError',
});
assert.equal((await stripe.customers.list({ email: 'node@example.com' })).data.length, 1);
await assert.rejects(stripe.customers.retrieve('cus_made_up'), { statusCode: 404, code: 'resource_missing' });
await assert.rejects(stripe.customers.create({ nickname: 'Knot' }), { code: 'parameter_unknown' });

// Payment methods.
await assert.rejects(stripe.subscriptions.create({ customer: customer.id, items: [{ price: small.id }] }), {
  code: 'resource_missing',
});
await assert.rejects(stripe.paymentMethods.attach('pm_made_up', { customer: customer.id }));
const card = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id });
assert.equal(card.card.last4, '4242');
const makeDefault = (id) =>
  stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: id } });
assert.equal((await makeDefault(card.id)).invoice_settings.default_payment_method, card.id);
assert.equal((await stripe.customers.listPaymentMethods(customer.id)).data[0].id, card.id);
assert.equal((await stripe.customers.retrievePaymentMethod(customer.id, card.id)).id, card.id);
const intent = await stripe.setupIntents.create({ customer: customer.id, usage: 'off_session' });
assert.match(intent.client_secret, /_secret_/);
const checkout = await stripe.checkout.sessions.create({
  mode: 'setup',
  customer: customer.id,
  payment_method_types: ['card'],
  success_url: 'https://hexabase.example/',
  cancel_url: 'https://hexabase.example/',
});
assert.match(checkout.url, /^https:/);
const portal = await stripe.billingPortal.sessions.create({ customer: customer.id, return_url: 'https://a.example' });
assert.match(portal.url, /^https:/);

// A subscription, changed in the middle of its month.
const firstPreview = await stripe.invoices.createPreview({
  customer: customer.id,
  subscription_details: { items: [{ price: small.id, quantity: 1 }] },
});
assert.equal(firstPreview.total, 1000);
const subscription = await stripe.subscriptions.create({
  customer: customer.id,
  items: [{ price: small.id, quantity: 1 }],
  payment_behavior: 'error_if_incomplete',
  expand: ['latest_invoice.confirmation_secret'],
});
assert.equal(subscription.status, 'active');
assert.equal(subscription.latest_invoice.status, 'paid');
const [item] = subscription.items.data;
assert.ok(item.current_period_end > item.current_period_start);
await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: 1_767_225_600 + 10 * day });
const upgrade = {
  items: [{ id: item.id, price: large.id, quantity: 1 }],
  proration_behavior: 'always_invoice',
};
const preview = await stripe.invoices.createPreview({
  customer: customer.id,
  subscription: subscription.id,
  subscription_details: upgrade,
});
const upgraded = await stripe.subscriptions.update(subscription.id, {
  ...upgrade,
  payment_behavior: 'error_if_incomplete',
  expand: ['latest_invoice'],
});
assert.equal(upgraded.latest_invoice.total, preview.total);
// A month of 31 days with 21 days left: the calculation in Stripe's documentation on prorations.
assert.equal(preview.total, Math.round((4000 * 21) / 31) - Math.round((1000 * 21) / 31));
assert.ok(preview.lines.data.every((line) => line.parent.subscription_item_details.proration));
await stripe.subscriptions.update(subscription.id, {
  items: [{ id: item.id, price: small.id }],
  proration_behavior: 'create_prorations',
});
const upcoming = await stripe.invoices.createPreview({ customer: customer.id, subscription: subscription.id });
assert.equal(upcoming.total, 1000 - preview.total);
assert.equal(upcoming.amount_due, 0);
await assert.rejects(
  stripe.subscriptions.update(subscription.id, { items: [{ price: small.id }] }),
  'a subscription cannot have two items with the same price',
);

// Declined payments, and payments that need authentication.
const bad = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: customer.id });
await makeDefault(bad.id);
const toYearly = { items: [{ id: item.id, price: yearly.id }], proration_behavior: 'always_invoice' };
await assert.rejects(
  stripe.subscriptions.update(subscription.id, { ...toYearly, payment_behavior: 'error_if_incomplete' }),
  { type: 'StripeCardError', code: 'card_declined', statusCode: 402 },
);
assert.equal((await stripe.subscriptions.retrieve(subscription.id)).items.data[0].price.id, small.id);
const asking = await stripe.paymentMethods.attach('pm_card_authenticationRequired', { customer: customer.id });
await makeDefault(asking.id);
await assert.rejects(
  stripe.subscriptions.update(subscription.id, { ...toYearly, payment_behavior: 'error_if_incomplete' }),
  { code: 'subscription_payment_intent_requires_action' },
);
const waiting = await stripe.subscriptions.update(subscription.id, {
  ...toYearly,
  payment_behavior: 'pending_if_incomplete',
  expand: ['latest_invoice.confirmation_secret'],
});
assert.match(waiting.latest_invoice.confirmation_secret.client_secret, /_secret_/);

// A failed renewal that is paid later.
await makeDefault(bad.id);
await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: 1_767_225_600 + 62 * day });
const overdue = await stripe.subscriptions.list({ customer: customer.id, status: 'all' });
assert.equal(overdue.data[0].status, 'past_due');
await makeDefault(card.id);
for await (const open of stripe.invoices.list({ customer: customer.id, status: 'open', limit: 1 })) {
  assert.equal((await stripe.invoices.pay(open.id)).status, 'paid');
  await assert.rejects(stripe.invoices.pay(open.id), { code: 'invoice_already_paid' });
}
assert.equal((await stripe.subscriptions.retrieve(subscription.id)).status, 'active');
const invoices = await stripe.invoices.list({ customer: customer.id, limit: 2 });
assert.ok(invoices.has_more);
assert.ok((await stripe.invoices.retrieve(invoices.data[0].id)).invoice_pdf);

// A coupon, a trial and taxes.
await stripe.coupons.create({ id: 'HALF', percent_off: 50, duration: 'once' });
const other = await stripe.customers.create({ name: 'Tried', test_clock: clock.id });
const tried = await stripe.subscriptions.create({
  customer: other.id,
  items: [{ price: small.id }],
  trial_period_days: 7,
  discounts: [{ coupon: 'HALF' }],
  automatic_tax: { enabled: true },
});
assert.equal(tried.status, 'trialing');
const first = await stripe.invoices.createPreview({ customer: other.id, subscription: tried.id });
assert.deepEqual([first.subtotal, first.total, first.total_taxes[0].amount], [1000, 550, 50]);
await assert.rejects(
  stripe.subscriptions.create({ customer: other.id, items: [{ price: small.id }], discounts: [{ coupon: 'NO' }] }),
  { code: 'resource_missing' },
);

// Usage-based price: 100 units are free, each further unit costs 0.4 cents.
const meter = await stripe.billing.meters.create({
  display_name: 'Node',
  event_name: 'node_used',
  event_time_window: 'hour',
  default_aggregation: { formula: 'sum' },
  customer_mapping: { type: 'by_id', event_payload_key: 'stripe_customer_id' },
  value_settings: { event_payload_key: 'value' },
});
assert.equal(meter.status, 'active');
assert.ok((await stripe.billing.meters.list({ status: 'active' })).data.some((it) => it.id === meter.id));
const metered = await stripe.prices.create({
  product: product.id,
  currency: 'usd',
  recurring: { interval: 'month', usage_type: 'metered', meter: meter.id },
  billing_scheme: 'tiered',
  tiers_mode: 'graduated',
  tiers: [
    { up_to: 100, unit_amount: 0 },
    { up_to: 'inf', unit_amount_decimal: '0.4' },
  ],
});
assert.equal(metered.unit_amount, null);
const used = await stripe.customers.create({ name: 'Used', test_clock: clock.id });
const usedCard = await stripe.paymentMethods.attach('pm_card_visa', { customer: used.id });
await stripe.customers.update(used.id, { invoice_settings: { default_payment_method: usedCard.id } });
await assert.rejects(
  stripe.subscriptions.create({ customer: used.id, items: [{ price: metered.id, quantity: 1 }] }),
  'an item with a metered price has no quantity',
);
const byUse = await stripe.subscriptions.create({ customer: used.id, items: [{ price: small.id }, { price: metered.id }] });
assert.equal(byUse.items.data[1].quantity, undefined);
const begun = Math.ceil(byUse.items.data[0].current_period_start / 3600) * 3600;
await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: begun + 7200 });
const use = (value, identifier, timestamp) =>
  stripe.billing.meterEvents.create({
    event_name: 'node_used',
    payload: { stripe_customer_id: used.id, value: `${value}` },
    identifier,
    timestamp,
  });
assert.equal((await use(70, 'first', begun + 3000)).payload.value, '70');
await assert.rejects(use(70, 'first', begun + 3000), /An event already exists with identifier first/);
await assert.rejects(use(1, 'too-early', begun + 9000), { statusCode: 400 });
await assert.rejects(
  stripe.billing.meterEvents.create({ event_name: 'made_up', payload: { stripe_customer_id: used.id, value: '1' } }),
  /No active meter/,
);
await use(50, 'first-again', begun + 3001);
await use(100, 'second', begun + 6600);
const summary = (start, end) =>
  stripe.billing.meters.listEventSummaries(meter.id, { customer: used.id, start_time: start, end_time: end });
assert.equal((await summary(begun, begun + 3600)).data[0].aggregated_value, 50);
assert.equal((await summary(begun, begun + 7200)).data[0].aggregated_value, 150);
const soFar = await stripe.invoices.createPreview({ customer: used.id, subscription: byUse.id });
assert.equal(soFar.total, small.unit_amount + 20);

// Cancellation.
const ending = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
assert.equal(ending.cancel_at_period_end, true);
await assert.rejects(stripe.invoices.createPreview({ customer: customer.id, subscription: subscription.id }), {
  code: 'invoice_upcoming_none',
});
assert.equal((await stripe.subscriptions.cancel(tried.id)).status, 'canceled');
await assert.rejects(stripe.subscriptions.cancel(tried.id), { statusCode: 404 });
assert.equal((await stripe.paymentMethods.detach(bad.id)).customer, null);
assert.equal((await stripe.customers.del(other.id)).deleted, true);
assert.equal((await stripe.customers.retrieve(other.id)).deleted, true);

// Events and webhook signatures.
const events = await stripe.events.list({ limit: 100 });
const kinds = new Set(events.data.map((event) => event.type));
for (const kind of ['customer.created', 'customer.subscription.updated', 'invoice.paid', 'invoice.payment_failed']) {
  assert.ok(kinds.has(kind), `no event of type ${kind}`);
}
const body = await new Promise((resolve) => {
  let text = '';
  process.stdin.on('data', (part) => (text += part)).on('end', () => resolve(text));
});
const { payload, header, secret } = JSON.parse(body);
assert.equal(stripe.webhooks.constructEvent(payload, header, secret).type, 'invoice.paid');
assert.throws(() => stripe.webhooks.constructEvent(`${payload} `, header, secret));
