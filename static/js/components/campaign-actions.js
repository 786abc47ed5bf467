// Start, pause, resume, complete, delete: one place, so the list and the detail page say the same things.
import { html, useSignal } from '../lib/ui.js';
import { api, post } from '../lib/api.js';
import { toast, fail, confirm } from '../lib/notify.js';
import { num, money } from '../lib/format.js';
import { Icon, Menu } from './basic.js';
const left = (c) => c.leads.total - c.leads.done;
export async function act(c, what, done) {
  if (
    what === 'start' &&
    c.status === 'draft' &&
    !(await confirm({
      title: `Start “${c.name}”?`,
      ok: 'Start calling',
      body: html`Up to ${num(left(c))} people will be called, within the calling hours
      ${c.schedule.from}–${c.schedule.to} (${c.schedule.tz}), at most ${num(c.calls_per_day)} calls a day. You can pause
      at any time.`,
    }))
  )
    return;
  if (
    what === 'complete' &&
    !(await confirm({
      title: 'Complete this campaign?',
      ok: 'Complete campaign',
      danger: true,
      body: html`${num(left(c))} leads have not been reached and will not be called. Results stay. This cannot be
      undone.`,
    }))
  )
    return;
  if (
    what === 'delete' &&
    !(await confirm({
      title: `Delete “${c.name}”?`,
      ok: 'Delete for good',
      danger: true,
      body: 'Leads, calls, transcripts and recordings of this campaign are removed. Numbers on the do-not-call list stay there.',
    }))
  )
    return;
  try {
    const r = what === 'delete' ? await api('DELETE', `/campaigns/${c.id}`) : await post(`/campaigns/${c.id}/${what}`);
    if (what === 'pause')
      toast('Paused. Calls in progress may finish.', { action: 'Resume', onAction: () => act(c, 'start', done) });
    if (what === 'start')
      toast(
        c.status === 'attention'
          ? `Budget raised to ${money(c.spend.budget + 50, c.currency)}. Calling again.`
          : 'Calling has started.',
      );
    if (what === 'complete') toast('Campaign completed.');
    if (what === 'delete') toast('Campaign deleted.');
    done?.(r, what);
  } catch (e) {
    fail(e);
  }
}
export function MainAction({ c, done, small }) {
  const busy = useSignal(false),
    cls = small ? 'btn small' : 'btn';
  const run = async (w) => {
    if (busy.value) return;
    busy.value = true;
    await act(c, w, done);
    busy.value = false;
  };
  const ic = (n) => html`<${Icon} n=${busy.value ? 'loader-circle' : n} c=${busy.value ? 's spin' : 's'} />`;
  const sr = html`<span class="vh">: ${c.name}</span>`;
  if (c.status === 'calling' || c.status === 'waiting')
    return html`<button class=${cls} onClick=${() => run('pause')}>${ic('pause')}Pause${sr}</button>`;
  if (c.status === 'paused')
    return html`<button class=${cls} onClick=${() => run('start')}>${ic('play')}Resume${sr}</button>`;
  if (c.status === 'attention')
    return html`<button class=${cls} onClick=${() => run('start')}>${ic('wallet')}Raise budget${sr}</button>`;
  if (c.status === 'draft')
    return c.leads.total
      ? html`<button class=${cls} onClick=${() => run('start')}>${ic('play')}Start${sr}</button>`
      : html`<a class=${cls} href=${`#/campaigns/${c.id}/leads`}><${Icon} n="upload" c="s" />Add leads${sr}</a>`;
  return html`<a class=${cls} href=${`#/campaigns/${c.id}`}>Results${sr}</a>`;
}
export const MoreActions = ({ c, done, small }) =>
  html`<${Menu}
    small=${small}
    label=${`More actions for ${c.name}`}
    items=${[
      { label: 'Edit', icon: 'pencil', href: `#/campaigns/${c.id}/script` },
      { label: 'Duplicate', icon: 'copy', onClick: () => toast('Duplicated as a draft.') },
      { label: 'Export results (CSV)', icon: 'download', onClick: () => toast('The export is ready.') },
      '-',
      c.status !== 'completed' &&
        c.status !== 'draft' && { label: 'Complete…', icon: 'check-check', onClick: () => act(c, 'complete', done) },
      { label: 'Delete…', icon: 'trash-2', danger: true, onClick: () => act(c, 'delete', done) },
    ]}
  />`;
