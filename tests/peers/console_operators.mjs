// Uses the operators' area and the search of the console: node console_operators.mjs CHROMIUM URL SCRIPTS AXE KUBECONFIG
// The operator is operator@example.com, and mails to bob@example.com are undeliverable. Prints one JSON line with what went
// wrong.
import { readFile } from 'node:fs/promises';
import { journey } from './console_page.mjs';

const [executablePath, url, scripts, axePath, kubeconfigPath] = process.argv.slice(2);
const hasScripts = scripts === 'on';
const { context, page, problems, signIn, submit, inspect, expectText, follow, run } = await journey({
  executablePath,
  url,
  hasScripts,
  axePath,
});
const kubeconfig = await readFile(kubeconfigPath, 'utf8');
const main = page.getByRole('main');
const signOut = async () => context.clearCookies();

// An organization with an invitation that cannot be delivered.
const prepare = async () => {
  await signIn('ann');
  await page.goto(`${url}/console/orgs/new`);
  await page.locator('[name=display_name]').fill('Acme 株式会社');
  await page.locator('[name=name]').fill('acme');
  await submit('Create an organization');
  await expectText('is created.');
  const organization = page.url();
  await page.goto(`${organization}/members/invite`);
  await page.locator('[name=emails]').fill('bob@example.com');
  await submit('Send the invitations');
  await expectText('1 invitation is sent.');
  await page.goto(`${organization}/workspaces/new`);
  await page.locator('[name=name]').fill('shop');
  await page.locator('input[name=plan_id]').last().check();
  await submit('Create a workspace');
  await expectText('is being created.');
  await page.goto(`${page.url()}/nodes`);
  await page.locator('[name=name]').fill('gpu');
  await page.locator('[name=class]').fill('a100');
  await page.locator('[name=nodes]').fill('2');
  await submit('Create a node pool');
  await expectText('The node pool gpu is created.');
  await inspect('nodes');
  await follow('Delete the node pool');
  const where = hasScripts ? page.locator('dialog[open]') : main;
  await where.getByRole('button', { name: 'Delete the node pool' }).click();
  await expectText('The node pool gpu is being deleted.');
  await page.goto(`${organization}/members`);
  return organization;
};

const hosts = async () => {
  await page.goto(`${url}/console/admin`);
  await expectText('Backends');
  await inspect('installation');
  await page.goto(`${url}/console/admin/hosts`);
  await inspect('hosts');
  await follow('Register a host cluster');
  await page.locator('[name=name]').fill('fra-1');
  await page.locator('[name=kubeconfig]').fill('nonsense');
  await submit('Register a host cluster');
  await expectText('There is a problem');
  await inspect('rejected registration');
  await page.locator('[name=kubeconfig]').fill(kubeconfig);
  await page.locator('[name=capacity]').fill('5');
  await submit('Register a host cluster');
  await expectText('The host cluster fra-1 is registered.');
  await inspect('host');
  await submit('Cordon the host cluster');
  await expectText('The host cluster is cordoned.');
  await submit('Undo');
  await expectText('The host cluster is uncordoned.');
  await submit('Cordon the host cluster');
  await page.locator('[name=confirm_name]').fill('fra-1');
  await submit('Unregister the host cluster');
  await expectText('The host cluster fra-1 is no longer registered.');
};

const queue = async () => {
  await page.goto(`${url}/console/admin/queue`);
  const retry = main.getByRole('button', { name: 'Retry', exact: true });
  while ((await retry.count()) === 0) await page.reload();
  await inspect('queue');
  await submit('Retry');
  await expectText('The message is in the queue again.');
};

const keys = async () => {
  await page.goto(`${url}/console/admin/keys`);
  await inspect('keys');
  await submit('Rotate the signing keys');
  await expectText('New signing keys are published.');
  await main.getByRole('link', { name: /^Retire the key/ }).last().click();
  const kid = new URL(page.url()).searchParams.get('retire');
  await inspect('retirement');
  await page.locator('[name=confirm_name]').fill(kid);
  await submit(`Retire the key ${kid}`);
  await expectText('The key is retired.');
};

const tenants = async () => {
  await page.goto(`${url}/console/admin/organizations?q=acme`);
  await inspect('tenants');
  await follow('Acme 株式会社');
  await page.locator('[name=reason]').fill('Abuse');
  await submit('Suspend the organization');
  await expectText('The organization is suspended.');
  await inspect('suspended tenant');
  await submit('Resume the organization');
  await expectText('The organization is resumed.');
  for (const name of ['plans', 'proofs']) {
    await page.goto(`${url}/console/admin/${name}`);
    await inspect(name);
  }
};

// The palette and a dialog with the keyboard only.
const keyboard = async (organization) => {
  await page.goto(`${url}/console/orgs`);
  const opener = page.locator('.brand');
  await opener.focus();
  await page.keyboard.press('Control+k');
  const dialog = page.locator('dialog[open]');
  await dialog.waitFor();
  await page.keyboard.type('acme');
  await expectText(/^[1-9]\d* results?$/, dialog);
  await dialog.getByRole('link', { name: /Acme 株式会社/ }).first().waitFor();
  await inspect('palette');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  if (!(await opener.evaluate((element) => element === document.activeElement))) problems.push('the palette does not return the focus');
  await page.keyboard.press('Control+k');
  // Enter ends a conversion of Japanese input and searches nothing.
  await page.locator('dialog[open] input[name=q]').evaluate((input) => {
    input.value = '株式';
    const enter = { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true };
    if (input.dispatchEvent(new KeyboardEvent('keydown', enter))) throw new Error('Enter of a conversion is not held back');
  });
  await page.keyboard.press('Control+a');
  await page.keyboard.type('invite');
  await dialog.getByRole('link', { name: /^Invite members/ }).first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/members/invite');

  await page.goto(`${organization}/members`);
  const invite = main.getByRole('link', { name: 'Invite members', exact: true });
  await invite.focus();
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await inspect('dialog');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  if (!(await invite.evaluate((element) => element === document.activeElement))) problems.push('the dialog does not return the focus');
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await page.keyboard.type('nonsense');
  await page.keyboard.press('Tab');
  await dialog.getByRole('button', { name: 'Send the invitations' }).focus();
  await page.keyboard.press('Enter');
  await expectText('There is a problem', dialog);
  if (!(await dialog.evaluate((element) => element.querySelector('[data-focus]') === document.activeElement))) {
    problems.push('the errors of the dialog have no focus');
  }
  await dialog.locator('[name=emails]').fill('zoe@example.com');
  await dialog.getByRole('button', { name: 'Send the invitations' }).focus();
  await page.keyboard.press('Enter');
  await expectText('1 invitation is sent.');
};

await run(async () => {
  const organization = await prepare();
  if (hasScripts) {
    await keyboard(organization);
  } else {
    await page.locator('header input[name=q]').fill('invite');
    await page.keyboard.press('Enter');
    await follow(/^Invite members/);
    await page.waitForURL('**/members/invite');
  }
  await page.goto(`${url}/console/search?q=acme`);
  await inspect('search');
  await page.goto(`${url}/console/admin`);
  await expectText('You are not permitted to do this');
  await signOut();
  await signIn('operator');
  await hosts();
  await queue();
  await keys();
  await tenants();
});
