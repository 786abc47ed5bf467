// The imports of a campaign: what each brought, the rows that did not come in, and undoing one.
import { html } from '../lib/ui.js';
import { canWrite, del, downloadUrl } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { setQuery } from '../lib/router.js';
import { ago, num, plural, stamp } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { ActionButton, Empty, Icon, Loading, marked, Problem, Sheet, Status } from './basic.js';
import { Pager, usePager, useSoon } from './pager.js';

const STATES = { running: ['waiting', 'Running'], completed: ['calling', 'Done'], undone: ['draft', 'Undone'] };

/** @param {{campaign: object, onClose: () => void, onChange: () => void}} props */
export function ImportsSheet({ campaign, onClose, onChange }) {
  const pager = usePager(`/voice-campaigns/${campaign.id}/imports`, { limit: 20, param: 'imports' });
  const reloadSoon = useSoon(pager.reload, 1000);
  useLive({ import: reloadSoon, resync: pager.reload });
  const changed = () => {
    pager.reload();
    onChange();
  };
  const close = () => {
    setQuery({ imports: '' });
    onClose();
  };
  return html`<${Sheet} title="Imports" sub=${campaign.name} onClose=${close}>
    ${
      pager.error
        ? html`<${Problem} error=${pager.error} retry=${pager.reload} />`
        : !pager.items
          ? html`<${Loading} rows=${3} />`
          : pager.items.length
            ? html`<ul class="tries">
                  ${pager.items.map(
                    (one) =>
                      html`<${Import}
                        key=${one.id}
                        campaign=${campaign}
                        one=${one}
                        close=${close}
                        onChange=${changed}
                      />`,
                  )}
                </ul>
                <${Pager} pager=${pager} />`
            : html`<${Empty} icon="file-spreadsheet" title="No imports yet">Files you import are listed here.<//>`
    }
  <//>`;
}

function Import({ campaign, one, close, onChange }) {
  const { id, state, file_name: file, made_by: by, created_at: at, imported, updated, skipped, rejected, error } = one;
  const path = `/voice-campaigns/${campaign.id}/imports/${id}`;
  const left = skipped + rejected;
  const [kind, label] = STATES[state] ?? ['attention', 'Failed'];
  const counts = [
    `${num(imported)} new`,
    updated > 0 && `${num(updated)} updated`,
    skipped > 0 && `${num(skipped)} left out`,
    rejected > 0 && `${num(rejected)} with problems`,
  ].filter(Boolean);
  const undo = async () => {
    const isSure = await confirm({
      title: 'Undo this import?',
      ok: 'Undo import',
      danger: true,
      body: `${plural(imported, 'lead')} that it brought leave the campaign. This works only while none of them was called.`,
    });
    if (!isSure) return;
    try {
      await del(path);
      toast('The import is undone.');
      onChange();
    } catch (problem) {
      fail(problem);
    }
  };
  const show = () => {
    close();
    setQuery({ import: String(id), at: '' });
  };
  return html`<li>
    <div class="row wrap">
      <b class="strong wrap-any">${file ?? `Import ${id}`}</b><${Status} s=${kind} label=${label} />
      <span class="grow"></span><span class="muted small" title=${stamp(at, campaign.time_zone)}>${ago(at)}</span>
    </div>
    <p class="muted small">${counts.join(', ')}. By ${by}.</p>
    ${error && html`<p class="small warn-t wrap-any">${marked(error)}</p>`}
    <div class="row wrap">
      ${imported > 0 && state !== 'undone' && html`<button type="button" class="btn small" onClick=${show}>Show its leads</button>`}
      ${
        left > 0 &&
        state !== 'running' &&
        html`<a class="btn small" href=${downloadUrl(`${path}/skipped`)} download
          ><${Icon} n="download" c="s" />Rows left out</a
        >`
      }
      ${
        canWrite.value &&
        imported > 0 &&
        state !== 'undone' &&
        state !== 'running' &&
        html`<${ActionButton} class="btn small danger" icon="rotate-ccw" run=${undo}>Undo…<//>`
      }
    </div>
  </li>`;
}
