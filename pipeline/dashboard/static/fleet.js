// The fleet: a list of devices of which only the visible part is in the document, so that its length costs nothing.
import { ago, become, el, moment, number, plural, span } from "./text.js";

const COLUMNS = [
  ["device", "Device", (row) => row.device],
  ["alerts", "Alert", (row) => -row.alerts.length],
  ["score", "Score", (row) => -row.nearness],
  ["heard", "Last reading", (row) => -(row.heard ?? 0)],
  ["open", "Open window", (row) => -row.openSteps],
  ["lag", "Time lag", (row) => -(row.lag ?? -Infinity)],
  ["refused", "Rejected", (row) => -row.refused],
];
const SPARE_ROWS = 6;
const LONG_NAME = 18, KEPT_END = 8;

/** Nobody is known to be silent after the moment up to which the log has been read. */
export function isSilent(row, state) {
  const { status, health } = state;
  let until = state.now;
  if (status && !status.connected) until = Math.min(until, status.since);
  else if (status?.behind.readings) until = Math.min(until, health?.newest.readings ?? until);
  return row.heard !== null && until - row.heard > state.about.idle_ms;
}

export class FleetView {
  constructor(state) {
    this.state = state;
    this.sort = "worst";
    this.backwards = false;
    this.only = null;
    this.nodes = [];
    const get = (id) => document.getElementById(id);
    [this.rows, this.space, this.head, this.search, this.tiles, this.none, this.groups, this.sorter] =
      ["rows", "space", "head", "search", "tiles", "none", "groups", "sort"].map(get);
    this.rows.addEventListener("scroll", () => this.draw());
    this.search.addEventListener("input", () => this.show(this.chosen));
    this.rows.addEventListener("click", (event) => this.openAt(event.target));
    this.rows.addEventListener("keydown", (event) => this.move(event));
    for (const [key, title] of [["worst", "Worst first"], ...COLUMNS]) this.sorter.append(el("option", { value: key, text: title }));
    this.sorter.addEventListener("change", () => this.sortBy(this.sorter.value, false));
    this.headCells = COLUMNS.map(([key, title]) =>
      el("button", { type: "button", role: "columnheader", class: `c-${key}`, "data-sort": key, text: title, onclick: () => this.sortBy(key, this.sort === key && !this.backwards) }));
    this.head.append(el("span", { class: "c-dot" }), ...this.headCells);
  }

  sortBy(key, backwards) {
    this.sort = key;
    this.backwards = backwards;
    this.sorter.value = key;
    this.rows.scrollTop = 0;
    this.show(this.chosen);
  }

  show(chosen) {
    this.chosen = chosen;
    const all = [...this.state.rows.values()];
    this.showTiles(all);
    const wanted = this.search.value.trim().toLowerCase();
    this.shown = all.filter((row) => row.device.toLowerCase().includes(wanted) && (!this.only || KINDS[this.only][1](row, this)));
    const by = this.sort === "worst" ? (row) => -this.badness(row) : COLUMNS.find(([key]) => key === this.sort)[2];
    const sign = this.backwards ? -1 : 1;
    this.shown.sort((one, other) => sign * compare(by(one), by(other)) || compare(one.device, other.device));
    for (const cell of this.headCells) cell.setAttribute("aria-sort", cell.dataset.sort === this.sort ? (this.backwards ? "descending" : "ascending") : "none");
    become(this.groups, ...this.state.groups.map((group) =>
      el("p", { class: "group" }, el("b", { text: group.rule }), ` in group ${group.group}: ${group.devices.join(", ")}`)));
    this.say(all.length);
    this.draw();
  }

  say(total) {
    this.none.hidden = this.shown.length > 0;
    if (total) this.none.textContent = "No device is like that.";
    else if (!this.state.status) this.none.textContent = "";
    else this.none.textContent = "No device has been heard of yet. Readings appear here as they come: try sensorline simulate, or your own producer.";
  }

  /** In steps, so that rows do not change places for nothing. */
  badness(row) {
    return row.alerts.length * 100 + Math.round(row.nearness * 10) + (isSilent(row, this.state) ? 0.5 : 0);
  }

  showTiles(all) {
    const tiles = Object.entries(KINDS).map(([key, [title, test]]) => {
      const count = all.filter((row) => test(row, this)).length;
      const here = (this.only ?? "all") === key;
      const options = { type: "button", class: `tile ${key} ${here ? "here" : ""} ${count ? "" : "zero"}`, "aria-pressed": String(here), "data-only": key };
      return el("button", { ...options, onclick: () => this.filter(key) }, el("b", { text: count.toLocaleString("en") }), el("span", { text: title }));
    });
    become(this.tiles, ...tiles);
  }

