//! A peer for `connect-core conformance run --stdio`: fill in the four functions.
//!
//! Each of them takes a request, and returns the outcome and the further members of its answer, as
//! JSON. "The line protocol" in the Connection specification says what both have.
use std::collections::HashMap;
use std::io::{stdin, BufRead, Result};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// The values of each member, unescaped: those of an array, or a single one.
type Request = HashMap<String, Vec<String>>;

/// The value of a member that is no array, if it is given.
fn one<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.get(name)?.first().map(String::as_str)
}

/// Your Connections, by id.
type Connections = HashMap<String, ()>;

// --- Fill these in ------------------------------------------------------------------------------

/// Create a Connection to `destination` or from the document `body`; if ok: `connection`.
/// `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`.
fn create(_connections: &mut Connections, _request: &Request) -> String {
    outcome("unsupported")
}

/// Take the `action` on the `connection`; `expected_version` may be given.
fn act(_connections: &mut Connections, _request: &Request) -> String {
    outcome("not-found")
}

/// Say whether `by` may read data of the `scope` through the `connection` now.
fn share(_connections: &Connections, _request: &Request) -> String {
    outcome("not-found")
}

/// Show the `connection` to `by`; if ok: `state`, an object.
fn read(_connections: &Connections, _request: &Request) -> String {
    outcome("not-found")
}

/// The outcome as JSON. Append the further members: `, "connection": "cxn_1"`.
fn outcome(name: &str) -> String {
    format!("\"outcome\": {}", quoted(name))
}

// --- The line protocol --------------------------------------------------------------------------

fn main() -> Result<()> {
    let mut connections = Connections::new();
    for line in stdin().lock().split(b'\n') {
        println!("{}", answer_to(&line?, &mut connections)); // which flushes each line
    }
    Ok(())
}

/// Answer one request. A failure is an answer, too, and the next request is read.
fn answer_to(line: &[u8], connections: &mut Connections) -> String {
    let request = std::str::from_utf8(line).ok().and_then(request_in);
    let request = request.unwrap_or_default();
    let id = one(&request, "id").and_then(|id| id.parse::<u64>().ok());
    let members = catch_unwind(AssertUnwindSafe(|| match one(&request, "verb") {
        _ if id.is_none() => r#""error": "this is no request with an id""#.into(),
        Some("create") => create(connections, &request),
        Some("act") => act(connections, &request),
        Some("share") => share(connections, &request),
        Some("read") => read(connections, &request),
        Some("close") => {
            connections.clear(); // what follows begins without Connections
            outcome("ok")
        }
        _ => outcome("unsupported"),
    }))
    .unwrap_or_else(|_| r#""error": "a panic: see standard error""#.into());
    let id = id.map_or("null".into(), |id| id.to_string());
    format!(r#"{{"protocol": 1, "id": {}, {}}}"#, id, members)
}

// --- JSON ---------------------------------------------------------------------------------------

/// Text as JSON.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|each| match each {
        '"' | '\\' | '\0'..='\x1f' => format!("\\u{:04x}", u32::from(each)),
        _ => each.into(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// The members of an object, if this is JSON. No request has an object in an object.
fn request_in(mut line: &str) -> Option<Request> {
    let (mut request, rest) = (Request::new(), &mut line);
    let mut more = skip(rest, '{');
    while more {
        let name = skip(rest, '"').then(|| text(rest))??;
        let is_array = skip(rest, ':').then(|| skip(rest, '['))?;
        let mut values = vec![];
        if !(is_array && skip(rest, ']')) {
            values.push(value(rest)?);
            while is_array && skip(rest, ',') {
                values.push(value(rest)?);
            }
            (!is_array || skip(rest, ']')).then_some(())?;
        }
        request.insert(name, values);
        more = skip(rest, ',');
    }
    (skip(rest, '}') && rest.trim_start_matches(SPACE).is_empty()).then_some(request)
}

const SPACE: [char; 3] = [' ', '\t', '\r'];

/// Go behind this mark, if it comes next.
fn skip(rest: &mut &str, mark: char) -> bool {
    *rest = rest.trim_start_matches(SPACE);
    let behind = rest.strip_prefix(mark);
    *rest = behind.unwrap_or(rest);
    behind.is_some()
}

/// Text, a number or a literal. Some numbers pass that JSON writes otherwise, such as 01.
fn value(rest: &mut &str) -> Option<String> {
    if skip(rest, '"') {
        return text(rest);
    }
    let end = rest.find(|c| "]},".contains(c) || SPACE.contains(&c))?;
    let (word, behind) = rest.split_at(end);
    *rest = behind;
    let is_number = word.ends_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok();
    (is_number || ["true", "false", "null"].contains(&word)).then(|| word.into())
}

/// Text from behind its quotation mark; None if a surrogate has no partner.
fn text(rest: &mut &str) -> Option<String> {
    let (mut chars, mut units) = (rest.chars(), vec![]);
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => match (chars.next()?, chars.as_str()) {
                ('u', code) if !code.starts_with('+') => {
                    units.push(u16::from_str_radix(code.get(..4)?, 16).ok()?);
                    chars = code[4..].chars();
                }
                (each, _) => units.push(match each {
                    'b' => 8,
                    't' => 9,
                    'n' => 10,
                    'f' => 12,
                    'r' => 13,
                    '"' | '\\' | '/' => each as u16,
                    _ => return None,
                }),
            },
            '\0'..='\x1f' => return None,
            each => units.extend_from_slice(each.encode_utf16(&mut [0; 2])),
        }
    }
    *rest = chars.as_str();
    String::from_utf16(&units).ok()
}
