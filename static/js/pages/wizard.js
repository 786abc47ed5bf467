// New campaign in five short steps. Everything is kept as a draft while you type.
import { html, signal, useEffect, useRef, useSignal, effect } from '../lib/ui.js';
import { get, api, post, useResource } from '../lib/api.js';
import { route, setQuery, go } from '../lib/router.js';
import { toast, fail, confirm } from '../lib/notify.js';
import { num, money, plural, dayRange, DAYS } from '../lib/format.js';
import { Icon, Field, Problem } from '../components/basic.js';
import { Sample } from '../components/player.js';
import { vars, fill, spoken } from '../components/script.js';
export const title = 'New campaign';
const BLANK = {
  name: '',
  voice: 'amber',
  script:
    'Hello {first_name|there}, this is Amber calling for Lakeside Clinic. You have an appointment with {doctor} on {date} at {time}. Can you still make it?',
  system_prompt:
    'You are a polite assistant of Lakeside Clinic. Confirm, move or cancel the appointment. Never give medical advice. If asked, say that you are an automated assistant.',
  days: [0, 1, 2, 3, 4],
  from: '09:00',
  to: '18:00',
  tz: Intl.DateTimeFormat().resolvedOptions().timeZone,
  calls_per_day: 400,
  lines: 3,
  retries: 2,
  wait_hours: 4,
  budget: 150,
  country: 'DE',
};
const KEY = 'draft-campaign',
  saved = (() => {
    try {
      return JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      return null;
    }
  })();
const draft = signal({ ...BLANK, ...saved }),
  imp = signal(null),
  map = signal({}),
  report = signal(null),
  errs = signal({});
effect(() => sessionStorage.setItem(KEY, JSON.stringify(draft.value)));
const set = (p) => {
  draft.value = { ...draft.value, ...p };
  const e = { ...errs.value };
  for (const k in p) delete e[k];
  errs.value = e;
};
const bind = (k, type) => ({
  value: draft.value[k],
  onInput: (e) => set({ [k]: type === 'number' ? (e.target.value === '' ? '' : +e.target.value) : e.target.value }),
});
const STEPS = [
  ['basics', 'Name', 'megaphone'],
  ['script', 'Script and voice', 'file-text'],
  ['leads', 'Leads', 'users'],
  ['schedule', 'Schedule and limits', 'calendar-clock'],
  ['review', 'Review', 'check-check'],
];
const mapped = () => Object.values(map.value).filter(Boolean),
  missing = () =>
    vars(draft.value.script).filter(
      (v) => !mapped().includes(v) && !new RegExp(`\\{\\s*${v}\\s*\\|`, 'i').test(draft.value.script),
    );
