// Opens the console of a development server in Chromium, and records what goes wrong. With SCREENSHOTS in the environment,
// each inspected page is stored in that directory, in both themes and widths.
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'];

// Reports violations of the policy of content as errors of the console.
const reportViolations = () =>
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    console.error(`violation of ${violatedDirective}: ${blockedURI}`));

// Rejected forms, and pages that refuse, are errors on purpose.
const REJECTIONS = [/status of 4\d\d/];

// Helpers of a journey. Requests to other origins than `url` and `others` are problems, and so are errors of the console
// except `accepted`.
export const journey = async ({ executablePath, url, hasScripts, axePath, others = [], accepted = REJECTIONS, locale = 'en-US' }) => {
  const axe = await readFile(axePath, 'utf8');
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  const problems = [];
  const open = async () => {
    const context = await browser.newContext({ javaScriptEnabled: hasScripts, locale });
    await context.addInitScript(reportViolations);
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    watch(page);
    return { context, page };
  };
  const watch = (page) => {
    page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()} at ${page.url()}`));
    page.on('pageerror', (error) => problems.push(`script: ${error} at ${page.url()}`));
    page.on('response', (response) => {
      if (response.status() >= 500) problems.push(`${response.status()} ${response.url()}`);
      if (![url, ...others].some((own) => response.url().startsWith(own))) problems.push(`foreign request: ${response.url()}`);
    });
  };
  const { context, page } = await open();

  // Signs a user in with the development provider.
  const signIn = async (name, where = page) => {
    await where.goto(`${url}/`);
    await where.locator('input[name=email]').fill(`${name}@example.com`);
    await where.locator('button[type=submit]').first().click();
    await where.waitForURL('**/console/orgs**');
  };
  const submit = async (name) => {
    await page.getByRole('main').getByRole('button', { name, exact: true }).first().click();
    await page.waitForLoadState();
  };

  // Nothing scrolls sideways on any screen, and axe finds no violation, in both themes and on narrow and wide screens.
  const inspect = async (name, where = page) => {
    if (!hasScripts) return;
    // Texts can be visible before the stylesheet is loaded.
    await where.waitForLoadState();
    await where.evaluate(axe);
    for (const width of [768, 1920, 320, 1280]) {
      await where.setViewportSize({ width, height: 800 });
      const [content, screen] = await where.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      if (content > screen) problems.push(`${name} is ${content} px wide on a screen of ${screen} px`);
      if (width === 768 || width === 1920) continue;
      for (const colorScheme of ['light', 'dark']) {
        await where.emulateMedia({ colorScheme });
        if (process.env.SCREENSHOTS) {
          const path = `${process.env.SCREENSHOTS}/${name.replaceAll(/\W+/g, '-')}-${width}-${colorScheme}.png`;
          await where.screenshot({ path, fullPage: true });
        }
        const { violations } = await where.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
        for (const { id, nodes } of violations) problems.push(`${name} ${width} ${colorScheme}: ${id}: ${nodes[0].html}`);
      }
    }
    await where.emulateMedia({ colorScheme: null });
  };

  // Runs steps that cause these errors, each at least once, perhaps the `possible` ones, and no others.
  const causing = async (causes, steps, possible = []) => {
    const before = problems.length;
    await steps();
    const caused = problems.splice(before);
    problems.push(...caused.filter((problem) => ![...causes, ...possible].some((cause) => cause.test(problem))));
    for (const cause of causes) {
      if (!caused.some((problem) => cause.test(problem))) problems.push(`the steps did not cause ${cause}`);
    }
  };

  return {
    causing,
    context,
    page,
    problems,
    open,
    watch,
    signIn,
    submit,
    inspect,
    expectText: (text, where = page) => where.getByText(text).first().waitFor(),
    follow: (name) => page.getByRole('main').getByRole('link', { name }).first().click(),
    // Runs the steps, and prints one JSON line with what went wrong.
    run: async (steps) => {
      try {
        await steps();
      } catch (error) {
        const text = await page.textContent('main').catch(() => '');
        problems.push(`${error.message.split('\n')[0]} at ${page.url()}: ${text.slice(0, 600)}`);
      } finally {
        await browser.close();
      }
      console.log(JSON.stringify(problems.filter((problem) => !accepted.some((error) => error.test(problem)))));
    },
  };
};
