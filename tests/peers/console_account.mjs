// Account and records of an organization: API tokens, service accounts, sessions, and the audit log.

// Creates, uses and revokes tokens, ends a session in another browser, and filters the audit log.
export const account = async ({ page, url, organization, hasScripts, inspect, submit, expectText, problems }) => {
  const main = page.getByRole('main');
  const visit = async (name) => hasScripts && (await inspect(name));
  const follow = (name) => main.getByRole('link', { name, exact: true }).first().click();
  const require = (condition, problem) => condition || problems.push(problem);
  const statusWith = async (token) =>
    (await fetch(`${url}/api/v1/organizations`, { headers: { authorization: `Bearer ${token}` } })).status;
  // Opens the consequence of an action, and confirms it.
  const confirm = async (label) => {
    const action = main.locator('details.confirmation').filter({ hasText: label }).first();
    await action.locator('summary').click();
    await action.getByRole('button', { name: 'Confirm' }).click();
    await page.waitForLoadState();
  };
  // Fills in the form of a new token, and returns the secret, which is shown once.
  const createToken = async (name) => {
    await follow('Create an API token');
    await page.locator('[name=name]').fill('deployment from CI');
    await page.locator('[name=scopes][value="organizations:read"]').check();
    await page.locator('[name=scopes][value="clusters:access"]').check();
    await page.locator('[name=lifetime][value="90"]').check();
    await visit(`new token of ${name}`);
    await submit('Create an API token');
    await expectText('Copy the secret now');
    await visit(`secret of ${name}`);
    const secret = await main.locator('pre code').first().textContent();
    require((await statusWith(secret)) === 200, 'a new token is rejected');
    await follow('I have stored the secret');
    await expectText('deployment from CI');
    require(!(await page.content()).includes('hxb_'), 'a secret is shown twice');
    return secret;
  };
  const revokeToken = async (secret) => {
    await confirm('Revoke');
    await expectText('The token is revoked.');
    require((await statusWith(secret)) === 401, 'a revoked token is accepted');
  };

  await page.goto(`${url}/console/me`);
  await visit('profile');
  await page.goto(`${url}/console/me/tokens`);
  await expectText('You have no API tokens');
  await visit('no tokens');
  const own = await createToken('a user');
  await visit('tokens');
  await revokeToken(own);

  await page.goto(`${organization}/service-accounts`);
  await expectText('There are no service accounts');
  await follow('Create a service account');
  await visit('new service account');
  await page.locator('[name=name]').fill('ci');
  await submit('Create a service account');
  await expectText('The service account ci is created.');
  const ofAccount = await createToken('a service account');
  await visit('service account');
  await revokeToken(ofAccount);
  await page.goto(`${organization}/service-accounts`);
  await visit('service accounts');
  await follow('ci');
  await follow('Delete the service account');
  await visit('deletion of a service account');
  await page.locator('[name=confirm_name]').fill('ci');
  await submit('Delete the service account');
  await expectText('The service account ci is deleted.');

  const other = await page.context().browser().newContext({ javaScriptEnabled: hasScripts, locale: 'en-US' });
  const phone = await other.newPage();
  await phone.goto(`${url}/`);
  await phone.locator('input[name=email]').fill('ann@example.com');
  await phone.locator('button[type=submit]').first().click();
  await phone.waitForURL('**/console/orgs**');
  await page.goto(`${url}/console/me/sessions`);
  await expectText('Chrome on Linux');
  await visit('sessions');
  await confirm('End the session');
  await expectText('The session is ended.');
  await phone.goto(`${url}/console/orgs`);
  require(!phone.url().endsWith('/console/orgs'), 'an ended session is accepted');
  await other.close();
  await page.goto(`${url}/console/me/security`);
  await expectText('A session was ended');
  await visit('security');

  await page.goto(`${organization}/audit`);
  await expectText('service_account.delete_token');
  await visit('audit log');
  await page.locator('[name=action]').fill('organization.create');
  await submit('Apply filters');
  await page.waitForURL('**action=organization.create**');
  await main.locator('td summary').first().click();
  await expectText('personal');
  require((await main.locator('tbody tr').count()) === 1, 'the filter of the audit log selects other entries');
  await visit('filtered audit log');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    main.getByRole('link', { name: 'Download as a file' }).click(),
  ]);
  require(file.suggestedFilename() === 'audit.csv', `the file is named ${file.suggestedFilename()}`);
};