const RULES = {
  basics: (d) => (!d.name.trim() ? { name: 'Give the campaign a name, so you find it again.' } : {}),
  script: (d) =>
    d.script.trim().length < 20 ? { script: 'Write at least one full sentence for the agent to say.' } : {},
  leads: () =>
    !imp.value ? {} : !mapped().includes('phone') ? { phone: 'Choose which column holds the phone number.' } : {},
  schedule: (d) => ({
    ...(!d.days.length && { days: 'Choose at least one day.' }),
    ...(d.from >= d.to && { to: 'The end must be later than the start.' }),
    ...(!(d.calls_per_day > 0) && { calls_per_day: 'Enter a number above zero.' }),
    ...(!(d.budget > 0) && { budget: 'Enter an amount above zero.' }),
  }),
  review: () => ({}),
};
export default function Wizard() {
  const step = STEPS.find(([k]) => k === route.value.query.step)?.[0] || 'basics',
    i = STEPS.findIndex(([k]) => k === step),
    d = draft.value,
    h = useRef(null),
    first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    h.current?.focus();
    scrollTo(0, 0);
  }, [step]);
  const next = () => {
    const e = RULES[step](d);
    errs.value = e;
    if (Object.keys(e).length) {
      setTimeout(() => document.querySelector('.wiz [aria-invalid="true"]')?.focus());
      return;
    }
    setQuery({ step: STEPS[i + 1][0] });
  };
  const busy = useSignal('');
  const create = async (start) => {
    for (const [k] of STEPS) {
      const e = RULES[k](d);
      if (Object.keys(e).length) {
        errs.value = e;
        setQuery({ step: k });
        toast('Please check the marked fields.', { kind: 'error' });
        return;
      }
    }
    if (
      start &&
      !(await confirm({
        title: `Start “${d.name}” now?`,
        ok: 'Start calling',
        body: html`${num(report.value?.ready || 0)} people will be called, ${dayRange(d.days)}, ${d.from}–${d.to}. You
        can pause at any time.`,
      }))
    )
      return;
    busy.value = start ? 'start' : 'draft';
    try {
      const c = await post('/campaigns', { ...d, start, lead_count: report.value?.ready });
      sessionStorage.removeItem(KEY);
      draft.value = { ...BLANK };
      imp.value = report.value = null;
      toast(start ? 'Calling has started.' : 'Saved as a draft.');
      go('/campaigns/' + c.id);
    } catch (e) {
      errs.value = e.fields || {};
      fail(e);
    }
    busy.value = '';
  };
  const leave = async () => {
    if (!d.name && !imp.value) return go('/campaigns');
    go('/campaigns');
    toast('Your draft is kept in this browser tab.', {
      action: 'Go back',
      onAction: () => go('/campaigns/new?step=' + step),
    });
  };
  const S = { basics: Basics, script: ScriptStep, leads: Leads, schedule: Schedule, review: Review }[step];
  return html`<div class="page wiz">
    <header class="page-head">
      <div class="grow">
        <button class="crumb linkbtn" onClick=${leave}><${Icon} n="chevron-left" c="s" />Campaigns</button>
        <h1>New campaign</h1>
      </div>
    </header>
    <div class="wiz-grid">
      <nav aria-label="Steps">
        <ol class="steps">
          ${STEPS.map(([k, l], j) => {
            const ok = j < i && !Object.keys(RULES[k](d)).length;
            return html`<li key=${k}>
              <button
                aria-current=${k === step ? 'step' : undefined}
                disabled=${j > i}
                onClick=${() => setQuery({ step: k })}
              >
                <span class=${'num-dot' + (ok ? ' ok' : j < i ? ' todo' : '')}
                  >${ok ? html`<${Icon} n="check" c="s" />` : j < i ? '!' : j + 1}</span
                ><span>${l}${j < i && html`<span class="vh">${ok ? ' (done)' : ' (needs a look)'}</span>`}</span>
              </button>
            </li>`;
          })}
        </ol>
      </nav>
      <div class="stack">
        <div class="card wiz-card">
          <h2 ref=${h} tabindex="-1">${TITLES[step]}</h2>
          <${S} />
        </div>
        <div class="row wiz-foot">
          ${i > 0 && html`<button class="btn" onClick=${() => setQuery({ step: STEPS[i - 1][0] })}><${Icon} n="arrow-left" c="s" />Back</button>`}<span
            class="grow faint small"
            >Draft kept as you type</span
          >
          ${step === 'review' ? html`<button class="btn" disabled=${!!busy.value} onClick=${() => create(false)}>Save as draft</button><button class="btn primary" disabled=${!!busy.value || !report.value} onClick=${() => create(true)}><${Icon} n=${busy.value === 'start' ? 'loader-circle' : 'play'} c=${busy.value === 'start' ? 's spin' : 's'} />Start calling</button>` : html`<button class="btn primary" onClick=${next}>Continue<${Icon} n="arrow-right" c="s" /></button>`}
        </div>
      </div>
    </div>
  </div>`;
}
const TITLES = {
  basics: 'What is this campaign about?',
  script: 'What should the agent say?',
  leads: 'Who should be called?',
  schedule: 'When, how often and for how much?',
  review: 'Check and start',
};
const Basics = () =>
  html`<div class="stack">
    <${Field} label="Name" error=${errs.value.name} hint="Only you see this."
      >${(a) => html`<input class="input" placeholder="Appointment reminders – December" maxlength="120" ...${bind('name')} ...${a} />`}<//
    >
    <fieldset class="field">
      <legend class="label" style="margin-bottom:8px">Start from</legend>
      <div class="picks">
        ${[
          ['reminder', 'Appointment reminder', 'Confirm, move or cancel', 'calendar-clock'],
          ['survey', 'Short survey', 'Three questions, then thanks', 'activity'],
          ['notice', 'Announcement', 'One message, no questions', 'megaphone'],
          ['blank', 'Empty script', 'Write your own', 'file-text'],
        ].map(
          ([k, l, s, ic], i) =>
            html`<label key=${k} class="pick"
              ><input type="radio" name="tpl" defaultChecked=${i === 0} /><span
                ><${Icon} n=${ic} c="l" /><span><b class="strong">${l}</b><small>${s}</small></span></span
              ></label
            >`,
        )}
      </div>
    </fieldset>
  </div>`;
