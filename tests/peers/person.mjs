// A user opens a page and completes its flow until the page contains a text: node person.mjs CHROMIUM USER URL TEXT
import { follow, open } from './browser.mjs';

const [executablePath, user, url, text] = process.argv.slice(2);
const { browser, page } = await open(executablePath);
try {
  await page.goto(url);
  await follow(page, user, async () => (await page.textContent('body')).includes(text));
} finally {
  await browser.close();
}
