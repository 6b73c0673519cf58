// Uses the console with the keyboard only: node console_keyboard.mjs CHROMIUM URL SCRIPTS AXE
// Each stop of the focus must be visible. Prints one JSON line with what went wrong.
import { journey } from './console_page.mjs';

// Maximum number of stops between two elements of a page.
const MAX_STOPS = 120;

const [executablePath, url, scripts, axePath] = process.argv.slice(2);
const hasScripts = scripts === 'on';
const { page, problems, expectText, run } = await journey({ executablePath, url, hasScripts, axePath, accepted: [] });
const keyboard = page.keyboard;
const press = (...keys) => keys.reduce((done, key) => done.then(() => keyboard.press(key)), Promise.resolve());

// Describes the element that has the focus: its name as announced, and what makes it invisible.
const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return { name: '', problem: null };
    const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
    const name = label.replace(/\s+/g, ' ').trim();
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + Math.min(box.height / 2, 12)];
    const top = document.elementFromPoint(x, y);
    const isCovered = !top || !(element.contains(top) || top.contains(element) || element.labels?.[0]?.contains(top));
    const isMarked = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    const isTarget = element.id === 'main' || element.tagName === 'DIALOG';
    let problem = null;
    if (!isMarked && !isTarget) problem = 'has no visible focus';
    else if (box.width === 0 || (isCovered && !isTarget)) problem = 'is covered while it has the focus';
    return { name, kind: element.type ?? element.tagName.toLowerCase(), value: element.value ?? '', problem };
  });
const seen = new Set();
const check = ({ name, problem }) => {
  if (!problem || seen.has(name)) return;
  seen.add(name);
  problems.push(`${name.slice(0, 60)} ${problem} at ${page.url()}`);
};
const matches = (name, wanted) => (wanted instanceof RegExp ? wanted.test(name) : name === wanted);

// Moves the focus to the element with a name.
const moveTo = async (wanted, key = 'Tab') => {
  for (let stops = 0; stops < MAX_STOPS; stops += 1) {
    await press(key);
    const stop = await focused();
    check(stop);
    if (matches(stop.name, wanted)) return;
  }
  throw new Error(`the keyboard does not reach ${wanted}`);
};
// Follows a link, or presses a button, and waits for the next page.
const activate = async (wanted) => {
  await moveTo(wanted);
  const next = page.waitForEvent('framenavigated');
  await press('Enter');
  await next;
  await page.waitForLoadState();
};
const requireFocus = async (wanted, problem) => {
  const { name } = await focused();
  if (!matches(name, wanted)) problems.push(`${problem}: ${name.slice(0, 60)}`);
};
const open = async (path) => {
  await page.goto(path);
  await page.waitForLoadState();
};
const setValue = async (wanted, text) => {
  await moveTo(wanted);
  await press('Control+a');
  await keyboard.type(text);
};

const signIn = async () => {
  await open(`${url}/`);
  await page.locator('input[name=email]').waitFor();
  if ((await focused()).kind !== 'email') await moveTo(/e-mail/i);
  await keyboard.type('ann@example.com');
  await press('Enter');
  await page.waitForURL('**/console/orgs**');
};

const createWorkspace = async () => {
  // The first stop leads past the navigation.
  await moveTo('Skip to the content');
  await press('Enter');
  await moveTo(/^Create a workspace/);
  await press('Enter');
  await page.locator('[name=name]').waitFor();
  await setValue(/^Name/, 'shop');
  // The choice of the plan is one stop, in which the arrow keys move.
  await moveTo(/^Starter/);
  await moveTo(/^Team/, 'ArrowDown');
  await moveTo('Create a workspace');
  await press('Enter');
  await expectText('The workspace shop is being created.');
  await page.locator('.badge', { hasText: /^ready$/ }).first().waitFor({ timeout: 60_000 });
  return page.url();
};

// A dialog keeps the focus, and Esc gives it back.
const dialog = async (organization) => {
  await open(`${organization}/members`);
  await moveTo('Invite members');
  await press('Enter');
  const opened = page.locator('dialog[open]');
  await opened.waitFor();
  for (let stops = 0; stops < 12; stops += 1) {
    await press('Tab');
    check(await focused());
    const isInside = await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null);
    if (!isInside) problems.push('the focus leaves the dialog');
  }
  await press('Escape');
  await opened.waitFor({ state: 'hidden' });
  await requireFocus('Invite members', 'the dialog does not return the focus');
};

// Menus open and close with their buttons, and the palette leads to a page.
const palette = async () => {
  await moveTo(/^Account: /, 'Shift+Tab');
  await press('Enter');
  await page.locator('#account').waitFor();
  await press('Escape');
  await page.locator('#account').waitFor({ state: 'hidden' });
  await requireFocus(/^Account: /, 'the menu does not return the focus');
  await press('Control+k');
  await page.locator('dialog.palette[open]').waitFor();
  await keyboard.type('groups');
  await page.locator('dialog.palette .results a').filter({ hasText: 'Groups' }).first().waitFor();
  await moveTo(/^Groups/, 'ArrowDown');
  await press('Enter');
  await page.waitForURL('**/groups');
};

const createGroup = async (groups, name) => {
  await open(groups);
  await moveTo('Create group');
  await press('Enter');
  await page.locator('[name=name]').waitFor();
  await setValue(/^Name/, name);
  await moveTo('Create group');
  await press('Enter');
  await expectText(`The group ${name} is created.`);
};

const moveGroup = async (workspace) => {
  const groups = `${workspace}/groups`;
  await createGroup(groups, 'platform');
  await createGroup(groups, 'team');
  await open(groups);
  await activate('team');
  await activate('Move group');
  // The choice of the parent is one stop, in which the arrow keys move.
  await moveTo('none: top level');
  await moveTo('platform', 'ArrowDown');
  await activate('Preview the effects');
  await expectText('Effects on the members');
  await activate('Move group');
  await expectText('The group team is moved.');
};

// Enter in the field confirms nothing; the button does, with the right name.
const deleteWorkspace = async (workspace) => {
  await open(`${workspace}/settings`);
  await activate('Delete the workspace');
  await setValue('Type shop to confirm', 'shop');
  await press('Enter');
  await activate('Delete the workspace');
  await expectText('The workspace shop is being deleted.');
};

await run(async () => {
  await signIn();
  const organization = page.url();
  const workspace = await createWorkspace();
  if (hasScripts) {
    await dialog(organization);
    await open(workspace);
    await palette();
  }
  await moveGroup(workspace);
  await deleteWorkspace(workspace);
});
