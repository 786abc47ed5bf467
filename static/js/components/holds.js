// Why a lead is not called now, in words without the names of settings.
import { sentence } from '../lib/format.js';

/** Words for reasons whose sentence in the API names a setting or a field; the others are the server's. */
const WORDS = {
  draft: 'The campaign is a draft and has not been started.',
  paused: 'The campaign is paused.',
  carrier_down: 'The carrier failed too often, so the campaign was paused.',
  carrier_refused: 'The carrier refuses our calls, so the campaign was paused.',
  completed: 'The campaign is completed.',
  attempts_used_up: 'The lead has had all the attempts that the campaign allows.',
  time_zone_unknown: 'Nobody knows in which time zone the lead is. Give it one.',
  schedule_ended: 'The last day of the campaign is over.',
  daily_limit: 'The calls of this day are used up.',
  retry_later: 'It waits for its next attempt.',
  country_not_allowed: 'Numbers of this country may not be called from this server.',
  agent_busy: 'The agent holds as many conversations as it can.',
  agent_missing: 'An agent is to talk, and none is set up on this server.',
  agent_failed: 'The agent failed on two calls in a row, so the campaign was paused.',
  called_too_often: 'The number was called as often as it may be in 24 hours.',
  spending_limit: 'All campaigns together have spent what they may in a day.',
};

/** @param {{reason: string, message: string, detail?: string}} hold */
export const holdWords = ({ reason, message, detail }) =>
  [WORDS[reason] ?? sentence(message), detail && sentence(detail)].filter(Boolean).join(' ');
