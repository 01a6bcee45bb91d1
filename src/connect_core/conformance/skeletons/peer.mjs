// A peer for `connect-core conformance run --stdio`: fill in the four functions.
//
// Each of them takes a request, and returns the outcome and the further members of its answer, or a
// promise of them. "The line protocol" in the Connection specification says what both have.

/** Your Connections, by id. */
const connections = new Map();

// ---- Fill these in -----------------------------------------------------------------------------

/**
 * Create a Connection to `destination` or from the document `body`; if ok: `connection`.
 * `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`.
 */
function create({ by, destination, source, name, scopes, allow_self, body }) {
  return { outcome: 'unsupported' };
}

/** Take the `action` on the `connection`; `expected_version` may be given. */
function act({ by, connection, action, expected_version }) {
  return { outcome: 'not-found' };
}

/** Say whether `by` may read data of the `scope` through the `connection` now. */
function share({ by, connection, scope }) {
  return { outcome: 'not-found' };
}

/** Show the `connection` to `by`; if ok: `state`, an object. */
function read({ by, connection }) {
  return { outcome: 'not-found' };
}

// ---- The line protocol -------------------------------------------------------------------------

/** Forget everything: what follows begins without Connections. */
function close() {
  connections.clear();
  return { outcome: 'ok' };
}

const VERBS = new Map(Object.entries({ create, act, share, read, close }));
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Answer one request. A failure is an answer, too, and the next request is read. */
async function answerTo(line) {
  let id = null; // until it is known
  try {
    const request = JSON.parse(UTF_8.decode(line));
    if (!Number.isInteger(request.id)) throw new TypeError('a request has an id');
    id = request.id;
    const verb = VERBS.get(request.verb);
    const answer = verb ? await verb(request) : { outcome: 'unsupported' };
    return JSON.stringify({ protocol: 1, id, ...answer });
  } catch (error) {
    return JSON.stringify({ protocol: 1, id, error: String(error) });
  }
}

/** Lines end with U+000A, and with nothing else; those of node:readline also end at U+2028. */
async function* linesOf(stream) {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    for (let end; (end = rest.indexOf('\n')) !== -1; rest = rest.subarray(end + 1)) {
      yield rest.subarray(0, end);
    }
  }
}

for await (const line of linesOf(process.stdin)) {
  process.stdout.write(`${await answerTo(line)}\n`);
}
