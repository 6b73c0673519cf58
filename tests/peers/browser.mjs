// Drives a real browser.
import { chromium } from 'playwright-core';

export const open = async (executablePath) => {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'],
  });
  return { browser, page: await (await browser.newContext()).newPage() };
};

// Clicks a button and waits for the next page.
const submit = async (page, button) => {
  const left = page.waitForEvent('framenavigated');
  await page.click(button);
  await left;
  await page.waitForLoadState('domcontentloaded');
};

// Completes the pages of a flow (sign-in at the third-party provider, consent) until `isThere` returns true.
// Returns the completed steps.
export const follow = async (page, person, isThere) => {
  const done = [];
  while (done.length < 20) {
    if (await isThere(page)) return done;
    if (await page.locator('input[name=password]').count()) {
      await page.fill('input[name=login]', person);
      await page.fill('input[name=password]', 'any');
      await submit(page, 'button[type=submit]');
      done.push('signed in');
    } else if (await page.locator('button[value=allow]').count()) {
      await submit(page, 'button[value=allow]');
      done.push('consented');
    } else if (await page.locator('button[type=submit]').count()) {
      await submit(page, 'button[type=submit]');
      done.push('continued');
    } else {
      break;
    }
  }
  throw new Error(`no known form at ${page.url()}: ${await page.textContent('body')}`);
};
