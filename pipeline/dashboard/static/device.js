// One device: what it said, what became of it, and what was made of that.
import { chart } from "./chart.js";
import { isSilent } from "./fleet.js";
import { windowCard } from "./window.js";
import { CLOSED, REFUSED, ago, become, clock, el, moment, number, plural, span } from "./text.js";

const MOST_ROWS = 12;

export class DeviceView {
  constructor(state, root) {
    Object.assign(this, { state, root, name: null, view: null, chosen: null, content: null, asking: false });
    root.addEventListener("click", (event) => {
      const key = event.target.closest?.("[data-window]")?.dataset.window;
      if (key) this.choose(key);
    });
    root.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.dataset.window) this.choose(event.target.dataset.window);
    });
  }

  /** Shows a device (null: none); it is asked for anew when it is among the changed ones (null: all may have changed). */
  open(name, changed) {
    const other = name !== this.name;
    if (other) Object.assign(this, { name, view: null, chosen: null, content: null });
    this.root.hidden = name === null;
    if (name === null) return;
    if (other) this.root.scrollTop = 0;
    if (other || changed === null || changed.has(name)) this.ask();
    else this.tell();
  }

  async ask() {
    if (this.asking) return;
    this.asking = true;
    const name = this.name;
    try {
      const answer = await fetch(`/device?name=${encodeURIComponent(name)}`);
      if (name !== this.name) return;
      this.view = answer.ok ? await answer.json() : null;
      this.missing = answer.status === 404;
      await this.askWindow();
    } catch {
      return; // the banner says that nobody answers
    } finally {
      this.asking = false;
      if (name === this.name) this.draw();
      else if (this.name !== null) this.ask();
    }
  }

  async askWindow() {
    const windows = this.view?.windows ?? [];
    const last = windows.filter((window) => window.final).at(-1) ?? windows.at(-1);
    const key = (this.chosen && windows.some((window) => window.key === this.chosen) ? this.chosen : last?.key) ?? null;
    this.shown = windows.find((window) => window.key === key) ?? null;
    if (key === null) this.content = null;
    else if (this.content?.window.key !== key || this.content.window.prediction !== this.shown.prediction) {
      const answer = await fetch(`/window?device=${encodeURIComponent(this.name)}&key=${encodeURIComponent(key)}`);
      this.content = answer.ok ? await answer.json() : null;
    }
  }

  async choose(key) {
    this.chosen = key;
    await this.askWindow();
    this.draw();
  }

  tell() {
    const line = this.root.querySelector(".said");
    const row = this.state.rows.get(this.name);
    if (line && row) line.textContent = said(row, this.state);
  }

  draw() {
    const back = el("a", { class: "back", href: "#/", text: "← Fleet" });
    if (!this.view) {
      const words = this.missing ? "Nothing has been heard of this device lately." : "";
      become(this.root, el("header", { class: "title" }, back, el("h2", { text: this.name })), el("p", { class: "none", text: words }));
      return;
    }
    const row = this.state.rows.get(this.name);
    const width = Math.max(300, this.root.clientWidth - 40);
    const rules = (row?.alerts ?? []).map((rule) => el("span", { class: "chip", text: rule }));
    become(this.root,
      el("header", { class: "title" }, back, el("h2", { text: this.name }), ...rules, el("a", { class: "close", href: "#/", title: "Close", "aria-label": "Close", text: "×" })),
      el("p", { class: "said", text: row ? said(row, this.state) : "" }),
      this.chartCard(width),
      this.content ? windowCard(this.content, this.state.about, width, this.state.now) : "",
      this.windowsCard(), this.alertsCard(), this.refusedCard());
  }

  chartCard(width) {
    const legend = el("p", { class: "legend" },
      key("dot", "reading"), key("lack", "no value"), key("out", "rejected"), key("band", "window, with its number of steps"), key("alarm", "alert"));
    return el("section", { class: "card" }, chart(this.view, this.state.about, width, this.content?.window.key), legend);
  }

  windowsCard() {
    const windows = [...this.view.windows].reverse().slice(0, MOST_ROWS);
    if (!windows.length) return el("p", { class: "none", text: "No window of this device has closed yet." });
    const longest = Math.max(...windows.map((window) => Math.max(window.length + window.dropped, window.padded_to ?? 0)));
    const rows = windows.map((window) => el("tr", { tabindex: 0, "data-window": window.key, class: window.key === this.content?.window.key ? "here" : "" },
      el("td", { text: moment(window.last, this.state.now) }), el("td", { class: "num", text: String(window.length) }), el("td", {}, strip(window, longest)),
      el("td", { class: "wide", text: CLOSED[window.reason] ?? window.reason }), el("td", { class: "num", text: window.too_short ? "too short" : number(window.score) })));
    return el("section", { class: "card" }, el("h3", { text: "Windows" }),
      el("table", { class: "windows-table" }, el("thead", {}, el("tr", {}, ...["Until", "Steps", "", "Closed, as", "Score"].map((text, place) =>
        el("th", { text, class: place === 3 ? "wide" : place === 1 || place === 4 ? "num" : "" })))), el("tbody", {}, ...rows)));
  }

  alertsCard() {
    const alerts = [...this.view.alerts].reverse();
    if (!alerts.length) return "";
    return el("section", { class: "card", id: "alerts-card" }, el("h3", { text: "Alerts" }), el("ul", { class: "events" }, ...alerts.slice(0, MOST_ROWS).map((alert) =>
      el("li", { class: alert.state }, el("time", { text: moment(alert.time, this.state.now) }), el("b", { text: `${alert.rule} ${alert.state}` }),
        el("span", { text: `at ${number(alert.value)}, from ${plural(alert.predictions.length, "prediction")}` })))));
  }

  refusedCard() {
    const refused = [...this.view.refused].reverse();
    if (!refused.length) return "";
    return el("section", { class: "card" }, el("h3", { text: "Rejected" }), el("ul", { class: "events" }, ...refused.slice(0, MOST_ROWS).map((one) =>
      el("li", {}, el("time", { text: moment(one.logged, this.state.now) }), el("b", { text: REFUSED[one.reason] ?? one.reason }), el("span", { text: one.error })))));
  }
}

function said(row, state) {
  const silent = isSilent(row, state);
  const heard = row.heard === null ? "No reading in view" : `Last reading ${ago(row.heard, state.now)}${silent ? ", silent" : ""}`;
  const lag = row.lag === null ? "" : row.lag < 0 ? `; its clock was ${span(-row.lag)} ahead` : `; it came ${span(row.lag)} after its time`;
  const open = row.openSteps ? `. Open: ${plural(row.openSteps, "step")} since ${clock(row.openSince)}` : "";
  return `${heard}${lag}${open}.`;
}

function key(kind, text) {
  return el("span", {}, el("i", { class: kind }), text);
}

/** Steps, of which carried ones; then padding; then what a cap dropped. */
function strip(window, longest) {
  const padding = Math.max(0, (window.padded_to ?? 0) - window.length);
  const bar = el("span", { class: "strip", title: `${window.length} steps, ${window.missing} values missing, ${padding} padded, ${window.dropped} dropped` });
  for (const [kind, size] of [["carried", window.carried], ["steps", window.length - window.carried], ["pad", padding], ["dropped", window.dropped]]) {
    if (!size) continue;
    const part = bar.appendChild(el("i", { class: kind }));
    part.style.width = `${(100 * size) / Math.max(1, longest)}%`;
  }
  return bar;
}
