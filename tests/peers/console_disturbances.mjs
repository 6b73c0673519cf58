// Disturbs users of the console: node console_disturbances.mjs CHROMIUM URL SCRIPTS AXE
// Writes `kill` and `start` to the output to have the server killed and started again, and waits for a line of the input.
// The last line of the output is a JSON list of what went wrong.
import { createInterface } from 'node:readline';
import { journey } from './console_page.mjs';

const [executablePath, url, scripts, axePath] = process.argv.slice(2);
const hasScripts = scripts === 'on';
const { causing, context, page, problems, open, watch, signIn, submit, inspect, expectText, run } = await journey({
  executablePath,
  url,
  hasScripts,
  axePath,
  accepted: [],
});
const main = page.getByRole('main');
const require = (condition, problem) => condition || problems.push(problem);
const errorOf = (status) => new RegExp(`^console: Failed to load resource: the server responded with a status of ${status} `);
const OUTDATED = errorOf(412);
const SIGNED_OUT = errorOf(401);
const LOST = /^console: Failed to load resource: net::ERR_INCOMPLETE_CHUNKED_ENCODING /;
const UNREACHABLE = /^console: Failed to load resource: net::ERR_CONNECTION_REFUSED /;

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = async (command) => {
  console.log(command);
  await input.next();
};

// Calls the API as ann.
let token = '';
const call = async (method, path, body) => {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
};
const invite = (organization, name) =>
  call('POST', `${organization.replace(`${url}/console/orgs`, '/api/v1/organizations')}/invitations`, {
    email: `${name}@example.com`,
    role: 'member',
  });
const invitationsTo = async (organization, name) => {
  const path = `${organization.replace(`${url}/console/orgs`, '/api/v1/organizations')}/invitations`;
  return (await call('GET', path)).items.filter(({ email }) => email === `${name}@example.com`).length;
};

// An organization of ann with the administrator bob, who has a browser of his own.
const prepare = async () => {
  await signIn('ann');
  token = (await call('POST', '/auth/dev/login', { email: 'ann@example.com' })).access_token;
  await page.goto(`${url}/console/orgs/new`);
  await page.locator('[name=display_name]').fill('Acme');
  await page.locator('[name=name]').fill('acme');
  await submit('Create an organization');
  await expectText('is created.');
  const organization = page.url();
  await page.goto(`${organization}/members/invite`);
  await page.locator('[name=emails]').fill('bob@example.com');
  await page.locator('[name=role][value=admin]').check();
  await submit('Send the invitations');
  await expectText('1 invitation is sent.');
  const bob = await open();
  await signIn('bob', bob.page);
  await bob.page.goto(`${url}/console/invitations`);
  await bob.page.getByRole('main').getByRole('button').first().click();
  await bob.page.waitForURL(organization);
  return { organization, bob };
};

// Two users open the same form. The second one sees both values and the author of the first, and decides.
const conflict = async (organization, bob) => {
  const settings = `${organization}/settings`;
  const change = async (value) => {
    await bob.page.goto(settings);
    await bob.page.locator('[name=display_name]').fill(value);
    await bob.page.getByRole('main').getByRole('button', { name: 'Save the changes' }).click();
    await expectText('The changes are saved.', bob.page);
  };
  const collide = async (theirs, mine) => {
    await page.goto(settings);
    await change(theirs);
    await causing([OUTDATED], async () => {
      await page.locator('[name=display_name]').fill(mine);
      await submit('Save the changes');
      await expectText('Your changes are not saved yet');
    });
    for (const text of [theirs, mine, 'bob@example.com']) await main.getByText(text, { exact: true }).first().waitFor();
  };
  await collide('Acme of Bob', 'Acme of Ann');
  await inspect('conflict');
  await submit('Apply mine on top');
  await expectText('The changes are saved.');
  await bob.page.reload();
  require((await bob.page.locator('[name=display_name]').inputValue()) === 'Acme of Ann', 'the decision is lost');

  await collide('Acme', 'Acme of Ann again');
  await main.getByRole('link', { name: 'Keep the current values' }).click();
  require((await page.locator('[name=display_name]').inputValue()) === 'Acme', 'the current value is not kept');
};