  filter(key) {
    this.only = key === "all" || key === this.only ? null : key;
    this.rows.scrollTop = 0;
    this.show(this.chosen);
  }

  draw() {
    const height = rowHeight();
    this.space.style.height = `${this.shown.length * height}px`;
    const first = Math.max(0, Math.floor(this.rows.scrollTop / height) - SPARE_ROWS);
    const visible = this.shown.slice(first, first + Math.ceil((this.rows.clientHeight || 600) / height) + 2 * SPARE_ROWS);
    while (this.nodes.length < visible.length) this.nodes.push(makeRow(this.space));
    this.nodes.forEach((node, place) => {
      const row = visible[place];
      node.root.hidden = row === undefined;
      if (row === undefined) return;
      node.root.style.transform = `translateY(${(first + place) * height}px)`;
      this.fill(node, row);
    });
  }

  fill(node, row) {
    const now = this.state.now;
    const silent = isSilent(row, this.state);
    put(node.root, "className", `row ${row.alerts.length ? "bad" : silent ? "silent" : "well"} ${row.device === this.chosen ? "here" : ""}`);
    if (node.root.dataset.device !== row.device) node.root.dataset.device = row.device;
    put(node.device, "title", row.device);
    const [start, end] = halves(row.device);
    put(node.start, "textContent", start);
    put(node.end, "textContent", end);
    const rules = row.alerts.join(", ");
    put(node.alerts, "textContent", rules);
    put(node.alerts, "title", rules);
    put(node.score, "textContent", number(row.score));
    put(node.bar.style, "width", `${Math.round(row.nearness * 100)}%`);
    put(node.heard, "textContent", ago(row.heard, now));
    if (row.heard !== null) put(node.heard, "dateTime", new Date(row.heard).toISOString());
    put(node.heard, "title", moment(row.heard, now));
    put(node.open, "textContent", row.openSteps ? `${plural(row.openSteps, "step")}` : "–");
    put(node.since, "textContent", row.openSteps > 1 && row.time !== null ? span(row.time - row.openSince) : "");
    put(node.lag, "textContent", span(row.lag));
    put(node.lag, "className", `c-lag ${Math.abs(row.lag ?? 0) > 60_000 ? "warn" : ""}`);
    put(node.refused, "textContent", row.refused ? String(row.refused) : "");
  }

  openAt(target) {
    const device = target.closest?.("[data-device]")?.dataset.device;
    if (device !== undefined) location.hash = `#/device/${encodeURIComponent(device)}`;
  }

  /** Arrow keys go from device to device. */
  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.shown.length) return;
    event.preventDefault();
    const place = this.shown.findIndex((row) => row.device === this.chosen);
    const next = Math.min(this.shown.length - 1, Math.max(0, place + step));
    const height = rowHeight();
    const top = next * height;
    if (top < this.rows.scrollTop) this.rows.scrollTop = top;
    const bottom = top + height + this.head.offsetHeight;
    if (bottom > this.rows.scrollTop + this.rows.clientHeight) this.rows.scrollTop = bottom - this.rows.clientHeight;
    location.hash = `#/device/${encodeURIComponent(this.shown[next].device)}`;
  }
}

const KINDS = {
  all: ["devices", () => true],
  bad: ["in alert", (row) => row.alerts.length > 0],
  silent: ["silent", (row, view) => isSilent(row, view.state)],
  refusing: ["with rejections", (row) => row.refused > 0],
};

function makeRow(space) {
  const cell = (key, ...children) => el("span", { class: `c-${key}`, role: "cell" }, ...children);
  const node = { bar: el("i"), score: el("b"), open: el("b"), since: el("small"), refused: cell("refused"), start: el("span"), end: el("span"), alerts: cell("alerts"), heard: el("time", { class: "c-heard", role: "cell" }), lag: cell("lag") };
  node.device = cell("device", node.start, node.end);
  const score = cell("score", node.score, el("span", { class: "meter" }, node.bar));
  node.root = el("div", { class: "row", role: "row" }, el("span", { class: "c-dot" }), node.device, node.alerts, score, node.heard, cell("open", node.open, node.since), node.lag, node.refused);
  space.append(node.root);
  return node;
}

/** A long name is cut in the middle, as names of one place differ at their ends. */
function halves(name) {
  const letters = [...name];
  return letters.length > LONG_NAME ? [letters.slice(0, -KEPT_END).join(""), letters.slice(-KEPT_END).join("")] : [name, ""];
}

function put(target, key, value) {
  if (target[key] !== value) target[key] = value;
}

function compare(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

function rowHeight() {
  return matchMedia("(max-width: 700px)").matches ? 64 : 38;
}
