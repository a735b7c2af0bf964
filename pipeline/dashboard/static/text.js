// Elements and words: what the views are made of. Knows no data of the pipeline.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `options` are attributes, `on…` listeners, `text` its text. */
export function el(name, options = {}, ...children) {
  return fill(document.createElement(name), options, children);
}

/** The same, of SVG. */
export function svg(name, options = {}, ...children) {
  return fill(document.createElementNS(SVG, name), options, children);
}

function fill(node, options, children) {
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Gives a node these children, touching only what differs, so that a click, a selection and the focus outlive an update. */
export function become(node, ...children) {
  const wanted = children.filter((child) => child !== null && child !== undefined && child !== "");
  wanted.forEach((child, place) => {
    const there = node.childNodes[place];
    if (!there) node.append(child);
    else if (there.nodeName !== child.nodeName) there.replaceWith(child);
    else if (child.nodeType === Node.TEXT_NODE) {
      if (there.data !== child.data) there.data = child.data;
    } else {
      dress(there, child);
      become(there, ...child.childNodes);
    }
  });
  while (node.childNodes.length > wanted.length) node.lastChild.remove();
}

function dress(node, like) {
  for (const { name } of [...node.attributes]) if (name !== "style" && !like.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of like.attributes) if (name !== "style" && node.getAttribute(name) !== value) node.setAttribute(name, value);
  if (node.style.cssText !== like.style.cssText) node.style.cssText = like.style.cssText; // not as an attribute: the policy forbids it
}

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  if (size >= 10000) return Math.round(value).toLocaleString("en");
  if (size >= 100) return value.toFixed(size >= 1000 ? 0 : 1);
  return Number(value.toPrecision(digits)).toString();
}

/** Milliseconds, in the largest unit that leaves at least 1. */
export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  const sign = ms < 0 ? "−" : "";
  const size = Math.abs(ms);
  if (size < 1000) return `${sign}${Math.round(size)} ms`;
  if (size < 10_000) return `${sign}${(size / 1000).toFixed(1)} s`;
  if (size < 120_000) return `${sign}${Math.round(size / 1000)} s`;
  if (size < 7_200_000) return `${sign}${Math.round(size / 60_000)} min`;
  if (size < 172_800_000) return `${sign}${Math.round(size / 3_600_000)} h`;
  if (size < 63_072_000_000) return `${sign}${Math.round(size / 86_400_000)} d`;
  return `${sign}${Math.round(size / 31_536_000_000)} years`;
}

export function ago(ms, now) {
  if (ms === null || ms === undefined) return "–";
  return now - ms < 1500 ? "now" : `${span(now - ms)} ago`;
}

export function clock(ms) {
  return ms === null || ms === undefined ? "–" : new Date(ms).toLocaleTimeString("en-GB");
}

/** With the day, unless it is today's. */
export function moment(ms, now) {
  if (ms === null || ms === undefined) return "–";
  const day = new Date(ms).toLocaleDateString("en-CA");
  return day === new Date(now).toLocaleDateString("en-CA") ? clock(ms) : `${day} ${clock(ms)}`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** Words for the reasons on the wire. */
export const CLOSED = {
  gap: "a gap followed", size: "it was full", partial: "it was shown growing", max_length: "longest length", max_duration: "longest duration",
  early: "still open", idle: "the device fell silent", reset: "a replay began", end: "the stage was drained",
};
export const REFUSED = {
  json: "not JSON", schema: "another shape", key: "key is not the device", not_finite: "not a finite number", empty: "no known sensor",
  future: "clock ahead", past: "clock behind", late: "too late", too_large: "too large", model: "the model cannot score it", receiver: "its receiver refuses it",
};
