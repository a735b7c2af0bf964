// One device over time: a lane for each sensor with its readings where they were, windows as bands behind them, scores, alerts.
import { clock, number, span, svg } from "./text.js";

const LEFT = 104, RIGHT = 12, TOP = 26, LANE = 62, GAP = 10, SCORE = 84, AXIS = 22;

/** `view`: what /device gives; `about`: names, units, limits; `chosen`: key of a window. */
export function chart(view, about, width, chosen) {
  const lanes = about.sensors.length;
  const height = TOP + lanes * (LANE + GAP) + SCORE + AXIS + GAP;
  const [from, to] = extent(view);
  const x = (time) => LEFT + ((time - from) / Math.max(1, to - from)) * (width - LEFT - RIGHT);
  const bottom = TOP + lanes * (LANE + GAP) + SCORE;
  const root = svg("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Readings and scores of ${view.row[0]}` });
  const inView = (window) => window.last >= from && window.first <= to;
  root.append(svg("g", { class: "windows" }, ...view.windows.filter(inView).map((window) => band(window, x, bottom, chosen))));
  root.append(svg("g", { class: "alarms" }, ...alarms(view.alerts, from, to).map((alarm) => alarmed(alarm, x, bottom))));
  about.sensors.forEach((sensor, place) => root.append(lane(view, about, place, TOP + place * (LANE + GAP), x, width)));
  root.append(scores(view, about, TOP + lanes * (LANE + GAP), x, width, from, to), axis(from, to, x, bottom));
  return root;
}

function extent(view) {
  const times = view.readings.times;
  if (times.length) {
    const lastWindow = view.windows.length ? view.windows[view.windows.length - 1].last : -Infinity;
    // A clock that is wrong must not squeeze all others to a line: the middle of the readings decides.
    const middle = times[times.length >> 1];
    const near = times.filter((time) => Math.abs(time - middle) < 86_400_000);
    return [near[0], Math.max(near[near.length - 1], Math.abs(lastWindow - middle) < 86_400_000 ? lastWindow : -Infinity) + 1];
  }
  const ends = view.windows.flatMap((window) => [window.first, window.last]);
  return ends.length ? [Math.min(...ends), Math.max(...ends) + 1] : [Date.now() - 60_000, Date.now()];
}

function band(window, x, bottom, chosen) {
  const left = x(window.first), right = Math.max(x(window.last), left + 2);
  const words = `${window.length} steps, ${span(window.last - window.first)}`;
  const group = svg("g", { class: `window ${window.final ? "" : "open"} ${window.too_short ? "short" : ""} ${window.key === chosen ? "here" : ""}`, "data-window": window.key },
    svg("rect", { x: left, y: TOP - 8, width: right - left, height: bottom - TOP + 8, rx: 3 }), svg("title", { text: words }));
  if (right - left > 26) group.append(svg("text", { x: (left + right) / 2, y: TOP - 13, "text-anchor": "middle", text: String(window.length) }));
  return group;
}

function alarms(alerts, from, to) {
  const spans = new Map();
  for (const alert of alerts) {
    const known = spans.get(alert.id) ?? { rule: alert.rule, since: alert.since, until: null };
    if (alert.state === "cleared") known.until = alert.time;
    spans.set(alert.id, known);
  }
  return [...spans.values()].map((alarm) => ({ ...alarm, until: Math.min(alarm.until ?? to, to) })).filter((alarm) => alarm.until >= from && alarm.since <= to);
}

function alarmed(alarm, x, bottom) {
  const left = Math.max(LEFT, x(alarm.since));
  return svg("g", {}, svg("rect", { x: left, y: bottom - SCORE, width: Math.max(3, x(alarm.until) - left), height: SCORE }), svg("title", { text: alarm.rule }));
}

function lane(view, about, sensor, top, x, width) {
  const { times, values, refused } = view.readings;
  const column = values[sensor];
  const inView = times.map((time) => x(time) >= LEFT - 1 && x(time) <= width);
  const kept = column.filter((value, place) => value !== null && !refused[place] && inView[place]);
  const low = Math.min(...kept), high = Math.max(...kept);
  const y = (value) => (high > low ? top + LANE - 6 - ((value - low) / (high - low)) * (LANE - 12) : top + LANE / 2);
  let line = "", dots = "", out = "", missing = "", before = -Infinity;
  const longest = joined(times);
  times.forEach((time, place) => {
    const at = x(time).toFixed(1), value = column[place];
    if (!inView[place]) return;
    if (refused[place]) {
      if (value !== null) out += cross(Number(at), Math.max(top + 3, Math.min(top + LANE - 3, y(value))));
    } else if (value === null) {
      missing += `M${at} ${top + LANE - 3}v3`;
    } else {
      const here = `${at} ${y(value).toFixed(1)}`;
      line += `${time - before <= longest ? "L" : "M"}${here}`;
      dots += `M${here}h.01`;
      before = time;
    }
  });
  const unit = about.units[about.sensors[sensor]];
  const last = kept.length ? kept[kept.length - 1] : null;
  return svg("g", { class: "lane" },
    svg("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: top + LANE, y2: top + LANE }),
    svg("text", { class: "name", x: 0, y: top + 26, text: about.sensors[sensor] }),
    svg("text", { class: "value", x: 0, y: top + 44, text: `${number(last)}${last !== null && unit ? ` ${unit}` : ""}` }),
    kept.length && high > low ? svg("text", { class: "bound", x: LEFT - 6, y: top + 8, "text-anchor": "end", text: number(high) }) : null,
    kept.length && high > low ? svg("text", { class: "bound", x: LEFT - 6, y: top + LANE - 2, "text-anchor": "end", text: number(low) }) : null,
    svg("path", { class: "line", d: line }), svg("path", { class: "dots", d: dots }), svg("path", { class: "missing", d: missing }), svg("path", { class: "refused", d: out }));
}

/** Told from a reading by its shape, not by its colour only. */
function cross(x, y) {
  return `M${(x - 3).toFixed(1)} ${(y - 3).toFixed(1)}l6 6m0-6l-6 6`;
}

/** Up to which distance two readings are joined by a line: over a silence there is none. */
function joined(times) {
  const distances = times.slice(1).map((time, place) => time - times[place]).sort((one, other) => one - other);
  return distances.length ? Math.max(8 * distances[distances.length >> 1], 1000) : 0;
}

function scores(view, about, top, x, width, from, to) {
  const name = view.scores[view.scores.length - 1]?.names[0];
  const points = view.scores.filter((score) => score.names.includes(name) && score.time >= from && score.time <= to).map((score) => [score.time, score.values[score.names.indexOf(name)], score.final]);
  points.sort((one, other) => one[0] - other[0]);
  const limits = about.limits.filter((limit) => limit.output === name).flatMap((limit) => [limit.above, limit.below]).filter((value) => value !== null && value !== undefined);
  const all = [...points.map((point) => point[1]), ...limits];
  const low = Math.min(...all), high = Math.max(...all);
  const y = (value) => (high > low ? top + SCORE - 8 - ((value - low) / (high - low)) * (SCORE - 20) : top + SCORE / 2);
  const line = points.map(([time, value], place) => `${place ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const dots = points.filter((point) => point[2]).map(([time, value]) => `M${x(time).toFixed(1)} ${y(value).toFixed(1)}h.01`).join("");
  const last = points.length ? points[points.length - 1][1] : null;
  return svg("g", { class: "scores" },
    svg("text", { class: "name", x: 0, y: top + 22, text: name ?? "score" }), svg("text", { class: "value", x: 0, y: top + 42, text: points.length ? number(last) : "not scored yet" }),
    ...limits.map((value) => svg("g", { class: "limit" }, svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { x: width - RIGHT, y: y(value) - 4, "text-anchor": "end", text: `limit ${number(value)}` }))),
    svg("path", { class: "line", d: line }), svg("path", { class: "dots", d: dots }));
}

function axis(from, to, x, top) {
  const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400].map((seconds) => seconds * 1000);
  const every = steps.find((step) => (x(from + step) - x(from)) > 84) ?? 7 * 86_400_000;
  const group = svg("g", { class: "axis" });
  for (let time = Math.ceil(from / every) * every; time <= to; time += every) {
    const words = every >= 86_400_000 ? new Date(time).toLocaleDateString("en-CA") : clock(time).slice(0, every < 60_000 ? 8 : 5);
    group.append(svg("line", { x1: x(time), x2: x(time), y1: top, y2: top + 4 }), svg("text", { x: x(time), y: top + 16, "text-anchor": "middle", text: words }));
  }
  return group;
}
