// Usage, alerts and logs of a workspace of the sandbox, which has plausible metrics and logs.

// Looks at usage, creates a rule with a preview, sees it firing, silences it, and reads and follows logs.
export const observe = async ({ page, workspace, hasScripts, inspect, submit, expectText, problems }) => {
  const main = page.getByRole('main');

  await page.goto(`${workspace}/projects/new`);
  await page.locator('[name=name]').fill('observed');
  await main.locator('form[method=post] button[type=submit]').first().click();
  await page.waitForURL('**/projects/prj_*');

  await page.getByRole('link', { name: 'Usage', exact: true }).click();
  await expectText('Control plane ready');
  await expectText('This is a sandbox');
  if ((await page.locator('figure.chart svg').count()) !== 4) problems.push('the page of usage has no four charts');
  await inspect('workspace usage');
  await main.getByRole('link', { name: '6 hours' }).click();
  await page.waitForURL('**range=6h**');
  await main.getByRole('link', { name: /^Memory by project/ }).click();
  await page.locator('[name=by]').selectOption('pod');
  await main.getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL('**by=pod**');
  await main.getByText('Values as a table').click();
  await expectText('observed / web-');
  await inspect('metric');

  await page.getByRole('link', { name: 'Alerts', exact: true }).click();
  await expectText('No alert rules');
  await main.getByRole('link', { name: 'Create an alert rule' }).first().click();
  await page.locator('[name=name]').fill('memory-low');
  await page.locator('[name=metric]').selectOption('memory');
  await page.locator('[name=percent_of_quota]').fill('');
  await page.locator('[name=threshold]').fill('1Mi');
  await page.locator('[name=for]').selectOption('1m');
  await submit('Preview');
  await expectText('The alert would have fired once.');
  await inspect('preview');
  await submit('Create an alert rule');
  await expectText('The alert rule memory-low is created.');
  await main.locator('.badge', { hasText: /^firing$/ }).first().waitFor();
  await inspect('alerts');
  await main.getByRole('link', { name: 'Silence the alert' }).first().click();
  await page.locator('[name=comment]').fill('deployment');
  await inspect('silence');
  await submit('Silence the alert');
  await expectText('is silenced until');
  await main.getByRole('cell', { name: 'deployment' }).waitFor();
  await submit('End the silence');
  await expectText('The silence has ended.');
  await main.getByRole('link', { name: 'memory-low' }).first().click();
  await page.locator('[name=threshold]').fill('2Mi');
  await inspect('alert rule');
  await submit('Save the rule');
  await expectText('Memory above 2Mi');

  await page.getByRole('link', { name: 'Logs', exact: true }).click();
  await page.locator('[name=query]').fill('order shipped');
  await page.locator('[name=container]').fill('worker');
  await main.getByRole('button', { name: 'Apply' }).click();
  await page.locator('.log mark', { hasText: 'order shipped' }).first().waitFor();
  await inspect('logs');
  if (hasScripts) await follow(page, problems);
  await main.getByRole('link', { name: 'Older lines' }).click();
  await main.getByRole('link', { name: 'Newest lines' }).waitFor();
};

// New lines arrive at the end; they wait behind a button while the user reads older ones.
const follow = async (page, problems) => {
  const lines = page.locator('.log li');
  const before = await page.locator('.log').getAttribute('data-last');
  const arrived = (count) =>
    page.waitForFunction(([id, count]) => {
      const [nanoseconds] = id.split('-');
      const isNew = (time) => BigInt(Date.parse(time.dateTime)) * 1_000_000n > BigInt(nanoseconds);
      return [...document.querySelectorAll('.log time')].filter(isNew).length >= count;
    }, [before, count]);
  await arrived(1);
  await page.locator('.log').evaluate((log) => (log.scrollTop = -log.scrollHeight));
  const shown = await lines.count();
  const button = page.locator('[data-log-new]');
  await button.waitFor();
  if ((await lines.count()) !== shown) problems.push('lines were added while the user was reading');
  await button.click();
  await page.waitForFunction((count) => document.querySelectorAll('.log li').length > count, shown);
  await page.locator('[name=times]').selectOption('off');
  if (await page.locator('.log time').first().isVisible()) problems.push('times are visible although they are off');
  await page.locator('[name=times]').selectOption('utc');
};
