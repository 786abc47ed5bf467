// One campaign: how it stands, what its calls amount to, and its tabs.
import { html, useEffect, useRef } from '../lib/ui.js';
import { ask, canWrite, get, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { closeSheet, route, go } from '../lib/router.js';
import { Empty, Icon, Loading, Problem, Standing } from '../components/basic.js';
import { ActionDialogs, MainAction, MoreActions } from '../components/campaign-actions.js';
import { CallSheet } from '../components/call-sheet.js';
import { isOther, OtherCallSheet } from '../components/other-call-sheet.js';
import { CampaignOverview } from './campaign-overview.js';
import { CampaignCalls } from './campaign-calls.js';
import { CampaignLeads } from './campaign-leads.js';
import { CampaignAgent } from './campaign-agent.js';
import { CampaignScript } from './campaign-script.js';
import { CampaignRehearsal } from './campaign-rehearsal.js';

export const title = 'Campaign';

const TABS = [
  ['', 'Overview', CampaignOverview],
  ['calls', 'Calls', CampaignCalls],
  ['leads', 'Leads', CampaignLeads],
  ['script', 'Script and schedule', CampaignScript],
  ['agent', 'Agent', CampaignAgent],
  ['rehearsal', 'Rehearsal', CampaignRehearsal],
];

const tabOf = (key) => TABS.find(([other]) => other === key) ?? TABS[0];

/** A campaign with its statistics, as lists show it too. */
async function load(id, options) {
  const path = `/voice-campaigns/${id}`;
  const [{ data }, stats] = await Promise.all([ask('GET', path, undefined, options), get(`${path}/stats`, options)]);
  return { ...data, stats };
}

export default function Campaign({ params: { id, tab = '' } }) {
  const [resource, reload] = useResource(id, (options) => load(id, options));
  const { data: campaign, error } = resource.value;
  const change = (changed) => {
    const { data } = resource.peek();
    if (data) resource.value = { ...resource.peek(), data: changed(data) };
  };
  useLive({
    campaign: ({ id: changedId, deleted, ...patch }) => {
      if (String(changedId) !== id) return;
      if (deleted) go('/campaigns');
      else change((data) => ({ ...data, ...patch }));
    },
    stats: ({ campaign_id: changedId, ...patch }) => {
      if (String(changedId) === id) change((data) => ({ ...data, stats: { ...data.stats, ...patch } }));
    },
    resync: reload,
  });
  const name = campaign?.name;
  useEffect(() => {
    if (name) document.title = `${name}: ${tabOf(tab)[1]} – Voice campaigns`;
  }, [name, tab]);
  if (error) return html`<${Missing} error=${error} retry=${reload} />`;
  if (!campaign) {
    return html`<div class="page">
      <h1 class="vh">Campaign</h1>
      <${Loading} rows=${4} h=${90} />
    </div>`;
  }
  const [, , Tab] = tabOf(tab);
  const { call } = route.value.query;
  const SheetOf = isOther(call) ? OtherCallSheet : CallSheet;
  return html`<div class="page">
    <${Header} campaign=${campaign} onChange=${reload} />
    <${Tabs} id=${id} tab=${tab} />
    <${Tab} key=${tab} campaign=${campaign} onChange=${reload} />
    ${call && html`<${SheetOf} id=${call} campaign=${campaign} onClose=${() => closeSheet('call')} />`}
    <${ActionDialogs} />
  </div>`;
}

function Tabs({ id, tab }) {
  const ref = useRef(null);
  // On a phone there are more of them than fit side by side.
  useEffect(() => {
    const here = ref.current.querySelector('[aria-current]')?.getBoundingClientRect();
    const frame = ref.current.getBoundingClientRect();
    if (here) ref.current.scrollLeft += here.left - frame.left - (frame.width - here.width) / 2;
  }, [tab]);
  return html`<nav class="tabs" aria-label="Campaign" ref=${ref}>
    ${TABS.map(
      ([key, label]) =>
        html`<a
          key=${key}
          href=${`#/campaigns/${id}${key && '/' + key}`}
          aria-current=${tab === key ? 'page' : undefined}
          >${label}</a
        >`,
    )}
  </nav>`;
}

const Missing = ({ error, retry }) =>
  html`<div class="page">
    <h1 class="vh">Campaign</h1>
    ${
      error.status === 404
        ? html`<${Empty}
            icon="megaphone"
            title="There is no such campaign"
            actions=${html`<a class="btn" href="#/campaigns">All campaigns</a>`}
          >
            It may have been deleted.
          <//>`
        : html`<${Problem} error=${error} retry=${retry} /> <a href="#/campaigns">All campaigns</a>`
    }
  </div>`;

function Header({ campaign, onChange }) {
  return html`<header>
    <a class="crumb" href="#/campaigns"><${Icon} n="chevron-left" c="s" />Campaigns</a>
    <div class="page-head wide">
      <div class="grow">
        <h1>${campaign.name}</h1>
        <div class="row wrap muted standing"><${Standing} campaign=${campaign} /></div>
      </div>
      <div class="row actions">
        ${
          canWrite.value &&
          campaign.status !== 'completed' &&
          html`<${MainAction} campaign=${campaign} onChange=${onChange} />`
        }
        <${MoreActions} campaign=${campaign} onChange=${onChange} onDeleted=${() => go('/campaigns')} />
      </div>
    </div>
  </header>`;
}
