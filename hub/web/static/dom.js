// Small helpers to make elements. Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with a class, and children: strings, elements, or nothing. */
export function el(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An SVG element with attributes. */
export function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Time of day, to the second. */
export function clock(instant) {
  return new Date(instant).toLocaleTimeString("en-GB");
}

/** A whole number with thin spaces: 12 345. */
export function whole(number) {
  return Number(number).toLocaleString("en-GB").replaceAll(",", "\u202f");
}

const NAMED = {
  WHITE: "#f4f5f2", BLACK: "#23272a", SILVER: "#b9c0c4", GREY: "#7f888d", GRAY: "#7f888d",
  RED: "#c0392b", BLUE: "#2a5ea8", GREEN: "#3b7d5a", YELLOW: "#e3b428", ORANGE: "#d9762b",
  BROWN: "#77543c", BEIGE: "#d8c7a4", PURPLE: "#6d4b8d",
};
const OTHERS = [
  "#2a5ea8", "#b9c0c4", "#c0392b", "#23272a", "#3b7d5a", "#f4f5f2", "#d9762b", "#77543c",
  "#7f888d", "#e3b428", "#4d8fac", "#8d3b52", "#d8c7a4", "#6d4b8d", "#1f5c63", "#9aa84c",
];

/** What a body colour looks like: by its name where that says it, else one of a fixed set. */
export function paint(colour) {
  const name = Object.keys(NAMED).find((known) => colour.toUpperCase().includes(known));
  if (name) return NAMED[name];
  const sum = [...colour].reduce((all, letter) => (all * 31 + letter.codePointAt(0)) >>> 0, 7);
  return OTHERS[/^\d+$/.test(colour) ? Number(colour) % OTHERS.length : sum % OTHERS.length];
}
