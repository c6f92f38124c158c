/** The tokens as canvases need them: colours in words, read once and again when the scheme changes. */

const NAMES = ["paper", "line", "line-strong", "ink", "ink-3", "live", "warn", "sunken", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];
const scheme = window.matchMedia("(prefers-color-scheme: dark)");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

/** @type {Record<string, string>} */
let colours = {};

function read() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

scheme.addEventListener("change", read);

/** @param {string} name of a token without its dashes @returns {string} */
export function colour(name) {
  if (!colours[name]) read();
  return colours[name] ?? "#888";
}

/** @returns {boolean} whether the person wants little motion */
export function still() {
  return calm.matches;
}

/**
 * A canvas that keeps its size in device pixels.
 * @param {HTMLCanvasElement} canvas
 * @returns {{ context: CanvasRenderingContext2D, width: number, height: number } | null} sizes in CSS pixels
 */
export function fit(canvas) {
  const context = canvas.getContext("2d");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!context || width === 0 || height === 0) return null;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineCap = "round";
  return { context, width, height };
}

/**
 * Call `draw` on every frame, four times a second where motion is unwelcome.
 * @param {(now: number) => void} draw
 * @returns {() => void} stops it
 */
export function animate(draw) {
  let frame = 0;
  let last = -Infinity;
  const step = (/** @type {number} */ now) => {
    if (!still() || now - last >= 250) {
      last = now;
      draw(now);
    }
    frame = requestAnimationFrame(step);
  };
  frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(frame);
}
