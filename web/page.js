// The page: asks /status every two seconds and /status/history every few, and shows them.
const POLL_MS = 2000;
const PATIENCE_MS = 8000; // for one answer
const RATE_SECONDS = 10; // what "now" is the mean of
const PARTITIONS_SHOWN = 12;
const NOTICES_SHOWN = 8;

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
    place: `${one.topic}/${one.partition}`,
    name: `${one.topic}/${one.partition}${feed === status.kafka_group ? ' (group)' : ''}`, // beside stores in memory
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
  document.body.dataset.state = state;
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
    const name = one.schema_guid ? `with GUID ${one.schema_guid}` : one.schema_id;
    more.push(`Schema ${name}: ${one.error || 'being fetched from the registry'} ` +
      `(asked ${count(one.attempts + 1)} times)`);
  }
  if (status.snapshot?.error) more.push(`Snapshot: ${status.snapshot.error}`);
  return more.filter((text) => !status.reasons.includes(text));
}
// But for partitions that only load: their table says so, and there may be hundreds.
function reasonsOf(status, partitions) {
  const loading = partitions.filter((one) => one.state === 'loading').map((one) => `${one.place}: loading`);
  return status.reasons.filter((text) => !loading.some((start) => text.startsWith(start)));
}
function showNotices(status, partitions) {
  const reasons = reasonsOf(status, partitions);
  const lines = [...reasons.map((text) => [text, '']), ...noticesOf(status).map((text) => [text, 'more'])];
  const left = lines.length - NOTICES_SHOWN;
  if (left > 0) lines.splice(NOTICES_SHOWN, left, [`and ${count(left)} more`, 'more']);
  $('notices').hidden = lines.length === 0;
  setText($('notices-title'), status.state === 'loading' ? 'Not ready yet, because'
    : reasons.length > 0 ? 'Not ready, because' : 'To look at');
  const list = $('notices').querySelector('ul');
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
    {text: one.readers ? readerText(one) : 'writer', kind: one.readers ? '' : 'soft'},
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
    const speed = rateOf(`position ${one.name}`);
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
      localWrites(one.local_writes),
    ];
  }));
}
function localWrites(writes) {
  const said = [];
  if (writes.added > 0) said.push(`${count(writes.added)} added`);
  if (writes.removed > 0) said.push(`${count(writes.removed)} removed`);
  if (writes.in_snapshot) said.push('some before the snapshot');
  return said.length > 0 ? {text: said.join(', '), kind: 'warn'} : {text: 'none', kind: 'soft'};
}

function showBad(status) {
  const causes = Object.entries(status.records.bad).filter(([, number]) => number > 0);
  setText($('bad-sum'), causes.map(([cause, number]) => `${count(number)} ${words(cause)}`).join(' · '));
  $('bad-none').hidden = causes.length > 0;
  $('bad').hidden = status.bad_records.length === 0;
  fill($('bad'), status.bad_records.map((one) => [
    dayTime(one.seen_ms),
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
  for (const one of partitions) counts.set(`position ${one.name}`, one.position);
  remember(status, counts);
  const name = showState(status);
  showLoading(status, partitions);
  showNotices(status, partitions);
  showFigures(status, partitions);
  showRoutes(status);
  showPartitions(partitions);
  showStores(status);
  showBad(status);
  nameTab(name, {ready: '#2f9e6a', loading: '#3f7fe0'}[status.state] ?? '#d08a1a');
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
  setText($('lost'), `The service has not answered since ${clockTime(lostSince)}. ` +
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
