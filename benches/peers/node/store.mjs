// What the Fastify and the Express server share: the campaigns in SQLite, tokens, and the quota. Statements are prepared
// once; every write is durable when it is answered.
import Database from 'better-sqlite3';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const MONEY = ['cost_per_call', 'budget'];
const LISTS = ['team_members', 'tags', 'webhooks'];
/** How long a token counts without another look at the database. */
const TOKEN_MS = 5000;
const HOUR_MS = 3600e3;

/** What a new campaign may be; the same as the Rust server checks. */
export const schema = JSON.parse(readFileSync(new URL('campaign.json', import.meta.url)));
const SETTINGS = Object.keys(schema.properties);
const TOTALS = ['total_leads', 'completed_calls', 'successful_calls', 'failed_calls'];

export function open(file, requestsPerHour) {
  const db = new Database(file, { fileMustExist: true, timeout: 5000 });
  for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = ON', 'cache_size = -8000']) db.pragma(pragma);
  const columns = [
    'c.id, c.version, c.holds_stale, c.created_at, c.updated_at',
    ...SETTINGS.map((name) => `c.${name}`),
    ...TOTALS.map((name) => `t.${name}`),
  ];
  const select = `SELECT ${columns.join(', ')} FROM campaigns c JOIN campaign_totals t ON t.campaign_id = c.id WHERE c.deleted_at IS NULL`;
  const one = db.prepare(`${select} AND c.id = ?`);
  const page = db.prepare(`${select} ORDER BY c.created_at DESC, c.id DESC LIMIT ?`);
  const count = db.prepare('SELECT count(*) FROM campaigns WHERE deleted_at IS NULL').pluck();
  const token = db.prepare('SELECT id FROM tokens WHERE hash = ? AND revoked_at IS NULL').pluck();
  const insert = db.prepare(
    `INSERT INTO campaigns (${SETTINGS.join(', ')}, created_at, updated_at, status_changed_at, status_changed_by)
     VALUES (${SETTINGS.map((name) => `@${name}`).join(', ')}, @now, @now, @now, @by)`,
  );
  const insertTotals = db.prepare('INSERT INTO campaign_totals (campaign_id) VALUES (?)');
  const create = db.transaction((row) => {
    const { lastInsertRowid } = insert.run(row);
    insertTotals.run(lastInsertRowid);
    return one.get(lastInsertRowid);
  });

  const policy = `"default";q=${requestsPerHour};w=3600`;
  const known = new Map();
  const windows = new Map();
  return {
    /** A campaign and its entity tag. */
    campaign: (id) => tagged(one.get(id)),
    campaigns: (limit) => ({ total: count.get(), campaigns: page.all(limit).map(view) }),
    create: (settings) => tagged(create(row(settings))),

    /** The token's id, or undefined. */
    caller(authorization) {
      if (!authorization?.startsWith('Bearer ')) return undefined;
      const hash = createHash('sha256').update(authorization.slice(7)).digest();
      const key = hash.toString('latin1');
      const now = Date.now();
      const seen = known.get(key);
      if (seen && now - seen.at < TOKEN_MS) return seen.id;
      const id = token.get(hash);
      if (id !== undefined) known.set(key, { id, at: now });
      return id;
    },

    /** One request of a token's quota: what its headers say, and whether it is over. */
    take(caller) {
      const now = Date.now();
      let window = windows.get(caller);
      if (!window || now >= window.until) windows.set(caller, (window = { until: now + HOUR_MS, used: 0 }));
      const isOver = window.used >= requestsPerHour;
      if (!isOver) window.used += 1;
      const left = requestsPerHour - window.used;
      return {
        isOver,
        headers: {
          'X-Request-Id': randomBytes(8).toString('hex'),
          'X-Content-Type-Options': 'nosniff',
          'Cache-Control': 'no-store',
          'X-RateLimit-Limit': requestsPerHour,
          'X-RateLimit-Remaining': left,
          'X-RateLimit-Reset': Math.ceil(window.until / 1000),
          'RateLimit-Policy': policy,
          RateLimit: `"default";r=${left};t=${Math.ceil((window.until - now) / 1000)}`,
        },
      };
    },
  };
}

const tagged = (row) => row && { tag: `"${row.version}-${row.holds_stale}"`, campaign: view(row) };

