// Validates pages: node validate_html.mjs FILE. Each line of FILE is a JSON object with the name and the HTML of a page.
// Prints one JSON line with the violations, each with one of the pages.
import { readFile } from 'node:fs/promises';
import { HtmlValidate, StaticConfigLoader } from 'html-validate';

const config = {
  root: true,
  extends: ['html-validate:standard', 'html-validate:a11y'],
  rules: {
    // Without scripts, a page with a task in progress loads again after five seconds; no page with a form does.
    'meta-refresh': 'off',
    // ARIA 1.2 permits names of lists and other elements; the rule's default allows landmarks and controls only.
    'aria-label-misuse': ['error', { allowAnyNamable: true }],
  },
};

const [file] = process.argv.slice(2);
const validator = new HtmlValidate(new StaticConfigLoader(config));
const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
// Most violations are in parts of all pages.
const violations = new Map();
for (const { name, html } of lines.map((line) => JSON.parse(line))) {
  const report = await validator.validateString(html, name);
  for (const { ruleId, message, selector } of report.results.flatMap((result) => result.messages)) {
    const violation = `${ruleId}: ${message} at ${selector?.replaceAll(/:nth-child\(\d+\)/g, '')}`;
    if (!violations.has(violation)) violations.set(violation, name);
  }
}
console.log(JSON.stringify([...violations].map(([violation, name]) => `${name}: ${violation}`)));