function ScriptStep() {
  const d = draft.value,
    ta = useRef(null),
    [vs] = useResource('v', (o) => get('/voices', o));
  const sample = imp.value
    ? Object.fromEntries(
        imp.value.columns.filter((c) => map.value[c.name]).map((c) => [map.value[c.name], c.sample[0]]),
      )
    : { first_name: 'Ana', doctor: 'Doctor Weiss', date: 'Thursday', time: '10:30' };
  const known = [...new Set(['first_name', ...vars(d.script), ...mapped().filter((v) => v !== 'phone')])];
  const insert = (v) => {
    const t = ta.current,
      s = t.selectionStart ?? d.script.length,
      txt = d.script.slice(0, s) + `{${v}}` + d.script.slice(t.selectionEnd);
    set({ script: txt });
    requestAnimationFrame(() => {
      t.focus();
      t.setSelectionRange(s + v.length + 2, s + v.length + 2);
    });
  };
  return html`<div class="stack">
    <${Field}
      label="Opening script"
      error=${errs.value.script}
      hint="Words in {curly brackets} are filled in for each lead. {first_name|there} says “there” when the name is missing."
      >${(a) => html`<textarea class="input" rows="5" ref=${ta} ...${bind('script')} ...${a}></textarea>`}<//
    >
    <div class="row wrap">
      <span class="small muted" id="vh">Insert</span>
      <div class="chips" role="group" aria-labelledby="vh">
        ${known.map((v) => html`<button key=${v} type="button" class="chip" onClick=${() => insert(v)}>${`{${v}}`}</button>`)}
      </div>
    </div>
    <div class="preview">
      <div class="row">
        <${Icon} n="eye" c="s" /><b class="strong grow">Heard by ${sample.first_name || 'a lead'}</b
        ><span class="small muted num">about ${spoken(d.script)} s</span
        ><${Sample} src=${`api/v1/voices/${d.voice}/sample`} label="the script in this voice" />
      </div>
      <p class="script" aria-live="polite">${fill(d.script, sample)}</p>
    </div>
    <${Field}
      label="Instructions to the agent"
      hint="How it should behave after the opening: goal, tone, things it must never say."
      >${(a) => html`<textarea class="input" rows="4" ...${bind('system_prompt')} ...${a}></textarea>`}<//
    >
    <fieldset class="field">
      <legend class="label" style="margin-bottom:8px">Voice</legend>
      <div class="picks three">
        ${(vs.value.data || []).map(
          (v) =>
            html`<div key=${v.id} class="pick">
              <label
                ><input
                  type="radio"
                  name="voice"
                  checked=${d.voice === v.id}
                  onChange=${() => set({ voice: v.id })}
                /><span
                  ><span><b class="strong">${v.name}</b><small>${v.lang} · ${v.tone}</small></span></span
                ></label
              ><${Sample} src=${`api/v1/voices/${v.id}/sample`} label=${v.name} />
            </div>`,
        )}
      </div>
    </fieldset>
  </div>`;
}
function Leads() {
  const busy = useSignal(false),
    drag = useSignal(false),
    r = report.value,
    im = imp.value;
  const upload = async (file) => {
    if (!file) return;
    busy.value = true;
    try {
      const f = new FormData();
      f.append('file', file);
      const x = await api('POST', '/imports', f);
      imp.value = { ...x, file: file.name };
      map.value = Object.fromEntries(x.columns.map((c) => [c.name, c.guess]));
      report.value = null;
      await check();
    } catch (e) {
      fail(e);
    }
    busy.value = false;
  };
  const check = async () => {
    if (!mapped().includes('phone')) {
      report.value = null;
      return;
    }
    report.value = await post(`/imports/${imp.value.id}/check`, { map: map.value });
  };
  const choose = (col, v) => {
    const m = { ...map.value };
    for (const k in m) if (v && m[k] === v) m[k] = '';
    m[col] = v;
    map.value = m;
    errs.value = {};
    check().catch(fail);
  };
  if (!im)
    return html`<div class="stack">
      <label
        class=${'drop' + (drag.value ? ' over' : '')}
        onDragOver=${(e) => {
          e.preventDefault();
          drag.value = true;
        }}
        onDragLeave=${() => {
          drag.value = false;
        }}
        onDrop=${(e) => {
          e.preventDefault();
          drag.value = false;
          upload(e.dataTransfer.files[0]);
        }}
      >
        <input type="file" accept=".csv,text/csv" class="vh" onChange=${(e) => upload(e.target.files[0])} /><${Icon}
          n=${busy.value ? 'loader-circle' : 'file-spreadsheet'}
          c=${busy.value ? 'l spin' : 'l'}
        /><b class="strong">${busy.value ? 'Reading the file…' : 'Drop a CSV file here, or choose one'}</b
        ><span class="muted small"
          >The first row holds the column names. Up to 50 MB. Nothing is called yet.</span
        ></label
      >
      <p class="small muted">
        No file at hand?
        <button
          class="linkbtn"
          style="color:var(--accent-text)"
          onClick=${() => upload(new File(['x'], 'example-leads.csv'))}
        >
          Use the example list</button
        >, or continue and add leads later.
      </p>
    </div>`;
  const opts = [...new Set(['phone', ...vars(draft.value.script), 'first_name', 'last_name', 'email', 'external_id'])];
  return html`<div class="stack">
    <div class="row wrap">
      <${Icon} n="file-spreadsheet" /><b class="strong">${im.file}</b><span class="muted num">${num(im.rows)} rows</span
      ><span class="grow"></span
      ><button
        class="btn small"
        onClick=${() => {
          imp.value = report.value = null;
        }}
      >
        Choose another file
      </button>
    </div>
    ${errs.value.phone && html`<p class="err" role="alert" style="color:var(--danger)">${errs.value.phone}</p>`}
    <div class="scroll-x bordered">
      <table class="table map">
        <thead>
          <tr>
            <th>Column in your file</th>
            <th class="opt">Examples</th>
            <th>Use as</th>
          </tr>
        </thead>
        <tbody>
          ${im.columns.map(
            (c) =>
              html`<tr key=${c.name}>
                <td>
                  <b class="strong">${c.name}</b>
                  <div class="only-s muted small"><span class="clip">${c.sample.find(Boolean) || 'empty'}</span></div>
                </td>
                <td class="muted small opt">
                  <span class="clip">${c.sample.filter(Boolean).join(' · ') || 'empty'}</span>
                </td>
                <td>
                  <select
                    class="input"
                    aria-label=${`Use column ${c.name} as`}
                    value=${map.value[c.name]}
                    onChange=${(e) => choose(c.name, e.target.value)}
                  >
                    <option value="">Do not import</option>
                    ${opts.map((o) => html`<option key=${o} value=${o}>${o === 'phone' ? 'Phone number' : `{${o}}`}</option>`)}
                  </select>
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${
      missing().length > 0 &&
      html`<div class="note warn">
        <${Icon} n="triangle-alert" />
        <div>
          The script uses ${missing().map((v) => html`<code key=${v}>{${v}} </code>`)} but no column fills it. Map a
          column, or add a fallback such as <code>{${missing()[0]}|…}</code>.
        </div>
      </div>`
    }
    ${
      r &&
      html`<section aria-label="Check of the file" class="stack">
        <dl class="report">
          <div class="ok">
            <dd class="num">${num(r.ready)}</dd>
            <dt>ready to call</dt>
          </div>
          <div>
            <dd class="num">${num(r.duplicates)}</dd>
            <dt>duplicates, skipped</dt>
          </div>
          <div class=${r.invalid && 'bad'}>
            <dd class="num">${num(r.invalid)}</dd>
            <dt>not a phone number</dt>
          </div>
          <div>
            <dd class="num">${num(r.dnc)}</dd>
            <dt>on the do-not-call list</dt>
          </div>
        </dl>
        <details class="bordered" open>
          <summary>Rows that will be skipped</summary>
          <div class="scroll-x" tabindex="0" role="region" aria-label="Rows that will be skipped">
            <table class="table small">
              <thead>
                <tr>
                  <th>Row</th>
                  <th>Column</th>
                  <th>Value</th>
                  <th>Reason</th>
                </tr>
              </thead>
              <tbody>
                ${r.problems.map(
                  (p) =>
                    html`<tr key=${p.row}>
                      <td class="num">${num(p.row)}</td>
                      <td>${p.field}</td>
                      <td class="mono">${p.value || '(empty)'}</td>
                      <td>${p.why}</td>
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>
          <div class="row" style="padding:10px 14px">
            <span class="muted small grow">Showing 4 of 58</span
            ><button class="btn small" onClick=${() => toast('skipped-rows.csv downloaded.')}>
              <${Icon} n="download" c="s" />Download all skipped rows
            </button>
          </div>
        </details>
      </section>`
    }
  </div>`;
}
const mins = (t) => +t.slice(0, 2) * 60 + +t.slice(3);
function Schedule() {
  const d = draft.value,
    e = errs.value,
    zones = Intl.supportedValuesOf('timeZone'),
    a0 = (mins(d.from) / 1440) * 100,
    w0 = Math.max(0, ((mins(d.to) - mins(d.from)) / 1440) * 100);
  const now = new Intl.DateTimeFormat('en', {
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
    timeZone: d.tz,
    hourCycle: 'h23',
  }).format(new Date());
  const n = (k, l, x = {}) =>
    html`<${Field} label=${l} hint=${x.hint} error=${e[k]}
      >${(a) => html`${x.pre || x.post ? html`<div class=${'affix' + (x.pre ? ' pre' : '')}>${x.pre && html`<span aria-hidden="true">${x.pre}</span>`}<input class="input num" type="number" inputmode="decimal" min="0" step=${x.step || 1} ...${bind(k, 'number')} ...${a} />${x.post && html`<span aria-hidden="true">${x.post}</span>`}</div>` : html`<input class="input num" type="number" min="0" ...${bind(k, 'number')} ...${a} />`}`}<//
    >`;
  return html`<div class="stack">
    <fieldset class="field" aria-describedby=${e.days ? 'days-e' : undefined}>
      <legend class="label" style="margin-bottom:8px">Calling days</legend>
      <div class="toggle-days">
        ${DAYS.map((l, i) => html`<label key=${l}><input type="checkbox" checked=${d.days.includes(i)} aria-invalid=${e.days ? 'true' : undefined} onChange=${(ev) => set({ days: ev.target.checked ? [...d.days, i].sort() : d.days.filter((x) => x !== i) })} /><span>${l}</span></label>`)}
      </div>
      ${e.days && html`<p class="err" id="days-e"><${Icon} n="circle-alert" c="s" />${e.days}</p>`}
    </fieldset>
    <div class="cols">
      <${Field} label="From">${(a) => html`<input class="input num" type="time" ...${bind('from')} ...${a} />`}<//
      ><${Field} label="Until" error=${e.to}
        >${(a) => html`<input class="input num" type="time" ...${bind('to')} ...${a} />`}<//
      ><${Field} label="Time zone" hint=${`There it is ${now} now`}
        >${(a) =>
          html`<select class="input" ...${bind('tz')} ...${a}>
            ${zones.map((z) => html`<option key=${z} value=${z}>${z.replaceAll('_', ' ')}</option>`)}
          </select>`}<//
      >
    </div>
    <div class="week" role="img" aria-label=${`Calls on ${dayRange(d.days)} from ${d.from} to ${d.to}`}>
      ${DAYS.map(
        (l, i) =>
          html`<div key=${l}>
            <span>${l}</span>
            <div class="track">${d.days.includes(i) && html`<i style=${`left:${a0}%; width:${w0}%`}></i>`}</div>
          </div>`,
      )}
      <div class="hours">
        <span></span>
        <div><b>0</b><b>6</b><b>12</b><b>18</b><b>24</b></div>
      </div>
    </div>
    <div class="cols">
      ${n('calls_per_day', 'Calls per day', { hint: 'Across all lines' })}${n('lines', 'Lines at the same time', { hint: 'Up to 5 on this server' })}${n('budget', 'Budget', { pre: '$', step: '0.01', hint: 'Calling stops when it is used up' })}
    </div>
    <div class="cols">
      ${n('retries', 'Retries per lead', { hint: 'After no answer, busy or voicemail' })}${n('wait_hours', 'Wait before a retry', { post: 'hours' })}
    </div>
  </div>`;
}
function Review() {
  const d = draft.value,
    r = report.value,
    n = r?.ready || 0,
    attempts = n * (1 + d.retries * 0.32),
    cost = attempts * ((spoken(d.script) * 2.4) / 60) * 0.066,
    days = Math.ceil(attempts / d.calls_per_day);
  const line = (k, l, v, warn) =>
    html`<li class="rev">
      <span class="k">${l}</span>
      <div class="v">
        ${v}${warn && html`<div class="small warn-t"><${Icon} n="triangle-alert" c="s" />${warn}</div>`}
      </div>
      <button class="btn ghost small" onClick=${() => setQuery({ step: k })}>Edit<span class="vh"> ${l}</span></button>
    </li>`;
  return html`<div class="stack">
    ${
      n
        ? html`<div class="est">
            <div><b class="num">${num(n)}</b><span>people</span></div>
            <div><b class="num">${plural(days, 'day')}</b><span>of calling</span></div>
            <div><b class="num">${money(cost, 'USD', 0)}</b><span>estimated cost</span></div>
          </div>`
        : html`<div class="note warn">
            <${Icon} n="users" />
            <div class="grow">
              <strong>There are no leads yet.</strong> You can save a draft now and add them later.
            </div>
            <button class="btn small" onClick=${() => setQuery({ step: 'leads' })}>Add leads</button>
          </div>`
    }
    ${
      cost > d.budget &&
      html`<div class="note warn">
        <${Icon} n="wallet" />
        <div>The estimate is above the budget of ${money(d.budget)}. Calling will stop when the budget is used up.</div>
      </div>`
    }
    <ul class="revs">
      ${line('basics', 'Name', d.name || html`<span class="faint">Not given</span>`)}${line('script', 'Script', html`<span class="clamp">${d.script}</span>`)}${line('script', 'Voice', d.voice[0].toUpperCase() + d.voice.slice(1))}${line(
        'leads',
        'Leads',
        imp.value ? `${num(n)} from ${imp.value.file}` : 'None',
        imp.value && missing().length
          ? `No column fills ${missing()
              .map((v) => `{${v}}`)
              .join(', ')}.`
          : '',
      )}${line('schedule', 'Schedule', `${dayRange(d.days)}, ${d.from}–${d.to}, ${d.tz.replaceAll('_', ' ')}`)}${line('schedule', 'Limits', `${num(d.calls_per_day)} calls a day on ${plural(d.lines, 'line')}, ${plural(d.retries, 'retry', 'retries')}, budget ${money(d.budget)}`)}
    </ul>
    <div class="note">
      <${Icon} n="shield-check" />
      <div>
        The server is in <strong>simulator mode</strong>: no real phone is called. Before real calls, make sure that you
        may call these people and that the agent says it is automated.
      </div>
    </div>
  </div>`;
}