// The session ends while a form is open: the entries survive the sign-in, and are sent once, by the user.
const ended = async (organization) => {
  const form = hasScripts ? page.locator('dialog[open]') : main;
  await page.goto(`${organization}/members`);
  await main.getByRole('link', { name: 'Invite members', exact: true }).click();
  await form.locator('[name=emails]').fill('zoe@example.com');
  const elsewhere = await open();
  await signIn('ann', elsewhere.page);
  await elsewhere.page.goto(`${url}/console/me/sessions`);
  const end = elsewhere.page.locator('details.confirmation').filter({ hasText: 'End all other sessions' }).first();
  await end.locator('summary').click();
  await end.getByRole('button', { name: 'Confirm' }).click();
  await expectText('All other sessions are ended.', elsewhere.page);
  await elsewhere.context.close();
  await causing(hasScripts ? [SIGNED_OUT] : [], async () => {
    // A tab that the user returns to asks for its session.
    if (hasScripts) {
      await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
      await page.locator('[data-session]').first().waitFor();
    }
    await form.getByRole('button', { name: 'Send the invitations' }).click();
    await page.locator('input[name=email]').fill('ann@example.com');
    await page.locator('button[type=submit]').first().click();
    await page.waitForURL('**/members/invite');
  });
  require((await page.locator('[name=emails]').inputValue()) === 'zoe@example.com', 'the entries are lost');
  token = (await call('POST', '/auth/dev/login', { email: 'ann@example.com' })).access_token;
  require((await invitationsTo(organization, 'zoe')) === 0, 'the form was sent without the user');
  await submit('Send the invitations');
  await expectText('1 invitation is sent.');
  require((await invitationsTo(organization, 'zoe')) === 1, 'the form was not sent once');
};

// A form that was open while the server restarted counts.
const restart = async (organization) => {
  await page.goto(`${organization}/members/invite`);
  await page.locator('[name=emails]').fill('yan@example.com');
  const steps = async () => {
    await order('kill');
    await order('start');
    await submit('Send the invitations');
    await expectText('1 invitation is sent.');
  };
  await causing([], steps, hasScripts ? [LOST, UNREACHABLE] : []);
};

// Twelve tabs share one stream over HTTP/1.1, survive the tab that has it, and a server that is killed.
const tabs = async (organization) => {
  const streams = [];
  context.on('request', (request) => request.url().endsWith('/events') && streams.push(request.frame().page()));
  let tabs = [];
  for (let count = 0; count < 12; count += 1) {
    const tab = await context.newPage();
    watch(tab);
    tabs.push(tab);
  }
  await page.goto('about:blank');
  await Promise.all(tabs.map((tab) => tab.goto(`${organization}/members`)));
  await Promise.all(tabs.map((tab) => tab.evaluate(() => (globalThis.isSameDocument = true))));
  const shown = (name) => Promise.all(tabs.map((tab) => expectText(`${name}@example.com`, tab)));
  await invite(organization, 'carol');
  await shown('carol');
  require(streams.length === 1, `${streams.length} streams of events for twelve tabs`);

  const [leader] = streams;
  tabs = tabs.filter((tab) => tab !== leader);
  const next = context.waitForEvent('request', (request) => request.url().endsWith('/events'));
  await leader.close();
  await next;
  await invite(organization, 'dave');
  await shown('dave');
  require(streams.length === 2 && tabs.includes(streams[1]), `${streams.length} streams of events after the leader`);

  const notices = tabs.map((tab) => tab.locator('[data-connection]'));
  await causing([LOST, UNREACHABLE], async () => {
    await order('kill');
    await Promise.all(notices.map((notice) => notice.waitFor()));
    await order('start');
    await invite(organization, 'erin');
    await shown('erin');
    await Promise.all(notices.map((notice) => notice.waitFor({ state: 'hidden' })));
  });
  const same = await Promise.all(tabs.map((tab) => tab.evaluate(() => globalThis.isSameDocument === true)));
  require(same.every(Boolean), 'a tab was loaded again');
};

await run(async () => {
  const { organization, bob } = await prepare();
  await conflict(organization, bob);
  await bob.context.close();
  await ended(organization);
  await restart(organization);
  if (hasScripts) await tabs(organization);
  input.return?.();
  process.stdin.destroy();
});
