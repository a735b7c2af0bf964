// The pipeline: how much flows, how long it takes, what is refused and why.
import { CLOSED, REFUSED, ago, become, el, number, plural, span, svg } from "./text.js";

const FLOW = [["readings", "Readings"], ["windows", "Windows"], ["predictions", "Predictions"], ["alerts", "Alerts"], ["rejected", "Rejected"]];

export class HealthView {
  constructor(state, root) {
    Object.assign(this, { state, root, opened: new Set() });
    root.addEventListener("toggle", (event) => this.opened[event.target.open ? "add" : "delete"](event.target.dataset.reason), true);
  }

  show() {
    const { health, status, now } = this.state;
    if (!health) return;
    become(this.root,
      el("div", { class: "flow" }, ...FLOW.map(([kind, title]) => this.flow(kind, title, health, now))),
      el("div", { class: "columns" },
        card("Delay", facts([
          ["reading to prediction, median", span(health.delay_ms.median)], ["… 95 of 100 within", span(health.delay_ms.p95)],
          ["window to prediction, median", span(health.scoring_ms.median)], ["… 95 of 100 within", span(health.scoring_ms.p95)],
        ]), hint(health.delay_ms.count ? `Of the last ${plural(health.delay_ms.count, "prediction")}, by the log's own time, from the reading that closed the window.` : "No window has been scored in view.")),
        card("Batches", facts([
          ["windows scored at once, median", number(health.batch.median)], ["… the largest", number(health.batch.most)],
          ["padding", health.padding_ratio === null ? "–" : `${number(health.padding_ratio)} × the data`], ["windows not scored yet", number(health.waiting)],
        ]), hint(health.waiting > 100 ? "Many windows wait: is sensorline score running, and does it keep up?" : "1 × would be no padding at all.")),
        card("Models", models(health.models, now)),
        card("This page", facts([
          ["the log", status?.connected ? `${this.state.about.broker}, connected` : "cannot be read"],
          ["records still to read", number(Object.values(health.behind).reduce((sum, count) => sum + count, 0))], ["passed over to keep up", number(health.skipped)],
        ]), hint("Rates, delays and counts are of what the page has read: the last hour at most, unless told otherwise. The curves are of the last ten minutes."))),
      el("div", { class: "columns" },
        card("Windows by how they closed", bars(health.closed, CLOSED)),
        card("Rejected, by reason", this.refused(health, now))));
  }

  flow(kind, title, health, now) {
    return el("div", { class: `flow-tile ${kind}` }, el("span", { text: title }), el("b", { text: number(health.rates[kind]) }), el("small", { text: "per second" }),
      spark(health.history[kind]), el("small", { text: health.newest[kind] === null ? "none in view" : `last ${ago(health.newest[kind], now)}` }));
  }

  refused(health, now) {
    const reasons = Object.entries(health.refused);
    if (!reasons.length) return hint("Nothing has been rejected.");
    return el("div", {}, ...reasons.map(([reason, count]) =>
      el("details", { "data-reason": reason, open: this.opened.has(reason) },
        el("summary", {}, el("b", { text: count.toLocaleString("en") }), ` ${REFUSED[reason] ?? reason}`),
        ...(health.samples[reason] ?? []).map((one) =>
          el("div", { class: "sample" }, el("p", { text: `${one.device ?? "no device"}, ${ago(one.logged, now)}: ${one.error}` }), el("code", { text: one.value || "(empty)" }), el("small", { text: one.source }))))));
  }
}

function card(title, ...parts) {
  return el("section", { class: "card" }, el("h3", { text: title }), ...parts);
}

function hint(text) {
  return el("p", { class: "hint", text });
}

function facts(pairs) {
  return el("dl", { class: "facts" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value }))));
}

function models(list, now) {
  if (!list.length) return hint("No prediction in view.");
  return el("ul", { class: "events" }, ...list.slice(0, 5).map((model) =>
    el("li", {}, el("b", { text: `${model.name} ${model.version}` }), el("span", { text: `${model.engine}, ${model.sha256.slice(0, 12)}` }),
      el("span", { text: `${plural(model.predictions, "prediction")}, last ${ago(model.last, now)}` }))));
}

function bars(counts, words) {
  const entries = Object.entries(counts);
  if (!entries.length) return hint("No window has closed in view.");
  const most = Math.max(...entries.map(([, count]) => count));
  return el("ul", { class: "bars" }, ...entries.map(([key, count]) => {
    const bar = el("i");
    bar.style.width = `${(100 * count) / most}%`;
    return el("li", { "data-key": key }, el("span", { text: words[key] ?? key }), el("span", { class: "bar-line" }, bar), el("b", { text: count.toLocaleString("en") }));
  }));
}

function spark(values) {
  const width = 200, height = 34, most = Math.max(...values, 1e-9);
  const points = values.map((value, place) => `${((place / (values.length - 1)) * width).toFixed(1)} ${(height - 2 - (value / most) * (height - 6)).toFixed(1)}`);
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "area", d: `M0 ${height}L${points.join("L")}L${width} ${height}Z` }), svg("path", { class: "line", d: `M${points.join("L")}` }));
}
