// The campaigns as a Fastify server: schemas that check what comes in, hooks for the token and the quota. Schemas of what
// goes out are left out: with them it is no faster here.
import Fastify from 'fastify';
import { hoursProblem, invalid, notFound, open, overQuota, problems, schema, unauthorized } from './store.mjs';

const store = open(process.env.DATABASE, Number(process.env.REQUESTS_PER_HOUR));
const app = Fastify({
  bodyLimit: 1 << 20,
  ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true, allowUnionTypes: true } },
});

app.addHook('onRequest', (request, reply, next) => {
  const caller = store.caller(request.headers.authorization);
  if (caller === undefined) return reply.code(401).header('WWW-Authenticate', 'Bearer').send(unauthorized);
  const { isOver, headers } = store.take(caller);
  reply.headers(headers);
  if (isOver) return reply.code(429).send(overQuota);
  next();
});

app.setErrorHandler((error, _, reply) => {
  if (error.validation) return reply.code(400).send(invalid(problems(error.validation)));
  const status = error.statusCode ?? 500;
  return reply.code(status).send({ error: status < 500 ? error.message : 'Internal error', code: 'error' });
});

const PATH = '/api/voice-campaigns';

app.get(`${PATH}/:id`, (request, reply) => {
  const found = store.campaign(Number(request.params.id));
  if (!found) return reply.code(404).send(notFound);
  reply.header('ETag', found.tag);
  return request.headers['if-none-match'] === found.tag ? reply.code(304).send() : reply.send(found.campaign);
});

const limit = { type: 'integer', minimum: 1, maximum: 200, default: 50 };
const query = { type: 'object', additionalProperties: false, properties: { limit } };
// Numbers of a query come as text.
const readLimit = (request, reply, next) => {
  if (request.query.limit !== undefined) request.query.limit = Number(request.query.limit);
  next();
};
app.get(PATH, { schema: { querystring: query }, preValidation: readLimit }, (request, reply) => {
  const { total, campaigns } = store.campaigns(request.query.limit);
  return reply.header('X-Total-Count', total).send(campaigns);
});

app.post(PATH, { schema: { body: schema } }, (request, reply) => {
  const problem = hoursProblem(request.body);
  if (problem) return reply.code(400).send(invalid([{ field: 'calling_hours_end', message: problem }]));
  const { tag, campaign } = store.create(request.body);
  return reply.code(201).headers({ Location: `${PATH}/${campaign.id}`, ETag: tag }).send(campaign);
});

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
