// The campaigns as an Express server: Ajv checks what comes in, middleware the token and the quota.
import Ajv from 'ajv';
import express from 'express';
import { hoursProblem, invalid, notFound, open, overQuota, problems, schema, unauthorized } from './store.mjs';

const store = open(process.env.DATABASE, Number(process.env.REQUESTS_PER_HOUR));
const check = new Ajv({ allErrors: true, allowUnionTypes: true, useDefaults: true }).compile(schema);
const app = express();
app.disable('x-powered-by');
// Express would hash every body; a campaign's version does.
app.disable('etag');

app.use((request, response, next) => {
  const caller = store.caller(request.headers.authorization);
  if (caller === undefined) return response.status(401).set('WWW-Authenticate', 'Bearer').json(unauthorized);
  const { isOver, headers } = store.take(caller);
  response.set(headers);
  if (isOver) return response.status(429).json(overQuota);
  next();
});
app.use(express.json({ limit: '1mb' }));

const PATH = '/api/voice-campaigns';

app.get(`${PATH}/:id`, (request, response) => {
  const found = store.campaign(Number(request.params.id));
  if (!found) return response.status(404).json(notFound);
  response.set('ETag', found.tag);
  if (request.headers['if-none-match'] === found.tag) return response.status(304).end();
  response.json(found.campaign);
});

app.get(PATH, (request, response) => {
  const limit = Number(request.query.limit ?? 50);
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) {
    return response.status(400).json(invalid([{ field: 'limit', message: 'must be between 1 and 200' }]));
  }
  const { total, campaigns } = store.campaigns(limit);
  response.set('X-Total-Count', String(total)).json(campaigns);
});

app.post(PATH, (request, response) => {
  if (!check(request.body)) return response.status(400).json(invalid(problems(check.errors)));
  const problem = hoursProblem(request.body);
  if (problem) return response.status(400).json(invalid([{ field: 'calling_hours_end', message: problem }]));
  const { tag, campaign } = store.create(request.body);
  response.status(201).location(`${PATH}/${campaign.id}`).set('ETag', tag).json(campaign);
});

app.use((error, _request, response, _next) => {
  const status = error.status ?? 500;
  response.status(status).json({ error: status < 500 ? error.message : 'Internal error', code: 'error' });
});

app.listen(Number(process.env.PORT), '127.0.0.1');
