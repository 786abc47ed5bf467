import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { dur, stamp, clock, money } from '../lib/format.js';
import { Sheet, Outcome, Loading, Problem, Icon } from './basic.js';
import { toast, confirm } from '../lib/notify.js';
import { Player } from './player.js';
export function CallSheet({ id, onClose }) {
  const [res, reload] = useResource(id, (o) => get('/calls/' + id, o)),
    c = res.value.data,
    t = useSignal(-1),
    player = useRef(null);
  const block = async () => {
    if (
      await confirm({
        title: `Never call ${c.lead} again?`,
        ok: 'Add to do-not-call list',
        danger: true,
        body: `${c.phone} will be skipped by every campaign, now and later.`,
      })
    )
      toast('Added to the do-not-call list.', { action: 'Undo', onAction: () => toast('Removed from the list.') });
  };
  return html`<${Sheet}
    title=${c ? c.lead : 'Call'}
    sub=${c && html`<span class="num">${c.phone}</span> · attempt ${c.attempt} · ${stamp(c.at)}`}
    onClose=${onClose}
  >
    ${
      res.value.error
        ? html`<${Problem} error=${res.value.error} retry=${reload} />`
        : !c
          ? html`<${Loading} rows=${3} h=${70} />`
          : html` <div class="row wrap" style="gap:18px">
                <${Outcome} o=${c.outcome} /><span class="muted num">${dur(c.seconds)}</span
                ><span class="muted num">${money(c.cost, 'USD', 3)}</span><span class="grow"></span
                ><button class="btn small danger" onClick=${block}><${Icon} n="ban" c="s" />Do not call again</button>
              </div>
              ${
                c.summary &&
                html`<div class="note ok">
                  <${Icon} n="check" />
                  <div>${c.summary}</div>
                </div>`
              }
              ${
                c.turns.length
                  ? html`<${Player}
                        src=${`api/v1/calls/${c.id}/recording`}
                        seconds=${c.seconds}
                        peaks=${c.peaks}
                        api=${player}
                        onTime=${(s) => {
                          t.value = s;
                        }}
                      />
                      <section aria-label="Transcript">
                        <div class="row" style="margin-bottom:6px">
                          <h3 class="grow">Transcript</h3>
                          <a class="btn ghost small" href=${`api/v1/calls/${c.id}/recording`} download
                            ><${Icon} n="download" c="s" />Recording</a
                          >
                        </div>
                        <div class="transcript">
                          ${c.turns.map((x, i) => {
                            const now = t.value >= x.at && t.value > 0 && t.value < (c.turns[i + 1]?.at ?? 1e9);
                            return html`<button
                              key=${i}
                              class=${'turn' + (now ? ' now' : '')}
                              aria-current=${now ? 'true' : undefined}
                              onClick=${() => player.current.seek(x.at)}
                            >
                              <span class=${'who ' + x.who}>${x.who === 'agent' ? 'Agent' : c.lead.split(' ')[0]}</span
                              ><span>${x.text}</span><time>${dur(x.at)}</time>
                            </button>`;
                          })}
                        </div>
                      </section>`
                  : html`<div class="note">
                      <${Icon} n="phone-missed" />
                      <div>
                        There is no conversation to show. The call rang for ${c.seconds} seconds. It will be tried again
                        after the waiting time, up to the retry limit.
                      </div>
                    </div>`
              }
              <section aria-label="Timeline">
                <h3 style="margin-bottom:6px">Timeline</h3>
                <dl class="kv small">
                  ${c.timeline.map(
                    ([k, at]) =>
                      html`<dt key=${k}>${k}</dt>
                        <dd class="num">${clock(at)}</dd>`,
                  )}
                  <dt>Campaign</dt>
                  <dd><a href=${`#/campaigns/${c.campaign_id}`}>${c.campaign}</a></dd>
                </dl>
              </section>`
    }<//
  >`;
}
