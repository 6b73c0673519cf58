// Inspects pages of the console in a browser: node console_pages.mjs CHROMIUM URL SCRIPTS AXE PAGES
// PAGES is a file with a JSON list of pages: `name`, `path`, `status`, and `user`, who is null for a visitor without a
// session. With LANGUAGE in the environment, the pages are in that language. Prints one JSON line with what went wrong.
import { readFile } from 'node:fs/promises';
import { journey } from './console_page.mjs';

// Browser contexts at once.
const CONTEXTS = 2;

const [executablePath, url, scripts, axePath, file] = process.argv.slice(2);
const { problems, open, signIn, inspect, run } = await journey({
  executablePath,
  url,
  hasScripts: scripts === 'on',
  axePath,
  accepted: [],
  locale: process.env.LANGUAGE || 'en-US',
});
const pages = JSON.parse(await readFile(file, 'utf8'));

const visit = async (page, { name, path, status }) => {
  const before = problems.length;
  const response = await page.goto(`${url}${path}`);
  const shown = new URL(page.url());
  if (response.status() !== status) problems.push(`${name} has the status ${response.status()}`);
  if (shown.pathname + shown.search !== path) problems.push(`${name} leads to ${shown.pathname}`);
  await inspect(name, page);
  if (status === 200) return;
  // A page with an error is one for the browser, too.
  const caused = problems.splice(before);
  problems.push(...caused.filter((problem) => !problem.includes(`the server responded with a status of ${status} `)));
};

await run(async () => {
  const users = [...new Set(pages.map(({ user }) => user))];
  for (const user of users) {
    const queue = pages.filter((page) => page.user === user);
    const worker = async () => {
      const { context, page } = await open();
      if (user) await signIn(user, page);
      while (queue.length > 0) await visit(page, queue.shift());
      await context.close();
    };
    await Promise.all(Array.from({ length: Math.min(CONTEXTS, queue.length) }, worker));
  }
});
