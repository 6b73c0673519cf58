// Somebody goes to a page and does what it wants, until it says something: node person.mjs CHROMIUM WHO PAGE WORDS
import { follow, open } from './browser.mjs';

const [executablePath, who, place, words] = process.argv.slice(2);
const { browser, page } = await open(executablePath);
try {
  await page.goto(place);
  await follow(page, who, async () => (await page.textContent('body')).includes(words));
} finally {
  await browser.close();
}
