// One record, of /status/record.
// --- One record

const PRETTY_MAX = 300_000; // characters; a longer record is shown as it came

// JSON as text with line breaks, as elements. Not by JSON.parse: its numbers would lose digits.
function pretty(json) {
  if (json.length > PRETTY_MAX) return document.createTextNode(json);
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
