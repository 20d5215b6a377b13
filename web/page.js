// The status page. It asks /status every two seconds and /status/history every few, and shows them. All that comes from
// there is put into the page as text, never as markup: keys, names and errors are anybody's.
'use strict';
(() => {
  const POLL_MS = 2000;
  const PATIENCE_MS = 8000; // for one answer
  const RATE_SECONDS = 10; // what "now" is the mean of
  const PARTITIONS_SHOWN = 24;
  const ROUTES_PLOTTED = 6; // as many as there are colours
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
    return value >= 10 || value === 0 ? whole.format(value) : value.toFixed(1);
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
    if (us < 1000) return `${us.toFixed(0)} µs`;
    const ms = us / 1000;
    return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
  }
  function words(name) { return name.replaceAll('_', ' '); }
  function time(ms) {
    const at = new Date(ms);
    const today = at.toDateString() === new Date().toDateString();
    return today ? at.toLocaleTimeString('en-GB') : at.toLocaleString('en-GB');
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

  // --- Rates, of the counts of the last answers

  const seen = []; // {at, counts: Map}
  function remember(status, counts) {
    const at = status.uptime_seconds;
    if (seen.length > 0 && at < seen[seen.length - 1].at) seen.length = 0; // another process
    seen.push({at, counts});
    while (seen.length > 2 && at - seen[1].at >= RATE_SECONDS) seen.shift();
  }
  // Per second; null while it is not known.
  function rateOf(name) {
    const first = seen[0];
    const last = seen[seen.length - 1];
    if (last.at - first.at < 0.5 || !first.counts.has(name)) return null;
    return Math.max(0, last.counts.get(name) - first.counts.get(name)) / (last.at - first.at);
  }
  function sumOf(values) {
    return values.some((value) => value === null) ? null : values.reduce((sum, value) => sum + value, 0);
  }

  // --- What /status says

  function partitionsOf(status) {
    const feeds = [status.kafka, status.kafka_group].filter((feed) => feed);
    return feeds.flatMap((feed) => feed.partitions.map((one) => ({
      ...one,
      name: `${one.topic}/${one.partition}`,
      id: `${feed === status.kafka_group ? 'group ' : ''}${one.topic}/${one.partition}`,
      behind: one.owned && one.state !== 'caught_up',
      all: Math.max(one.target - one.log_start, 0),
      done: Math.max(Math.min(one.position, one.target) - one.log_start, 0),
    })));
  }

  function showState(status) {
    const state = status.state;
    const name = {ready: 'Ready', loading: 'Loading', not_ready: 'Not ready', stopping: 'Stopping'}[state] ?? words(state);
    setText($('state'), name);
    $('state').className = `state ${state}`;
    setText($('facts'), `version ${status.version} · up ${span(status.uptime_seconds)}`);
    return name;
  }
  function nameTab(name, colour) {
    document.title = `${name} · Push Cache`;
    const drawn = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="${colour}"/></svg>`;
    const address = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
    if ($('icon').href !== address) $('icon').href = address;
  }

  function showLoading(status, partitions) {
    const loading = status.state === 'loading';
    $('loading').hidden = !loading;
    if (!loading) return;
    const all = partitions.reduce((sum, one) => sum + one.all, 0);
    const done = partitions.reduce((sum, one) => sum + one.done, 0);
    const part = all > 0 ? done / all : 0;
    setText($('loading-percent'), percent(part));
    $('loading-bar').firstElementChild.style.width = `${part * 100}%`;
    $('loading-bar').setAttribute('aria-valuenow', Math.floor(part * 100));
    const said = [`${count(done)} of ${count(all)} offsets`];
    const speed = status.load.records_per_second;
    if (speed > 0) said.push(`${rate(speed)} records/s`);
    if (status.load.eta_seconds !== null) said.push(`about ${span(status.load.eta_seconds)} left`);
    setText($('loading-text'), partitions.length === 0 ? 'The topics’ partitions are not known yet.' : said.join(' · '));
  }

  // What an operator should know beside the state.
  function noticesOf(status) {
    const more = [];
    for (const feed of [status.kafka, status.kafka_group]) {
      if (feed && !feed.connected && feed.error) more.push(`Kafka: ${feed.error}`);
      if (feed?.dead_letters?.error) more.push(`Dead letters: ${feed.dead_letters.error}`);
      if (feed?.group?.store_error) more.push(`Store: ${feed.group.store_error.error}`);
    }
    for (const one of status.registry.waiting) {
      more.push(`Schema ${one.schema_id}: ${one.error || 'being fetched from the registry'} ` +
        `(asked ${count(one.attempts + 1)} times)`);
    }
    if (status.snapshot?.error) more.push(`Snapshot: ${status.snapshot.error}`);
    return more.filter((text) => !status.reasons.includes(text));
  }
  function showNotices(status) {
    const more = noticesOf(status);
    const panel = $('notices');
    panel.hidden = status.reasons.length + more.length === 0;
    setText($('notices-title'), status.state === 'loading' ? 'Not ready yet, because'
      : status.reasons.length > 0 ? 'Not ready, because' : 'To look at');
    const lines = [...status.reasons.map((text) => [text, '']), ...more.map((text) => [text, 'more'])];
    const list = panel.querySelector('ul');
    while (list.children.length > lines.length) list.lastElementChild.remove();
    lines.forEach(([text, kind], i) => {
      const item = list.children[i] ?? list.appendChild(make('li'));
      setText(item, text);
      item.className = kind;
    });
  }

  function showFigures(status, partitions) {
    const bad = Object.values(status.records.bad).reduce((sum, value) => sum + value, 0);
    const lag = partitions.reduce((sum, one) => sum + one.lag, 0);
    const latest = slowest();
    const figures = [
      ['Records held', count(status.stores.reduce((sum, one) => sum + one.records, 0))],
      ['Requests/s', rate(sumOf(status.routes.map((one) => rateOf(`requests ${one.path}`))))],
      ['Slowest route’s p99', micros(latest)],
      ['Ingest, records/s', rate(rateOf('records'))],
      ['Lag, records', count(lag)],
      ['Bad records', count(bad), bad > 0 ? 'bad' : ''],
    ];
    figures.forEach(([name, text, kind = ''], i) => {
      const place = $('figures').children[i] ?? $('figures').appendChild(make('div'));
      if (!place.firstChild) place.append(make('dt', name), make('dd'));
      setText(place.lastChild, text);
      place.lastChild.className = kind;
    });
  }

  function showRoutes(status) {
    fill($('routes'), status.routes.map((one) => [
      {text: one.path, kind: 'mono'},
      one.store,
      {text: one.readers ? readerText(one) : 'its writer’s schema', kind: one.readers ? '' : 'soft'},
      rate(rateOf(`requests ${one.path}`)),
      rate(rateOf(`misses ${one.path}`)),
      rate(lastOf(one.path, 'errors_per_second')),
      micros(lastOf(one.path, 'p50_us')),
      micros(lastOf(one.path, 'p99_us')),
      count(one.requests),
      count(one.misses),
    ]));
    const select = $('lookup-route');
    const paths = status.routes.map((one) => one.path);
    if (paths.join('\n') !== [...select.options].map((one) => one.value).join('\n')) {
      select.replaceChildren(...paths.map((path) => new Option(path, path)));
    }
  }
  function readerText(route) {
    const states = new Set(route.readers.map((one) => one.state));
    return `${route.schema}${states.has('failed') ? ' (failed)' : states.has('waiting') ? ' (waiting)' : ''}`;
  }

  let allPartitions = false;
  function showPartitions(partitions) {
    // Those that are not where they should be come first.
    const sorted = [...partitions].sort((a, b) => b.behind - a.behind);
    const shown = allPartitions ? sorted : sorted.slice(0, PARTITIONS_SHOWN);
    fill($('partitions'), shown.map((one) => {
      const speed = rateOf(`position ${one.id}`);
      const left = one.behind && speed > 0 ? Math.max(one.target - one.position, 0) / speed : null;
      return [
        {text: one.name, kind: 'mono'},
        {text: one.owned ? words(one.state) : 'another process’s', kind: stateKind(one)},
        {part: one.all > 0 ? one.done / one.all : 1},
        count(one.position),
        count(one.end),
        count(one.lag),
        rate(speed),
        span(left),
        span(one.lag_seconds),
      ];
    }));
    $('partitions').className = partitions.some((one) => one.behind) ? '' : 'loaded';
    const caughtUp = partitions.filter((one) => !one.behind).length;
    setText($('partitions-sum'), `${count(caughtUp)} of ${count(partitions.length)} caught up`);
    const hidden = sorted.length - shown.length;
    $('partitions-more').hidden = hidden === 0 && !(allPartitions && sorted.length > PARTITIONS_SHOWN);
    setText($('partitions-more'), hidden > 0 ? `Show ${count(hidden)} more` : 'Show fewer');
  }
  function stateKind(partition) {
    if (!partition.owned) return 'soft';
    if (partition.state === 'caught_up') return 'good';
    return partition.state === 'loading' ? '' : partition.state === 'stopped' ? 'bad' : 'warn';
  }

  function showStores(status) {
    fill($('stores'), status.stores.map((one) => {
      const redis = one.type === 'redis'; // whose bytes are not known here
      return [
        one.name,
        redis ? 'Redis' : 'in memory',
        {text: words(one.state), kind: one.state === 'ok' ? 'good' : 'bad'},
        count(one.records),
        redis ? NONE : bytes(one.bytes),
        redis ? NONE : bytes(one.memory.total),
        redis || one.memory.max === null ? {text: 'none', kind: 'soft'} : bytes(one.memory.max),
        {text: count(one.refused), kind: one.refused > 0 ? 'bad' : ''},
      ];
    }));
  }

  function showBad(status) {
    const causes = Object.entries(status.records.bad).filter(([, number]) => number > 0);
    setText($('bad-sum'), causes.map(([cause, number]) => `${count(number)} ${words(cause)}`).join(' · '));
    $('bad-none').hidden = causes.length > 0;
    $('bad').hidden = status.bad_records.length === 0;
    fill($('bad'), status.bad_records.map((one) => [
      time(one.seen_ms),
      {text: `${one.topic}/${one.partition}@${one.offset}`, kind: 'mono'},
      words(one.cause),
      one.schema_id === null ? NONE : String(one.schema_id),
      {text: one.detail, kind: 'wrapped'},
    ]));
  }

  let lastStatus = null;
  function show(status) {
    lastStatus = status;
    const partitions = partitionsOf(status);
    const counts = new Map([['records', status.load.records_total]]);
    for (const one of status.routes) {
      counts.set(`requests ${one.path}`, one.requests).set(`misses ${one.path}`, one.misses);
    }
    for (const one of partitions) counts.set(`position ${one.id}`, one.position);
    remember(status, counts);
    const name = showState(status);
    showLoading(status, partitions);
    showNotices(status);
    showFigures(status, partitions);
    showRoutes(status);
    showPartitions(partitions);
    showStores(status);
    showBad(status);
    nameTab(name, {ready: '#2f9e6a', loading: '#3f7fe0'}[status.state] ?? '#d08a1a');
  }

  // --- The last minutes

  let past = null; // of /status/history
  function routeOf(path) { return past?.routes.find((one) => one.path === path); }
  function lastOf(path, series) { return routeOf(path)?.[series]?.at(-1) ?? null; }
  function slowest() {
    const times = (past?.routes ?? []).map((one) => one.p99_us?.at(-1) ?? null).filter((value) => value !== null);
    return times.length > 0 ? Math.max(...times) : null;
  }
  function busiest() {
    const total = (route) => route.requests_per_second.reduce((sum, value) => sum + value, 0);
    const chosen = new Set([...past.routes].sort((a, b) => total(b) - total(a)).slice(0, ROUTES_PLOTTED));
    return past.routes.filter((route) => chosen.has(route)); // in the configuration's order
  }
  const PLOTS = [
    {id: 'plot-requests', show: rate, series: () => busiest().map((one) => [one.path, one.requests_per_second])},
    {id: 'plot-times', show: micros, series: () => busiest().flatMap((one, i) => [
      [`${one.path} p50`, one.p50_us, {colour: i, dash: [3, 3]}], [`${one.path} p99`, one.p99_us, {colour: i}]])},
    {id: 'plot-ingest', show: rate, series: () => [['all topics', past.records_per_second]]},
    {id: 'plot-lag', show: rate, series: () => [['all partitions', past.lag_records]]},
  ];
  const library = typeof uPlot === 'function' ? uPlot : null;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function showLegend(plot, series, times, index) {
    const legend = $(plot.id).querySelector('.legend');
    const at = index === null ? times.length - 1 : index;
    const parts = series.map(([name, values, style], i) => {
      const part = make('span');
      const mark = make('i');
      mark.style.background = colour(`--series-${style?.colour ?? i}`);
      if (style?.dash) mark.style.opacity = 0.5;
      part.append(mark, name, make('b', plot.show(values?.[at])));
      return part;
    });
    if (index !== null) parts.unshift(make('span', new Date(times[at] * 1000).toLocaleTimeString('en-GB')));
    legend.replaceChildren(...parts);
  }
  function describe(plot, series) {
    const last = series.map(([name, values]) => `${name} ${plot.show(values?.at(-1))}`).join(', ');
    $(plot.id).querySelector('.plot').setAttribute('aria-label', `Of the last minutes; now: ${last}`);
  }
  function draw(plot, series, times) {
    const place = $(plot.id).querySelector('.plot');
    const data = [times, ...series.map(([, values]) => values)];
    const key = series.map(([name]) => name).join('\n');
    plot.legend = (index) => showLegend(plot, series, times, index);
    if (plot.drawn && plot.key === key) return plot.drawn.setData(data);
    plot.drawn?.destroy();
    plot.key = key;
    place.replaceChildren();
    const axis = {stroke: colour('--soft'), grid: {stroke: colour('--grid'), width: 1}, ticks: {show: false},
      font: '11px Inter, system-ui, sans-serif'};
    plot.drawn = new library({
      width: place.clientWidth, height: place.clientHeight,
      legend: {show: false},
      cursor: {y: false, drag: {x: false, y: false}, sync: {key: 'time'}, points: {size: 6}},
      scales: {x: {range: (_, from, to) => [Math.min(from, to - 60), to]}, y: {range: (_, from, to) => [0, niceTop(to)]}},
      axes: [
        {...axis, size: 24, gap: 4, space: 70, values: (_, all) => all.map(clock)},
        {...axis, size: 52, gap: 6, space: 34, values: (_, all) => all.map((value) => plot.show(value))},
      ],
      series: [{}, ...series.map(([, , style], i) => ({
        stroke: colour(`--series-${style?.colour ?? i}`), width: style?.dash ? 1.2 : 1.6, dash: style?.dash,
        fill: series.length === 1 ? `${colour('--series-0')}1f` : undefined, points: {show: times.length < 2, size: 4},
      }))],
      hooks: {setCursor: [(u) => plot.legend(u.cursor.idx ?? null)]},
    }, data, place);
  }
  function clock(seconds) {
    return new Date(seconds * 1000).toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'});
  }
  // Of an axis: some room above the highest value, and a line of zeros at the bottom.
  function niceTop(value) { return value > 0 ? value * 1.15 : 1; }

  function showPast() {
    if (!past) return;
    const times = past.times_ms.map((ms) => ms / 1000);
    for (const plot of PLOTS) {
      const series = plot.series();
      describe(plot, series);
      if (times.length === 0) {
        const place = $(plot.id).querySelector('.plot');
        if (!place.firstChild) place.append(make('span', `The first figures come after ${2 * past.interval_seconds} s.`, 'waits quiet'));
        continue;
      }
      if (library) draw(plot, series, times);
      showLegend(plot, series, times, null);
    }
  }
  function redraw() {
    for (const plot of PLOTS) plot.key = null;
    showPast();
  }
  if (library) {
    new ResizeObserver(() => {
      for (const plot of PLOTS) {
        const place = $(plot.id).querySelector('.plot');
        plot.drawn?.setSize({width: place.clientWidth, height: place.clientHeight});
      }
    }).observe(document.querySelector('.plots'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  } else {
    document.body.classList.add('figures-only');
    $('no-plots').hidden = false;
  }

  // --- One record

  // JSON as text with line breaks, as elements. Not by JSON.parse: its numbers would lose digits.
  function pretty(json) {
    const out = document.createDocumentFragment();
    const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
    let depth = 0;
    const breakLine = () => out.append(`\n${'  '.repeat(depth)}`);
    tokens.forEach((token, i) => {
      const next = tokens[i + 1];
      if (token === '{' || token === '[') {
        out.append(token);
        if (next === '}' || next === ']') return;
        ++depth;
        breakLine();
      } else if (token === '}' || token === ']') {
        if (tokens[i - 1] !== '{' && tokens[i - 1] !== '[') { --depth; breakLine(); }
        out.append(token);
      } else if (token === ',') {
        out.append(token);
        breakLine();
      } else if (token === ':') {
        out.append(': ');
      } else {
        const kind = token[0] !== '"' ? (/^[tfn]/.test(token) ? 'word' : 'number') : next === ':' ? 'key' : 'text';
        out.append(make('span', token, kind));
      }
    });
    return out;
  }
  function sayFound(text, said, kind) {
    const result = $('lookup-result');
    result.hidden = false;
    const line = result.querySelector('.said');
    line.textContent = said;
    line.className = `said ${kind}`;
    const origin = result.querySelector('.origin');
    const record = result.querySelector('pre');
    origin.replaceChildren();
    record.replaceChildren();
    record.hidden = origin.hidden = !text;
    if (!text) return;
    const found = JSON.parse(text);
    const place = found.topic === null ? 'written through HTTP' : `${found.topic}/${found.partition}@${found.offset}`;
    const facts = [['Position', place], ['Schema', `${found.schema.name} (id ${found.schema.id})`]];
    if (found.timestamp_ms !== null) facts.push(['Written', new Date(found.timestamp_ms).toLocaleString('en-GB')]);
    for (const [name, value] of facts) {
      const pair = make('div');
      pair.append(make('dt', name), make('dd', value));
      origin.append(pair);
    }
    // The record is the last member, as the service wrote it.
    const begin = text.indexOf(',"record":') + ',"record":'.length;
    record.append(pretty(text.slice(begin, text.lastIndexOf('}'))));
  }
  let asked = 0;
  async function lookUp(event) {
    event.preventDefault();
    const number = ++asked;
    const route = $('lookup-route').value;
    const key = $('lookup-key').value;
    let answer;
    try {
      const response = await ask(`status/record?route=${encodeURIComponent(route)}&key=${encodeURIComponent(key)}`);
      answer = {status: response.status, text: await response.text()};
    } catch {
      answer = null;
    }
    if (number !== asked) return; // another one was asked for since
    if (answer === null) return sayFound(null, 'The service does not answer.', 'bad');
    if (answer.status !== 200) return sayFound(null, messageOf(answer), 'bad');
    if (!JSON.parse(answer.text).found) return sayFound(null, `No record of ${route} has the key “${key}”.`, '');
    sayFound(answer.text, key, 'mono');
  }
  function messageOf(answer) {
    try {
      return JSON.parse(answer.text).message;
    } catch {
      return `The service answers ${answer.status}.`;
    }
  }

  // --- Asking

  async function ask(address) {
    return fetch(address, {cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS)});
  }
  async function askJson(address) {
    const response = await ask(address);
    if (!response.ok) throw new Error(`${address} answers ${response.status}`);
    return response.json();
  }
  let lostSince = null;
  function sayLost(lost) {
    document.body.classList.toggle('lost', lost);
    $('lost').hidden = !lost;
    if (!lost) { lostSince = null; return; }
    lostSince ??= new Date();
    setText($('state'), 'No connection');
    $('state').className = 'state lost';
    setText($('lost'), `The service has not answered since ${lostSince.toLocaleTimeString('en-GB')}. ` +
      `${lastStatus ? 'What follows is what it said last. ' : ''}Trying again.`);
    nameTab('No connection', '#c8453d');
  }
  let pastDue = 0;
  async function poll() {
    let status;
    let newPast = null;
    try {
      status = await askJson('status');
      if (Date.now() >= pastDue) newPast = await askJson('status/history');
    } catch {
      return sayLost(true);
    }
    sayLost(false);
    if (newPast) {
      past = newPast;
      pastDue = Date.now() + past.interval_seconds * 500;
      showPast();
    }
    show(status);
  }
  function keepPolling() { poll().finally(() => setTimeout(keepPolling, POLL_MS)); }

  $('lookup').addEventListener('submit', lookUp);
  $('partitions-more').addEventListener('click', () => {
    allPartitions = !allPartitions;
    if (lastStatus) showPartitions(partitionsOf(lastStatus));
  });
  keepPolling();
})();
