// One window as the model was given it: a column for each step, a row for each sensor, then the padding; above, the real spacing.
import { CLOSED, clock, el, moment, number, plural, span, svg } from "./text.js";

const LEFT = 96, SPACING = 30, CELL = 22, MOST_PADDING = 64;

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
    el("p", { class: "hint", text: "Each column is a step as the model was given it; above, where it was in time." }), cells(content, about, width), list, command);
}

function cells(content, about, width) {
  const { window, times, values } = content;
  const padding = window.padded_to === null ? 0 : Math.max(0, window.padded_to - window.length);
  const shownPadding = Math.min(padding, MOST_PADDING);
  const columns = times.length + shownPadding;
  const step = Math.min(26, (width - LEFT - 8) / Math.max(1, columns));
  const height = SPACING + about.sensors.length * (CELL + 2) + 6;
  const root = svg("svg", { class: "cells", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The window's ${times.length} steps` });
  const end = LEFT + times.length * step;
  const duration = Math.max(1, times[times.length - 1] - times[0]);
  const at = (time) => LEFT + 1 + ((time - times[0]) / duration) * (times.length * step - 2);
  root.append(svg("line", { class: "rule", x1: LEFT, x2: end, y1: 5, y2: 5 }), svg("text", { class: "name", x: 0, y: 10, text: "time" }));
  root.append(svg("path", { class: "spacing", d: times.map((time, place) => `M${at(time).toFixed(1)} 2v6L${(LEFT + (place + 0.5) * step).toFixed(1)} ${SPACING - 4}`).join("") }));
  values.forEach((column, sensor) => root.append(row(column, about.sensors[sensor], times, SPACING + sensor * (CELL + 2), step)));
  if (shownPadding) {
    const box = { x: end + 2, y: SPACING, width: shownPadding * step - 2, height: about.sensors.length * (CELL + 2) - 2, rx: 2 };
    root.append(svg("g", { class: "padding" }, svg("rect", box), svg("title", { text: `${padding} steps of padding, which change no score` })));
    if (shownPadding * step > 60) root.append(svg("text", { class: "padding-text", x: end + (shownPadding * step) / 2, y: SPACING + box.height / 2 + 4, "text-anchor": "middle", text: "padding" }));
  }
  return root;
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
