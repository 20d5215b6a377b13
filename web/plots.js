// The plots of the last minutes, which /status/history has.
const ROUTES_PLOTTED = 6; // as many as there are colours

let past = null; // what /status/history said last

function lastOf(path, series) {
  return past?.routes.find((one) => one.path === path)?.[series].at(-1) ?? null;
}
function slowest() {
  const times = (past?.routes ?? []).map((one) => one.p99_us.at(-1) ?? null).filter((value) => value !== null);
  return times.length > 0 ? Math.max(...times) : null;
}
// The routes to plot, in the configuration's order, each with its colour.
function busiest() {
  const total = (route) => route.requests_per_second.reduce((sum, value) => sum + value, 0);
  const chosen = [...past.routes].sort((a, b) => total(b) - total(a)).slice(0, ROUTES_PLOTTED);
  return past.routes.filter((route) => chosen.includes(route)).map((route, colour) => ({...route, colour}));
}

// `series`: name, colour, and lines of values, of which all but the last are faint.
const PLOTS = [
  {id: 'plot-requests', show: rate,
    series: () => busiest().map((one) => ({name: one.path, colour: one.colour, lines: [one.requests_per_second]}))},
  {id: 'plot-times', show: micros,
    series: () => busiest().filter((one) => one.p99_us.some((value) => value !== null))
      .map((one) => ({name: one.path, colour: one.colour, lines: [one.p50_us, one.p99_us]}))},
  {id: 'plot-ingest', show: rate, series: () => [{name: 'all topics', colour: 0, lines: [past.records_per_second]}]},
  {id: 'plot-lag', show: rate, series: () => [{name: 'all partitions', colour: 0, lines: [past.lag_records]}]},
];
const library = typeof uPlot === 'function' ? uPlot : null;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const placeOf = (plot) => $(plot.id).querySelector('.plot');

function valuesText(plot, one, at) { return one.lines.map((values) => plot.show(values.at(at))).join(' / '); }

// The figures at a time, -1 = the last.
function showLegend(plot, series, times, at) {
  const parts = series.map((one) => {
    const part = make('span');
    const mark = make('i');
    mark.style.background = colour(`--series-${one.colour}`);
    part.append(mark, `${one.name} `, make('b', valuesText(plot, one, at)));
    return part;
  });
  if (at >= 0) parts.unshift(make('span', clockTime(times[at] * 1000)));
  $(plot.id).querySelector('.legend').replaceChildren(...parts);
}

function say(plot, text) {
  plot.drawn?.destroy();
  plot.drawn = null;
  placeOf(plot).replaceChildren(make('span', text, 'quiet'));
}

// Labels tell the lines of a short time apart.
function timeLabels(u, marks) {
  const {min, max} = u.scales.x;
  return marks.map((at) => (max - min > 300 ? clockTime(at * 1000).slice(0, 5) : clockTime(at * 1000)));
}
// Of an axis: some room above the highest value.
function niceTop(value) { return value > 0 ? value * 1.15 : 1; }

function draw(plot, series, times) {
  const place = placeOf(plot);
  const data = [times, ...series.flatMap((one) => one.lines)];
  plot.legend = (at) => showLegend(plot, series, times, at);
  const key = series.map((one) => one.name).join('\n');
  if (plot.drawn && plot.key === key) return plot.drawn.setData(data);
  plot.drawn?.destroy();
  plot.key = key;
  place.replaceChildren();
  const axis = {stroke: colour('--soft'), grid: {stroke: colour('--grid'), width: 1}, ticks: {show: false},
    font: `11px ${getComputedStyle(document.body).fontFamily}`};
  const filled = series.length === 1 && series[0].lines.length === 1;
  plot.drawn = new library({
    width: place.clientWidth,
    height: place.clientHeight,
    legend: {show: false},
    cursor: {y: false, drag: {x: false, y: false}, sync: {key: 'time'}, points: {size: 6}},
    scales: {
      x: {range: (u) => [Math.min(u.data[0][0], u.data[0].at(-1) - 60), u.data[0].at(-1)]},
      y: {range: (_, from, to) => [0, niceTop(to)]},
    },
    axes: [
      {...axis, size: 24, gap: 6, space: 76, values: timeLabels},
      {...axis, size: 56, gap: 6, space: 26, values: (_, marks) => marks.map((value) => plot.show(value))},
    ],
    series: [{}, ...series.flatMap((one) => one.lines.map((_, i) => {
      const faint = i < one.lines.length - 1;
      const stroke = colour(`--series-${one.colour}`);
      return {stroke, width: faint ? 1 : 1.6, dash: faint ? [3, 3] : undefined,
        fill: filled ? `${stroke}22` : undefined, points: {size: 4, show: (u) => u.data[0].length < 3}};
    }))],
    hooks: {setCursor: [(u) => plot.legend(u.cursor.idx ?? -1)]},
  }, data, place);
}

function showPast() {
  const times = past.times_ms.map((ms) => ms / 1000);
  for (const plot of PLOTS) {
    const series = plot.series();
    const now = series.map((one) => `${one.name} ${valuesText(plot, one, -1)}`).join(', ');
    placeOf(plot).setAttribute('aria-label', `The last minutes; now: ${now || 'nothing'}`);
    showLegend(plot, series, times, -1);
    if (times.length === 0) say(plot, `The first figures come within ${2 * past.interval_seconds} seconds.`);
    else if (series.length === 0) say(plot, 'No requests in this time.');
    else if (library) draw(plot, series, times);
  }
}

if (library) {
  const sizes = new ResizeObserver(() => {
    for (const plot of PLOTS) {
      const place = placeOf(plot);
      plot.drawn?.setSize({width: place.clientWidth, height: place.clientHeight});
    }
  });
  for (const plot of PLOTS) sizes.observe(placeOf(plot));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const plot of PLOTS) plot.key = null;
    if (past) showPast();
  });
} else {
  document.body.classList.add('figures-only');
  $('no-plots').hidden = false;
}
