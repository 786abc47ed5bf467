// Somebody changes the page: with VC_STATIC a reload shows it, without a build and without the server being started again.

import fs from 'node:fs';
import path from 'node:path';
import { assert, base, browser, endServer, ok, settled, signIn, startServer, watched } from './support.mjs';

const ours = path.resolve('page');
fs.cpSync(path.join(import.meta.dirname, '../../static'), ours, { recursive: true });
await endServer();
await startServer({ VC_STATIC: ours });

const { context, close } = await browser();
const { page, problems } = await watched(context);
await signIn(page);
const edit = (name, from, to) => {
  const file = path.join(ours, name);
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${name} has ${from}`);
  fs.writeFileSync(file, text.replaceAll(from, to));
};
// A script, a style, and the import map in the frame of it all, whose hash the policy names.
edit('js/pages/campaigns.js', '<h1>Campaigns</h1>', '<h1>Campaigns of ours</h1>');
edit('css/tokens.css', ':root {', ':root { --of-ours: 7px;');
fs.writeFileSync(path.join(ours, 'js/ours.js'), 'export const word = "ours";\n');
edit('index.html', '"imports": {', '"imports": {\n        "ours": "./js/ours.js",');
edit('js/pages/campaigns.js', "export const title = 'Campaigns';", "import { word } from 'ours';\nexport const title = word;");
await page.reload();
await page.getByRole('heading', { name: 'Campaigns of ours' }).waitFor();
await settled(page);
assert.match(await page.title(), /^ours/);
assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--of-ours').trim()), '7px');
assert.deepEqual(problems, []);
assert.ok(page.url().startsWith(base));
ok('an edit is seen by a reload');
await close();
process.exit(0);
