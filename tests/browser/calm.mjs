// What the page costs while a calm campaign goes on: five lines, people five times as quick as in life. Work is counted in
// time of the thread; a yardstick measured in the same browser says how much slower than usual this machine is just now.

import { api, assert, browser, campaign, ok, signIn, until, visit, watched, worksLittle, yardstick } from './support.mjs';

/** Milliseconds of work a second. */
const LIMIT = 15;

const calm = await campaign({ name: 'A calm one', calls_per_day: 1_000_000, max_concurrent_calls: 5, budget: 1000 });
const people = Array.from({ length: 2000 }, (_, i) => `+1${2_012_000_000 + i},Ana ${i},Novak`);
await api('POST', `voice-campaigns/${calm.id}/leads`, `phone,first_name,last_name\n${people.join('\n')}\n`);
await api('PATCH', `voice-campaigns/${calm.id}/status`, { status: 'active' });
await until('calls', async () => (await api('GET', `voice-campaigns/${calm.id}/stats`)).attempts >= 6, 60_000);

const { context, close } = await browser();
const measure = await yardstick(context);
const { page, problems } = await watched(context);
await signIn(page);
const campaignPlace = `#/campaigns/${calm.id}`;
// The two that cost most; with VC_TEST_PLACES=all the others as well.
const others = process.env.VC_TEST_PLACES === 'all' ? ['#/campaigns', `${campaignPlace}/calls`, '#/live'] : [];
for (const place of [campaignPlace, '#/calls', ...others]) {
  await visit(page, place);
  ok(`live ${place}`, await worksLittle(page, measure, LIMIT));
}
assert.deepEqual(problems, []);
await close();