/** A row to insert, from a body that the schema has let pass and filled. */
function row(settings) {
  const row = { ...settings, status: settings.status ?? 'draft', now: Date.now(), by: 'peer' };
  row.calling_hours_start = seconds(settings.calling_hours_start);
  row.calling_hours_end = seconds(settings.calling_hours_end);
  row.working_days = settings.working_days.reduce((bits, day) => bits | (1 << DAYS.indexOf(day)), 0);
  for (const name of MONEY) row[name] = settings[name] === null ? null : Math.round(settings[name] * 10000);
  for (const name of LISTS) row[name] = JSON.stringify(settings[name]);
  row.keys = settings.keys && JSON.stringify(settings.keys);
  row.machine_detection = settings.machine_detection === null ? null : Number(settings.machine_detection);
  row.record_calls = Number(settings.record_calls);
  for (const name of ['start_date', 'end_date']) row[name] = settings[name] && Date.parse(settings[name]);
  return row;
}

function view(row) {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    status: row.status,
    priority: row.priority,
    campaign_type: row.campaign_type,
    calls_per_day: row.calls_per_day,
    total_leads: row.total_leads,
    completed_calls: row.completed_calls,
    successful_calls: row.successful_calls,
    failed_calls: row.failed_calls,
    calling_hours_start: clock(row.calling_hours_start),
    calling_hours_end: clock(row.calling_hours_end),
    time_zone: row.time_zone,
    working_days: DAYS.filter((_, day) => row.working_days & (1 << day)),
    ai_voice_id: row.ai_voice_id,
    ai_voice_language: row.ai_voice_language,
    ai_voice_gender: row.ai_voice_gender,
    system_prompt: row.system_prompt,
    script_template: row.script_template,
    fallback_script: row.fallback_script,
    max_attempts_per_lead: row.max_attempts_per_lead,
    retry_delay_minutes: row.retry_delay_minutes,
    call_duration_limit: row.call_duration_limit,
    success_criteria: row.success_criteria,
    cost_per_call: row.cost_per_call / 10000,
    budget: row.budget === null ? null : row.budget / 10000,
    budget_alert_threshold: row.budget_alert_threshold,
    max_concurrent_calls: row.max_concurrent_calls,
    ring_timeout_seconds: row.ring_timeout_seconds,
    caller_id: row.caller_id,
    lead_time_zone_policy: row.lead_time_zone_policy,
    start_date: instant(row.start_date),
    end_date: instant(row.end_date),
    recurrence_rule: row.recurrence_rule,
    expected_completion_date: row.expected_completion_date,
    owner_id: row.owner_id,
    team_members: JSON.parse(row.team_members),
    company_id: row.company_id,
    tags: JSON.parse(row.tags),
    notes: row.notes,
    webhooks: JSON.parse(row.webhooks),
    keys: row.keys === null ? null : JSON.parse(row.keys),
    opt_out_sentence: row.opt_out_sentence,
    machine_detection: row.machine_detection === null ? null : row.machine_detection === 1,
    transfer_number: row.transfer_number,
    record_calls: row.record_calls === 1,
    recording_announcement: row.recording_announcement,
    inbound_number: row.inbound_number,
    script_prompt: row.script_prompt,
    fallback_prompt: row.fallback_prompt,
    agent: row.agent,
    agent_disclosure: row.agent_disclosure,
    created_at: instant(row.created_at),
    updated_at: instant(row.updated_at),
  };
}

const seconds = (time) => time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
const two = (number) => String(number).padStart(2, '0');
const clock = (s) => `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
const instant = (ms) => (ms === null ? null : `${new Date(ms).toISOString().slice(0, 19)}Z`);

/** The rule over two fields that a schema cannot say. */
export const hoursProblem = ({ calling_hours_start: start, calling_hours_end: end }) =>
  start === end ? 'must differ from calling_hours_start' : undefined;

/** The answer to a body that is not valid; every problem at once. */
export function invalid(details) {
  return { error: details.map(({ field, message }) => `${field}: ${message}`).join('; '), code: 'invalid', details };
}

/** Ajv's problems, by field. */
export const problems = (errors) =>
  errors.map(({ instancePath, params, message }) => ({
    field: instancePath.slice(1) || params.missingProperty || params.additionalProperty || 'body',
    message,
  }));

export const unauthorized = { error: 'A valid API token is required, as `Authorization: Bearer <token>`', code: 'unauthorized' };
export const overQuota = { error: 'The quota is used up', code: 'rate_limited' };
export const notFound = { error: 'Voice campaign not found', code: 'not_found' };
