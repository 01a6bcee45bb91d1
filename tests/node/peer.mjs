#!/usr/bin/env node
// An implementation of the Connection specification 1.1 that speaks its line protocol.
//
//   node peer.mjs [--open CXN-OPEN-001=status-first]... [--without versions]...
//
// --open chooses another answer to an open point than the default; --without omits a capability.

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

// ---- Options ---------------------------------------------------------------------------------

const CAPABILITIES =
  ['named-source', 'versions', 'expected-version', 'history', 'times', 'documents', 'http'];

/** The open points, each with its permitted answers, the default first. */
const OPEN_POINTS = {
  'CXN-OPEN-001': ['role-first', 'status-first'],
  'CXN-OPEN-002': ['hidden', 'refused'],
  'CXN-OPEN-003': ['409', '403', '404', '422'],
  'CXN-OPEN-004': ['refused', 'returned'],
  'CXN-OPEN-005': ['on-request', 'never', 'always'],
  'CXN-OPEN-006': ['kept', 'suspended'],
  'CXN-OPEN-007': ['403', '404', '409', '422'],
};

const { values: options } = parseArgs({
  options: {
    open: { type: 'string', multiple: true, default: [] },
    without: { type: 'string', multiple: true, default: [] },
  },
});
const claimed = new Set(CAPABILITIES);
for (const capability of options.without) {
  if (!claimed.delete(capability)) throw new Error(`no capability to leave out: ${capability}`);
}
const answers = Object.fromEntries(Object.entries(OPEN_POINTS).map(([at, [ours]]) => [at, ours]));
for (const choice of options.open) {
  const [point, answer] = choice.split('=');
  if (!OPEN_POINTS[point]?.includes(answer)) throw new Error(`no such answer: ${choice}`);
  answers[point] = answer;
}

// ---- The decision table ----------------------------------------------------------------------

/** Each action's roles, statuses and target, from which every cell of the matrix follows. */
const MATRIX = {
  create: { roles: ['source'], from: ['none'], to: 'pending' },
  activate: { roles: ['destination'], from: ['pending'], to: 'active' },
  deactivate: { roles: ['source', 'destination'], from: ['pending', 'active'], to: 'inactive' },
  reactivate: { roles: ['source'], from: ['inactive'], to: 'pending' },
};

/** The roles that an organization holds: none as an outsider, two in a self-connection. */
function rolesOf(organization, { source, destination }) {
  const roles = [];
  if (organization === source) roles.push('source');
  if (organization === destination) roles.push('destination');
  return roles;
}

/** The reason why a party is refused an action, or null. */
function refusalOf(action, roles, status, isStale = false) {
  const rule = MATRIX[action];
  const wrongRole = !rule.roles.some((role) => roles.includes(role));
  const wrongStatus = !rule.from.includes(status);
  const statusHides = wrongStatus && answers['CXN-OPEN-001'] === 'status-first';
  if (wrongRole && !statusHides) return 'wrong-role';
  // Reading again does not help an actor with the wrong role, so `stale` does not apply to it.
  if (isStale && !wrongRole) return 'stale';
  if (wrongStatus) return action === 'create' ? 'already-exists' : 'wrong-status';
  return null;
}

// ---- Valid values ----------------------------------------------------------------------------

