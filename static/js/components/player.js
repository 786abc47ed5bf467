// Recording player: the native <audio> does the work; a real range input makes it keyboard friendly.
import { html, cx, useRef, useSignal, useEffect } from '../lib/ui.js';
import { dur } from '../lib/format.js';
import { Icon } from './basic.js';
export function Player({ src, seconds, peaks, onTime, api }) {
  const a = useRef(null),
    t = useSignal(0),
    on = useSignal(false),
    err = useSignal(''),
    rate = useSignal(1);
  const seek = (s) => {
    a.current.currentTime = s;
    t.value = s;
    onTime?.(s);
  };
  if (api)
    api.current = {
      seek: (s) => {
        seek(s);
        a.current.play();
      },
    };
  useEffect(() => {
    let id;
    const tick = () => {
      if (a.current && !a.current.paused) {
        t.value = a.current.currentTime;
        onTime?.(t.value);
      }
      id = requestAnimationFrame(tick);
    };
    if (on.value) tick();
    return () => cancelAnimationFrame(id);
  }, [on.value]);
  const n = peaks.length,
    rates = [1, 1.25, 1.5, 2];
  return html`<div class="player">
    <audio
      ref=${a}
      src=${src}
      preload="none"
      onPlay=${() => {
        on.value = true;
      }}
      onPause=${() => {
        on.value = false;
      }}
      onEnded=${() => {
        on.value = false;
        t.value = 0;
      }}
      onError=${() => {
        err.value = 'This recording could not be played.';
      }}
    ></audio>
    <button
      class="play"
      aria-label=${on.value ? 'Pause recording' : 'Play recording'}
      onClick=${() => (on.value ? a.current.pause() : a.current.play().catch(() => {}))}
    >
      <${Icon} n=${on.value ? 'pause' : 'play'} c="l" />
    </button>
    <div>
      <div class="wave">
        <svg viewBox=${`0 0 ${n * 3} 40`} preserveAspectRatio="none" aria-hidden="true">
          ${peaks.map((p, i) => html`<rect key=${i} class=${cx((i / n) * seconds <= t.value && t.value > 0 && 'on')} x=${i * 3} width="2" rx="1" y=${20 - p * 19} height=${Math.max(2, p * 38)} />`)}
        </svg>
        <input
          type="range"
          min="0"
          max=${seconds}
          step="1"
          value=${Math.round(t.value)}
          aria-label="Position in the recording"
          aria-valuetext=${`${dur(t.value)} of ${dur(seconds)}`}
          onInput=${(e) => seek(+e.target.value)}
        />
      </div>
      ${err.value && html`<p class="small" role="alert">${err.value}</p>`}
    </div>
    <div class="stack-s" style="justify-items:end; gap:2px">
      <span class="num small muted">${dur(t.value)} / ${dur(seconds)}</span
      ><button
        class="btn ghost small"
        style="min-height:24px; padding:0 6px"
        aria-label=${`Speed ${rate.value} times`}
        onClick=${() => {
          rate.value = rates[(rates.indexOf(rate.value) + 1) % 4];
          a.current.playbackRate = rate.value;
        }}
      >
        ${rate.value}×
      </button>
    </div>
  </div>`;
}
/** A single play/stop button for short voice samples; only one plays at a time. */
let current;
export function Sample({ src, label }) {
  const a = useRef(null),
    on = useSignal(false);
  const toggle = (e) => {
    e.preventDefault();
    e.stopPropagation();
    if (on.value) {
      a.current.pause();
      return;
    }
    current?.pause();
    current = a.current;
    a.current.currentTime = 0;
    a.current.play().catch(() => {});
  };
  return html`<button
    type="button"
    class="play s"
    aria-label=${(on.value ? 'Stop ' : 'Listen to ') + label}
    onClick=${toggle}
  >
    <${Icon} n=${on.value ? 'pause' : 'play'} c="s" /><audio
      ref=${a}
      src=${src}
      preload="none"
      onPlay=${() => {
        on.value = true;
      }}
      onPause=${() => {
        on.value = false;
      }}
      onEnded=${() => {
        on.value = false;
      }}
    ></audio>
  </button>`;
}
