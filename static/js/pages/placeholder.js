import { html } from '../lib/ui.js';
import { Empty } from '../components/basic.js';
import { route } from '../lib/router.js';
export const title = 'Not in this prototype';
export default () =>
  html`<div class="page">
    <h1 class="vh">Not in this prototype</h1>
    <${Empty}
      icon="flag"
      title="Not part of this prototype"
      actions=${html`<a class="btn" href="#/campaigns">Back to campaigns</a>`}
      >${`The page “${route.value.path}” is specified in the report but not drawn here.`}<//
    >
  </div>`;