const DEFAULT_SCOPES = ['account.read', 'inquiry.read'];
const MOST_SCOPES = 64;
const MOST_CHARACTERS = 255; // of an id or a scope, which are ASCII
const SCOPE = /^[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*$/;
// With the flag `u`, 255 counts code points, Cs is an unpaired surrogate, and Cc is exactly
// U+0000 to U+001F and U+007F to U+009F.
const NAME = /^[^\p{Cc}\p{Cs}]{0,255}$/u;
const DESTINATION = 'destination-organization-id';
const DOCUMENT_ORGANIZATION = /^org_[A-Za-z0-9_-]+$/;

const isString = (value) => typeof value === 'string';
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isScope = (value) =>
  isString(value) && value.length <= MOST_CHARACTERS && SCOPE.test(value);
const isName = (value) => isString(value) && NAME.test(value);

/** A scope that is named twice counts once, and each element that is no text for itself. */
function isRightNumberOfScopes(scopes) {
  const texts = scopes.filter(isString);
  const different = new Set(texts).size + scopes.length - texts.length;
  return different >= 1 && different <= MOST_SCOPES;
}

// ---- The service: all Connections ------------------------------------------------------------

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function newId() {
  return `cxn_${Array.from({ length: 28 }, () => BASE58[randomInt(BASE58.length)]).join('')}`;
}

let latest = 0;

/** The time in milliseconds; it stands still if the system's clock is set back. */
function now() {
  latest = Math.max(latest, Date.now());
  return latest;
}

class Service {
  #byId = new Map();
  #byPair = new Map();

  create({ by, source = by, destination, name = null, scopes = DEFAULT_SCOPES, allow_self }) {
    const roles = rolesOf(by, { source, destination });
    if (roles.length === 0) return { outcome: 'not-a-party' };
    const pair = JSON.stringify([source, destination]);
    const existing = this.#byPair.get(pair);
    const refusal = refusalOf('create', roles, existing?.status ?? 'none');
    if (!roles.includes('source')) return { outcome: refusal };

    const isValid = destination.length <= MOST_CHARACTERS && (name === null || isName(name))
      && scopes.every(isScope) && isRightNumberOfScopes(scopes);
    if (!isValid) return { outcome: 'invalid' };
    const selfAnswer = answers['CXN-OPEN-005'];
    const selfPermitted = selfAnswer === 'always' || (selfAnswer === 'on-request' && allow_self);
    if (source === destination && !selfPermitted) return { outcome: 'self-connection' };
    if (existing && answers['CXN-OPEN-004'] === 'returned') {
      return { outcome: 'ok', connection: existing.id };
    }
    if (refusal) return { outcome: refusal };

    const connection = {
      id: newId(), source, destination, name, scopes: [...new Set(scopes)].sort(),
      status: null, version: 0, events: [],
    };
    this.#change(connection, 'create', by);
    this.#byId.set(connection.id, connection);
    this.#byPair.set(pair, connection);
    return { outcome: 'ok', httpCase: 'created', connection: connection.id };
  }

  act({ by, connection: id, action, expected_version: expected }) {
    const { connection, roles, outcome } = this.#find(id, by);
    if (!connection) return { outcome };
    const isStale = expected !== undefined && expected !== connection.version;
    const refusal = refusalOf(action, roles, connection.status, isStale);
    if (refusal) return { outcome: refusal };
    this.#change(connection, action, by);
    return { outcome: 'ok' };
  }

  share({ by, connection: id, scope }) {
    const { connection, roles, outcome } = this.#find(id, by);
    if (!connection) return { outcome };
    const permitted = connection.status === 'active'
      && roles.includes('destination') && connection.scopes.includes(scope);
    return { outcome: permitted ? 'ok' : 'denied' };
  }

  read({ by, connection: id }) {
    const { connection, outcome } = this.#find(id, by);
    return connection ? { outcome: 'ok', state: stateOf(connection) } : { outcome };
  }

  #find(id, by) {
    const connection = this.#byId.get(id);
    if (!connection) return { outcome: 'not-found' };
    const roles = rolesOf(by, connection);
    if (roles.length > 0) return { connection, roles };
    return { outcome: answers['CXN-OPEN-002'] === 'hidden' ? 'not-found' : 'not-a-party' };
  }

  #change(connection, action, organization) {
    const previous_status = connection.status;
    connection.status = MATRIX[action].to;
    connection.version += 1;
    connection.updatedAt = now();
    connection.createdAt ??= connection.updatedAt;
    const { version, status } = connection;
    connection.events.push({ version, action, previous_status, status, organization });
  }
}

// ---- Answers ---------------------------------------------------------------------------------

const timestamp = (milliseconds) => new Date(milliseconds).toISOString();

function reportedScopes({ status, scopes }) {
  const suspended = status === 'inactive' && answers['CXN-OPEN-006'] === 'suspended';
  return suspended ? [] : scopes;
}

function stateOf(connection) {
  const { status, source, destination, name } = connection;
  const state = { status, source, destination, name, scopes: reportedScopes(connection) };
  if (claimed.has('versions')) state.version = connection.version;
  if (claimed.has('history')) state.events = connection.events;
  if (claimed.has('times')) {
    state.created_at = timestamp(connection.createdAt);
    state.updated_at = timestamp(connection.updatedAt);
  }
  if (claimed.has('documents')) state.document = documentOf(connection);
  return state;
}

