// Uses the console of a development server as a user does: node console.mjs CHROMIUM URL SCRIPTS AXE
// SCRIPTS is "on" or "off"; AXE is the path of axe-core. Prints one JSON line with what went wrong.
import { observe } from './console_observe.mjs';
import { account } from './console_account.mjs';
import { journey } from './console_page.mjs';

const [executablePath, url, scripts, axePath] = process.argv.slice(2);
const hasScripts = scripts === 'on';
const { context, page, problems, watch, signIn, submit, inspect, expectText, follow, run } = await journey({
  executablePath,
  url,
  hasScripts,
  axePath,
});

await run(async () => {
  await signIn('ann');
  await page.goto(`${url}/console/orgs/new`);
  // A rejected form keeps its entries and begins with the errors.
  await page.locator('[name=display_name]').fill('Acme 株式会社');
  await page.locator('[name=name]').fill('-');
  await submit('Create an organization');
  await expectText('There is a problem');
  if (hasScripts && !(await page.evaluate(() => document.activeElement.hasAttribute('data-focus')))) {
    problems.push('the summary of errors has no focus');
  }
  await inspect('rejected form');
  await page.locator('[name=name]').fill('acme');
  await submit('Create an organization');
  await expectText('is created.');
  await inspect('overview');

  await page.goto(`${page.url()}/members/invite`);
  await page.locator('[name=emails]').fill('bob@example.com');
  await submit('Send the invitations');
  await expectText('1 invitation is sent.');
  await inspect('members');

  const organization = page.url().replace(/\/members.*/, '');
  await account({ page, url, organization, hasScripts, inspect, submit, expectText, problems });
  await page.goto(`${organization}/workspaces/new`);
  await inspect('new workspace');
  await page.locator('[name=name]').fill('shop');
  await page.locator('input[name=plan_id]').last().check();
  await submit('Create a workspace');
  await expectText('is being created.');
  // The page follows the progress, with scripts by itself, without scripts by loading again.
  await page.locator('.badge', { hasText: /^ready$/ }).first().waitFor({ timeout: 60_000 });
  // The buttons follow the state, too: before, the cluster could not be reached.
  await page.getByRole('main').getByRole('link', { name: 'Connect', exact: true }).waitFor();
  await inspect('workspace');
  const workspace = page.url();
  await observe({ page, workspace, hasScripts, inspect, submit, expectText, problems });

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
  await inspect('connect');
  await follow('kubelogin');
  await expectText('oidc-login');
  await page.goto(`${workspace}/activity`);
  await expectText('workspace.suspend');
  await page.goto(`${workspace}/settings`);
  await page.locator('[name=display_name]').fill('Shop');
  await submit('Save the changes');
  await page.goto(`${workspace}/delete`);
  await inspect('deletion');
  await page.locator('[name=confirm_name]').fill('shop');
  await submit('Delete the workspace');
  await expectText('is being deleted.');

  await page.goto(`${url}/console/orgs/org_01h455vb4pex5vsknk084sn02q`);
  await expectText('Not found');
  await inspect('error');
  await page.goto(`${url}/console/preferences`);
  await page.locator('[name=language]').selectOption('ja');
  await page.locator('button[type=submit]').click();
  await expectText('言語と表示');
  await inspect('preferences');
});
