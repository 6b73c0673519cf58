// Uses the console of a development server as a user does: node console.mjs CHROMIUM URL SCRIPTS AXE
// SCRIPTS is "on" or "off"; AXE is the path of axe-core. Prints one JSON line with what went wrong.
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [executablePath, url, scripts, axePath] = process.argv.slice(2);
const hasScripts = scripts === 'on';
const axe = await readFile(axePath, 'utf8');
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'];
const browser = await chromium.launch({ executablePath, args });
const context = await browser.newContext({ javaScriptEnabled: hasScripts, locale: 'en-US' });
const problems = [];
const watch = (page) => {
  page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()} at ${page.url()}`));
  page.on('pageerror', (error) => problems.push(`script: ${error} at ${page.url()}`));
  page.on('response', (response) => {
    if (response.status() >= 500) problems.push(`${response.status()} ${response.url()}`);
    if (!response.url().startsWith(url)) problems.push(`foreign request: ${response.url()}`);
  });
};
const page = await context.newPage();
page.setDefaultTimeout(30_000);
watch(page);
const expectText = (text, where = page) => where.getByText(text).first().waitFor();
const submit = async (name) => {
  await page.getByRole('main').getByRole('button', { name, exact: true }).first().click();
  await page.waitForLoadState();
};
const follow = (name) => page.getByRole('main').getByRole('link', { name }).first().click();

// Nothing scrolls sideways, and axe finds no violation, in both themes and on narrow and wide screens.
const inspect = async (name) => {
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    if (content > screen) problems.push(`${name} is ${content} px wide on a screen of ${screen} px`);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
      for (const { id, nodes } of violations) problems.push(`${name} ${width} ${colorScheme}: ${id}: ${nodes[0].html}`);
    }
  }
  await page.emulateMedia({ colorScheme: null });
};

try {
  await page.goto(`${url}/`);
  await page.locator('input[name=email]').fill('ann@example.com');
  await page.locator('button[type=submit]').first().click();
  await page.waitForURL('**/console/orgs/**');
  await page.goto(`${url}/console/orgs/new`);
  // A rejected form keeps its entries and begins with the errors.
  await page.locator('[name=display_name]').fill('Acme 株式会社');
  await page.locator('[name=name]').fill('-');
  await submit('Create an organization');
  await expectText('There is a problem');
  if (hasScripts && !(await page.evaluate(() => document.activeElement.hasAttribute('data-focus')))) {
    problems.push('the summary of errors has no focus');
  }
  if (hasScripts) await inspect('rejected form');
  await page.locator('[name=name]').fill('acme');
  await submit('Create an organization');
  await expectText('is created.');
  if (hasScripts) await inspect('overview');

  await page.goto(`${page.url()}/members/invite`);
  await page.locator('[name=emails]').fill('bob@example.com');
  await submit('Send the invitations');
  await expectText('1 invitation is sent.');
  if (hasScripts) await inspect('members');

  const organization = page.url().replace(/\/members.*/, '');
  await page.goto(`${organization}/workspaces/new`);
  if (hasScripts) await inspect('new workspace');
  await page.locator('[name=name]').fill('shop');
  await page.locator('input[name=plan_id]').last().check();
  await submit('Create a workspace');
  await expectText('is being created.');
  // The page follows the progress, with scripts by itself, without scripts by loading again.
  await page.locator('.badge', { hasText: /^ready$/ }).first().waitFor({ timeout: 60_000 });
  // The buttons follow the state, too: before, the cluster could not be reached.
  await page.getByRole('main').getByRole('link', { name: 'Connect', exact: true }).waitFor();
  if (hasScripts) await inspect('workspace');
  const workspace = page.url();

  if (hasScripts) {
    // Several tabs share one stream of events.
    const requests = [];
    context.on('request', (request) => request.url().endsWith('/events') && requests.push(request.url()));
    const tabs = [];
    for (let count = 0; count < 7; count += 1) {
      const tab = await context.newPage();
      watch(tab);
      await tab.goto(workspace);
      tabs.push(tab);
    }
    if (requests.length > 1) problems.push(`${requests.length} streams of events for one browser`);
    await page.goto(`${workspace}/suspend`);
    await submit('Suspend the workspace');
    for (const tab of tabs) await tab.locator('.badge', { hasText: /^suspended$/ }).first().waitFor();
    for (const tab of tabs) await tab.close();
  } else {
    await page.goto(`${workspace}/suspend`);
    await submit('Suspend the workspace');
  }
  await expectText('The workspace is being suspended.');
  await submit('Undo');
  await expectText('The workspace is being resumed.');
  await page.locator('.badge', { hasText: /^ready$/ }).first().waitFor({ timeout: 60_000 });
  await page.goto(`${workspace}/connect`);
  await expectText('apiVersion: v1');
  if (hasScripts) await inspect('connect');
  await follow('kubelogin');
  await expectText('oidc-login');
  await page.goto(`${workspace}/activity`);
  await expectText('workspace.suspend');
  await page.goto(`${workspace}/settings`);
  await page.locator('[name=display_name]').fill('Shop');
  await submit('Save the changes');
  await page.goto(`${workspace}/delete`);
  if (hasScripts) await inspect('deletion');
  await page.locator('[name=confirm_name]').fill('shop');
  await submit('Delete the workspace');
  await expectText('is being deleted.');

  await page.goto(`${url}/console/orgs/org_01h455vb4pex5vsknk084sn02q`);
  await expectText('Not found');
  if (hasScripts) await inspect('error');
  await page.goto(`${url}/console/preferences`);
  await page.locator('[name=language]').selectOption('ja');
  await page.locator('button[type=submit]').click();
  await expectText('言語と配色');
  if (hasScripts) await inspect('preferences');
} catch (error) {
  problems.push(`${error.message.split('\n')[0]} at ${page.url()}: ${(await page.textContent('main').catch(() => '')).slice(0, 600)}`);
} finally {
  await browser.close();
}
// The page of an unknown organization is an error on purpose.
console.log(JSON.stringify(problems.filter((problem) => !/status of 4\d\d/.test(problem))));
