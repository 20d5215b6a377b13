// Words, numbers and elements. All of web/*.js is one script, in the order of cmake/status_page.cmake. What comes from
// the service is put into the page as text, never as markup: keys, names and errors are anybody's.
'use strict';

const $ = (id) => document.getElementById(id);

// --- Words and numbers

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const short = new Intl.NumberFormat('en', {notation: 'compact', maximumFractionDigits: 1});
const NONE = '–';

function count(value) {
  return value === null || value === undefined ? NONE : whole.format(value);
}
function rate(value) {
  if (value === null || value === undefined) return NONE;
  if (value >= 100_000) return short.format(value);
  return value >= 10 ? whole.format(value) : String(Number(value.toFixed(2)));
}
function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; ++unit; }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}
// Of seconds, for people: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h".
function span(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = parts.findIndex(([size]) => all >= size);
  return parts.slice(first, first + 2).map(([size, name], i) => {
    const number = Math.floor((i === 0 ? all : all % parts[first][0]) / size);
    return i > 0 && number === 0 ? '' : `${number} ${name}`;
  }).join(' ').trim();
}
function micros(us) {
  if (us === null || us === undefined) return NONE;
  if (us < 1000) return `${us < 10 ? Number(us.toFixed(1)) : us.toFixed(0)} µs`;
  const ms = us / 1000;
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
function words(name) { return name.replaceAll('_', ' '); }
function clockTime(ms) { return new Date(ms).toLocaleTimeString('en-GB'); }
function dayTime(ms) {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  return today ? clockTime(ms) : new Date(ms).toLocaleString('en-GB');
}

// --- Elements

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
// Cells: a text, or {text, kind: classes} or {part: 0 to 1}. Keeps the elements that are there, so that a selection
// stays.
function fill(table, rows) {
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    cells.forEach((given, column) => {
      const cell = row.cells[column] ?? row.insertCell();
      const {text, kind = '', part} = typeof given === 'object' ? given : {text: given};
      const head = table.tHead.rows[0].cells[column];
      const classes = `${head.className} ${kind}`.trim();
      if (cell.className !== classes) cell.className = classes;
      if (part === undefined) return setText(cell, text);
      if (!cell.firstElementChild) {
        const bar = make('span', undefined, 'bar');
        bar.append(make('span'));
        cell.replaceChildren(bar, make('span'));
      }
      cell.firstElementChild.firstElementChild.style.width = `${part * 100}%`;
      setText(cell.lastElementChild, percent(part));
    });
  });
}
// Never 100 before it is.
function percent(part) { return `${Math.floor(part * 100)} %`; }
