// Pays with the console of a development server as a user does:
// node console_billing.mjs CHROMIUM URL SCRIPTS AXE STRIPE, where STRIPE is the URL of a Stripe API.
// The hosted pages of Stripe are replaced by pages with a link back. Prints one JSON line with what went wrong.
import { journey } from './console_page.mjs';

const [executablePath, url, scripts, axePath, stripe] = process.argv.slice(2);
const hasScripts = scripts === 'on';
const [checkout, portal] = ['https://checkout.stripe.com/', 'https://billing.stripe.com/'];
const { context, page, problems, open, signIn, submit, inspect, expectText, follow, run } = await journey({
  executablePath,
  url,
  hasScripts,
  axePath,
  others: [checkout, portal],
});

// Calls the Stripe API.
const call = async (method, path, form) => {
  const headers = { authorization: 'Bearer sk_test_of_the_journey' };
  const response = await fetch(`${stripe}${path}`, { method, headers, body: form && new URLSearchParams(form) });
  return response.json();
};
// Page of Stripe with a link back. The first time there is no page: the browser stays where it is.
let isReachable = false;
let returnTo = '';
const hosted = (title) => async (route) => {
  if (!isReachable) return route.fulfill({ status: 204 });
  const body = `<!DOCTYPE html><html lang="en"><title>${title}</title><main><h1>${title}</h1><a href="${returnTo}">Back</a></main></html>`;
  return route.fulfill({ status: 200, contentType: 'text/html', body });
};
await context.route(`${checkout}**`, hosted('Checkout'));
await context.route(`${portal}**`, hosted('Portal'));

await run(async () => {
  await signIn('ann');
  await page.goto(`${url}/console/orgs/new`);
  await page.locator('[name=display_name]').fill('Acme 株式会社');
  await page.locator('[name=name]').fill('acme');
  await submit('Create an organization');
  await expectText('is created.');
  const organization = page.url();
  const billing = `${organization}/billing`;
  await page.goto(`${organization}/members/invite`);
  await page.locator('[name=emails]').fill('bob@example.com');
  await submit('Send the invitations');
  await expectText('1 invitation is sent.');

  await page.goto(billing);
  await expectText('There is no subscription');
  await inspect('billing without a plan');
  await follow('Compare the plans');
  await expectText('$49.00 per month');
  await inspect('plans');
  await follow('Preview the change: Team');
  await submit('Update the preview');
  await expectText('Nothing is ordered yet');
  await inspect('preview without a payment method');
  if (await page.getByRole('button', { name: 'Choose this plan' }).count()) problems.push('a plan can be chosen without a payment method');

  // The form leads to Checkout by a link and a refresh, which the policy of forms does not concern.
  returnTo = page.url();
  await submit('Add a payment method');
  await expectText('Card numbers never reach this server');
  await inspect('redirect');
  isReachable = true;
  await follow('Continue to the payment provider');
  await page.getByRole('heading', { name: 'Checkout' }).waitFor();
  const customers = await call('GET', '/v1/customers?limit=100');
  await call('POST', '/v1/payment_methods/pm_card_visa/attach', { customer: customers.data[0].id });
  await page.getByRole('link', { name: 'Back' }).click();
  await expectText('Nothing is ordered yet');
  await inspect('preview');
  await submit('Choose this plan');
  await expectText('The plan is changed.');
  await page.locator('.badge', { hasText: /^active$/ }).first().waitFor();
  await inspect('billing');

  await page.goto(`${billing}/methods`);
  await expectText('visa •••• 4242');
  await inspect('payment methods');
  returnTo = page.url();
  await submit('Open the portal of the payment provider');
  await page.getByRole('heading', { name: 'Portal' }).waitFor();
  await page.getByRole('link', { name: 'Back' }).click();
  await expectText('visa •••• 4242');

  await page.goto(`${billing}/invoices`);
  await page.locator('.badge', { hasText: /^paid$/ }).first().waitFor();
  await inspect('invoices');
  await page.locator('tbody th a').first().click();
  await expectText('Subtotal');
  await inspect('invoice');
  await page.goto(`${billing}/invoices/upcoming`);
  await expectText('Subtotal');
  await inspect('next invoice');
  await page.goto(`${billing}/usage`);
  await expectText('Proof of metering');
  await inspect('usage');
  await page.goto(`${organization}/workspaces/new`);
  await expectText('This one adds nothing to the next invoice.');

  await page.goto(`${billing}/budget`);
  await page.locator('#amount').fill('much');
  await submit('Set the budget');
  await expectText('There is a problem');
  await inspect('rejected budget');
  await page.locator('#amount').fill('49.90');
  await submit('Set the budget');
  await expectText('The budget is changed.');
  await inspect('budget');
  await submit('Undo');
  await expectText('The budget is changed.');
  if ((await page.locator('#amount').inputValue()) !== '') problems.push('the budget is not removed');

  const plan = `${billing}/plans/business`;
  await page.goto(plan);
  await expectText('change within the period');
  await inspect('preview of a change');

  // A read-only member has no entry, and the page says which permission is missing.
  const bob = await open();
  await signIn('bob', bob.page);
  await bob.page.goto(`${url}/console/invitations`);
  await bob.page.getByRole('main').getByRole('button').first().click();
  await bob.page.waitForURL(organization);
  if (await bob.page.getByRole('link', { name: 'Billing' }).count()) problems.push('a member sees billing');
  await bob.page.goto(billing);
  await expectText('billing.read', bob.page);
  await bob.context.close();

  await page.goto(`${url}/console/preferences`);
  await page.locator('[name=language]').selectOption('ja');
  await page.locator('button[type=submit]').click();
  for (const [path, text] of [
    ['', '現在のプラン'],
    ['/plans', 'プランを比較する'],
    ['/plans/business', '変更のプレビュー'],
    ['/methods', 'お支払い方法を追加する'],
    ['/invoices', '支払い済み'],
    ['/usage', '測定の証明'],
    ['/budget', '予算を設定する'],
    ['/leave', '解約'],
    ['/leave?now=true', '直ちに解約する'],
  ]) {
    await page.goto(`${billing}${path}`);
    await expectText(text);
    await inspect(`ja ${path.replace(/\W+/g, ' ')}`);
  }
  await page.goto(`${url}/console/preferences`);
  await page.locator('[name=language]').selectOption('en');
  await page.locator('button[type=submit]').click();

  await page.goto(`${billing}/leave`);
  await inspect('end of the subscription');
  await page.locator('[name=confirm_name]').fill('acmes');
  await submit('End the subscription');
  await expectText('The typed name differs');
  await page.locator('[name=confirm_name]').fill('acme');
  await submit('End the subscription');
  await expectText('The subscription ends with the paid period.');
  await page.goto(`${billing}/leave?now=true`);
  await expectText('The subscription ends with the paid period');
  await inspect('immediate end');
  await page.locator('[name=confirm_name]').fill('acme');
  await submit('End the subscription immediately');
  await expectText('The subscription has ended.');
});
