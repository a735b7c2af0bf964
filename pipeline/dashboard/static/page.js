// The page as a whole: the stream of updates, which view is shown, and what the banner says.
import { FleetView } from "./fleet.js";
import { DeviceView } from "./device.js";
import { HealthView } from "./health.js";
import { moment } from "./text.js";

const QUIET_MS = 5000;

const state = { about: null, rows: new Map(), groups: [], health: null, status: null, now: Date.now(), heard: Date.now() };
const byId = (id) => document.getElementById(id);
const views = {};

function take(update) {
  if (update.fleet.whole) state.rows.clear();
  const changed = new Set();
  for (const row of update.fleet.rows) {
    const [device, heard, time, lag, openSteps, openSince, score, scored, alerts, refused, nearness] = row;
    state.rows.set(device, { device, heard, time, lag, openSteps, openSince, score, scored, alerts, refused, nearness });
    changed.add(device);
  }
  for (const device of update.fleet.gone) state.rows.delete(device);
  Object.assign(state, { groups: update.fleet.groups, health: update.health, status: update.status, now: update.now, heard: Date.now() });
  show(changed);
}

function show(changed = new Set()) {
  const route = location.hash.replace(/^#\/?/, "");
  const device = route.startsWith("device/") ? decodeURIComponent(route.slice(7)) : null;
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

/** What stands above everything: only what somebody should know. */
function say() {
  const lost = Date.now() - state.heard > QUIET_MS;
  const status = state.status;
  const live = byId("live");
  const gone = status && !status.connected && status.error;
  live.className = `live ${lost || gone ? "gone" : status && status.connected ? "on" : ""}`;
  live.textContent = lost ? "no answer" : gone ? "broker gone" : status && status.connected ? "live" : "connecting";
  const banner = byId("banner");
  banner.hidden = !(lost || gone);
  if (lost) banner.textContent = `The dashboard's own process has not answered since ${moment(state.heard, Date.now())}. Trying again.`;
  else if (gone) {
    const since = moment(status.since, state.now);
    banner.textContent = `The log cannot be read since ${since}; what is shown is from before. Trying again. (${status.error})`;
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
  state.about = await (await fetch("/about")).json();
  byId("pipeline-name").textContent = state.about.pipeline === "sensorline" ? "" : state.about.pipeline;
  views.fleet = new FleetView(state);
  views.device = new DeviceView(state, byId("device"));
  views.health = new HealthView(state, byId("health"));
  addEventListener("hashchange", () => show());
  addEventListener("resize", () => show());
  setInterval(say, 1000);
  const stream = new EventSource("/events"); // the browser connects again by itself; the stream then begins with everything
  stream.onmessage = (event) => take(JSON.parse(event.data));
  show();
}

begin();