function documentOf(connection) {
  return {
    data: {
      type: 'connect/connections',
      id: connection.id,
      attributes: {
        token: connection.id,
        name: connection.name,
        status: connection.status,
        'organization-id': connection.source,
        [DESTINATION]: connection.destination,
        scopes: reportedScopes(connection),
        'creator-id': `api_${connection.source.replace(/^org_/, '')}`,
        'creator-type': 'api-key',
        'created-at': timestamp(connection.createdAt),
        'updated-at': timestamp(connection.updatedAt),
      },
    },
  };
}

// ---- Create documents ------------------------------------------------------------------------

/** A place, or the place around it that has no unpaired surrogate in it. */
function withoutSurrogates(pointer) {
  return pointer.isWellFormed() ? pointer : withoutSurrogates(pointer.replace(/\/[^/]*$/, ''));
}

const escapePointer = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

/**
 * The JSON pointers of all duplicate members, in text that is known to be JSON. What is in a value
 * that does not count, as its member occurs again, is left out.
 */
function placesOfMembersTwice(json) {
  const found = []; // each with its object, and with the occurrences of members that lead there
  const around = []; // the arrays and objects around this place: a stack, as JSON may be deep
  let opened = null; // where the string around this place begins, if there is one
  let text; // the latest string, with its quotes
  for (const { 0: token, index } of json.matchAll(/\\.|["{}[\],:]/g)) {
    const inner = around.at(-1);
    if (opened !== null) {
      if (token !== '"') continue;
      text = json.slice(opened, index + 1);
      opened = null;
    } else if (token === '"') {
      opened = index;
    } else if (token === '{' || token === '[') {
      const pointer = inner ? `${inner.pointer}/${inner.at}` : '';
      const way = inner ? [...inner.way, [inner, inner.at, inner.names.get(inner.at)]] : [];
      around.push({ pointer, way, isArray: token === '[', at: 0, names: new Map() });
    } else if (token === '}' || token === ']') {
      around.pop();
    } else if (token === ',' && inner.isArray) {
      inner.at += 1;
    } else if (token === ':') {
      inner.at = escapePointer(JSON.parse(text)); // parsed, as "a" and "\u0061" are the same name
      const times = inner.names.get(inner.at) ?? 0;
      if (times > 0) found.push({ place: `${inner.pointer}/${inner.at}`, way: inner.way });
      inner.names.set(inner.at, times + 1);
    }
  }
  const counts = ([object, name, times]) => object.names.get(name) === times;
  return found.filter(({ way }) => way.every(counts)).map(({ place }) => place);
}

/** The JSON pointers of all problems but duplicate members, of which the last one is checked. */
function placesOfProblems(document) {
  const places = [];

  /** Whether a value is an object; records the problems inside it. */
  function isObjectOf(checks, required, value, place) {
    if (!isObject(value)) return false;
    if (!Object.hasOwn(value, required)) places.push(place);
    for (const [name, member] of Object.entries(value)) {
      const inner = `${place}/${escapePointer(name)}`;
      const isRight = Object.hasOwn(checks, name) && checks[name](member, inner);
      if (!isRight) places.push(inner);
    }
    return true;
  }

  const attributes = {
    [DESTINATION]: (value) =>
      isString(value) && value.length <= MOST_CHARACTERS && DOCUMENT_ORGANIZATION.test(value),
    name: (value) => value === null || isName(value),
    scopes: (value, place) => {
      if (!Array.isArray(value) || !isRightNumberOfScopes(value)) return false;
      value.forEach((scope, at) => { if (!isScope(scope)) places.push(`${place}/${at}`); });
      return true;
    },
  };
  const data = {
    type: (value) => value === 'connect/connections' || value === 'connect/connection',
    attributes: (value, place) => isObjectOf(attributes, DESTINATION, value, place),
  };
  const whole = { data: (value, place) => isObjectOf(data, 'attributes', value, place) };
  if (!isObjectOf(whole, 'data', document, '')) places.push('');
  return places;
}

function createFromDocument(service, by, body) {
  let document;
  try {
    document = JSON.parse(body); // follows RFC 8259 strictly, at any depth
  } catch {
    return { outcome: 'invalid', httpCase: 'not-json', pointers: [''] };
  }
  const places = [...placesOfMembersTwice(body), ...placesOfProblems(document)];
  const pointers = new Set(places.map(withoutSurrogates));
  if (pointers.size > 0) return { outcome: 'invalid', pointers: [...pointers] };
  const { [DESTINATION]: destination, name, scopes } = document.data.attributes;
  return service.create({ by, destination, name, scopes });
}

// ---- HTTP ------------------------------------------------------------------------------------

const HTTP_STATUS = {
  created: 201,
  ok: 200,
  'not-json': 400,
  'not-a-party': 403,
  'not-found': 404,
  'wrong-role': Number(answers['CXN-OPEN-007']),
  'wrong-status': Number(answers['CXN-OPEN-003']),
  'already-exists': 409,
  'self-connection': 422, // this one and `stale` are our choice: the specification leaves them free
  stale: 412,
  invalid: 422,
  denied: 403,
};

// ---- The line protocol -----------------------------------------------------------------------

const isNumber = (value) => typeof value === 'number';
const isBoolean = (value) => typeof value === 'boolean';
const isStrings = (value) => Array.isArray(value) && value.every(isString);
const isAbsent = (value) => value === undefined;
const maybe = (isRight) => (value) => isAbsent(value) || isRight(value);

/** The members of each verb. */
const FORMS = {
  __proto__: null, // so that no verb finds an inherited property
  create: {
    by: isString, destination: isString, source: maybe(isString), name: maybe(isString),
    scopes: maybe(isStrings), allow_self: maybe(isBoolean),
  },
  act: { by: isString, connection: isString, action: isString, expected_version: maybe(isNumber) },
  share: { by: isString, connection: isString, scope: isString },
  read: { by: isString, connection: isString },
  close: {},
};

/** The members of a `create` with a document, which replaces the other members. */
const FORM_WITH_BODY = {
  by: isString, body: isString, destination: isAbsent, source: isAbsent, name: isAbsent,
  scopes: isAbsent, allow_self: isAbsent,
};

const NEEDS = { source: 'named-source', expected_version: 'expected-version', body: 'documents' };

/** Unknown members are ignored. */
function checkMembers(request, form) {
  for (const [member, isRight] of Object.entries(form)) {
    if (!isRight(request[member])) throw new Error(`${member} is not as it ought to be`);
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LINE_FEED = 0x0a;

let service = new Service();

function carryOut(request) {
  checkMembers(request, { protocol: (value) => value === 1, id: isNumber, verb: isString });
  const { verb, by, action, body } = request;
  if (!FORMS[verb]) return { outcome: 'unsupported' };
  const hasBody = verb === 'create' && !isAbsent(body);
  checkMembers(request, hasBody ? FORM_WITH_BODY : FORMS[verb]);
  const isKnown = verb !== 'act' || (Object.hasOwn(MATRIX, action) && action !== 'create');
  const isClaimed = (member) => isAbsent(request[member]) || claimed.has(NEEDS[member]);
  if (!isKnown || !Object.keys(NEEDS).every(isClaimed)) return { outcome: 'unsupported' };
  if (verb === 'close') {
    service = new Service();
    return { outcome: 'ok' };
  }
  return hasBody ? createFromDocument(service, by, body) : service[verb](request);
}

function answerTo(line) {
  let id = null; // until the request's id is known
  try {
    const request = JSON.parse(UTF_8.decode(line));
    if (!isObject(request)) throw new Error('a request is an object');
    if (isNumber(request.id)) id = request.id;
    const { httpCase, ...told } = carryOut(request);
    if (claimed.has('http') && request.verb !== 'close') {
      told.http = HTTP_STATUS[httpCase ?? told.outcome];
    }
    return { protocol: 1, id, ...told };
  } catch (error) {
    return { protocol: 1, id, error: error.message };
  }
}

/** The lines of a stream. (Lines of node:readline also end at U+2028, which JSON may contain.) */
async function* linesOf(stream) {
  let begun = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end; (end = chunk.indexOf(LINE_FEED, start)) !== -1; start = end + 1) {
      yield Buffer.concat([...begun, chunk.subarray(start, end)]);
      begun = [];
    }
    if (start < chunk.length) begun.push(chunk.subarray(start));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}

for await (const line of linesOf(process.stdin)) {
  process.stdout.write(`${JSON.stringify(answerTo(line))}\n`);
}
