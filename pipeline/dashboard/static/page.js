// The page as a whole: the stream of updates, which view is shown, and what the banner says.
import { FleetView } from "./fleet.js";
import { DeviceView } from "./device.js";
import { HealthView } from "./health.js";
import { moment, plural } from "./text.js";

const QUIET_MS = 5000;
const AGAIN_MS = 2000;
const ANSWERS_MS = 3000;
const FAR_BEHIND = 5000; // records
const TOLD_MS = 60000;

const state = { about: null, rows: new Map(), groups: [], health: null, status: null, now: Date.now(), heard: Date.now(), tried: 0, patience: AGAIN_MS, skippedAt: -Infinity };
const byId = (id) => document.getElementById(id);
const views = {};
let stream = null;
let connecting = false;

function take(update) {
  if (update.fleet.whole) state.rows.clear();
  const changed = new Set();
  for (const row of update.fleet.rows) {
    const [device, heard, time, lag, openSteps, openSince, score, scored, alerts, refused, nearness] = row;
    state.rows.set(device, { device, heard, time, lag, openSteps, openSince, score, scored, alerts, refused, nearness });
    changed.add(device);
  }
  for (const device of update.fleet.gone) state.rows.delete(device);
  if (update.status.skipped > (state.status?.skipped ?? 0)) state.skippedAt = update.now;
  Object.assign(state, { groups: update.fleet.groups, health: update.health, status: update.status, now: update.now, heard: Date.now() });
  show(changed);
}

/** `changed`: names of devices; null: anything may have. */
function show(changed = null) {
  if (!state.about || document.hidden) return;
  const route = location.hash.replace(/^#\/?/, "");
  const device = route.startsWith("device/") ? nameIn(route.slice(7)) : null;
  const pipeline = route === "pipeline";
  document.body.classList.toggle("has-device", device !== null);
  byId("fleet").hidden = pipeline;
  byId("health").hidden = !pipeline;
  byId("tab-fleet").classList.toggle("here", !pipeline);
  byId("tab-pipeline").classList.toggle("here", pipeline);
  views.device.open(device, changed);
  if (pipeline) views.health.show();
  else views.fleet.show(device);
  say();
}

function nameIn(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody's own address
  }
}

/** What stands above everything: only what somebody should know. */
function say() {
  const [kind, short, long] = standing(state.status);
  const live = byId("live");
  live.className = `live ${kind}`;
  if (live.textContent !== short) live.textContent = short;
  const banner = byId("banner");
  banner.className = `banner ${kind}`;
  banner.hidden = !long;
  if (long && banner.textContent !== long) banner.textContent = long;
}

/** [kind, in a word, in a sentence]; no sentence where all is well. */
function standing(status) {
  if (Date.now() - state.heard > QUIET_MS) return ["gone", "no answer", `The dashboard's own process has not answered since ${moment(state.heard, Date.now())}. Trying again.`];
  if (!status) return ["", "connecting", ""];
  if (status.error) return ["gone", "broker gone", `The log cannot be read since ${moment(status.since, state.now)}; what is shown is from before. Trying again. (${status.error})`];
  if (!status.connected) return ["", "connecting", ""];
  if (state.now - state.skippedAt < TOLD_MS) return ["late", "cannot keep up", `This page could not keep up and passed over ${plural(status.skipped, "record")} up to now: devices may lack readings, windows or scores. The pipeline itself is not slowed by it.`];
  const behind = Object.values(status.behind).reduce((sum, count) => sum + count, 0);
  if (behind > FAR_BEHIND) return ["late", "catching up", `Reading what is in the log: ${plural(behind, "record")} to go, so this is not yet the present.`];
  return ["on", "live", ""];
}

/** Escape closes the device, / goes to the search. */
function press(event) {
  if (event.key === "Escape" && location.hash.startsWith("#/device/")) location.hash = "#/";
  else if (event.key === "/" && !event.target.closest("input, select")) {
    event.preventDefault();
    if (byId("fleet").hidden) location.hash = "#/";
    byId("fleet").hidden = false;
    byId("search").focus();
  }
}

function theme() {
  const root = document.documentElement;
  const chosen = sessionStorage.getItem("theme");
  if (chosen) root.dataset.theme = chosen;
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    sessionStorage.setItem("theme", root.dataset.theme);
    show();
  });
}

async function begin() {
  theme();
  views.fleet = new FleetView(state);
  views.device = new DeviceView(state, byId("device"));
  views.health = new HealthView(state, byId("health"));
  addEventListener("hashchange", () => show());
  addEventListener("resize", () => show());
  addEventListener("keydown", press);
  document.addEventListener("visibilitychange", () => show());
  setInterval(watch, 1000);
  await connect();
}

/** The stream begins with everything, so whoever comes back sees the present. */
async function connect() {
  if (connecting) return;
  connecting = true;
  stream?.close();
  stream = null;
  const answer = await fetch("/about", { signal: AbortSignal.timeout(ANSWERS_MS) }).catch(() => null);
  connecting = false;
  state.tried = Date.now();
  state.patience = answer?.ok ? QUIET_MS : AGAIN_MS;
  if (answer?.status === 401) location.assign("/enter");
  if (!answer?.ok) return;
  state.about = await answer.json();
  byId("pipeline-name").textContent = state.about.pipeline === "sensorline" ? "" : state.about.pipeline;
  stream = new EventSource("/events");
  stream.onmessage = (event) => take(JSON.parse(event.data));
  show();
}

/**
 * After a sleep, or behind a proxy, connections can be gone without a word: the browser itself would wait for minutes, and
 * takes one after the other of those it kept for the next request.
 */
function watch() {
  const quiet = Date.now() - state.heard > QUIET_MS && Date.now() - state.tried > state.patience;
  const closed = stream?.readyState !== EventSource.OPEN && Date.now() - state.tried > AGAIN_MS;
  if (quiet || closed) connect();
  say();
}

begin();
