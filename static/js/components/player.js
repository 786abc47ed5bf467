// The recording of a call and what was said on it, side by side: the words follow the sound, and a click on a line leads
// to where it is heard. The sound is a file of the server; browsers ask for the parts that they need.
import { cx, html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { canWrite, del, downloadUrl } from '../lib/api.js';
import { dur, plural } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { ActionButton, Icon, Note } from './basic.js';

const SPEEDS = [1, 1.5, 2];
/** Seconds that an arrow key moves. */
const STEP = 5;
/** The height of the picture of the sound; its middle is silence. */
const HEIGHT = 60;

/** Why there is nothing to listen to any more. */
const GONE = {
  retention: 'The recording was deleted: it was kept for as long as the settings say.',
  request: 'The recording was deleted.',
  erasure: 'The recording was deleted because the person was erased.',
  campaign: 'The recording was deleted with its campaign.',
  missing: 'The file of the recording is missing.',
};

/**
 * What can be heard and read of a call.
 * @param {{call: any, onChange: () => void}} props
 */
export function Conversation({ call, onChange }) {
  const audio = useRef(/** @type {HTMLAudioElement|null} */ (null));
  const at = useSignal(0);
  const { recording, recording_gone: gone, transcript } = call;
  const seek = (seconds) => {
    at.value = Math.min(Math.max(seconds, 0), recording.seconds);
    if (audio.current) audio.current.currentTime = at.value;
  };
  const hear = (seconds) => {
    seek(seconds);
    audio.current?.play().catch(() => {});
  };
  return html`${
    recording &&
    html`<${Player} call=${call} audio=${audio} at=${at} seek=${seek} onDelete=${onChange} key=${recording.url} />`
  }
  ${!recording && gone && html`<${Note} icon="volume-2">${GONE[gone] ?? 'The recording is gone.'}<//>`}
  ${transcript?.length > 0 && html`<${Transcript} lines=${transcript} at=${at} hear=${recording && hear} />`}`;
}

function Player({ call, audio, at, seek, onDelete }) {
  const { recording, peaks } = call;
  const isPlaying = useSignal(false);
  const speed = useSignal(1);
  const problem = useSignal('');
  // A sheet that is closed falls silent.
  useEffect(() => () => audio.current?.pause(), []);
  const toggle = () => {
    const sound = audio.current;
    if (!sound) return;
    if (!sound.paused) return sound.pause();
    problem.value = '';
    sound.play().catch((error) => {
      if (error.name !== 'AbortError') problem.value = 'The recording cannot be played. Try to download it.';
    });
  };
  const setSpeed = (value) => {
    speed.value = value;
    if (audio.current) audio.current.playbackRate = value;
  };
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowRight: STEP, ArrowUp: STEP, ArrowLeft: -STEP, ArrowDown: -STEP };
    if (event.key in moves) seek(at.value + moves[event.key]);
    else if (event.key === ' ') toggle();
    else return;
    event.preventDefault();
  };
  // Below the API, as other paths are here.
  const path = recording.url.replace(/^\/api/, '');
  const words = `${dur(at.value)} of ${dur(recording.seconds)}`;
  return html`<section class="player" aria-label="Recording">
    <audio
      ref=${audio}
      src=${downloadUrl(path)}
      preload="metadata"
      onTimeUpdate=${(event) => (at.value = event.currentTarget.currentTime)}
      onPlay=${() => (isPlaying.value = true)}
      onPause=${() => (isPlaying.value = false)}
      onError=${() => (problem.value = 'The recording cannot be played. Try to download it.')}
    ></audio>
    <div class="wave">
      <${Wave} peaks=${peaks} share=${recording.seconds ? at.value / recording.seconds : 0} />
      <input
        type="range"
        min="0"
        max=${recording.seconds}
        step="any"
        value=${at.value}
        aria-label="Place in the recording"
        aria-valuetext=${words}
        onInput=${(event) => seek(Number(event.currentTarget.value))}
        onKeyDown=${onKeyDown}
      />
    </div>
    <div class="row wrap">
      <button type="button" class="btn small primary" data-play onClick=${toggle}>
        <${Icon} n=${isPlaying.value ? 'pause' : 'play'} />${isPlaying.value ? 'Pause' : 'Play'}
      </button>
      <span class="num small">${words}</span>
      <span class="row" role="group" aria-label="Speed">
        ${SPEEDS.map(
          (value) =>
            html`<button
              key=${value}
              type="button"
              class="btn small ghost num"
              aria-pressed=${String(speed.value === value)}
              onClick=${() => setSpeed(value)}
            >
              ${value}×
            </button>`,
        )}
      </span>
      <span class="grow"></span>
      <a class="btn small" href=${downloadUrl(path)} download> <${Icon} n="download" />Download </a>
      ${
        canWrite.value &&
        html`<${ActionButton} class="btn small danger" icon="trash-2" run=${() => remove(path, onDelete)}>Delete…<//>`
      }
    </div>
    ${problem.value && html`<${Note} kind="danger" icon="triangle-alert">${problem.value}<//>`}
  </section>`;
}

/** Both sides: ours above the middle, theirs below. What was heard already has another colour. */
function Wave({ peaks, share }) {
  const count = peaks?.agent.length ?? 0;
  if (!count) return null;
  const half = HEIGHT / 2;
  const bars = (values, way) =>
    values.map(
      (peak, i) => `M${i + 0.5} ${half}v${way * Math.max(1, (Math.sqrt(peak / 255) * (half - 2)).toFixed(1))}`,
    );
  const picture = (name) =>
    html`<g class=${name}>
      <path class="agent" d=${bars(peaks.agent, -1).join('')} />
      <path class="person" d=${bars(peaks.person, 1).join('')} />
    </g>`;
  return html`<svg viewBox=${`0 0 ${count} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
    ${picture('ahead')}
    <svg
      width=${`${share * 100}%`}
      height="100%"
      viewBox=${`0 0 ${Math.max(share * count, 0.001)} ${HEIGHT}`}
      preserveAspectRatio="none"
    >
      ${picture('heard')}
    </svg>
  </svg>`;
}

async function remove(path, onDelete) {
  const isSure = await confirm({
    title: 'Delete this recording?',
    ok: 'Delete the recording',
    danger: true,
    body: 'Nobody can listen to it any more, and it cannot be brought back. The call and its transcript stay.',
  });
  if (!isSure) return;
  try {
    await del(path);
    toast('The recording is deleted.');
    onDelete();
  } catch (error) {
    fail(error);
  }
}

const WHO = { agent: 'Agent', person: 'Person' };

/** What was said and pressed; texts are shown as they are, whatever they look like. */
function Transcript({ lines, at, hear }) {
  // Without a sound nothing is being said at this moment.
  const current = hear && at.value > 0 ? lines.findLastIndex((line) => line.seconds <= at.value + 0.05) : -1;
  return html`<section aria-label="Transcript">
    <h3 class="sheet-h">Transcript</h3>
    <ol class="lines">
      ${lines.map((line, i) => {
        const words = html`<span class="num muted">${dur(line.seconds)}</span>
          <b>${WHO[line.speaker] ?? line.speaker}</b>
          <span class="wrap-any">${said(line)}</span>`;
        return html`<li
          key=${i}
          class=${cx(line.speaker, i === current && 'current')}
          aria-current=${i === current ? 'true' : null}
        >
          ${
            hear
              ? html`<button
                  type="button"
                  title=${`Listen from ${plural(Math.round(line.seconds), 'second')} on`}
                  onClick=${() => hear(line.seconds)}
                >
                  ${words}
                </button>`
              : html`<div>${words}</div>`
          }
        </li>`;
      })}
    </ol>
  </section>`;
}

function said(line) {
  if (line.kind === 'key') return `Pressed ${line.text}`;
  if (line.kind === 'request') return line.text[0].toUpperCase() + line.text.slice(1);
  return html`${line.text}${line.cut_off && html` <em class="muted">(cut off)</em>`}`;
}
