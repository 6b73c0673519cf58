// Somebody with a real browser.
import { chromium } from 'playwright-core';

export const open = async (executablePath) => {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'],
  });
  return { browser, page: await (await browser.newContext()).newPage() };
};

// Presses a button, and waits for the page that it leads to.
const press = async (page, button) => {
  const left = page.waitForEvent('framenavigated');
  await page.click(button);
  await left;
  await page.waitForLoadState('domcontentloaded');
};

// Does what the page wants: signs in with the other house, agrees, until `isThere` says that this is where it ends.
// Answers what it had to do.
export const follow = async (page, person, isThere) => {
  const done = [];
  while (done.length < 20) {
    if (await isThere(page)) return done;
    if (await page.locator('input[name=password]').count()) {
      await page.fill('input[name=login]', person);
      await page.fill('input[name=password]', 'any');
      await press(page, 'button[type=submit]');
      done.push('signed in');
    } else if (await page.locator('button[value=allow]').count()) {
      await press(page, 'button[value=allow]');
      done.push('agreed');
    } else if (await page.locator('button[type=submit]').count()) {
      await press(page, 'button[type=submit]');
      done.push('went on');
    } else {
      break;
    }
  }
  throw new Error(`nothing to do at ${page.url()}: ${await page.textContent('body')}`);
};
