import { html, useSignal } from '../lib/ui.js';
import { Icon, Field, Empty } from '../components/basic.js';
import { toast } from '../lib/notify.js';
import { ago, num } from '../lib/format.js';
export const title = 'Do not call';
export default function Dnc() {
  const list = useSignal(
      [
        ['+44 7700 900113', 'Asked during a call', 2],
        ['+49 30 23125 171', 'Added by you', 30],
        ['+1 202 555 0148', 'Imported from optout.csv', 200],
        ['+1 202 555 0171', 'Imported from optout.csv', 200],
      ].map(([phone, why, h]) => ({ phone, why, at: Date.now() - h * 36e5 })),
    ),
    v = useSignal(''),
    err = useSignal(''),
    q = useSignal('');
  const add = (e) => {
    e.preventDefault();
    if (!/^\+?[\d\s()/-]{7,}$/.test(v.value)) {
      err.value = 'Enter a phone number, for example +49 30 23125 118.';
      return;
    }
    const x = { phone: v.value, why: 'Added by you', at: Date.now() };
    list.value = [x, ...list.value];
    v.value = '';
    toast('Added. Every campaign skips this number.', {
      action: 'Undo',
      onAction: () => {
        list.value = list.value.filter((y) => y !== x);
      },
    });
  };
  const del = (x) => {
    list.value = list.value.filter((y) => y !== x);
    toast(`${x.phone} may be called again.`, {
      action: 'Undo',
      onAction: () => {
        list.value = [x, ...list.value];
      },
    });
  };
  const shown = list.value.filter((x) => x.phone.replace(/\D/g, '').includes(q.value.replace(/\D/g, '')));
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>Do not call</h1>
        <p>Numbers that no campaign ever calls. The agent adds people who ask for it.</p>
      </div>
      <button class="btn"><${Icon} n="upload" />Import CSV</button>
    </header>
    <form class="card dnc-add" onSubmit=${add} novalidate>
      <${Field} label="Add a number" error=${err.value}
        >${(a) =>
          html`<input
            class="input num"
            type="tel"
            placeholder="+49 30 23125 118"
            value=${v.value}
            onInput=${(e) => {
              v.value = e.target.value;
              err.value = '';
            }}
            ...${a}
          />`}<//
      ><button class="btn">Add number</button>
    </form>
    <div class="card">
      <div style="padding:14px 18px 6px">
        <div class="search" style="max-width:300px">
          <${Icon} n="search" c="s" /><input
            class="input"
            type="search"
            data-search
            placeholder="Find a number"
            aria-label="Find a number"
            value=${q.value}
            onInput=${(e) => {
              q.value = e.target.value;
            }}
          />
        </div>
      </div>
      ${
        shown.length
          ? html`<div class="scroll-x">
              <table class="table">
                <thead>
                  <tr>
                    <th>Number</th>
                    <th>Why</th>
                    <th class="r">Added</th>
                    <th><span class="vh">Actions</span></th>
                  </tr>
                </thead>
                <tbody>
                  ${shown.map(
                    (x) =>
                      html`<tr key=${x.phone}>
                        <td class="num nowrap strong">${x.phone}</td>
                        <td class="muted">${x.why}</td>
                        <td class="r muted nowrap">${ago(x.at)}</td>
                        <td class="r">
                          <button class="btn ghost small" onClick=${() => del(x)}>
                            Remove<span class="vh"> ${x.phone}</span>
                          </button>
                        </td>
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>`
          : html`<${Empty} icon="ban" title=${q.value ? 'No such number' : 'The list is empty'}
              >${q.value ? 'This number is not on the list.' : 'Add numbers here, or import an opt-out list.'}<//
            >`
      }
    </div>
  </div>`;
}
