// What is shown where no page is.
import { html } from '../lib/ui.js';
import { route } from '../lib/router.js';
import { Empty } from '../components/basic.js';

export const title = 'Not found';

export default function NotFound() {
  return html`<div class="page">
    <h1 class="vh">Not found</h1>
    <${Empty}
      icon="flag"
      title="There is no such page"
      actions=${html`<a class="btn" href="#/campaigns">All campaigns</a>`}
    >
      ${`Nothing is at “${route.value.path}”.`}
    <//>
  </div>`;
}
