// One window as the model was given it: a column for each step, a row for each sensor, then the padding; below, where the steps were
// in time, and there what the model said of each, such as attention.
import { CLOSED, clock, el, moment, number, plural, span, svg } from "./text.js";

const LEFT = 104, CELL = 22, SPACING = 26, BARS = 46, AXIS = 18, MOST_PADDING = 64, LEAST_AXIS = 420;

export function windowCard(content, about, width, now) {
  const { window } = content;
  const scored = window.padded_to !== null;
  const facts = [
    ["closed, as", CLOSED[window.reason] ?? window.reason],
    ["steps", window.length > 1 ? `${window.length} in ${span(window.last - window.first)}` : window.length],
    ["missing values", window.missing ? `${window.missing} of ${window.cells}` : "none"],
    ["merged readings", window.merged || "none"],
    ["dropped steps", window.dropped || "none"],
    ["carried steps", window.carried || "none"],
    ["padding", scored ? plural(Math.max(0, window.padded_to - window.length), "step") : window.too_short ? "too short to be scored" : "not scored yet"],
    ["score", number(window.score)],
  ];
  const list = el("dl", { class: "facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: String(value) }))));
  const command = window.prediction ? el("p", { class: "command" }, "All of its chain: ", el("code", { text: `sensorline explain ${window.prediction}` })) : null;
  return el("section", { class: "card", id: "window-card", "data-key": window.key },
    el("h3", { text: `Window ${moment(window.first, now)} to ${clock(window.last)}` }),
    el("p", { class: "hint", text: hint(content) }), cells(content, about, width), list, command);
}

function hint(content) {
  const names = Object.keys(content.weights);
  const bars = names.length ? `; the bars are the model's ${names.join(" and ")} at each step` : "";
  return `Each column is a step as the model was given it; below, where it was in time${bars}.`;
}

function cells(content, about, width) {
  const { window, times, values, weights } = content;
  const padding = window.padded_to === null ? 0 : Math.max(0, window.padded_to - window.length);
  const shownPadding = Math.min(padding, MOST_PADDING);
  const columns = times.length + shownPadding;
  const step = Math.min(26, (width - LEFT - 8) / Math.max(1, columns));
  const lanes = Object.entries(weights);
  const bottom = about.sensors.length * (CELL + 2);
  const height = bottom + SPACING + lanes.length * BARS + AXIS;
  const root = svg("svg", { class: "cells", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The window's ${times.length} steps` });
  const end = LEFT + times.length * step;
  const duration = Math.max(1, times[times.length - 1] - times[0]);
  const reach = Math.max(end - LEFT, Math.min(LEAST_AXIS, width - LEFT - 8)) - 4;
  const at = (time) => LEFT + 2 + ((time - times[0]) / duration) * reach;
  values.forEach((column, sensor) => root.append(row(column, about.sensors[sensor], times, sensor * (CELL + 2), step)));
  root.append(svg("path", { class: "spacing", d: times.map((time, place) => `M${(LEFT + (place + 0.5) * step).toFixed(1)} ${bottom}L${at(time).toFixed(1)} ${bottom + SPACING - 4}v4`).join("") }));
  lanes.forEach(([name, numbers], place) => root.append(bars(name, numbers, times, at, bottom + SPACING + place * BARS)));
  root.append(timeAxis(times, at, bottom + SPACING + lanes.length * BARS));
  if (shownPadding) {
    const box = { x: end + 2, y: 0, width: shownPadding * step - 2, height: bottom - 2, rx: 2 };
    root.append(svg("g", { class: "padding" }, svg("rect", box), svg("title", { text: `${padding} steps of padding, which change no score` })));
    if (shownPadding * step > 60) root.append(svg("text", { class: "padding-text", x: end + (shownPadding * step) / 2, y: box.height / 2 + 4, "text-anchor": "middle", text: "padding" }));
  }
  return root;
}

/** A bar at each step's time; no bar where the model did not see the step. */
function bars(name, numbers, times, at, top) {
  const known = numbers.filter((value) => value !== null);
  const low = Math.min(0, ...known), high = Math.max(0, ...known);
  const y = (value) => top + BARS - 4 - ((value - low) / Math.max(1e-12, high - low)) * (BARS - 10);
  const group = svg("g", { class: "weights" }, svg("text", { class: "name", x: 0, y: top + BARS / 2, text: name }), svg("text", { class: "bound", x: 0, y: top + BARS / 2 + 13, text: `at most ${number(high)}` }));
  const thick = Math.max(1.5, Math.min(10, nearest(times, at) - 1));
  numbers.forEach((value, place) => {
    if (value === null) return;
    const [above, below] = [Math.min(y(value), y(0)), Math.max(y(value), y(0))];
    group.append(svg("rect", { class: "weight", x: (at(times[place]) - thick / 2).toFixed(1), y: above.toFixed(1), width: thick.toFixed(1), height: Math.max(1, below - above).toFixed(1) }, svg("title", { text: `${clock(times[place])}  ${name} ${number(value)}` })));
  });
  return group;
}

/** Half of the bars stand no nearer to the next one than this. */
function nearest(times, at) {
  const distances = times.slice(1).map((time, place) => at(time) - at(times[place])).sort((one, other) => one - other);
  return distances.length ? distances[distances.length >> 1] : 10;
}

function timeAxis(times, at, top) {
  const [first, last] = [times[0], times[times.length - 1]];
  const group = svg("g", { class: "axis" }, svg("line", { x1: at(first), x2: at(last), y1: top, y2: top }), svg("text", { class: "name", x: 0, y: top + 13, text: "time" }), svg("text", { x: at(first), y: top + 13, text: clock(first) }));
  if (last > first) group.append(svg("text", { x: at(last), y: top + 13, "text-anchor": "end", text: clock(last) }));
  return group;
}

function row(column, name, times, top, step) {
  const known = column.filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known);
  const group = svg("g", { class: "row" }, svg("text", { class: "name", x: 0, y: top + 15, text: name }));
  const inner = Math.max(0.6, step - (step > 4 ? 1 : 0));
  column.forEach((value, place) => {
    const x = LEFT + place * step;
    const words = `${clock(times[place])}  ${value === null ? "no value" : number(value, 5)}`;
    const strength = value === null ? null : (0.18 + 0.82 * (high > low ? (value - low) / (high - low) : 0.5)).toFixed(2);
    group.append(svg("rect", { class: value === null ? "missing" : "cell", x, y: top, width: inner, height: CELL, "fill-opacity": strength, rx: step > 6 ? 2 : 0 }, svg("title", { text: words })));
  });
  return group;
}
