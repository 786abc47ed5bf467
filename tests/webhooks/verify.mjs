// Checks deliveries as a receiver in JavaScript does, with the official library. Gets them as JSON; ends with an error when
// one that is ours is refused, or another one is taken. MODULES is where the library is installed.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const { Webhook, WebhookVerificationError } = createRequire(path.resolve(process.env.MODULES) + '/')('standardwebhooks');

for (const { secret, body, headers, is_ours } of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  const verify = () => new Webhook(secret).verify(body, headers);
  const told = JSON.stringify(headers);
  if (is_ours) assert.doesNotThrow(verify, told);
  else assert.throws(verify, WebhookVerificationError, told);
}
